//! What the pickers offer: models and LoRAs in the game's folders, the classic palettes, a palette file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pixgen_api::PaletteSource;
use pixgen_art::palette::Classic;
use pixgen_art::palette::format::Format;
use pixgen_engine::Catalog;

use super::task::Background;
use crate::PixelsGenPlugin;
use crate::panel::{FileView, LibraryView, LoraChoice, ModelChoice, PaletteChoice};

/// Most bytes of a palette file: the largest palette there is fits a thousand times.
const MAX_PALETTE_BYTES: u64 = 16 << 20;

/// The library and what is being read for it.
#[derive(Debug)]
pub(super) struct Library {
    folders: Vec<PathBuf>,
    view: Arc<LibraryView>,
    search: Background<Catalog>,
    was_searched: bool,
    palette_file: Option<FileView<Vec<[u8; 3]>>>,
}

impl Library {
    pub(super) fn new(plugin: &PixelsGenPlugin) -> Self {
        let palettes = Classic::ALL.iter().map(|classic| PaletteChoice {
            name: classic.name.to_owned(),
            origin: classic.origin.to_owned(),
            colors: classic.colors(),
        });
        let view = LibraryView {
            palettes: palettes.collect(),
            folders: plugin.model_dirs.iter().map(|folder| folder.display().to_string()).collect(),
            ..LibraryView::default()
        };
        Self {
            folders: plugin.resolved_model_dirs(),
            view: Arc::new(view),
            search: Background::default(),
            was_searched: false,
            palette_file: None,
        }
    }

    /// Looks into the folders.
    pub(super) fn search(&mut self) {
        self.was_searched = true;
        let folders = self.folders.clone();
        self.search.start(move || Catalog::scan(&folders));
        Arc::make_mut(&mut self.view).searching = true;
    }

    /// What is known by now. The folders are searched when the panel is shown for the first time.
    pub(super) fn view(&mut self) -> Arc<LibraryView> {
        if !self.was_searched {
            self.search();
        }
        if let Some(catalog) = self.search.take() {
            let view = Arc::make_mut(&mut self.view);
            let note = |bytes: u64| if bytes > 0 { size(bytes) } else { String::new() };
            let models = catalog.models.into_iter().map(|entry| ModelChoice {
                note: if entry.model.path().is_none() { "built in".to_owned() } else { note(entry.bytes) },
                name: entry.name,
                model: entry.model,
            });
            view.models = models.collect();
            let loras = catalog.loras.into_iter();
            view.loras =
                loras.map(|lora| LoraChoice { name: lora.name, path: lora.path, note: note(lora.bytes) }).collect();
            let unusable = catalog.unusable.into_iter();
            view.unusable = unusable.map(|file| format!("{}: {}", file.path.display(), file.reason)).collect();
            view.searching = false;
        }
        Arc::clone(&self.view)
    }

    /// The palette file that is chosen, read once.
    pub(super) fn palette_file(&mut self, source: &PaletteSource) -> Option<FileView<Vec<[u8; 3]>>> {
        let PaletteSource::File(path) = source else {
            self.palette_file = None;
            return None;
        };
        if self.palette_file.as_ref().is_none_or(|file| file.path != *path) {
            self.palette_file = Some(FileView { path: path.clone(), content: read_palette(path) });
        }
        self.palette_file.clone()
    }
}

fn read_palette(path: &Path) -> Result<Vec<[u8; 3]>, String> {
    let named = |reason: String| format!("the palette {}: {reason}", path.display());
    let bytes = std::fs::metadata(path).map_err(|e| named(format!("{e}; check the path")))?.len();
    if bytes > MAX_PALETTE_BYTES {
        return Err(named("the file is too large for a palette; choose another".to_owned()));
    }
    let content = std::fs::read(path).map_err(|e| named(e.to_string()))?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let format = Format::detect(&content, extension).map_err(|e| named(e.to_string()))?;
    format.parse(&content).map_err(|e| named(e.to_string()))
}

/// "163 MiB", "6.5 GiB".
fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 1024.0 { format!("{:.1} GiB", mib / 1024.0) } else { format!("{} MiB", mib.ceil()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!([1, 170_000_000, 6_938_078_334].map(size), ["1 MiB", "163 MiB", "6.5 GiB"]);
    }

    #[test]
    fn a_palette_file_is_read_or_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("two.hex");
        std::fs::write(&file, "ff0000\n00ff00\n").unwrap();
        assert_eq!(read_palette(&file).unwrap(), [[255, 0, 0], [0, 255, 0]]);
        std::fs::write(&file, "no colour").unwrap();
        assert!(read_palette(&file).unwrap_err().contains("two.hex"));
        assert!(read_palette(&folder.path().join("missing.hex")).unwrap_err().contains("check the path"));
    }
}
