//! Broken and foreign files in the place of a model: each is refused with a sentence that says what was found and what
//! to do; none panics, none is believed.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, dead_code)]

#[path = "single_file/tiny.rs"]
mod tiny;

use std::fs;
use std::path::Path;

use pixgen_sdxl::{LoadOptions, ModelSource, Pipeline};
use safetensors::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

use tiny::{Stored, Tiny};

fn options() -> LoadOptions {
    let tokenizers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/model_a");
    LoadOptions { tokenizers: Some(tokenizers), ..LoadOptions::default() }
}

fn refusal(path: &Path) -> String {
    let source = ModelSource::SingleFile(path.to_owned());
    Pipeline::load_with(&source, &options()).map(|_| ()).unwrap_err().to_string()
}

fn assert_says(error: &str, case: &str, expected: &[&str]) {
    for part in expected {
        assert!(error.contains(part), "{case}: {error:?} lacks {part:?}");
    }
}

/// A file with this header and `data` bytes of zeros.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn files_that_are_no_safetensors_are_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    let two = json!({
        "a": { "dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8] },
        "b": { "dtype": "F16", "shape": [2, 2], "data_offsets": [8, 16] },
    });
    let changed = |tensor: &str, field: &str, value: Value| {
        let mut header = two.clone();
        header[tensor][field] = value;
        with_header(&header.to_string(), 16)
    };
    let twice = r#"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#;
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("empty", vec![], &["is damaged", "it is empty", "download it again"]),
        ("three bytes", vec![1, 2, 3], &["it has 3 bytes, expected at least the 8"]),
        ("a web page", b"<!DOCTYPE html><html>404</html>".to_vec(), &["a web page", "download the file itself"]),
        ("a web page without type", b"\n\n<html><body>".to_vec(), &["a web page"]),
        ("an answer in JSON", br#"{"error":"Invalid username"}"#.to_vec(), &["a JSON text"]),
        ("a pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n".to_vec(), &["git-lfs pointer"]),
        ("a GGUF", b"GGUF\x03\0\0\0\x01\0\0\0".to_vec(), &["a GGUF file", "quantised models are not read"]),
        ("a new pickle", b"PK\x03\x04\0\0\x08\x08archive/data.pkl".to_vec(), &["PyTorch checkpoint", "convert it"]),
        (
            "an old pickle",
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(),
            &["a Python pickle", "can run any program"],
        ),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), &["a compressed archive", "unpack it"]),
        (
            "the longest header",
            [&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
            &["18446744073709551615 bytes, but the file has 10"],
        ),
        (
            "a header longer than the file",
            [&5000u64.to_le_bytes()[..], b"{\"a\":1}"].concat(),
            &["its header has 5000 bytes, but the file has 15"],
        ),
        ("a header that is no JSON", with_header("{\"a\": nonsense", 0), &["no JSON that lists tensors"]),
        ("a header that is no text", [&4u64.to_le_bytes()[..], &[0xff, 0xfe, 0xfd, 0xfc]].concat(), &["not UTF-8"]),
        ("a name twice", with_header(twice, 8), &["two entries of the name a"]),
        (
            "overlapping tensors",
            changed("b", "data_offsets", json!([4, 12])),
            &["tensor b does not begin where the one before it ends"],
        ),
        ("a gap", changed("b", "data_offsets", json!([12, 20])), &["tensor b does not begin"]),
        ("offsets beyond the end", changed("b", "data_offsets", json!([8, 1000])), &["is damaged"]),
        ("offsets that go back", changed("b", "data_offsets", json!([16, 8])), &["is damaged"]),
        (
            "a shape that is too large",
            changed("b", "shape", json!([2, 3])),
            &["not as many as its shape and type ask for"],
        ),
        ("a shape that overflows", changed("b", "shape", json!([u64::MAX, 2])), &["too large for any computer"]),
        ("a type that there is not", changed("b", "dtype", json!("F128")), &["no JSON that lists tensors", "F128"]),
        ("a missing end", with_header(&two.to_string(), 9), &["more or fewer bytes", "cut off"]),
        ("bytes behind the end", with_header(&two.to_string(), 17), &["more or fewer bytes"]),
        ("no tensor at all", with_header("{}", 0), &["it holds no tensor"]),
    ];
    for (case, bytes, expected) in cases {
        fs::write(&path, bytes).unwrap();
        let error = refusal(&path);
        assert_says(&error, case, expected);
        assert_says(&error, case, &["model.safetensors"]);
    }
    assert_says(
        &refusal(&folder.path().join("nothing.safetensors")),
        "no file",
        &["nothing.safetensors does not exist"],
    );
    assert_says(&refusal(folder.path()), "a folder", &["does not exist: give the path of a .safetensors file"]);
}

