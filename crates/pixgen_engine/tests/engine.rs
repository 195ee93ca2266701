//! The engine with the fake backend: every way in which a job can end, and what the next job finds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use pixgen_api::{Background, DevicePreference, EventKind, GenPath, Kind, ModelRef, Request};
use pixgen_engine::{Engine, EngineConfig, Provenance};

mod common;
use common::{done, engine, events_of, failed, request};

const STEP: Duration = Duration::from_millis(2);

#[test]
fn a_job_reports_steps_and_previews_and_every_image_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let job = engine.submit(Request { count: 2, seed: Some(5), ..request("a coin") });
    let events = events_of(&engine, job);
    assert_eq!(events[0], EventKind::Queued { ahead: 0 });
    assert_eq!(events[1], EventKind::Started);
    let steps: Vec<_> = events
        .iter()
        .filter_map(|e| {
            if let EventKind::Step { image, step, steps, .. } = e { Some((*image, *step, *steps)) } else { None }
        })
        .collect();
    assert_eq!(steps, [(0, 1, 4), (0, 2, 4), (0, 3, 4), (0, 4, 4), (1, 1, 4), (1, 2, 4), (1, 3, 4), (1, 4, 4)]);
    assert_eq!(events.iter().filter(|e| matches!(e, EventKind::Preview(_))).count(), 8);

    let Some(EventKind::Done(images)) = events.last() else { panic!("{events:?}") };
    assert_eq!(images.iter().map(|image| image.seed).collect::<Vec<_>>(), [5, 6]);
    assert_ne!(images[0].pixels, images[1].pixels);
    for image in images {
        let png = fs::read(&image.file).unwrap();
        let again = Provenance::request_of(&png).unwrap().unwrap();
        assert_eq!((again.seed, again.count), (Some(image.seed), 1));
        // The file also says what was asked for, which is the filled request now.
        let redrawn = done(&engine, again.clone()).remove(0);
        assert_eq!(redrawn.pixels, image.pixels, "the provenance draws the same sprite");
        assert_eq!(done(&engine, again)[0].hash, redrawn.hash, "the same request is the same file");
    }
}

#[test]
fn a_panic_fails_the_job_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let message = failed(&engine, request("panic"));
    assert!(message.contains("internal error") && message.contains("asked to panic"), "{message}");
    assert_eq!(done(&engine, request("a coin")).len(), 1);
}

#[test]
fn bad_input_fails_with_a_sentence_and_the_next_job_works() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    for (request, expected) in [
        (request("  "), "the prompt is empty"),
        (Request { size_px: 7, ..request("x") }, "size_px is 7, expected 8 to 512"),
        (Request { size_px: 40, ..request("x") }, "16 px or 32 px"),
        (request("fail"), "asked to fail"),
        (request("out of memory"), "there is not enough memory"),
        (request("not a number"), "infinite or not a number"),
        (
            Request { loras: vec!["no-such.safetensors:0.5".parse().unwrap()], ..request("x") },
            "no-such.safetensors does not exist",
        ),
        (
            Request { init_image: Some("no-such.png".into()), ..request("x") },
            "the init_image no-such.png does not exist",
        ),
        (Request { prompt: "a".repeat(100_000), ..request("x") }, "100000 characters"),
    ] {
        let message = failed(&engine, request);
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(done(&engine, request("a coin")).len(), 1);
}

