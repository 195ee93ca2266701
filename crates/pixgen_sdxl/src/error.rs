//! Everything that can go wrong between a model folder and an image, as sentences that say what to do.

use std::io;

use thiserror::Error;

/// Why a model could not be loaded or an image could not be drawn.
#[derive(Debug, Error)]
pub enum Error {
    /// The model folder is not there.
    #[error("the model folder {folder} does not exist: give the folder that holds model_index.json")]
    MissingFolder {
        /// The folder, as given.
        folder: String,
    },
    /// The model file is not there.
    #[error("the model file {file} does not exist: give the path of a .safetensors file")]
    MissingModelFile {
        /// The file, as given.
        file: String,
    },
    /// A file of the model is not there.
    #[error("the model has no file {file}: {expected}")]
    MissingFile {
        /// The file that was looked for.
        file: String,
        /// What was expected there.
        expected: String,
    },
    /// A file of the model could not be read.
    #[error("{file} could not be read ({reason}): check its permissions and the disk")]
    Read {
        /// The file.
        file: String,
        /// What the operating system said.
        #[source]
        reason: io::Error,
    },
    /// A configuration file says something that cannot be followed.
    #[error("{file}: {reason}")]
    Config {
        /// The file.
        file: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A weight file is cut off or damaged.
    #[error("the weight file {file} is damaged ({reason}): download it again")]
    DamagedWeights {
        /// The file.
        file: String,
        /// What the reader of the format said.
        reason: String,
    },
    /// A file is no safetensors file at all.
    #[error("{file} is {found}, expected a safetensors file: {advice}")]
    ForeignFile {
        /// The file.
        file: String,
        /// What it is.
        found: String,
        /// What to do.
        advice: String,
    },
    /// A safetensors file holds something else than an SDXL base model.
    #[error("{file} is {found}; expected an SDXL base model with UNet, text encoders and autoencoder")]
    NotSdxl {
        /// The file.
        file: String,
        /// What it is, and what to do.
        found: String,
    },
    /// A weight is stored as something that is no floating-point number.
    #[error(
        "the {component}'s tensor {key} is stored as {found}, expected f32, f16, bf16, f64 or fp8: the file is damaged or quantised in a way that is not read"
    )]
    WrongDtype {
        /// `unet`, `vae`, `text_encoder` or `text_encoder_2`.
        component: String,
        /// The tensor's name.
        key: String,
        /// The stored type, as the file writes it.
        found: String,
    },
    /// A weight is not a number.
    #[error(
        "the {component}'s tensor {key} holds values that are no finite numbers: the file is damaged or its training failed; download it again, or choose another"
    )]
    NotFiniteWeights {
        /// `unet`, `vae`, `text_encoder` or `text_encoder_2`.
        component: String,
        /// The tensor's name.
        key: String,
    },
    /// Weights that the configuration asks for are not in the weight file.
    #[error(
        "the {component} lacks {count} of the tensors that its configuration asks for ({}): the weights belong to another model",
        keys.join(", ")
    )]
    MissingTensors {
        /// `unet`, `vae`, `text_encoder` or `text_encoder_2`.
        component: String,
        /// How many are missing.
        count: usize,
        /// The first missing ones, at most five.
        keys: Vec<String>,
    },
    /// A weight has another shape than the configuration asks for.
    #[error(
        "the {component}'s tensor {key} has shape {found:?}, its configuration asks for {expected:?}: the weights belong to another model"
    )]
    WrongShape {
        /// `unet`, `vae`, `text_encoder` or `text_encoder_2`.
        component: String,
        /// The tensor's name.
        key: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape asked for.
        expected: Vec<usize>,
    },
    /// A tokenizer could not be built or could not read a prompt.
    #[error("the tokenizer in {folder} cannot be used: {reason}")]
    Tokenizer {
        /// The tokenizer's folder in the model.
        folder: String,
        /// Why.
        reason: String,
    },
    /// An adapter cannot be read or does not fit the model.
    #[error(transparent)]
    Lora(#[from] crate::LoraError),
    /// A model could not be brought here from the network.
    #[error("{file} could not be downloaded: {reason}")]
    Download {
        /// The repository, or the file's path in it.
        file: String,
        /// What happened, and what to do.
        reason: String,
    },
    /// The caller asked for something that this model cannot do.
    #[error("{0}")]
    Input(String),
    /// Numbers overflowed, and f32 did not help.
    #[error(
        "the {what} holds numbers that are infinite or not a number, in f32 too: the weights are damaged, or the run went \
         astray (try more steps, a lower guidance_scale, or dtype f32 for the whole model)"
    )]
    NotFinite {
        /// `latent`, `image` or `encoded image`.
        what: &'static str,
    },
    /// The observer ended the run.
    #[error("the run was cancelled")]
    Cancelled,
    /// A tensor operation failed: out of memory, or a defect of this crate.
    #[error("a tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
