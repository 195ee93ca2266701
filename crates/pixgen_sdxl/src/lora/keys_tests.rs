//! Every naming of adapter files at SDXL's real size.

#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Shape, Tensor};

use super::*;

/// Names and shapes of a component as it is loaded.
#[derive(Default)]
struct Names(Params);

impl Names {
    fn add(&mut self, path: &str, outputs: usize, rest: &[usize], bias: bool) {
        // One number, seen as the whole weight: SDXL itself would need ten gigabytes.
        let add = |params: &mut Params, name: String, shape: Shape| {
            let storage = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap().broadcast_as(&shape).unwrap();
            params.insert(name, &storage, 0, shape);
        };
        let shape: Vec<usize> = [outputs].into_iter().chain(rest.iter().copied()).collect();
        add(&mut self.0, format!("{path}.weight"), Shape::from(shape));
        if bias {
            add(&mut self.0, format!("{path}.bias"), Shape::from(outputs));
        }
    }

    fn resnet(&mut self, path: &str, inputs: usize, outputs: usize) {
        self.add(&format!("{path}.norm1"), inputs, &[], true);
        self.add(&format!("{path}.conv1"), outputs, &[inputs, 3, 3], true);
        self.add(&format!("{path}.time_emb_proj"), outputs, &[1280], true);
        self.add(&format!("{path}.norm2"), outputs, &[], true);
        self.add(&format!("{path}.conv2"), outputs, &[outputs, 3, 3], true);
        if inputs != outputs {
            self.add(&format!("{path}.conv_shortcut"), outputs, &[inputs, 1, 1], true);
        }
    }

    fn transformer(&mut self, path: &str, channels: usize, depth: usize) {
        self.add(&format!("{path}.norm"), channels, &[], true);
        self.add(&format!("{path}.proj_in"), channels, &[channels], true);
        self.add(&format!("{path}.proj_out"), channels, &[channels], true);
        for block in 0..depth {
            let path = format!("{path}.transformer_blocks.{block}");
            for norm in 1..=3 {
                self.add(&format!("{path}.norm{norm}"), channels, &[], true);
            }
            for (attention, context) in [("attn1", channels), ("attn2", 2048)] {
                self.add(&format!("{path}.{attention}.to_q"), channels, &[channels], false);
                self.add(&format!("{path}.{attention}.to_k"), channels, &[context], false);
                self.add(&format!("{path}.{attention}.to_v"), channels, &[context], false);
                self.add(&format!("{path}.{attention}.to_out.0"), channels, &[channels], true);
            }
            self.add(&format!("{path}.ff.net.0.proj"), 8 * channels, &[channels], true);
            self.add(&format!("{path}.ff.net.2"), channels, &[4 * channels], true);
        }
    }

    /// SDXL base's UNet.
    fn unet() -> Self {
        const WIDTHS: [usize; 3] = [320, 640, 1280];
        const DEPTHS: [usize; 3] = [0, 2, 10];
        let mut names = Self::default();
        names.add("conv_in", 320, &[4, 3, 3], true);
        names.add("conv_norm_out", 320, &[], true);
        names.add("conv_out", 4, &[320, 3, 3], true);
        for (embedding, inputs) in [("time_embedding", 320), ("add_embedding", 2816)] {
            names.add(&format!("{embedding}.linear_1"), 1280, &[inputs], true);
            names.add(&format!("{embedding}.linear_2"), 1280, &[1280], true);
        }
        let mut skips = vec![320];
        for level in 0..3 {
            for layer in 0..2 {
                let inputs = if layer == 0 { WIDTHS[level.max(1) - 1] } else { WIDTHS[level] };
                names.resnet(&format!("down_blocks.{level}.resnets.{layer}"), inputs, WIDTHS[level]);
                if DEPTHS[level] > 0 {
                    let path = format!("down_blocks.{level}.attentions.{layer}");
                    names.transformer(&path, WIDTHS[level], DEPTHS[level]);
                }
                skips.push(WIDTHS[level]);
            }
            if level < 2 {
                let path = format!("down_blocks.{level}.downsamplers.0.conv");
                names.add(&path, WIDTHS[level], &[WIDTHS[level], 3, 3], true);
                skips.push(WIDTHS[level]);
            }
        }
        names.resnet("mid_block.resnets.0", 1280, 1280);
        names.transformer("mid_block.attentions.0", 1280, 10);
        names.resnet("mid_block.resnets.1", 1280, 1280);
        let mut channels = 1280;
        for (block, level) in [2, 1, 0].into_iter().enumerate() {
            for layer in 0..3 {
                let inputs = channels + skips.pop().unwrap();
                names.resnet(&format!("up_blocks.{block}.resnets.{layer}"), inputs, WIDTHS[level]);
                if DEPTHS[level] > 0 {
                    let path = format!("up_blocks.{block}.attentions.{layer}");
                    names.transformer(&path, WIDTHS[level], DEPTHS[level]);
                }
                channels = WIDTHS[level];
            }
            if level > 0 {
                let path = format!("up_blocks.{block}.upsamplers.0.conv");
                names.add(&path, WIDTHS[level], &[WIDTHS[level], 3, 3], true);
            }
        }
        assert!(skips.is_empty());
        names
    }