#[test]
fn a_running_job_is_cancelled_within_a_step_and_a_waiting_one_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), Duration::from_millis(50));
    let running = engine.submit(Request { count: 64, ..request("a long job") });
    let waiting = engine.submit(request("another"));
    while !matches!(engine.events().recv().unwrap().kind, EventKind::Step { .. }) {}
    engine.cancel(waiting);
    engine.cancel(running);
    let said_before = engine.events().len();
    let mut after = Vec::new();
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let event = engine.events().recv_timeout(Duration::from_secs(30)).unwrap();
        if event.kind == EventKind::Cancelled {
            ended.push(event.job);
        }
        after.push(event.kind);
    }
    assert_eq!(ended, [waiting, running]);
    // However busy the machine is: the step that was being computed may be said, none is begun any more. What was
    // said while the two were being cancelled is not looked at.
    let later = after.get(said_before..).unwrap_or_default();
    let steps = later.iter().filter(|kind| matches!(kind, EventKind::Step { .. })).count();
    assert!(steps <= 1, "{later:?}");
    assert!(!later.iter().any(|kind| matches!(kind, EventKind::Image(_) | EventKind::Done(_))), "{later:?}");
    assert_eq!(done(&engine, request("a coin")).len(), 1);
}

#[test]
fn dropping_the_engine_ends_a_running_job() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), Duration::from_millis(20));
    engine.submit(Request { count: 64, ..request("a long job") });
    while !matches!(engine.events().recv().unwrap().kind, EventKind::Step { .. }) {}
    let start = std::time::Instant::now();
    drop(engine);
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

#[test]
fn an_unwritable_history_fails_the_job_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the folder should be stops even root, whom permissions do not.
    fs::write(folder.path().join(".pixgen"), "in the way").unwrap();
    let message = failed(&engine(folder.path(), STEP), request("a coin"));
    assert!(message.contains(".pixgen") && message.contains("may be written"), "{message}");
}

#[test]
fn an_accepted_sprite_stands_in_the_game_folder() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let image = done(&engine, request("a coin")).remove(0);
    engine.store().accept(&image.hash, &GenPath::parse("items/coin.png").unwrap()).unwrap();
    let shown = image_of(&folder.path().join("gen/items/coin.png"));
    assert_eq!(shown.as_slice(), &image.pixels.rgba[..]);
}

#[test]
fn an_enlarged_sprite_is_made_of_blocks_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let job = engine.submit(Request { size_px: 64, ..request("a coin") });
    let events = events_of(&engine, job);
    assert!(events.iter().any(|e| matches!(e, EventKind::Warning(text) if text.contains("enlarged 2 times"))));
    let Some(EventKind::Done(images)) = events.last() else { panic!("{events:?}") };
    let pixels = &images[0].pixels;
    let at = |x: u32, y: u32| &pixels.rgba[((y * 64 + x) * 4) as usize..][..4];
    assert_eq!(pixels.width_px, 64);
    assert!((0..64).all(|y| (0..64).all(|x| at(x, y) == at(x & !1, y & !1))));
}

#[test]
fn a_missing_model_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig::sdxl(DevicePreference::Cpu, folder.path(), folder.path());
    let engine = Engine::start(config).unwrap();
    let missing = folder.path().join("no-such-model");
    let message = failed(&engine, Request { model: ModelRef::Folder(missing), ..request("x") });
    assert!(message.contains("no-such-model does not exist"), "{message}");
}

fn image_of(path: &Path) -> Vec<u8> {
    image::open(path).unwrap().to_rgba8().into_raw()
}

#[test]
fn a_painted_background_is_cut_out_unless_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let corner_and_middle = |request: Request| {
        let pixels = done(&engine, request).remove(0).pixels;
        let alpha = |x: u32, y: u32| pixels.rgba[((y * pixels.width_px + x) * 4 + 3) as usize];
        (alpha(0, 0), alpha(pixels.width_px / 2, pixels.height_px / 2))
    };
    let wall = |kind, background| {
        let mut request = Request::new(kind, "on a wall");
        request.pixel_art.background = background;
        request
    };
    assert_eq!(corner_and_middle(wall(Kind::Item, Background::Auto)), (0, 255));
    assert_eq!(corner_and_middle(wall(Kind::Tile, Background::Remove)), (0, 255));
    assert_eq!(corner_and_middle(wall(Kind::Item, Background::Keep)), (255, 255));
    assert_eq!(corner_and_middle(wall(Kind::Tile, Background::Auto)), (255, 255));
}
