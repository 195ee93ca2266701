//! Every mistake is answered with a sentence, and the next job works.

use std::fs;
use std::path::Path;

use bevy::asset::LoadState;
use bevy::prelude::*;
use bevy_pixels_gen::SpriteSheet;
use bevy_pixels_gen::generate::{GenJobs, GenerateSprite, GenerateSpriteExt, GenerationFailed};
use bevy_pixels_gen::pixgen_api::{GenPath, Kind, ModelRef, Request};

use crate::copy_folder::copy_folder;
use crate::log;
use crate::world::World;

fn potion() -> Request {
    Request { size_px: 16, steps: Some(1), ..Request::new(Kind::Item, "a blue potion") }
}

/// The request fails with a sentence that holds every one of `expected`, and a good one works afterwards.
#[track_caller]
fn fails(world: &mut World, request: Request, expected: &[&str]) {
    world.wish(request, "potion");
    let error = world.failure();
    for part in expected {
        assert!(error.contains(part), "\"{part}\" is not in \"{error}\"");
    }
    world.wish(potion(), "potion");
    world.success();
}

#[test]
fn an_empty_prompt() {
    fails(&mut World::with_fake(), Request { prompt: " ".into(), ..potion() }, &["the prompt is empty"]);
}

#[test]
fn a_size_that_no_model_draws() {
    fails(&mut World::with_fake(), Request { size_px: 7, ..potion() }, &["size_px is 7", "8 to 512"]);
    let mut world = World::with_fake();
    fails(&mut world, Request { size_px: 100_000, ..potion() }, &["size_px is 100000", "8 to 512"]);
    world.panel_says("size_px is 100000");
    assert!(log::complains(&["size_px is 100000", "8 to 512"]));
}

#[test]
fn a_prompt_of_a_hundred_thousand_letters() {
    let mut world = World::with_fake();
    let long = Request { prompt: "knight ".repeat(100_000 / 7 + 1), ..potion() };
    let expected = "the prompt has 100002 characters, at most 4000 are read: shorten it";
    // By message, and from code.
    let job = world.app.world_mut().commands().generate_sprite(long.clone(), None);
    world.app.world_mut().flush();
    assert_eq!(world.failure(), expected);
    assert_eq!(world.panel_says("100002 characters"), expected);
    assert!(log::complains(&[&format!("job {job} failed"), expected]));
    fails(&mut world, long, &[expected]);
}

#[test]
fn a_panic_in_the_model() {
    fails(&mut World::with_fake(), Request { prompt: "panic".into(), ..potion() }, &["internal error", "next job"]);
}

#[test]
fn a_missing_model_folder() {
    let mut world = World::new();
    let folder = world.folder.path().join("no-model");
    fails(&mut world, Request { model: ModelRef::Folder(folder), ..potion() }, &["no-model does not exist"]);
}

#[test]
fn damaged_weights() {
    let mut world = World::new();
    let folder = world.folder.path().join("model");
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny"), &folder);
    let weights = folder.join("vae/diffusion_pytorch_model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    fails(
        &mut world,
        Request { model: ModelRef::Folder(folder), ..potion() },
        &["vae/diffusion_pytorch_model.safetensors", "damaged"],
    );
}

#[test]
fn an_unwritable_assets_folder() {
    let mut world = World::with_fake();
    let (_, handle) = world.spawn("gen://potion.png");
    let before = world.pixels(&handle);
    // A file where the folder should be: stops even root, whom permissions do not.
    fs::write(world.folder.path().join("gen"), "in the way").unwrap();
    world.wish(potion(), "potion");
    let error = world.failure();
    assert!(error.contains("gen") && error.contains("may be written"), "{error}");
    assert_eq!(world.pixels(&handle), before, "the game keeps the sprite it had");
    assert_eq!(world.panel_says("may be written"), error);
    assert!(log::complains(&["may be written", &world.folder.path().display().to_string()]));
    assert_eq!(world.app.world().resource::<GenJobs>().finished().count(), 1, "the sprite is in the history");

    fs::remove_file(world.folder.path().join("gen")).unwrap();
    world.wish(potion(), "potion");
    world.success();
}

#[test]
fn an_unwritable_assets_folder_fails_a_series_too() {
    let mut world = World::with_fake();
    fs::write(world.folder.path().join("gen"), "in the way").unwrap();
    world.wish(Request { count: 3, ..potion() }, "potion");
    let error = world.failure();
    assert!(error.contains("may be written"), "{error}");
    assert_eq!(world.app.world().resource::<GenJobs>().finished().count(), 3, "all sprites are in the history");
}

#[test]
fn an_undo_that_failed_can_be_tried_again() {
    let mut world = World::with_fake();
    world.wish(potion(), "potion");
    world.success();
    let gen_dir = world.folder.path().join("gen");
    let aside = world.folder.path().join("aside");
    fs::rename(&gen_dir, &aside).unwrap();
    fs::write(&gen_dir, "in the way").unwrap();
    let possible = |world: &World| world.app.world().resource::<GenJobs>().can_undo_redo();
    let undo = |world: &mut World| world.app.world_mut().resource_mut::<GenJobs>().undo();
    undo(&mut world);
    world.panel_says("gen");
    assert_eq!(possible(&world), (true, false));
    fs::remove_file(&gen_dir).unwrap();
    fs::rename(&aside, &gen_dir).unwrap();
    undo(&mut world);
    world.until("the way back", |world| (possible(world) == (false, true)).then_some(()));
    assert!(!gen_dir.join("potion.png").exists());
}

