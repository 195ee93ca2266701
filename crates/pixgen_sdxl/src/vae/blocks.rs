//! The blocks of the autoencoder: residual blocks at one size, with a step to the next size.

use candle_core::{Result, Tensor};

use crate::Error;
use crate::nn::{Conv2d, GroupNorm, Linear, Padding, Seamless, attention, split_qkv};
use crate::unet::{ResnetBlock, ResnetSizes};
use crate::weights::Scope;

/// How all group norms of an autoencoder are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norms {
    pub(super) groups: usize,
    pub(super) eps: f64,
}

fn resnet(scope: &Scope<'_>, inputs: usize, outputs: usize, norms: Norms) -> std::result::Result<ResnetBlock, Error> {
    let Norms { groups, eps } = norms;
    ResnetBlock::load(scope, ResnetSizes { inputs, outputs, time_embedding: None, groups, eps })
}

/// `UNetMidBlock2D`.
#[derive(Debug)]
pub(super) struct MidBlock {
    before: ResnetBlock,
    attention: Option<Attention>,
    after: ResnetBlock,
}

impl MidBlock {
    pub(super) fn load(
        scope: &Scope<'_>,
        channels: usize,
        norms: Norms,
        attends: bool,
    ) -> std::result::Result<Self, Error> {
        Ok(Self {
            before: resnet(&scope.pp("resnets.0"), channels, channels, norms)?,
            attention: attends.then(|| Attention::load(&scope.pp("attentions.0"), channels, norms)).transpose()?,
            after: resnet(&scope.pp("resnets.1"), channels, channels, norms)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, seamless: Seamless) -> Result<Tensor> {
        let mut x = self.before.forward(x, None, seamless)?;
        if let Some(attention) = &self.attention {
            x = attention.forward(&x)?;
        }
        self.after.forward(&x, None, seamless)
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
    fn load(scope: &Scope<'_>, channels: usize, norms: Norms) -> std::result::Result<Self, Error> {
        let scopes = [scope.pp("to_q"), scope.pp("to_k"), scope.pp("to_v")];
        Ok(Self {
            group_norm: GroupNorm::load(&scope.pp("group_norm"), channels, norms.groups, norms.eps)?,
            to_qkv: Linear::load_joined(&scopes, channels, channels, true)?,
            to_out: Linear::load(&scope.pp("to_out.0"), channels, channels)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let [q, k, v] = split_qkv(&self.to_qkv.forward_to_tokens(&self.group_norm.forward(x)?)?, 1)?;
        let y = attention(&q, &k, &v, None)?;
        self.to_out.forward_to_image(&y, height, width)? + x
    }
}

/// `layers` residual blocks, of which the first changes the channels.
fn resnets(
    scope: &Scope<'_>,
    (inputs, outputs): (usize, usize),
    layers: usize,
    norms: Norms,
) -> std::result::Result<Vec<ResnetBlock>, Error> {
    (0..layers)
        .map(|layer| {
            let inputs = if layer == 0 { inputs } else { outputs };
            resnet(&scope.pp("resnets").pp(layer), inputs, outputs, norms)
        })
        .collect()
}

/// `DownEncoderBlock2D`.
#[derive(Debug)]
pub(super) struct DownBlock {
    resnets: Vec<ResnetBlock>,
    downsampler: Option<Conv2d>,
}

impl DownBlock {
    pub(super) fn load(
        scope: &Scope<'_>,
        channels: (usize, usize),
        layers: usize,
        norms: Norms,
        downsamples: bool,
    ) -> std::result::Result<Self, Error> {
        let resnets = resnets(scope, channels, layers, norms)?;
        let outputs = channels.1;
        // Unlike the UNet's, it looks beyond the right and lower edges only.
        let padding = Padding { before: 0, after: 1 };
        let downsampler = downsamples
            .then(|| Conv2d::load_strided(&scope.pp("downsamplers.0.conv"), (outputs, outputs), 3, 2, padding))
            .transpose()?;
        Ok(Self { resnets, downsampler })
    }

    pub(super) fn forward(&self, x: &Tensor, seamless: Seamless) -> Result<Tensor> {
        let mut x = x.clone();
        for resnet in &self.resnets {
            x = resnet.forward(&x, None, seamless)?;
        }
        match &self.downsampler {
            Some(downsampler) => downsampler.forward(&x, seamless),
            None => Ok(x),
        }
    }
}

/// `UpDecoderBlock2D`.
#[derive(Debug)]
pub(super) struct UpBlock {
    resnets: Vec<ResnetBlock>,
    upsampler: Option<Conv2d>,
}

impl UpBlock {
    pub(super) fn load(
        scope: &Scope<'_>,
        channels: (usize, usize),
        layers: usize,
        norms: Norms,
        upsamples: bool,
    ) -> std::result::Result<Self, Error> {
        let resnets = resnets(scope, channels, layers, norms)?;
        let outputs = channels.1;
        let upsampler =
            upsamples.then(|| Conv2d::load(&scope.pp("upsamplers.0.conv"), outputs, outputs, 3)).transpose()?;
        Ok(Self { resnets, upsampler })
    }

    pub(super) fn forward(&self, x: &Tensor, seamless: Seamless) -> Result<Tensor> {
        let mut x = x.clone();
        for resnet in &self.resnets {
            x = resnet.forward(&x, None, seamless)?;
        }
        let Some(upsampler) = &self.upsampler else { return Ok(x) };
        let (_, _, height, width) = x.dims4()?;
        upsampler.forward_enlarged(&x, 2 * height, 2 * width, seamless)
    }
}
