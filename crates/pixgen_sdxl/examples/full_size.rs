//! Holds a full-size SDXL with random weights against diffusers, on a GPU: errors and times.
//!
//! `cargo run --release -p pixgen_sdxl --features cuda --example full_size -- FOLDER [cpu|cuda]`
//!
//! FOLDER is what `tests/full_size/make_reference.py` wrote. For each precision the relative L2 error against diffusers
//! in f32 stands beside diffusers' own in that precision.

#![allow(clippy::print_stdout, reason = "a measuring tool")]

use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{EncodedPrompt, ModelSource, Pipeline, TextToImage};

/// As in the script.
const PROMPT: &str = "a medieval knight with a silver sword, pixel art";
const NEGATIVE: &str = "blurry";
const STEPS: usize = 8;
const TIMESTEP: f32 = 501.0;
const REPETITIONS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("give the folder that make_reference.py wrote")?);
    let device = match arguments.next().as_deref() {
        Some("cpu") => Device::Cpu,
        None | Some("cuda") => Device::new_cuda(0)?,
        Some(other) => return Err(format!("the device is {other}, expected cpu or cuda").into()),
    };
    let reference = candle_core::safetensors::load(folder.join("reference.safetensors"), &Device::Cpu)?;
    let mut sizes_px: Vec<usize> =
        reference.keys().filter_map(|name| name.strip_suffix(".sample")?.parse().ok()).collect();
    sizes_px.sort_unstable();
    println!("precision  size  what            error   diffusers   ratio        ms");
    for (name, dtype) in [("f32", DType::F32), ("f16", DType::F16), ("bf16", DType::BF16)] {
        let started = Instant::now();
        let pipeline = Pipeline::load(&ModelSource::Folder(folder.join("model")), &device, dtype)?;
        device.synchronize()?;
        println!("{name:9}        load{:>57.0}", started.elapsed().as_secs_f64() * 1e3);
        for size in &sizes_px {
            if let Err(error) = compare(&pipeline, &reference, name, *size) {
                println!("{name:9} {size:5}  failed: {error}");
            }
        }
        #[cfg(feature = "cuda")]
        if dtype != DType::F32 && !matches!(device, Device::Cpu) {
            println!("{name}, with linear layers behind norms in eight bits:");
            pipeline.set_fp8_linear(true);
            for size in &sizes_px {
                if let Err(error) = compare(&pipeline, &reference, name, *size) {
                    println!("{name:9} {size:5}  failed: {error}");
                }
            }
        }
    }
    Ok(())
}

/// Prints one row each for the UNet, the autoencoder and a whole run.
fn compare(
    pipeline: &Pipeline,
    reference: &HashMap<String, Tensor>,
    precision: &str,
    size: usize,
) -> Result<(), Box<dyn Error>> {
    let get = |key: &str| reference.get(&format!("{size}.{key}")).ok_or(format!("the reference lacks {size}.{key}"));
    let device = pipeline.device();
    let input = |key: &str| -> Result<Tensor, Box<dyn Error>> { Ok(get(key)?.to_device(device)?) };
    let row = |what: &str, found: &Tensor, milliseconds: f64| -> Result<(), Box<dyn Error>> {
        let expected = get(&format!("{what}.f32"))?;
        let error = relative_error(found, expected)?;
        let theirs = get(&format!("{what}.{precision}")).ok().map(|theirs| relative_error(theirs, expected));
        let theirs = theirs.transpose()?.unwrap_or(f64::NAN);
        println!(
            "{precision:9} {size:5}  {what:10} {error:10.2e}  {theirs:10.2e}  {:6.2}  {milliseconds:8.1}",
            error / theirs
        );
        Ok(())
    };

    let prompt = EncodedPrompt { ids: [Vec::new(), Vec::new()], hidden: input("context")?, pooled: input("pooled")? };
    let edge = size as f32;
    let sizes = [[edge, edge, 0.0, 0.0, edge, edge]; 2];
    let sample = input("sample")?;
    let predict = || pipeline.predict(&sample, TIMESTEP, std::slice::from_ref(&prompt), &sizes);
    let output = predict()?;
    row("unet", &output, median(device, || predict().map(drop))?)?;

    let latent = input("vae_latent")?;
    let image = pipeline.decode(&latent)?;
    row("vae", &image, median(device, || pipeline.decode(&latent).map(drop))?)?;

    let run = TextToImage {
        prompt: PROMPT.to_owned(),
        negative_prompt: Some(NEGATIVE.to_owned()),
        width_px: size,
        height_px: size,
        steps: STEPS,
        guidance_scale: 5.0,
        seeds: vec![7],
        ..TextToImage::default()
    };
    let started = Instant::now();
    let latents = pipeline.generate_latents(&run, &mut |_| ControlFlow::Continue(()))?;
    device.synchronize()?;
    row("latents", &latents, started.elapsed().as_secs_f64() * 1e3)
}

/// ‖found − expected‖ / ‖expected‖ in f64.
fn relative_error(found: &Tensor, expected: &Tensor) -> Result<f64, Box<dyn Error>> {
    let exact = |x: &Tensor| x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all();
    let (found, expected) = (exact(found)?, exact(expected)?);
    let norm = |x: &Tensor| -> candle_core::Result<f64> { Ok(x.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt()) };
    Ok(norm(&(found - &expected)?)? / norm(&expected)?)
}

/// Median time in milliseconds, to the end of the device's work.
fn median(device: &Device, mut work: impl FnMut() -> Result<(), pixgen_sdxl::Error>) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        device.synchronize()?;
        let started = Instant::now();
        work()?;
        device.synchronize()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[REPETITIONS / 2])
}
