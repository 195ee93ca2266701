//! Pictures of latents during a run, without the cost of the autoencoder.

mod fit;
mod linear;
mod taesd;

use std::path::PathBuf;
use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};

use self::linear::LatentPreview;
use self::taesd::Taesd;
use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::vae::Vae;

/// The ways to a preview that a model has.
#[derive(Debug)]
pub(crate) struct Previews {
    /// The best one, when its file is there.
    taesd: Option<Taesd>,
    /// Fitted when it is first asked for; `None` if that failed.
    linear: OnceLock<Option<LatentPreview>>,
    /// Where a fitted one is kept.
    store: Option<PathBuf>,
    device: Device,
}

impl Previews {
    pub(crate) fn load(source: &Checkpoint, vae: &Vae, device: &Device, dtype: DType) -> Result<Self, Error> {
        let linear = match LatentPreview::load(source, vae, device)? {
            Some(known) => OnceLock::from(Some(known)),
            None => OnceLock::new(),
        };
        let taesd = Taesd::load(source, vae.latent_channels(), device, dtype)?;
        Ok(Self { taesd, linear, store: source.path_of(linear::FILE), device: device.clone() })
    }

    /// (n, latent channels, h, w) → (n, 3 or 4, …) in [-1, 1]: at full size from TAESD, else one pixel per latent cell.
    /// `None` when there is neither a file nor a fit.
    pub(crate) fn forward(&self, latents: &Tensor, vae: &Vae) -> Result<Option<Tensor>, Error> {
        if let Some(taesd) = &self.taesd {
            return Ok(Some(taesd.decode(latents)?));
        }
        let linear = self.linear.get_or_init(|| match fit::fit(vae, self.store.as_deref(), &self.device) {
            Ok(fitted) => Some(fitted),
            Err(error) => {
                tracing::warn!(%error, "no preview could be fitted to the autoencoder");
                None
            }
        });
        Ok(linear.as_ref().map(|linear| linear.forward(latents)).transpose()?)
    }
}
