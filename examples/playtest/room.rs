//! The room of the playtest: a hero, monsters, props and loot, all from `gen://`.

use std::fs;
use std::io;
use std::path::Path;

use bevy::asset::io::file::FileAssetReader;
use bevy::prelude::*;
use bevy_egui::EguiGlobalSettings;
use bevy_pixels_gen::generate::SpriteGenerated;
use bevy_pixels_gen::{GenPanel, PixelsGenPlugin};

/// Edge of a tile and of most sprites, in pixels.
const TILE_PX: f32 = 32.0;
/// Screen pixels for one sprite pixel.
const ZOOM: f32 = 2.0;
/// The room in tiles, walls included. The panel covers the left of the window, so the room stands to the right.
const ROOM: IVec2 = IVec2::new(13, 10);

/// The plugin over a copy of the baked sprites in `target`, so that the baked ones stay as they are.
pub(crate) fn plugin(name: &str) -> PixelsGenPlugin {
    let base = std::path::absolute(FileAssetReader::get_base_path()).unwrap_or_default();
    let playground = base.join("target").join(name);
    let gen_dir = playground.join("gen");
    if let Err(error) =
        fs::remove_dir_all(&gen_dir).or_else(ignore_missing).and_then(|()| copy(&base.join("assets/gen"), &gen_dir))
    {
        eprintln!("The baked sprites could not be copied to {}: {error}", gen_dir.display());
    }
    PixelsGenPlugin { gen_dir, data_dir: playground.join(".pixgen"), ..default() }
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(|_| ())?
        }
    }
    Ok(())
}

/// Walks by keyboard.
#[derive(Component)]
pub(crate) struct Hero;

/// Walks by itself, from one random point to the next.
#[derive(Component)]
struct Wanders {
    goal: Vec2,
    rest: Timer,
}

/// Floats up and down.
#[derive(Component)]
struct Floats {
    base_y: f32,
}

/// Where something stands on the floor, in sprite pixels; the picture may hop above it.
#[derive(Component)]
pub(crate) struct Stands(Vec2);

/// How far it has walked, in sprite pixels: what makes it hop.
#[derive(Component, Default)]
pub(crate) struct Walked(f32);

/// Adds the room and everything that moves in it.
pub(crate) fn add_to(app: &mut App) {
    app.add_systems(Startup, furnish)
        .add_systems(Update, (wander.run_if(not(picking)), float, (place, flash).chain()))
        .add_observer(glow);
}

/// Whoever is to be clicked stands still.
fn picking(panel: Option<Res<GenPanel>>) -> bool {
    panel.is_some_and(|panel| panel.picking)
}

/// Centre of a tile, in sprite pixels. (0, 0) is the lower left one.
fn tile(x: i32, y: i32) -> Vec2 {
    (Vec2::new(x as f32, y as f32) - (ROOM.as_vec2() - 1.0) / 2.0) * TILE_PX
}

/// The camera of the game in a window.
pub(crate) fn camera(mut commands: Commands, mut egui: ResMut<EguiGlobalSettings>) {
    egui.enable_ime = true;
    // The room's centre lies right of the window's, beside the panel.
    let shift = Vec3::new(-84.0, 0.0, 0.0);
    commands.spawn((
        Camera2d,
        Transform::from_translation(shift),
        Projection::Orthographic(OrthographicProjection { scale: 1.0 / ZOOM, ..OrthographicProjection::default_2d() }),
    ));
}

fn furnish(mut commands: Commands, assets: Res<AssetServer>) {
    let picture = |path: &str| Sprite::from_image(assets.load(format!("gen://{path}.png")));
    for y in 0..ROOM.y {
        for x in 0..ROOM.x {
            let wall = x == 0 || y == 0 || x == ROOM.x - 1 || y == ROOM.y - 1;
            let path = if wall { "tiles/wall" } else { "tiles/floor" };
            commands.spawn((picture(path), Transform::from_translation(tile(x, y).extend(-100.0))));
        }
    }
    let mut prop = |path: &str, name: &str, x, y| {
        commands.spawn((Name::new(name.to_owned()), picture(path), Stands(tile(x, y)), Transform::default()));
    };
    prop("props/statue", "Statue", 10, 7);
    prop("props/barrel", "Barrel", 2, 8);
    prop("props/barrel", "Barrel", 3, 8);
    prop("props/tree", "Tree", 11, 2);
    for (path, name, x, y) in [
        ("items/potion", "Potion", 4, 3),
        ("items/key", "Key", 9, 4),
        ("items/apple", "Apple", 2, 2),
        ("items/book", "Book", 5, 8),
        ("weapons/sword", "Sword", 8, 8),
    ] {
        let base_y = tile(x, y).y;
        commands.spawn((
            Name::new(name),
            picture(path),
            Floats { base_y },
            Transform::from_xyz(tile(x, y).x, base_y, 0.0),
        ));
    }
    for (path, name, x, y) in [
        ("monsters/slime", "Slime", 9, 2),
        ("monsters/skeleton", "Skeleton", 3, 6),
        ("monsters/ogre", "Ogre", 8, 6),
        ("monsters/dragon", "Dragon", 11, 5),
    ] {
        let at = tile(x, y);
        let rest = Timer::from_seconds(1.0 + x as f32 * 0.3, TimerMode::Once);
        let wanders = Wanders { goal: at, rest };
        commands.spawn((Name::new(name), picture(path), wanders, Stands(at), Walked::default(), Transform::default()));
    }
    let at = tile(6, 4);
    commands.spawn((
        Name::new("Hero"),
        Hero,
        picture("hero/knight"),
        Stands(at),
        Walked::default(),
        Transform::default(),
    ));
}

