//! Transformer blocks between image tokens and text tokens.

use candle_core::{Result, Tensor};
use candle_nn::{LayerNorm, Module};

use super::pass::Pass;
use super::repeat_rows;
use crate::Error;
use crate::nn::{GroupNorm, Linear, attention, geglu, layer_norm, split_heads, split_qkv};
use crate::weights::Scope;

/// `Transformer2DModel` has its own epsilon, unlike the residual blocks around it.
const GROUP_NORM_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f64 = 1e-5;
/// Width of the feed-forward layer, as a multiple of the channels.
const FEED_FORWARD_FACTOR: usize = 4;

/// The sizes of a [`SpatialTransformer`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransformerSizes {
    pub(crate) channels: usize,
    pub(crate) heads: usize,
    pub(crate) layers: usize,
    /// Channels of the text tokens.
    pub(crate) context: usize,
    pub(crate) groups: usize,
}

/// Keys and values of the text for one attention layer, each (b, text tokens, heads, d).
///
/// They depend on the prompt alone: computed once per run, they save two products per layer and step.
#[derive(Clone, Debug)]
pub(crate) struct TextKeys {
    pub(super) keys: Tensor,
    pub(super) values: Tensor,
}

impl TextKeys {
    /// The keys of `images` images for each row, one row's images after another.
    pub(super) fn repeat(&self, images: usize) -> Result<Self> {
        Ok(Self { keys: repeat_rows(&self.keys, images)?, values: repeat_rows(&self.values, images)? })
    }
}

/// Transformer blocks over the pixels of an image (`Transformer2DModel`).
#[derive(Debug)]
pub(crate) struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Linear,
    blocks: Vec<TransformerBlock>,
    proj_out: Linear,
}

impl SpatialTransformer {
    pub(crate) fn load(scope: &Scope<'_>, sizes: TransformerSizes) -> std::result::Result<Self, Error> {
        let TransformerSizes { channels, layers, groups, .. } = sizes;
        // With `use_linear_projection` the projections are linear layers, without it 1×1 convolutions: the same
        // function of each pixel, so both are loaded as linear layers.
        Ok(Self {
            norm: GroupNorm::load(&scope.pp("norm"), channels, groups, GROUP_NORM_EPS)?,
            proj_in: Linear::load(&scope.pp("proj_in"), channels, channels)?,
            blocks: (0..layers)
                .map(|layer| TransformerBlock::load(&scope.pp("transformer_blocks").pp(layer), sizes))
                .collect::<std::result::Result<_, _>>()?,
            proj_out: Linear::load(&scope.pp("proj_out"), channels, channels)?,
        })
    }

    /// Appends the keys and values of the text `context` (b, tokens, context channels), one entry per block.
    pub(crate) fn text_keys(&self, context: &Tensor, keys: &mut Vec<TextKeys>) -> Result<()> {
        for block in &self.blocks {
            keys.push(block.cross_attention.text_keys(context)?);
        }
        Ok(())
    }

    /// (b, channels, h, w) → the same shape. Takes its blocks' entries from the front of `keys`.
    pub(crate) fn forward(&self, x: &Tensor, pass: &Pass, keys: &mut std::slice::Iter<'_, TextKeys>) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let mut tokens = self.proj_in.forward_to_tokens(&self.norm.forward(x)?)?;
        for block in &self.blocks {
            let Some(keys) = keys.next() else {
                candle_core::bail!("the conditioning was prepared by a UNet with fewer attention layers");
            };
            tokens = block.forward(&tokens, pass, keys)?;
        }
        self.proj_out.forward_to_image(&tokens, height, width)? + x
    }
}

/// Self-attention, attention to the text, feed-forward layer; each with a skip connection.
#[derive(Debug)]
struct TransformerBlock {
    norm1: LayerNorm,
    self_attention: SelfAttention,
    norm2: LayerNorm,
    cross_attention: CrossAttention,
    norm3: LayerNorm,
    feed_forward_in: Linear,
    feed_forward_out: Linear,
}

impl TransformerBlock {
    fn load(scope: &Scope<'_>, sizes: TransformerSizes) -> std::result::Result<Self, Error> {
        let channels = sizes.channels;
        let inner = FEED_FORWARD_FACTOR * channels;
        Ok(Self {
            norm1: layer_norm(&scope.pp("norm1"), channels, LAYER_NORM_EPS)?,
            self_attention: SelfAttention::load(&scope.pp("attn1"), sizes)?,
            norm2: layer_norm(&scope.pp("norm2"), channels, LAYER_NORM_EPS)?,
            cross_attention: CrossAttention::load(&scope.pp("attn2"), sizes)?,
            norm3: layer_norm(&scope.pp("norm3"), channels, LAYER_NORM_EPS)?,
            feed_forward_in: Linear::load(&scope.pp("ff.net.0.proj"), channels, 2 * inner)?,
            feed_forward_out: Linear::load(&scope.pp("ff.net.2"), inner, channels)?,
        })
    }

    /// (b, tokens, channels) → the same shape.
    fn forward(&self, x: &Tensor, pass: &Pass, keys: &TextKeys) -> Result<Tensor> {
        let x = (self.self_attention.forward(&self.norm1.forward(x)?, pass)? + x)?;
        let x = (self.cross_attention.forward(&self.norm2.forward(&x)?, keys)? + x)?;
        let h = geglu(&self.feed_forward_in.forward(&self.norm3.forward(&x)?)?)?;
        self.feed_forward_out.forward(&h)? + x
    }
}

#[derive(Debug)]
struct SelfAttention {
    /// Queries, keys and values of the same tokens as one product.
    to_qkv: Linear,
    to_out: Linear,
    heads: usize,
}

impl SelfAttention {
    fn load(scope: &Scope<'_>, sizes: TransformerSizes) -> std::result::Result<Self, Error> {
        let TransformerSizes { channels, heads, .. } = sizes;
        let scopes = [scope.pp("to_q"), scope.pp("to_k"), scope.pp("to_v")];
        Ok(Self {
            to_qkv: Linear::load_joined(&scopes, channels, channels, false)?,
            to_out: Linear::load(&scope.pp("to_out.0"), channels, channels)?,
            heads,
        })
    }

    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let [q, k, v] = split_qkv(&self.to_qkv.forward(x)?, self.heads)?;
        self.to_out.forward(&pass.attend(&q, &k, &v)?)
    }
}

#[derive(Debug)]
struct CrossAttention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
}

impl CrossAttention {
    fn load(scope: &Scope<'_>, sizes: TransformerSizes) -> std::result::Result<Self, Error> {
        let TransformerSizes { channels, heads, context, .. } = sizes;
        Ok(Self {
            to_q: Linear::load_without_bias(&scope.pp("to_q"), channels, channels)?,
            to_k: Linear::load_without_bias(&scope.pp("to_k"), context, channels)?,
            to_v: Linear::load_without_bias(&scope.pp("to_v"), context, channels)?,
            to_out: Linear::load(&scope.pp("to_out.0"), channels, channels)?,
            heads,
        })
    }

    fn text_keys(&self, context: &Tensor) -> Result<TextKeys> {
        Ok(TextKeys {
            keys: split_heads(&self.to_k.forward(context)?, self.heads)?,
            values: split_heads(&self.to_v.forward(context)?, self.heads)?,
        })
    }

    fn forward(&self, x: &Tensor, TextKeys { keys, values }: &TextKeys) -> Result<Tensor> {
        let q = split_heads(&self.to_q.forward(x)?, self.heads)?;
        self.to_out.forward(&attention(&q, keys, values, None)?)
    }
}
