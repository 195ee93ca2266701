//! The game itself asks for sprites: `cargo run --example from_code`
//!
//! Space drops a piece of loot whose picture is drawn at that moment; a placeholder lies there until it is. Backspace
//! stops the last one; F10 shows the panel. The pictures go to `target/from_code`, so that the repository stays as it is.

#![allow(clippy::print_stdout, reason = "an example talks to whoever started it")]

use bevy::input::common_conditions::input_just_pressed;
use bevy::prelude::*;
use bevy_egui::EguiPlugin;
use bevy_pixels_gen::PixelsGenPlugin;
use bevy_pixels_gen::generate::{GenerateSpriteExt, GenerationFailed, SpriteGenerated};
use bevy_pixels_gen::pixgen_api::{GenPath, JobId, Kind, Request};

const LOOT: [(Kind, &str); 6] = [
    (Kind::Item, "a blue potion"),
    (Kind::Weapon, "a steel sword"),
    (Kind::Item, "a golden key"),
    (Kind::Prop, "a wooden chest"),
    (Kind::Item, "a red apple"),
    (Kind::Item, "an old book"),
];
/// Pieces of loot in a row.
const COLUMNS: usize = 6;

/// The jobs so far.
#[derive(Resource, Default)]
struct Dropped(Vec<JobId>);

fn main() -> AppExit {
    App::new()
        .add_plugins((
            PixelsGenPlugin {
                gen_dir: "target/from_code/gen".into(),
                data_dir: "target/from_code/.pixgen".into(),
                ..default()
            },
            DefaultPlugins,
            EguiPlugin::default(),
        ))
        .init_resource::<Dropped>()
        .add_systems(Startup, (camera, drop_loot))
        .add_systems(Update, drop_loot.run_if(input_just_pressed(KeyCode::Space)))
        .add_systems(Update, stop.run_if(input_just_pressed(KeyCode::Backspace)))
        .add_systems(Update, tell_failures)
        .add_observer(|drawn: On<SpriteGenerated>| println!("{} is there", drawn.path))
        .run()
}

fn camera(mut commands: Commands) {
    commands.spawn(Camera2d);
    commands.spawn((Text2d::new("Space: drop loot   Backspace: stop"), Transform::from_xyz(0.0, -300.0, 0.0)));
}

fn drop_loot(mut commands: Commands, assets: Res<AssetServer>, mut dropped: ResMut<Dropped>) -> Result {
    let number = dropped.0.len();
    let (kind, prompt) = LOOT[number % LOOT.len()];
    let target = GenPath::parse(&format!("loot/{number}.png"))?;
    let at = Vec2::new((number % COLUMNS) as f32 * 160.0 - 400.0, 200.0 - (number / COLUMNS) as f32 * 160.0);
    commands.spawn((
        Sprite::from_image(assets.load(target.asset_path())),
        Transform::from_translation(at.extend(0.0)).with_scale(Vec3::splat(4.0)),
    ));
    let request = Request { seed: Some(number as u64), ..Request::new(kind, prompt) };
    dropped.0.push(commands.generate_sprite(request, Some(target)));
    Ok(())
}

fn stop(mut commands: Commands, dropped: Res<Dropped>) {
    if let Some(job) = dropped.0.last() {
        commands.cancel_generation(*job);
    }
}

fn tell_failures(mut failed: MessageReader<GenerationFailed>) {
    for failure in failed.read() {
        println!("no loot: {}", failure.error);
    }
}
