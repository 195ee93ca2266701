//! The variational autoencoder (`AutoencoderKL`): images to latents and back.

mod blocks;
mod config;
mod decoder;
mod encoder;
mod posterior;
mod tiling;

#[cfg(test)]
mod tests;

pub use posterior::Posterior;
pub use tiling::VaeTiling;

use std::sync::OnceLock;

use candle_core::{DType, Device, Result, Tensor};

use self::blocks::Norms;
use self::decoder::Decoder;
use self::encoder::Encoder;
use self::tiling::{Scale, tiled};
use crate::Error;
use crate::checkpoint::{Checkpoint, Recipe};
use crate::config::VaeConfig;
use crate::nn::Seamless;
use crate::weights::Weights;

const FILE: &str = "vae/config.json";
/// Feature maps of the largest size that one residual block holds at once: its input, the normalised input, and two
/// on the way to its output.
const LIVE_MAPS: usize = 4;

/// An autoencoder, in the precision that was asked for until that proves too little.
#[derive(Debug)]
pub(crate) struct Vae {
    config: VaeConfig,
    network: Network,
    /// The network in f32, once the other one has overflowed.
    in_f32: OnceLock<Network>,
    /// Where the f32 weights are read from then.
    recipe: Recipe,
    /// Mean and standard deviation of the latents, (1, c, 1, 1), of models that have them.
    statistics: Option<(Tensor, Tensor)>,
    device: Device,
}

/// The weights in one precision.
#[derive(Debug)]
struct Network {
    encoder: Option<Encoder>,
    decoder: Decoder,
    dtype: DType,
    #[cfg(feature = "cuda")]
    eps: f64,
    #[cfg(feature = "cuda")]
    params: crate::params::Params,
    #[cfg(feature = "cuda")]
    card: crate::cuda::Card,
}

/// How a network computes.
#[derive(Clone, Copy, Debug)]
struct Precision {
    dtype: DType,
    /// A power of two that all feature maps between normalisations are multiplied with, so that they fit into f16.
    ///
    /// It changes no result: the weights that add to the maps are multiplied with it as they are loaded, and a group
    /// norm of s · x with s² · ε is the group norm of x with ε. SDXL's autoencoder overflows in f16 as it is.
    stream_scale: f64,
}

/// f16 reaches 65,504: with this, maps of eight million fit, and what is lost below lies 24 bits under them.
const F16_STREAM_SCALE: f64 = 1.0 / 128.0;
/// The epsilon of all group norms, unlike in the UNet.
const EPS: f64 = 1e-6;

impl Precision {
    const F32: Self = Self { dtype: DType::F32, stream_scale: 1.0 };

    /// What a weight is multiplied with.
    fn factor(self, name: &str) -> f64 {
        // What is added to the maps, or makes them from normalised ones.
        const SCALED: [&str; 9] = [
            "conv_in.weight",
            "conv_in.bias",
            ".conv1.weight",
            ".conv1.bias",
            ".conv2.weight",
            ".conv2.bias",
            ".to_out.0.weight",
            ".to_out.0.bias",
            ".conv_shortcut.bias",
        ];
        // These pass the maps on, so that only what they add is scaled.
        let resizes = name.ends_with("samplers.0.conv.bias");
        if resizes || SCALED.iter().any(|end| name.ends_with(end)) { self.stream_scale } else { 1.0 }
    }

    fn norms(self, config: &VaeConfig) -> Norms {
        Norms { groups: config.norm_num_groups, eps: EPS * self.stream_scale * self.stream_scale }
    }
}

impl Network {
    fn load(
        source: &Checkpoint,
        config: &VaeConfig,
        device: &Device,
        precision: Precision,
    ) -> std::result::Result<Self, Error> {
        let Precision { dtype, stream_scale } = precision;
        let mut weights = Weights::open(source, "vae", "diffusion_pytorch_model", device, dtype)?;
        if stream_scale != 1.0 {
            weights.multiply(move |name| precision.factor(name));
        }
        let root = weights.root();
        let norms = precision.norms(config);
        let (decoder, encoder) = (Decoder::load(&root, config, norms)?, Encoder::load(&root, config, norms)?);
        if encoder.is_none() {
            root.pp("quant_conv").is_not_needed();
        }
        let params = weights.finish()?;
        #[cfg(not(feature = "cuda"))]
        drop(params);
        Ok(Self {
            encoder,
            decoder,
            dtype,
            #[cfg(feature = "cuda")]
            eps: norms.eps,
            #[cfg(feature = "cuda")]
            params,
            #[cfg(feature = "cuda")]
            card: crate::cuda::Card::default(),
        })
    }
}

