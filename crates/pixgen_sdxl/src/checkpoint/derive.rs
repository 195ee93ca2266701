//! The configuration files that a single file lacks, worked out from the names and shapes of its tensors.
//!
//! What shapes do not tell (groups of the norms, channels per head, activations, the scale of the latents) is SDXL's.
//! The result is JSON in diffusers' own words, so that it goes through the same checks as a file would.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Architecture, Routing};

/// Channels per attention head, in the UNet and in both text encoders.
const HEAD_CHANNELS: usize = 64;

/// Looks up shapes by diffusers name; whatever is missing is 0, and the loader names it.
struct Shapes<'a>(&'a Routing);

impl Shapes<'_> {
    fn dim(&self, name: &str, axis: usize) -> usize {
        self.0.get(name).and_then(|place| place.shape()?.get(axis).copied()).unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// How many of the numbered things exist whose first tensor is `prefix` + number + `suffix`.
    fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..self.0.len()).take_while(|index| self.has(&format!("{prefix}{index}{suffix}"))).count()
    }
}

/// `unet/config.json`. `pooled` is the width of the pooled text.
pub(super) fn unet(routing: &Routing, pooled: usize) -> Value {
    let shapes = Shapes(routing);
    let Depths { down, mid, up } = Depths::new(routing);
    let widths: Vec<usize> =
        (0..down.len()).map(|i| shapes.dim(&format!("down_blocks.{i}.resnets.0.conv2.weight"), 0)).collect();
    let attends = |depths: &[usize]| depths.iter().any(|depth| *depth > 0);
    let kind = |depths: &Vec<usize>, plain: &str| {
        if attends(depths) { format!("CrossAttn{plain}") } else { plain.to_owned() }
    };
    let mut down_depths: Vec<Value> = down.iter().map(|depths| json!(depths)).collect();
    // The middle block takes its depth from the last level.
    if let (Some(field), Some(depths)) = (down_depths.last_mut(), down.last())
        && mid > 0
        && (!attends(depths) || depths.iter().all(|depth| *depth == mid))
    {
        *field = json!(mid);
    }
    let context = routing
        .iter()
        .find(|(name, _)| name.ends_with("attn2.to_k.weight"))
        .and_then(|(_, place)| place.shape()?.get(1).copied())
        .unwrap_or_default();
    let added = shapes.dim("add_embedding.linear_1.weight", 1);
    json!({
        "in_channels": shapes.dim("conv_in.weight", 1),
        "out_channels": shapes.dim("conv_out.weight", 0),
        "sample_size": 128,
        "block_out_channels": widths,
        "down_block_types": down.iter().map(|depths| kind(depths, "DownBlock2D")).collect::<Vec<_>>(),
        "up_block_types": up.iter().map(|depths| kind(depths, "UpBlock2D")).collect::<Vec<_>>(),
        "mid_block_type": if mid > 0 { "UNetMidBlock2DCrossAttn" } else { "UNetMidBlock2D" },
        "layers_per_block": down.iter().map(Vec::len).collect::<Vec<_>>(),
        "attention_head_dim": widths.iter().map(|width| (width / HEAD_CHANNELS).max(1)).collect::<Vec<_>>(),
        "transformer_layers_per_block": down_depths,
        "reverse_transformer_layers_per_block": up,
        "cross_attention_dim": context,
        "norm_num_groups": 32,
        "norm_eps": 1e-5,
        "act_fn": "silu",
        "flip_sin_to_cos": true,
        "freq_shift": 0,
        "addition_embed_type": "text_time",
        // Six sizes, each as one embedding, and the pooled text.
        "addition_time_embed_dim": added.saturating_sub(pooled) / 6,
        "projection_class_embeddings_input_dim": added,
        "use_linear_projection": true,
        "downsample_padding": 1,
    })
}

/// How many transformer blocks follow each residual block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Depths {
    /// One list per level.
    pub(super) down: Vec<Vec<usize>>,
    /// 0 if the middle block does not attend.
    pub(super) mid: usize,
    /// One list per level, the deepest first.
    pub(super) up: Vec<Vec<usize>>,
}

impl Depths {
    pub(super) fn new(routing: &Routing) -> Self {
        let shapes = Shapes(routing);
        let blocks = |at: &str| shapes.count(&format!("{at}.transformer_blocks."), ".norm1.weight");
        let levels = |direction: &str| -> Vec<Vec<usize>> {
            (0..shapes.count(&format!("{direction}."), ".resnets.0.norm1.weight"))
                .map(|level| {
                    let layers = shapes.count(&format!("{direction}.{level}.resnets."), ".norm1.weight");
                    (0..layers).map(|layer| blocks(&format!("{direction}.{level}.attentions.{layer}"))).collect()
                })
                .collect()
        };
        Self { down: levels("down_blocks"), mid: blocks("mid_block.attentions.0"), up: levels("up_blocks") }
    }
}

