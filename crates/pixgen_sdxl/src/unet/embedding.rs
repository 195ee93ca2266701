//! Sinusoidal embeddings of timesteps and sizes, and the two-layer networks that follow them.

use candle_core::{DType, Device, Result, Tensor};

use crate::Error;
use crate::nn::Linear;
use crate::weights::Scope;

/// The sinusoidal position embedding of Vaswani et al. 2017 for one number per row.
#[derive(Clone, Debug)]
pub(crate) struct Sinusoid {
    dim: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
}

impl Sinusoid {
    pub(crate) fn new(dim: usize, flip_sin_to_cos: bool, freq_shift: f64) -> Self {
        Self { dim, flip_sin_to_cos, freq_shift }
    }

    /// `values` (n) → (n, dim).
    ///
    /// Always computed in f32 on the CPU: 999 times a frequency near one has no correct digit left in f16.
    pub(crate) fn embed(&self, values: &[f32], device: &Device, dtype: DType) -> Result<Tensor> {
        const MAX_PERIOD: f64 = 10_000.0;
        let half = self.dim / 2;
        let frequencies: Vec<f32> = (0..half)
            .map(|i| {
                let exponent = -(MAX_PERIOD.ln() as f32) * i as f32;
                (exponent / (half as f64 - self.freq_shift) as f32).exp()
            })
            .collect();
        let mut embedded = Vec::with_capacity(values.len() * self.dim);
        for value in values {
            let angles = frequencies.iter().map(|frequency| value * frequency);
            if self.flip_sin_to_cos {
                embedded.extend(angles.clone().map(f32::cos));
                embedded.extend(angles.map(f32::sin));
            } else {
                embedded.extend(angles.clone().map(f32::sin));
                embedded.extend(angles.map(f32::cos));
            }
            // An odd size is filled up with a zero.
            embedded.resize(embedded.len() + self.dim % 2, 0.0);
        }
        Tensor::from_vec(embedded, (values.len(), self.dim), device)?.to_dtype(dtype)
    }
}

/// Linear, SiLU, linear.
#[derive(Debug)]
pub(crate) struct EmbeddingMlp {
    linear_1: Linear,
    linear_2: Linear,
}

impl EmbeddingMlp {
    pub(crate) fn load(scope: &Scope<'_>, inputs: usize, outputs: usize) -> std::result::Result<Self, Error> {
        Ok(Self {
            linear_1: Linear::load(&scope.pp("linear_1"), inputs, outputs)?,
            linear_2: Linear::load(&scope.pp("linear_2"), outputs, outputs)?,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.linear_2.forward(&self.linear_1.forward(x)?.silu()?)
    }
}
