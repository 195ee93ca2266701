//! What `--json` prints for lists: one shape for all of them, whatever is listed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{assert_snapshot, command, stderr, stdout};
use serde_json::Value;

/// Events that are lists, of a command in a folder with models, LoRAs and a style of one's own.
fn listed(folder: &Path, arguments: &[&str]) -> String {
    let line: Vec<_> = arguments.iter().chain(&["--json"]).copied().collect();
    let mut command = command(folder, &line);
    for place in ["MODELS", "LORAS", "STYLES"] {
        command.env(format!("DGX_PIXELS_{place}_DIR"), place.to_lowercase());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stdout(&output));
    assert_eq!(stderr(&output), "", "{arguments:?}");
    let text = stdout(&output);
    let events = text.lines().map(|line| (line, serde_json::from_str::<Value>(line).unwrap()));
    let lists = events.filter(|(_, event)| event["event"] == "listed").map(|(line, event)| {
        let fields: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["event", "kind", "name", "values"], "{line}");
        assert!(event["name"].is_string() && event["values"].is_object(), "{line}");
        line
    });
    lists.map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_list_has_one_shape() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("models/far/model_index.json", "{}");
    write("models/broken/model_index.json", "{}");
    write("models/broken/sprite_model.json", "{}");
    write("loras/pixels.safetensors", "");
    write("styles/stamp.ron", r#"(about: "two colours", options: {"size": 16, "holes": true})"#);
    write("two.hex", "ff0000\n0000ff\n");
    let mut all = String::new();
    for line in [
        "models list",
        "palettes list",
        "palettes show gameboy",
        "palettes show two.hex",
        "styles",
        "config show --size=64",
        "config path",
    ] {
        let lists = listed(folder.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(!lists.is_empty(), "{line}");
        all.push_str(&format!("# {line}\n{lists}"));
    }
    let home = folder.path().with_extension("home");
    assert_snapshot("listings.jsonl", &all.replace(&*home.to_string_lossy(), "HOME"));
}

#[test]
fn a_picture_is_told_whole() {
    let folder = tempfile::tempdir().unwrap();
    common::paths(folder.path(), &["generate", "item", "a key", "--size=16", "--steps=1", "--seed=3", "-o", "a.png"]);
    let event: Value = serde_json::from_str(&listed(folder.path(), &["info", "a.png"])).unwrap();
    assert_eq!((event["kind"].as_str(), event["name"].as_str()), (Some("picture"), Some("a.png")));
    let values: BTreeMap<String, Value> = serde_json::from_value(event["values"].clone()).unwrap();
    assert_eq!((&values["path"], &values["width_px"]), (&"a.png".into(), &16.into()));
    assert_eq!((&values["request"]["prompt"], &values["request"]["seed"]), (&"a key".into(), &3.into()));
    assert!(values["texts"]["pixgen_request"].is_string() && values["colors"].as_u64() > Some(0));
    // The recipe draws it again.
    std::fs::write(folder.path().join("b.sprite.ron"), values["recipe"].as_str().unwrap()).unwrap();
    let again = common::paths(folder.path(), &["generate", "--recipe=b.sprite.ron", "-o", "b.png"]);
    assert_eq!(common::picture(&folder.path().join(&again[0])), common::picture(&folder.path().join("a.png")));
    // A script or a page is text, and so is the answer to a check.
    let script: Value = serde_json::from_str(&listed(folder.path(), &["completions", "fish"])).unwrap();
    assert!(script["values"]["text"].as_str().unwrap().starts_with("# Print an optspec"), "{script}");
    let checked: Value = serde_json::from_str(&listed(folder.path(), &["models", "check", "embedded"])).unwrap();
    assert!(checked["values"]["seconds"].as_f64() > Some(0.0), "{checked}");
}

/// JSON is Unicode and paths need not be: nothing is left out in silence, and the true path is there.
#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_text_is_told_byte_by_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let odd = OsStr::from_bytes(b"art-\xff");
    let draw = |more: &[&str]| {
        let line = ["generate", "item", "a key", "--size=16", "--steps=1", "--output"];
        let mut command = command(folder.path(), &line);
        command.arg(odd).args(more).output().unwrap()
    };
    let plain = draw(&[]);
    assert_eq!(plain.stdout, b"art-\xff/a-key.png\n", "{}", stderr(&plain));
    assert!(folder.path().join(odd).join("a-key.png").exists());
    let events = stdout(&draw(&["--json"]));
    let file: Value =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).find(|e: &Value| e["event"] == "file").unwrap();
    assert_eq!(file["path"], "art-\u{fffd}/a-key-2.png");
    assert_eq!(file["path_hex"], "6172742dff2f612d6b65792d322e706e67");
    let shown = command(folder.path(), &["config", "show"]).env("DGX_PIXELS_OUTPUT", odd).output().unwrap();
    assert_eq!(shown.status.code(), Some(2));
    assert!(stderr(&shown).contains("DGX_PIXELS_OUTPUT is \"art-\\xFF\""), "{}", stderr(&shown));
}

/// Half a list must not look like a whole one.
#[cfg(target_os = "linux")]
#[test]
fn events_that_do_not_arrive_are_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command(folder.path(), &["styles", "--json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("writing to stdout: No space left"), "{}", stderr(&output));
}
