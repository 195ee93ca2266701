//! Recipes, and where the files that they name are looked for: in the same folders as by the plugin, so that the game
//! and the command line agree what a recipe means.

use std::path::{Component, Path, PathBuf};

use pixgen_api::Request;
use pixgen_engine::{EngineError, Provenance, RecipeFolders};

use crate::config::Settings;
use crate::exit::{OrUsage, usage};

/// How Bevy calls the folder of a game's assets.
const ASSETS: &str = "assets";
/// How the plugin calls the folder of models beside it.
const MODELS: &str = "models";

/// Where the files of the recipes in a folder are looked for.
#[derive(Debug)]
pub(crate) struct Places {
    /// The folder with recipes.
    folder: PathBuf,
    /// The folder of all assets, where the user named it.
    assets: Option<PathBuf>,
    /// The user's folders of models.
    models: [PathBuf; 2],
}

impl Places {
    /// The places for recipes in and below `folder`; `assets` is the folder of all assets, if it is not to be guessed.
    ///
    /// # Errors
    /// When `folder` does not lie in `assets`, or one of them cannot be found.
    pub(crate) fn new(folder: &Path, assets: Option<&Path>, settings: &Settings) -> anyhow::Result<Self> {
        let folder = absolute(folder)?;
        let assets = assets.map(absolute).transpose()?;
        if let Some(assets) = assets.as_ref().filter(|assets| !folder.starts_with(assets)) {
            return Err(usage(format!(
                "{} does not lie in the assets {}: name the folder that the game's AssetPlugin reads from",
                folder.display(),
                assets.display()
            )));
        }
        let models = ["models_dir", "loras_dir"].map(|name| settings.path(name));
        let models = models.map(|path| std::path::absolute(&path).unwrap_or(path));
        Ok(Self { folder, assets, models })
    }

    /// The places for one file, a recipe or a PNG.
    ///
    /// # Errors
    /// When its folder cannot be found.
    pub(crate) fn beside(file: &Path, settings: &Settings) -> anyhow::Result<RecipeFolders> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let places = Self::new(folder, None, settings)?;
        Ok(places.of(Path::new(file.file_name().unwrap_or_default())))
    }

    /// The folders of the recipe that lies at `below` in the folder.
    pub(crate) fn of(&self, below: &Path) -> RecipeFolders {
        let recipe = self.folder.join(below);
        let root = self.assets_of(&recipe);
        let models: Vec<_> =
            root.parent().map(|game| game.join(MODELS)).into_iter().chain(self.models.clone()).collect();
        RecipeFolders::of_file(&recipe, &[root], &models)
    }

    /// The folder of all assets of the game that a recipe belongs to: the nearest one above that is called `assets`,
    /// the first one on the way down to the recipe, else the folder itself.
    fn assets_of<'a>(&'a self, recipe: &'a Path) -> &'a Path {
        let is_assets = |folder: &&Path| folder.file_name().is_some_and(|name| name == ASSETS);
        let above = || self.folder.ancestors().find(is_assets);
        let below = || recipe.ancestors().skip(1).take_while(|folder| *folder != self.folder).filter(is_assets).last();
        self.assets.as_deref().or_else(above).or_else(below).unwrap_or(&self.folder)
    }
}

/// A path from the root of the disk.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    // Where `..` leads depends on links: only the disk knows.
    let goes_up = path.components().any(|part| part == Component::ParentDir);
    if goes_up { path.canonicalize() } else { std::path::absolute(path) }.or_usage_in(path.display())
}

/// Reads a recipe: a `*.sprite.ron`, or a PNG that says how it was drawn, also one of the tools that write
/// `parameters`. The files that it names are those beside it, as in the game. What a PNG names may lie in the current
/// folder, too; it may come from anybody, so what lies elsewhere is refused unless `is_given` says that a flag takes its
/// place.
///
/// # Errors
/// When it cannot be read, is no RON, asks for what cannot be drawn, or names files that are none of its business.
pub(crate) fn read_recipe(
    path: &Path,
    settings: &Settings,
    is_given: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Request> {
    let bytes = std::fs::read(path).or_usage_in(path.display())?;
    let folders = Places::beside(path, settings)?;
    if !bytes.starts_with(b"\x89PNG") {
        let recipe = Request::from_recipe(&bytes).or_usage_in(path.display())?;
        return folders.resolve(&recipe).or_usage_in(path.display());
    }
    let recovered = Provenance::recover(&bytes).or_usage_in(path.display())?;
    let recovered = recovered.ok_or_else(|| usage(format!("{} does not say how it was drawn", path.display())))?;
    let (request, refused) = folders.with_named(std::env::current_dir()).admit(&recovered.request);
    let refused =
        refused.into_iter().find(|error| !matches!(error, EngineError::ForeignPath { what, .. } if is_given(what)));
    match refused {
        Some(error) => Err(usage(format!("{}: {error}", path.display()))),
        None => Ok(Request { count: 1, ..request }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assets_of_a_recipe_are_found_from_every_folder() {
        for (folder, assets, recipe, expected) in [
            ("/game/assets", None, "hero/key.sprite.ron", "/game/assets"),
            ("/game/assets/hero", None, "key.sprite.ron", "/game/assets"),
            ("/game", None, "assets/hero/key.sprite.ron", "/game/assets"),
            ("/game", None, "assets/pack/assets/key.sprite.ron", "/game/assets"),
            ("/assets/game/assets/hero", None, "key.sprite.ron", "/assets/game/assets"),
            ("/game/art", None, "hero/key.sprite.ron", "/game/art"),
            ("/game/art/hero", Some("/game/art"), "key.sprite.ron", "/game/art"),
        ] {
            let models = [PathBuf::new(), PathBuf::new()];
            let places = Places { folder: folder.into(), assets: assets.map(PathBuf::from), models };
            let recipe = Path::new(folder).join(recipe);
            assert_eq!(places.assets_of(&recipe), Path::new(expected), "{folder}");
        }
    }
}