/// What shapes do not tell of an autoencoder.
pub(super) fn sdxl_vae() -> Value {
    json!({ "norm_num_groups": 32, "act_fn": "silu", "scaling_factor": 0.13025, "force_upcast": true, "sample_size": 1024 })
}

/// `vae/config.json`; what shapes do not tell is taken from `assumed`, the configuration of another autoencoder.
pub(super) fn vae(routing: &Routing, assumed: &Value) -> Value {
    let shapes = Shapes(routing);
    let up_levels = shapes.count("decoder.up_blocks.", ".resnets.0.conv1.weight");
    let widths: Vec<usize> =
        (0..up_levels).rev().map(|i| shapes.dim(&format!("decoder.up_blocks.{i}.resnets.0.conv1.weight"), 0)).collect();
    let layers = shapes.count("decoder.up_blocks.0.resnets.", ".conv1.weight");
    let latents = shapes.dim("decoder.conv_in.weight", 1);
    let mut config: HashMap<String, Value> =
        assumed.as_object().map(|fields| fields.clone().into_iter().collect()).unwrap_or_default();
    let derived = json!({
        "in_channels": if shapes.has("encoder.conv_in.weight") { shapes.dim("encoder.conv_in.weight", 1) } else { 3 },
        "out_channels": shapes.dim("decoder.conv_out.weight", 0),
        "block_out_channels": widths,
        "down_block_types": vec!["DownEncoderBlock2D"; up_levels],
        "up_block_types": vec!["UpDecoderBlock2D"; up_levels],
        "layers_per_block": layers.saturating_sub(1),
        "latent_channels": latents,
        "mid_block_add_attention": shapes.has("decoder.mid_block.attentions.0.to_q.weight"),
        "use_quant_conv": shapes.has("quant_conv.weight"),
        "use_post_quant_conv": shapes.has("post_quant_conv.weight"),
    });
    for (field, value) in derived.as_object().into_iter().flatten() {
        config.insert(field.clone(), value.clone());
    }
    // Statistics of other latents say nothing about these.
    let fits = |value: &Value| value.as_array().is_none_or(|values| values.len() == latents);
    config.retain(|field, value| !field.starts_with("latents_") || fits(value));
    json!(config)
}

/// `text_encoder/config.json`, or `text_encoder_2/config.json`: the one that has a projection.
pub(super) fn clip(routing: &Routing) -> Value {
    let shapes = Shapes(routing);
    let token_embedding = "text_model.embeddings.token_embedding.weight";
    let hidden = shapes.dim(token_embedding, 1);
    let projection = "text_projection.weight";
    json!({
        "vocab_size": shapes.dim(token_embedding, 0),
        "hidden_size": hidden,
        "intermediate_size": shapes.dim("text_model.encoder.layers.0.mlp.fc1.weight", 0),
        "num_hidden_layers": shapes.count("text_model.encoder.layers.", ".layer_norm1.weight"),
        "num_attention_heads": hidden / HEAD_CHANNELS,
        "max_position_embeddings": shapes.dim("text_model.embeddings.position_embedding.weight", 0),
        "hidden_act": if shapes.has(projection) { "gelu" } else { "quick_gelu" },
        "layer_norm_eps": 1e-5,
        // As in SDXL's own files: the end of the text is the largest id.
        "eos_token_id": 2,
        "projection_dim": shapes.dim(projection, 0),
    })
}

/// `scheduler/scheduler_config.json`: SDXL's, with what the file says of its training.
pub(super) fn scheduler(prediction_type: &str, zero_terminal_snr: bool) -> Value {
    json!({
        "_class_name": "EulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "interpolation_type": "linear",
        "prediction_type": prediction_type,
        "rescale_betas_zero_snr": zero_terminal_snr,
        // Only the very last training step has no signal, and "leading" never visits it (Lin et al. 2023, section 3.3).
        "timestep_spacing": if zero_terminal_snr { "trailing" } else { "leading" },
        "steps_offset": 1,
        "clip_sample": false,
        "set_alpha_to_one": false,
        "use_karras_sigmas": false,
    })
}

/// What the sizes of a UNet say that the model is.
pub(super) fn architecture(unet: &Routing) -> Architecture {
    let shapes = Shapes(unet);
    let Depths { down, mid, .. } = Depths::new(unet);
    let is_sdxl_wide = shapes.dim("conv_in.weight", 0) == 320
        && shapes.dim("add_embedding.linear_1.weight", 1) == 2816
        && down.iter().all(|depths| depths.len() == 2);
    let depths: Vec<usize> = down.iter().filter_map(|depths| depths.first().copied()).collect();
    match (is_sdxl_wide, depths.as_slice(), mid) {
        (true, [0, 2, 10], 10) => Architecture::SdxlBase,
        (true, [0, 2, 4], 0) => Architecture::Ssd1b,
        (true, [0, 1, 2], 0) => Architecture::SegmindVega,
        _ => Architecture::Other,
    }
}
