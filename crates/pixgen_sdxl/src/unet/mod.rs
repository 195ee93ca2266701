//! The denoising network of SDXL (`UNet2DConditionModel` with `text_time` conditioning).

mod attention;
mod blocks;
mod embedding;
mod pass;
mod resnet;

pub use pass::FrameAttention;
pub(crate) use pass::Surroundings;
pub(crate) use resnet::{ResnetBlock, ResnetSizes};

use candle_core::{DType, Device, Tensor};

use self::attention::TextKeys;
use self::blocks::{AttentionSizes, Common, DownBlock, MidBlock, UpBlock, UpChannels};
use self::embedding::{EmbeddingMlp, Sinusoid};
use self::pass::Pass;
use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::{PerBlock, UnetConfig, require, require_size};
use crate::nn::{Conv2d, GroupNorm};
use crate::params::Params;
use crate::weights::{Scope, Weights};

const FILE: &str = "unet/config.json";
/// The middle block without attention, of the distilled SSD-1B and Vega.
const PLAIN_MID_BLOCK: &str = "UNetMidBlock2D";
/// The numbers that say how large the training image was: (height, width) three times.
pub(crate) const TIME_IDS: usize = 6;

/// The denoising network.
#[derive(Debug)]
pub(crate) struct Unet {
    config: UnetConfig,
    time_sinusoid: Sinusoid,
    time_embedding: EmbeddingMlp,
    add_sinusoid: Sinusoid,
    add_embedding: EmbeddingMlp,
    conv_in: Conv2d,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    params: Params,
    dtype: DType,
    device: Device,
}

/// What the network is told besides the noisy latent and the time; the same in every step of a run.
#[derive(Clone, Debug)]
pub(crate) struct Conditioning {
    /// Keys and values of the text for each attention layer, in the order of the forward pass.
    text_keys: Vec<TextKeys>,
    /// (b, time embedding channels)
    added: Tensor,
}

impl Conditioning {
    /// The conditioning of `images` images for each of its rows, one row's images after another.
    pub(crate) fn repeat(&self, images: usize) -> candle_core::Result<Self> {
        Ok(Self {
            text_keys: self.text_keys.iter().map(|keys| keys.repeat(images)).collect::<candle_core::Result<_>>()?,
            added: repeat_rows(&self.added, images)?,
        })
    }
}

/// (b, …) → (b · times, …), each row's copies next to each other.
fn repeat_rows(x: &Tensor, times: usize) -> candle_core::Result<Tensor> {
    if times == 1 {
        return Ok(x.clone());
    }
    let rows: Vec<u32> = (0..x.dim(0)? as u32).flat_map(|row| std::iter::repeat_n(row, times)).collect();
    x.index_select(&Tensor::new(rows, x.device())?, 0)
}

impl Unet {
    pub(crate) fn load(source: &Checkpoint, device: &Device, dtype: DType) -> Result<Self, Error> {
        let config: UnetConfig = source.json(FILE)?;
        let plan = Plan::new(&config).map_err(|reason| Error::Config { file: source.display(FILE), reason })?;
        let weights = Weights::open(source, "unet", "diffusion_pytorch_model", device, dtype)?;
        let mut unet = Self::build(&weights.root(), config, plan, device, dtype)?;
        unet.params = weights.finish()?;
        Ok(unet)
    }

    fn build(root: &Scope<'_>, config: UnetConfig, plan: Plan, device: &Device, dtype: DType) -> Result<Self, Error> {
        let Plan { levels, mid, common, add_time_dim, added_inputs } = plan;
        let widths = &config.block_out_channels;
        let last = levels.len() - 1;
        let mut down_blocks = Vec::new();
        for (i, level) in levels.iter().enumerate() {
            let scope = root.pp("down_blocks").pp(i);
            let channels = (widths[i.saturating_sub(1)], widths[i]);
            down_blocks.push(DownBlock::load(&scope, &common, channels, level.layers, &level.down, i != last)?);
        }
        let mid_block = MidBlock::load(&root.pp("mid_block"), &common, widths[last], mid)?;
        let mut up_blocks = Vec::new();
        for (i, level) in levels.iter().rev().enumerate() {
            let scope = root.pp("up_blocks").pp(i);
            let at = last - i;
            let channels = UpChannels {
                below: widths[(at + 1).min(last)],
                outputs: widths[at],
                above: widths[at.saturating_sub(1)],
            };
            up_blocks.push(UpBlock::load(&scope, &common, channels, level.layers + 1, &level.up, at != 0)?);
        }
        let sinusoid = |dim| Sinusoid::new(dim, config.flip_sin_to_cos, config.freq_shift);
        Ok(Self {
            time_sinusoid: sinusoid(widths[0]),
            time_embedding: EmbeddingMlp::load(&root.pp("time_embedding"), widths[0], common.time_embedding)?,
            add_sinusoid: sinusoid(add_time_dim),
            add_embedding: EmbeddingMlp::load(&root.pp("add_embedding"), added_inputs, common.time_embedding)?,
            conv_in: Conv2d::load(&root.pp("conv_in"), config.in_channels, widths[0], 3)?,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::load(&root.pp("conv_norm_out"), widths[0], common.groups, common.eps)?,
            conv_out: Conv2d::load(&root.pp("conv_out"), widths[0], config.out_channels, 3)?,
            params: Params::default(),
            config,
            dtype,
            device: device.clone(),
        })
    }

