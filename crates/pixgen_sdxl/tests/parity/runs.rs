//! Whole runs against `StableDiffusionXLPipeline`, and the promises of the pipeline's own.

use std::ops::ControlFlow;

use pixgen_sdxl::{Error, Pipeline, TextToImage};

use crate::support::{MODELS, RunCase, assert_close, json, pipeline, tensors};

fn input(model: &str) -> TextToImage {
    json::<Vec<RunCase>>(&format!("{model}_runs.json")).remove(1).input()
}

fn draw(pipeline: &Pipeline, input: &TextToImage) -> candle_core::Tensor {
    pipeline.generate(input, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn runs_end_where_diffusers_does() {
    for model in MODELS {
        let reference = tensors(&format!("{model}_runs.safetensors"));
        let pipeline = pipeline(model);
        let cases: Vec<RunCase> = json(&format!("{model}_runs.json"));
        assert_eq!(cases.len(), 12);
        for case in cases {
            let name = &case.name;
            let input = case.input();
            let mut steps = Vec::new();
            let latents = pipeline
                .generate_latents(&input, &mut |report| {
                    steps.push((report.step, report.steps));
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(steps, (1..=input.steps).map(|step| (step, input.steps)).collect::<Vec<_>>());
            assert_close(&latents, &reference[&format!("{name}.latents")], 1e-4, &format!("{model} {name} latents"));
            // The first image is enough: the latents of all are known to be right.
            let image = pipeline.decode(&latents).unwrap().narrow(0, 0, 1).unwrap();
            assert_close(&image, &reference[&format!("{name}.image")], 1e-4, &format!("{model} {name} image"));
        }
    }
}

#[test]
fn the_last_prediction_is_the_result() {
    // With a schedule that ends without noise, the last predicted latent is the final one.
    let pipeline = pipeline("model_a");
    let mut input = input("model_a");
    input.scheduler = None;
    let mut last = None;
    let latents = pipeline
        .generate_latents(&input, &mut |report| {
            last = Some(report.denoised.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_close(&last.unwrap(), &latents, 1e-6, "last prediction");
}

#[test]
fn a_seed_gives_the_same_image_in_every_batch() {
    let pipeline = pipeline("model_b");
    let mut input = input("model_b");
    input.seeds = vec![3, 4, 5];
    let together = draw(&pipeline, &input);
    for (index, seed) in [3, 4, 5].into_iter().enumerate() {
        input.seeds = vec![seed];
        assert_close(&draw(&pipeline, &input), &together.narrow(0, index, 1).unwrap(), 1e-5, "image of a batch");
    }
}

#[test]
fn a_run_stops_when_the_observer_says_so() {
    let pipeline = pipeline("model_a");
    let mut calls = 0;
    let result = pipeline.generate(&input("model_a"), &mut |report| {
        calls += 1;
        if report.step == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(calls, 2);
}

#[test]
fn input_out_of_range_is_an_error_that_names_the_field() {
    let pipeline = pipeline("model_a");
    let error = |change: fn(&mut TextToImage)| {
        let mut input = input("model_a");
        change(&mut input);
        pipeline.generate(&input, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    for (found, expected) in [
        (error(|i| i.width_px = 33), "width_px is 33, expected a positive multiple of 2"),
        (error(|i| i.height_px = 0), "height_px is 0"),
        (error(|i| i.width_px = 1 << 40), "more than can be drawn at once"),
        (error(|i| (i.width_px, i.height_px) = (1 << 40, 1 << 40)), "more than can be drawn at once"),
        (error(|i| i.steps = 0), "steps is 0, expected 1 to 1000"),
        (error(|i| i.seeds.clear()), "seeds is empty"),
        (error(|i| i.guidance_scale = f64::NAN), "guidance_scale is NaN"),
        (error(|i| i.guidance_rescale = 1.5), "guidance_rescale is 1.5, expected 0 to 1"),
    ] {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_pipeline_can_move_to_a_worker_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Pipeline>();
}
