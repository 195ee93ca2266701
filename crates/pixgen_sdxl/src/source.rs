//! Where the files of a model come from: a folder on disk, or bytes that are compiled into the program.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// A model: in diffusers layout (`model_index.json`, `unet/`, `vae/`, `text_encoder/` …), or in one file.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// A folder on disk in diffusers layout; its weights are memory-mapped. A path that is a file is taken as
    /// [`ModelSource::SingleFile`].
    Folder(PathBuf),
    /// A `.safetensors` file that holds a whole model with the tensor names of the latent diffusion code, as most
    /// SDXL models are shared; it is memory-mapped. Configuration is derived from the shapes, the tokenizers are CLIP's.
    SingleFile(PathBuf),
    /// Files in memory: path inside the model with forward slashes (`unet/config.json`), and content.
    Embedded(&'static [(&'static str, &'static [u8])]),
}

impl ModelSource {
    /// How a file is named in error messages.
    pub(crate) fn display(&self, path: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(path).display().to_string(),
            Self::SingleFile(file) => format!("{path} of {}", file.display()),
            Self::Embedded(_) => format!("{path} of the embedded model"),
        }
    }

    /// Fails when there is no model at all, before a missing file is blamed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self::Folder(folder) = self else { return Ok(()) };
        if !folder.is_dir() {
            return Err(Error::MissingFolder { folder: folder.display().to_string() });
        }
        if !self.contains("model_index.json")
            && let Some(file) = single_file_in(folder)
        {
            return Err(Error::MissingFile {
                file: self.display("model_index.json"),
                expected: format!("the folder is not in diffusers layout; to load {file}, give the path of that file"),
            });
        }
        Ok(())
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(path).is_file(),
            Self::SingleFile(_) => false,
            Self::Embedded(files) => files.iter().any(|(name, _)| *name == path),
        }
    }

    /// The content of a small file, or `None` if there is no such file.
    pub(crate) fn read_optional(&self, path: &str) -> Result<Option<Cow<'static, [u8]>>, Error> {
        match self {
            Self::Folder(folder) => match fs::read(folder.join(path)) {
                Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(reason) => Err(Error::Read { file: self.display(path), reason }),
            },
            Self::SingleFile(_) => Ok(None),
            Self::Embedded(files) => {
                Ok(files.iter().find(|(name, _)| *name == path).map(|(_, bytes)| Cow::Borrowed(*bytes)))
            }
        }
    }

    /// The weight files in a folder of the model, in the order in which they are searched.
    ///
    /// diffusers writes one file `<stem>.safetensors`, a half-precision variant `<stem>.fp16.safetensors`, or
    /// several files and an index. Whichever precision is closer to the one asked for is taken.
    pub(crate) fn weight_files(&self, folder: &str, stem: &str, half: bool) -> Result<Vec<String>, Error> {
        let full_names = [format!("{stem}.safetensors"), format!("{stem}.safetensors.index.json")];
        let half_names = [
            format!("{stem}.fp16.safetensors"),
            format!("{stem}.safetensors.index.fp16.json"),
            format!("{stem}.fp16.safetensors.index.json"),
        ];
        let names: Vec<&String> = if half {
            half_names.iter().chain(&full_names).collect()
        } else {
            full_names.iter().chain(&half_names).collect()
        };
        let inside = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let missing = || Error::MissingFile {
            file: self.display(&inside(&format!("{stem}.safetensors"))),
            expected: "weights are read from safetensors files (also .fp16.safetensors and sharded ones), \
                       not from .bin or .ckpt"
                .to_owned(),
        };
        let path = names.into_iter().map(|name| inside(name)).find(|path| self.contains(path)).ok_or_else(missing)?;
        if !path.ends_with(".json") {
            return Ok(vec![path]);
        }
        let bytes = self.read_optional(&path)?.ok_or_else(missing)?;
        let index: ShardIndex = parse_json(&bytes, || self.display(&path))?;
        let mut files: Vec<String> = index.weight_map.into_values().collect();
        files.sort();
        files.dedup();
        Ok(files.iter().map(|file| inside(file)).collect())
    }
}

/// Reads the content of a JSON file of a model; `file` is how errors name it.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8], file: impl FnOnce() -> String) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Config { file: file(), reason: format!("cannot be read: {error}") })
}

/// `*.safetensors.index.json`: which file holds which tensor.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: std::collections::BTreeMap<String, String>,
}

/// The only safetensors file right inside a folder.
fn single_file_in(folder: &Path) -> Option<String> {
    let files = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut models = files.filter(|name| name.ends_with(".safetensors"));
    let first = models.next()?;
    models.next().is_none().then_some(first)
}
