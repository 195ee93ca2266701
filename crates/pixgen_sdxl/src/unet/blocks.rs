//! The levels of the UNet: residual blocks with or without transformers, on the way down, in the middle, on the way up.

use std::slice::Iter;

use candle_core::{Result, Tensor};

use super::attention::{SpatialTransformer, TextKeys, TransformerSizes};
use super::pass::Pass;
use super::resnet::{ResnetBlock, ResnetSizes};
use crate::Error;
use crate::nn::{Conv2d, Padding};
use crate::weights::Scope;

/// What all blocks of a UNet have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    pub(super) time_embedding: usize,
    pub(super) groups: usize,
    pub(super) eps: f64,
}

impl Common {
    fn resnet(&self, inputs: usize, outputs: usize) -> ResnetSizes {
        ResnetSizes { inputs, outputs, time_embedding: Some(self.time_embedding), groups: self.groups, eps: self.eps }
    }

    fn transformer(&self, channels: usize, sizes: AttentionSizes) -> TransformerSizes {
        let AttentionSizes { heads, layers, context } = sizes;
        TransformerSizes { channels, heads, layers, context, groups: self.groups }
    }
}

/// The attention of one level.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttentionSizes {
    pub(super) heads: usize,
    /// Transformer blocks after each residual block.
    pub(super) layers: usize,
    pub(super) context: usize,
}

/// What a block does at one size: residual blocks, each followed by a transformer if the block attends to the text.
#[derive(Debug)]
struct Layers {
    resnets: Vec<ResnetBlock>,
    /// One per residual block, or none.
    attentions: Vec<SpatialTransformer>,
}

impl Layers {
    /// One layer per entry of `inputs`, the channels that come into it; `attention` has as many entries, or none.
    fn load(
        scope: &Scope<'_>,
        common: &Common,
        inputs: impl IntoIterator<Item = usize>,
        outputs: usize,
        attention: &[AttentionSizes],
    ) -> std::result::Result<Self, Error> {
        let (mut resnets, mut attentions) = (Vec::new(), Vec::new());
        for (layer, inputs) in inputs.into_iter().enumerate() {
            resnets.push(ResnetBlock::load(&scope.pp("resnets").pp(layer), common.resnet(inputs, outputs))?);
            if let Some(sizes) = attention.get(layer).copied() {
                let scope = scope.pp("attentions").pp(layer);
                attentions.push(SpatialTransformer::load(&scope, common.transformer(outputs, sizes))?);
            }
        }
        Ok(Self { resnets, attentions })
    }

    fn text_keys(&self, context: &Tensor, keys: &mut Vec<TextKeys>) -> Result<()> {
        self.attentions.iter().try_for_each(|attention| attention.text_keys(context, keys))
    }

    fn forward(&self, layer: usize, x: &Tensor, pass: &Pass, keys: &mut Iter<'_, TextKeys>) -> Result<Tensor> {
        let x = self.resnets[layer].forward(x, Some(&pass.silu_temb), pass.surroundings.seamless)?;
        match self.attentions.get(layer) {
            Some(attention) => attention.forward(&x, pass, keys),
            None => Ok(x),
        }
    }
}

/// `DownBlock2D` or `CrossAttnDownBlock2D`.
#[derive(Debug)]
pub(super) struct DownBlock {
    layers: Layers,
    downsampler: Option<Conv2d>,
}

impl DownBlock {
    pub(super) fn load(
        scope: &Scope<'_>,
        common: &Common,
        (inputs, outputs): (usize, usize),
        layers: usize,
        attention: &[AttentionSizes],
        downsamples: bool,
    ) -> std::result::Result<Self, Error> {
        let inputs = (0..layers).map(|layer| if layer == 0 { inputs } else { outputs });
        let layers = Layers::load(scope, common, inputs, outputs, attention)?;
        let downsampler = downsamples
            .then(|| {
                let scope = scope.pp("downsamplers.0.conv");
                Conv2d::load_strided(&scope, (outputs, outputs), 3, 2, Padding { before: 1, after: 1 })
            })
            .transpose()?;
        Ok(Self { layers, downsampler })
    }

    pub(super) fn text_keys(&self, context: &Tensor, keys: &mut Vec<TextKeys>) -> Result<()> {
        self.layers.text_keys(context, keys)
    }

