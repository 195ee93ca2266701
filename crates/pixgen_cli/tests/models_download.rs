//! `dgx-pixels models download` against a server on this machine: what it says on the way, breaks, wrong bytes, Ctrl-C.

#![cfg(feature = "download")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;
#[path = "common/hub.rs"]
mod hub;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{command, picture, stderr, stdout};
use hub::{COMMIT, Fault, Hub};

/// The largest file of the model.
const UNET: &str = "unet/diffusion_pytorch_model-00001-of-00002.safetensors";

/// The model that is compiled in, as a folder.
fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny")
}

fn download(folder: &Path, hub: &Hub, more: &[&str]) -> Command {
    let line: Vec<_> = ["models", "download", "test/tiny"].iter().chain(more).copied().collect();
    let mut command = command(folder, &line);
    command.env("HF_ENDPOINT", &hub.address).env("DGX_PIXELS_MODELS_DIR", "models").stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

fn place(folder: &Path) -> PathBuf {
    folder.join("models/test--tiny").join(COMMIT)
}

#[test]
fn a_model_is_downloaded_over_a_broken_line_and_draws() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(&tiny(), Fault::BreaksOff(UNET));
    let output = download(folder.path(), &hub, &["--json"]).output().unwrap();
    assert!(output.status.success(), "{}", stdout(&output));
    let events: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Progress goes up to the end, and the last line is the model.
    let progress: Vec<_> = events.iter().filter(|event| event["event"] == "download").collect();
    let done: Vec<u64> = progress.iter().map(|event| event["done_bytes"].as_u64().unwrap()).collect();
    assert!(done.windows(2).all(|pair| pair[0] <= pair[1]), "{done:?}");
    let last = progress.last().unwrap();
    assert_eq!(last["done_bytes"], last["total_bytes"]);
    assert!(progress.iter().any(|event| event["file"] == UNET));
    let file = events.last().unwrap();
    assert_eq!((file["event"].as_str(), file["role"].as_str()), (Some("file"), Some("model")));
    assert_eq!(file["path"], format!("models/test--tiny/{COMMIT}"));
    assert!(events.iter().any(|e| e["text"] == format!("use it with --model test--tiny/{COMMIT}")), "{events:?}");
    // It was taken up in the middle.
    let size = std::fs::metadata(tiny().join(UNET)).unwrap().len() as usize;
    assert_eq!(hub.asked_for(UNET), [0, size / 2]);
    for file in [UNET, "sprite_model.json", "tokenizer/vocab.json"] {
        assert_eq!(std::fs::read(place(folder.path()).join(file)).unwrap(), std::fs::read(tiny().join(file)).unwrap());
    }

    // It is listed, and draws what the same weights draw when they are compiled in.
    let name = format!("--model=test--tiny/{COMMIT}");
    let draw = |more: &[&str]| {
        let line = ["generate", "item", "a key", "--size=16", "--steps=1", "--seed=1"];
        let line: Vec<_> = line.iter().chain(more).copied().collect();
        let output = command(folder.path(), &line).env("DGX_PIXELS_MODELS_DIR", "models").output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        picture(&folder.path().join(stdout(&output).trim_end()))
    };
    assert_eq!(draw(&[&name]), draw(&[]));

    // All is there: nothing is transferred again, and a person is told where it is.
    let again = download(folder.path(), &hub, &[]).output().unwrap();
    assert_eq!(stdout(&again), format!("models/test--tiny/{COMMIT}\n"), "{}", stderr(&again));
    assert!(stderr(&again).contains("MiB into models\n"), "{}", stderr(&again));
    assert_eq!(hub.asked_for(UNET).len(), 2);
}

#[test]
fn wrong_bytes_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = "vae/config.json";
    let hub = Hub::start(&tiny(), Fault::WrongBit(file));
    let output = download(folder.path(), &hub, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains(file) && stderr(&output).contains("hash"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert!(!place(folder.path()).join(file).exists());
    let refused = command(folder.path(), &["models", "list"]).env("DGX_PIXELS_MODELS_DIR", "models").output().unwrap();
    assert!(refused.status.success());
}

/// Ctrl-C ends within a moment, and the same command goes on from there.
#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_has_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(&tiny(), Fault::Slow(UNET));
    let running = download(folder.path(), &hub, &[]).spawn().unwrap();
    let part = place(folder.path()).join(format!("{UNET}.part"));
    common::wait_until(|| std::fs::metadata(&part).map_or(0, |part| part.len()) > 0);
    let pressed = Instant::now();
    common::send("INT", running.id());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(pressed.elapsed() < Duration::from_secs(10), "{:?}", pressed.elapsed());
    assert!(stderr(&output).contains("the same command goes on from there"), "{}", stderr(&output));

    let arrived = std::fs::metadata(&part).unwrap().len() as usize;
    hub.mend();
    let output = download(folder.path(), &hub, &[]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(hub.asked_for(UNET), [0, arrived]);
    assert!(!part.exists());
}

#[test]
fn what_cannot_be_downloaded_is_said() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ask = |repository: &str, endpoint: &str| {
        let mut command = command(folder.path(), &["models", "download", repository]);
        command.env("HF_ENDPOINT", endpoint).env("DGX_PIXELS_MODELS_DIR", "models").output().unwrap()
    };
    let output = ask("test/tiny", &format!("http://{gone}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&gone.to_string()), "{}", stderr(&output));
    let hub = Hub::start(&tiny(), Fault::None);
    for (repository, expected) in [("test/other", "does not know it (404)"), ("tiny", "expected owner and name")] {
        let output = ask(repository, &hub.address);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
}