#[test]
fn every_cut_through_a_checkpoint_is_noticed() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let path = folder.path().join("model.safetensors");
    tiny.write_single_file(&path, Dtype::F8_E4M3, |_| {});
    let bytes = fs::read(&path).unwrap();
    for kept in [1, 7, 8, 9, 1000, 40_000, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..kept]).unwrap();
        assert_says(
            &refusal(&path),
            &format!("{kept} bytes"),
            &["model.safetensors", "is damaged", "download it again"],
        );
    }
}

/// Some tensors of another model, each of one row.
fn foreign(names: &[(&str, &[usize])]) -> Vec<Stored> {
    let tensor = |(name, shape): &(&str, &[usize])| Stored {
        name: (*name).to_owned(),
        shape: shape.to_vec(),
        values: vec![0.5; shape.iter().product()],
    };
    names.iter().map(tensor).collect()
}

#[test]
fn models_of_another_kind_are_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    const IN: &str = "model.diffusion_model.input_blocks.0.0.weight";
    const TO_K: &str = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight";
    const ADDED: &str = "model.diffusion_model.label_emb.0.0.weight";
    type Case<'a> = (&'a [(&'a str, &'a [usize])], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (
            &[(IN, &[320, 4, 3, 3]), (TO_K, &[320, 768]), ("cond_stage_model.transformer.text_model.x", &[1])],
            &["Stable Diffusion 1"],
        ),
        (&[(IN, &[320, 4, 3, 3]), (TO_K, &[320, 768])], &["Stable Diffusion 1"]),
        (
            &[(IN, &[320, 4, 3, 3]), (TO_K, &[320, 1024]), ("cond_stage_model.model.ln_final.weight", &[1])],
            &["Stable Diffusion 2"],
        ),
        (&[(IN, &[320, 9, 3, 3]), (ADDED, &[1280, 2816])], &["inpainting model", "9 channels", "ordinary model"]),
        (&[(IN, &[320, 8, 3, 3]), (ADDED, &[1280, 2816])], &["instruct-pix2pix"]),
        (
            &[(ADDED, &[8, 2560]), ("conditioner.embedders.0.model.ln_final.weight", &[1])],
            &["SDXL refiner", "choose the base"],
        ),
        (&[(ADDED, &[8, 2560]), (TO_K, &[8, 1280])], &["SDXL refiner"]),
        (&[("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", &[1])], &["FLUX"]),
        (&[("single_transformer_blocks.0.attn.to_q.weight", &[1])], &["FLUX in diffusers naming"]),
        (&[("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", &[1])], &["Stable Diffusion 3"]),
        (&[("double_layers.0.attn.w2q.weight", &[1])], &["AuraFlow"]),
        (&[("model.diffusion_model.distilled_guidance_layer.in_proj.bias", &[1])], &["Chroma"]),
        (&[("head.modulation", &[1])], &["Wan"]),
        (&[("edm_mean", &[4]), ("edm_std", &[4]), (ADDED, &[8, 2816])], &["Playground v2.5", "not supported"]),
        (&[("edm_vpred.sigma_max", &[]), (ADDED, &[8, 2816])], &["CosXL", "not supported"]),
        (&[("lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight", &[1])], &["a LoRA", "apply this file"]),
        (&[("unet.down_blocks.1.attentions.0.proj_in.lora_A.weight", &[1])], &["a LoRA"]),
        (&[("control_model.input_blocks.0.0.weight", &[1])], &["a ControlNet"]),
        (&[(ADDED, &[8, 2816])], &["a bare UNet without text encoders"]),
        (&[("conv_in.weight", &[1]), ("down_blocks.0.resnets.0.norm1.weight", &[1])], &["a bare UNet"]),
        (&[("first_stage_model.decoder.conv_in.weight", &[1])], &["a bare autoencoder", "as its VAE"]),
        (&[("decoder.up_blocks.0.resnets.0.norm1.weight", &[1])], &["a bare autoencoder"]),
        (&[("decoder.layers.0.weight", &[1])], &["TAESD"]),
        (&[("text_model.final_layer_norm.weight", &[1])], &["a bare text encoder"]),
        (&[("clip_g", &[2, 4]), ("clip_l", &[2, 4])], &["textual inversion"]),
        (&[("scaled_fp8", &[2]), (ADDED, &[8, 2816])], &["scaled fp8 weights"]),
        (&[(ADDED, &[8, 2816]), ("model.diffusion_model.out.2.weight.absmax", &[1])], &["bitsandbytes"]),
        (&[("fc.weight", &[1]), ("fc.bias", &[1])], &["of an unknown kind", "fc.bias, fc.weight"]),
    ];
    for (tensors, expected) in cases {
        tiny::write(&path, &foreign(tensors), Dtype::F32, &[]);
        let error = refusal(&path);
        assert_says(&error, tensors[0].0, expected);
        assert_says(&error, tensors[0].0, &["model.safetensors is ", "expected an SDXL base model"]);
    }
}