    /// The weights by name.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// Latent cells per cell of the deepest level, along each axis.
    pub(crate) fn factor(&self) -> usize {
        1 << (self.config.block_out_channels.len() - 1)
    }

    /// Latent channels.
    pub(crate) fn channels(&self) -> usize {
        self.config.in_channels
    }

    /// Channels of the text tokens.
    pub(crate) fn context_channels(&self) -> Option<usize> {
        match &self.config.cross_attention_dim {
            PerBlock::One(channels) => Some(*channels),
            PerBlock::Each(channels) => channels.first().copied(),
        }
    }

    /// Channels of the pooled text.
    pub(crate) fn pooled_channels(&self) -> Option<usize> {
        let sizes = TIME_IDS * self.config.addition_time_embed_dim?;
        self.config.projection_class_embeddings_input_dim?.checked_sub(sizes)
    }

    /// Edge of the latents that the network was trained on (the longer one).
    pub(crate) fn sample_size(&self) -> Option<usize> {
        match self.config.sample_size.as_ref()? {
            PerBlock::One(size) => Some(*size),
            PerBlock::Each(sizes) => sizes.iter().copied().max(),
        }
    }

    /// Computes everything that does not change from step to step.
    ///
    /// `context` (b, tokens, context channels), `pooled` (b, pooled channels), `time_ids` one row per image: original
    /// height and width, crop top and left, target height and width, in pixels.
    pub(crate) fn condition(
        &self,
        context: &Tensor,
        pooled: &Tensor,
        time_ids: &[[f32; TIME_IDS]],
    ) -> candle_core::Result<Conditioning> {
        let context = context.to_dtype(self.dtype)?;
        let mut text_keys = Vec::new();
        for block in &self.down_blocks {
            block.text_keys(&context, &mut text_keys)?;
        }
        self.mid_block.text_keys(&context, &mut text_keys)?;
        for block in &self.up_blocks {
            block.text_keys(&context, &mut text_keys)?;
        }
        // (b · 6, dim) → (b, 6 · dim)
        let sizes = self.add_sinusoid.embed(time_ids.as_flattened(), &self.device, self.dtype)?;
        let sizes = sizes.reshape((time_ids.len(), ()))?;
        let added = self.add_embedding.forward(&Tensor::cat(&[pooled.to_dtype(self.dtype)?, sizes], 1)?)?;
        Ok(Conditioning { text_keys, added })
    }

    /// Predicts from a noisy `sample` (b, latent channels, h, w) at `timestep` (0 to 999): same shape, f32.
    pub(crate) fn forward(
        &self,
        sample: &Tensor,
        timestep: f32,
        conditioning: &Conditioning,
        surroundings: Surroundings,
    ) -> candle_core::Result<Tensor> {
        let Conditioning { text_keys, added } = conditioning;
        let time = self.time_sinusoid.embed(&[timestep], &self.device, self.dtype)?;
        // (1, channels) + (b, channels); every residual block applies SiLU to the sum first, so it is done once here.
        let silu_temb = self.time_embedding.forward(&time)?.broadcast_add(added)?.silu()?;
        let seamless = surroundings.seamless;
        let pass = Pass { silu_temb, surroundings };
        let mut keys = text_keys.iter();

        let mut x = self.conv_in.forward(&sample.to_dtype(self.dtype)?, seamless)?;
        let mut skips = vec![x.clone()];
        for block in &self.down_blocks {
            x = block.forward(&x, &pass, &mut keys, &mut skips)?;
        }
        x = self.mid_block.forward(&x, &pass, &mut keys)?;
        for block in &self.up_blocks {
            x = block.forward(&x, &pass, &mut keys, &mut skips)?;
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x)?, seamless)?.to_dtype(DType::F32)
    }
}

/// The sizes of all blocks, checked.
struct Plan {
    levels: Vec<Level>,
    /// The attention of the middle block, if it has any.
    mid: Option<AttentionSizes>,
    common: Common,
    add_time_dim: usize,
    added_inputs: usize,
}

