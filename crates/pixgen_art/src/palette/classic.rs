//! Palettes that everybody knows, by name.

use super::format::Format;

/// A well-known palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classic {
    /// The name under which it is found.
    pub name: &'static str,
    /// Who made it, or which machine shows it.
    pub origin: &'static str,
    /// Its colours in the usual order, as the lines of a `.hex` file.
    hex: &'static str,
}

impl Classic {
    /// Every palette, the smallest first.
    pub const ALL: [Self; 9] = [
        Self { name: "game-boy", origin: "Nintendo Game Boy (DMG)", hex: "0f380f\n306230\n8bac0f\n9bbc0f" },
        Self {
            name: "cga",
            origin: "IBM CGA, mode 4, palette 1, high intensity",
            hex: "000000\n55ffff\nff55ff\nffffff",
        },
        Self {
            name: "pico-8",
            origin: "Lexaloffle PICO-8",
            hex: "000000\n1d2b53\n7e2553\n008751\nab5236\n5f574f\nc2c3c7\nfff1e8\nff004d\nffa300\nffec27\n00e436\n29adff\n\
                  83769c\nff77a8\nffccaa",
        },
        Self {
            name: "db16",
            origin: "DawnBringer",
            hex: "140c1c\n442434\n30346d\n4e4a4e\n854c30\n346524\nd04648\n757161\n597dce\nd27d2c\n8595a1\n6daa2c\nd2aa99\n\
                  6dc2ca\ndad45e\ndeeed6",
        },
        Self {
            name: "sweetie-16",
            origin: "GrafxKid",
            hex: "1a1c2c\n5d275d\nb13e53\nef7d57\nffcd75\na7f070\n38b764\n257179\n29366f\n3b5dc9\n41a6f6\n73eff7\nf4f4f4\n\
                  94b0c2\n566c86\n333c57",
        },
        Self {
            name: "db32",
            origin: "DawnBringer",
            hex: "000000\n222034\n45283c\n663931\n8f563b\ndf7126\nd9a066\neec39a\nfbf236\n99e550\n6abe30\n37946e\n4b692f\n\
                  524b24\n323c39\n3f3f74\n306082\n5b6ee1\n639bff\n5fcde4\ncbdbfc\nffffff\n9badb7\n847e87\n696a6a\n595652\n\
                  76428a\nac3232\nd95763\nd77bba\n8f974a\n8a6f30",
        },
        Self {
            name: "endesga-32",
            origin: "Endesga",
            hex: "be4a2f\nd77643\nead4aa\ne4a672\nb86f50\n733e39\n3e2731\na22633\ne43b44\nf77622\nfeae34\nfee761\n63c74d\n\
                  3e8948\n265c42\n193c3e\n124e89\n0099db\n2ce8f5\nffffff\nc0cbdc\n8b9bb4\n5a6988\n3a4466\n262b44\n181425\n\
                  ff0044\n68386c\nb55088\nf6757a\ne8b796\nc28569",
        },
        Self {
            name: "nes",
            origin: "Nintendo Entertainment System",
            hex: "000000\nfcfcfc\nf8f8f8\nbcbcbc\n7c7c7c\na4e4fc\n3cbcfc\n0078f8\n0000fc\nb8b8f8\n6888fc\n0058f8\n0000bc\n\
                  d8b8f8\n9878f8\n6844fc\n4428bc\nf8b8f8\nf878f8\nd800cc\n940084\nf8a4c0\nf85898\ne40058\na80020\nf0d0b0\n\
                  f87858\nf83800\na81000\nfce0a8\nfca044\ne45c10\n881400\nf8d878\nf8b800\nac7c00\n503000\nd8f878\nb8f818\n\
                  00b800\n007800\nb8f8b8\n58d854\n00a800\n006800\nb8f8d8\n58f898\n00a844\n005800\n00fcfc\n00e8d8\n008888\n\
                  004058\nf8d8f8\n787878",
        },
        Self {
            name: "aap-64",
            origin: "Adigun A. Polack",
            hex: "060608\n141013\n3b1725\n73172d\nb4202a\ndf3e23\nfa6a0a\nf9a31b\nffd541\nfffc40\nd6f264\n9cdb43\n59c135\n\
                  14a02e\n1a7a3e\n24523b\n122020\n143464\n285cc4\n249fde\n20d6c7\na6fcdb\nffffff\nfef3c0\nfad6b8\nf5a097\n\
                  e86a73\nbc4a9b\n793a80\n403353\n242234\n221c1a\n322b28\n71413b\nbb7547\ndba463\nf4d29c\ndae0ea\nb3b9d1\n\
                  8b93af\n6d758d\n4a5462\n333941\n422433\n5b3138\n8e5252\nba756a\ne9b5a3\ne3e6ff\nb9bffb\n849be4\n588dbe\n\
                  477d85\n23674e\n328464\n5daf8d\n92dcba\ncdf7e2\ne4d2aa\nc7b08b\na08662\n796755\n5a4e44\n423934",
        },
    ];

    /// The palette of this name, upper or lower case.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|classic| classic.name.eq_ignore_ascii_case(name))
    }

    /// Its colours in the usual order.
    #[must_use]
    pub fn colors(&self) -> Vec<[u8; 3]> {
        // Tested below: every table is a valid file.
        Format::Hex.parse(self.hex.as_bytes()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_palette_is_whole() {
        let counts = [4, 4, 16, 16, 16, 32, 32, 55, 64];
        for (classic, count) in Classic::ALL.iter().zip(counts) {
            assert_eq!(classic.colors().len(), count, "{}", classic.name);
            assert_eq!(Classic::find(&classic.name.to_uppercase()), Some(*classic));
        }
    }
}
