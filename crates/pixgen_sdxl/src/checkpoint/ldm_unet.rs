//! The UNet's tensor names in single files (`input_blocks.4.1…`, of the latent diffusion code) and in diffusers
//! (`down_blocks.1.attentions.0…`).
//!
//! Where a level begins and ends is read from the names themselves, so UNets of any number of levels and layers are
//! understood. Source: diffusers, `loaders/single_file_utils.py`, `convert_ldm_unet_checkpoint`.

use std::collections::{BTreeMap, BTreeSet};

use crate::ldm_names;

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
        if let Some(renamed) = ldm_names::TOP.iter().find_map(|(to, from)| ldm_names::renamed(name, from, to)) {
            return Some(renamed);
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
    ldm_names::RESNET.iter().find_map(|(to, from)| ldm_names::renamed(name, from, to))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ldm_names::{BlockLayout, UnetLayout};

    /// The other direction, which adapters need, is computed from the layout: both must agree.
    #[test]
    fn there_and_back() {
        let block = |resnets, attends, resamples| BlockLayout { resnets, attends, resamples };
        let layouts = [
            UnetLayout {
                down: vec![block(2, false, true), block(2, true, true), block(2, true, false)],
                up: vec![block(3, true, true), block(3, true, true), block(3, false, false)],
            },
            UnetLayout {
                down: vec![block(1, true, true), block(3, false, true), block(2, true, true), block(2, false, false)],
                up: vec![block(3, false, true), block(3, true, true), block(4, false, true), block(2, true, false)],
            },
        ];
        for layout in layouts {
            let mut names = vec!["conv_in".to_owned(), "conv_out".to_owned(), "time_embedding.linear_2".to_owned()];
            for (place, sampler, blocks) in
                [("down_blocks", "downsamplers", &layout.down), ("up_blocks", "upsamplers", &layout.up)]
            {
                for (index, block) in blocks.iter().enumerate() {
                    for layer in 0..block.resnets {
                        names.push(format!("{place}.{index}.resnets.{layer}.conv1"));
                        names.push(format!("{place}.{index}.resnets.{layer}.conv_shortcut"));
                        if block.attends {
                            names.push(format!("{place}.{index}.attentions.{layer}.proj_in"));
                        }
                    }
                    if block.resamples {
                        names.push(format!("{place}.{index}.{sampler}.0.conv"));
                    }
                }
            }
            names.extend(
                ["resnets.0.conv1", "attentions.0.proj_in", "resnets.1.norm2"].map(|name| format!("mid_block.{name}")),
            );
            let names: Vec<String> = names.into_iter().map(|name| name + ".weight").collect();
            assert_eq!(UnetLayout::of(names.iter().map(String::as_str)), layout);
            let ldm: Vec<String> = names.iter().map(|name| layout.ldm(name).unwrap()).collect();
            let structure = Structure::new(&ldm.iter().map(String::as_str).collect());
            for (name, ldm) in names.iter().zip(&ldm) {
                assert_eq!(structure.diffusers_name(ldm).as_deref(), Some(name.as_str()), "{ldm}");
            }
        }
    }
}