impl Vae {
    pub(crate) fn load(source: &Checkpoint, device: &Device, dtype: DType) -> std::result::Result<Self, Error> {
        let config: VaeConfig = source.json(FILE)?;
        config::check(&config).map_err(|reason| Error::Config { file: source.display(FILE), reason })?;
        // SDXL's own autoencoder overflows in f16; only models that say otherwise were fine-tuned not to.
        let precision = match (dtype == DType::F16 && config.force_upcast.unwrap_or(true), device.is_cuda()) {
            (false, _) => Precision { dtype, stream_scale: 1.0 },
            (true, true) => Precision { dtype, stream_scale: F16_STREAM_SCALE },
            // Not tried elsewhere.
            (true, false) => Precision::F32,
        };
        let statistics = match (&config.latents_mean, &config.latents_std) {
            (Some(mean), Some(std)) => {
                let tensor = |values: &[f32]| Tensor::new(values, device)?.reshape((1, (), 1, 1));
                Some((tensor(mean)?, tensor(std)?))
            }
            _ => None,
        };
        Ok(Self {
            network: Network::load(source, &config, device, precision)?,
            in_f32: OnceLock::new(),
            recipe: source.recipe(),
            statistics,
            config,
            device: device.clone(),
        })
    }

    /// The weights by name.
    #[cfg(feature = "cuda")]
    pub(crate) fn params(&self) -> &crate::params::Params {
        &self.network.params
    }

    /// Image pixels per latent cell, along each axis.
    pub(crate) fn factor(&self) -> usize {
        1 << (self.config.block_out_channels.len() - 1)
    }

    pub(crate) fn latent_channels(&self) -> usize {
        self.config.latent_channels
    }

    /// Channels of images that are drawn.
    pub(crate) fn image_channels(&self) -> usize {
        self.config.out_channels
    }

    /// Channels of images that are encoded.
    pub(crate) fn input_channels(&self) -> usize {
        self.config.in_channels
    }

    /// What latents are multiplied with before the UNet sees them.
    pub(crate) fn scaling_factor(&self) -> f64 {
        self.config.scaling_factor
    }

    /// The precision that is computed in: f32 after an overflow in another one.
    pub(crate) fn dtype(&self) -> DType {
        self.in_f32.get().unwrap_or(&self.network).dtype
    }

    /// Latents in the autoencoder's own units → as the UNet sees them.
    pub(crate) fn scale(&self, latents: &Tensor) -> Result<Tensor> {
        let shifted = match (&self.statistics, self.config.shift_factor) {
            (Some((mean, _)), _) => latents.broadcast_sub(mean)?,
            (None, Some(shift)) => (latents - shift)?,
            (None, None) => latents.clone(),
        };
        let scaled = (shifted * self.config.scaling_factor)?;
        match &self.statistics {
            Some((_, std)) => scaled.broadcast_div(std),
            None => Ok(scaled),
        }
    }

    /// The inverse of [`Vae::scale`].
    pub(crate) fn unscale(&self, latents: &Tensor) -> Result<Tensor> {
        let latents = (latents / self.config.scaling_factor)?;
        match (&self.statistics, self.config.shift_factor) {
            (Some((mean, std)), _) => latents.broadcast_mul(std)?.broadcast_add(mean),
            (None, Some(shift)) => latents + shift,
            (None, None) => Ok(latents),
        }
    }

    /// Sampled latents (n, c, h, w), as the UNet sees them → images (n, channels, h · factor, w · factor) in f32, not
    /// clamped, every number finite.
    pub(crate) fn decode(
        &self,
        latents: &Tensor,
        seamless: Seamless,
        tiling: VaeTiling,
    ) -> std::result::Result<Tensor, Error> {
        let latents = self.unscale(&latents.to_device(&self.device)?.to_dtype(DType::F32)?)?;
        let (images, channels, height, width) = latents.dims4()?;
        if channels != self.config.latent_channels {
            return Err(Error::Input(format!(
                "the latents have {channels} channels, expected {}",
                self.config.latent_channels
            )));
        }
        if !is_finite(&latents)? {
            return Err(Error::NotFinite { what: "latent" });
        }
        let factor = self.factor();
        let pixels = height * width * factor * factor;
        let tiles = |network: &Network| tiling.tiles(self.working_bytes(pixels, network.dtype), factor);
        // What cannot be asked for is an error before anything is computed.
        tiles(&self.network)?;
        let scale = Scale { input: 1, output: factor };
        // One image at a time: the last level holds hundreds of channels at full size.
        let images: Vec<_> = (0..images)
            .map(|image| {
                let latent = latents.narrow(0, image, 1)?;
                self.until_finite("image", |network| {
                    let latent = latent.to_dtype(network.dtype)?;
                    let decode = |latent: &Tensor, seamless| {
                        #[cfg(feature = "cuda")]
                        {
                            let latent = network.decoder.before(latent, seamless)?;
                            let Network { card, params, eps, .. } = network;
                            let fused = crate::cuda::decode(card, params, &self.config, *eps, &latent, seamless)?;
                            if let Some(image) = fused {
                                return Ok(image);
                            }
                        }
                        network.decoder.forward(latent, seamless)
                    };
                    match tiles(network).map_err(candle_core::Error::wrap)? {
                        Some(tiles) => tiled(&latent, tiles, scale, seamless, decode)?.to_device(&self.device),
                        None => decode(&latent, seamless),
                    }
                })
            })
            .collect::<std::result::Result<_, _>>()?;
        Ok(Tensor::cat(&images, 0)?)
    }

