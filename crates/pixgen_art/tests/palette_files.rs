//! Palette files: written, read again, and explained when they are broken.
#![allow(clippy::unwrap_used)]

mod common;

use common::Random;
use pixgen_art::palette::Classic;
use pixgen_art::palette::format::{Format, PaletteError};

#[test]
fn every_format_gives_back_what_it_wrote_and_is_told_by_its_bytes() {
    for classic in Classic::ALL {
        let colors = classic.colors();
        for format in Format::ALL {
            let file = format.write(&colors);
            assert_eq!(Format::detect(&file, format.extension()).unwrap(), format, "{}", classic.name);
            assert_eq!(format.parse(&file).unwrap(), colors, "{format:?} {}", classic.name);
        }
    }
}

#[test]
fn ase_is_two_formats_and_pal_too() {
    let colors = Classic::find("pico-8").unwrap().colors();
    for (format, extension) in
        [(Format::Ase, "ase"), (Format::Aseprite, ".ASE"), (Format::Riff, "pal"), (Format::Jasc, "PAL")]
    {
        assert_eq!(Format::detect(&format.write(&colors), extension).unwrap(), format);
    }
    let error = Format::detect(b"hello", "doc").unwrap_err().to_string();
    assert!(error.contains("doc") && error.contains("gpl"), "{error}");
}

#[test]
fn a_broken_line_is_named_with_what_was_expected() {
    let check = |format: Format, text: &str, expected: &[&str]| {
        let error = format.parse(text.as_bytes()).unwrap_err().to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    };
    check(Format::Hex, "ff0000\n#00ff0\n", &["line 2", "#00ff0", "six hexadecimal digits"]);
    check(Format::Gpl, "GIMP Palette\n# x\n1 2 300 no\n", &["line 3", "1 2 300 no", "0 to 255"]);
    check(Format::Gpl, "GIMP Pallete\n", &["line 1", "GIMP Palette"]);
    check(Format::Jasc, "JASC-PAL\n0100\nmany\n", &["line 3", "many", "number of colours"]);
    check(Format::Jasc, "JASC-PAL\n0100\n2\n1 2 3\n", &["line 5", "three numbers"]);
    check(Format::PaintNet, "; fine\nFFzz0000\n", &["line 2", "FFzz0000"]);
    check(Format::Hex, "\n\n", &["no colour"]);
    check(Format::Act, "short", &["byte 0", "768"]);
    check(Format::Ase, "ASEX", &["byte 0", "ASEF"]);
    check(Format::Riff, "RIFF\0\0\0\0WAVE", &["WAVE", "PAL "]);
    check(Format::Png, "no picture", &["PNG"]);
}

#[test]
fn a_transparent_entry_is_no_colour() {
    assert_eq!(Format::PaintNet.parse(b"00FFFFFF\nFF010203\n").unwrap(), [[1, 2, 3]]);
    let mut table = Format::Act.write(&[[1, 1, 1], [2, 2, 2]]);
    table[770] = 0;
    table[771] = 1;
    assert_eq!(Format::Act.parse(&table).unwrap(), [[1, 1, 1]]);
}

#[test]
fn no_spoiled_file_panics_or_eats_memory() {
    let colors = Classic::find("sweetie-16").unwrap().colors();
    let mut random = Random(9);
    for format in Format::ALL {
        let file = format.write(&colors);
        for round in 0..3000 {
            let mut spoiled = file.clone();
            for _ in 0..=round % 4 {
                let place = random.below(spoiled.len() as u64) as usize;
                spoiled[place] = random.byte();
            }
            spoiled.truncate(random.below(spoiled.len() as u64 + 1) as usize + spoiled.len() * (round % 2));
            match format.parse(&spoiled) {
                Ok(colors) => assert!(!colors.is_empty() && colors.len() <= 4096),
                Err(PaletteError::Line { line, .. }) => assert!(line > 0),
                Err(_) => {}
            }
        }
    }
}
