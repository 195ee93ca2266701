//! Type a prompt inside the running Bevy game and watch the sprite change.
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_pixels_gen::PixelsGenPlugin;
//!
//! fn main() {
//!     App::new()
//!         // Before DefaultPlugins: asset sources have to be known when the asset server is built.
//!         .add_plugins((PixelsGenPlugin::default(), DefaultPlugins))
//!         .add_systems(Startup, |mut commands: Commands, assets: Res<AssetServer>| {
//!             commands.spawn(Camera2d);
//!             commands.spawn(Sprite::from_image(assets.load("gen://hero/knight.png")));
//!         })
//!         .run();
//! }
//! ```
//!
//! `gen://hero/knight.png` is the file `assets/gen/hero/knight.png` of the game, always with nearest sampling.
//! Add `EguiPlugin` as well and press F10 for the panel; ask from code with
//! [`GenerateSprite`](generate::GenerateSprite) or
//! [`commands.generate_sprite(…)`](generate::GenerateSpriteExt). A finished sprite is written to its file and
//! reloaded under the same handle.
//!
//! # Recipes
//! `knight.sprite.ron` anywhere in the game's assets says what to draw and loads as a [`SpriteSheet`]; see [`recipe`].
//!
//! # Systems
//! [`PixelsGenSystems`] is their order. What the generator is doing can be read in the resource `GenStatus`, which
//! inspectors and remote tools see by reflection, and in Bevy's diagnostics `pixels_gen/step_ms`, `pixels_gen/queue`
//! and `pixels_gen/memory_mib`.
//!
//! # Features
//! | feature | adds | default |
//! |---|---|---|
//! | `generate` | the engine, jobs, messages, hot reload | yes |
//! | `panel` | the egui panel | yes |
//! | `embedded_model` | a small sprite model compiled into the program (32 MiB) | yes |
//! | `materials` | materials and tilemaps follow a sprite that gets another size; needs Bevy's 2D renderer | yes |
//! | `cuda`, `cudnn`, `metal` | GPU inference | no |
//!
//! With `default-features = false` only the loader of recipes and the `gen://` reader stay: that is what a released
//! game needs.

mod plugin;
mod png_limits;
pub mod recipe;
mod source;
mod stamp;

#[cfg(feature = "generate")]
pub mod generate;
#[cfg(feature = "panel")]
pub mod panel;
#[cfg(feature = "panel")]
mod panel_window;
#[cfg(feature = "generate")]
pub mod refresh;

#[cfg(feature = "panel")]
pub use panel_window::GenPanel;
pub use pixgen_api;
pub use plugin::{PixelsGenPlugin, PixelsGenSystems};
pub use recipe::SpriteSheet;

/// The README's code compiles.
#[cfg(all(doctest, feature = "panel"))]
#[doc = include_str!("../../../README.md")]
struct ReadmeDoctests;
