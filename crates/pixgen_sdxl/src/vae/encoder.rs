//! The encoder of the autoencoder: image to a normal distribution of latents.

use candle_core::{DType, Result, Tensor};

use super::blocks::{DownBlock, MidBlock, Norms};
use crate::Error;
use crate::config::VaeConfig;
use crate::nn::{Conv2d, GroupNorm, Seamless};
use crate::weights::Scope;

/// `AutoencoderKL.encoder` with `quant_conv` behind it.
#[derive(Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    quant_conv: Option<Conv2d>,
}

impl Encoder {
    /// `None` for files without any weight of an encoder: models that only draw do not need one.
    pub(super) fn load(root: &Scope<'_>, config: &VaeConfig, norms: Norms) -> std::result::Result<Option<Self>, Error> {
        let encoder = root.pp("encoder");
        if !encoder.contains("conv_in.weight") {
            return Ok(None);
        }
        let moments = 2 * config.latent_channels;
        let widths = &config.block_out_channels;
        let last = widths.len() - 1;
        let mut down_blocks = Vec::with_capacity(widths.len());
        for (i, width) in widths.iter().enumerate() {
            let channels = (widths[i.saturating_sub(1)], *width);
            let scope = encoder.pp("down_blocks").pp(i);
            down_blocks.push(DownBlock::load(&scope, channels, config.layers_per_block, norms, i != last)?);
        }
        Ok(Some(Self {
            conv_in: Conv2d::load(&encoder.pp("conv_in"), config.in_channels, widths[0], 3)?,
            down_blocks,
            mid_block: MidBlock::load(&encoder.pp("mid_block"), widths[last], norms, config.mid_block_add_attention)?,
            conv_norm_out: GroupNorm::load(&encoder.pp("conv_norm_out"), widths[last], norms.groups, norms.eps)?,
            conv_out: Conv2d::load(&encoder.pp("conv_out"), widths[last], moments, 3)?,
            quant_conv: config
                .use_quant_conv
                .then(|| Conv2d::load(&root.pp("quant_conv"), moments, moments, 1))
                .transpose()?,
        }))
    }

    /// Images (n, channels, h, w) in [-1, 1] → means and logarithms of variances, one behind the other:
    /// (n, 2 · latent channels, h / factor, w / factor), f32.
    pub(super) fn forward(&self, images: &Tensor, seamless: Seamless) -> Result<Tensor> {
        let mut x = self.conv_in.forward(images, seamless)?;
        for block in &self.down_blocks {
            x = block.forward(&x, seamless)?;
        }
        x = self.mid_block.forward(&x, seamless)?;
        x = self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?, seamless)?;
        match &self.quant_conv {
            Some(conv) => conv.forward(&x, seamless)?.to_dtype(DType::F32),
            None => x.to_dtype(DType::F32),
        }
    }
}
