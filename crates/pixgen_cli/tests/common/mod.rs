//! Runs the real binary in a folder of its own, with no settings of the user who runs the tests.

#![allow(dead_code, reason = "every test file takes what it needs")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::RgbaImage;

/// The binary, about to run in `folder`.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dgx-pixels"));
    // A home without configuration; it is never made.
    let home = folder.with_extension("home");
    command.current_dir(folder).args(arguments).env("HOME", &home).env("TERM", "xterm").env_remove("NO_COLOR");
    for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HF_ENDPOINT", "HF_TOKEN"] {
        command.env_remove(variable);
    }
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DGX_PIXELS_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the binary.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Runs the binary, which must succeed; returns the paths that it printed.
pub(crate) fn paths(folder: &Path, arguments: &[&str]) -> Vec<PathBuf> {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output).lines().map(PathBuf::from).collect()
}

/// A line of the README or an issue as it stands there, without the program's name. Quotes hold words together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    assert_eq!(words.remove(0), "dgx-pixels");
    words
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn picture(path: &Path) -> RgbaImage {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).to_rgba8()
}

/// Distinct colours of the drawn pixels.
pub(crate) fn colors(image: &RgbaImage) -> std::collections::BTreeSet<[u8; 3]> {
    let drawn = image.pixels().filter(|pixel| pixel.0[3] > 0);
    drawn.map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2]]).collect()
}

/// Distinct alpha values.
pub(crate) fn alphas(image: &RgbaImage) -> std::collections::BTreeSet<u8> {
    image.pixels().map(|pixel| pixel.0[3]).collect()
}

/// The names of the files in a folder, sorted, hidden ones left out.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Compares with a file in `tests/snapshots`; `UPDATE_SNAPSHOTS=1` writes it anew.
pub(crate) fn assert_snapshot(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        let differs = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
        let line = differs.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
        panic!(
            "{name} differs in line {}: found {:?}, expected {:?}; if it is meant so, run with UPDATE_SNAPSHOTS=1",
            line + 1,
            found.lines().nth(line),
            expected.lines().nth(line)
        );
    }
}

/// Writes a file with its folders.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Sends a signal to a process of ours.
pub(crate) fn send(signal: &str, process: u32) {
    let line = format!("kill -{signal} {process}");
    assert!(Command::new("bash").args(["-c", &line]).status().unwrap().success());
}

/// Waits until something is so, ten minutes at most.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed().as_secs() < 600, "nothing happened");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
