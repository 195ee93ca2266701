//! The UNet's tensor names in single files (`input_blocks.4.1…`, of the latent diffusion code) and in diffusers
//! (`down_blocks.1.attentions.0…`).
//!
//! Where a level begins and ends is read from the names themselves, so UNets of any number of levels and layers are
//! understood. Source: diffusers, `loaders/single_file_utils.py`, `convert_ldm_unet_checkpoint`.

use std::collections::{BTreeMap, BTreeSet};

/// Which level and layer a numbered block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    level: usize,
    layer: usize,
}

/// How the numbered blocks are spread over levels.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// Block number to place, for `input_blocks`; a downsampler has the place behind its level's last layer.
    inputs: BTreeMap<usize, Slot>,
    /// Block number to place, for `output_blocks`.
    outputs: BTreeMap<usize, Slot>,
}

impl Structure {
    /// `names` are those of the UNet, without the prefix of the file.
    pub(super) fn new(names: &BTreeSet<&str>) -> Self {
        let mut structure = Self::default();
        let (mut level, mut layer) = (0, 0);
        for number in numbers(names, "input_blocks.").into_iter().skip(1) {
            structure.inputs.insert(number, Slot { level, layer });
            if names.contains(format!("input_blocks.{number}.0.op.weight").as_str()) {
                (level, layer) = (level + 1, 0);
            } else {
                layer += 1;
            }
        }
        (level, layer) = (0, 0);
        for number in numbers(names, "output_blocks.") {
            structure.outputs.insert(number, Slot { level, layer });
            layer += 1;
            if [1, 2].iter().any(|at| names.contains(format!("output_blocks.{number}.{at}.conv.weight").as_str())) {
                (level, layer) = (level + 1, 0);
            }
        }
        structure
    }

    /// The diffusers name of a tensor; `None` for names that no UNet has.
    pub(super) fn diffusers_name(&self, name: &str) -> Option<String> {
        const FIXED: [(&str, &str); 7] = [
            ("time_embed.0.", "time_embedding.linear_1."),
            ("time_embed.2.", "time_embedding.linear_2."),
            ("label_emb.0.0.", "add_embedding.linear_1."),
            ("label_emb.0.2.", "add_embedding.linear_2."),
            ("input_blocks.0.0.", "conv_in."),
            ("out.0.", "conv_norm_out."),
            ("out.2.", "conv_out."),
        ];
        if let Some((from, to)) = FIXED.iter().find(|(from, _)| name.starts_with(from)) {
            return Some(format!("{to}{}", &name[from.len()..]));
        }
        let (kind, rest) = name.split_once('.')?;
        if kind == "middle_block" {
            let (number, rest) = rest.split_once('.')?;
            return match number {
                "0" => Some(format!("mid_block.resnets.0.{}", resnet_name(rest)?)),
                "1" => Some(format!("mid_block.attentions.0.{rest}")),
                "2" => Some(format!("mid_block.resnets.1.{}", resnet_name(rest)?)),
                _ => None,
            };
        }
        let mut parts = rest.splitn(3, '.');
        let (number, at, rest) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        let (Slot { level, layer }, block) = match kind {
            "input_blocks" => (self.inputs.get(&number)?, "down_blocks"),
            "output_blocks" => (self.outputs.get(&number)?, "up_blocks"),
            _ => return None,
        };
        // A downsampler has a block of its own; an upsampler is the last thing in its level's last block.
        let name = match (kind, at, rest) {
            ("input_blocks", "0", "op.weight") => "downsamplers.0.conv.weight".to_owned(),
            ("input_blocks", "0", "op.bias") => "downsamplers.0.conv.bias".to_owned(),
            ("output_blocks", "1" | "2", "conv.weight") => "upsamplers.0.conv.weight".to_owned(),
            ("output_blocks", "1" | "2", "conv.bias") => "upsamplers.0.conv.bias".to_owned(),
            (_, "0", _) => format!("resnets.{layer}.{}", resnet_name(rest)?),
            (_, "1", _) => format!("attentions.{layer}.{rest}"),
            _ => return None,
        };
        Some(format!("{block}.{level}.{name}"))
    }
}

/// The numbers that follow `prefix`, from 0 up to the first that is missing.
fn numbers(names: &BTreeSet<&str>, prefix: &str) -> Vec<usize> {
    let found: BTreeSet<usize> =
        names.iter().filter_map(|name| name.strip_prefix(prefix)?.split_once('.')?.0.parse().ok()).collect();
    found.into_iter().enumerate().take_while(|(index, number)| index == number).map(|(index, _)| index).collect()
}

fn resnet_name(name: &str) -> Option<String> {
    let (layer, kind) = name.rsplit_once('.')?;
    let layer = match layer {
        "in_layers.0" => "norm1",
        "in_layers.2" => "conv1",
        "emb_layers.1" => "time_emb_proj",
        "out_layers.0" => "norm2",
        "out_layers.3" => "conv2",
        "skip_connection" => "conv_shortcut",
        _ => return None,
    };
    Some(format!("{layer}.{kind}"))
}
