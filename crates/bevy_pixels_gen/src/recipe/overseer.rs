//! With the generator: judges the PNG beside a recipe, and tells the watch in the main world what it saw.

use std::sync::mpsc::{Sender, channel};

use bevy::prelude::*;
use pixgen_api::Request;
use pixgen_engine::{Bake, bake_of};

use super::BakeState;
use super::loader::Seen;
use super::watch;
use crate::PixelsGenPlugin;
use crate::generate::placeholder_png;

/// The loader's view of the generator.
pub(super) struct Overseer {
    /// To the watch; `None` when the game wants no recipe drawn.
    watch: Option<Sender<Seen>>,
    /// What `gen://` shows in the place of a missing PNG that has no recipe.
    default_placeholder: Vec<u8>,
}

pub(super) fn add_to(plugin: &PixelsGenPlugin, app: &mut App) -> Overseer {
    let watch = plugin.bake_recipes.then(|| {
        let (sender, seen) = channel();
        watch::add_to(seen, app);
        sender
    });
    Overseer { watch, default_placeholder: placeholder_png(plugin.default_size_px) }
}

impl Overseer {
    /// What to show for a recipe without a sprite; `None`: nothing, that is an error.
    pub(super) fn placeholder(&self, recipe: &Request) -> Option<Vec<u8>> {
        self.watch.is_some().then(|| placeholder_png(recipe.size_px))
    }

    /// Whether the reader of `gen://` has put this PNG in the place of a missing one.
    pub(super) fn is_placeholder(&self, png: &[u8], recipe: &Request) -> bool {
        png == self.default_placeholder || png == placeholder_png(recipe.size_px)
    }

    /// What the PNG beside a recipe is.
    pub(super) fn state(&self, png: &[u8], recipe: &Request) -> Result<BakeState, String> {
        if self.watch.is_none() {
            return Ok(BakeState::Unchecked);
        }
        Ok(match bake_of(png, recipe).map_err(|e| e.to_string())? {
            Bake::Fresh => BakeState::Fresh,
            Bake::Stale => BakeState::Stale,
            Bake::ByHand => BakeState::ByHand,
        })
    }

    /// Reports a recipe, good or bad.
    pub(super) fn saw(&self, seen: Seen) {
        if let Some(watch) = &self.watch {
            // The watch is gone only when the world is.
            let _ = watch.send(seen);
        }
    }
}
