//! The text encoders: CLIP's text transformer (Radford et al. 2021), with and without projection.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{LayerNorm, Module};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::{ClipConfig, require, require_size};
use crate::nn::{Linear, attention, layer_norm, split_qkv};
use crate::params::Params;
use crate::weights::{Scope, Weights};

/// Old CLIP files say this for the end-of-text token, whatever it is; transformers then takes the largest id.
const EOS_OF_OLD_FILES: u32 = 2;

/// A text encoder.
#[derive(Debug)]
pub(crate) struct ClipTextModel {
    config: ClipConfig,
    token_embedding: Tensor,
    position_embedding: Tensor,
    layers: Vec<EncoderLayer>,
    /// Only the encoder with projection has a pooled output.
    head: Option<Head>,
    params: Params,
    device: Device,
}

#[derive(Debug)]
struct Head {
    final_layer_norm: LayerNorm,
    text_projection: Linear,
}

/// What a window of tokens became.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// The hidden state that the UNet attends to: (1, tokens, hidden size). SDXL's is the last but one.
    pub(crate) hidden: Tensor,
    /// The projected state of the end-of-text token (1, projection size).
    pub(crate) pooled: Option<Tensor>,
}

impl ClipTextModel {
    /// Loads `component`: `text_encoder` without projection, `text_encoder_2` with it.
    pub(crate) fn load(
        source: &Checkpoint,
        component: &'static str,
        with_projection: bool,
        device: &Device,
        dtype: DType,
    ) -> std::result::Result<Self, Error> {
        let file = format!("{component}/config.json");
        let config: ClipConfig = source.json(&file)?;
        let activation = check(&config).map_err(|reason| Error::Config { file: source.display(&file), reason })?;
        let weights = Weights::open(source, component, "model", device, dtype)?;
        let mut model = Self::build(&weights.root(), config, activation, with_projection, device)?;
        model.params = weights.finish()?;
        Ok(model)
    }

    fn build(
        root: &Scope<'_>,
        config: ClipConfig,
        activation: Activation,
        with_projection: bool,
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        let model = root.pp("text_model");
        let embeddings = model.pp("embeddings");
        let hidden = config.hidden_size;
        // The last layer only serves the pooled output.
        let count = if with_projection { config.num_hidden_layers } else { config.num_hidden_layers - 1 };
        let layers = (0..count)
            .map(|layer| EncoderLayer::load(&model.pp("encoder.layers").pp(layer), &config, activation))
            .collect::<std::result::Result<_, _>>()?;
        let head = if with_projection {
            Some(Head {
                final_layer_norm: layer_norm(&model.pp("final_layer_norm"), hidden, config.layer_norm_eps)?,
                text_projection: Linear::load_without_bias(&root.pp("text_projection"), hidden, config.projection_dim)?,
            })
        } else {
            model.pp("encoder.layers").pp(count).is_not_needed();
            model.pp("final_layer_norm").is_not_needed();
            root.pp("text_projection").is_not_needed();
            None
        };
        Ok(Self {
            token_embedding: embeddings.pp("token_embedding").get("weight", (config.vocab_size, hidden))?,
            position_embedding: embeddings
                .pp("position_embedding")
                .get("weight", (config.max_position_embeddings, hidden))?,
            layers,
            head,
            params: Params::default(),
            config,
            device: device.clone(),
        })
    }

    /// The weights by name.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }

    pub(crate) fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    pub(crate) fn hidden_size(&self) -> usize {
        self.config.hidden_size
    }

    pub(crate) fn projection_size(&self) -> usize {
        self.config.projection_dim
    }

    /// The largest `clip_skip` of [`ClipTextModel::encode`], which gives the embeddings themselves.
    pub(crate) fn max_clip_skip(&self) -> usize {
        self.config.num_hidden_layers - 1
    }

