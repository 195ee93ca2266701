//! The one plugin of this crate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bevy::asset::io::file::FileAssetReader;
use bevy::asset::{AssetMetaCheck, AssetPlugin, AssetServer};
use bevy::image::{CompressedImageFormats, ImageLoader};
use bevy::prelude::*;
use bevy::tasks::{block_on, poll_once};
use pixgen_api::{DevicePreference, ModelRef};

use crate::{recipe, source};

/// Sprites from prompts: the asset source `gen://` and, by feature, the generator and its panel.
///
/// Add it **before** `DefaultPlugins` (or `AssetPlugin`): Bevy wants to know its asset sources when it builds the
/// asset server. For the panel also add `bevy_egui::EguiPlugin`; without it the panel is off and all else works.
#[derive(Clone, Debug)]
pub struct PixelsGenPlugin {
    /// The folder behind `gen://`. A relative one lies below Bevy's base path: `BEVY_ASSET_ROOT`, else
    /// `CARGO_MANIFEST_DIR`, else the folder of the executable.
    pub gen_dir: PathBuf,
    /// The folder of the history, relative in the same way. It is made to ignore itself in git.
    pub data_dir: PathBuf,
    /// The model that the panel starts with.
    pub model: ModelRef,
    /// Folders in which the panel looks for models and LoRAs, four levels deep; relative in the same way.
    pub model_dirs: Vec<PathBuf>,
    /// Where the model runs.
    pub device: DevicePreference,
    /// How long the device rests after each step of a picture, so that a game on the same graphics card has it for itself
    /// meanwhile; nothing at first. Pictures take that much longer.
    pub step_pause: Duration,
    /// Whether linear layers compute with numbers of eight bits, on NVIDIA cards that can (RTX 40, H100 and later): pictures
    /// come sooner, are a little different, and the model takes 1.2 GB more. Off at first.
    pub fp8_linear: bool,
    /// Edge of the placeholder for a sprite that has not been generated and has no recipe, in pixels.
    pub default_size_px: u32,
    /// Whether recipes whose sprite is missing or stale are drawn while the game runs, and edits of them noticed. Off,
    /// a missing sprite is an error, as it is in a build without the feature `generate`.
    pub bake_recipes: bool,
    /// The key that shows and hides the panel.
    pub toggle_key: KeyCode,
    /// Whether the panel is open at the start.
    pub open: bool,
}

impl Default for PixelsGenPlugin {
    fn default() -> Self {
        Self {
            gen_dir: PathBuf::from("assets/gen"),
            data_dir: PathBuf::from(".pixgen"),
            model: ModelRef::default(),
            model_dirs: vec![PathBuf::from("models")],
            device: DevicePreference::default(),
            step_pause: Duration::ZERO,
            fp8_linear: false,
            default_size_px: 32,
            bake_recipes: true,
            toggle_key: KeyCode::F10,
            open: false,
        }
    }
}

/// The order of this crate's systems: the first four in `PreUpdate`, one after the other, before Bevy takes in loaded
/// assets; the last in `PostUpdate`. All but the last are empty in a build without the feature `generate`.
///
/// A game's system in `Update` sees what happened in the same frame. One in `PreUpdate` that reads `GenerationDone`
/// runs `.after(PixelsGenSystems::ReceiveEvents)`; one that asks for a sprite and wants it sent off in the same frame
/// runs `.before` it. One in `PostUpdate` that uses the bounds of sprites runs after Bevy's
/// `VisibilitySystems::CalculateBounds`.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelsGenSystems {
    /// Takes wishes (messages, commands, panel) to the engine and the engine's events to the world.
    ReceiveEvents,
    /// Hears from the loader of recipes what is missing or stale, has it drawn, and puts what was drawn beside its
    /// recipe.
    BakeRecipes,
    /// Reloads the sprites that were replaced, and tells their entities.
    ReloadAssets,
    /// Brings the resource `GenStatus` and the diagnostics up to date.
    Measure,
    /// Refreshes what Bevy derives from an image and does not derive again when the image changes: bounds of sprites,
    /// materials, tilemaps. After `AssetEventSystems`, before `VisibilitySystems::CalculateBounds`.
    RefreshSprites,
}

impl PixelsGenPlugin {
    /// `gen_dir`, resolved against Bevy's base path.
    #[must_use]
    pub fn resolved_gen_dir(&self) -> PathBuf {
        resolved(&self.gen_dir)
    }

