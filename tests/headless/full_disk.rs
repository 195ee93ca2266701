//! A game whose disk is full: the panel and the log say so, the placeholder stays, and the game goes on.

#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bevy::prelude::*;
use bevy_pixels_gen::SpriteSheet;
use bevy_pixels_gen::generate::GenJobs;
use bevy_pixels_gen::pixgen_api::{Kind, Request};
use bevy_pixels_gen::recipe::BakeState;

use crate::log;
use crate::world::World;

/// Tells a child of the test which files it plays with.
const FOLDER: &str = "PIXGEN_TEST_FULL_DISK";
const NAME: &str = "full_disk::a_full_disk_is_said_in_panel_and_log_and_the_game_goes_on";

#[test]
fn a_full_disk_is_said_in_panel_and_log_and_the_game_goes_on() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return play(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let assets = folder.path().join("assets");
    std::fs::create_dir(&assets).unwrap();
    std::fs::write(assets.join("a.sprite.ron"), "(prompt: \"a knight\", size_px: 16)").unwrap();
    // No file may get a single byte: as a full disk, and root is not exempt.
    let script = format!("trap '' XFSZ; ulimit -f 0; exec \"$0\" {NAME} --exact --nocapture");
    let game = std::env::current_exe().unwrap();
    let output = Command::new("sh").args(["-c", &script]).arg(game).env(FOLDER, folder.path()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let names = |path: &Path| std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names(&assets), ["a.sprite.ron"], "nothing half-written");
}

fn play(files: &Path) {
    let folder = tempfile::tempdir_in(files).unwrap();
    std::os::unix::fs::symlink(files.join("assets"), folder.path().join("assets")).unwrap();
    let mut world = World::with_fake_in(folder, Duration::from_millis(5));
    let (_, handle) = world.spawn("gen://potion.png");
    let before = world.pixels(&handle);
    world.wish(Request { size_px: 16, ..Request::new(Kind::Item, "a potion") }, "potion");
    let error = world.failure();
    assert!(error.contains("writing") && error.contains("File too large"), "{error}");
    assert!(error.contains("free some space") && error.contains("raise the limit"), "{error}");
    assert_eq!(world.panel_says("File too large"), error);
    assert!(log::complains(&["failed: writing", "File too large"]));
    world.seen().failed.clear();

    let sheet: Handle<SpriteSheet> = world.load("a.sprite.ron");
    let error = world.panel_says("a.sprite.ron was not drawn");
    assert!(error.contains("File too large"), "{error}");
    assert!(log::complains(&["a.sprite.ron was not drawn", "File too large"]));
    (0..60).for_each(|_| world.frame());
    assert_eq!(world.pixels(&handle), before);
    assert_eq!(world.asset(&sheet).unwrap().bake, BakeState::Missing);
    let jobs = world.app.world().resource::<GenJobs>();
    assert!(jobs.records().len() <= 2, "not tried over and over: {:?}", jobs.records());
}
