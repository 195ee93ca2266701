//! Fuzzes palette files of unknown kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixgen_art_fuzz::detect(bytes));
