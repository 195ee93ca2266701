//! Runs with fresh noise at each step against `StableDiffusionXLPipeline` with one generator per image
//! (make_scheduler_fixtures.py).

use std::ops::ControlFlow;

use pixgen_sdxl::TextToImage;
use serde::Deserialize;

use crate::schedulers::Options;
use crate::support::{MODELS, assert_close, json, kind, pipeline, relative_error, tensors};

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    scheduler: String,
    steps: usize,
    height_px: usize,
    width_px: usize,
    guidance_scale: f64,
    seeds: Vec<u64>,
    #[serde(flatten)]
    options: Options,
}

impl Case {
    fn input(&self) -> TextToImage {
        TextToImage {
            prompt: "a blue potion".to_owned(),
            negative_prompt: Some(String::new()),
            width_px: self.width_px,
            height_px: self.height_px,
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            scheduler: Some(kind(&self.scheduler)),
            sampler: self.options.clone().into(),
            seeds: self.seeds.clone(),
            ..TextToImage::default()
        }
    }
}

#[test]
fn each_image_goes_on_with_its_own_generator() {
    let reference = tensors("stochastic_runs.safetensors");
    let cases: Vec<Case> = json("stochastic_runs.json");
    assert_eq!(cases.len(), 14);
    for model in MODELS {
        let pipeline = pipeline(model);
        for case in cases.iter().filter(|case| case.model == model) {
            let mut steps = 0;
            let latents = pipeline
                .generate_latents(&case.input(), &mut |report| {
                    steps += 1;
                    assert_eq!(report.steps, case.steps);
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(steps, case.steps);
            assert_close(&latents, &reference[&case.name], 1e-4, &format!("{} {}", case.name, case.scheduler));
        }
    }
}

#[test]
fn a_list_of_timesteps_is_the_run_whatever_the_steps_say() {
    let cases: Vec<Case> = json("stochastic_runs.json");
    let pipeline = pipeline("model_a");
    let case = cases.iter().find(|case| case.scheduler == "lcm").unwrap();
    let draw = |input: &TextToImage| pipeline.generate_latents(input, &mut |_| ControlFlow::Continue(())).unwrap();
    let expected = draw(&case.input());
    assert_eq!(relative_error(&draw(&TextToImage { steps: 0, ..case.input() }), &expected), 0.0);
}
