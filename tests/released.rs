//! What a released game does: it takes what was baked, and says what is missing.
//!
//! Runs with and without the feature `generate`:
//! `cargo test --workspace --no-default-features --test released`

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::time::{Duration, Instant};

use bevy::asset::{AssetPlugin, LoadState};
use bevy::image::{ImagePlugin, ImageSampler};
use bevy::prelude::*;
use bevy_pixels_gen::recipe::BakeState;
use bevy_pixels_gen::{PixelsGenPlugin, SpriteSheet};

const KNIGHT: &str = "(prompt: \"a red knight\", kind: character, size_px: 16)";

fn game(folder: &Path) -> App {
    let mut app = App::new();
    app.add_plugins((
        // What a build without the generator does anyway.
        PixelsGenPlugin {
            gen_dir: folder.join("assets/gen"),
            data_dir: folder.join(".pixgen"),
            bake_recipes: false,
            ..default()
        },
        MinimalPlugins,
        AssetPlugin { file_path: folder.join("assets").to_str().unwrap().to_owned(), ..default() },
        ImagePlugin::default(),
    ));
    app.finish();
    app.cleanup();
    app
}

/// Runs the game until an asset is loaded, or gives the error.
fn load<A: Asset>(app: &mut App, path: &str) -> Result<Handle<A>, String> {
    let server = app.world().resource::<AssetServer>().clone();
    let handle: Handle<A> = server.load(path.to_owned());
    let start = Instant::now();
    loop {
        app.update();
        match server.load_state(&handle) {
            LoadState::Loaded => return Ok(handle),
            LoadState::Failed(error) => return Err(error.to_string()),
            LoadState::NotLoaded | LoadState::Loading => {}
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited 30 s for {path}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn write(folder: &Path, file: &str, content: impl AsRef<[u8]>) {
    let file = folder.join(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

#[test]
fn baked_recipes_load_and_missing_ones_name_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let picture = image::RgbaImage::from_fn(16, 16, |x, y| image::Rgba([x as u8, y as u8, 3, 255]));
    for (path, file, root) in
        [("hero/knight", "assets/hero/knight", "assets"), ("gen://hero/knight", "assets/gen/hero/knight", "assets/gen")]
    {
        write(folder.path(), &format!("{file}.sprite.ron"), KNIGHT);
        let mut app = game(folder.path());
        let error = load::<SpriteSheet>(&mut app, &format!("{path}.sprite.ron")).unwrap_err();
        let command = format!("`dgx-pixels bake {}`", folder.path().join(root).display());
        assert!(error.contains(&command) && error.contains("knight.png"), "{command} is not in {error}");

        picture.save(folder.path().join(format!("{file}.png"))).unwrap();
        let mut app = game(folder.path());
        let sheet = load::<SpriteSheet>(&mut app, &format!("{path}.sprite.ron")).unwrap();
        let sheet = app.world().resource::<Assets<SpriteSheet>>().get(&sheet).unwrap().clone();
        assert_eq!((sheet.bake, sheet.recipe.size_px), (BakeState::Unchecked, 16));
        let image = load::<Image>(&mut app, &format!("{path}.sprite.ron#image")).unwrap();
        let image = app.world().resource::<Assets<Image>>().get(&image).unwrap();
        assert_eq!(image.data.as_deref(), Some(picture.as_raw().as_slice()));
        assert!(matches!(image.sampler, ImageSampler::Descriptor(_)), "nearest, whatever the game's default is");
        let layout = load::<TextureAtlasLayout>(&mut app, &format!("{path}.sprite.ron#layout")).unwrap();
        assert_eq!(app.world().resource::<Assets<TextureAtlasLayout>>().get(&layout).unwrap().textures.len(), 1);
    }
    assert!(!folder.path().join(".pixgen").exists(), "nothing was drawn");
}

#[test]
fn a_wrong_recipe_is_an_error_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "assets/a.sprite.ron", "(\n    promt: \"a knight\",\n)");
    let error = load::<SpriteSheet>(&mut game(folder.path()), "a.sprite.ron").unwrap_err();
    assert!(error.contains("line 2") && error.contains("did you mean `prompt`?"), "{error}");
}

/// Only without the generator: with it, a missing sprite of `gen://` is a placeholder.
#[cfg(not(feature = "generate"))]
#[test]
fn a_missing_sprite_is_an_error_that_names_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let error = load::<Image>(&mut game(folder.path()), "gen://hero/knight.png").unwrap_err();
    assert!(error.contains("dgx-pixels generate") && error.contains("dgx-pixels bake"), "{error}");
}
