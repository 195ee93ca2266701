//! Runs every part in f16, where it takes the composed operations instead of the CPU kernels: the road that graphics
//! cards take.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};

use crate::PromptOptions;
use crate::checkpoint::Checkpoint;
use crate::nn::Seamless;
use crate::test_support::{
    MODELS, RunCase, UNET_CASES, UnetCase, checkpoint, json, pipeline_in, relative_error, tensors,
};
use crate::text::TextEncoders;
use crate::unet::{Surroundings, Unet};
use crate::vae::{Vae, VaeTiling};

/// Relative error that f16, with its eleven bits, may have against diffusers in f32.
const TOLERANCE: f64 = 1e-2;

fn each_model(check: impl Fn(&Checkpoint, &HashMap<String, Tensor>)) {
    for model in MODELS {
        let mut reference = tensors(&format!("{model}_parts.safetensors"));
        reference.extend(tensors(&format!("{model}_images.safetensors")));
        check(&checkpoint(model), &reference);
    }
}

fn assert_close(found: &Tensor, expected: &Tensor) {
    let error = relative_error(found, expected);
    assert!(error <= TOLERANCE, "relative error {error:.1e}, allowed are {TOLERANCE:.0e}");
}

#[test]
fn text_encoders_in_f16() {
    each_model(|source, reference| {
        let encoders = TextEncoders::load(source, &Device::Cpu, DType::F16).unwrap();
        let encoded =
            encoders.encode_anew(&encoders.read("a blue potion", &PromptOptions::plain()).unwrap(), 0).unwrap();
        assert_eq!(encoded.hidden.dtype(), DType::F16);
        assert_close(&encoded.hidden, &reference["hidden.2"]);
        assert_close(&encoded.pooled, &reference["pooled.2"]);
    });
}

#[test]
fn weighted_prompts_in_f16() {
    let reference = tensors("text.safetensors");
    // Cases of make_text_fixtures.py.
    let cases = [(0, "a (blue:1.5) potion", "model_b"), (8, r"(green slime:1.3), \(isometric\)", "model_a")];
    for (index, prompt, model) in cases {
        let encoders = TextEncoders::load(&checkpoint(model), &Device::Cpu, DType::F16).unwrap();
        let encoded = encoders.encode_anew(&encoders.read(prompt, &PromptOptions::default()).unwrap(), 0).unwrap();
        assert_eq!(encoded.hidden.dtype(), DType::F16);
        assert_close(&encoded.hidden, &reference[&format!("{index}.hidden")]);
    }
}

#[test]
fn the_unet_in_f16() {
    each_model(|source, reference| {
        let unet = Unet::load(source, &Device::Cpu, DType::F16).unwrap();
        for case in 0..UNET_CASES {
            let case = UnetCase::read(reference, case);
            let conditioning = unet.condition(&case.prompt.hidden, &case.prompt.pooled, &case.sizes_px).unwrap();
            let found = unet.forward(&case.sample, case.timestep, &conditioning, Surroundings::default()).unwrap();
            assert_eq!(found.dtype(), DType::F32);
            assert_close(&found, &case.output);
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

/// `fixtures/half_precision.json`, made by `tests/parity/make_half_fixtures.py`: diffusers' own errors in f16.
///
/// candle multiplies no bf16 on the CPU; the example `full_size` compares bf16 on a GPU.
#[derive(serde::Deserialize)]
struct OwnErrors {
    unet: Vec<f64>,
    latents: HashMap<String, f64>,
}

#[test]
fn half_precision_is_as_good_as_that_of_diffusers() {
    let own: HashMap<String, OwnErrors> = json("half_precision.json");
    assert_eq!(own.len(), 2);
    let mut shares = Vec::new();
    for (model, own) in own {
        let parts = tensors(&format!("{model}_parts.safetensors"));
        let runs = tensors(&format!("{model}_runs.safetensors"));
        let cases: Vec<RunCase> = json(&format!("{model}_runs.json"));
        let pipeline = pipeline_in(&model, DType::F16);
        for (case, theirs) in own.unet.iter().enumerate() {
            let unet = UnetCase::read(&parts, case);
            let ours = relative_error(&unet.predict(&pipeline), &unet.output);
            shares.push((ours / theirs, format!("{model} UNet {case}: {ours:.2e} of {theirs:.2e}")));
        }
        for (name, theirs) in &own.latents {
            let input = cases.iter().find(|case| case.name == *name).unwrap().input();
            let found = pipeline.generate_latents(&input, &mut |_| ControlFlow::Continue(())).unwrap();
            let ours = relative_error(&found, &runs[&format!("{name}.latents")]);
            shares.push((ours / theirs, format!("{model} {name}: {ours:.2e} of {theirs:.2e}")));
        }
    }
    assert!(shares.iter().all(|(share, _)| *share <= SHARE), "{shares:#.2?}");
}
