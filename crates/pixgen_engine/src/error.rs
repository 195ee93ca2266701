//! Why a job fails, as sentences that say what to do.

use std::io;
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
    Model(pixgen_sdxl::Error),
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
    #[error("{action} {path} failed: {source}; {}", remedy_of(source))]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
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
    /// A sprite of the history is not what its name says.
    #[error(
        "{} is damaged: its content has not the hash that is its name; generate the sprite again",
        file.display()
    )]
    DamagedSprite {
        /// The file.
        file: PathBuf,
    },
    /// A file that the request names is not there.
    #[error("the {what} {} does not exist: check its path, or leave it out", path.display())]
    MissingInput {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A recipe names a file that is none of its business.
    #[error(
        "the {what} \"{}\" of the recipe {reason}: put the file beside the recipe, among the game's assets or into a \
         folder of models, and name it from there, as \"loras/pixel.safetensors\"",
        path.display()
    )]
    OutsidePath {
        /// What it is for.
        what: &'static str,
        /// The path in the recipe.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The settings of a picture name a file that is none of their business.
    #[error(
        "the {what} \"{}\" that the picture names {reason}, and is left out: choose it by hand if it is the right one, or \
         put it among the game's assets or into a folder of models",
        path.display()
    )]
    ForeignPath {
        /// What it is for.
        what: &'static str,
        /// The path in the picture.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A recipe cannot be changed to what is wanted without writing it anew.
    #[error("{} cannot be changed: {reason}; change it by hand, or delete it", recipe.display())]
    RecipeText {
        /// The recipe.
        recipe: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Somebody has saved a file while another content for it was made.
    #[error("{} was changed in the meantime and stays as it is; what was drawn is in the history", file.display())]
    ChangedMeanwhile {
        /// The file.
        file: PathBuf,
    },
    /// What stands at a path is not a file.
    #[error("{} is {found}, expected a file: choose another path", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What stands there.
        found: &'static str,
    },
    /// A mask is no mask for its picture.
    #[error(
        "the mask is {}×{} px, which has not the shape of the picture to repaint ({}×{} px): draw it on a copy of that picture",
        mask.0, mask.1, picture.0, picture.1
    )]
    MaskShape {
        /// Columns and rows of the mask.
        mask: (u32, u32),
        /// Columns and rows of the picture.
        picture: (u32, u32),
    },
    /// The memory of the device or of the computer is used up.
    #[error(
        "there is not enough memory ({reason}): close other programs, choose a smaller model, draw fewer frames, or choose \
         the device `cpu` if the graphics card is too small; the model will be loaded again for the next job"
    )]
    OutOfMemory {
        /// What was found.
        reason: String,
    },
    /// Too many jobs wait.
    #[error("{most} jobs wait already, the most that may: ask again when some of them are done, or cancel some")]
    QueueFull {
        /// How many may wait.
        most: usize,
    },
    /// The inference thread is no more.
    #[error("the inference thread has ended with an internal error: start the program again")]
    Stopped,
    /// The program has ended in the middle of a job, again and again.
    #[error(
        "the program has ended {starts} times while it drew this: it is given up; ask for it again with a smaller size, \
         fewer frames or another model"
    )]
    GaveUp {
        /// How often the job was begun.
        starts: u32,
    },
    /// The drawing code panicked.
    #[error("the drawing stopped with an internal error ({0}); the model will be loaded again for the next job")]
    Panicked(String),
    /// The user has had enough.
    #[error("cancelled")]
    Cancelled,
}

impl From<pixgen_sdxl::Error> for EngineError {
    /// Memory that is used up and an observer that broke off have errors of their own here.
    fn from(error: pixgen_sdxl::Error) -> Self {
        match error {
            pixgen_sdxl::Error::Cancelled => Self::Cancelled,
            pixgen_sdxl::Error::Tensor(inner) if is_out_of_memory(&inner.to_string()) => {
                Self::OutOfMemory { reason: inner.to_string().lines().next().unwrap_or_default().to_owned() }
            }
            error => Self::Model(error),
        }
    }
}

/// What to do about a file that could not be read or written.
fn remedy_of(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free some space on it",
        io::ErrorKind::QuotaExceeded => "free some space, or have your quota on this disk raised",
        io::ErrorKind::FileTooLarge => {
            "free some space, raise the limit on the size of files (`ulimit -f`), or choose a disk that takes larger ones"
        }
        _ => "check that the folder exists and may be written",
    }
}

/// Whether a driver's message says so: CUDA's `CUDA_ERROR_OUT_OF_MEMORY`, cuDNN's and cuBLAS's `ALLOC_FAILED`, Metal's
/// words.
fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_ascii_lowercase().replace('_', " ");
    ["out of memory", "alloc failed", "failed to allocate", "insufficient memory"]
        .iter()
        .any(|mark| message.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_up_is_told_from_other_failures() {
        let of = |text: &str| EngineError::from(pixgen_sdxl::Error::Tensor(candle_core::Error::Msg(text.to_owned())));
        for text in ["DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")", "CUBLAS_STATUS_ALLOC_FAILED"] {
            assert!(matches!(of(text), EngineError::OutOfMemory { .. }), "{text}");
        }
        assert!(matches!(of("shape mismatch"), EngineError::Model(_)));
    }

    #[test]
    fn a_full_disk_is_answered_otherwise_than_a_folder_that_may_not_be_written() {
        let said = |kind: io::ErrorKind| {
            let error = EngineError::Io { action: "writing", path: "history/a.png".into(), source: kind.into() };
            let said = error.to_string();
            assert!(said.starts_with("writing history/a.png failed: "), "{said}");
            said
        };
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge] {
            let said = said(kind);
            assert!(said.contains("free some space") && !said.contains("may be written"), "{said}");
        }
        assert!(said(io::ErrorKind::QuotaExceeded).contains("quota on this disk raised"));
        assert!(said(io::ErrorKind::FileTooLarge).contains("raise the limit on the size of files"));
        for kind in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound] {
            let said = said(kind);
            assert!(said.ends_with("check that the folder exists and may be written"), "{said}");
        }
        // As the system numbers them.
        #[cfg(target_os = "linux")]
        for (number, words) in
            [(28, "the disk is full"), (122, "quota"), (27, "raise the limit"), (30, "may be written")]
        {
            let source = io::Error::from_raw_os_error(number);
            let said = EngineError::Io { action: "writing", path: "a".into(), source }.to_string();
            assert!(said.contains(words), "{said}");
        }
    }
}