#[test]
fn weights_that_cannot_be_computed_with_are_named() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let path = folder.path().join("model.safetensors");
    let load_with = |dtype, change: &dyn Fn(&mut Vec<Stored>)| {
        tiny.write_single_file(&path, dtype, |tensors| change(tensors));
        refusal(&path)
    };
    let norm = "model.diffusion_model.middle_block.1.transformer_blocks.0.norm2.bias";
    let changed = |name: &'static str, change: fn(&mut Stored)| {
        move |tensors: &mut Vec<Stored>| change(tensors.iter_mut().find(|tensor| tensor.name == name).unwrap())
    };
    for value in [f32::NAN, f32::INFINITY] {
        let broken = |tensors: &mut Vec<Stored>| {
            tensors.iter_mut().find(|tensor| tensor.name == norm).unwrap().values[3] = value;
        };
        let error = load_with(Dtype::F32, &broken);
        assert_says(&error, "NaN", &["mid_block.attentions.0.transformer_blocks.0.norm2.bias", "no finite numbers"]);
    }
    let projection = "conditioner.embedders.1.model.text_projection";
    let turned = changed(projection, |tensor| tensor.shape.reverse());
    assert_says(
        &load_with(Dtype::F16, &turned),
        "a turned projection",
        &["text_projection.weight has shape [96, 128]"],
    );
    let flat = changed(projection, |tensor| tensor.shape = vec![128 * 96]);
    assert_says(&load_with(Dtype::F16, &flat), "a flat projection", &["text_projection.weight has shape [12288]"]);
    let empty = |tensors: &mut Vec<Stored>| {
        for tensor in tensors.iter_mut().filter(|tensor| tensor.name.starts_with("first_stage_model.decoder.conv_in")) {
            (tensor.shape[0], tensor.values) = (0, Vec::new());
        }
    };
    assert_says(&load_with(Dtype::F16, &empty), "an empty tensor", &["decoder.conv_in.weight has shape [0, 4, 3, 3]"]);
    let without = |tensors: &mut Vec<Stored>| tensors.retain(|tensor| !tensor.name.contains("embedders.1.model"));
    assert_says(&load_with(Dtype::F16, &without), "one encoder", &["without its second text encoder"]);
    let hollow = |tensors: &mut Vec<Stored>| {
        tensors.retain(|tensor| !tensor.name.contains("input_blocks") || tensor.name.contains("input_blocks.0."));
    };
    assert_says(&load_with(Dtype::F16, &hollow), "half a UNet", &["unet/config.json as derived from"]);

    // Whole numbers in the place of weights.
    tiny.write_single_file(&path, Dtype::F16, |_| {});
    let bytes = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes[8..60_000]).into_owned();
    let entry = format!("\"{norm}\":{{\"dtype\":\"F16\"");
    assert!(text.contains(&entry));
    let at = 8 + text.find(&entry).unwrap() + entry.len() - 4;
    let whole = [&bytes[..at], b"I16", &bytes[at + 3..]].concat();
    fs::write(&path, whole).unwrap();
    assert_says(&refusal(&path), "integers", &["norm2.bias is stored as I16", "expected f32, f16, bf16, f64 or fp8"]);
}