#[test]
fn a_game_without_images_or_without_an_engine_goes_on() {
    // A server: no ImagePlugin. Its engine is taken away, as if it had not started.
    let folder = tempfile::tempdir().unwrap();
    let mut app = App::new();
    let plugin = bevy_pixels_gen::PixelsGenPlugin {
        gen_dir: folder.path().join("gen"),
        data_dir: folder.path().join(".pixgen"),
        ..default()
    };
    app.add_plugins((plugin, MinimalPlugins, AssetPlugin::default()));
    app.finish();
    app.cleanup();
    app.update();
    app.world_mut().remove_resource::<GenJobs>().unwrap();
    app.world_mut().write_message(GenerateSprite { request: potion(), target: None });
    let job = app.world_mut().commands().generate_sprite(potion(), None);
    app.world_mut().flush();
    app.update();
    let failed = app.world_mut().resource_mut::<Messages<GenerationFailed>>().drain().collect::<Vec<_>>();
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().any(|failed| failed.job == job));
    assert!(failed.iter().all(|failed| failed.error.contains("the engine did not start")));
}

#[test]
fn a_path_that_leaves_the_folder() {
    let mut world = World::with_fake();
    // A file that could be read, if the path were followed.
    image::RgbaImage::new(4, 4).save(world.folder.path().join("x.png")).unwrap();
    let server = world.app.world().resource::<AssetServer>().clone();
    for path in ["gen://../x.png", "gen://../../etc/passwd"] {
        let handle: Handle<Image> = server.load(path);
        (0..10).for_each(|_| world.frame());
        assert!(!matches!(server.load_state(&handle), LoadState::Loaded));
        assert_eq!(handle, Handle::default(), "Bevy's answer to a path that it does not follow");
        assert!(GenPath::parse(path).unwrap_err().to_string().contains("leaves the folder"));
        assert!(log::complains(&[path]), "Bevy says so");
    }
    let handle: Handle<SpriteSheet> = server.load("gen://../../x.sprite.ron");
    (0..10).for_each(|_| world.frame());
    assert!(!matches!(server.load_state(&handle), LoadState::Loaded));
    world.wish(potion(), "potion");
    world.success();
}

/// Bevy itself refuses such paths before anybody hears of them, unless the game allows them: then the panel says it, too.
#[test]
fn a_path_that_leaves_the_folder_in_a_game_that_allows_such_paths() {
    log::begin();
    let folder = tempfile::tempdir().unwrap();
    image::RgbaImage::new(4, 4).save(folder.path().join("x.png")).unwrap();
    let (gen_dir, data_dir) = (folder.path().join("gen"), folder.path().join(".pixgen"));
    let mut app = App::new();
    let plugin = bevy_pixels_gen::PixelsGenPlugin { gen_dir, data_dir, ..default() };
    let assets = AssetPlugin { unapproved_path_mode: bevy::asset::UnapprovedPathMode::Allow, ..default() };
    app.add_plugins((plugin, MinimalPlugins, assets, ImagePlugin::default()));
    app.finish();
    app.cleanup();
    let handle: Handle<Image> = app.world().resource::<AssetServer>().load("gen://../x.png");
    let start = std::time::Instant::now();
    let said = loop {
        app.update();
        if let Some(error) = app.world().resource::<GenJobs>().error() {
            break error.to_owned();
        }
        assert!(start.elapsed().as_secs() < 30, "the panel says nothing");
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(said.contains("gen://../x.png leaves the folder of generated assets"), "{said}");
    assert!(app.world().resource::<Assets<Image>>().get(&handle).is_none());
}

#[test]
fn a_sprite_that_claims_to_be_huge() {
    let mut world = World::with_fake();
    world.write("gen/huge.png", crate::recipes::huge_png());
    let handle: Handle<Image> = world.load("gen://huge.png");
    let error = world.until("the error", |world| {
        let state = world.app.world().resource::<AssetServer>().load_state(&handle);
        if let LoadState::Failed(error) = state { Some(error.to_string()) } else { None }
    });
    assert!(error.contains("gen://huge.png") && error.contains("30000 × 30000"), "{error}");
    let shown = world.panel_says("30000 × 30000");
    assert!(shown.contains("gen://huge.png"), "{shown}");
    assert!(log::complains(&["gen://huge.png", "30000 × 30000"]));
    world.wish(potion(), "huge");
    world.success();
    world.until("the new sprite in its place", |world| world.image(&handle).map(|_| ()));
}

#[test]
#[should_panic(expected = "add_plugins((PixelsGenPlugin::default(), DefaultPlugins))")]
fn the_plugin_added_too_late_shows_the_right_line() {
    App::new().add_plugins((MinimalPlugins, AssetPlugin::default(), bevy_pixels_gen::PixelsGenPlugin::default()));
}
