//! Images that lie in a larger context. Images that repeat: what is rolled around the edges before comes out rolled, and
//! only then. Images that share attention: against diffusers (`tests/parity/make_image_fixtures.py`, diffusers 0.42.1).

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use crate::nn::Seamless;
use crate::test_support::{MODELS, UnetCase, checkpoint, relative_error as error, tensors};
use crate::unet::{Conditioning, FrameAttention, Surroundings, Unet};
use crate::vae::{Vae, VaeTiling};

const X: Seamless = Seamless { x: true, y: false };
const Y: Seamless = Seamless { x: false, y: true };
const BOTH: Seamless = Seamless { x: true, y: true };
const TOLERANCE: f64 = 1e-4;

fn noise(seed: u64, dims: (usize, usize, usize, usize)) -> Tensor {
    let count = dims.0 * dims.1 * dims.2 * dims.3;
    Tensor::from_vec(crate::randn(seed, count), dims, &Device::Cpu).unwrap()
}

/// Rolls the input of `network` by `shift` cells (y, x) and holds its output against the rolled output; `scale` output
/// units lie on a cell.
fn roll_error(network: &dyn Fn(&Tensor) -> Tensor, x: &Tensor, shift: (i32, i32), scale: i32) -> f64 {
    let roll = |x: &Tensor, scale: i32| x.roll(shift.0 * scale, 2).unwrap().roll(shift.1 * scale, 3).unwrap();
    error(&network(&roll(x, 1)), &roll(&network(x), scale))
}

/// Of the first prompts of the parts' fixtures.
fn conditioning(unet: &Unet, parts: &HashMap<String, Tensor>) -> Conditioning {
    let case = UnetCase::read(parts, 0);
    unet.condition(&case.prompt.hidden, &case.prompt.pooled, &case.sizes_px).unwrap()
}

#[test]
fn the_unet_rolls_with_its_input_by_whole_cells_of_its_deepest_level() {
    for (model, levels) in [("model_a", 2), ("model_b", 3)] {
        let unet = Unet::load(&checkpoint(model), &Device::Cpu, DType::F32).unwrap();
        let conditioning = conditioning(&unet, &tensors(&format!("{model}_parts.safetensors")));
        let whole = 1 << (levels - 1);
        assert_eq!(unet.factor() as i32, whole);
        let sample = noise(1, (2, unet.channels(), 16, 24));
        let rolled = |seamless: Seamless, shift: (i32, i32)| {
            let network = |x: &Tensor| {
                unet.forward(x, 500.0, &conditioning, Surroundings { seamless, ..Surroundings::default() }).unwrap()
            };
            roll_error(&network, &sample, shift, 1)
        };
        for times in [1, 3] {
            let shift = times * whole;
            for (seamless, shift) in [(X, (0, shift)), (Y, (shift, 0)), (BOTH, (shift, 2 * shift))] {
                let error = rolled(seamless, shift);
                assert!(error <= TOLERANCE, "{model} {seamless:?} {shift:?}: {error:.1e}");
            }
            // With the axis off the edges show, and so do shifts by half a cell of the deepest level.
            for (seamless, shift) in
                [(Y, (0, shift)), (X, (shift, 0)), (Seamless::OFF, (0, shift)), (BOTH, (0, shift + whole / 2))]
            {
                let error = rolled(seamless, shift);
                assert!(error > 100.0 * TOLERANCE, "{model} {seamless:?} {shift:?}: {error:.1e}");
            }
        }
    }
}

#[test]
fn the_autoencoder_rolls_with_its_input() {
    for model in MODELS {
        let vae = Vae::load(&checkpoint(model), &Device::Cpu, DType::F32).unwrap();
        let factor = vae.factor();
        let latents = noise(2, (1, vae.latent_channels(), 7, 10));
        let images = noise(3, (1, vae.input_channels(), 7 * factor, 10 * factor)).tanh().unwrap();
        let check = |seamless: Seamless, shift: (i32, i32), holds: bool| {
            let decode = |x: &Tensor| vae.decode(x, seamless, VaeTiling::Off).unwrap();
            let decoded = roll_error(&decode, &latents, shift, factor as i32);
            // The encoder's input is rolled by the pixels of whole cells.
            let encode = |x: &Tensor| vae.encode(x, seamless, VaeTiling::Off).unwrap().mean;
            let roll = |x: &Tensor, scale: i32| x.roll(shift.0 * scale, 2).unwrap().roll(shift.1 * scale, 3).unwrap();
            let encoded = error(&encode(&roll(&images, factor as i32)), &roll(&encode(&images), 1));
            for (what, error) in [("decoder", decoded), ("encoder", encoded)] {
                let ok = if holds { error <= TOLERANCE } else { error > 50.0 * TOLERANCE };
                assert!(ok, "{model} {what} {seamless:?} {shift:?}: {error:.1e}");
            }
        };
        for shift in [1, 3] {
            check(X, (0, shift), true);
            check(Y, (shift, 0), true);
            check(BOTH, (shift, 2), true);
            check(Y, (0, shift), false);
            check(X, (shift, 0), false);
            check(Seamless::OFF, (0, shift), false);
        }
    }
}

#[test]
fn frames_that_attend_to_the_first_are_those_of_diffusers() {
    for model in MODELS {
        let load = |name: &str| tensors(&format!("{model}_{name}.safetensors"));
        let (parts, images) = (load("parts"), load("images"));
        let unet = Unet::load(&checkpoint(model), &Device::Cpu, DType::F32).unwrap();
        // Two prompts of two images each.
        let conditioning = conditioning(&unet, &parts).repeat(2).unwrap();
        let output = |frames, images_per_prompt| {
            let surroundings = Surroundings { frames, images: images_per_prompt, ..Surroundings::default() };
            unet.forward(&images["frames.sample"], 333.0, &conditioning, surroundings).unwrap()
        };
        let shared = output(FrameAttention::SharedFirstFrame, 2);
        let error_shared = error(&shared, &images["frames.output"]);
        assert!(error_shared <= 1e-5, "{model}: {error_shared:.1e}");
        let own = output(FrameAttention::Independent, 2);
        for (image, same) in [(0, true), (1, false), (2, true), (3, false)] {
            let row = |x: &Tensor| x.narrow(0, image, 1).unwrap();
            let error = error(&row(&shared), &row(&own));
            assert_eq!(error < 1e-5, same, "{model} image {image}: {error:.1e}");
        }
    }
}