    /// Images (n, channels, h, w) in [-1, 1], h and w multiples of the factor → what their latents may be, in the
    /// autoencoder's own units.
    pub(crate) fn encode(
        &self,
        images: &Tensor,
        seamless: Seamless,
        tiling: VaeTiling,
    ) -> std::result::Result<Posterior, Error> {
        let (count, channels, height, width) = images.dims4()?;
        let factor = self.factor();
        if channels != self.config.in_channels {
            let expected = self.config.in_channels;
            let names = if expected == 3 { "RGB" } else { "RGBA" };
            return Err(Error::Input(format!("the image has {channels} channels, expected {expected} ({names})")));
        }
        if height == 0 || width == 0 || !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
            return Err(Error::Input(format!(
                "the image has {width} × {height} px, expected positive multiples of {factor}"
            )));
        }
        if self.network.encoder.is_none() {
            return Err(Error::Input(
                "the model's autoencoder has no encoder, so images cannot be read: take a model whose vae file has one"
                    .to_owned(),
            ));
        }
        let images = images.to_device(&self.device)?.to_dtype(DType::F32)?;
        if !is_finite(&images)? {
            return Err(Error::Input("the image holds numbers that are not finite, expected -1 to 1".to_owned()));
        }
        let tiles = |network: &Network| tiling.tiles(self.working_bytes(height * width, network.dtype), factor);
        tiles(&self.network)?;
        let scale = Scale { input: factor, output: 1 };
        let moments: Vec<_> = (0..count)
            .map(|image| {
                let image = images.narrow(0, image, 1)?;
                self.until_finite("encoded image", |network| {
                    let Some(encoder) = &network.encoder else { candle_core::bail!("the autoencoder has no encoder") };
                    let image = image.to_dtype(network.dtype)?;
                    let encode = |image: &Tensor, seamless| encoder.forward(image, seamless);
                    match tiles(network).map_err(candle_core::Error::wrap)? {
                        Some(tiles) => tiled(&image, tiles, scale, seamless, encode)?.to_device(&self.device),
                        None => encode(&image, seamless),
                    }
                })
            })
            .collect::<std::result::Result<_, _>>()?;
        Ok(Posterior::new(&Tensor::cat(&moments, 0)?)?)
    }

    /// Runs the network, and again in f32 if numbers come out that are not finite: a half-precision autoencoder that
    /// overflows would draw a black image. From then on it runs in f32 at once.
    fn until_finite(
        &self,
        what: &'static str,
        run: impl Fn(&Network) -> Result<Tensor>,
    ) -> std::result::Result<Tensor, Error> {
        let network = self.in_f32.get().unwrap_or(&self.network);
        let result = run(network)?;
        if is_finite(&result)? {
            return Ok(result);
        }
        if network.dtype != DType::F32 {
            tracing::warn!(dtype = ?network.dtype, "the autoencoder overflows: it runs in f32 from now on");
            let network = Network::load(&self.recipe.open()?, &self.config, &self.device, Precision::F32)?;
            let result = run(self.in_f32.get_or_init(|| network))?;
            if is_finite(&result)? {
                return Ok(result);
            }
        }
        Err(Error::NotFinite { what })
    }

    /// Bytes of the feature maps for an image of `pixels`, at the level that needs most.
    fn working_bytes(&self, pixels: usize, dtype: DType) -> usize {
        let widths = &self.config.block_out_channels;
        let channels_at_full_size = widths.iter().enumerate().map(|(level, width)| {
            // A level begins with the channels of the one below.
            let width = *width.max(widths.get(level + 1).unwrap_or(width));
            (pixels >> (2 * level)).saturating_mul(width)
        });
        channels_at_full_size.max().unwrap_or(0).saturating_mul(LIVE_MAPS * dtype.size_in_bytes())
    }
}

/// Whether no number is infinite or NaN.
fn is_finite(x: &Tensor) -> Result<bool> {
    // Zero times anything finite is zero.
    Ok(x.affine(0.0, 0.0)?.sum_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()? == 0.0)
}
