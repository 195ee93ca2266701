//! Reading the fixtures and comparing tensors, for the tests in this folder and, through `src/test_support.rs`, for
//! those inside the crate.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, unreachable_pub)]
#![allow(dead_code, reason = "each group of tests takes what it needs")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use pixgen_api::SchedulerKind;
use pixgen_sdxl::{EncodedPrompt, ModelSource, Pipeline, TextToImage};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// Both models; they differ in every number.
pub const MODELS: [&str; 2] = ["model_a", "model_b"];

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures")
}

pub fn source(model: &str) -> ModelSource {
    ModelSource::Folder(fixtures().join(model))
}

pub fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixtures().join(name), &Device::Cpu).unwrap()
}

pub fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fs::read(fixtures().join(name)).unwrap()).unwrap()
}

pub fn pipeline(model: &str) -> Pipeline {
    Pipeline::load(&source(model), &Device::Cpu, DType::F32).unwrap()
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of a fixture that a test may change.
pub fn copy_of(model: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    copy_folder(&fixtures().join(model), folder.path());
    folder
}

/// ‖found - expected‖ / ‖expected‖ over all elements, in f64.
pub fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let values =
        |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let (found, expected) = (values(found), values(expected));
    let difference: f64 = found.iter().zip(&expected).map(|(f, e)| (f - e).powi(2)).sum();
    let norm: f64 = expected.iter().map(|e| e * e).sum();
    assert!(norm > 0.0, "the reference is all zeros: it would accept anything small");
    assert!(difference.is_finite(), "the result is not finite");
    (difference / norm).sqrt()
}

pub fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    let error = relative_error(found, expected);
    println!("{what}: {error:.1e}");
    assert!(error <= tolerance, "{what}: relative error {error:.1e}, allowed are {tolerance:.0e}");
}

/// A call of the UNet in `<model>_parts.safetensors`, and what diffusers made of it.
pub struct UnetCase {
    pub sample: Tensor,
    pub timestep: f32,
    pub prompt: EncodedPrompt,
    pub sizes_px: Vec<[f32; 6]>,
    pub output: Tensor,
}

/// How many there are of each model.
pub const UNET_CASES: usize = 3;

impl UnetCase {
    pub fn read(parts: &HashMap<String, Tensor>, case: usize) -> Self {
        let part = |name: &str| parts[&format!("unet.{case}.{name}")].clone();
        let sizes_px = part("time_ids").to_vec2::<f32>().unwrap();
        Self {
            sample: part("sample"),
            timestep: part("timestep").to_scalar::<f32>().unwrap(),
            prompt: EncodedPrompt { ids: [Vec::new(), Vec::new()], hidden: part("context"), pooled: part("pooled") },
            sizes_px: sizes_px.into_iter().map(|row| row.try_into().unwrap()).collect(),
            output: part("output"),
        }
    }

    pub fn predict(&self, pipeline: &Pipeline) -> Tensor {
        pipeline.predict(&self.sample, self.timestep, std::slice::from_ref(&self.prompt), &self.sizes_px).unwrap()
    }
}

/// A run in `<model>_runs.json`, whose results are in `<model>_runs.safetensors`.
#[derive(Deserialize)]
pub struct RunCase {
    pub name: String,
    scheduler: String,
    prompt: String,
    negative_prompt: Option<String>,
    height_px: usize,
    width_px: usize,
    steps: usize,
    guidance_scale: f64,
    guidance_rescale: f64,
    seeds: Vec<u64>,
    original_size_px: Option<(usize, usize)>,
    crop_top_left_px: (usize, usize),
    target_size_px: Option<(usize, usize)>,
}

impl RunCase {
    pub fn input(&self) -> TextToImage {
        TextToImage {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            width_px: self.width_px,
            height_px: self.height_px,
            original_size_px: self.original_size_px,
            crop_top_left_px: self.crop_top_left_px,
            target_size_px: self.target_size_px,
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            guidance_rescale: self.guidance_rescale,
            scheduler: Some(kind(&self.scheduler)),
            seeds: self.seeds.clone(),
            ..TextToImage::default()
        }
    }
}

/// The solver that the fixtures call so.
pub fn kind(name: &str) -> SchedulerKind {
    match name {
        "euler" => SchedulerKind::Euler,
        "euler_ancestral" => SchedulerKind::EulerAncestral,
        "ddim" => SchedulerKind::Ddim,
        "dpmpp_2m" => SchedulerKind::Dpmpp2m,
        "dpmpp_2m_sde" => SchedulerKind::Dpmpp2mSde,
        "unipc" => SchedulerKind::Unipc,
        "lcm" => SchedulerKind::Lcm,
        "tcd" => SchedulerKind::Tcd,
        _ => panic!("no scheduler {name}"),
    }
}
