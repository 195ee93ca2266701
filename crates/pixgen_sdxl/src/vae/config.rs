//! What `vae/config.json` may say.

use crate::config::{VaeConfig, require, require_size};

/// Refuses what the network of this file does not do.
pub(super) fn check(config: &VaeConfig) -> std::result::Result<(), String> {
    let levels = config.block_out_channels.len();
    require_size("the number of entries of block_out_channels", levels, 1..=8)?;
    require_size("layers_per_block", config.layers_per_block, 1..=64)?;
    require_size("latent_channels", config.latent_channels, 1..=4096)?;
    config.block_out_channels.iter().try_for_each(|width| require_size("block_out_channels", *width, 1..=65_536))?;
    let types = [
        ("down_block_types", &config.down_block_types, "DownEncoderBlock2D"),
        ("up_block_types", &config.up_block_types, "UpDecoderBlock2D"),
    ];
    for (field, names, expected) in types {
        // A configuration of a decoder alone may be silent on the encoder.
        require(names.len() == levels || (names.is_empty() && field == "down_block_types"), || {
            format!("{field} has {} entries, expected one per entry of block_out_channels: {levels}", names.len())
        })?;
        for name in names {
            require(name == expected, || format!("{field} names the block type {name}, expected {expected}"))?;
        }
    }
    require(config.act_fn == "silu" || config.act_fn == "swish", || {
        format!("act_fn is {}, expected silu", config.act_fn)
    })?;
    for channels in &config.block_out_channels {
        require(
            *channels > 0 && config.norm_num_groups > 0 && channels.is_multiple_of(config.norm_num_groups),
            || {
                format!(
                    "block_out_channels holds {channels}, expected a multiple of norm_num_groups ({})",
                    config.norm_num_groups
                )
            },
        )?;
    }
    for (field, channels) in [("in_channels", config.in_channels), ("out_channels", config.out_channels)] {
        require(matches!(channels, 3 | 4), || format!("{field} is {channels}, expected 3 (RGB) or 4 (RGBA)"))?;
    }
    require(config.scaling_factor > 0.0 && config.scaling_factor.is_finite(), || {
        format!("scaling_factor is {}, expected a positive number", config.scaling_factor)
    })?;
    for (field, values) in [("latents_mean", &config.latents_mean), ("latents_std", &config.latents_std)] {
        let count = values.as_ref().map_or(config.latent_channels, Vec::len);
        require(count == config.latent_channels, || {
            format!("{field} has {count} entries, expected latent_channels: {}", config.latent_channels)
        })?;
    }
    let all = |values: &Option<Vec<f32>>, fits: fn(f32) -> bool| values.iter().flatten().all(|value| fits(*value));
    require(all(&config.latents_mean, f32::is_finite), || {
        "latents_mean holds a number that is not finite, expected the mean of each latent channel".to_owned()
    })?;
    require(all(&config.latents_std, |value| value.is_finite() && value > 0.0), || {
        "latents_std holds a number that is not positive, expected the deviation of each latent channel".to_owned()
    })?;
    Ok(())
}
