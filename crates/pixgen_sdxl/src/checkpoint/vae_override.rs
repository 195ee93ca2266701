//! Another autoencoder than the model's own: a file or a folder.

use std::path::Path;

use serde_json::Value;

use super::single_file::SingleFile;
use super::{Checkpoint, Layout, derive};
use crate::{Error, ModelSource};

const CONFIG: &str = "vae/config.json";

/// Opens the autoencoder at `path` for a model.
pub(super) fn open(path: &Path, model: &Checkpoint) -> Result<Layout, Error> {
    if path.is_file() {
        // Shapes do not tell the scale of the latents: the autoencoder must fit the UNet, so the model's own is right.
        let assumed = model.json_optional::<Value>(CONFIG)?.unwrap_or_else(derive::sdxl_vae);
        return SingleFile::open_vae(path, &assumed).map(Layout::SingleFile);
    }
    if path.join(CONFIG).is_file() {
        return Ok(Layout::Diffusers(ModelSource::Folder(path.to_owned())));
    }
    if path.join("config.json").is_file() {
        return Ok(Layout::BareVae(ModelSource::Folder(path.to_owned())));
    }
    Err(Error::MissingFile {
        file: path.display().to_string(),
        expected:
            "as VAE give a .safetensors file, or a folder with config.json and diffusion_pytorch_model.safetensors"
                .to_owned(),
    })
}
