//! What ends a command from outside: the wish to end, a terminal that goes away, and `nohup` that knows better.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{command, names, picture, run, send, stderr, stdout, wait_until};

const LINES: usize = 12;
const LINE: [&str; 6] = ["batch", "a.txt", "--size=16", "--steps=3", "--jobs=1", "--no-contact-sheet"];

/// A batch that takes some seconds, started by shell words.
fn batch(folder: &Path, start: &str) -> Child {
    std::fs::write(folder.join("a.txt"), format!("a key | count={LINES}\n")).unwrap();
    let line = format!("{start} {} {}", env!("CARGO_BIN_EXE_dgx-pixels"), LINE.join(" "));
    // The environment of the other tests, for another program.
    let plain = command(folder, &[]);
    let mut shell = Command::new("bash");
    shell.args(["-c", &line]).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let child = shell.spawn().unwrap();
    let out = folder.join("output");
    wait_until(|| out.exists() && names(&out).len() >= 2);
    child
}

#[test]
fn with_nohup_a_lost_terminal_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = batch(folder.path(), "trap '' HUP; exec");
    send("HUP", running.id());
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(names(&folder.path().join("output")).len(), LINES);
}

#[test]
fn without_it_and_when_asked_to_end_finished_work_is_kept() {
    for signal in ["HUP", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        // The tests themselves may have been started with nohup.
        let running = batch(folder.path(), "exec env --default-signal=HUP");
        send(signal, running.id());
        let output = running.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {}", stderr(&output));
        let out = folder.path().join("output");
        let finished = names(&out);
        assert!((2..LINES).contains(&finished.len()), "{signal}: {}", finished.len());
        assert_eq!(stdout(&output).lines().count(), finished.len());
        assert!(finished.iter().all(|name| picture(&out.join(name)).dimensions() == (16, 16)));
        // And the same command goes on.
        assert!(run(folder.path(), &LINE).status.success());
        assert_eq!(names(&out).len(), LINES);
    }
}

/// A comparison is one picture at the end: what was drawn until Ctrl-C is on it, and in the table.
#[test]
fn a_comparison_shows_what_was_drawn_until_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let seeds: Vec<_> = (0..40).map(|seed: u32| seed.to_string()).collect();
    let line = ["compare", "a key", "--size=16", "--steps=3", "--json", "--seeds", &seeds.join(",")];
    let mut running = command(folder.path(), &line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let started = |line: &String| line.contains("\"started\"");
    assert!(lines.by_ref().map(Result::unwrap).filter(started).nth(3).is_some(), "the fourth is begun");
    send("INT", running.id());
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    for file in ["output/compare.png", "output/compare.csv"] {
        assert!(rest.iter().any(|line| line.contains(file)), "{rest:?}");
    }
    let table = std::fs::read_to_string(folder.path().join("output/compare.csv")).unwrap();
    let drawn = table.lines().count() - 1;
    assert!((3..40).contains(&drawn), "{table}");
    assert!(picture(&folder.path().join("output/compare.png")).height() > 40 * 96);
}
