//! Playtest.
fn main() {}
