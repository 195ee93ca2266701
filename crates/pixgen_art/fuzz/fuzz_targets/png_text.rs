//! Fuzzes the text chunks of PNGs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixgen_art_fuzz::png_text(bytes));
