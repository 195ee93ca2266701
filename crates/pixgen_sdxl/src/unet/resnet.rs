//! The residual block of the UNet and of the VAE.

use candle_core::{Result, Tensor};

use crate::Error;
use crate::nn::{Conv2d, GroupNorm, Linear, Seamless};
use crate::weights::Scope;

/// Two convolutions with a skip connection; the time embedding shifts the channels between them.
#[derive(Debug)]
pub(crate) struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

/// The sizes of a [`ResnetBlock`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResnetSizes {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Channels of the time embedding; the VAE has none.
    pub(crate) time_embedding: Option<usize>,
    pub(crate) groups: usize,
    pub(crate) eps: f64,
}

impl ResnetBlock {
    pub(crate) fn load(scope: &Scope<'_>, sizes: ResnetSizes) -> std::result::Result<Self, Error> {
        let ResnetSizes { inputs, outputs, time_embedding, groups, eps } = sizes;
        let time_emb_proj =
            time_embedding.map(|channels| Linear::load(&scope.pp("time_emb_proj"), channels, outputs)).transpose()?;
        let conv_shortcut =
            (inputs != outputs).then(|| Conv2d::load(&scope.pp("conv_shortcut"), inputs, outputs, 1)).transpose()?;
        Ok(Self {
            norm1: GroupNorm::load(&scope.pp("norm1"), inputs, groups, eps)?,
            conv1: Conv2d::load(&scope.pp("conv1"), inputs, outputs, 3)?,
            time_emb_proj,
            norm2: GroupNorm::load(&scope.pp("norm2"), outputs, groups, eps)?,
            conv2: Conv2d::load(&scope.pp("conv2"), outputs, outputs, 3)?,
            conv_shortcut,
        })
    }

    /// `x` (b, inputs, h, w), `silu_temb` the SiLU of the time embedding (b, channels): (b, outputs, h, w).
    pub(crate) fn forward(&self, x: &Tensor, silu_temb: Option<&Tensor>, seamless: Seamless) -> Result<Tensor> {
        let h = self.norm1.forward_silu(x)?;
        let h = match (&self.time_emb_proj, silu_temb) {
            (Some(projection), Some(temb)) => self.conv1.forward_shifted(&h, &projection.forward(temb)?, seamless)?,
            _ => self.conv1.forward(&h, seamless)?,
        };
        let h = self.conv2.forward(&self.norm2.forward_silu(&h)?, seamless)?;
        match &self.conv_shortcut {
            Some(shortcut) => h + shortcut.forward(x, seamless)?,
            None => h + x,
        }
    }
}
