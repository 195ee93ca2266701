//! A sprite as a text file: `cargo run --example recipe`
//!
//! Open `assets/recipes/potion.sprite.ron` in an editor while this runs, change the prompt or the seed, and save: the
//! potion is drawn anew and changes on the screen. Its PNG stands beside the recipe; both belong into version control.
//! A mistake in the recipe is explained in the log, and the old potion stays.

#![allow(clippy::print_stdout, reason = "an example talks to whoever started it")]

use bevy::prelude::*;
use bevy_egui::EguiPlugin;
use bevy_pixels_gen::PixelsGenPlugin;
use bevy_pixels_gen::recipe::RecipeBaked;

const RECIPE: &str = "recipes/potion.sprite.ron";

fn main() -> AppExit {
    App::new()
        .add_plugins((PixelsGenPlugin::default(), DefaultPlugins, EguiPlugin::default()))
        .add_systems(Startup, spawn)
        .add_systems(Update, tell)
        .run()
}

fn spawn(mut commands: Commands, assets: Res<AssetServer>) {
    commands.spawn(Camera2d);
    commands
        .spawn((Sprite::from_image(assets.load(format!("{RECIPE}#image"))), Transform::from_scale(Vec3::splat(8.0))));
    commands.spawn((Text2d::new(format!("edit assets/{RECIPE}")), Transform::from_xyz(0.0, -220.0, 0.0)));
}

fn tell(mut baked: MessageReader<RecipeBaked>) {
    for RecipeBaked { recipe, result, .. } in baked.read() {
        match result {
            Ok(()) => println!("{recipe} was drawn"),
            Err(error) => println!("{recipe} stays as it was: {error}"),
        }
    }
}
