//! SDXL on candle: text in, image tensor out.
//!
//! A [`Pipeline`] is loaded from a model in diffusers layout, on disk or in memory, or from a single file, and draws what a
//! [`TextToImage`] says. Every part is written from the equations of diffusers and held against it by the parity
//! tests; sizes come from the model's own configuration files, so the small model of this project and SDXL base run
//! the same code.
//!
//! # Modules
//! - `source`, `checkpoint`, `ldm_names`, `download`: where a model's files are, their formats, the names in single files,
//!   and fetching a model.
//! - `config`, `weights`, `params`: its configuration, its tensors by name, and changing them in place.
//! - `lora`: adapters, merged and taken out again.
//! - `prompt`, `tokenizer`, `clip`, `text`: from a prompt with emphasis to what the UNet is told of it.
//! - `unet`, `vae`: the two networks; `nn`: their layers, each with a fast version for the CPU beside its reference.
//! - [`scheduler`], `noise`, `guidance`: the solvers, torch's random numbers, and classifier-free guidance.
//! - `cuda`: both networks as fused operations on NVIDIA cards.
//! - `residence`: which parts are on the graphics card.
//! - `preview`: cheap pictures of latents.
//! - `pipeline`: all of it together, and the loop of a run.
//! - `tests/parity/README.md`: how the references of the tests are made.
//!
//! # What has not been run
//! Published SDXL weights: none have been loaded or drawn with. Their names and shapes are checked in full, the
//! arithmetic with models of random weights. See `docs/measured.md` for what ran on a GPU, and for all that is not
//! measured.

mod checkpoint;
mod clip;
mod config;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "download")]
mod download;
mod error;
mod guidance;
mod ldm_names;
mod lora;
mod nn;
mod noise;
mod params;
mod pipeline;
mod preview;
mod prompt;
mod residence;
pub mod scheduler;
mod source;
mod text;
mod tokenizer;
mod unet;
mod vae;
mod weights;

#[cfg(test)]
mod half_precision_tests;
#[cfg(test)]
mod params_tests;
#[cfg(test)]
mod surroundings_tests;
#[cfg(test)]
mod test_support;

// The tests in `tests/` call this crate by its name; the support code that tests inside the crate share with them does.
#[cfg(test)]
extern crate self as pixgen_sdxl;

pub use checkpoint::{Architecture, FileKind, FileSummary, LoadOptions, LoadReport};
#[cfg(feature = "cuda")]
pub use cuda::GpuMemory;
#[cfg(feature = "download")]
pub use download::{DownloadProgress, HubModel};
pub use error::Error;
pub use lora::{LoraError, LoraFile, LoraFileReport, LoraInfo, LoraKind, LoraReport, LoraStrength, ModelFamily};
pub use nn::Seamless;
pub use noise::{Generator, randn};
pub use pipeline::{InitImage, Pipeline, StepReport, TextToImage};
pub use residence::{GpuNeed, MemoryUse, PartBytes};
pub use scheduler::{Prediction, SamplerOptions, SigmaSchedule, Spacing};
pub use source::ModelSource;
pub use text::{EncodedPrompt, PromptOptions, PromptSyntax};
pub use unet::FrameAttention;
pub use vae::{Posterior, VaeTiling};
