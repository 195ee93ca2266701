//! The ends of tensor names in adapter files: which part of which kind of adapter a tensor is.

/// What a tensor is to its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    LoraDown,
    LoraUp,
    LoraMid,
    Alpha,
    /// DoRA's magnitude, its axis told by its shape.
    DoraScale,
    /// DoRA's magnitude per output, as PEFT saves it.
    Magnitude,
    HadaW1A,
    HadaW1B,
    HadaW2A,
    HadaW2B,
    HadaT1,
    HadaT2,
    LokrW1,
    LokrW1A,
    LokrW1B,
    LokrW2,
    LokrW2A,
    LokrW2B,
    LokrT2,
    Diff,
    DiffB,
    SetWeight,
}

/// Ends of names that are written the same in every file.
const FIXED: [(&str, Part); 33] = [
    // kohya's sd-scripts and LyCORIS
    (".lora_down.weight", Part::LoraDown),
    (".lora_up.weight", Part::LoraUp),
    (".lora_mid.weight", Part::LoraMid),
    (".alpha", Part::Alpha),
    (".dora_scale", Part::DoraScale),
    (".hada_w1_a", Part::HadaW1A),
    (".hada_w1_b", Part::HadaW1B),
    (".hada_w2_a", Part::HadaW2A),
    (".hada_w2_b", Part::HadaW2B),
    (".hada_t1", Part::HadaT1),
    (".hada_t2", Part::HadaT2),
    (".lokr_w1", Part::LokrW1),
    (".lokr_w1_a", Part::LokrW1A),
    (".lokr_w1_b", Part::LokrW1B),
    (".lokr_w2", Part::LokrW2),
    (".lokr_w2_a", Part::LokrW2A),
    (".lokr_w2_b", Part::LokrW2B),
    (".lokr_t2", Part::LokrT2),
    (".diff", Part::Diff),
    (".diff_b", Part::DiffB),
    (".w_norm", Part::Diff),
    (".b_norm", Part::DiffB),
    (".set_weight", Part::SetWeight),
    // diffusers before PEFT, in four spellings
    (".lora.down.weight", Part::LoraDown),
    (".lora.up.weight", Part::LoraUp),
    ("_lora.down.weight", Part::LoraDown),
    ("_lora.up.weight", Part::LoraUp),
    (".lora_linear_layer.down.weight", Part::LoraDown),
    (".lora_linear_layer.up.weight", Part::LoraUp),
    (".lora_A", Part::LoraDown),
    (".lora_B", Part::LoraUp),
    (".down.weight", Part::LoraDown),
    (".up.weight", Part::LoraUp),
];

/// PEFT's ends: it may put an adapter's name between these and `.weight`.
const PEFT: [(&str, Part); 3] =
    [(".lora_A.", Part::LoraDown), (".lora_B.", Part::LoraUp), (".lora_magnitude_vector", Part::Magnitude)];

impl Part {
    /// A tensor's name as module and part; `None` for ends that are not known.
    pub(super) fn split(key: &str) -> Option<(&str, Self)> {
        for (infix, part) in PEFT {
            if let Some(at) = key.find(infix) {
                let rest = &key[at + infix.len()..];
                // `weight`, `default.weight`; for magnitudes also nothing, `.weight` or `.default`.
                let words = rest.split('.').filter(|word| !word.is_empty()).count();
                let known = if part == Self::Magnitude {
                    words <= 2
                } else {
                    words <= 2 && (rest == "weight" || rest.ends_with(".weight"))
                };
                return known.then_some((&key[..at], part));
            }
        }
        // The longest end wins: `.lora.down.weight` before `.down.weight`.
        FIXED
            .iter()
            .filter_map(|(end, part)| Some((key.strip_suffix(end)?, *part)))
            .min_by_key(|(module, _)| module.len())
    }

    /// How error messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LoraDown => "the down (A) matrix",
            Self::LoraUp => "the up (B) matrix",
            Self::LoraMid => "lora_mid",
            Self::Alpha => "alpha",
            Self::DoraScale => "dora_scale",
            Self::Magnitude => "lora_magnitude_vector",
            Self::HadaW1A => "hada_w1_a",
            Self::HadaW1B => "hada_w1_b",
            Self::HadaW2A => "hada_w2_a",
            Self::HadaW2B => "hada_w2_b",
            Self::HadaT1 => "hada_t1",
            Self::HadaT2 => "hada_t2",
            Self::LokrW1 => "lokr_w1",
            Self::LokrW1A => "lokr_w1_a",
            Self::LokrW1B => "lokr_w1_b",
            Self::LokrW2 => "lokr_w2",
            Self::LokrW2A => "lokr_w2_a",
            Self::LokrW2B => "lokr_w2_b",
            Self::LokrT2 => "lokr_t2",
            Self::Diff => "diff",
            Self::DiffB => "diff_b",
            Self::SetWeight => "set_weight",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_end() {
        let cases = [
            ("a.b.lora_A.weight", Some(("a.b", Part::LoraDown))),
            ("a.b.lora_B.default.weight", Some(("a.b", Part::LoraUp))),
            ("a.b.lora_A.default_0.weight", Some(("a.b", Part::LoraDown))),
            ("a.b.lora_magnitude_vector", Some(("a.b", Part::Magnitude))),
            ("a.b.lora_magnitude_vector.weight", Some(("a.b", Part::Magnitude))),
            ("a.b.lora_magnitude_vector.default.weight", Some(("a.b", Part::Magnitude))),
            ("a.processor.to_q_lora.up.weight", Some(("a.processor.to_q", Part::LoraUp))),
            ("a.q_proj.lora_linear_layer.down.weight", Some(("a.q_proj", Part::LoraDown))),
            ("a.to_k.lora.down.weight", Some(("a.to_k", Part::LoraDown))),
            ("lora_unet_a.lora_mid.weight", Some(("lora_unet_a", Part::LoraMid))),
            ("lora_unet_a.lokr_w1_b", Some(("lora_unet_a", Part::LokrW1B))),
            ("lora_unet_a.lokr_w1", Some(("lora_unet_a", Part::LokrW1))),
            ("lora_unet_a.b_norm", Some(("lora_unet_a", Part::DiffB))),
            ("a.alpha", Some(("a", Part::Alpha))),
            ("a.lora_B.bias", None),
            ("a.oft_blocks", None),
            ("a.weight", None),
            ("", None),
        ];
        for (key, expected) in cases {
            assert_eq!(Part::split(key), expected, "{key}");
        }
    }
}