    /// Encodes one window of token ids, with its begin, end and padding tokens. `clip_skip` is how many layers before
    /// the last but one the hidden state is taken, at most [`ClipTextModel::max_clip_skip`]; the pooled output always
    /// comes from the last layer.
    pub(crate) fn encode(&self, ids: &[u32], clip_skip: usize) -> Result<Encoded> {
        let depth = self.max_clip_skip().saturating_sub(clip_skip);
        let tokens = ids.len();
        let embedded = self.token_embedding.index_select(&Tensor::new(ids, &self.device)?, 0)?;
        let mut x = (embedded + self.position_embedding.narrow(0, 0, tokens)?)?.unsqueeze(0)?;
        let mask = causal_mask(tokens, &self.device)?;
        let mut hidden = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index == depth && self.head.is_none() {
                break;
            }
            x = layer.forward(&x, &mask)?;
            if index + 1 == depth {
                hidden = x.clone();
            }
        }
        let pooled = match &self.head {
            Some(head) => {
                let last = head.final_layer_norm.forward(&x)?.narrow(1, self.end_of_text(ids), 1)?.squeeze(1)?;
                Some(head.text_projection.forward(&last)?)
            }
            None => None,
        };
        Ok(Encoded { hidden, pooled })
    }

    /// Where the end-of-text token is. Padding may repeat it, so the first one counts.
    fn end_of_text(&self, ids: &[u32]) -> usize {
        let wanted = match self.config.eos_token_id {
            Some(EOS_OF_OLD_FILES) | None => ids.iter().max().copied(),
            Some(eos) => Some(eos),
        };
        ids.iter().position(|id| Some(*id) == wanted).unwrap_or(0)
    }
}

/// The activation of a configuration that can be followed.
fn check(config: &ClipConfig) -> std::result::Result<Activation, String> {
    require_size("num_hidden_layers", config.num_hidden_layers, 1..=1000)?;
    require_size("vocab_size", config.vocab_size, 1..=10_000_000)?;
    require_size("hidden_size", config.hidden_size, 1..=65_536)?;
    require_size("intermediate_size", config.intermediate_size, 1..=1_000_000)?;
    require_size("max_position_embeddings", config.max_position_embeddings, 3..=65_536)?;
    require_size("projection_dim", config.projection_dim, 0..=65_536)?;
    require(config.num_attention_heads > 0 && config.hidden_size.is_multiple_of(config.num_attention_heads), || {
        format!(
            "num_attention_heads is {}, expected a divisor of hidden_size ({})",
            config.num_attention_heads, config.hidden_size
        )
    })?;
    Activation::of(&config.hidden_act)
}

/// Minus infinity (the lowest number, so that no row is undefined) above the diagonal: (tokens, tokens).
fn causal_mask(tokens: usize, device: &Device) -> Result<Tensor> {
    let mask: Vec<f32> =
        (0..tokens).flat_map(|query| (0..tokens).map(move |key| if key > query { f32::MIN } else { 0.0 })).collect();
    Tensor::from_vec(mask, (tokens, tokens), device)
}

#[derive(Clone, Copy, Debug)]
enum Activation {
    /// x · σ(1.702 x), of OpenAI's models.
    QuickGelu,
    /// The exact GELU, of OpenCLIP's.
    Gelu,
}

impl Activation {
    fn of(name: &str) -> std::result::Result<Self, String> {
        match name {
            "quick_gelu" => Ok(Self::QuickGelu),
            "gelu" => Ok(Self::Gelu),
            _ => Err(format!("hidden_act is {name}, expected quick_gelu or gelu")),
        }
    }

    fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
            Self::Gelu => x.gelu_erf(),
        }
    }
}

#[derive(Debug)]
struct EncoderLayer {
    layer_norm1: LayerNorm,
    qkv_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
    heads: usize,
}

impl EncoderLayer {
    fn load(scope: &Scope<'_>, config: &ClipConfig, activation: Activation) -> std::result::Result<Self, Error> {
        let ClipConfig { hidden_size: hidden, intermediate_size: inner, layer_norm_eps: eps, .. } = *config;
        let attention = scope.pp("self_attn");
        let scopes = [attention.pp("q_proj"), attention.pp("k_proj"), attention.pp("v_proj")];
        Ok(Self {
            layer_norm1: layer_norm(&scope.pp("layer_norm1"), hidden, eps)?,
            qkv_proj: Linear::load_joined(&scopes, hidden, hidden, true)?,
            out_proj: Linear::load(&attention.pp("out_proj"), hidden, hidden)?,
            layer_norm2: layer_norm(&scope.pp("layer_norm2"), hidden, eps)?,
            fc1: Linear::load(&scope.pp("mlp.fc1"), hidden, inner)?,
            fc2: Linear::load(&scope.pp("mlp.fc2"), inner, hidden)?,
            activation,
            heads: config.num_attention_heads,
        })
    }

    /// (1, tokens, hidden size) → the same shape.
    fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let [q, k, v] = split_qkv(&self.qkv_proj.forward(&self.layer_norm1.forward(x)?)?, self.heads)?;
        let h = attention(&q, &k, &v, Some(mask))?;
        let x = (self.out_proj.forward(&h)? + x)?;
        let h = self.activation.forward(&self.fc1.forward(&self.layer_norm2.forward(&x)?)?)?;
        self.fc2.forward(&h)? + x
    }
}
