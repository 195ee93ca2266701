//! Models from disk and from memory, and the sentences that damaged or foreign ones give.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "parity/support.rs"]
mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use pixgen_sdxl::{ModelSource, Pipeline, PromptOptions, TextToImage};
use tempfile::TempDir;

use support::{copy_of, fixtures};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn load(folder: &Path) -> Result<Pipeline, String> {
    let source = ModelSource::Folder(folder.to_owned());
    Pipeline::load(&source, &Device::Cpu, DType::F32).map_err(|error| error.to_string())
}

/// Loads a fixture that `damage` was done to, and expects an error with all of `expected` in it.
fn assert_refused(model: &str, damage: impl FnOnce(&Path), expected: &[&str]) {
    let folder = copy_of(model);
    damage(folder.path());
    let error = load(folder.path()).unwrap_err();
    for part in expected {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

fn edit_json(file: &Path, change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) {
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(value.as_object_mut().unwrap());
    fs::write(file, serde_json::to_vec(&value).unwrap()).unwrap();
}

#[test]
fn a_missing_folder_is_named() {
    let error = load(Path::new("no/such/model")).unwrap_err();
    assert!(error.contains("no/such/model does not exist"), "{error}");
}

#[test]
fn a_folder_that_is_no_model_lacks_its_index() {
    let error = load(TempDir::new().unwrap().path()).unwrap_err();
    assert!(error.contains("model_index.json"), "{error}");
}

#[test]
fn another_kind_of_model_is_named() {
    let index = |folder: &Path| {
        edit_json(&folder.join("model_index.json"), |index| {
            index.insert("_class_name".into(), "FluxPipeline".into());
        });
    };
    assert_refused("model_a", index, &["model_index.json", "FluxPipeline", "StableDiffusionXLPipeline"]);
}

#[test]
fn damaged_weights_name_the_file() {
    for keep in [0, 4, 1000, 100_000] {
        let cut = |folder: &Path| {
            let file = folder.join("unet/diffusion_pytorch_model.safetensors");
            let bytes = fs::read(&file).unwrap();
            fs::write(file, &bytes[..keep]).unwrap();
        };
        assert_refused("model_a", cut, &["unet/diffusion_pytorch_model.safetensors is damaged", "download it again"]);
    }
    let garble = |folder: &Path| {
        let file = folder.join("text_encoder_2/model.safetensors");
        let mut bytes = fs::read(&file).unwrap();
        // The header begins after its eight bytes of length.
        bytes[8..48].fill(b'?');
        fs::write(file, bytes).unwrap();
    };
    assert_refused("model_b", garble, &["text_encoder_2/model.safetensors is damaged"]);
}

#[test]
fn missing_weights_name_the_component_and_at_most_five_tensors() {
    // One more level of transformers than there are weights for.
    let deepen = |folder: &Path| {
        edit_json(&folder.join("unet/config.json"), |config| {
            config.insert("transformer_layers_per_block".into(), serde_json::json!([1, 3]));
        });
    };
    let expected = ["the unet lacks", "down_blocks.1.attentions.0.transformer_blocks.2.norm1.weight"];
    assert_refused("model_a", deepen, &expected);
    let folder = copy_of("model_a");
    deepen(folder.path());
    let error = load(folder.path()).unwrap_err();
    assert_eq!(error.matches("transformer_blocks").count(), 5, "{error}");

    let widen = |folder: &Path| {
        edit_json(&folder.join("vae/config.json"), |config| {
            config.insert("block_out_channels".into(), serde_json::json!([8, 12]));
        });
    };
    assert_refused("model_a", widen, &["the vae's tensor decoder.", "has shape", "asks for"]);
}

#[test]
fn a_missing_file_is_named() {
    let remove = |name: &'static str| move |folder: &Path| fs::remove_file(folder.join(name)).unwrap();
    assert_refused("model_a", remove("unet/config.json"), &["unet/config.json"]);
    assert_refused("model_a", remove("tokenizer/merges.txt"), &["tokenizer/merges.txt"]);
    assert_refused("model_a", remove("tokenizer_2/vocab.json"), &["tokenizer_2/vocab.json", "tokenizer.json"]);
    let weights = "vae/diffusion_pytorch_model.fp16.safetensors";
    assert_refused("model_a", remove(weights), &["vae/diffusion_pytorch_model.safetensors", ".bin"]);
    let shard = "unet/diffusion_pytorch_model-00002-of-00004.safetensors";
    assert_refused("model_b", remove(shard), &[shard, "could not be read"]);
    assert_refused("model_b", remove("scheduler/scheduler_config.json"), &["scheduler/scheduler_config.json"]);
}

#[test]
fn what_a_configuration_asks_for_in_vain_is_named() {
    let cases: [(&str, &str, serde_json::Value, &[&str]); 14] = [
        ("unet", "down_block_types", serde_json::json!(["DownBlock2D", "AttnDownBlock2D"]), &["AttnDownBlock2D"]),
        ("unet", "up_block_types", serde_json::json!(["UpBlock2D"]), &["up_block_types has 1 entries"]),
        ("unet", "act_fn", serde_json::json!("mish"), &["act_fn is mish"]),
        ("unet", "mid_block_type", serde_json::json!("UNetMidBlock2DSimpleCrossAttn"), &["mid_block_type"]),
        ("unet", "addition_embed_type", serde_json::Value::Null, &["addition_embed_type is null", "text_time"]),
        ("unet", "time_cond_proj_dim", serde_json::json!(256), &["time_cond_proj_dim is 256, expected null"]),
        ("unet", "in_channels", serde_json::json!(9), &["in_channels is 9", "inpainting"]),
        ("unet", "attention_head_dim", serde_json::json!([2, 5]), &["attention_head_dim[1]", "divisor of 12"]),
        ("unet", "norm_num_groups", serde_json::json!(7), &["multiple of norm_num_groups (7)"]),
        ("unet", "block_out_channels", serde_json::json!("wide"), &["unet/config.json: cannot be read"]),
        (
            "vae",
            "up_block_types",
            serde_json::json!(["UpDecoderBlock2D", "Up"]),
            &["vae/config.json", "block type Up,"],
        ),
        ("vae", "act_fn", serde_json::json!("gelu"), &["act_fn is gelu"]),
        ("text_encoder", "hidden_act", serde_json::json!("relu"), &["text_encoder/config.json: hidden_act is relu"]),
        ("text_encoder", "vocab_size", serde_json::json!(300), &["the text_encoder's tensor", "token_embedding"]),
    ];
    for (component, field, value, expected) in cases {
        let change = |folder: &Path| {
            edit_json(&folder.join(component).join("config.json"), |config| {
                config.insert(field.into(), value.clone());
            });
        };
        assert_refused("model_a", change, expected);
    }
}

#[test]
fn parts_of_different_models_are_refused() {
    let mix = |folder: &Path| {
        fs::remove_dir_all(folder.join("vae")).unwrap();
        fs::create_dir(folder.join("vae")).unwrap();
        for file in files(&fixtures().join("model_b").join("vae")) {
            fs::copy(&file, folder.join("vae").join(file.file_name().unwrap())).unwrap();
        }
    };
    assert_refused("model_a", mix, &["in_channels leaves room for 4 channels", "the autoencoder has 8"]);
}

#[test]
fn a_solver_that_is_not_available_is_named_when_a_run_begins() {
    let folder = copy_of("model_a");
    edit_json(&folder.path().join("scheduler/scheduler_config.json"), |config| {
        config.insert("_class_name".into(), "HeunDiscreteScheduler".into());
    });
    let pipeline = load(folder.path()).unwrap();
    let error = pipeline.generate(&input(), &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("HeunDiscreteScheduler") && error.contains("DPM++ 2M"), "{error}");
    let input = TextToImage { scheduler: Some(pixgen_api::SchedulerKind::Euler), ..input() };
    assert!(pipeline.generate(&input, &mut |_| ControlFlow::Continue(())).is_ok());
}

#[test]
fn prefixed_text_encoder_weights_are_read_too() {
    let folder = copy_of("model_a");
    let file = folder.path().join("text_encoder/model.safetensors");
    let tensors = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
    assert!(tensors.contains_key("embeddings.token_embedding.weight"), "the fixture has the flat names");
    let prefixed = tensors.into_iter().map(|(name, tensor)| (format!("text_model.{name}"), tensor)).collect();
    candle_core::safetensors::save(&prefixed, &file).unwrap();
    let encode =
        |pipeline: Pipeline| pipeline.encode_prompt("a blue potion", &PromptOptions::default()).unwrap().hidden;
    let (flat, prefixed) = (encode(load(&fixtures().join("model_a")).unwrap()), encode(load(folder.path()).unwrap()));
    assert_eq!(flat.to_vec3::<f32>().unwrap(), prefixed.to_vec3::<f32>().unwrap());
}

#[test]
fn an_embedded_model_draws_what_the_folder_draws() {
    // Three bytes before each file: weights in a program are not aligned.
    for model in ["model_a", "model_b"] {
        let folder = fixtures().join(model);
        let embedded: Vec<(&'static str, &'static [u8])> = files(&folder)
            .into_iter()
            .map(|file| {
                let name = file.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
                let bytes = [vec![0; 3], fs::read(&file).unwrap()].concat();
                let (name, bytes): (&'static str, &'static [u8]) = (name.leak(), &bytes.leak()[3..]);
                (name, bytes)
            })
            .collect();
        let source = ModelSource::Embedded(embedded.leak());
        let embedded = Pipeline::load(&source, &Device::Cpu, DType::F32).unwrap();
        let draw = |pipeline: Pipeline| {
            let image = pipeline.generate(&input(), &mut |_| ControlFlow::Continue(())).unwrap();
            image.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(draw(embedded), draw(load(&folder).unwrap()));
    }
}

#[test]
fn a_file_missing_from_an_embedded_model_is_named() {
    let error = Pipeline::load(&ModelSource::Embedded(&[]), &Device::Cpu, DType::F32).unwrap_err().to_string();
    assert!(error.contains("model_index.json of the embedded model"), "{error}");
}

fn input() -> TextToImage {
    TextToImage {
        prompt: "a blue potion".to_owned(),
        width_px: 16,
        height_px: 24,
        steps: 2,
        guidance_scale: 4.0,
        seeds: vec![1],
        ..TextToImage::default()
    }
}
