//! Tiles against the whole, and what happens when half precision overflows.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use tempfile::TempDir;

use super::{F16_STREAM_SCALE, Network, Precision, Vae, VaeTiling};
use crate::checkpoint::Checkpoint;
use crate::nn::Seamless;
use crate::test_support::{MODELS, copy_folder, copy_of, fixtures};
use crate::{Error, LoadOptions, ModelSource};

fn fixture(model: &str) -> PathBuf {
    fixtures().join(model)
}

fn load(folder: &Path, dtype: DType) -> Vae {
    let source = ModelSource::Folder(folder.to_owned());
    Vae::load(&Checkpoint::open(&source, &LoadOptions::default()).unwrap(), &Device::Cpu, dtype).unwrap()
}

/// (1, channels, cells, cells) of waves that repeat every `period` cells.
fn waves(channels: usize, cells: usize, period: usize) -> Tensor {
    let value = |channel: usize, y: usize, x: usize| {
        let angle = |at: usize| std::f32::consts::TAU * at as f32 / period as f32;
        (angle(x) + channel as f32).sin() + (angle(y) * 2.0 - channel as f32 * 0.7).cos()
    };
    let values: Vec<f32> =
        (0..channels * cells * cells).map(|i| value(i / (cells * cells), i / cells % cells, i % cells)).collect();
    Tensor::from_vec(values, (1, channels, cells, cells), &Device::Cpu).unwrap()
}

fn smooth(channels: usize, cells: usize) -> Tensor {
    waves(channels, cells, cells)
}

/// Root of the mean square.
fn rms(x: &Tensor) -> f32 {
    x.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap().sqrt()
}

/// Largest jump between neighbouring columns, the last and the first among them.
fn steepest(image: &Tensor) -> f32 {
    let jump = (image - image.roll(1, 3).unwrap()).unwrap().abs().unwrap();
    jump.max_all().unwrap().to_scalar().unwrap()
}

/// Normalisation and attention see one tile only, so tiles and the whole image agree where every tile holds the same mix
/// of colours: here that of waves shorter than a tile.
#[test]
fn tiles_come_close_to_the_whole_image_and_show_no_seams() {
    for model in MODELS {
        let vae = load(&fixture(model), DType::F32);
        let latents = waves(vae.latent_channels(), 64, 8);
        for seamless in [Seamless::OFF, Seamless { x: true, y: true }] {
            let whole = vae.decode(&latents, seamless, VaeTiling::Off).unwrap();
            let tile_px = 32 * vae.factor();
            let decode = |overlap_px| vae.decode(&latents, seamless, VaeTiling::On { tile_px, overlap_px }).unwrap();
            let error = |tiled: &Tensor| rms(&(tiled - &whole).unwrap()) / rms(&whole);
            let (blended, hard) = (decode(tile_px / 2), decode(0));
            assert_eq!(blended.dims(), whole.dims());
            let (blended_error, hard_error) = (error(&blended), error(&hard));
            assert!(blended_error < 0.1, "{model} {seamless:?}: {blended_error}");
            // Without an overlap the edges of the tiles show.
            assert!(hard_error > 3.0 * blended_error, "{model} {seamless:?}: {hard_error} {blended_error}");
            let (found, expected) = (steepest(&blended), steepest(&whole));
            assert!(found < 1.15 * expected, "{model} {seamless:?}: a step of {found}, {expected} in the whole image");
        }
    }
}

#[test]
fn tiles_of_images_that_are_read_come_close_too() {
    for model in MODELS {
        let vae = load(&fixture(model), DType::F32);
        let image = (waves(vae.input_channels(), 64 * vae.factor(), 8 * vae.factor()) * 0.5).unwrap();
        let encode = |tiling| vae.encode(&image, Seamless { x: true, y: true }, tiling).unwrap().mean;
        let whole = encode(VaeTiling::Off);
        let tile_px = 32 * vae.factor();
        let tiled = encode(VaeTiling::On { tile_px, overlap_px: tile_px / 2 });
        let error = rms(&(&tiled - &whole).unwrap()) / rms(&whole);
        assert!(error < 0.12, "{model}: {error}");
    }
}

/// What the scale does, it does to no result.
#[test]
fn scaled_feature_maps_give_the_same_images_and_latents() {
    for model in MODELS {
        let checkpoint = Checkpoint::open(&ModelSource::Folder(fixture(model)), &LoadOptions::default()).unwrap();
        let vae = load(&fixture(model), DType::F32);
        let load_with = |precision| Network::load(&checkpoint, &vae.config, &Device::Cpu, precision).unwrap();
        let latents = smooth(vae.latent_channels(), 8);
        let images = smooth(vae.input_channels(), 8 * vae.factor());
        let draw = |network: &Network| {
            let dtype = |x: &Tensor| x.to_dtype(network.dtype).unwrap();
            let image = network.decoder.forward(&dtype(&latents), Seamless::OFF).unwrap();
            let encoder = network.encoder.as_ref().unwrap();
            [image, encoder.forward(&dtype(&images), Seamless::OFF).unwrap()]
        };
        let expected = draw(&load_with(Precision::F32));
        for (dtype, allowed) in [(DType::F32, 1e-5), (DType::F16, 1e-2)] {
            let found = draw(&load_with(Precision { dtype, stream_scale: F16_STREAM_SCALE }));
            for (found, expected) in found.iter().zip(&expected) {
                let error = rms(&(found - expected).unwrap()) / rms(expected);
                assert!(error < allowed, "{model} in {dtype:?}: {error:.1e}");
            }
        }
    }
}