struct Level {
    layers: usize,
    /// The attention of each layer on the way down; empty without attention.
    down: Vec<AttentionSizes>,
    /// The same on the way up, where a level has one layer more.
    up: Vec<AttentionSizes>,
}

impl Plan {
    fn new(config: &UnetConfig) -> Result<Self, String> {
        let count = config.block_out_channels.len();
        check_sizes(config)?;
        for (field, types) in
            [("down_block_types", &config.down_block_types), ("up_block_types", &config.up_block_types)]
        {
            require(types.len() == count, || {
                format!("{field} has {} entries, expected one per entry of block_out_channels: {count}", types.len())
            })?;
        }
        check_supported(config)?;
        let heads = config.num_attention_heads.as_ref().unwrap_or(&config.attention_head_dim);
        let heads = heads.resolve(count, "attention_head_dim")?;
        let layers = config.layers_per_block.resolve(count, "layers_per_block")?;
        let down_depths = config.transformer_layers_per_block.resolve(count, "transformer_layers_per_block")?;
        let mut up_depths = match &config.reverse_transformer_layers_per_block {
            Some(depths) => depths.resolve(count, "reverse_transformer_layers_per_block")?,
            None => down_depths.iter().rev().cloned().collect(),
        };
        up_depths.reverse();
        let mid_attends = config.mid_block_type.as_deref() != Some(PLAIN_MID_BLOCK);
        let contexts = config.cross_attention_dim.resolve(count, "cross_attention_dim")?;
        require(contexts.iter().all(|size| *size == contexts[0]), || {
            format!("cross_attention_dim is {contexts:?}, expected the same number for all blocks")
        })?;
        let mut levels = Vec::with_capacity(count);
        for i in 0..count {
            let channels = config.block_out_channels[i];
            require(channels > 0 && channels.is_multiple_of(config.norm_num_groups.max(1)), || {
                format!(
                    "block_out_channels[{i}] is {channels}, expected a multiple of norm_num_groups ({})",
                    config.norm_num_groups
                )
            })?;
            let down_attends = attends(&config.down_block_types[i], "DownBlock2D", "down_block_types")?;
            let up_attends = attends(&config.up_block_types[count - 1 - i], "UpBlock2D", "up_block_types")?;
            let in_use = down_attends || up_attends || (i == count - 1 && mid_attends);
            require(!in_use || (heads[i] > 0 && channels.is_multiple_of(heads[i])), || {
                format!(
                    "attention_head_dim[{i}] (the number of heads) is {}, expected a divisor of {channels} channels",
                    heads[i]
                )
            })?;
            let sizes = |depths: &PerBlock<usize>, layers, field| -> Result<Vec<AttentionSizes>, String> {
                let depths = depths.resolve(layers, field)?;
                Ok(depths
                    .into_iter()
                    .map(|depth| AttentionSizes { heads: heads[i], layers: depth, context: contexts[i] })
                    .collect())
            };
            let down = if down_attends {
                sizes(&down_depths[i], layers[i], "transformer_layers_per_block of a level")?
            } else {
                Vec::new()
            };
            let up = if up_attends {
                sizes(&up_depths[i], layers[i] + 1, "reverse_transformer_layers_per_block of a level")?
            } else {
                Vec::new()
            };
            levels.push(Level { layers: layers[i], down, up });
        }
        let last = count - 1;
        let mid = if mid_attends {
            let depth = down_depths[last].resolve(1, "transformer_layers_per_block of the middle block")?;
            depth.first().map(|depth| AttentionSizes { heads: heads[last], layers: *depth, context: contexts[last] })
        } else {
            None
        };
        let add_time_dim = config.addition_time_embed_dim.unwrap_or_default();
        let added_inputs = config.projection_class_embeddings_input_dim.unwrap_or_default();
        require(add_time_dim > 0 && added_inputs > TIME_IDS * add_time_dim, || {
            format!(
                "addition_time_embed_dim is {add_time_dim} and projection_class_embeddings_input_dim is {added_inputs}, \
                 expected the second to hold the first six times and the pooled text"
            )
        })?;
        let common = Common {
            time_embedding: 4 * config.block_out_channels[0],
            groups: config.norm_num_groups.max(1),
            eps: config.norm_eps,
            upcast: config.upcast_attention.unwrap_or(false),
        };
        Ok(Self { levels, mid, common, add_time_dim, added_inputs })
    }
}

