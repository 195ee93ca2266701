//! Adapters: LoRA and its kin, merged into the weights of a loaded model and taken out again.
//!
//! # Rules
//! - A changed weight is `cast(W + Σ sᵢ · ΔWᵢ)`, computed in f32 from the model's original weight W, never from a merged
//!   one: strength 0 and an empty list give back the original bits, and switching many times does not drift.
//! - ΔW is what LyCORIS and PEFT call the delta at strength 1 (alpha and rank included), for DoRA `W_d - W`, each
//!   computed from W alone. So the order of several adapters does not matter but for rounding, DoRA included. Active
//!   adapters of PEFT add up in the same way if a DoRA comes first; one that comes later there also scales what those
//!   before it have added.
//! - Weights are not held twice: the original of a changed weight is read from the model's file again when it is
//!   needed. [`Pipeline::set_keep_originals`](crate::Pipeline::set_keep_originals) trades memory for speed.
//! - Nothing is ignored in silence: what does not belong to the model is in the [`LoraReport`] and in the log.

mod apply;
mod diff;
mod dora;
mod error;
mod factors;
mod file;
mod info;
mod keys;
mod loha;
mod lokr;
#[allow(clippy::module_inception, reason = "LoRA is one of the kinds that the folder is named after")]
mod lora;
mod suffix;

#[cfg(test)]
mod parity_tests;

use std::fmt;

pub(crate) use apply::Adapters;
pub use error::LoraError;
pub use file::LoraFile;
pub use info::{LoraInfo, ModelFamily};

/// A kind of adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoraKind {
    /// The product of two low-rank matrices, for linear layers and convolutions (LoCon).
    Lora,
    /// The elementwise product of two low-rank matrices.
    Loha,
    /// The Kronecker product of two matrices.
    Lokr,
    /// Any of the former with lengths of rows or columns.
    Dora,
    /// Whole differences of weights, biases and norms.
    Diff,
}

impl fmt::Display for LoraKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lora => "LoRA",
            Self::Loha => "LoHa",
            Self::Lokr => "LoKr",
            Self::Dora => "DoRA",
            Self::Diff => "full difference",
        })
    }
}

/// How strongly an adapter changes the model: 0 not at all, 1 as trained; any finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoraStrength {
    /// For the UNet.
    pub unet: f64,
    /// For both text encoders.
    pub text: f64,
}

impl From<f64> for LoraStrength {
    fn from(strength: f64) -> Self {
        Self { unet: strength, text: strength }
    }
}

impl From<f32> for LoraStrength {
    fn from(strength: f32) -> Self {
        f64::from(strength).into()
    }
}

/// What [`Pipeline::set_loras`](crate::Pipeline::set_loras) did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoraReport {
    /// One per file, in the order of the call.
    pub files: Vec<LoraFileReport>,
    /// Weights of the model that differ from its file now.
    pub changed_weights: usize,
    /// Weights that were given back their original values.
    pub restored_weights: usize,
}

/// What became of the modules of one file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoraFileReport {
    /// The file's path.
    pub file: String,
    /// Modules that change a layer of the model.
    pub applied: usize,
    /// Modules for layers whose output SDXL does not use (the last one of the first text encoder): they change nothing.
    pub idle: usize,
    /// Tensors and modules that no layer and no kind of adapter is known for.
    pub unknown: Vec<String>,
    /// Modules of another family of models.
    pub foreign: Vec<String>,
}
