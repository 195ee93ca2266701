//! Every naming of adapter files at SDXL's real size.
//!
//! The names and shapes in `tests/parity/fixtures/checkpoints` come from `tests/parity/make_checkpoint_fixtures.py`.

#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};

use candle_core::{DType, Device, Tensor};

use super::*;
use crate::test_support::tables::{Row, table};

/// SDXL as it is loaded.
struct Sdxl {
    params: [Params; 3],
    /// The UNet's layers: the name in diffusers and the name in single files, both from diffusers' own conversion.
    ldm: HashMap<String, String>,
}

fn layer(tensor: &str) -> &str {
    tensor.rsplit_once('.').unwrap().0
}

impl Sdxl {
    /// With the text encoders' names with or without `text_model.`.
    fn new(prefixed: bool) -> Self {
        let mut sdxl = Self { params: Default::default(), ldm: HashMap::new() };
        for Row { component, name, shape, stored, .. } in table("sdxl") {
            let Some(component) = COMPONENTS.iter().position(|known| *known == component) else { continue };
            // The last layer of the first text encoder is not loaded.
            if component == 1 && (name.contains("layers.11.") || name.contains("final_layer_norm")) {
                continue;
            }
            if component == 0 {
                let stored = stored.strip_prefix("model.diffusion_model.").unwrap();
                sdxl.ldm.insert(layer(&name).to_owned(), layer(stored).to_owned());
            }
            let inner = name.strip_prefix("text_model.").unwrap_or(&name);
            let name = match inner {
                _ if component == 0 || !prefixed || inner.starts_with("text_projection") => inner.to_owned(),
                _ => format!("text_model.{inner}"),
            };
            // One number, seen as the whole weight: SDXL itself would need ten gigabytes.
            let shape = Shape::from(shape);
            let storage = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap().broadcast_as(&shape).unwrap();
            sdxl.params[component].insert(name, &storage, 0, shape);
        }
        // 196 tensors in the first text encoder, of which 16 are of the last layer and 2 of the last norm.
        assert_eq!(sdxl.params.each_ref().map(|params| params.shapes().count()), [1680, 196 - 18, 517]);
        sdxl
    }

    fn keys(&self) -> Keys {
        Keys::new(self.params.each_ref())
    }

    fn paths(&self, component: usize) -> Vec<String> {
        let mut paths: Vec<String> = self.params[component].shapes().map(|(name, _)| layer(name).to_owned()).collect();
        paths.dedup();
        paths
    }
}

#[track_caller]
fn assert_found(keys: &Keys, spelling: &str, component: usize, path: &str) {
    let place = keys.find(spelling);
    let found = place.map(|place| (place.component, place.path.as_str(), place.idle));
    assert_eq!(found, Some((component, path, false)), "{spelling}");
    assert!(place.unwrap().weight.is_some());
}

#[test]
fn no_spelling_means_two_layers() {
    for prefixed in [true, false] {
        assert_eq!(Sdxl::new(prefixed).keys().ambiguous, Vec::<String>::new());
    }
}

#[test]
fn every_naming_finds_every_layer_of_the_unet() {
    let sdxl = Sdxl::new(true);
    let (keys, paths) = (sdxl.keys(), sdxl.paths(0));
    assert_eq!(paths.iter().filter(|path| path.ends_with("attn1.to_q")).count(), 70);
    let mut spelled = HashSet::new();
    for path in &paths {
        let flat = path.replace('.', "_");
        let ldm = &sdxl.ldm[path];
        let mut spellings = vec![
            format!("lora_unet_{flat}"),
            format!("lora_unet_{}", ldm.replace('.', "_")),
            format!("lycoris_{flat}"),
            format!("unet.{path}"),
            path.clone(),
            format!("base_model.model.{path}"),
            format!("diffusion_model.{ldm}"),
            format!("model.diffusion_model.{ldm}"),
        ];
        if let Some((attention, layer)) = path.rsplit_once(".to_") {
            let old = layer.strip_suffix(".0").unwrap_or(layer);
            spellings.push(format!("unet.{attention}.processor.to_{old}"));
            spellings.push(format!("{attention}.processor.to_{old}"));
        }
        for spelling in spellings {
            assert_found(&keys, &spelling, 0, path);
            // Equal in both layouts are only the names of the same layer.
            spelled.insert(spelling);
        }
    }
    assert!(spelled.len() > 7 * paths.len());
}

