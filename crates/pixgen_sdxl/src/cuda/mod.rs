//! Inference on NVIDIA cards, feature `cuda`: the UNet and the decoder as lists of fused operations on fixed memory.
//!
//! Nothing here changes what is computed: `unet/` and `vae/` compose the same from candle's operations, on every
//! device, and are the reference. They also take over what the kernels cannot do (f32, heads that have not 64
//! channels). Read in this order: `layers.rs` (what is fused), `unet.rs` and `vae.rs` (the networks), `program.rs`
//! (recording, running, CUDA graphs), `product.rs` and `cudnn.rs` (libraries), `fp8.rs` (an option), `kernels/` (our own).
//!
//! A program is recorded once per shape. Weights are read where candle keeps them, so that adapters that are merged in
//! place change what a captured graph computes.

// Calls of the driver and of NVIDIA's libraries: each says why it is sound.
#![allow(unsafe_code)]

mod arena;
#[cfg(feature = "cudnn")]
mod cudnn;
mod fp8;
mod gated;
mod gpu;
mod kernels;
mod layers;
mod memory;
mod product;
mod program;
mod seat;
mod tensor_map;
mod unet;
mod vae;

pub(crate) use self::fp8::copies_bytes;
pub use self::memory::GpuMemory;
pub(crate) use self::seat::{Seat, card_of};
pub(crate) use self::unet::{LevelSizes, UnetSizes};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::cuda_backend::CudaDevice;
use candle_core::{DType, Device, Result, Tensor};

use self::gpu::Gpu;
use self::layers::Weights;
use self::unet::{Shape, UnetProgram};
use crate::config::VaeConfig;
use crate::nn::Seamless;
use crate::params::Params;
use crate::unet::{FrameAttention, Surroundings};

/// The programs of a UNet.
#[derive(Debug)]
pub(crate) struct UnetPrograms {
    sizes: UnetSizes,
    /// The last shape that was drawn: the next image most likely has it too, and each holds hundreds of megabytes.
    current: Mutex<Option<UnetProgram>>,
    graphs: AtomicBool,
    fp8: AtomicBool,
    card: Card,
    /// Why the kernels cannot compute this UNet.
    refused: OnceLock<String>,
}

/// The inputs of a step besides the weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// (b, latent channels, h, w) in f32
    pub(crate) sample: &'a Tensor,
    pub(crate) timestep: f32,
    /// The conditioning's number, and its tensors: the added embedding, then keys and values per attention layer.
    pub(crate) conditioning: (u64, &'a [&'a Tensor]),
    pub(crate) text_tokens: usize,
    pub(crate) surroundings: Surroundings,
}

/// Whether programs run on tensors of this device and dtype.
pub(crate) fn serves(device: &Device, dtype: DType) -> bool {
    matches!(device, Device::Cuda(_)) && matches!(dtype, DType::F16 | DType::BF16)
}

impl UnetPrograms {
    pub(crate) fn new(sizes: UnetSizes) -> Self {
        let refused = OnceLock::new();
        if let Err(reason) = sizes.check() {
            tracing::info!(reason, "the UNet is computed without fused kernels");
            let _ = refused.set(reason);
        }
        Self {
            sizes,
            current: Mutex::default(),
            graphs: AtomicBool::new(true),
            fp8: AtomicBool::new(false),
            card: Card::default(),
            refused,
        }
    }

    /// Whether steps are replayed as CUDA graphs.
    pub(crate) fn set_graphs(&self, on: bool) {
        self.graphs.store(on, Ordering::Relaxed);
    }

    /// Whether layers behind layer norms compute with numbers of eight bits, on cards that can.
    pub(crate) fn set_fp8(&self, on: bool) {
        self.fp8.store(on, Ordering::Relaxed);
    }

    pub(crate) fn fp8(&self) -> bool {
        self.fp8.load(Ordering::Relaxed)
    }

