//! With the generator: judges the PNG beside a recipe, and tells the watch in the main world what it saw.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

use bevy::prelude::*;
use pixgen_api::Request;
use pixgen_engine::{Bake, Input, RecipeFolders, Store, bake_key, bake_with, input_files};

use super::BakeState;
use super::files::Roots;
use super::hashing::Hashing;
use super::loader::{Look, Seen};
use super::watch;
use crate::PixelsGenPlugin;
use crate::generate::placeholder_png;

/// What a recipe asks for, with the files that it names as they are now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    /// The recipe as it is written.
    pub(super) recipe: Request,
    /// The same with its files at their places on the disk.
    pub(super) request: Request,
    /// The files that it names besides the model.
    inputs: Vec<Input>,
    /// A name for all of this.
    pub(super) key: String,
}

/// The loader's view of the generator.
pub(super) struct Overseer {
    /// To the watch; `None` when the game wants no recipe drawn.
    watch: Option<Sender<Seen>>,
    /// What `gen://` shows in the place of a missing PNG that has no recipe.
    default_placeholder: Vec<u8>,
    models: Vec<PathBuf>,
    /// The history, for sprites that cannot be put beside their recipe.
    store: Store,
    hashing: Hashing,
}

pub(super) fn add_to(plugin: &PixelsGenPlugin, roots: &Roots, app: &mut App) -> Overseer {
    let watch = plugin.bake_recipes.then(|| {
        let (sender, seen) = channel();
        watch::add_to(seen, app);
        sender
    });
    let store = Store::new(&plugin.resolved_data_dir(), &roots.gen_dir);
    let hashing = Hashing::new(store.hash_cache());
    app.insert_resource(hashing.end());
    Overseer {
        watch,
        default_placeholder: placeholder_png(plugin.default_size_px),
        models: plugin.resolved_model_dirs(),
        hashing,
        store,
    }
}

impl Overseer {
    /// What a recipe asks for, or why it may not. Notes which files that takes, and waits until those that are not known
    /// are read.
    pub(super) async fn wish(&self, roots: &Roots, look: &mut Look, recipe: &Request) -> Result<Wish, String> {
        if self.watch.is_none() {
            return Ok(Wish {
                recipe: recipe.clone(),
                request: recipe.clone(),
                inputs: Vec::new(),
                key: String::new(),
            });
        }
        let folders = match &look.files {
            Some(files) => RecipeFolders::of_file(&files.recipe, &[&roots.assets, &roots.gen_dir], &self.models),
            // An asset source of somebody else: its recipes may name what the game's own may.
            None => RecipeFolders::new(&roots.assets, look.path.path(), &self.models),
        };
        let request = folders.resolve(recipe).map_err(|error| error.to_string())?;
        if let (Some(files), Some(stamps)) = (&mut look.files, &mut look.stamps) {
            files.inputs = input_files(&request);
            stamps.look_at_inputs(files);
        }
        let inputs = self.hashing.inputs_of(&request).await?;
        let key = bake_key(recipe, &inputs).map_err(|error| error.to_string())?;
        Ok(Wish { recipe: recipe.clone(), request, inputs, key })
    }

    /// What to show for a recipe without a sprite; `None`: nothing, that is an error.
    pub(super) fn placeholder(&self, recipe: &Request) -> Option<Vec<u8>> {
        self.watch.is_some().then(|| placeholder_png(recipe.size_px))
    }

    /// Whether the reader of `gen://` has put this PNG in the place of a missing one.
    pub(super) fn is_placeholder(&self, png: &[u8], recipe: &Request) -> bool {
        png == self.default_placeholder || png == placeholder_png(recipe.size_px)
    }

    /// What the PNG beside a recipe is.
    pub(super) fn state(&self, png: &[u8], wish: &Wish) -> Result<BakeState, String> {
        if self.watch.is_none() {
            return Ok(BakeState::Unchecked);
        }
        let bake = bake_with(png, &wish.recipe, &wish.request, &wish.inputs).map_err(|error| error.to_string())?;
        Ok(match bake {
            Bake::Fresh => BakeState::Fresh,
            Bake::Stale => BakeState::Stale,
            Bake::ByHand => BakeState::ByHand,
        })
    }

    /// The sprite that an earlier run has drawn for this and could not put beside its recipe.
    pub(super) fn remembered(&self, wish: &Wish) -> Option<(String, Vec<u8>)> {
        self.watch.as_ref()?;
        self.store.remembered_bake(&wish.key)
    }

    /// Reports a recipe, good or bad.
    pub(super) fn saw(&self, seen: Seen) {
        if let Some(watch) = &self.watch {
            // The watch is gone only when the world is.
            let _ = watch.send(seen);
        }
    }
}
