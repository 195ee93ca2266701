//! Why a job fails, as sentences that say what to do.

use std::path::PathBuf;

use pixgen_api::RequestError;
use thiserror::Error;

/// Why a job failed.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The request is out of range whatever the model.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The model cannot draw a sprite of this size.
    #[error("{model} cannot draw a sprite of {size_px} px: use {usable}, or a whole multiple of one of them")]
    Size {
        /// Size asked for.
        size_px: u32,
        /// The model's name.
        model: String,
        /// Sizes that it draws.
        usable: String,
    },
    /// This build holds no model.
    #[error(
        "this build holds no embedded model: build with the feature `embedded_model`, or choose a model folder in diffusers layout"
    )]
    NoEmbeddedModel,
    /// The model could not be loaded, or failed while it drew.
    #[error(transparent)]
    Model(#[from] pixgen_sdxl::Error),
    /// The pixel-art pass cannot do what was asked.
    #[error(transparent)]
    Art(#[from] pixgen_art::ArtError),
    /// The model folder's description of itself cannot be read.
    #[error("{file}: {reason}")]
    ModelInfo {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The device that was asked for is not there.
    #[error(
        "the device {device} cannot be used: {reason}; choose `auto` or `cpu`, or build with the matching feature (cuda, metal)"
    )]
    Device {
        /// What was asked for.
        device: String,
        /// What the driver said.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{action} {path} failed: {source}; check that the folder exists and may be written")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A PNG could not be read or written.
    #[error("{path} is no readable PNG: {reason}")]
    Png {
        /// The file, or what it would have been.
        path: String,
        /// What the codec said.
        reason: String,
    },
    /// A sprite is not in the history.
    #[error("no sprite {hash} in the history {history}: it was deleted; generate it again")]
    UnknownSprite {
        /// Hash asked for.
        hash: String,
        /// Folder that was searched.
        history: PathBuf,
    },
    /// The drawing code panicked.
    #[error("the drawing stopped with an internal error ({0}); the model will be loaded again for the next job")]
    Panicked(String),
    /// The user has had enough.
    #[error("cancelled")]
    Cancelled,
}
