//! Fuzzes the restoration of small pictures.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixgen_art_fuzz::picture(bytes));