/// Takes a step, but not into a wall.
fn step(stands: &mut Stands, walked: &mut Walked, sprite: &mut Sprite, by: Vec2) {
    let limit = (ROOM.as_vec2() / 2.0 - 1.5) * TILE_PX;
    let goal = (stands.0 + by).clamp(-limit, limit);
    let moved = goal - stands.0;
    if moved.x.abs() > 0.01 {
        sprite.flip_x = moved.x < 0.0;
    }
    if moved.length() > 0.01 {
        walked.0 += moved.length();
    } else {
        walked.0 = 0.0;
    }
    stands.0 = goal;
}

/// Lets the hero walk by keyboard.
pub(crate) fn walk(
    keys: Res<ButtonInput<KeyCode>>,
    time: Res<Time>,
    mut heroes: Query<(&mut Stands, &mut Walked, &mut Sprite), With<Hero>>,
) {
    let axis = |minus: [KeyCode; 2], plus: [KeyCode; 2]| {
        f32::from(u8::from(keys.any_pressed(plus))) - f32::from(u8::from(keys.any_pressed(minus)))
    };
    let x = axis([KeyCode::ArrowLeft, KeyCode::KeyA], [KeyCode::ArrowRight, KeyCode::KeyD]);
    let y = axis([KeyCode::ArrowDown, KeyCode::KeyS], [KeyCode::ArrowUp, KeyCode::KeyW]);
    let by = Vec2::new(x, y).normalize_or_zero() * 90.0 * time.delta_secs();
    for (mut stands, mut walked, mut sprite) in &mut heroes {
        step(&mut stands, &mut walked, &mut sprite, by);
    }
}

fn wander(time: Res<Time>, mut all: Query<(Entity, &mut Wanders, &mut Stands, &mut Walked, &mut Sprite)>) {
    for (entity, mut wanders, mut stands, mut walked, mut sprite) in &mut all {
        let way = wanders.goal - stands.0;
        if way.length() > 2.0 {
            let by = way.normalize() * 25.0 * time.delta_secs();
            step(&mut stands, &mut walked, &mut sprite, by);
        } else if wanders.rest.tick(time.delta()).is_finished() {
            // A hash of who and when stands in for a random number generator.
            let dice =
                (entity.to_bits().wrapping_add(time.elapsed().as_millis() as u64)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (x, y) = ((dice >> 40) as i32 % (ROOM.x - 2), (dice >> 50) as i32 % (ROOM.y - 2));
            wanders.goal = tile(1 + x, 1 + y);
            wanders.rest = Timer::from_seconds(1.5, TimerMode::Once);
        } else {
            walked.0 = 0.0;
        }
    }
}

fn float(time: Res<Time>, mut all: Query<(&Floats, &mut Transform)>) {
    for (floats, mut transform) in &mut all {
        let phase = time.elapsed_secs() * 2.5 + transform.translation.x * 0.05;
        transform.translation.y = (floats.base_y + phase.sin() * 2.0).round();
        transform.translation.z = -transform.translation.y * 0.01;
    }
}

/// Draws what stands lower in front, and lets walkers hop. Whole pixels only.
fn place(mut all: Query<(&Stands, Option<&Walked>, &mut Transform)>) {
    for (stands, walked, mut transform) in &mut all {
        let hop = walked.map_or(0.0, |walked| (walked.0 * 0.2).sin().abs() * 3.0);
        transform.translation = Vec2::new(stands.0.x, stands.0.y + hop).round().extend(-stands.0.y * 0.01);
    }
}

/// A sprite that has just changed.
#[derive(Component)]
struct Glows(Timer);

fn glow(changed: On<SpriteGenerated>, mut commands: Commands) {
    commands.entity(changed.entity).insert(Glows(Timer::from_seconds(0.6, TimerMode::Once)));
}

/// Lets a changed sprite shine for a moment, so that the eye finds it.
fn flash(time: Res<Time>, mut commands: Commands, mut all: Query<(Entity, &mut Glows, &mut Sprite)>) {
    for (entity, mut glows, mut sprite) in &mut all {
        glows.0.tick(time.delta());
        let rest = glows.0.fraction_remaining();
        sprite.color = Color::srgb(1.0 + rest * 2.0, 1.0 + rest * 2.0, 1.0 + rest * 2.0);
        if glows.0.is_finished() {
            commands.entity(entity).remove::<Glows>();
        }
    }
}