#[test]
fn absurd_numbers_in_configurations_are_refused_before_they_are_used() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    tiny.write_folder(folder.path(), Dtype::F8_E4M3);
    let huge = json!(u64::MAX);
    let cases = [
        ("unet", "block_out_channels", json!([32, u64::MAX]), "block_out_channels is 18446744073709551615"),
        ("unet", "block_out_channels", json!([0, 64]), "block_out_channels is 0, expected 1 to"),
        ("unet", "block_out_channels", json!(vec![32; 1000]), "the number of entries of block_out_channels is 1000"),
        ("unet", "block_out_channels", json!([]), "the number of entries of block_out_channels is 0"),
        ("unet", "layers_per_block", huge.clone(), "layers_per_block is 18446744073709551615, expected 1 to 64"),
        ("unet", "layers_per_block", json!(-1), "cannot be read"),
        ("unet", "transformer_layers_per_block", huge.clone(), "transformer_layers_per_block is 18446744073709551615"),
        ("unet", "transformer_layers_per_block", json!([1, [1, 2, 3]]), "has 3 entries, expected one per block: 1"),
        ("unet", "attention_head_dim", json!([1, 0]), "is 0, expected a divisor of 64"),
        ("unet", "cross_attention_dim", huge.clone(), "cross_attention_dim is 18446744073709551615"),
        ("unet", "addition_time_embed_dim", huge.clone(), "addition_time_embed_dim is 18446744073709551615"),
        ("unet", "projection_class_embeddings_input_dim", huge.clone(), "projection_class_embeddings_input_dim is"),
        ("unet", "norm_num_groups", json!(0), "norm_num_groups is 0"),
        ("unet", "sample_size", huge.clone(), "sample_size is 18446744073709551615"),
        ("unet", "mid_block_type", json!("UNetMidBlock3D"), "mid_block_type is UNetMidBlock3D"),
        ("vae", "block_out_channels", json!([32, u64::MAX]), "block_out_channels is 18446744073709551615"),
        ("vae", "layers_per_block", huge.clone(), "layers_per_block is 18446744073709551615"),
        ("vae", "latent_channels", huge.clone(), "latent_channels is 18446744073709551615"),
        ("vae", "norm_num_groups", json!(0), "expected a multiple of norm_num_groups (0)"),
        ("vae", "scaling_factor", json!(0.0), "scaling_factor is 0, expected a positive number"),
        ("vae", "latents_std", json!([1.0, 0.0, 1.0, 1.0]), "latents_std holds a number that is not positive"),
        ("unet", "freq_shift", json!(4.0), "freq_shift is 4, expected a number below"),
        ("text_encoder", "num_hidden_layers", huge.clone(), "num_hidden_layers is 18446744073709551615"),
        ("text_encoder", "num_attention_heads", json!(0), "num_attention_heads is 0, expected a divisor"),
        ("text_encoder", "vocab_size", huge.clone(), "vocab_size is 18446744073709551615"),
        ("text_encoder_2", "max_position_embeddings", huge, "max_position_embeddings is 18446744073709551615"),
        ("text_encoder_2", "hidden_act", json!("mish"), "hidden_act is mish, expected quick_gelu or gelu"),
    ];
    for (component, field, value, expected) in cases {
        let path = folder.path().join(component).join("config.json");
        let before = fs::read(&path).unwrap();
        let mut config: Value = serde_json::from_slice(&before).unwrap();
        config[field] = value;
        fs::write(&path, config.to_string()).unwrap();
        let source = ModelSource::Folder(folder.path().to_owned());
        let error = Pipeline::load_with(&source, &options()).map(|_| ()).unwrap_err().to_string();
        assert_says(&error, field, &[expected, &format!("{component}/config.json")]);
        fs::write(path, before).unwrap();
    }
    let source = ModelSource::Folder(folder.path().to_owned());
    assert!(Pipeline::load_with(&source, &options()).is_ok(), "the folder itself is fine");
}

#[test]
fn folders_that_are_something_else_are_named() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let error = |path: &Path| {
        Pipeline::load_with(&ModelSource::Folder(path.to_owned()), &options()).map(|_| ()).unwrap_err().to_string()
    };
    fs::write(at("sdxl.safetensors"), b"").unwrap();
    assert_says(
        &error(folder.path()),
        "a folder with one file",
        &["to load sdxl.safetensors, give the path of that file"],
    );
    let refiner = json!({
        "_class_name": "StableDiffusionXLImg2ImgPipeline", "text_encoder": [null, null],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    });
    fs::write(at("model_index.json"), refiner.to_string()).unwrap();
    assert_says(&error(folder.path()), "the refiner", &["the SDXL refiner", "choose the base model"]);
    fs::write(at("model_index.json"), json!({ "_class_name": "StableDiffusionPipeline" }).to_string()).unwrap();
    assert_says(&error(folder.path()), "SD 1", &["a StableDiffusionPipeline, expected a StableDiffusionXLPipeline"]);
}
