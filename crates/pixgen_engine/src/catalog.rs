//! Which models and adapters there are to choose from: for pickers and lists.

use std::fs;
use std::path::{Path, PathBuf};

use pixgen_api::ModelRef;
use pixgen_sdxl::{FileKind, FileSummary, LoraFile, LoraInfo};

use crate::files::{check_is_file, hash_of_file};
use crate::{EngineError, ModelInfo, embedded, fingerprint};

/// How deep folders are searched: `models/loras/style/file.safetensors`.
const MAX_DEPTH: usize = 4;
/// How many files and folders are looked at: somebody may name their whole disk.
const MAX_ENTRIES: usize = 20_000;

/// A model to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// A name for people.
    pub name: String,
    /// What goes into the request.
    pub model: ModelRef,
    /// Bytes of its file; 0 for folders and the embedded model.
    pub bytes: u64,
}

impl ModelEntry {
    /// Name and fingerprint as in the provenance of what it draws. It reads some megabytes of the file.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    pub fn fingerprint(&self) -> Result<String, EngineError> {
        fingerprint::of(&self.model, &ModelInfo::read(&self.model)?)
    }
}

/// An adapter to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoraEntry {
    /// The file's name without its extension.
    pub name: String,
    /// What goes into the request.
    pub path: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
}

impl LoraEntry {
    /// SHA-256 of the file, as in the provenance and, its first digits, in other tools. It reads the whole file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sha256(&self) -> Result<String, EngineError> {
        hash_of_file(&self.path, &|| false)
    }

    /// What the file says of itself: kinds, rank, base model, title, trigger words. It reads and checks the whole file.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn info(&self) -> Result<LoraInfo, EngineError> {
        Ok(LoraFile::open(&self.path)?.info().clone())
    }
}

/// A file that looks like a model and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableFile {
    /// The file.
    pub path: PathBuf,
    /// What it is instead.
    pub reason: String,
}

/// The models and adapters that were found, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The embedded model first, where this build has it.
    pub models: Vec<ModelEntry>,
    /// Adapters.
    pub loras: Vec<LoraEntry>,
    /// What else lies there as `.safetensors`, so that nobody wonders why it is not offered.
    pub unusable: Vec<UnusableFile>,
}

impl Catalog {
    /// Looks through folders, four levels deep: folders in diffusers layout and `.safetensors` files. Only headers are
    /// read. Folders that are not there or cannot be read are empty.
    #[must_use]
    pub fn scan(folders: &[PathBuf]) -> Self {
        let mut catalog = Self::default();
        let mut left = MAX_ENTRIES;
        for folder in folders {
            catalog.scan_folder(folder, MAX_DEPTH, &mut left);
        }
        if left == 0 {
            tracing::warn!("the model folders hold more than {MAX_ENTRIES} files: the rest is not listed");
        }
        // Folders may lie in each other.
        catalog.models.sort_by(|a, b| (&a.name, a.model.path()).cmp(&(&b.name, b.model.path())));
        catalog.models.dedup();
        catalog.loras.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        catalog.loras.dedup();
        catalog.unusable.sort_by(|a, b| a.path.cmp(&b.path));
        catalog.unusable.dedup();
        if !embedded::FILES.is_empty() {
            let name = ModelInfo::read(&ModelRef::Embedded).map_or_else(|_| "embedded".to_owned(), |info| info.name);
            catalog.models.insert(0, ModelEntry { name, model: ModelRef::Embedded, bytes: 0 });
        }
        catalog
    }

    fn scan_folder(&mut self, folder: &Path, depth: usize, left: &mut usize) {
        if folder.join("model_index.json").is_file() {
            let name = name_of(folder.file_name());
            self.models.push(ModelEntry { name, model: ModelRef::Folder(folder.to_owned()), bytes: 0 });
            return;
        }
        if depth == 0 {
            return;
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if *left == 0 {
                return;
            }
            *left -= 1;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                self.scan_folder(&path, depth - 1, left);
            } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
                self.add_file(path);
            }
        }
    }

    fn add_file(&mut self, path: PathBuf) {
        let name = name_of(path.file_stem());
        let data = fs::metadata(&path);
        if let Some(Err(error)) = data.as_ref().ok().map(|data| check_is_file(&path, data)) {
            return self.unusable.push(UnusableFile { path, reason: error.to_string() });
        }
        let bytes = data.map_or(0, |data| data.len());
        match FileSummary::read(&path).map(|summary| summary.kind) {
            Ok(FileKind::Sdxl) => self.models.push(ModelEntry { name, model: ModelRef::File(path), bytes }),
            Ok(FileKind::Lora) => self.loras.push(LoraEntry { name, path, bytes }),
            Ok(FileKind::Other(reason)) => self.unusable.push(UnusableFile { path, reason }),
            Ok(_) => {}
            Err(error) => self.unusable.push(UnusableFile { path, reason: error.to_string() }),
        }
    }
}

fn name_of(part: Option<&std::ffi::OsStr>) -> String {
    part.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
