//! `dgx-pixels generate` as a user runs it: the real binary in an empty folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dgx-pixels")).current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn a_sprite_is_written_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    for expected in ["medieval-knight.png", "medieval-knight-2.png"] {
        let output = run(folder.path(), &["generate", "character", "medieval knight", "--size", "16", "--steps", "2"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = Path::new("output").join(expected);
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), path.to_string_lossy());
        let png = std::fs::read(folder.path().join(path)).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
    }
}

#[test]
fn mistakes_are_answered_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (["generate", "spaceship", "x", "--size=16"], "is no kind of sprite"),
        (["generate", "item", " ", "--size=16"], "the prompt is empty"),
        (["generate", "item", "x", "--size=7"], "size_px is 7"),
        (["generate", "item", "x", "--model=nowhere"], "nowhere does not exist"),
    ] {
        let output = run(folder.path(), &arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(error.contains(expected), "{error}");
    }
}
