//! What the autoencoder knows of an image: a normal distribution for each number of its latent.

use candle_core::{Result, Tensor};

/// Smallest and largest logarithm of a variance; what lies outside is taken for a slip of the encoder.
const LOG_VARIANCE: (f32, f32) = (-30.0, 20.0);

/// An encoded image (diffusers' `DiagonalGaussianDistribution`), in the autoencoder's own units.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// Means, (n, latent channels, h, w) in f32.
    pub mean: Tensor,
    /// Logarithms of the variances, of the same shape, -30 to 20.
    pub log_variance: Tensor,
}

impl Posterior {
    /// From what the encoder gives, (n, 2 · latent channels, h, w): means, then logarithms of variances.
    pub(super) fn new(moments: &Tensor) -> Result<Self> {
        let parts = moments.chunk(2, 1)?;
        let log_variance = parts[1].clamp(LOG_VARIANCE.0, LOG_VARIANCE.1)?;
        Ok(Self { mean: parts[0].contiguous()?, log_variance })
    }

    /// The most likely latent.
    #[must_use]
    pub fn mode(&self) -> &Tensor {
        &self.mean
    }

    /// The latents that standard normal `noise` stands for; one encoded image serves any number of noises.
    ///
    /// # Errors
    /// When the noise has another shape.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        let deviation = (&self.log_variance * 0.5)?.exp()?;
        deviation.broadcast_mul(&noise.to_device(self.mean.device())?)?.broadcast_add(&self.mean)
    }
}
