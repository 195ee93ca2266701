//! Measures how long adapters take to come, to change and to go, on the device of choice.
//!
//! `cargo run --release -p pixgen_sdxl --example lora_swap -- MODEL_FOLDER LORA_FILE [cpu|cuda|metal] [f32|f16|bf16]`
//!
//! Prints for both modes (originals read from the model's files, or kept on the device): setting the adapter on the
//! original weights, changing its strength, taking it out. Each row is timed to the end of the device's work.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use candle_core::{DType, Device};
use pixgen_sdxl::{LoraFile, ModelSource, Pipeline};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give the folder of a model in diffusers layout")?;
    let path = arguments.next().ok_or("give a LoRA file")?;
    let device = match arguments.next().as_deref() {
        None | Some("cpu") => Device::Cpu,
        Some("cuda") => Device::new_cuda(0)?,
        Some("metal") => Device::new_metal(0)?,
        Some(other) => return Err(format!("the device is {other}, expected cpu, cuda or metal").into()),
    };
    let dtype = match arguments.next().as_deref() {
        None | Some("f16") => DType::F16,
        Some("bf16") => DType::BF16,
        Some("f32") => DType::F32,
        Some(other) => return Err(format!("the dtype is {other}, expected f32, f16 or bf16").into()),
    };

    let started = Instant::now();
    let mut pipeline = Pipeline::load(&ModelSource::Folder(folder.into()), &device, dtype)?;
    device.synchronize()?;
    println!("load model          {:8.1} ms", milliseconds(started));
    let started = Instant::now();
    let file = LoraFile::open(&path)?;
    println!("open and check LoRA {:8.1} ms", milliseconds(started));
    let info = file.info();
    println!("{:?}, rank {:?}, {} modules", info.kinds, info.rank, info.modules);

    for keep in [false, true] {
        pipeline.set_keep_originals(keep);
        println!("{}", if keep { "originals kept on the device:" } else { "originals read again:" });
        // The second round shows the times without allocations and kernels of the first use.
        for round in 1..=2 {
            for (what, strength) in [("set", 1.0), ("change strength", 0.5), ("take out", 0.0)] {
                device.synchronize()?;
                let started = Instant::now();
                let report = pipeline.set_loras(&[(&file, strength)])?;
                let queued = milliseconds(started);
                device.synchronize()?;
                println!(
                    "  {round} {what:16} {:8.1} ms ({queued:.1} ms until queued; {} weights changed, {} restored)",
                    milliseconds(started),
                    report.changed_weights,
                    report.restored_weights
                );
            }
        }
    }
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
