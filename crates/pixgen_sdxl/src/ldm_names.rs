//! The UNet's names in LDM layout (`input_blocks`, `middle_block`, `output_blocks`), which single-file checkpoints and
//! many adapters use, from its names in diffusers layout.
//!
//! The rule is that of diffusers' `convert_ldm_unet_checkpoint`, for any number of levels and layers: LDM numbers the
//! layers of all levels through, and a layer holds its residual block, its transformer and its resampling in turn.

/// Layers outside of the blocks: diffusers' name and LDM's.
pub(crate) const TOP: [(&str, &str); 7] = [
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
    ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
];

/// Layers of a residual block: diffusers' name and LDM's.
pub(crate) const RESNET: [(&str, &str); 6] = [
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
];

/// What the names of a UNet depend on: the layers of its blocks, from the first block on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnetLayout {
    pub(crate) down: Vec<BlockLayout>,
    pub(crate) up: Vec<BlockLayout>,
}

/// One block on the way down or up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockLayout {
    pub(crate) resnets: usize,
    /// Whether a transformer follows each residual block.
    pub(crate) attends: bool,
    /// Whether it ends with a change of size.
    pub(crate) resamples: bool,
}

impl UnetLayout {
    /// The layout of a UNet whose tensors or modules have these diffusers names.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut layout = Self::default();
        for name in names {
            let mut parts = name.split('.');
            let blocks = match parts.next() {
                Some("down_blocks") => &mut layout.down,
                Some("up_blocks") => &mut layout.up,
                _ => continue,
            };
            let (Some(block), Some(part), Some(layer)) = (number(parts.next()), parts.next(), number(parts.next()))
            else {
                continue;
            };
            if blocks.len() <= block {
                blocks.resize(block + 1, BlockLayout::default());
            }
            match part {
                "resnets" => blocks[block].resnets = blocks[block].resnets.max(layer + 1),
                "attentions" => blocks[block].attends = true,
                "downsamplers" | "upsamplers" => blocks[block].resamples = true,
                _ => {}
            }
        }
        layout
    }

    /// The LDM name of a tensor or module with this diffusers name, without `model.diffusion_model.`; `None` for names
    /// that a UNet of this layout does not have.
    pub(crate) fn ldm(&self, name: &str) -> Option<String> {
        if let Some(ldm) = TOP.iter().find_map(|(from, to)| renamed(name, from, to)) {
            return Some(ldm);
        }
        let mut parts = name.splitn(5, '.');
        let (place, first) = (parts.next()?, parts.next()?);
        if place == "mid_block" {
            let (part, layer) = (first, number(parts.next())?);
            let rest = rest_of(name, 3)?;
            return match (part, layer) {
                ("resnets", 0) => Some(format!("middle_block.0.{}", resnet(rest)?)),
                ("attentions", 0) => Some(format!("middle_block.1.{rest}")),
                ("resnets", 1) => Some(format!("middle_block.2.{}", resnet(rest)?)),
                _ => None,
            };
        }
        let (block, part, layer) = (number(Some(first))?, parts.next()?, number(parts.next())?);
        let rest = rest_of(name, 4)?;
        let (side, blocks) = match place {
            "down_blocks" => ("input_blocks", &self.down),
            "up_blocks" => ("output_blocks", &self.up),
            _ => return None,
        };
        let layout = blocks.get(block)?;
        // `conv_in` is the first input block, and so is each downsampler one of its own; an upsampler belongs to the
        // last layer of its block.
        let down = place == "down_blocks";
        let before: usize = blocks[..block].iter().map(|b| b.resnets + usize::from(down && b.resamples)).sum();
        let start = before + usize::from(down);
        match part {
            "resnets" if layer < layout.resnets => Some(format!("{side}.{}.0.{}", start + layer, resnet(rest)?)),
            "attentions" if layer < layout.resnets => Some(format!("{side}.{}.1.{rest}", start + layer)),
            "downsamplers" if down => Some(format!("{side}.{}.0.op{}", start + layout.resnets, below(rest, "conv")?)),
            "upsamplers" if !down => {
                let place = if layout.attends { 2 } else { 1 };
                Some(format!("{side}.{}.{place}.{rest}", (start + layout.resnets).checked_sub(1)?))
            }
            _ => None,
        }
    }
}