    /// Appends what the way up needs to `skips`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pass: &Pass,
        keys: &mut Iter<'_, TextKeys>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in 0..self.layers.resnets.len() {
            x = self.layers.forward(layer, &x, pass, keys)?;
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.forward(&x, pass.surroundings.seamless)?;
            skips.push(x.clone());
        }
        Ok(x)
    }
}

/// `UNetMidBlock2DCrossAttn`, or `UNetMidBlock2D` as diffusers' UNet builds it: one residual block.
#[derive(Debug)]
pub(super) struct MidBlock {
    before: ResnetBlock,
    attention: Option<SpatialTransformer>,
    after: Option<ResnetBlock>,
}

impl MidBlock {
    pub(super) fn load(
        scope: &Scope<'_>,
        common: &Common,
        channels: usize,
        attention: Option<AttentionSizes>,
    ) -> std::result::Result<Self, Error> {
        let resnet = |name: &str| ResnetBlock::load(&scope.pp(name), common.resnet(channels, channels));
        let transformer =
            |sizes| SpatialTransformer::load(&scope.pp("attentions.0"), common.transformer(channels, sizes));
        Ok(Self {
            before: resnet("resnets.0")?,
            attention: attention.map(transformer).transpose()?,
            after: attention.map(|_| resnet("resnets.1")).transpose()?,
        })
    }

    pub(super) fn text_keys(&self, context: &Tensor, keys: &mut Vec<TextKeys>) -> Result<()> {
        self.attention.iter().try_for_each(|attention| attention.text_keys(context, keys))
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &Pass, keys: &mut Iter<'_, TextKeys>) -> Result<Tensor> {
        let seamless = pass.surroundings.seamless;
        let mut x = self.before.forward(x, Some(&pass.silu_temb), seamless)?;
        if let Some(attention) = &self.attention {
            x = attention.forward(&x, pass, keys)?;
        }
        match &self.after {
            Some(after) => after.forward(&x, Some(&pass.silu_temb), seamless),
            None => Ok(x),
        }
    }
}

/// The channels of an up block.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpChannels {
    /// Of the block below.
    pub(super) below: usize,
    pub(super) outputs: usize,
    /// Of the level above, from which the last skip connection comes.
    pub(super) above: usize,
}

/// `UpBlock2D` or `CrossAttnUpBlock2D`.
#[derive(Debug)]
pub(super) struct UpBlock {
    layers: Layers,
    upsampler: Option<Conv2d>,
}

impl UpBlock {
    pub(super) fn load(
        scope: &Scope<'_>,
        common: &Common,
        channels: UpChannels,
        layers: usize,
        attention: &[AttentionSizes],
        upsamples: bool,
    ) -> std::result::Result<Self, Error> {
        let UpChannels { below, outputs, above } = channels;
        let inputs = (0..layers).map(|layer| {
            let skip = if layer == layers - 1 { above } else { outputs };
            skip + if layer == 0 { below } else { outputs }
        });
        let layers = Layers::load(scope, common, inputs, outputs, attention)?;
        let upsampler =
            upsamples.then(|| Conv2d::load(&scope.pp("upsamplers.0.conv"), outputs, outputs, 3)).transpose()?;
        Ok(Self { layers, upsampler })
    }

    pub(super) fn text_keys(&self, context: &Tensor, keys: &mut Vec<TextKeys>) -> Result<()> {
        self.layers.text_keys(context, keys)
    }

    /// Takes its skip connections from the end of `skips`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pass: &Pass,
        keys: &mut Iter<'_, TextKeys>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in 0..self.layers.resnets.len() {
            let Some(skip) = skips.pop() else { candle_core::bail!("an up block has no skip connection left") };
            // (b, channels + skip channels, h, w)
            x = self.layers.forward(layer, &Tensor::cat(&[x, skip], 1)?, pass, keys)?;
        }
        match (&self.upsampler, skips.last()) {
            // An odd height or width was rounded up on the way down: the size to reach is that of the next skip.
            (Some(upsampler), Some(skip)) => {
                let (_, _, height, width) = skip.dims4()?;
                upsampler.forward_enlarged(&x, height, width, pass.surroundings.seamless)
            }
            _ => Ok(x),
        }
    }
}
