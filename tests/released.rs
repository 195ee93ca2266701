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
    assert!(!folder.path().join(".pixgen/history").exists(), "nothing was drawn");
}

#[test]
fn a_wrong_recipe_is_an_error_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "assets/a.sprite.ron", "(\n    promt: \"a knight\",\n)");
    let error = load::<SpriteSheet>(&mut game(folder.path()), "a.sprite.ron").unwrap_err();
    assert!(error.contains("line 2") && error.contains("did you mean `prompt`?"), "{error}");
}

#[test]
fn an_exported_sheet_loads_with_its_frames_and_tags() {
    let folder = tempfile::tempdir().unwrap();
    let frame = |name: &str, x: u32| {
        format!(
            "(name: \"{name}\", rect_px: (x: {x}, y: 0, width: 10, height: 16), source_px: (16, 16), offset_px: (3, 0), \
             duration_ms: 120, pivot_px: (8, 15))"
        )
    };
    let sheet = format!(
        "(image: \"walk.png\", size_px: (20, 16), frames: [{}, {}], tags: [(name: \"walk\", first: 0, last: 1)])",
        frame("walk 0", 0),
        frame("walk 1", 10),
    );
    write(folder.path(), "assets/hero/walk.sheet.ron", &sheet);
    let error = load::<SpriteSheet>(&mut game(folder.path()), "hero/walk.sheet.ron").unwrap_err();
    assert!(error.contains("hero/walk.png") && error.contains("does not exist"), "{error}");
    image::RgbaImage::new(20, 16).save(folder.path().join("assets/hero/walk.png")).unwrap();
    let mut app = game(folder.path());
    let handle = load::<SpriteSheet>(&mut app, "hero/walk.sheet.ron").unwrap();
    let loaded = app.world().resource::<Assets<SpriteSheet>>().get(&handle).unwrap().clone();
    assert_eq!((loaded.cell_px, loaded.cells), (UVec2::splat(16), 2));
    let frames = loaded.frames.unwrap();
    assert_eq!((frames.tag("walk").unwrap().order(), frames.frames[1].duration_ms), (vec![0, 1], 120));
    let layout = app.world().resource::<Assets<TextureAtlasLayout>>().get(&loaded.layout).unwrap();
    assert_eq!(layout.textures, [URect::new(0, 0, 10, 16), URect::new(10, 0, 20, 16)]);

    for (text, expected) in [
        (sheet.replace("duration_ms", "duration"), "did you mean `duration_ms`?"),
        (sheet.replace("(20, 16)", "(30, 16)"), "hero/walk.png has 20×16"),
        (sheet.replace("walk.png", "../walk.png"), "below the sheet's folder"),
    ] {
        write(folder.path(), "assets/hero/walk.sheet.ron", text);
        let error = load::<SpriteSheet>(&mut game(folder.path()), "hero/walk.sheet.ron").unwrap_err();
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
}

/// `dgx-pixels` wrote them: its own tests compare what it writes with the same files.
#[test]
fn sheets_of_the_command_line_load_as_they_are() {
    let sheets = [
        (
            "fantasy-knight-character",
            include_str!("../crates/pixgen_cli/tests/snapshots/fantasy-knight-character.sheet.ron"),
            UVec2::new(128, 32),
            Some("idle"),
        ),
        (
            "stone-dungeon-floor",
            include_str!("../crates/pixgen_cli/tests/snapshots/stone-dungeon-floor.sheet.ron"),
            UVec2::new(128, 64),
            None,
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, text, size, tag) in sheets {
        write(folder.path(), &format!("assets/{name}.sheet.ron"), text);
        let picture = image::RgbaImage::from_fn(size.x, size.y, |x, y| image::Rgba([x as u8, y as u8, 7, 255]));
        picture.save(folder.path().join(format!("assets/{name}.png"))).unwrap();
        let mut app = game(folder.path());
        let handle = load::<SpriteSheet>(&mut app, &format!("{name}.sheet.ron")).unwrap();
        let loaded = app.world().resource::<Assets<SpriteSheet>>().get(&handle).unwrap().clone();
        let cells = (size / 32).element_product();
        assert_eq!((loaded.cell_px, loaded.cells), (UVec2::splat(32), cells), "{name}");
        let image = app.world().resource::<Assets<Image>>().get(&loaded.image).unwrap();
        assert_eq!((image.size(), image.data.as_deref()), (size, Some(picture.as_raw().as_slice())), "{name}");
        let layout = app.world().resource::<Assets<TextureAtlasLayout>>().get(&loaded.layout).unwrap();
        let expected: Vec<URect> = (0..cells)
            .map(|cell| {
                let corner = UVec2::new(cell % 4, cell / 4) * 32;
                URect::from_corners(corner, corner + 32)
            })
            .collect();
        assert_eq!((layout.size, &layout.textures), (size, &expected), "{name}");
        let frames = loaded.frames.unwrap();
        if let Some(tag) = tag {
            assert_eq!(frames.tag(tag).unwrap().order(), [0, 1, 2, 3]);
            assert!(frames.frames.iter().all(|frame| frame.duration_ms == 150 && frame.pivot_px == [16.0, 31.0]));
        }
    }
}

/// Only without the generator: with it, a missing sprite of `gen://` is a placeholder.
#[cfg(not(feature = "generate"))]
#[test]
fn a_missing_sprite_is_an_error_that_names_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let error = load::<Image>(&mut game(folder.path()), "gen://hero/knight.png").unwrap_err();
    assert!(error.contains("dgx-pixels generate") && error.contains("dgx-pixels bake"), "{error}");
}
