//! The configuration files of a model, as diffusers and transformers write them.

use serde::Deserialize;

use crate::Error;
use crate::checkpoint::Checkpoint;

/// A number for all blocks, or one per block.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum PerBlock<T> {
    // First, so that of two nested ones the outer takes a plain list.
    Each(Vec<T>),
    One(T),
}

impl<T: Clone> PerBlock<T> {
    /// Looks at every value until one fails.
    pub(crate) fn each(&self, check: &mut dyn FnMut(&T) -> Result<(), String>) -> Result<(), String> {
        match self {
            Self::One(value) => check(value),
            Self::Each(values) => values.iter().try_for_each(check),
        }
    }

    /// One value per block, or an error that names the field.
    pub(crate) fn resolve(&self, blocks: usize, field: &str) -> Result<Vec<T>, String> {
        match self {
            Self::One(value) => Ok(vec![value.clone(); blocks]),
            Self::Each(values) if values.len() == blocks => Ok(values.clone()),
            Self::Each(values) => {
                Err(format!("{field} has {} entries, expected one per block: {blocks}", values.len()))
            }
        }
    }
}

/// `model_index.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelIndex {
    #[serde(rename = "_class_name")]
    pub(crate) class_name: String,
    #[serde(default = "yes")]
    pub(crate) force_zeros_for_empty_prompt: bool,
    /// Library and class; the refiner has neither.
    #[serde(default)]
    text_encoder: Option<(Option<String>, Option<String>)>,
}

impl ModelIndex {
    pub(crate) fn read(source: &Checkpoint) -> Result<Self, Error> {
        const FILE: &str = "model_index.json";
        let index: Self = source.json(FILE)?;
        if index.class_name.starts_with("StableDiffusionXL") && index.text_encoder == Some((None, None)) {
            let reason =
                "the model has no first text encoder: it is the SDXL refiner; choose the base model".to_owned();
            return Err(Error::Config { file: source.display(FILE), reason });
        }
        // Image-to-image and inpainting pipelines hold the same parts; an inpainting UNet fails by its 9 channels.
        if index.class_name.starts_with("StableDiffusionXL") {
            return Ok(index);
        }
        Err(Error::Config {
            file: source.display(FILE),
            reason: format!(
                "the model is a {}, expected a StableDiffusionXLPipeline: choose an SDXL model in diffusers layout",
                index.class_name
            ),
        })
    }
}

/// `unet/config.json` (`UNet2DConditionModel`).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct UnetConfig {
    #[serde(default = "four")]
    pub(crate) in_channels: usize,
    #[serde(default = "four")]
    pub(crate) out_channels: usize,
    #[serde(default)]
    pub(crate) sample_size: Option<PerBlock<usize>>,
    pub(crate) block_out_channels: Vec<usize>,
    pub(crate) down_block_types: Vec<String>,
    pub(crate) up_block_types: Vec<String>,
    #[serde(default)]
    pub(crate) mid_block_type: Option<String>,
    #[serde(default = "two_per_block")]
    pub(crate) layers_per_block: PerBlock<usize>,
    /// The number of heads: diffusers keeps the misleading name for the sake of old files.
    #[serde(default = "eight_per_block")]
    pub(crate) attention_head_dim: PerBlock<usize>,
    #[serde(default)]
    pub(crate) num_attention_heads: Option<PerBlock<usize>>,
    /// For each level one number, or one per layer.
    #[serde(default = "one_per_layer")]
    pub(crate) transformer_layers_per_block: PerBlock<PerBlock<usize>>,
    /// The same on the way up, the deepest level first, for UNets that are not symmetric.
    #[serde(default)]
    pub(crate) reverse_transformer_layers_per_block: Option<PerBlock<PerBlock<usize>>>,
    pub(crate) cross_attention_dim: PerBlock<usize>,
    #[serde(default = "thirty_two")]
    pub(crate) norm_num_groups: usize,
    #[serde(default = "small")]
    pub(crate) norm_eps: f64,
    #[serde(default = "silu")]
    pub(crate) act_fn: String,
    #[serde(default = "yes")]
    pub(crate) flip_sin_to_cos: bool,
    #[serde(default)]
    pub(crate) freq_shift: f64,
    #[serde(default)]
    pub(crate) addition_embed_type: Option<String>,
    #[serde(default)]
    pub(crate) addition_time_embed_dim: Option<usize>,
    #[serde(default)]
    pub(crate) projection_class_embeddings_input_dim: Option<usize>,
    #[serde(default = "one")]
    pub(crate) downsample_padding: usize,
    #[serde(flatten)]
    pub(crate) rest: serde_json::Map<String, serde_json::Value>,
}

