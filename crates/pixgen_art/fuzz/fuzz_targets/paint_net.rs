//! Fuzzes Paint.NET palettes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixgen_art_fuzz::palette(pixgen_art::palette::format::Format::PaintNet, bytes));
