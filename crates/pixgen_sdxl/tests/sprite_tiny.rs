//! The model that this project ships, against Python diffusers: the same sprite from the same seed.
//!
//! The pictures in `tests/sprite_tiny` are what `models/training/fixtures.py` drew with `StableDiffusionXLPipeline`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Device};
use pixgen_api::SchedulerKind;
use pixgen_sdxl::{ModelSource, Pipeline, TextToImage};

/// Largest difference of any channel of any pixel, of 255.
const TOLERANCE: u8 = 2;

/// File name, prompt, size in pixels, seed: as in `fixtures.py`.
const CASES: [(&str, &str, usize, u64); 6] = [
    ("potion", "item, a blue potion", 32, 1),
    ("dragon", "monster, a red dragon", 32, 2),
    ("warrior", "character, a red warrior", 32, 3),
    ("grass", "tile, a grass floor", 32, 4),
    ("key", "item, a golden key", 16, 5),
    ("slime", "monster, a green slime, facing left!", 16, u32::MAX as u64),
];

#[test]
fn six_prompts_are_drawn_as_diffusers_draws_them() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = ModelSource::Folder(here.join("../../models/sprite-tiny"));
    let pipeline = Pipeline::load(&model, &Device::Cpu, DType::F32).unwrap();
    for (name, prompt, size_px, seed) in CASES {
        let input = TextToImage {
            prompt: prompt.to_owned(),
            negative_prompt: Some(String::new()),
            width_px: size_px,
            height_px: size_px,
            steps: 8,
            guidance_scale: 3.0,
            guidance_rescale: 0.7,
            scheduler: Some(SchedulerKind::Ddim),
            seeds: vec![seed],
            ..TextToImage::default()
        };
        let image = pipeline.generate(&input, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(image.dims(), [1, 4, size_px, size_px]);
        let ours =
            image.squeeze(0).unwrap().permute((1, 2, 0)).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let ours = ours.into_iter().map(|value| ((value + 1.0) * 127.5).clamp(0.0, 255.0).round_ties_even() as u8);

        let theirs = image::open(here.join(format!("tests/sprite_tiny/{name}.png"))).unwrap().to_rgba8();
        let worst = ours.zip(theirs.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= TOLERANCE, "{prompt}: a channel differs by {worst} of 255");
    }
}

/// Pictures of a run with two steps, one after another.
fn draw(pipeline: &Pipeline, change: impl FnOnce(&mut TextToImage)) -> Result<Vec<Vec<f32>>, pixgen_sdxl::Error> {
    let mut input = TextToImage {
        prompt: "item, a blue potion".to_owned(),
        width_px: 16,
        height_px: 16,
        steps: 2,
        guidance_scale: 3.0,
        ..TextToImage::default()
    };
    change(&mut input);
    let images = pipeline.generate(&input, &mut |_| ControlFlow::Continue(()))?;
    Ok(images.flatten_from(1)?.to_vec2()?)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_image_of_a_run_can_have_a_prompt_of_its_own() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny");
    let pipeline = Pipeline::load(&ModelSource::Folder(model), &Device::Cpu, DType::F32).unwrap();
    let prompts = ["item, a blue potion", "monster, a large red dragon with two wings and a tail"];
    let together = draw(&pipeline, |input| {
        input.image_prompts = prompts.map(str::to_owned).to_vec();
        input.seeds = vec![3, 3];
    });
    let together = together.unwrap();
    for (found, prompt) in together.iter().zip(prompts) {
        let alone = draw(&pipeline, |input| {
            input.prompt = prompt.to_owned();
            input.seeds = vec![3];
        });
        let difference = largest_difference(found, &alone.unwrap()[0]);
        assert!(difference < 1e-3, "{prompt}: alone it differs by {difference}");
    }
    assert!(largest_difference(&together[0], &together[1]) > 0.1);
    let error = draw(&pipeline, |input| input.image_prompts = vec![String::new(); 3]).unwrap_err().to_string();
    assert!(error.contains("image_prompts holds 3 texts, expected none or 1"), "{error}");
}

#[test]
fn noise_that_goes_around_a_circle_makes_neighbours_alike() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny");
    let pipeline = Pipeline::load(&ModelSource::Folder(model), &Device::Cpu, DType::F32).unwrap();
    let circle = |variation| {
        draw(&pipeline, |input| {
            input.seeds = vec![5; 4];
            input.noise_variation = Some(variation);
        })
    };
    let still = circle(0.0).unwrap();
    assert!(still.iter().all(|frame| largest_difference(frame, &still[0]) < 1e-3));
    let mean = |frames: &[Vec<f32>], a: usize, b: usize| {
        let sum: f32 = frames[a].iter().zip(&frames[b]).map(|(a, b)| (a - b).abs()).sum();
        sum / frames[a].len() as f32
    };
    let (little, much) = (circle(0.05).unwrap(), circle(0.8).unwrap());
    assert!(mean(&little, 0, 1) < mean(&much, 0, 1) && mean(&little, 0, 1) > 0.0);
    // The last one is the first one's neighbour, not its opposite.
    assert!(mean(&little, 0, 3) < mean(&little, 0, 2) * 1.2);
    let error = circle(f64::NAN).unwrap_err().to_string();
    assert!(error.contains("noise_variation is NaN"), "{error}");
}