/// `vae/config.json` (`AutoencoderKL`).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct VaeConfig {
    #[serde(default = "three")]
    pub(crate) in_channels: usize,
    #[serde(default = "three")]
    pub(crate) out_channels: usize,
    pub(crate) block_out_channels: Vec<usize>,
    /// Empty if the file does not say: then it is one `DownEncoderBlock2D` per level.
    #[serde(default)]
    pub(crate) down_block_types: Vec<String>,
    pub(crate) up_block_types: Vec<String>,
    #[serde(default = "one")]
    pub(crate) layers_per_block: usize,
    #[serde(default = "four")]
    pub(crate) latent_channels: usize,
    #[serde(default = "thirty_two")]
    pub(crate) norm_num_groups: usize,
    #[serde(default = "silu")]
    pub(crate) act_fn: String,
    #[serde(default = "sd1_scaling_factor")]
    pub(crate) scaling_factor: f64,
    #[serde(default)]
    pub(crate) shift_factor: Option<f64>,
    #[serde(default)]
    pub(crate) latents_mean: Option<Vec<f32>>,
    #[serde(default)]
    pub(crate) latents_std: Option<Vec<f32>>,
    #[serde(default = "maybe_yes")]
    pub(crate) force_upcast: Option<bool>,
    #[serde(default = "yes")]
    pub(crate) mid_block_add_attention: bool,
    #[serde(default = "yes")]
    pub(crate) use_quant_conv: bool,
    #[serde(default = "yes")]
    pub(crate) use_post_quant_conv: bool,
}

/// `text_encoder/config.json` and `text_encoder_2/config.json` (`CLIPTextModel`, `CLIPTextModelWithProjection`).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ClipConfig {
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    #[serde(default = "seventy_seven")]
    pub(crate) max_position_embeddings: usize,
    #[serde(default = "quick_gelu")]
    pub(crate) hidden_act: String,
    #[serde(default = "small")]
    pub(crate) layer_norm_eps: f64,
    #[serde(default = "clip_eos")]
    pub(crate) eos_token_id: Option<u32>,
    #[serde(default = "five_hundred_twelve")]
    pub(crate) projection_dim: usize,
}

fn yes() -> bool {
    true
}
fn maybe_yes() -> Option<bool> {
    Some(true)
}
fn one() -> usize {
    1
}
fn three() -> usize {
    3
}
fn four() -> usize {
    4
}
fn thirty_two() -> usize {
    32
}
fn seventy_seven() -> usize {
    77
}
fn five_hundred_twelve() -> usize {
    512
}
fn clip_eos() -> Option<u32> {
    Some(49407)
}
fn one_per_layer() -> PerBlock<PerBlock<usize>> {
    PerBlock::One(PerBlock::One(1))
}
fn two_per_block() -> PerBlock<usize> {
    PerBlock::One(2)
}
fn eight_per_block() -> PerBlock<usize> {
    PerBlock::One(8)
}
fn small() -> f64 {
    1e-5
}
fn silu() -> String {
    "silu".to_owned()
}
fn quick_gelu() -> String {
    "quick_gelu".to_owned()
}
/// The factor of the first Stable Diffusion, which diffusers takes when the file says nothing.
fn sd1_scaling_factor() -> f64 {
    0.18215
}

/// Fails unless a size is in a range that models have: larger ones would be asked of the memory, or overflow.
pub(crate) fn require_size(field: &str, value: usize, range: std::ops::RangeInclusive<usize>) -> Result<(), String> {
    require(range.contains(&value), || format!("{field} is {value}, expected {} to {}", range.start(), range.end()))
}

/// Fails with a sentence about `field` unless a condition of a configuration holds.
pub(crate) fn require(condition: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(reason()) }
}
