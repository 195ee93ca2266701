//! One matrix per pixel: the cheapest picture of a latent, good enough to watch a run.

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::vae::Vae;

pub(super) const FILE: &str = "vae/latent_preview.json";
const SDXL_SCALING_FACTOR: f64 = 0.13025;

/// Linear map from sampled latents to image values in [-1, 1].
#[derive(Debug)]
pub(super) struct LatentPreview {
    /// (image channels, latent channels, 1, 1)
    factors: Tensor,
    /// (1, image channels, 1, 1)
    bias: Tensor,
}

/// `vae/latent_preview.json`: one row of factors per latent channel.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct PreviewFile {
    pub(super) factors: Vec<Vec<f32>>,
    pub(super) bias: Vec<f32>,
    /// How well the matrix does, when this crate has fitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fit: Option<FitQuality>,
}

/// How close a fitted map comes to the autoencoder.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct FitQuality {
    /// Root mean square of what is left, in image values (-1 to 1).
    pub(super) residual_rms: f64,
    /// Share of the variance of the images that the map explains, up to 1.
    pub(super) explained_variance: f64,
}

impl LatentPreview {
    /// The model's own map, else SDXL's if it has SDXL's autoencoder, else none.
    pub(super) fn load(source: &Checkpoint, vae: &Vae, device: &Device) -> Result<Option<Self>, Error> {
        let is_sdxl = vae.latent_channels() == 4 && (vae.scaling_factor() - SDXL_SCALING_FACTOR).abs() < 1e-6;
        let file = match source.json_optional::<PreviewFile>(FILE)? {
            Some(file) => file,
            None if is_sdxl => sdxl(),
            None => return Ok(None),
        };
        let latent_channels = vae.latent_channels();
        let channels = file.bias.len();
        let fits = file.factors.len() == latent_channels && file.factors.iter().all(|row| row.len() == channels);
        if !fits || !matches!(channels, 3 | 4) {
            return Err(Error::Config {
                file: source.display(FILE),
                reason: format!(
                    "factors has {} rows and bias {channels} entries, expected {latent_channels} rows (latent channels) \
                     of 3 or 4 entries (image channels)",
                    file.factors.len()
                ),
            });
        }
        Ok(Some(Self::new(file, device)?))
    }

    /// `file` has one row per latent channel and one column per entry of its bias.
    pub(super) fn new(file: PreviewFile, device: &Device) -> candle_core::Result<Self> {
        let (latent_channels, channels) = (file.factors.len(), file.bias.len());
        let factors = Tensor::new(file.factors, device)?.t()?.contiguous()?;
        Ok(Self {
            factors: factors.reshape((channels, latent_channels, 1, 1))?,
            bias: Tensor::new(file.bias, device)?.reshape((1, channels, 1, 1))?,
        })
    }

    /// (n, latent channels, h, w) → (n, image channels, h, w) in [-1, 1].
    pub(super) fn forward(&self, latent: &Tensor) -> candle_core::Result<Tensor> {
        let (n, channels, height, width) = latent.dims4()?;
        let (image_channels, _, _, _) = self.factors.dims4()?;
        let latent = latent.to_device(self.factors.device())?.to_dtype(DType::F32)?.reshape((n, channels, ()))?;
        let image = self.factors.reshape((image_channels, channels))?.broadcast_left(n)?.matmul(&latent)?;
        image.reshape((n, image_channels, height, width))?.broadcast_add(&self.bias)?.clamp(-1f32, 1f32)
    }
}

/// The map for SDXL's autoencoder, fitted by the ComfyUI project (comfy/latent_formats.py).
fn sdxl() -> PreviewFile {
    PreviewFile {
        factors: vec![
            vec![0.3651, 0.4232, 0.4341],
            vec![-0.2533, -0.0042, 0.1068],
            vec![0.1076, 0.1111, -0.0362],
            vec![-0.3165, -0.2492, -0.2188],
        ],
        bias: vec![0.1084, -0.0175, -0.0011],
        fit: None,
    }
}
