//! Where recipes, their PNGs and the files that they name stand on the disk, and whether they have changed.

use std::path::{Path, PathBuf};

use bevy::asset::AssetPath;
use bevy::asset::io::AssetSourceId;
use pixgen_api::baked_file;

use crate::source::SOURCE;
use crate::stamp::{Stamp, stamp};

/// The folders behind the two asset sources whose recipes have files.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    /// Behind the default source.
    pub(super) assets: PathBuf,
    /// Behind `gen://`.
    pub(super) gen_dir: PathBuf,
}

impl Roots {
    /// The folder of an asset source; `None` for one that belongs to somebody else (embedded, the web …).
    pub(super) fn of(&self, source: &AssetSourceId<'_>) -> Option<&Path> {
        match source {
            AssetSourceId::Default => Some(&self.assets),
            AssetSourceId::Name(name) => (&**name == SOURCE).then_some(self.gen_dir.as_path()),
        }
    }

    /// The files of a recipe.
    pub(super) fn files(&self, recipe: &AssetPath<'_>) -> Option<Files> {
        let root = self.of(recipe.source())?.to_owned();
        let recipe = root.join(recipe.path());
        let id = recipe.canonicalize().unwrap_or_else(|_| recipe.clone());
        Some(Files { baked: baked_file(&recipe)?, recipe, root, id, inputs: Vec::new() })
    }
}

/// The files of one recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// The folder of its asset source.
    pub(super) root: PathBuf,
    /// The recipe.
    pub(super) recipe: PathBuf,
    /// The same for every way that leads to it: one folder may lie behind two asset sources.
    pub(super) id: PathBuf,
    /// The PNG beside it.
    pub(super) baked: PathBuf,
    /// The files that it names besides the model.
    pub(super) inputs: Vec<PathBuf>,
}

/// How the files of a recipe looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps {
    recipe: Stamp,
    baked: Stamp,
    inputs: Vec<Stamp>,
}

impl Stamps {
    /// Length of the PNG, in bytes.
    pub(super) fn baked_bytes(&self) -> u64 {
        self.baked.map_or(0, |(_, bytes)| bytes)
    }

    /// Adds the files that a recipe names, which only its text tells.
    #[cfg_attr(not(feature = "generate"), expect(dead_code, reason = "only a generator reads them"))]
    pub(super) fn look_at_inputs(&mut self, files: &Files) {
        self.inputs = files.inputs.iter().map(|file| stamp(file)).collect();
    }
}

impl Files {
    /// How they look now.
    pub(super) fn stamps(&self) -> Stamps {
        let inputs = self.inputs.iter().map(|file| stamp(file)).collect();
        Stamps { recipe: stamp(&self.recipe), baked: stamp(&self.baked), inputs }
    }
}
