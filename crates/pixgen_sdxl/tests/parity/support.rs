//! Reading the fixtures and comparing tensors.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{ModelSource, Pipeline};
use serde::de::DeserializeOwned;

/// Both models; they differ in every number.
pub const MODELS: [&str; 2] = ["model_a", "model_b"];

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures")
}

pub fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixtures().join(name), &Device::Cpu).unwrap()
}

pub fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fs::read(fixtures().join(name)).unwrap()).unwrap()
}

pub fn pipeline(model: &str) -> Pipeline {
    Pipeline::load(&ModelSource::Folder(fixtures().join(model)), &Device::Cpu, DType::F32).unwrap()
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