fn resnet(rest: &str) -> Option<String> {
    RESNET.iter().find_map(|(from, to)| renamed(rest, from, to))
}

/// `name` with `from` at its beginning replaced by `to`; `None` if it does not begin with this part.
pub(crate) fn renamed(name: &str, from: &str, to: &str) -> Option<String> {
    Some(format!("{to}{}", below(name, from)?))
}

/// What follows `prefix` in `name`, beginning with its dot; empty if nothing follows.
fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What follows the first `parts` parts of `name`.
fn rest_of(name: &str, parts: usize) -> Option<&str> {
    name.splitn(parts + 1, '.').nth(parts)
}

fn number(text: Option<&str>) -> Option<usize> {
    // No UNet has thousands of blocks: a name that says so must not make the layout grow.
    text?.parse().ok().filter(|number| *number < 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sdxl() -> UnetLayout {
        let block = |resnets, attends, resamples| BlockLayout { resnets, attends, resamples };
        UnetLayout {
            down: vec![block(2, false, true), block(2, true, true), block(2, true, false)],
            up: vec![block(3, true, true), block(3, true, true), block(3, false, false)],
        }
    }

    #[test]
    fn sdxls_names() {
        // The pairs of `SS/library/sdxl_model_util.py` and of diffusers' conversion, one per kind of place.
        let pairs = [
            ("conv_in.weight", "input_blocks.0.0.weight"),
            ("time_embedding.linear_2.bias", "time_embed.2.bias"),
            ("add_embedding.linear_1.weight", "label_emb.0.0.weight"),
            ("down_blocks.0.resnets.1.norm1.weight", "input_blocks.2.0.in_layers.0.weight"),
            ("down_blocks.0.downsamplers.0.conv.bias", "input_blocks.3.0.op.bias"),
            ("down_blocks.1.resnets.0.conv_shortcut.weight", "input_blocks.4.0.skip_connection.weight"),
            (
                "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
                "input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight",
            ),
            ("down_blocks.2.attentions.1.proj_in.weight", "input_blocks.8.1.proj_in.weight"),
            ("mid_block.resnets.0.time_emb_proj.weight", "middle_block.0.emb_layers.1.weight"),
            (
                "mid_block.attentions.0.transformer_blocks.9.ff.net.0.proj.weight",
                "middle_block.1.transformer_blocks.9.ff.net.0.proj.weight",
            ),
            ("mid_block.resnets.1.conv2.bias", "middle_block.2.out_layers.3.bias"),
            ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.2.conv.weight"),
            ("up_blocks.1.resnets.2.norm2.bias", "output_blocks.5.0.out_layers.0.bias"),
            ("up_blocks.1.upsamplers.0.conv.weight", "output_blocks.5.2.conv.weight"),
            ("up_blocks.2.resnets.2.conv1.weight", "output_blocks.8.0.in_layers.2.weight"),
            ("conv_norm_out.weight", "out.0.weight"),
            ("conv_out.bias", "out.2.bias"),
            // A module's name, as adapters have it.
            ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ];
        let layout = sdxl();
        for (diffusers, ldm) in pairs {
            assert_eq!(layout.ldm(diffusers).as_deref(), Some(ldm), "{diffusers}");
        }
        assert_eq!(UnetLayout::of(pairs.map(|(diffusers, _)| diffusers)).down[0], sdxl().down[0]);
    }

    #[test]
    fn blocks_without_attention_and_names_of_other_networks() {
        let mut layout = sdxl();
        layout.up[0].attends = false;
        assert_eq!(
            layout.ldm("up_blocks.0.upsamplers.0.conv.weight").as_deref(),
            Some("output_blocks.2.1.conv.weight")
        );
        for name in [
            "down_blocks.3.resnets.0.conv1.weight",
            "down_blocks.0.resnets.9.conv1.weight",
            "down_blocks.0.upsamplers.0.conv.weight",
            "down_blocks.0.resnets.0.conv9.weight",
            "mid_block.attentions.1.norm.weight",
            "conv_input.weight",
            "down_blocks.0",
            "",
        ] {
            assert_eq!(layout.ldm(name), None, "{name}");
        }
    }
}
