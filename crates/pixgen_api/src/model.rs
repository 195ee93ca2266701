//! Which files a sprite is drawn with: the model and the adapters on it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A model to draw with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelRef {
    /// The small sprite model that is compiled into the program.
    #[default]
    Embedded,
    /// A folder in diffusers layout (`unet/`, `vae/`, `text_encoder/` …).
    Folder(PathBuf),
    /// A single-file checkpoint (`.safetensors`), as most SDXL models are shared.
    File(PathBuf),
}

impl ModelRef {
    /// The model at a path: a file with an extension of checkpoints is [`ModelRef::File`], all else
    /// [`ModelRef::Folder`]. The disk is not asked.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if ["safetensors", "ckpt", "pt", "gguf"].contains(&extension.as_str()) {
            Self::File(path)
        } else {
            Self::Folder(path)
        }
    }

    /// Where the model lies; `None` for the embedded one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Embedded => None,
            Self::Folder(path) | Self::File(path) => Some(path),
        }
    }
}

/// An adapter that changes what a model draws (LoRA, LoCon, LoHa, LoKr, DoRA).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraRef {
    /// The `.safetensors` file.
    pub path: PathBuf,
    /// How strongly it changes the model: 0 not at all, 1 as trained; within ±[`MAX_LORA_WEIGHT`](crate::MAX_LORA_WEIGHT).
    #[serde(default = "full_weight")]
    pub weight: f32,
}

fn full_weight() -> f32 {
    1.0
}

impl LoraRef {
    /// The file's name without folder and extension: what other tools call it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    }
}

impl fmt::Display for LoraRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.weight)
    }
}

impl FromStr for LoraRef {
    type Err = String;

    /// `path/to/style.safetensors:0.8`; without a weight it is 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // What follows the last colon is a weight only if it is a number: `C:\loras\style.safetensors` has a colon too.
        let (path, weight) = match text.rsplit_once(':').and_then(|(path, weight)| Some((path, weight.parse().ok()?))) {
            Some((path, weight)) => (path, weight),
            None => (text, full_weight()),
        };
        if path.is_empty() {
            return Err(format!("\"{text}\" names no LoRA; use for example style.safetensors:0.8"));
        }
        Ok(Self { path: path.into(), weight })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lora_is_read_with_and_without_weight() {
        let read = |text: &str| text.parse::<LoraRef>().map(|lora| (lora.path.display().to_string(), lora.weight));
        assert_eq!(read("a/b.safetensors:0.8"), Ok(("a/b.safetensors".into(), 0.8)));
        assert_eq!(read("a.safetensors"), Ok(("a.safetensors".into(), 1.0)));
        assert_eq!(read(r"C:\a.safetensors"), Ok((r"C:\a.safetensors".into(), 1.0)));
        assert_eq!(read(r"C:\a.safetensors:-1"), Ok((r"C:\a.safetensors".into(), -1.0)));
        assert!(read(":0.5").is_err());
        assert_eq!("x/pixel.safetensors".parse::<LoraRef>().map(|lora| lora.name()), Ok("pixel".to_owned()));
    }

    #[test]
    fn a_model_path_is_a_file_by_its_extension() {
        assert_eq!(ModelRef::at("m/sdxl.safetensors"), ModelRef::File("m/sdxl.safetensors".into()));
        assert_eq!(ModelRef::at("m/sdxl-base-1.0"), ModelRef::Folder("m/sdxl-base-1.0".into()));
        assert_eq!(ModelRef::Embedded.path(), None);
    }
}