    /// One step, or `None` if the kernels do not serve this model, device or dtype.
    pub(crate) fn step(
        &self,
        params: &Params,
        device: &Device,
        dtype: DType,
        step: Step<'_>,
    ) -> Result<Option<Tensor>> {
        let Device::Cuda(card) = device else { return Ok(None) };
        if !serves(device, dtype) || self.refused.get().is_some() {
            return Ok(None);
        }
        let gpu = match self.card.get(card, dtype) {
            Ok(gpu) => gpu,
            Err(error) => {
                let _ = self.refused.set(error.to_string());
                tracing::warn!(%error, "the UNet is computed without fused kernels");
                return Ok(None);
            }
        };
        let (images, channels, height, width) = step.sample.dims4()?;
        if channels != self.sizes.latent_channels {
            candle_core::bail!("the sample has {channels} channels, the UNet reads {}", self.sizes.latent_channels);
        }
        let mut surroundings = step.surroundings;
        if surroundings.frames == FrameAttention::Independent {
            // Then it makes no difference which images belong together.
            surroundings.images = 1;
        }
        let fp8 = self.fp8() && gpu.kernels().has_fp8();
        let shape = Shape { images, height, width, text_tokens: step.text_tokens, surroundings, fp8 };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        gpu.in_turn(|| {
            if current.as_ref().is_none_or(|program| program.shape != shape) {
                // The old one's memory goes first.
                *current = None;
                let record = |shape| UnetProgram::record(gpu, &Weights { params }, &self.sizes, shape);
                *current = Some(match record(shape) {
                    Err(error) if shape.fp8 => {
                        tracing::warn!(%error, "linear layers compute in half precision");
                        self.set_fp8(false);
                        record(Shape { fp8: false, ..shape })?
                    }
                    recorded => recorded?,
                });
            }
            let Some(program) = current.as_mut() else { return Ok(None) };
            program.prepare(params.changes())?;
            program.run(step.sample, step.timestep, step.conditioning, self.graphs.load(Ordering::Relaxed)).map(Some)
        })
    }

    /// Drops what was recorded: the weights are about to leave their addresses.
    pub(crate) fn forget(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Milliseconds of each kind of operation in one step of the current shape, the longest first.
    pub(crate) fn profile(&self) -> Result<Vec<(String, usize, f32)>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(program) = &*current else { return Ok(Vec::new()) };
        program.program.gpu().in_turn(|| program.program.profile())
    }
}

/// The card of a component, kept ready between its programs.
#[derive(Debug, Default)]
pub(crate) struct Card {
    gpu: OnceLock<Arc<Gpu>>,
}

impl Card {
    fn get(&self, device: &CudaDevice, dtype: DType) -> Result<&Arc<Gpu>> {
        if let Some(gpu) = self.gpu.get() {
            return Ok(gpu);
        }
        let gpu = Gpu::of(device, dtype)?;
        Ok(self.gpu.get_or_init(|| gpu))
    }
}

/// Decodes one latent (1, channels, h, w), after `post_quant_conv`, or `None` if the kernels do not serve this model,
/// device or dtype: (1, image channels, h · factor, w · factor) in f32.
pub(crate) fn decode(
    card: &Card,
    params: &Params,
    config: &VaeConfig,
    eps: f64,
    latent: &Tensor,
    seamless: Seamless,
) -> Result<Option<Tensor>> {
    let Device::Cuda(device) = latent.device() else { return Ok(None) };
    let dtype = latent.dtype();
    if !serves(latent.device(), dtype) || vae::check(config).is_err() {
        return Ok(None);
    }
    let gpu = match card.get(device, dtype) {
        Ok(gpu) => gpu,
        Err(error) => {
            tracing::warn!(%error, "the image is decoded without fused kernels");
            return Ok(None);
        }
    };
    let latent = vae::prepare(latent)?;
    gpu.in_turn(|| vae::decode(gpu, &Weights { params }, config, eps, &latent, seamless)).map(Some)
}

#[cfg(test)]
mod tests;