/// A copy of model_b's autoencoder, which does not ask for f32, after `change` to its weights.
fn changed(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> TempDir {
    let folder = TempDir::new().unwrap();
    copy_folder(&fixture("model_b/vae"), &folder.path().join("vae"));
    let file = folder.path().join("vae/diffusion_pytorch_model.safetensors");
    let mut tensors = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, file).unwrap();
    folder
}

/// With its first weights `factor` times as large and the next normalisation undoing it.
fn overflowing(factor: f64) -> TempDir {
    changed(|tensors| {
        for part in ["decoder", "encoder"] {
            for name in ["weight", "bias"] {
                let tensor = tensors.get_mut(&format!("{part}.conv_in.{name}")).unwrap();
                *tensor = (&*tensor * factor).unwrap();
            }
        }
    })
}

#[test]
fn an_overflow_in_f16_is_drawn_again_in_f32() {
    let latents = smooth(8, 8);
    let images = smooth(4, 16);
    let off = (Seamless::OFF, VaeTiling::Off);

    let folder = overflowing(1e5);
    let expected = load(folder.path(), DType::F32).decode(&latents, off.0, off.1).unwrap();
    // The network itself does overflow: without the check the image would hold no number.
    let vae = load(folder.path(), DType::F16);
    let scaled = vae.unscale(&latents).unwrap().to_dtype(DType::F16).unwrap();
    assert!(!super::is_finite(&vae.network.decoder.forward(&scaled, off.0).unwrap()).unwrap());
    assert_eq!(vae.dtype(), DType::F16);
    let found = vae.decode(&latents, off.0, off.1).unwrap();
    assert_eq!(vae.dtype(), DType::F32);
    assert!(rms(&(found - &expected).unwrap()) < 1e-6 * rms(&expected));
    // Tiles overflow no less.
    let vae = load(folder.path(), DType::F16);
    vae.decode(&latents, off.0, VaeTiling::On { tile_px: 16, overlap_px: 8 }).unwrap();
    assert_eq!(vae.dtype(), DType::F32);
    // Nor does the encoder.
    let vae = load(folder.path(), DType::F16);
    let expected = load(folder.path(), DType::F32).encode(&images, off.0, off.1).unwrap();
    let found = vae.encode(&images, off.0, off.1).unwrap();
    assert_eq!(vae.dtype(), DType::F32);
    assert!(rms(&(found.mean - &expected.mean).unwrap()) < 1e-6 * rms(&expected.mean));

    // What fits into f16 stays there.
    let vae = load(&fixture("model_b"), DType::F16);
    vae.decode(&latents, off.0, off.1).unwrap();
    assert_eq!(vae.dtype(), DType::F16);
}

#[test]
fn what_overflows_in_f32_too_is_an_error_and_no_black_image() {
    let off = (Seamless::OFF, VaeTiling::Off);
    let folder = overflowing(1e38);
    for dtype in [DType::F16, DType::F32] {
        let error = load(folder.path(), dtype).decode(&(smooth(8, 8) * 1e3).unwrap(), off.0, off.1).unwrap_err();
        assert!(matches!(error, Error::NotFinite { what: "image" }), "{error}");
    }
    let nan = (smooth(8, 8) * f64::NAN).unwrap();
    let error = load(&fixture("model_b"), DType::F32).decode(&nan, off.0, off.1).unwrap_err();
    assert!(matches!(error, Error::NotFinite { what: "latent" }), "{error}");
}

#[test]
fn images_that_cannot_be_read_are_told_why() {
    let vae = load(&fixture("model_a"), DType::F32);
    let error = |dims: (usize, usize, usize, usize)| {
        let image = Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
        vae.encode(&image, Seamless::OFF, VaeTiling::Off).unwrap_err().to_string()
    };
    assert!(error((1, 4, 8, 8)).contains("4 channels, expected 3 (RGB)"));
    assert!(error((1, 3, 8, 7)).contains("7 × 8 px, expected positive multiples of 2"));
    assert!(error((1, 3, 0, 8)).contains("8 × 0 px"));
}

#[test]
fn a_file_without_an_encoder_draws_but_does_not_read() {
    let folder = changed(|tensors| tensors.retain(|name, _| !name.starts_with("encoder.")));
    let vae = load(folder.path(), DType::F32);
    vae.decode(&smooth(8, 4), Seamless::OFF, VaeTiling::Off).unwrap();
    let error = vae.encode(&smooth(4, 16), Seamless::OFF, VaeTiling::Off).unwrap_err().to_string();
    assert!(error.contains("has no encoder"), "{error}");
}

#[test]
fn a_shift_of_the_latents_is_taken_off_and_put_back() {
    let folder = copy_of("model_b");
    let file = folder.path().join("vae/config.json");
    let config = fs::read_to_string(&file).unwrap();
    let config = config.replace("\"shift_factor\": null", "\"shift_factor\": 0.25");
    assert!(config.contains("0.25"));
    fs::write(file, config).unwrap();
    let vae = load(folder.path(), DType::F32);
    let latents = smooth(8, 4);
    // z → (z - shift) · scale, as SD 3's and FLUX's pipelines write it.
    let expected = ((&latents - 0.25).unwrap() * 0.7).unwrap();
    let scaled = vae.scale(&latents).unwrap();
    assert!(rms(&(&scaled - expected).unwrap()) < 1e-6);
    assert!(rms(&(vae.unscale(&scaled).unwrap() - latents).unwrap()) < 1e-6);
}
