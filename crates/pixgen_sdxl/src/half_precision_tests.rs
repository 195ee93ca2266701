//! Runs every part in f16, where it takes the composed operations instead of the CPU kernels: the road that graphics
//! cards take.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::checkpoint::Checkpoint;
use crate::nn::Seamless;
use crate::text::TextEncoders;
use crate::unet::{Surroundings, Unet};
use crate::vae::{Vae, VaeTiling};
use crate::{LoadOptions, ModelSource, PromptOptions};

/// Relative error that f16, with its eleven bits, may have against diffusers in f32.
const TOLERANCE: f64 = 1e-2;

fn each_model(check: impl Fn(&Checkpoint, &HashMap<String, Tensor>)) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures");
    for model in ["model_a", "model_b"] {
        let load = |name: &str| {
            candle_core::safetensors::load(fixtures.join(format!("{model}_{name}.safetensors")), &Device::Cpu).unwrap()
        };
        let mut reference = load("parts");
        reference.extend(load("images"));
        let source = ModelSource::Folder(fixtures.join(model));
        check(&Checkpoint::open(&source, &LoadOptions::default()).unwrap(), &reference);
    }
}

fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims());
    let norm = |x: Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
    let (found, expected) = (found.to_dtype(DType::F64).unwrap(), expected.to_dtype(DType::F64).unwrap());
    let error = norm((found - &expected).unwrap()) / norm(expected);
    assert!(error <= TOLERANCE, "relative error {error:.1e}, allowed are {TOLERANCE:.0e}");
}

#[test]
fn text_encoders_in_f16() {
    each_model(|source, reference| {
        let encoders = TextEncoders::load(source, &Device::Cpu, DType::F16).unwrap();
        let encoded = encoders.encode(&encoders.read("a blue potion", &PromptOptions::plain()).unwrap(), 0).unwrap();
        assert_eq!(encoded.hidden.dtype(), DType::F16);
        assert_close(&encoded.hidden, &reference["hidden.2"]);
        assert_close(&encoded.pooled, &reference["pooled.2"]);
    });
}

#[test]
fn weighted_prompts_in_f16() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/text.safetensors");
    let reference = candle_core::safetensors::load(reference, &Device::Cpu).unwrap();
    // Cases of make_text_fixtures.py.
    let cases = [(0, "a (blue:1.5) potion", "model_b"), (8, r"(green slime:1.3), \(isometric\)", "model_a")];
    for (index, prompt, model) in cases {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures").join(model);
        let source = Checkpoint::open(&ModelSource::Folder(source), &LoadOptions::default()).unwrap();
        let encoders = TextEncoders::load(&source, &Device::Cpu, DType::F16).unwrap();
        let encoded = encoders.encode(&encoders.read(prompt, &PromptOptions::default()).unwrap(), 0).unwrap();
        assert_eq!(encoded.hidden.dtype(), DType::F16);
        assert_close(&encoded.hidden, &reference[&format!("{index}.hidden")]);
    }
}

#[test]
fn the_unet_in_f16() {
    each_model(|source, reference| {
        let unet = Unet::load(source, &Device::Cpu, DType::F16).unwrap();
        for case in 0..3 {
            let input = |name: &str| &reference[&format!("unet.{case}.{name}")];
            let sizes = input("time_ids").to_vec2::<f32>().unwrap();
            let sizes: Vec<[f32; 6]> = sizes.into_iter().map(|row| row.try_into().unwrap()).collect();
            let conditioning = unet.condition(input("context"), input("pooled"), &sizes).unwrap();
            let timestep = input("timestep").to_scalar::<f32>().unwrap();
            let found = unet.forward(input("sample"), timestep, &conditioning, Surroundings::default()).unwrap();
            assert_eq!(found.dtype(), DType::F32);
            assert_close(&found, input("output"));
        }
    });
}

#[test]
fn the_decoder_in_f16() {
    each_model(|source, reference| {
        let vae = Vae::load(source, &Device::Cpu, DType::F16).unwrap();
        let found =
            vae.decode(&reference["vae.latents"], Seamless::OFF, VaeTiling::Off).unwrap().clamp(-1f32, 1f32).unwrap();
        assert_close(&found, &reference["vae.image"]);
    });
}

#[test]
fn the_encoder_in_f16() {
    each_model(|source, reference| {
        let vae = Vae::load(source, &Device::Cpu, DType::F16).unwrap();
        let found = vae.encode(&reference["encoder.image"], Seamless::OFF, VaeTiling::Off).unwrap();
        assert_close(&found.mean, &reference["encoder.mean"]);
        assert_close(&found.log_variance, &reference["encoder.log_variance"]);
    });
}
