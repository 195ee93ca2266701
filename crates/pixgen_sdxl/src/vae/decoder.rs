//! The decoder of the autoencoder: latent to image.

use candle_core::{DType, Result, Tensor};

use super::blocks::{MidBlock, Norms, UpBlock};
use crate::Error;
use crate::config::VaeConfig;
use crate::nn::{Conv2d, GroupNorm, Seamless};
use crate::weights::Scope;

/// `AutoencoderKL.decoder` with `post_quant_conv` before it.
#[derive(Debug)]
pub(super) struct Decoder {
    post_quant_conv: Option<Conv2d>,
    conv_in: Conv2d,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    pub(super) fn load(root: &Scope<'_>, config: &VaeConfig, norms: Norms) -> std::result::Result<Self, Error> {
        let decoder = root.pp("decoder");
        let latent = config.latent_channels;
        let widths = &config.block_out_channels;
        let last = widths.len() - 1;
        let mut up_blocks = Vec::with_capacity(widths.len());
        for i in 0..widths.len() {
            let at = last - i;
            let channels = (widths[(at + 1).min(last)], widths[at]);
            let scope = decoder.pp("up_blocks").pp(i);
            up_blocks.push(UpBlock::load(&scope, channels, config.layers_per_block + 1, norms, at != 0)?);
        }
        Ok(Self {
            post_quant_conv: config
                .use_post_quant_conv
                .then(|| Conv2d::load(&root.pp("post_quant_conv"), latent, latent, 1))
                .transpose()?,
            conv_in: Conv2d::load(&decoder.pp("conv_in"), latent, widths[last], 3)?,
            mid_block: MidBlock::load(&decoder.pp("mid_block"), widths[last], norms, config.mid_block_add_attention)?,
            up_blocks,
            conv_norm_out: GroupNorm::load(&decoder.pp("conv_norm_out"), widths[0], norms.groups, norms.eps)?,
            conv_out: Conv2d::load(&decoder.pp("conv_out"), widths[0], config.out_channels, 3)?,
        })
    }

    /// What comes before the decoder proper.
    pub(super) fn before(&self, latents: &Tensor, seamless: Seamless) -> Result<Tensor> {
        match &self.post_quant_conv {
            Some(conv) => conv.forward(latents, seamless),
            None => Ok(latents.clone()),
        }
    }

    /// Latents (n, latent channels, h, w) in the autoencoder's own units → (n, channels, h · factor, w · factor), f32.
    pub(super) fn forward(&self, latents: &Tensor, seamless: Seamless) -> Result<Tensor> {
        let latents = self.before(latents, seamless)?;
        let mut x = self.mid_block.forward(&self.conv_in.forward(&latents, seamless)?, seamless)?;
        for block in &self.up_blocks {
            x = block.forward(&x, seamless)?;
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?, seamless)?.to_dtype(DType::F32)
    }
}
