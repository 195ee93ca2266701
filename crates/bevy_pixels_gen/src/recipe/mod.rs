//! Recipes: a sprite as a file `*.sprite.ron` that says what to draw.
//!
//! `hero/knight.sprite.ron` holds a [`Request`] in RON, and its finished sprite stands beside it as `hero/knight.png`.
//! It loads as a [`SpriteSheet`], whose image and atlas layout are also there by themselves, as `…#image` and `…#layout`:
//!
//! ```no_run
//! # use bevy::prelude::*;
//! fn spawn(mut commands: Commands, assets: Res<AssetServer>) {
//!     commands.spawn(Sprite::from_image(assets.load("sprites/knight.sprite.ron#image")));
//! }
//! ```
//!
//! With the feature `generate`, a PNG that is missing, or was drawn for another text of the recipe, is drawn while the game
//! runs: a placeholder or the old sprite stands there until then, and the handles stay. So it is when a recipe is edited
//! while the game runs, whether or not Bevy's `file_watcher` is on. Without the feature, or with
//! [`PixelsGenPlugin::bake_recipes`](crate::PixelsGenPlugin::bake_recipes) off, a missing PNG is an error that names
//! `dgx-pixels bake`.
//!
//! Load recipes from a `Startup` system or later: before that the asset server does not know them.

mod files;
mod loader;
#[cfg(feature = "generate")]
mod overseer;
#[cfg(not(feature = "generate"))]
#[path = "no_overseer.rs"]
mod overseer;
#[cfg(feature = "generate")]
mod watch;

use bevy::asset::AssetPlugin;
use bevy::prelude::*;
use pixgen_api::Request;

use crate::PixelsGenPlugin;

pub use loader::RecipeLoadError;
#[cfg(feature = "generate")]
pub use watch::RecipeBaked;

/// The label of a recipe's picture: `knight.sprite.ron#image`.
pub const IMAGE_LABEL: &str = "image";
/// The label of a recipe's atlas layout: `knight.sprite.ron#layout`.
pub const LAYOUT_LABEL: &str = "layout";

/// A recipe's sprite: one picture of one or several cells.
#[derive(Asset, Reflect, Clone, Debug)]
#[reflect(Clone, Debug)]
pub struct SpriteSheet {
    /// The picture, sampled crisply.
    #[dependency]
    pub image: Handle<Image>,
    /// Its cells, row by row: squares of the recipe's `size_px` where the picture is divided by them evenly, else the
    /// whole picture.
    #[dependency]
    pub layout: Handle<TextureAtlasLayout>,
    /// Edges of a cell, in pixels.
    pub cell_px: UVec2,
    /// Cells.
    pub cells: u32,
    /// What was asked for.
    #[reflect(ignore)]
    pub recipe: Request,
    /// What the picture is.
    pub bake: BakeState,
}

impl SpriteSheet {
    /// A sprite that shows cell `index`.
    #[must_use]
    pub fn sprite(&self, index: usize) -> Sprite {
        Sprite::from_atlas_image(self.image.clone(), TextureAtlas { layout: self.layout.clone(), index })
    }
}

/// What the picture of a recipe is.
#[derive(Reflect, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[reflect(Clone, Debug, Default, PartialEq)]
pub enum BakeState {
    /// The PNG beside the recipe, taken as it is: this build, or this game's settings, draw nothing.
    #[default]
    Unchecked,
    /// The PNG beside the recipe, drawn for this text of it.
    Fresh,
    /// The PNG beside the recipe, drawn for another text of it: the right one is being drawn.
    Stale,
    /// A placeholder: the sprite is being drawn.
    Missing,
    /// The PNG beside the recipe was not made by us. It is somebody's work, and nothing replaces it.
    ByHand,
}

/// Adds the loader, and with the generator what keeps the bakes up to date.
pub(crate) fn add_to(plugin: &PixelsGenPlugin, app: &mut App) {
    if !app.world().contains_resource::<Assets<Image>>() {
        return; // A server without images has no use for sprites.
    }
    // Bevy adds both with its renderer; a game without one can still load what it will hand on.
    if !app.world().contains_resource::<Assets<TextureAtlasLayout>>() {
        app.init_asset::<TextureAtlasLayout>();
    }
    app.init_asset::<SpriteSheet>().register_asset_reflect::<SpriteSheet>().register_type::<BakeState>();
    let assets =
        app.get_added_plugins::<AssetPlugin>().first().map_or_else(String::new, |assets| assets.file_path.clone());
    let roots = files::Roots { assets: crate::plugin::resolved(assets.as_ref()), gen_dir: plugin.resolved_gen_dir() };
    let overseer = overseer::add_to(plugin, app);
    app.register_asset_loader(loader::SpriteSheetLoader { roots, overseer });
}
