//! What the tests inside the crate share: the fixtures and measures of the parity tests, and models in any precision.

#![allow(clippy::unwrap_used)]

#[path = "../tests/parity/support.rs"]
mod support;
#[path = "../tests/parity/tables.rs"]
pub(crate) mod tables;

pub(crate) use support::*;

use candle_core::DType;

use crate::Pipeline;
use crate::checkpoint::{Checkpoint, LoadOptions};

/// A fixture, opened.
pub(crate) fn checkpoint(model: &str) -> Checkpoint {
    Checkpoint::open(&source(model), &LoadOptions::default()).unwrap()
}

/// A fixture in `dtype`: `Pipeline::load` would turn half precision into f32 on the CPU.
pub(crate) fn pipeline_in(model: &str, dtype: DType) -> Pipeline {
    Pipeline::load_parts(&checkpoint(model), dtype).unwrap()
}
