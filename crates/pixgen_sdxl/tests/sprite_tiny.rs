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
