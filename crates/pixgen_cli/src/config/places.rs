//! Where the platform keeps configuration and data.

use std::path::PathBuf;

use anyhow::Context;
use etcetera::BaseStrategy;
use pixgen_engine::HashCache;

/// Our name in the platform's folders.
const FOLDER: &str = "dgx-pixels";

/// The folders of this program: `~/.config/dgx-pixels`, `~/.local/share/dgx-pixels` and `~/.cache/dgx-pixels` on Linux and
/// macOS (`XDG_CONFIG_HOME`, `XDG_DATA_HOME` and `XDG_CACHE_HOME` move them), `dgx-pixels` in `AppData` on Windows.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The configuration file.
    pub(crate) config_file: PathBuf,
    config_dir: PathBuf,
    data_dir: PathBuf,
    cache_dir: PathBuf,
}

impl Places {
    /// Asks the platform.
    ///
    /// # Errors
    /// When the user has no home folder.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let base = etcetera::choose_base_strategy().context("finding your home folder: set HOME")?;
        let (config_dir, data_dir) = (base.config_dir().join(FOLDER), base.data_dir().join(FOLDER));
        let cache_dir = base.cache_dir().join(FOLDER);
        Ok(Self { config_file: config_dir.join("config.toml"), config_dir, data_dir, cache_dir })
    }

    /// Hashes of large files, each of which is read once and for all.
    pub(crate) fn hash_cache(&self) -> HashCache {
        HashCache::in_folder(self.cache_dir.join("hashes"))
    }

    /// What a setting is when nobody says anything.
    pub(super) fn default_of(&self, name: &str) -> Option<String> {
        let path = match name {
            "device" => return Some("auto".to_owned()),
            "fp8_linear" => return Some("false".to_owned()),
            "model" => return Some("embedded".to_owned()),
            "output" => PathBuf::from("output"),
            "models_dir" => self.data_dir.join("models"),
            "loras_dir" => self.data_dir.join("loras"),
            "styles_dir" => self.config_dir.join("styles"),
            _ => return None,
        };
        Some(path.to_string_lossy().into_owned())
    }
}
