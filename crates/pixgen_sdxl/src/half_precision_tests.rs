//! Runs every part in f16, where it takes the composed operations instead of the CPU kernels: the road that graphics
//! cards take.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use pixgen_api::SchedulerKind;

use crate::checkpoint::Checkpoint;
use crate::lora::Adapters;
use crate::nn::Seamless;
use crate::text::TextEncoders;
use crate::unet::{Surroundings, Unet};
use crate::vae::{Vae, VaeTiling};
use crate::{EncodedPrompt, LoadOptions, ModelSource, Pipeline, PromptOptions, TextToImage};

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
    let error = relative_error(found, expected);
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

/// Largest share of diffusers' own error that ours may have, both in the same precision against f32.
const SHARE: f64 = 1.25;

/// `fixtures/half_precision.json`, made by `tests/parity/make_half_fixtures.py`: diffusers' own errors.
#[derive(serde::Deserialize)]
struct OwnErrors {
    unet: Vec<f64>,
    latents: HashMap<String, f64>,
}

fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    let norm = |x: Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
    let (found, expected) = (found.to_dtype(DType::F64).unwrap(), expected.to_dtype(DType::F64).unwrap());
    norm((found - &expected).unwrap()) / norm(expected)
}

#[test]
fn half_precision_is_as_good_as_that_of_diffusers() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures");
    let own = std::fs::read(fixtures.join("half_precision.json")).unwrap();
    let own: HashMap<String, HashMap<String, OwnErrors>> = serde_json::from_slice(&own).unwrap();
    assert_eq!(own.len(), 2);
    for (model, precisions) in own {
        let load = |name: &str| {
            candle_core::safetensors::load(fixtures.join(format!("{model}_{name}.safetensors")), &Device::Cpu).unwrap()
        };
        let (parts, runs) = (load("parts"), load("runs"));
        let cases = std::fs::read(fixtures.join(format!("{model}_runs.json"))).unwrap();
        let cases: Vec<serde_json::Value> = serde_json::from_slice(&cases).unwrap();
        let source = ModelSource::Folder(fixtures.join(&model));
        for (precision, dtype) in [("f16", DType::F16), ("bf16", DType::BF16)] {
            let own = &precisions[precision];
            let options = LoadOptions::default();
            let checkpoint = Checkpoint::open(&source, &options).unwrap();
            let adapters = Adapters::new(&source, &options);
            let pipeline = Pipeline::load_parts(&checkpoint, &Device::Cpu, dtype, adapters).unwrap();
            for (case, theirs) in own.unet.iter().enumerate() {
                let input = |name: &str| &parts[&format!("unet.{case}.{name}")];
                let sizes: Vec<[f32; 6]> = input("time_ids")
                    .to_vec2::<f32>()
                    .unwrap()
                    .into_iter()
                    .map(|row| row.try_into().unwrap())
                    .collect();
                let prompt = EncodedPrompt {
                    ids: [Vec::new(), Vec::new()],
                    hidden: input("context").clone(),
                    pooled: input("pooled").clone(),
                };
                let timestep = input("timestep").to_scalar::<f32>().unwrap();
                let found = pipeline.predict(input("sample"), timestep, &[prompt], &sizes).unwrap();
                let ours = relative_error(&found, input("output"));
                assert!(ours <= SHARE * theirs, "{model} {precision} UNet {case}: {ours:.2e}, diffusers {theirs:.2e}");
            }
            for (name, theirs) in &own.latents {
                let case = cases.iter().find(|case| case["name"] == name.as_str()).unwrap();
                let number = |key: &str| case[key].as_f64().unwrap();
                let pair = |key: &str| {
                    let pair = case[key].as_array()?;
                    Some((pair[0].as_u64().unwrap() as usize, pair[1].as_u64().unwrap() as usize))
                };
                let input = TextToImage {
                    prompt: case["prompt"].as_str().unwrap().to_owned(),
                    negative_prompt: case["negative_prompt"].as_str().map(str::to_owned),
                    width_px: number("width_px") as usize,
                    height_px: number("height_px") as usize,
                    original_size_px: pair("original_size_px"),
                    crop_top_left_px: pair("crop_top_left_px").unwrap(),
                    target_size_px: pair("target_size_px"),
                    steps: number("steps") as usize,
                    guidance_scale: number("guidance_scale"),
                    guidance_rescale: number("guidance_rescale"),
                    scheduler: Some(SchedulerKind::Euler),
                    seeds: case["seeds"].as_array().unwrap().iter().map(|seed| seed.as_u64().unwrap()).collect(),
                    ..TextToImage::default()
                };
                let found = pipeline.generate_latents(&input, &mut |_| ControlFlow::Continue(())).unwrap();
                let ours = relative_error(&found, &runs[&format!("{name}.latents")]);
                assert!(ours <= SHARE * theirs, "{model} {precision} {name}: {ours:.2e}, diffusers {theirs:.2e}");
            }
        }
    }
}
