//! What `unet/config.json` says, checked: the sizes of all blocks, and a sentence for what the network does not do.

use super::TIME_IDS;
use super::blocks::{AttentionSizes, Common};
use crate::config::{PerBlock, UnetConfig, require, require_size};

/// The middle block without attention, of the distilled SSD-1B and Vega.
const PLAIN_MID_BLOCK: &str = "UNetMidBlock2D";

/// The sizes of all blocks, checked.
pub(super) struct Plan {
    pub(super) levels: Vec<Level>,
    /// The attention of the middle block, if it has any.
    pub(super) mid: Option<AttentionSizes>,
    pub(super) common: Common,
    pub(super) add_time_dim: usize,
    pub(super) added_inputs: usize,
}

pub(super) struct Level {
    pub(super) layers: usize,
    /// The attention of each layer on the way down; empty without attention.
    pub(super) down: Vec<AttentionSizes>,
    /// The same on the way up, where a level has one layer more.
    pub(super) up: Vec<AttentionSizes>,
}

impl Plan {
    pub(super) fn new(config: &UnetConfig) -> Result<Self, String> {
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
        let narrowest = (add_time_dim / 2).min(config.block_out_channels[0] / 2);
        require(config.freq_shift.is_finite() && config.freq_shift < narrowest as f64, || {
            format!("freq_shift is {}, expected a number below {narrowest}, usually 0", config.freq_shift)
        })?;
        let common = Common {
            time_embedding: 4 * config.block_out_channels[0],
            groups: config.norm_num_groups.max(1),
            eps: config.norm_eps,
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
