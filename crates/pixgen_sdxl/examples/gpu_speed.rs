//! Measures a full-size SDXL on an NVIDIA card: steps, decoder, whole images, memory.
//!
//! `cargo run --release -p pixgen_sdxl --features cudnn --example gpu_speed -- MODEL [f16|bf16] [--fp8] [--profile]`
//!
//! MODEL is a folder in diffusers layout, for example that of `tests/full_size/make_reference.py`. Prints one JSON object
//! a line, as `tests/full_size/peers.py` does for other programs on the same card. With `--fp8` the linear layers behind layer
//! norms compute in eight bits.

#![allow(clippy::print_stdout, reason = "a measuring tool")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{GpuMemory, LoadOptions, ModelSource, Pipeline, TextToImage};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error>>;

const REPETITIONS: usize = 5;
/// Steps of a run whose first step is taken off: the rest is the time of a step.
const STEPS: usize = 20;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("give the folder of a model")?);
    let rest: Vec<_> = arguments.collect();
    let bf16 = rest.iter().any(|argument| argument == "bf16");
    let (name, dtype) = if bf16 { ("bf16", DType::BF16) } else { ("f16", DType::F16) };
    let fp8_linear = rest.iter().any(|argument| argument == "--fp8");
    let device = Device::new_cuda(0)?;
    let say = |mut row: serde_json::Value| {
        row["engine"] = json!(if fp8_linear { "pixgen_sdxl, fp8 linear" } else { "pixgen_sdxl" });
        row["dtype"] = json!(name);
        println!("{row}");
    };

    let options = LoadOptions { device: device.clone(), dtype, fp8_linear, ..LoadOptions::default() };
    let load = || -> Outcome<Pipeline> { Ok(Pipeline::load_with(&ModelSource::Folder(folder.clone()), &options)?.0) };
    // The first time fills the page cache.
    drop(load()?);
    let started = Instant::now();
    let pipeline = load()?;
    let loaded = started.elapsed();
    steps(&pipeline, &run(1024, 1, 1, 5.0))?;
    say(json!({"what": "load to first step", "ms": milliseconds(started), "load_ms": loaded.as_secs_f64() * 1e3}));

    for (px, images, guidance) in
        [(1024, 1, 5.0), (1024, 1, 1.0), (1024, 8, 1.0), (512, 1, 1.0), (512, 1, 5.0), (512, 16, 1.0)]
    {
        let batch = if guidance > 1.0 { 2 * images } else { images };
        steps(&pipeline, &run(px, images, 2, guidance))?;
        let once = median(|| steps(&pipeline, &run(px, images, 1, guidance)))?;
        let many = median(|| steps(&pipeline, &run(px, images, 1 + STEPS, guidance)))?;
        let ms = (many - once) / STEPS as f64;
        say(json!({"what": "unet step", "batch": batch, "px": px, "ms": ms}));
        if rest.iter().any(|argument| argument == "--profile") {
            for (operation, count, total_ms) in pipeline.profile_step()? {
                println!("    {total_ms:8.3} ms {count:5} × {operation}");
            }
        }
    }
    for px in [1024, 512] {
        let latent = Tensor::randn(0f32, 1.0, (1, 4, px / 8, px / 8), &device)?;
        pipeline.decode(&latent)?;
        let ms = median(|| {
            pipeline.decode(&latent)?;
            Ok(())
        })?;
        say(
            json!({"what": "vae decode", "batch": 1, "px": px, "ms": ms, "vae_dtype": format!("{:?}", pipeline.vae_dtype())}),
        );
    }
    for (count, images, guidance, px) in [(30, 1, 5.0, 1024), (4, 1, 1.0, 1024), (30, 8, 5.0, 1024), (30, 1, 5.0, 512)]
    {
        let input = run(px, images, count, guidance);
        let whole = || -> Outcome<()> {
            pipeline.generate(&input, &mut |_| ControlFlow::Continue(()))?;
            Ok(())
        };
        whole()?;
        GpuMemory::reset_peak(&device)?;
        let ms = median(whole)?;
        let peak = GpuMemory::of(&device)?.peak_bytes as f64 / 1e9;
        say(
            json!({"what": "whole image", "steps": count, "batch": images, "cfg": guidance > 1.0, "px": px, "ms": ms, "peak_gb": peak}),
        );
    }
    Ok(())
}

fn run(px: usize, images: usize, steps: usize, guidance_scale: f64) -> TextToImage {
    TextToImage {
        prompt: "a medieval knight with a silver sword, pixel art".to_owned(),
        negative_prompt: Some("blurry".to_owned()),
        width_px: px,
        height_px: px,
        steps,
        guidance_scale,
        seeds: (0..images as u64).collect(),
        ..TextToImage::default()
    }
}

fn steps(pipeline: &Pipeline, input: &TextToImage) -> Outcome<()> {
    pipeline.generate_latents(input, &mut |_| ControlFlow::Continue(()))?;
    Ok(pipeline.device().synchronize()?)
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}

fn median(mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut times = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let started = Instant::now();
        work()?;
        times.push(milliseconds(started));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[REPETITIONS / 2])
}
