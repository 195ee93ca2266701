//! The decoder of the variational autoencoder (`AutoencoderKL`): latent to image.

use candle_core::{DType, Device, Result, Tensor};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::{VaeConfig, require};
use crate::nn::{Conv2d, GroupNorm, Linear, attention, split_qkv};
use crate::unet::{ResnetBlock, ResnetSizes};
use crate::weights::{Scope, Weights};

const FILE: &str = "vae/config.json";
/// Everywhere in the autoencoder, unlike in the UNet.
const EPS: f64 = 1e-6;

/// The decoder.
#[derive(Debug)]
pub(crate) struct VaeDecoder {
    config: VaeConfig,
    post_quant_conv: Option<Conv2d>,
    conv_in: Conv2d,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    /// Mean and standard deviation of the latents, (1, c, 1, 1), of models that have them.
    statistics: Option<(Tensor, Tensor)>,
    dtype: DType,
    device: Device,
}

impl VaeDecoder {
    pub(crate) fn load(source: &Checkpoint, device: &Device, dtype: DType) -> std::result::Result<Self, Error> {
        let config: VaeConfig = source.json(FILE)?;
        check(&config).map_err(|reason| Error::Config { file: source.display(FILE), reason })?;
        // SDXL's own autoencoder overflows in f16; only models that say otherwise were fine-tuned not to.
        let upcast = dtype == DType::F16 && config.force_upcast.unwrap_or(true);
        let dtype = if upcast { DType::F32 } else { dtype };
        let weights = Weights::open(source, "vae", "diffusion_pytorch_model", device, dtype)?;
        let vae = Self::build(&weights.root(), config, device, dtype)?;
        for unread in ["encoder", "quant_conv"] {
            weights.root().pp(unread).is_not_needed();
        }
        weights.finish()?;
        Ok(vae)
    }

    fn build(root: &Scope<'_>, config: VaeConfig, device: &Device, dtype: DType) -> std::result::Result<Self, Error> {
        let decoder = root.pp("decoder");
        let latent = config.latent_channels;
        let groups = config.norm_num_groups;
        let widths = &config.block_out_channels;
        let last = widths.len() - 1;
        let mut up_blocks = Vec::with_capacity(widths.len());
        for i in 0..widths.len() {
            let at = last - i;
            let channels = (widths[(at + 1).min(last)], widths[at]);
            let scope = decoder.pp("up_blocks").pp(i);
            up_blocks.push(UpBlock::load(&scope, channels, config.layers_per_block + 1, groups, at != 0)?);
        }
        let statistics = match (&config.latents_mean, &config.latents_std) {
            (Some(mean), Some(std)) => {
                let tensor = |values: &[f32]| Tensor::new(values, device)?.reshape((1, latent, 1, 1));
                Some((tensor(mean)?, tensor(std)?))
            }
            _ => None,
        };
        Ok(Self {
            post_quant_conv: config
                .use_post_quant_conv
                .then(|| Conv2d::load(&root.pp("post_quant_conv"), latent, latent, 1))
                .transpose()?,
            conv_in: Conv2d::load(&decoder.pp("conv_in"), latent, widths[last], 3)?,
            mid_block: MidBlock::load(&decoder.pp("mid_block"), widths[last], groups, config.mid_block_add_attention)?,
            up_blocks,
            conv_norm_out: GroupNorm::load(&decoder.pp("conv_norm_out"), widths[0], groups, EPS)?,
            conv_out: Conv2d::load(&decoder.pp("conv_out"), widths[0], config.out_channels, 3)?,
            statistics,
            config,
            dtype,
            device: device.clone(),
        })
    }

    /// Image pixels per latent cell, along each axis.
    pub(crate) fn factor(&self) -> usize {
        1 << (self.config.block_out_channels.len() - 1)
    }

    pub(crate) fn latent_channels(&self) -> usize {
        self.config.latent_channels
    }

    pub(crate) fn image_channels(&self) -> usize {
        self.config.out_channels
    }

    /// What latents are multiplied with before the UNet sees them.
    pub(crate) fn scaling_factor(&self) -> f64 {
        self.config.scaling_factor
    }

    /// Sampled latents (n, c, h, w), as the UNet sees them → images (n, channels, h·factor, w·factor) in f32, not clamped.
    pub(crate) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let latents = latents.to_device(&self.device)?.to_dtype(DType::F32)?;
        let latents = (latents / self.config.scaling_factor)?;
        let latents = match &self.statistics {
            Some((mean, std)) => latents.broadcast_mul(std)?.broadcast_add(mean)?,
            None => latents,
        };
        // One image at a time: the last level holds hundreds of channels at full size.
        let images: Vec<_> = (0..latents.dim(0)?)
            .map(|image| self.decode_unscaled(&latents.narrow(0, image, 1)?.to_dtype(self.dtype)?))
            .collect::<Result<_>>()?;
        Tensor::cat(&images, 0)
    }

    fn decode_unscaled(&self, latent: &Tensor) -> Result<Tensor> {
        let latent = match &self.post_quant_conv {
            Some(conv) => &conv.forward(latent)?,
            None => latent,
        };
        let mut x = self.mid_block.forward(&self.conv_in.forward(latent)?)?;
        for block in &self.up_blocks {
            x = block.forward(&x)?;
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?)?.to_dtype(DType::F32)
    }
}

