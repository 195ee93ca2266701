//! What a safetensors file is, from its header alone: for lists of models, and for how much memory one will take.

use std::path::Path;

use super::detect::{LORA, refuse_other_models};
use super::tensor_file::TensorFile;
use crate::Error;

/// What a safetensors file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A whole SDXL base model.
    Sdxl,
    /// A LoRA or another adapter.
    Lora,
    /// Something else, as words: `a ControlNet`, `Stable Diffusion 1: choose an SDXL model`.
    Other(String),
}

/// What a safetensors file holds, from its header alone: a few milliseconds, whatever its size.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSummary {
    /// What it is.
    pub kind: FileKind,
    /// Numbers in all tensors together: times four is what they take in memory as f32, times two as f16.
    pub numbers: u64,
    /// Those of the text encoders and of the autoencoder of a whole model in one file.
    pub text_numbers: u64,
    /// See [`FileSummary::text_numbers`].
    pub vae_numbers: u64,
}

impl FileSummary {
    /// Reads a file's header.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is no safetensors file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = TensorFile::open(path, path.display().to_string())?;
        let kind = match refuse_other_models(&file) {
            Ok(()) => FileKind::Sdxl,
            Err(Error::NotSdxl { found, .. }) if found == LORA => FileKind::Lora,
            Err(Error::NotSdxl { found, .. }) => FileKind::Other(found),
            Err(error) => return Err(error),
        };
        // The latent diffusion code's names, with which whole models are shared.
        let below = |prefix: &str| file.numbers(|name| name.starts_with(prefix));
        Ok(Self {
            kind,
            numbers: file.numbers(|_| true),
            text_numbers: below("conditioner."),
            vae_numbers: below("first_stage_model."),
        })
    }
}
