//! Previews that are fitted to an autoencoder, and TAESD against diffusers' `AutoencoderTiny`
//! (`make_image_fixtures.py`, diffusers 0.42.1).

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{ModelSource, Pipeline, randn};
use tempfile::TempDir;

use crate::support::{assert_close, copy_folder, copy_of, fixtures, relative_error, tensors};

const PREVIEW_FILE: &str = "vae/latent_preview.json";

fn load(folder: &TempDir) -> Result<Pipeline, String> {
    let source = ModelSource::Folder(folder.path().to_owned());
    Pipeline::load(&source, &Device::Cpu, DType::F32).map_err(|error| error.to_string())
}

/// Latents that hang together in blocks of four cells.
fn latents(seed: u64, channels: usize) -> Tensor {
    let blocks = Tensor::from_vec(randn(seed, channels * 9), (1, channels, 3, 3), &Device::Cpu).unwrap();
    blocks.upsample_nearest2d(12, 12).unwrap()
}

#[test]
fn a_preview_is_fitted_once_and_stored_beside_the_autoencoder() {
    let folder = copy_of("model_b");
    let file = folder.path().join(PREVIEW_FILE);
    fs::remove_file(&file).unwrap();
    let pipeline = load(&folder).unwrap();
    assert!(!file.exists(), "loading alone fits nothing");
    let latents = latents(1, 8);
    let preview = pipeline.preview(&latents).unwrap().unwrap();
    assert_eq!(preview.dims(), [1, 4, 12, 12]);

    // It comes closer to the decoded image than the best single colour does.
    let image = pipeline.decode(&latents).unwrap().avg_pool2d(4).unwrap();
    let mean = image.mean_keepdim((2, 3)).unwrap().broadcast_as(image.shape()).unwrap().contiguous().unwrap();
    let (fitted, flat) = (relative_error(&preview, &image), relative_error(&mean, &image));
    println!("fitted {fitted:.3}, one colour {flat:.3}");
    assert!(fitted < 0.95 * flat, "{fitted} {flat}");

    // The file says how good it is, and the next one to load reads it.
    let stored: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let explained = stored["fit"]["explained_variance"].as_f64().unwrap();
    println!("{}", stored["fit"]);
    assert!((0.1..=1.0).contains(&explained), "{explained}");
    assert!(stored["fit"]["residual_rms"].as_f64().unwrap() > 0.0);
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let again = load(&folder).unwrap().preview(&latents).unwrap().unwrap();
    assert_close(&again, &preview, 1e-6, "preview from the file");
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), modified);
    let left: Vec<_> =
        fs::read_dir(folder.path().join("vae")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with("tmp")), "{left:?}");
}

#[test]
fn a_fit_explains_most_of_what_a_trained_autoencoder_draws() {
    let folder = TempDir::new().unwrap();
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny"), folder.path());
    let file = folder.path().join(PREVIEW_FILE);
    fs::remove_file(&file).unwrap();
    load(&folder).unwrap().preview(&latents(1, 8)).unwrap().unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    println!("sprite-tiny: {}", stored["fit"]);
    let explained = stored["fit"]["explained_variance"].as_f64().unwrap();
    assert!(explained > 0.5, "{explained}");
}

#[test]
fn a_fitted_preview_that_cannot_be_stored_stays_in_memory() {
    let folder = copy_of("model_b");
    let file = folder.path().join(PREVIEW_FILE);
    fs::remove_file(&file).unwrap();
    // A folder stands where the file would be written first.
    fs::create_dir(file.with_extension(format!("json.{}.tmp", std::process::id()))).unwrap();
    let pipeline = load(&folder).unwrap();
    assert!(pipeline.preview(&latents(1, 8)).unwrap().is_some());
    assert!(!file.exists());
}

#[test]
fn taesd_decodes_as_diffusers_does() {
    let folder = copy_of("model_a");
    copy_folder(&fixtures().join("taesd/diffusers"), &folder.path().join("taesd"));
    let reference = tensors("taesd/reference.safetensors");
    let found = load(&folder).unwrap().preview(&reference["latents"]).unwrap().unwrap();
    assert_close(&found, &reference["image"].clamp(-1f32, 1f32).unwrap(), 1e-5, "TAESD");
}

