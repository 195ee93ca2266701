//! Recipes: a sprite as a file `*.sprite.ron` that says what to draw.
//!
//! `hero/knight.sprite.ron` holds a [`Request`] in RON, and its finished sprite stands beside it as `hero/knight.png`.
//! It loads as a [`SpriteSheet`], whose image and atlas layout are also there by themselves, as `…#image` and
//! `…#layout`:
//!
//! ```no_run
//! # use bevy::prelude::*;
//! fn spawn(mut commands: Commands, assets: Res<AssetServer>) {
//!     commands.spawn(Sprite::from_image(assets.load("sprites/knight.sprite.ron#image")));
//! }
//! ```
//!
//! With the feature `generate`, a PNG that is missing, or was drawn for another text of the recipe, is drawn while the
//! game runs: a placeholder or the old sprite stands there until then, and the handles stay. So it is when a recipe is
//! edited while the game runs, whether or not Bevy's `file_watcher` is on. Without the feature, or with
//! [`PixelsGenPlugin::bake_recipes`](crate::PixelsGenPlugin::bake_recipes) off, a missing PNG is an error that names
//! `dgx-pixels bake`.
//!
//! Files that a recipe names (a LoRA, a picture to begin with, a palette …) are looked for beside it, among the game's
//! assets and in [`PixelsGenPlugin::model_dirs`](crate::PixelsGenPlugin::model_dirs), and nowhere else: a recipe may have
//! come with somebody else's assets. When one of them changes, the sprite is drawn again. A recipe below `gen://` may name
//! all assets of the game too, where its folder lies among them. A LoRA is read once, on a thread of its own, to be known
//! again; its recipe waits for that, and no other.
//!
//! What is accepted in the panel for a recipe's sprite is written into the recipe, so that it stays.
//!
//! A sheet of frames with durations and tags, as `dgx-pixels` exports it to `walk.sheet.ron`, loads as a
//! [`SpriteSheet`] too.
//!
//! Load both from a `Startup` system or later: before that the asset server does not know them.

mod files;
#[cfg(feature = "generate")]
mod hashing;
mod loader;
#[cfg(feature = "generate")]
mod overseer;
#[cfg(not(feature = "generate"))]
#[path = "no_overseer.rs"]
mod overseer;
mod sheet_loader;
#[cfg(feature = "generate")]
mod watch;

use bevy::prelude::*;
use pixgen_api::Request;

use crate::PixelsGenPlugin;

pub use loader::RecipeLoadError;
pub use sheet_loader::SheetLoadError;
#[cfg(feature = "generate")]
pub use watch::RecipeBaked;

/// The label of a recipe's picture: `knight.sprite.ron#image`.
pub const IMAGE_LABEL: &str = "image";
/// The label of a recipe's atlas layout: `knight.sprite.ron#layout`.
pub const LAYOUT_LABEL: &str = "layout";

/// A recipe's sprite, or a sheet that was exported: one picture of one or several cells.
#[derive(Asset, Reflect, Clone, Debug)]
#[reflect(Clone, Debug)]
pub struct SpriteSheet {
    /// The picture, sampled crisply.
    #[dependency]
    pub image: Handle<Image>,
    /// Its cells. Of a recipe, row by row: squares of its `size_px` where the picture is divided by them evenly, else
    /// the whole picture. Of a `.sheet.ron`, its frames.
    #[dependency]
    pub layout: Handle<TextureAtlasLayout>,
    /// Edges of a cell, in pixels; of a sheet, those of its first frame before transparent margins were cut off.
    pub cell_px: UVec2,
    /// Cells.
    pub cells: u32,
    /// What was asked for; nothing for a `.sheet.ron`.
    #[reflect(ignore)]
    pub recipe: Request,
    /// What the picture is.
    pub bake: BakeState,
    /// Durations, pivots and named animations, where it was loaded from a `.sheet.ron`.
    #[reflect(ignore)]
    pub frames: Option<pixgen_api::SpriteSheet>,
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
    let roots = files::Roots { assets: crate::plugin::assets_dir(app), gen_dir: plugin.resolved_gen_dir() };
    let overseer = overseer::add_to(plugin, &roots, app);
    app.register_asset_loader(loader::SpriteSheetLoader { roots, overseer })
        .register_asset_loader(sheet_loader::SheetLoader);
}