#[test]
fn ldm_names_of_all_transformer_blocks() {
    // Written out from the architecture, not from the table: (place in LDM, place in diffusers, depth).
    let places = [
        ("input_blocks_4", "down_blocks.1.attentions.0", 2),
        ("input_blocks_5", "down_blocks.1.attentions.1", 2),
        ("input_blocks_7", "down_blocks.2.attentions.0", 10),
        ("input_blocks_8", "down_blocks.2.attentions.1", 10),
        ("middle_block", "mid_block.attentions.0", 10),
        ("output_blocks_0", "up_blocks.0.attentions.0", 10),
        ("output_blocks_1", "up_blocks.0.attentions.1", 10),
        ("output_blocks_2", "up_blocks.0.attentions.2", 10),
        ("output_blocks_3", "up_blocks.1.attentions.0", 2),
        ("output_blocks_4", "up_blocks.1.attentions.1", 2),
        ("output_blocks_5", "up_blocks.1.attentions.2", 2),
    ];
    let keys = Sdxl::new(true).keys();
    let mut blocks = 0;
    for (ldm, diffusers, depth) in places {
        for block in 0..depth {
            blocks += 1;
            for (flat, dotted) in
                [("attn1_to_q", "attn1.to_q"), ("attn2_to_out_0", "attn2.to_out.0"), ("ff_net_0_proj", "ff.net.0.proj")]
            {
                let spelling = format!("lora_unet_{ldm}_1_transformer_blocks_{block}_{flat}");
                assert_found(&keys, &spelling, 0, &format!("{diffusers}.transformer_blocks.{block}.{dotted}"));
            }
        }
    }
    assert_eq!(blocks, 70);
    let others = [
        ("lora_unet_input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        ("lora_unet_output_blocks_2_2_conv", "up_blocks.0.upsamplers.0.conv"),
        ("lora_unet_input_blocks_4_0_skip_connection", "down_blocks.1.resnets.0.conv_shortcut"),
        ("lora_unet_middle_block_2_out_layers_3", "mid_block.resnets.1.conv2"),
        ("lora_unet_output_blocks_8_0_emb_layers_1", "up_blocks.2.resnets.2.time_emb_proj"),
        ("lora_unet_time_embed_0", "time_embedding.linear_1"),
        ("lora_unet_label_emb_0_0", "add_embedding.linear_1"),
        ("lora_unet_out_2", "conv_out"),
    ];
    for (spelling, path) in others {
        assert_found(&keys, spelling, 0, path);
    }
}

#[test]
fn every_naming_finds_every_layer_of_the_text_encoders() {
    for prefixed in [true, false] {
        let sdxl = Sdxl::new(prefixed);
        let keys = sdxl.keys();
        for (component, dotted, flat, comfy) in
            [(1, "text_encoder", "lora_te1", "clip_l"), (2, "text_encoder_2", "lora_te2", "clip_g")]
        {
            for path in sdxl.paths(component) {
                let inner = path.strip_prefix("text_model.").unwrap_or(&path).to_owned();
                let long = if inner == "text_projection" { inner.clone() } else { format!("text_model.{inner}") };
                let mut spellings = vec![
                    format!("{flat}_{}", long.replace('.', "_")),
                    format!("{dotted}.{inner}"),
                    format!("{dotted}.{long}"),
                    format!("text_encoders.{comfy}.transformer.{long}"),
                ];
                if let Some(attention) = long.strip_suffix("out_proj") {
                    spellings.push(format!("{dotted}.{attention}to_out"));
                }
                for spelling in spellings {
                    assert_found(&keys, &spelling, component, &path);
                }
            }
        }
    }
}

#[test]
fn the_last_layer_of_the_first_text_encoder_is_known_and_idle() {
    for prefixed in [true, false] {
        let keys = Sdxl::new(prefixed).keys();
        for module in [
            "lora_te1_text_model_encoder_layers_11_self_attn_q_proj",
            "lora_te1_text_model_encoder_layers_11_mlp_fc2",
            "text_encoder.text_model.encoder.layers.11.self_attn.out_proj",
            "lora_te1_text_model_final_layer_norm",
        ] {
            assert!(keys.find(module).unwrap().idle, "{module}");
        }
        assert!(keys.find("lora_te1_text_model_encoder_layers_12_mlp_fc2").is_none());
        assert!(keys.find("lora_te2_text_model_encoder_layers_32_mlp_fc2").is_none());
        assert!(!keys.find("lora_te2_text_model_encoder_layers_31_mlp_fc2").unwrap().idle);
    }
}

#[test]
fn names_of_other_models_are_not_found() {
    let keys = Sdxl::new(true).keys();
    for module in [
        "lora_unet_double_blocks_0_img_attn_qkv",
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
        "transformer.single_transformer_blocks.0.attn.to_q",
        "lora_unet_joint_blocks_0_x_block_attn_qkv",
        "",
    ] {
        assert!(keys.find(module).is_none(), "{module}");
    }
}