    /// CLIP-L without its last layer, or CLIP-G.
    fn text(prefix: &str, hidden: usize, inner: usize, layers: usize, with_projection: bool) -> Self {
        let mut names = Self::default();
        names.add(&format!("{prefix}embeddings.token_embedding"), 49408, &[hidden], false);
        names.add(&format!("{prefix}embeddings.position_embedding"), 77, &[hidden], false);
        for layer in 0..layers {
            let path = format!("{prefix}encoder.layers.{layer}");
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                names.add(&format!("{path}.self_attn.{part}"), hidden, &[hidden], true);
            }
            names.add(&format!("{path}.layer_norm1"), hidden, &[], true);
            names.add(&format!("{path}.layer_norm2"), hidden, &[], true);
            names.add(&format!("{path}.mlp.fc1"), inner, &[hidden], true);
            names.add(&format!("{path}.mlp.fc2"), hidden, &[inner], true);
        }
        if with_projection {
            names.add(&format!("{prefix}final_layer_norm"), hidden, &[], true);
            names.add("text_projection", hidden, &[hidden], false);
        }
        names
    }

    fn paths(&self) -> Vec<String> {
        let ends = [".weight", ".bias"];
        let path = |name: &str| ends.iter().find_map(|end| name.strip_suffix(end)).unwrap().to_owned();
        let mut paths: Vec<String> = self.0.shapes().map(|(name, _)| path(name)).collect();
        paths.dedup();
        paths
    }
}

fn sdxl(prefix: &str) -> ([Names; 3], Keys) {
    let names = [Names::unet(), Names::text(prefix, 768, 3072, 11, false), Names::text(prefix, 1280, 5120, 32, true)];
    let keys = Keys::new([&names[0].0, &names[1].0, &names[2].0]);
    (names, keys)
}

#[test]
fn the_names_are_sdxls() {
    // The counts that sdxl.safetensors has: 1,680 tensors in the UNet, 517 in CLIP-G, and 196 in CLIP-L, of which 16
    // are of the last layer and 2 of the last norm.
    let (names, _) = sdxl("text_model.");
    let counts = names.each_ref().map(|names| names.0.shapes().count());
    assert_eq!(counts, [1680, 196 - 18, 517]);
    let parameters: usize = names[0].0.shapes().map(|(_, shape)| shape.elem_count()).sum();
    assert_eq!(parameters, 2_567_463_684);
}

#[test]
fn no_spelling_means_two_layers() {
    for prefix in ["text_model.", ""] {
        let (_, keys) = sdxl(prefix);
        assert_eq!(keys.ambiguous, Vec::<String>::new());
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
fn every_naming_finds_every_layer_of_the_unet() {
    let (names, keys) = sdxl("text_model.");
    let paths = names[0].paths();
    assert_eq!(paths.iter().filter(|path| path.ends_with("attn1.to_q")).count(), 70);
    let layout = UnetLayout::of(paths.iter().map(String::as_str));
    let mut spelled = std::collections::HashSet::new();
    for path in &paths {
        let flat = path.replace('.', "_");
        let ldm = layout.ldm(path).unwrap();
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
    let (_, keys) = sdxl("text_model.");
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
    for prefix in ["text_model.", ""] {
        let (names, keys) = sdxl(prefix);
        for (component, dotted, flat, comfy) in
            [(1, "text_encoder", "lora_te1", "clip_l"), (2, "text_encoder_2", "lora_te2", "clip_g")]
        {
            for path in names[component].paths() {
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
    for prefix in ["text_model.", ""] {
        let (_, keys) = sdxl(prefix);
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
    let (_, keys) = sdxl("text_model.");
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
