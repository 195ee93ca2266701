//! The least a game needs: `cargo run --example minimal`
//!
//! F10 opens the panel. Choose the knight, type what it should look like, press Generate: it changes, here and in its
//! file `assets/gen/hero/knight.png`. Ctrl+Z takes it back.

use bevy::prelude::*;
use bevy_egui::EguiPlugin;
use bevy_pixels_gen::PixelsGenPlugin;

fn main() -> AppExit {
    App::new()
        .add_plugins((PixelsGenPlugin::default(), DefaultPlugins, EguiPlugin::default())) // ours first
        .add_systems(Startup, spawn)
        .run()
}

fn spawn(mut commands: Commands, assets: Res<AssetServer>) {
    let knight = Sprite::from_image(assets.load("gen://hero/knight.png"));
    commands.spawn(Camera2d);
    commands.spawn((Name::new("Knight"), knight, Transform::from_scale(Vec3::splat(8.0))));
}
