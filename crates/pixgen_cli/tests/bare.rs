//! A build without the embedded model and without downloads: every error names the way on.
//!
//! `cargo test --workspace --no-default-features --test bare`

#![cfg(not(any(feature = "embedded_model", feature = "download")))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::{paths, picture, run, stderr, stdout};

#[test]
fn without_a_model_the_way_to_one_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "generate item key",
        "generate-tileset --prompt=grass",
        "generate-animation --prompt=knight",
        "compare key",
        "models check embedded",
    ] {
        let output = run(folder.path(), &line.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{line}: {}", stderr(&output));
        for part in ["this build holds no embedded model", "models download OWNER/NAME", "--model"] {
            assert!(stderr(&output).contains(part), "{line}: {}", stderr(&output));
        }
        assert!(output.stdout.is_empty() && !folder.path().join("output").exists(), "{line}");
    }
    let list = run(folder.path(), &["models", "list"]);
    assert!(list.status.success() && stdout(&list).contains("cannot be used: this build holds no embedded model"));
    let download = run(folder.path(), &["models", "download", "owner/name"]);
    assert_eq!(download.status.code(), Some(2));
    for part in ["--features download", "models add NAME PATH"] {
        assert!(stderr(&download).contains(part), "{}", stderr(&download));
    }
}

#[test]
fn a_model_beside_the_program_draws() {
    let folder = tempfile::tempdir().unwrap();
    let model = concat!("--model=", env!("CARGO_MANIFEST_DIR"), "/../../models/sprite-tiny");
    let written = paths(folder.path(), &["generate", "item", "a key", "--size=16", "--steps=1", model]);
    assert_eq!(picture(&folder.path().join(&written[0])).dimensions(), (16, 16));
}