#[test]
fn taesdxl_is_the_same_under_the_originals_names() {
    // The real architecture with random weights: four levels of 64 channels.
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    let mut add = |name: String, dims: &[usize]| {
        let count = dims.iter().product::<usize>();
        let fan_in = dims.iter().skip(1).product::<usize>() as f64;
        let values = Tensor::from_vec(randn(tensors.len() as u64, count), dims, &Device::Cpu).unwrap();
        tensors.insert(name, (values / (2.0 * fan_in).sqrt()).unwrap());
    };
    let mut conv = |number: String, inputs: usize, outputs: usize, bias: bool| {
        add(format!("{number}.weight"), &[outputs, inputs, 3, 3]);
        if bias {
            add(format!("{number}.bias"), &[outputs]);
        }
    };
    // Numbers of the layers as the original counts them.
    conv("1".to_owned(), 4, 64, true);
    for number in [3, 4, 5, 8, 9, 10, 13, 14, 15, 18] {
        for part in [0, 2, 4] {
            conv(format!("{number}.conv.{part}"), 64, 64, true);
        }
    }
    for number in [7, 12, 17] {
        conv(number.to_string(), 64, 64, false);
    }
    conv("19".to_owned(), 64, 3, true);

    let latents = Tensor::from_vec(randn(99, 4 * 6), (1, 4, 2, 3), &Device::Cpu).unwrap();
    let diffusers = copy_of("model_a");
    fs::create_dir(diffusers.path().join("taesdxl")).unwrap();
    fs::write(diffusers.path().join("taesdxl/config.json"), "{}").unwrap();
    let renamed: HashMap<String, Tensor> = tensors
        .iter()
        .map(|(name, tensor)| {
            let (number, rest) = name.split_once('.').unwrap();
            (format!("decoder.layers.{}.{rest}", number.parse::<usize>().unwrap() - 1), tensor.clone())
        })
        .collect();
    let file = diffusers.path().join("taesdxl/diffusion_pytorch_model.safetensors");
    candle_core::safetensors::save(&renamed, file).unwrap();
    let expected = load(&diffusers).unwrap().preview(&latents).unwrap().unwrap();
    assert_eq!(expected.dims(), [1, 3, 16, 24]);

    for place in ["taesdxl_decoder.safetensors", "taesd/taesdxl_decoder.safetensors"] {
        let original = copy_of("model_a");
        fs::create_dir_all(original.path().join(place).parent().unwrap()).unwrap();
        candle_core::safetensors::save(&tensors, original.path().join(place)).unwrap();
        let found = load(&original).unwrap().preview(&latents).unwrap().unwrap();
        assert_close(&found, &expected, 1e-6, place);
    }
}

#[test]
fn a_taesd_for_another_model_is_refused() {
    let folder = copy_of("model_b");
    copy_folder(&fixtures().join("taesd/diffusers"), &folder.path().join("taesd"));
    let error = load(&folder).unwrap_err();
    assert!(error.contains("latent_channels is 4, expected 8"), "{error}");
    for (config, expected) in [
        (r#"{"decoder_block_out_channels": []}"#, "decoder_block_out_channels has 0 and num_decoder_blocks 4 entries"),
        (r#"{"decoder_block_out_channels": [64, 64, 64, 99999999999]}"#, "decoder_block_out_channels is 99999999999"),
        (r#"{"num_decoder_blocks": [3, 3, 3, 18446744073709551615]}"#, "num_decoder_blocks is 18446744073709551615"),
        (r#"{"act_fn": "silu"}"#, "act_fn is silu, expected relu"),
        (r#"{"upsampling_scaling_factor": 4}"#, "upsampling_scaling_factor is 4, expected 2"),
    ] {
        let folder = copy_of("model_a");
        fs::create_dir(folder.path().join("taesd")).unwrap();
        fs::write(folder.path().join("taesd/config.json"), config).unwrap();
        let error = load(&folder).unwrap_err();
        assert!(error.contains("taesd/config.json") && error.contains(expected), "{error}");
    }
}