fn check(config: &VaeConfig) -> std::result::Result<(), String> {
    let levels = config.block_out_channels.len();
    require(levels > 0, || "block_out_channels is empty, expected one entry per level".to_owned())?;
    require(config.up_block_types.len() == levels, || {
        format!(
            "up_block_types has {} entries, expected one per entry of block_out_channels: {levels}",
            config.up_block_types.len()
        )
    })?;
    for name in &config.up_block_types {
        require(name == "UpDecoderBlock2D", || {
            format!("up_block_types names the block type {name}, expected UpDecoderBlock2D")
        })?;
    }
    require(config.act_fn == "silu" || config.act_fn == "swish", || {
        format!("act_fn is {}, expected silu", config.act_fn)
    })?;
    for channels in &config.block_out_channels {
        require(
            *channels > 0 && config.norm_num_groups > 0 && channels.is_multiple_of(config.norm_num_groups),
            || {
                format!(
                    "block_out_channels holds {channels}, expected a multiple of norm_num_groups ({})",
                    config.norm_num_groups
                )
            },
        )?;
    }
    require(matches!(config.out_channels, 3 | 4), || {
        format!("out_channels is {}, expected 3 (RGB) or 4 (RGBA)", config.out_channels)
    })?;
    require(config.scaling_factor > 0.0, || {
        format!("scaling_factor is {}, expected a positive number", config.scaling_factor)
    })?;
    for (field, values) in [("latents_mean", &config.latents_mean), ("latents_std", &config.latents_std)] {
        let count = values.as_ref().map_or(config.latent_channels, Vec::len);
        require(count == config.latent_channels, || {
            format!("{field} has {count} entries, expected latent_channels: {}", config.latent_channels)
        })?;
    }
    Ok(())
}

fn resnet(scope: &Scope<'_>, inputs: usize, outputs: usize, groups: usize) -> std::result::Result<ResnetBlock, Error> {
    ResnetBlock::load(scope, ResnetSizes { inputs, outputs, time_embedding: None, groups, eps: EPS })
}

/// `UNetMidBlock2D`.
#[derive(Debug)]
struct MidBlock {
    before: ResnetBlock,
    attention: Option<Attention>,
    after: ResnetBlock,
}

impl MidBlock {
    fn load(scope: &Scope<'_>, channels: usize, groups: usize, attends: bool) -> std::result::Result<Self, Error> {
        Ok(Self {
            before: resnet(&scope.pp("resnets.0"), channels, channels, groups)?,
            attention: attends.then(|| Attention::load(&scope.pp("attentions.0"), channels, groups)).transpose()?,
            after: resnet(&scope.pp("resnets.1"), channels, channels, groups)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.before.forward(x, None)?;
        if let Some(attention) = &self.attention {
            x = attention.forward(&x)?;
        }
        self.after.forward(&x, None)
    }
}

/// Self-attention of one head over all pixels.
#[derive(Debug)]
struct Attention {
    group_norm: GroupNorm,
    to_qkv: Linear,
    to_out: Linear,
}

impl Attention {
    fn load(scope: &Scope<'_>, channels: usize, groups: usize) -> std::result::Result<Self, Error> {
        let scopes = [scope.pp("to_q"), scope.pp("to_k"), scope.pp("to_v")];
        Ok(Self {
            group_norm: GroupNorm::load(&scope.pp("group_norm"), channels, groups, EPS)?,
            to_qkv: Linear::load_joined(&scopes, channels, channels, true)?,
            to_out: Linear::load(&scope.pp("to_out.0"), channels, channels)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let [q, k, v] = split_qkv(&self.to_qkv.forward_to_tokens(&self.group_norm.forward(x)?)?, 1)?;
        let y = attention(&q, &k, &v, None, false)?;
        self.to_out.forward_to_image(&y, height, width)? + x
    }
}

/// `UpDecoderBlock2D`.
#[derive(Debug)]
struct UpBlock {
    resnets: Vec<ResnetBlock>,
    upsampler: Option<Conv2d>,
}

impl UpBlock {
    fn load(
        scope: &Scope<'_>,
        (inputs, outputs): (usize, usize),
        layers: usize,
        groups: usize,
        upsamples: bool,
    ) -> std::result::Result<Self, Error> {
        let resnets = (0..layers)
            .map(|layer| {
                let inputs = if layer == 0 { inputs } else { outputs };
                resnet(&scope.pp("resnets").pp(layer), inputs, outputs, groups)
            })
            .collect::<std::result::Result<_, _>>()?;
        let upsampler =
            upsamples.then(|| Conv2d::load(&scope.pp("upsamplers.0.conv"), outputs, outputs, 3)).transpose()?;
        Ok(Self { resnets, upsampler })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for resnet in &self.resnets {
            x = resnet.forward(&x, None)?;
        }
        let Some(upsampler) = &self.upsampler else { return Ok(x) };
        let (_, _, height, width) = x.dims4()?;
        upsampler.forward_enlarged(&x, 2 * height, 2 * width)
    }
}
