//! Measures how long a model takes on this machine: a guided step, an unguided one, and the decoder.
//!
//! `cargo run -p pixgen_sdxl --example step_time -- models/sprite-tiny [size_px]`; `RAYON_NUM_THREADS` sets the threads.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use pixgen_sdxl::{ModelSource, Pipeline, TextToImage};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give the folder of a model in diffusers layout")?;
    let started = Instant::now();
    let pipeline = Pipeline::load(&ModelSource::Folder(folder.into()), &Device::Cpu, DType::F32)?;
    println!("load {:.0} ms", milliseconds(started.elapsed()));
    let size_px = arguments.next().map_or(Ok(pipeline.native_size_px()), |text| text.parse())?;

    let mut input = TextToImage {
        prompt: "a blue potion".to_owned(),
        width_px: size_px,
        height_px: size_px,
        steps: 20,
        scheduler: Some(pixgen_api::SchedulerKind::Ddim),
        ..TextToImage::default()
    };
    for (name, scale) in [("guided step", 5.0), ("step without guidance", 1.0)] {
        input.guidance_scale = scale;
        let mut times = Vec::new();
        let mut last = Instant::now();
        let latents = pipeline.generate_latents(&input, &mut |_| {
            times.push(last.elapsed());
            last = Instant::now();
            ControlFlow::Continue(())
        })?;
        println!("{name} {:.1} ms (median)", milliseconds(median(&mut times)));

        let mut times = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            pipeline.decode(&latents)?;
            times.push(started.elapsed());
        }
        println!("decode {:.1} ms (median)", milliseconds(median(&mut times)));
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