/// Refuses sizes that no model has, before anything is computed from them.
fn check_sizes(config: &UnetConfig) -> Result<(), String> {
    const WIDEST: usize = 65_536;
    require_size("the number of entries of block_out_channels", config.block_out_channels.len(), 1..=8)?;
    config.block_out_channels.iter().try_for_each(|width| require_size("block_out_channels", *width, 1..=WIDEST))?;
    require_size("in_channels", config.in_channels, 1..=4096)?;
    require_size("norm_num_groups", config.norm_num_groups, 1..=WIDEST)?;
    config.layers_per_block.each(&mut |layers| require_size("layers_per_block", *layers, 1..=64))?;
    config.cross_attention_dim.each(&mut |width| require_size("cross_attention_dim", *width, 1..=WIDEST))?;
    let depths = [Some(&config.transformer_layers_per_block), config.reverse_transformer_layers_per_block.as_ref()];
    for depths in depths.into_iter().flatten() {
        let size = &mut |depth: &usize| require_size("transformer_layers_per_block", *depth, 0..=1000);
        depths.each(&mut |level| level.each(size))?;
    }
    if let Some(sizes) = &config.sample_size {
        sizes.each(&mut |size| require_size("sample_size", *size, 1..=WIDEST))?;
    }
    require_size("addition_time_embed_dim", config.addition_time_embed_dim.unwrap_or(1), 1..=WIDEST)?;
    let added = config.projection_class_embeddings_input_dim.unwrap_or(1);
    require_size("projection_class_embeddings_input_dim", added, 1..=1_000_000)
}

/// Whether a block of this type has transformers.
fn attends(name: &str, plain: &str, field: &str) -> Result<bool, String> {
    if name == plain {
        Ok(false)
    } else if name.strip_prefix("CrossAttn") == Some(plain) {
        Ok(true)
    } else {
        Err(format!("{field} names the block type {name}, expected {plain} or CrossAttn{plain}"))
    }
}

/// Refuses what the network of this file does not do, instead of drawing noise with it.
fn check_supported(config: &UnetConfig) -> Result<(), String> {
    use serde_json::{Value, json};

    require(config.act_fn == "silu" || config.act_fn == "swish", || {
        format!("act_fn is {}, expected silu", config.act_fn)
    })?;
    let addition = config.addition_embed_type.as_deref().unwrap_or("null");
    require(addition == "text_time", || {
        format!("addition_embed_type is {addition}, expected text_time: this is no SDXL base model")
    })?;
    let mid = config.mid_block_type.as_deref().unwrap_or("UNetMidBlock2DCrossAttn");
    require(mid == "UNetMidBlock2DCrossAttn" || mid == PLAIN_MID_BLOCK, || {
        format!("mid_block_type is {mid}, expected UNetMidBlock2DCrossAttn or {PLAIN_MID_BLOCK}")
    })?;
    require(config.in_channels == config.out_channels, || {
        format!(
            "in_channels is {} and out_channels is {}, expected the same: inpainting models cannot be used",
            config.in_channels, config.out_channels
        )
    })?;
    require(config.downsample_padding == 1, || {
        format!("downsample_padding is {}, expected 1", config.downsample_padding)
    })?;
    // Options of the UNet class that no SDXL base model uses, with the one value that is followed.
    let neutral = [
        ("attention_type", json!("default")),
        ("center_input_sample", json!(false)),
        ("class_embed_type", Value::Null),
        ("conv_in_kernel", json!(3)),
        ("conv_out_kernel", json!(3)),
        ("cross_attention_norm", Value::Null),
        ("dual_cross_attention", json!(false)),
        ("encoder_hid_dim", Value::Null),
        ("encoder_hid_dim_type", Value::Null),
        ("mid_block_only_cross_attention", Value::Null),
        ("mid_block_scale_factor", json!(1)),
        ("num_class_embeds", Value::Null),
        ("only_cross_attention", json!(false)),
        ("resnet_out_scale_factor", json!(1.0)),
        ("resnet_skip_time_act", json!(false)),
        ("resnet_time_scale_shift", json!("default")),
        ("time_cond_proj_dim", Value::Null),
        ("time_embedding_act_fn", Value::Null),
        ("time_embedding_dim", Value::Null),
        ("time_embedding_type", json!("positional")),
        ("timestep_post_act", Value::Null),
    ];
    for (field, expected) in neutral {
        if let Some(found) = config.rest.get(field) {
            // `null`, `false` and 1 against 1.0 mean the same to diffusers.
            let same = match (found.as_f64(), expected.as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
                _ => *found == expected || (is_unset(found) && is_unset(&expected)),
            };
            require(same, || format!("{field} is {found}, expected {expected}"))?;
        }
    }
    Ok(())
}

fn is_unset(value: &serde_json::Value) -> bool {
    value.is_null() || *value == serde_json::Value::Bool(false)
}