    /// `data_dir`, resolved against Bevy's base path.
    #[must_use]
    pub fn resolved_data_dir(&self) -> PathBuf {
        resolved(&self.data_dir)
    }

    /// `model_dirs`, resolved against Bevy's base path.
    #[must_use]
    pub fn resolved_model_dirs(&self) -> Vec<PathBuf> {
        self.model_dirs.iter().map(|folder| resolved(folder)).collect()
    }
}

/// A folder of the game, resolved against Bevy's base path.
pub(crate) fn resolved(folder: &Path) -> PathBuf {
    let path = FileAssetReader::get_base_path().join(folder);
    // Bevy joins its base path to whatever is relative; a relative base must not be joined twice.
    std::path::absolute(&path).unwrap_or(path)
}

/// The folder of the game's assets, that of the default asset source.
pub(crate) fn assets_dir(app: &App) -> PathBuf {
    let plugins = app.get_added_plugins::<AssetPlugin>();
    resolved(plugins.first().map_or("", |assets| assets.file_path.as_str()).as_ref())
}

impl Plugin for PixelsGenPlugin {
    #[expect(clippy::panic, reason = "a mistake in the game's set-up, which nothing later could mend")]
    fn build(&self, app: &mut App) {
        if app.world().contains_resource::<AssetServer>() {
            panic!(
                "PixelsGenPlugin was added after AssetPlugin, so `gen://` would not exist. Add it first: \
                 `app.add_plugins((PixelsGenPlugin::default(), DefaultPlugins))`"
            );
        }
        app.register_asset_source(source::SOURCE, source::builder(self.resolved_gen_dir(), parts::missing(self)));
        app.configure_sets(
            PreUpdate,
            (
                PixelsGenSystems::ReceiveEvents,
                PixelsGenSystems::BakeRecipes,
                PixelsGenSystems::ReloadAssets,
                PixelsGenSystems::Measure,
            )
                .chain()
                .before(bevy::asset::AssetTrackingSystems),
        );
    }

    fn finish(&self, app: &mut App) {
        if app
            .get_added_plugins::<AssetPlugin>()
            .iter()
            .any(|assets| !matches!(assets.meta_check, AssetMetaCheck::Always))
        {
            warn!(
                "gen:// sprites follow the game's default sampler, because AssetPlugin::meta_check is not `Always`: \
                 use that, or `ImagePlugin::default_nearest()`"
            );
        }
        parts::finish(self, app);
        recipe::add_to(self, app);
    }

    fn cleanup(&self, app: &mut App) {
        read_images_without_a_renderer(app);
    }
}

/// Bevy's renderer is what registers the loader of images; without one (tests, servers) every image would wait for it
/// for ever. By `cleanup` the renderer, if there is one, has done so.
fn read_images_without_a_renderer(app: &mut App) {
    if !app.world().contains_resource::<Assets<Image>>() {
        return;
    }
    let Some(server) = app.world().get_resource::<AssetServer>().cloned() else { return };
    let loader = std::any::type_name::<ImageLoader>();
    // A loader that is only announced is awaited; one that is registered is there at the first look.
    let found = block_on(poll_once(server.get_asset_loader_with_type_name(loader)));
    if !matches!(found, Some(Ok(_))) {
        app.register_asset_loader(ImageLoader::new(CompressedImageFormats::NONE));
    }
}

#[cfg(feature = "generate")]
mod parts {
    //! With the generator.

    use bevy::prelude::*;

    use super::PixelsGenPlugin;
    use crate::generate;
    use crate::source::Missing;

    pub(super) fn missing(plugin: &PixelsGenPlugin) -> Missing {
        Missing::Placeholder { default_size_px: plugin.default_size_px, draw: generate::placeholder_png }
    }

    pub(super) fn finish(plugin: &PixelsGenPlugin, app: &mut App) {
        generate::add_to(plugin, app);
        crate::refresh::add_to(app);
        #[cfg(feature = "panel")]
        crate::panel_window::add_to(plugin, app);
    }
}

#[cfg(not(feature = "generate"))]
mod parts {
    //! Without the generator: only the reader.

    use bevy::prelude::*;

    use super::PixelsGenPlugin;
    use crate::source::Missing;

    pub(super) fn missing(_: &PixelsGenPlugin) -> Missing {
        Missing::Error
    }

    pub(super) fn finish(_: &PixelsGenPlugin, _: &mut App) {}
}
