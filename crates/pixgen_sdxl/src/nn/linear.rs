//! Linear layers over the last axis or over channels, and the gated activation of the feed-forward layers.

use candle_core::{Result, Tensor};
use candle_nn::Module;

use super::{cpu, on_cpu};
use crate::Error;
use crate::weights::Scope;

/// `y = x · wᵀ + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    layer: candle_nn::Linear,
}

impl Linear {
    pub(crate) fn load(scope: &Scope<'_>, inputs: usize, outputs: usize) -> std::result::Result<Self, Error> {
        let weight = scope.get("weight", (outputs, inputs))?;
        let bias = scope.get("bias", outputs)?;
        Ok(Self { layer: candle_nn::Linear::new(weight, Some(bias)) })
    }

    pub(crate) fn load_without_bias(
        scope: &Scope<'_>,
        inputs: usize,
        outputs: usize,
    ) -> std::result::Result<Self, Error> {
        Ok(Self { layer: candle_nn::Linear::new(scope.get("weight", (outputs, inputs))?, None) })
    }

    /// Several layers of the same input as one product: their outputs lie behind one another.
    pub(crate) fn load_joined(
        scopes: &[Scope<'_>],
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> std::result::Result<Self, Error> {
        let weight = Scope::get_joined(scopes, "weight", (outputs, inputs))?;
        let bias = if bias { Some(Scope::get_joined(scopes, "bias", outputs)?) } else { None };
        Ok(Self { layer: candle_nn::Linear::new(weight, bias) })
    }

    /// (…, inputs) → (…, outputs).
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layer.forward(x)
    }

    /// Channels-first image (b, inputs, h, w) → tokens (b, h·w, outputs).
    pub(crate) fn forward_to_tokens(&self, x: &Tensor) -> Result<Tensor> {
        // The copy is needed: candle 0.11 folds the batch of a transposed tensor into its rows as if it were not
        // transposed when the other factor is the same for the whole batch.
        self.layer.forward(&x.flatten_from(2)?.transpose(1, 2)?.contiguous()?)
    }

    /// Tokens (b, h·w, inputs) → channels-first image (b, outputs, h, w), without a transposed copy.
    pub(crate) fn forward_to_image(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        let (batch, _, _) = x.dims3()?;
        // (outputs, inputs) · (b, inputs, h·w)
        let y = self.layer.weight().broadcast_left(batch)?.matmul(&x.transpose(1, 2)?)?;
        let y = match self.layer.bias() {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1))?)?,
            None => y,
        };
        y.reshape((batch, (), height, width))
    }
}

/// The gated GELU (Shazeer 2020) of `x` (…, 2·n), values first and gates second: (…, n).
pub(crate) fn geglu(x: &Tensor) -> Result<Tensor> {
    if on_cpu(x) {
        return x.contiguous()?.apply_op1_no_bwd(&cpu::Geglu);
    }
    geglu_composed(x)
}

fn geglu_composed(x: &Tensor) -> Result<Tensor> {
    let parts = x.chunk(2, candle_core::D::Minus1)?;
    &parts[0] * parts[1].gelu_erf()?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::random;

    #[test]
    fn the_cpu_kernel_agrees_with_the_composed_geglu() {
        const CHANNELS: usize = 37;
        let x = random(1, 0.0, 3.0, (2, 7, 2 * CHANNELS));
        let found = geglu(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected = geglu_composed(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let inputs = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found.len(), 2 * 7 * CHANNELS);
        for (index, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            let at = index / CHANNELS * 2 * CHANNELS + index % CHANNELS;
            // The error function is known to some 1e-7, whatever it is multiplied with.
            let scale = (1.0 + inputs[at].abs()) * (1.0 + inputs[at + CHANNELS].abs());
            assert!((found - expected).abs() < 2e-7 * scale, "{found} {expected}");
        }
    }

    #[test]
    fn channels_first_products_agree_with_transposed_ones() {
        let weight = random(2, 0.0, 1.0, (5, 3));
        let bias = random(3, 0.0, 1.0, 5);
        let layer = Linear { layer: candle_nn::Linear::new(weight, Some(bias)) };
        let image = random(4, 0.0, 1.0, (2, 3, 4, 6));
        let tokens = image.flatten_from(2).unwrap().transpose(1, 2).unwrap().contiguous().unwrap();
        let expected = layer.forward(&tokens).unwrap();
        let close = |a: &Tensor, b: &Tensor| {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(difference < 1e-5, "{difference}");
        };
        close(&layer.forward_to_tokens(&image).unwrap(), &expected);
        let image_out = layer.forward_to_image(&tokens, 4, 6).unwrap();
        close(&image_out, &expected.transpose(1, 2).unwrap().reshape((2, 5, 4, 6)).unwrap());
    }
}
