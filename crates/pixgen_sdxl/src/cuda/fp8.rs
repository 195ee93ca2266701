//! Linear layers behind layer norms with numbers of eight bits (e4m3), for cards that multiply them twice as fast: those of
//! compute capability 8.9 and later.
//!
//! Only these layers, two thirds of a transformer's weights: what a layer norm gives has a bound that its weights tell, so
//! that nothing has to be measured with examples and nothing is cut off. Sums and results are as precise as elsewhere.
//! The rounded weights are copies: adapters change the original ones, and the copies are made anew.

use candle_core::Result;

use super::layers::{LayerNorm, Linear, OCTET};
use super::program::{Argument, Launch, Place, Recorder};
use crate::params::Params;

/// Sizes must be multiples of it for cuBLASLt.
pub(super) const FP8_MULTIPLE: usize = 16;
/// Where the scales of weights and of inputs are behind their layer's address.
const WEIGHT_SCALE: usize = 16;
const INPUT_SCALE: usize = 32;
const SCALES_BYTES: usize = 48;
/// The layers behind norms, by the ends of their names.
const LAYERS: [&str; 5] =
    ["attn1.to_q.weight", "attn1.to_k.weight", "attn1.to_v.weight", "attn2.to_q.weight", "ff.net.0.proj.weight"];

/// The rounded weights of a layer and its scales.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fp8Layer {
    /// (outputs, inputs)
    pub(super) weight: u64,
    /// What `kernels/fp8.cu` says.
    pub(super) scales: u64,
}

impl Fp8Layer {
    /// Addresses of the numbers by which weights and inputs were divided.
    pub(super) fn divisors(self) -> [u64; 2] {
        [WEIGHT_SCALE, INPUT_SCALE].map(|offset| self.scales + offset as u64)
    }
}

/// Bytes of the copies of a UNet's layers.
pub(crate) fn copies_bytes(params: &Params) -> u64 {
    let behind_norms = |name: &str| LAYERS.iter().any(|end| name.ends_with(end));
    params.shapes().filter(|(name, _)| behind_norms(name)).map(|(_, shape)| shape.elem_count() as u64).sum()
}

impl Recorder {
    /// The layer norm of rows of `channels` in eight bits, for `layer` alone.
    pub(super) fn layer_norm_fp8(
        &mut self,
        norm: LayerNorm,
        layer: Fp8Layer,
        x: &Place,
        rows: usize,
        channels: usize,
    ) -> Place {
        let y = self.memory(rows * channels);
        self.norm_rows("layer_norm_fp8", norm, x, &[(&y).into(), layer.scales.into()], rows, channels);
        y
    }

    /// A copy of the layer behind `norm` in eight bits, made whenever its weights have changed.
    pub(super) fn fp8_layer(&mut self, layer: Linear, norm: LayerNorm) -> Result<Fp8Layer> {
        let count = layer.outputs * layer.inputs;
        let weight = self.lasting_memory(count)?;
        let scales = self.lasting_memory(SCALES_BYTES)?;
        let octets = count / OCTET;
        let grid = [self.blocks(octets), 1, 1];
        let launch =
            |kernel, grid, threads, arguments| Launch { kernel, grid, block: [threads, 1], shared_bytes: 0, arguments };
        self.prepare_zeros(scales, SCALES_BYTES);
        let from = Argument::from(layer.weight);
        self.prepare(launch("fp8_largest", grid, 256, vec![from, scales.into(), octets.into()]));
        self.prepare(launch("fp8_weights", grid, 256, vec![from, weight.into(), scales.into(), octets.into()]));
        let arguments = vec![norm.gamma.into(), norm.beta.into(), scales.into(), layer.inputs.into()];
        self.prepare(launch("fp8_norm_scale", [1, 1, 1], 32, arguments));
        Ok(Fp8Layer { weight, scales })
    }

    /// A linear layer of rows in eight bits.
    pub(super) fn linear_fp8(&mut self, layer: Linear, fp8: Fp8Layer, x: &Place, rows: usize) -> Place {
        self.linear_in(Linear { weight: fp8.weight, ..layer }, x, rows, None, Some(fp8.divisors()))
    }
}
