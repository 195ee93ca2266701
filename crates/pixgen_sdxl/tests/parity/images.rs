//! The encoder, image-to-image and inpainting, and attention shared by frames. The reference values come from
//! `make_image_fixtures.py` (torch 2.15, diffusers 0.42.1, transformers 5.23).

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{FrameAttention, InitImage, Seamless, TextToImage, VaeTiling};
use serde::Deserialize;

use crate::support::{MODELS, assert_close, json, kind, pipeline, relative_error, tensors};

#[test]
fn encoded_images_are_those_of_diffusers() {
    for model in MODELS {
        let reference = tensors(&format!("{model}_images.safetensors"));
        let expected = |name: &str| &reference[&format!("encoder.{name}")];
        let pipeline = pipeline(model);
        let image = expected("image").to_dtype(DType::F32).unwrap();
        let posterior = pipeline.encode(&image, Seamless::OFF, VaeTiling::Off).unwrap();
        assert_close(posterior.mode(), expected("mean"), 1e-5, &format!("{model}, mean"));
        assert_close(&posterior.log_variance, expected("log_variance"), 1e-5, &format!("{model}, log variance"));
        let sample: Tensor = posterior.sample(expected("noise")).unwrap();
        assert_close(&sample, expected("sample"), 1e-5, &format!("{model}, sample"));
        let scaled = pipeline.scale_latents(&sample).unwrap();
        assert_close(&scaled, expected("scaled"), 1e-5, &format!("{model}, scaled sample"));
    }
}

#[derive(Deserialize)]
struct Case {
    name: String,
    scheduler: String,
    steps: usize,
    strength: f64,
    guidance_scale: f64,
    guidance_rescale: f64,
    inpaints: bool,
    /// Pictures to begin with: one, or one per seed.
    images: usize,
    seeds: Vec<u64>,
    prompt: String,
    negative_prompt: Option<String>,
}

impl Case {
    fn input(&self, reference: &HashMap<String, Tensor>) -> TextToImage {
        let read = |name: &str| reference[name].to_dtype(DType::F32).unwrap();
        let pixels = read("run.images").narrow(0, 0, self.images).unwrap();
        TextToImage {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            height_px: pixels.dims()[2],
            width_px: pixels.dims()[3],
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            guidance_rescale: self.guidance_rescale,
            scheduler: Some(kind(&self.scheduler)),
            seeds: self.seeds.clone(),
            init_image: Some(InitImage { pixels, strength: self.strength }),
            mask: self.inpaints.then(|| read("run.mask")),
            ..TextToImage::default()
        }
    }
}

