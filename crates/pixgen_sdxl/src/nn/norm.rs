//! Group normalisation (Wu and He 2018), alone or with the SiLU that follows it nearly everywhere.

use candle_core::{DType, Result, Tensor};

use super::{cpu, on_cpu};
use crate::Error;
use crate::weights::Scope;

/// Normalises groups of channels of (b, c, h, w).
#[derive(Debug)]
pub(crate) struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    pub(crate) fn load(
        scope: &Scope<'_>,
        channels: usize,
        groups: usize,
        eps: f64,
    ) -> std::result::Result<Self, Error> {
        Ok(Self::new(scope.get("weight", channels)?, scope.get("bias", channels)?, groups, eps))
    }

    pub(crate) fn new(weight: Tensor, bias: Tensor, groups: usize, eps: f64) -> Self {
        Self { weight, bias, groups, eps }
    }

    /// The normalised image.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if on_cpu(x) { self.on_cpu(x, false) } else { self.composed(x, false) }
    }

    /// SiLU of the normalised image.
    pub(crate) fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        if on_cpu(x) { self.on_cpu(x, true) } else { self.composed(x, true) }
    }

    /// In f32 throughout, rounded once at the end: as PyTorch does in half precision.
    fn composed(&self, x: &Tensor, silu: bool) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let groups = x.to_dtype(DType::F32)?.reshape((batch, self.groups, ()))?;
        let centred = groups.broadcast_sub(&groups.mean_keepdim(2)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(2)? + self.eps)?.sqrt()?;
        let normalised = centred.broadcast_div(&deviation)?.reshape((batch, channels, height, width))?;
        let per_channel = |x: &Tensor| x.to_dtype(DType::F32)?.reshape((1, channels, 1, 1));
        let y = normalised.broadcast_mul(&per_channel(&self.weight)?)?.broadcast_add(&per_channel(&self.bias)?)?;
        if silu { y.silu()? } else { y }.to_dtype(x.dtype())
    }

    fn on_cpu(&self, x: &Tensor, silu: bool) -> Result<Tensor> {
        let op = cpu::GroupNorm { groups: self.groups, eps: self.eps, silu };
        x.contiguous()?.apply_op3_no_bwd(&self.weight, &self.bias, &op)
    }
}

/// A layer normalisation over the last axis.
pub(crate) fn layer_norm(
    scope: &Scope<'_>,
    channels: usize,
    eps: f64,
) -> std::result::Result<candle_nn::LayerNorm, Error> {
    Ok(candle_nn::LayerNorm::new(scope.get("weight", channels)?, scope.get("bias", channels)?, eps))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::random;

    #[test]
    fn the_cpu_kernel_agrees_with_the_composed_norm() {
        for (channels, groups, size) in [(6, 3, 5), (32, 32, 4), (24, 1, 17), (64, 8, 96)] {
            let x = (random(1, 1.0, 2.0, (2, channels, size, size)) * 3.0).unwrap();
            let weight = random(2, 1.0, 0.5, channels);
            let bias = random(3, 0.0, 1.0, channels);
            let norm = GroupNorm::new(weight, bias, groups, 1e-5);
            let plain = (norm.forward(&x).unwrap() - norm.composed(&x, false).unwrap()).unwrap();
            let expected = norm.composed(&x, true).unwrap();
            let with_silu = (norm.forward_silu(&x).unwrap() - expected).unwrap();
            for difference in [plain, with_silu] {
                let worst = difference.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(worst < 1e-5, "{channels} channels in {groups} groups: {worst}");
            }
        }
    }
}
