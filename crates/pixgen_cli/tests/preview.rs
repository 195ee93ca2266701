//! `--preview` on a terminal: `script` gives the program one, and what it prints there is looked at.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::process::Command;

use common::{names, picture};

#[test]
fn a_terminal_shows_the_sprite_in_half_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_dgx-pixels");
    let line = format!("{program} generate item 'a red potion' --size=16 --steps=4 --seed=3 --preview");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(folder.path());
    script.env("TERM", "xterm-256color").env("COLORTERM", "truecolor").env("HOME", folder.path().join("home"));
    let terminals = ["KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION", "XTERM_VERSION"];
    for variable in ["TERM_PROGRAM", "LC_TERMINAL", "NO_COLOR"].iter().chain(&terminals) {
        script.env_remove(variable);
    }
    let output = script.stdin(std::process::Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("output/a-red-potion.png"), "{text}");
    // Two rows of the sprite in one of the terminal: half blocks in the sprite's own colours.
    assert!(text.matches(['▄', '▀']).count() >= 16 * 4, "{text}");
    let sprite = picture(&folder.path().join("output").join(&names(&folder.path().join("output"))[0]));
    for [r, g, b] in common::colors(&sprite) {
        assert!(text.contains(&format!("2;{r};{g};{b}m")), "{r}, {g}, {b} is not shown");
    }
}
