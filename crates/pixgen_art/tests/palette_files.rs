//! Palette files: written, read again, and explained when they are broken.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::Random;
use pixgen_art::palette::Classic;
use pixgen_art::palette::format::{Format, PaletteError};

#[test]
fn every_format_gives_back_what_it_wrote_and_is_told_by_its_bytes() {
    for classic in Classic::ALL {
        let colors = classic.colors();
        for format in Format::ALL {
            let file = format.write(&colors).unwrap();
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
        assert_eq!(Format::detect(&format.write(&colors).unwrap(), extension).unwrap(), format);
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
    check(Format::Jasc, "JASC-PAL\n0100\n1\n1 2 3\n4 5 6\n", &["line 5", "4 5 6", "end of the file"]);
    check(Format::Jasc, "JASC-PAL\n", &["line 2", "end of the file", "0100"]);
    check(Format::Jasc, "JASC-PAL\n0100\n99999\n", &["line 3", "99999", "1 to 4096"]);
    check(Format::Hex, "\n\n", &["line 3", "end of the file", "six hexadecimal digits"]);
    check(Format::Hex, "##ff0000", &["line 1", "##ff0000"]);
    check(Format::PaintNet, "; nothing\n00ffffff", &["line 2", "end of the file", "eight hexadecimal digits"]);
    check(Format::Gpl, "GIMP Palette\nName: none\n", &["line 3", "end of the file", "three numbers"]);
    check(Format::Gpl, "", &["line 1", "GIMP Palette"]);
    let many: String = (0..5000).map(|i| format!("{i:06x}\n")).collect();
    check(Format::Hex, &many, &["line 4097", "001000", "at most 4096"]);
    check(Format::Act, "short", &["byte 0", "768"]);
    check(Format::Ase, "ASEX", &["byte 0", "ASEF"]);
    check(Format::Riff, "RIFF\0\0\0\0WAVE", &["WAVE", "PAL "]);
    check(Format::Png, "no picture", &["PNG"]);
}

#[test]
fn a_broken_byte_is_named_with_its_place_in_the_file() {
    let colors = Classic::find("pico-8").unwrap().colors();
    let check = |format: Format, at: usize, bytes: &[u8], offset: usize, found: &str| {
        let mut file = format.write(&colors).unwrap();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        match format.parse(&file).unwrap_err() {
            PaletteError::Byte { offset: at, found: what, .. } => {
                assert!(at == offset && what.contains(found), "{format:?}: byte {at}, {what}");
            }
            error => panic!("{format:?}: {error}"),
        }
    };
    check(Format::Riff, 0, b"X", 0, "88");
    check(Format::Riff, 8, b"WAVE", 8, "WAVE");
    check(Format::Riff, 22, &5000u16.to_le_bytes(), 22, "5000 colours");
    check(Format::Riff, 22, &17u16.to_le_bytes(), 88, "the end of the file");
    check(Format::Act, 768, &300u16.to_be_bytes(), 768, "300 colours");
    // The second block of Adobe's swatches begins at byte 12 + 40; type, length and name come before its model.
    check(Format::Ase, 52 + 22, b"CMYK", 52 + 22, "CMYK");
    check(Format::Ase, 52 + 6, &99u16.to_be_bytes(), 52 + 8, "the end of the file");
    check(Format::Aseprite, 4, &[1, 2], 4, "0201");
    check(Format::Aseprite, 132, &[3, 4], 132, "0403");
    check(Format::Aseprite, 144, &5u32.to_le_bytes(), 144, "a chunk of 5 bytes");
    check(Format::Aseprite, 158, &70_000u32.to_le_bytes(), 158, "the last index 70000");
    check(Format::Aseprite, 158, &16u32.to_le_bytes(), 170 + 16 * 6, "the end of the file");
}

#[test]
fn what_parse_would_refuse_is_not_written() {
    let many: Vec<[u8; 3]> = (0..4097u32).map(|i| [(i >> 8) as u8, i as u8, 7]).collect();
    for format in Format::ALL {
        assert_eq!(format.write(&[]), Err(PaletteError::Empty), "{format:?}");
        assert_eq!(format.write(&many), Err(PaletteError::TooMany), "{format:?}");
        match format.write(&many[..4096]) {
            Ok(file) => assert_eq!(format.parse(&file).unwrap(), many[..4096], "{format:?}"),
            Err(error) => {
                assert_eq!(format, Format::Act);
                assert_eq!(error, PaletteError::NoRoom { colors: 4096, most: 256, extension: "act" });
            }
        }
        assert_eq!(format.parse(&format.write(&many[..256]).unwrap()).unwrap(), many[..256], "{format:?}");
    }
}

#[test]
fn a_file_of_line_ends_is_refused_before_it_costs_memory() {
    for format in Format::ALL.into_iter().filter(|format| format.is_text()) {
        let error = format.parse(&vec![b'\n'; (1 << 20) + 1]).unwrap_err().to_string();
        assert!(error.contains("1048577 bytes") && error.contains("1048576"), "{error}");
        assert!(matches!(format.parse(&vec![b'\n'; 1 << 20]), Err(PaletteError::Line { .. })));
    }
    assert!(matches!(Format::Act.parse(&vec![0; (16 << 20) + 1]), Err(PaletteError::TooLarge { .. })));
}

#[test]
fn a_colour_table_is_one_whatever_its_colours_look_like() {
    // Bytes 4 and 5 are those of an Aseprite file; the first four those of two other kinds.
    for start in [*b"\x10\x20\x30\x40\xe0\xa5", *b"RIFF\x01\x02", *b"ASEF\x01\x02"] {
        let mut colors: Vec<[u8; 3]> = (0..=255).map(|i| [i, 255 - i, 9]).collect();
        colors[0].copy_from_slice(&start[..3]);
        colors[1].copy_from_slice(&start[3..]);
        let file = Format::Act.write(&colors).unwrap();
        for file in [&file[..], &file[..768]] {
            assert_eq!(Format::detect(file, "act").unwrap(), Format::Act);
            assert_eq!(Format::Act.parse(file).unwrap(), colors);
        }
    }
    let aseprite = Format::Aseprite.write(&[[1, 2, 3]]).unwrap();
    for extension in ["", "bin", "ase", "aseprite", "act"] {
        assert_eq!(Format::detect(&aseprite, extension).unwrap(), Format::Aseprite);
    }
    // Cut off, the extension and the two bytes still tell.
    for extension in ["ase", "aseprite", ""] {
        assert_eq!(Format::detect(&aseprite[..20], extension).unwrap(), Format::Aseprite);
    }
}

#[test]
fn a_transparent_entry_is_no_colour() {
    assert_eq!(Format::PaintNet.parse(b"00FFFFFF\nFF010203\n").unwrap(), [[1, 2, 3]]);
    let mut table = Format::Act.write(&[[1, 1, 1], [2, 2, 2]]).unwrap();
    table[770] = 0;
    table[771] = 1;
    assert_eq!(Format::Act.parse(&table).unwrap(), [[1, 1, 1]]);
}

#[test]
fn no_spoiled_file_panics_or_eats_memory() {
    const ROUNDS: usize = 3000;
    let colors = Classic::find("sweetie-16").unwrap().colors();
    let mut random = Random(9);
    for format in Format::ALL {
        let file = format.write(&colors).unwrap();
        let (mut read, mut refused) = (0, 0);
        for round in 0..ROUNDS {
            let spoiled = spoil(&file, round, &mut random);
            match format.parse(&spoiled) {
                Ok(colors) => {
                    assert!((1..=4096).contains(&colors.len()));
                    read += 1;
                    // What was read can be written and is read again.
                    if format != Format::Act || colors.len() <= 256 {
                        assert_eq!(format.parse(&format.write(&colors).unwrap()).unwrap(), colors, "{format:?}");
                    }
                }
                Err(PaletteError::Line { line, .. }) => {
                    let lines = spoiled.iter().filter(|byte| **byte == b'\n').count() + 1;
                    assert!(format.is_text() && (1..=lines).contains(&line), "{format:?}: line {line} of {lines}");
                    refused += 1;
                }
                Err(PaletteError::Byte { offset, .. }) => {
                    assert!(!format.is_text() && offset <= spoiled.len(), "{format:?}: byte {offset}");
                    refused += 1;
                }
                Err(_) => refused += 1,
            }
            for extension in ["", format.extension()] {
                if let Ok(found) = Format::detect(&spoiled, extension) {
                    let _ = found.parse(&spoiled);
                }
            }
        }
        // Otherwise the files are spoiled too much, or too little, to try anything.
        assert!(read > ROUNDS / 100 && refused > ROUNDS / 100, "{format:?}: {read} read, {refused} refused");
    }
}

/// A file with bytes changed, put in, taken out or doubled, or cut off.
fn spoil(file: &[u8], round: usize, random: &mut Random) -> Vec<u8> {
    let mut spoiled = file.to_vec();
    for _ in 0..=round % 4 {
        let place = random.below(spoiled.len().max(1) as u64) as usize;
        let from = random.below(spoiled.len().max(1) as u64) as usize;
        match random.below(6) {
            0 => spoiled.insert(place, random.byte()),
            1 if !spoiled.is_empty() => drop(spoiled.remove(place)),
            2 => spoiled.extend_from_within(place.min(from)..place.max(from)),
            // Lengths and counts are where the harm is: small, large and all ones.
            3 if !spoiled.is_empty() => spoiled[place] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5) as usize],
            _ if !spoiled.is_empty() => spoiled[place] = random.byte(),
            _ => {}
        }
    }
    if round.is_multiple_of(3) {
        spoiled.truncate(random.below(spoiled.len() as u64 + 1) as usize);
    }
    spoiled
}
