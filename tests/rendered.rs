//! What is drawn on the graphics card follows a sprite that is generated in another size: plain sprites, materials and
//! tilemaps. Without [`bevy_pixels_gen::refresh`] the last two would go on showing the old texture.
//!
//! Needs a wgpu adapter (a software rasteriser will do) and no display.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use bevy::app::PluginsState;
use bevy::camera::RenderTarget;
use bevy::image::{ImageArrayLayout, ImageLoaderSettings};
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured};
use bevy::sprite_render::{AlphaMode2d, TileData, TilemapChunk, TilemapChunkTileData};
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;
use bevy_pixels_gen::PixelsGenPlugin;
use bevy_pixels_gen::generate::{EngineConfig, FakeBackend, GenJobs, GenerateSprite, GenerationDone};
use bevy_pixels_gen::pixgen_api::{DevicePreference, GenPath, Kind, Request};
use image::RgbaImage;

/// Edge of each of the three pictures side by side: a sprite, a mesh with a material, a tilemap of one tile.
const CELL_PX: u32 = 32;
const KINDS: [&str; 3] = ["sprite", "material", "tilemap"];

#[derive(Resource)]
struct Target(Handle<Image>);

#[derive(Resource, Default)]
struct Shot(Option<Image>);

#[derive(Resource, Default)]
struct Drawn(Vec<GenerationDone>);

fn game(folder: &std::path::Path) -> App {
    let mut app = App::new();
    app.add_plugins((
        PixelsGenPlugin { gen_dir: folder.join("gen"), data_dir: folder.join(".pixgen"), ..default() },
        DefaultPlugins
            .set(WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() })
            .disable::<WinitPlugin>(),
    ))
    .init_resource::<Shot>()
    .init_resource::<Drawn>()
    .add_systems(Startup, furnish)
    .add_systems(Update, |mut done: MessageReader<GenerationDone>, mut drawn: ResMut<Drawn>| {
        drawn.0.extend(done.read().cloned());
    })
    .add_observer(|captured: On<ScreenshotCaptured>, mut shot: ResMut<Shot>| shot.0 = Some(captured.image.clone()));
    let config = EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("gen"))
        .with_loader(FakeBackend::loader(Duration::from_millis(1)));
    app.insert_resource(GenJobs::start(config).unwrap());
    while app.plugins_state() == PluginsState::Adding {
        bevy::tasks::tick_global_task_pools_on_main_thread();
        std::thread::sleep(Duration::from_millis(1));
    }
    app.finish();
    app.cleanup();
    app
}

fn furnish(
    mut commands: Commands,
    assets: Res<AssetServer>,
    mut images: ResMut<Assets<Image>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<ColorMaterial>>,
) {
    let target = Image::new_target_texture(CELL_PX * 3, CELL_PX, TextureFormat::Rgba8UnormSrgb, None);
    let target = images.add(target);
    commands.insert_resource(Target(target.clone()));
    commands.spawn((Camera2d, Msaa::Off, RenderTarget::Image(target.into())));
    let at = |cell: i32| Transform::from_xyz((cell * CELL_PX as i32) as f32, 0.0, 0.0);
    let size = Vec2::splat(CELL_PX as f32);
    let plain: Handle<Image> = assets.load("gen://plain.png");
    commands.spawn((Sprite { image: plain.clone(), custom_size: Some(size), ..default() }, at(-1)));
    commands.spawn((
        Mesh2d(meshes.add(Rectangle::from_size(size))),
        MeshMaterial2d(materials.add(ColorMaterial::from(plain))),
        at(0),
    ));
    let tileset = assets
        .load_builder()
        .with_settings(|settings: &mut ImageLoaderSettings| {
            // The upper left quarter is tile 0.
            settings.array_layout = Some(ImageArrayLayout::GridCount { columns: 2, rows: 2 });
        })
        .load("gen://tiles.png");
    commands.spawn((
        TilemapChunk {
            chunk_size: UVec2::ONE,
            tile_display_size: UVec2::splat(CELL_PX),
            tileset,
            alpha_mode: AlphaMode2d::Blend,
        },
        TilemapChunkTileData(vec![Some(TileData::from_tileset_index(0))]),
        at(1),
    ));
}

/// What the camera sees.
fn shot(app: &mut App) -> RgbaImage {
    let target = app.world().resource::<Target>().0.clone();
    app.world_mut().spawn(Screenshot::image(target));
    let start = Instant::now();
    loop {
        app.update();
        if let Some(image) = app.world_mut().resource_mut::<Shot>().0.take() {
            return image.try_into_dynamic().unwrap().into_rgba8();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited a minute for the picture");
    }
}

/// Draws a sprite into a file and gives its brighter colour.
fn draw(app: &mut App, path: &str, request: &Request) -> [u8; 4] {
    let target = Some(GenPath::parse(path).unwrap());
    app.world_mut().write_message(GenerateSprite { request: request.clone(), target });
    let start = Instant::now();
    let done = loop {
        app.update();
        if let Some(done) = app.world_mut().resource_mut::<Drawn>().0.pop() {
            break done;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited a minute for the sprite");
    };
    let pixels = &done.images[0].pixels;
    // The fake model paints squares of four pixels, of which this one is of the brighter kind in both sizes.
    let at = ((9 * pixels.width_px + 9) * 4) as usize;
    pixels.rgba[at..at + 4].try_into().unwrap()
}

/// Whether a cell of the picture shows a colour near its middle.
fn shows(picture: &RgbaImage, cell: u32, color: [u8; 4]) -> bool {
    let middle = cell * CELL_PX + CELL_PX / 2;
    let area = (middle - 8..middle + 8).flat_map(|x| (CELL_PX / 2 - 8..CELL_PX / 2 + 8).map(move |y| (x, y)));
    let near = |(x, y): &(u32, u32)| {
        let found = picture.get_pixel(*x, *y).0;
        (0..3).all(|channel| found[channel].abs_diff(color[channel]) <= 3)
    };
    area.filter(near).count() >= 32
}

#[test]
fn sprites_materials_and_tilemaps_show_what_was_drawn_in_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = game(folder.path());
    app.update(); // the room is furnished
    // The placeholder has 32 px. Then another size, back again, and the same size once more.
    for (seed, size_px) in [(1, 16), (2, 32), (3, 32), (4, 16)] {
        let request = Request { seed: Some(seed), size_px, ..Request::new(Kind::Tile, format!("tile {seed}")) };
        let plain = draw(&mut app, "plain", &request);
        let tile = draw(&mut app, "tiles", &request);
        let start = Instant::now();
        loop {
            let picture = shot(&mut app);
            let missing: Vec<_> = KINDS
                .iter()
                .enumerate()
                .filter(|(cell, _)| !shows(&picture, *cell as u32, if *cell == 2 { tile } else { plain }))
                .map(|(_, kind)| kind)
                .collect();
            if missing.is_empty() {
                break;
            }
            if start.elapsed() > Duration::from_secs(10) {
                let file = std::env::temp_dir().join("rendered-test-failed.png");
                picture.save(&file).unwrap();
                panic!("{missing:?} do not show {plain:?} of {size_px} px; what is drawn is in {}", file.display());
            }
        }
    }
}
