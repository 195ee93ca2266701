//! Beside bevy-inspector-egui: `cargo run --example with_inspector`
//!
//! One `EguiPlugin` serves both. The world inspector shows the knight's `Sprite`; the window beside it shows what the
//! generator is doing, the resource `GenStatus`, while a sprite is drawn. F10 shows and hides our panel.

use bevy::prelude::*;
use bevy_egui::{EguiContext, EguiPlugin, EguiPrimaryContextPass, PrimaryEguiContext};
use bevy_inspector_egui::bevy_inspector::ui_for_resource;
use bevy_inspector_egui::quick::WorldInspectorPlugin;
use bevy_pixels_gen::PixelsGenPlugin;
use bevy_pixels_gen::generate::GenStatus;

fn main() -> AppExit {
    App::new()
        .add_plugins((PixelsGenPlugin { open: true, ..default() }, DefaultPlugins, EguiPlugin::default()))
        .add_plugins(WorldInspectorPlugin::new())
        .add_systems(Startup, spawn)
        .add_systems(EguiPrimaryContextPass, status)
        .run()
}

fn spawn(mut commands: Commands, assets: Res<AssetServer>) {
    commands.spawn(Camera2d);
    commands.spawn((
        Name::new("Knight"),
        Sprite::from_image(assets.load("gen://hero/knight.png")),
        Transform::from_scale(Vec3::splat(4.0)),
    ));
}

fn status(world: &mut World) -> Result {
    let mut context = world.query_filtered::<&mut EguiContext, With<PrimaryEguiContext>>().single_mut(world)?.clone();
    egui::Window::new("Generator")
        .default_pos([900.0, 12.0])
        .default_width(320.0)
        .show(context.get_mut(), |ui| ui_for_resource::<GenStatus>(world, ui));
    Ok(())
}
