//! The autoencoder's tensor names in single files, in diffusers today, and in diffusers before 0.15.
//!
//! Source: diffusers, `loaders/single_file_utils.py`, `convert_ldm_vae_checkpoint`.

/// The diffusers name of a tensor that a single file calls `name`, in an autoencoder of `levels` levels. `None` for
/// names that no autoencoder has.
pub(super) fn diffusers_name(name: &str, levels: usize) -> Option<String> {
    let fixed = ["quant_conv.", "post_quant_conv.", "encoder.conv_", "decoder.conv_"];
    if fixed.iter().any(|beginning| name.starts_with(beginning)) {
        return Some(name.to_owned());
    }
    let (half, rest) = name.split_once('.').filter(|(half, _)| matches!(*half, "encoder" | "decoder"))?;
    if let Some(rest) = rest.strip_prefix("norm_out.") {
        return Some(format!("{half}.conv_norm_out.{rest}"));
    }
    if let Some(rest) = rest.strip_prefix("mid.") {
        let (part, rest) = rest.split_once('.')?;
        return match part {
            "block_1" => Some(format!("{half}.mid_block.resnets.0.{}", resnet_name(rest))),
            "block_2" => Some(format!("{half}.mid_block.resnets.1.{}", resnet_name(rest))),
            "attn_1" => Some(format!("{half}.mid_block.attentions.0.{}", attention_name(rest)?)),
            _ => None,
        };
    }
    let (direction, rest) = rest.split_once('.')?;
    let (level, rest) = rest.split_once('.')?;
    let level: usize = level.parse().ok()?;
    // The way up is numbered from the image here, from the latent in diffusers.
    let (blocks, level, samplers) = match (half, direction) {
        ("encoder", "down") => ("down_blocks", level, ("downsample.conv.", "downsamplers")),
        ("decoder", "up") => ("up_blocks", levels.checked_sub(level + 1)?, ("upsample.conv.", "upsamplers")),
        _ => return None,
    };
    let rest = match (rest.strip_prefix("block."), rest.strip_prefix(samplers.0)) {
        (Some(rest), _) => {
            let (layer, rest) = rest.split_once('.')?;
            format!("resnets.{layer}.{}", resnet_name(rest))
        }
        (None, Some(rest)) => format!("{}.0.conv.{rest}", samplers.1),
        (None, None) => return None,
    };
    Some(format!("{half}.{blocks}.{level}.{rest}"))
}

fn resnet_name(name: &str) -> String {
    name.replacen("nin_shortcut.", "conv_shortcut.", 1)
}

fn attention_name(name: &str) -> Option<String> {
    let (layer, kind) = name.split_once('.')?;
    let layer = match layer {
        "norm" => "group_norm",
        "q" => "to_q",
        "k" => "to_k",
        "v" => "to_v",
        "proj_out" => "to_out.0",
        _ => return None,
    };
    Some(format!("{layer}.{kind}"))
}

/// The name that diffusers gives today to a tensor of one of its files.
pub(super) fn modern_name(name: &str) -> String {
    const OLD: [(&str, &str); 4] =
        [("query.", "to_q."), ("key.", "to_k."), ("value.", "to_v."), ("proj_attn.", "to_out.0.")];
    let Some((before, rest)) = name.split_once("mid_block.attentions.0.") else { return name.to_owned() };
    let renamed = OLD.iter().find_map(|(old, new)| Some(format!("{new}{}", rest.strip_prefix(old)?)));
    format!("{before}mid_block.attentions.0.{}", renamed.as_deref().unwrap_or(rest))
}