#[test]
fn runs_from_pictures_end_where_diffusers_does() {
    for model in MODELS {
        let reference = tensors(&format!("{model}_images.safetensors"));
        let pipeline = pipeline(model);
        let cases: Vec<Case> = json(&format!("{model}_images.json"));
        assert_eq!(cases.len(), 11);
        for case in cases {
            let name = format!("{model} {} {} inpaints {}", case.name, case.scheduler, case.inpaints);
            let mut steps = Vec::new();
            let latents = pipeline
                .generate_latents(&case.input(&reference), &mut |report| {
                    steps.push((report.step, report.steps));
                    ControlFlow::Continue(())
                })
                .unwrap();
            let taken = (case.steps as f64 * case.strength) as usize;
            assert_eq!(steps, (1..=taken).map(|step| (step, taken)).collect::<Vec<_>>());
            assert_close(&latents, &reference[&format!("{}.latents", case.name)], 1e-4, &name);
            if let Some(expected) = reference.get(&format!("{}.image", case.name)) {
                let image = pipeline.decode(&latents).unwrap().narrow(0, 0, 1).unwrap();
                let worst = (image - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(worst <= 2.0 / 255.0, "{name}: {worst}");
            }
        }
    }
}

#[test]
fn what_the_mask_leaves_alone_stays() {
    let reference = tensors("model_a_images.safetensors");
    let pipeline = pipeline("model_a");
    let cases: Vec<Case> = json("model_a_images.json");
    let mut input = cases.iter().find(|case| case.inpaints).unwrap().input(&reference);
    let ones = Tensor::ones((1, 1, input.height_px, input.width_px), DType::F32, &Device::Cpu).unwrap();
    let draw = |input: &TextToImage| pipeline.generate_latents(input, &mut |_| ControlFlow::Continue(())).unwrap();

    // Nothing is painted: the picture's latents come back, whatever the run did.
    input.mask = Some(ones.zeros_like().unwrap());
    let kept = draw(&input);
    let mut last = None;
    pipeline
        .generate_latents(&input, &mut |report| {
            last = Some(report.denoised.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_close(&last.unwrap(), &kept, 1e-6, "the last report of a run that paints nothing");
    input.prompt = "something else".to_owned();
    assert_close(&draw(&input), &kept, 1e-6, "latents of a run that paints nothing");

    // Everything is painted: as without a mask.
    input.mask = Some(ones);
    let painted = draw(&input);
    input.mask = None;
    assert_close(&draw(&input), &painted, 1e-5, "latents of a run that paints everything");
}

#[test]
fn images_that_repeat_roll_and_only_they() {
    for model in MODELS {
        let reference = tensors(&format!("{model}_images.safetensors"));
        let pipeline = pipeline(model);
        let step = pipeline.seamless_step_px() as i32;
        let images = reference["run.images"].to_dtype(DType::F32).unwrap().narrow(0, 0, 1).unwrap();
        let latents = |seamless: Seamless, roll: i32| {
            let images = images.roll(roll, 3).unwrap();
            pipeline.encode(&images, seamless, VaeTiling::Off).unwrap().mean
        };
        let image = |latents: &Tensor, seamless| pipeline.decode_with(latents, seamless, VaeTiling::Off).unwrap();
        let x = Seamless { x: true, y: false };
        let rolled = image(&latents(x, step), x);
        let expected = image(&latents(x, 0), x).roll(step, 3).unwrap();
        assert_close(&rolled, &expected, 1e-4, "a rolled image");
        let rolled = image(&latents(Seamless::OFF, step), Seamless::OFF);
        let expected = image(&latents(Seamless::OFF, 0), Seamless::OFF).roll(step, 3).unwrap();
        assert!(relative_error(&rolled, &expected) > 1e-2);
    }
    let pipeline = pipeline("model_b");
    let mut input = TextToImage { width_px: 32, height_px: 36, steps: 1, ..TextToImage::default() };
    input.seamless = Seamless { x: true, y: false };
    pipeline.generate(&input, &mut |_| ControlFlow::Continue(())).unwrap();
    input.seamless = Seamless { x: true, y: true };
    let error = pipeline.generate(&input, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("height_px is 36, expected a multiple of 16"), "{error}");
}

#[test]
fn frames_share_the_first_ones_attention() {
    let pipeline = pipeline("model_a");
    let draw = |seeds: Vec<u64>, frames| {
        let input = TextToImage { width_px: 16, height_px: 16, steps: 3, seeds, frames, ..TextToImage::default() };
        pipeline.generate_latents(&input, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let row = |x: &Tensor, at| x.narrow(0, at, 1).unwrap();
    let alone = draw(vec![1], FrameAttention::Independent);
    let shared = draw(vec![1, 2], FrameAttention::SharedFirstFrame);
    assert_close(&row(&shared, 0), &alone, 1e-5, "the first frame");
    let independent = draw(vec![1, 2], FrameAttention::Independent);
    assert!(relative_error(&row(&shared, 1), &row(&independent, 1)) > 1e-3);
}

#[test]
fn pictures_and_masks_out_of_range_are_errors_that_name_the_field() {
    let reference = tensors("model_a_images.safetensors");
    let pipeline = pipeline("model_a");
    let cases: Vec<Case> = json("model_a_images.json");
    let error = |change: &dyn Fn(&mut TextToImage)| {
        let mut input = cases.iter().find(|case| case.inpaints).unwrap().input(&reference);
        change(&mut input);
        pipeline.generate(&input, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    let zeros = |dims: (usize, usize, usize, usize)| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let image = |pixels: Tensor, strength| Some(InitImage { pixels, strength });
    for (found, expected) in [
        (error(&|i| i.init_image = None), "there is a mask but no init_image"),
        (error(&|i| i.mask = Some(zeros((1, 1, 16, 16)))), "mask has shape [1, 1, 16, 16], expected [1, 1, 16, 24]"),
        (error(&|i| i.mask = Some((zeros((1, 1, 16, 24)) - 1.0).unwrap())), "mask holds -1, expected 0 to 1"),
        (
            error(&|i| i.init_image = image(zeros((1, 3, 8, 24)), 0.5)),
            "1 pictures of 24 × 8 px, expected 1 or 2 of 24 × 16",
        ),
        (error(&|i| i.init_image = image(zeros((3, 3, 16, 24)), 0.5)), "3 pictures"),
        (error(&|i| i.init_image = image(zeros((1, 4, 16, 24)), 0.5)), "4 channels, expected 3 (RGB)"),
        (error(&|i| i.init_image = image(zeros((1, 3, 16, 24)), f64::NAN)), "strength is NaN, expected 0 to 1"),
        (
            error(&|i| i.init_image = image(zeros((1, 3, 16, 24)), 0.01)),
            "strength is 0.01, which leaves none of 20 steps",
        ),
        (error(&|i| i.init_image = image((zeros((1, 3, 16, 24)) / 0.0).unwrap(), 0.5)), "not finite"),
    ] {
        assert!(found.contains(expected), "{found}");
    }
}
