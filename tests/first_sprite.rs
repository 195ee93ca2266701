//! The first sprite of a process: model loading included, in the profile that `cargo run` uses.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use bevy::asset::AssetPlugin;
use bevy::image::ImagePlugin;
use bevy::prelude::*;
use bevy_pixels_gen::PixelsGenPlugin;
use bevy_pixels_gen::generate::{GenerateSprite, GenerationFailed};
use bevy_pixels_gen::pixgen_api::{DevicePreference, GenPath, Kind, Request};

#[test]
fn a_sprite_of_32_px_in_8_steps_is_in_the_world_within_3_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = App::new();
    app.add_plugins((
        PixelsGenPlugin {
            gen_dir: folder.path().join("gen"),
            data_dir: folder.path().join(".pixgen"),
            device: DevicePreference::Cpu,
            ..default()
        },
        MinimalPlugins,
        AssetPlugin::default(),
        ImagePlugin::default(),
    ));
    app.finish();
    app.cleanup();
    let handle: Handle<Image> = app.world().resource::<AssetServer>().load("gen://potion.png");
    let pixels = |app: &App| Some(app.world().resource::<Assets<Image>>().get(&handle)?.data.clone().unwrap());
    let frame = |app: &mut App| {
        let start = Instant::now();
        app.update();
        std::thread::sleep(Duration::from_micros(16_667).saturating_sub(start.elapsed()));
    };
    let start = Instant::now();
    while pixels(&app).is_none() {
        frame(&mut app);
        assert!(start.elapsed() < Duration::from_secs(10), "the placeholder did not come");
    }
    let placeholder = pixels(&app).unwrap();

    let request = Request { steps: Some(8), seed: Some(1), ..Request::new(Kind::Item, "a blue potion") };
    assert_eq!(request.size_px, 32);
    let start = Instant::now();
    app.world_mut().write_message(GenerateSprite { request, target: Some(GenPath::parse("potion").unwrap()) });
    while pixels(&app).unwrap() == placeholder {
        frame(&mut app);
        let failed = app.world().resource::<Messages<GenerationFailed>>();
        assert!(failed.is_empty(), "{:?}", failed.iter_current_update_messages().next());
        assert!(start.elapsed() < Duration::from_secs(60), "no sprite in a minute");
    }
    let elapsed = start.elapsed();
    eprintln!("from the request to the pixels: {elapsed:?}");
    assert!(elapsed < Duration::from_secs(3), "the first sprite took {elapsed:?}, expected 3 s at most");
}
