//! Signal and noise in a sample whose variance is kept (α² + σ² = 1), and what the network's output says about them.

use candle_core::{Result, Tensor};

use super::options::Prediction;
use crate::config::require;

/// A noise level: a sample there is α·picture + σ·noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    /// Share of the signal, 0 to 1.
    pub(super) alpha: f64,
    /// Share of the noise, 0 to 1.
    pub(super) sigma: f64,
}

impl Level {
    /// From noise over signal.
    pub(super) fn of_ratio(ratio: f32) -> Self {
        let ratio = f64::from(ratio);
        let alpha = 1.0 / (ratio * ratio + 1.0).sqrt();
        Self { alpha, sigma: ratio * alpha }
    }

    /// From ᾱ, the signal's share in the variance.
    pub(super) fn of_variance(alpha_cumprod: f64) -> Self {
        Self { alpha: alpha_cumprod.sqrt(), sigma: (1.0 - alpha_cumprod).sqrt() }
    }

    /// ln(α/σ), half the logarithm of the signal-to-noise ratio; infinite without noise.
    pub(super) fn lambda(self) -> f64 {
        self.alpha.ln() - self.sigma.ln()
    }

    /// The picture without noise in a sample of this level, given the network's `output` for it.
    pub(super) fn denoised(self, prediction: Prediction, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        match prediction {
            Prediction::Epsilon => (sample - (output * self.sigma)?)? / self.alpha,
            Prediction::Velocity => (sample * self.alpha)? - (output * self.sigma)?,
            Prediction::Sample => Ok(output.clone()),
        }
    }

    /// The noise in a sample of this level, given the network's `output` for it.
    pub(super) fn epsilon(self, prediction: Prediction, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        match prediction {
            Prediction::Epsilon => Ok(output.clone()),
            Prediction::Velocity => (output * self.alpha)? + (sample * self.sigma)?,
            Prediction::Sample => (sample - (output * self.alpha)?)? / self.sigma,
        }
    }

    /// α·`picture` + σ·`noise`.
    pub(super) fn mix(self, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        (picture * self.alpha)? + (noise * self.sigma)?
    }
}

/// Refuses noise predictions for a sample that has no signal.
pub(super) fn refuse_blind(
    prediction: Prediction,
    mut levels: impl Iterator<Item = Level>,
) -> std::result::Result<(), String> {
    require(prediction != Prediction::Epsilon || levels.all(|level| level.alpha > 0.0), || {
        "prediction_type is epsilon, but with rescale_betas_zero_snr the first step sees nothing but noise, from \
         which no picture follows: expected v_prediction"
            .to_owned()
    })
}
