//! A tiny SDXL in both layouts, made from a table of names and seeded numbers.

#[path = "../parity/tables.rs"]
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use pixgen_sdxl::randn;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// One tensor, with its numbers.
pub struct Row {
    pub component: String,
    pub name: String,
    pub shape: Vec<usize>,
    stored: String,
    stored_shape: Vec<usize>,
    part: String,
    values: Vec<f32>,
}

/// A tensor of a file.
pub struct Stored {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

pub struct Tiny {
    pub rows: Vec<Row>,
}

impl Tiny {
    pub fn new() -> Self {
        let rows = tables::table("tiny").into_iter().map(|row| {
            let tables::Row { component, name, shape, stored, stored_shape, part } = row;
            Row { component, name, shape, stored, stored_shape, part, values: Vec::new() }
        });
        let mut tiny = Self { rows: rows.collect() };
        tiny.reseed(0);
        tiny
    }

    /// The same model for CLIP's own vocabulary.
    pub fn with_clip_vocabulary() -> Self {
        const TOKENS: usize = 49_408;
        let mut tiny = Self::new();
        for row in tiny.rows.iter_mut().filter(|row| row.name.ends_with("token_embedding.weight")) {
            (row.shape[0], row.stored_shape[0]) = (TOKENS, TOKENS);
        }
        tiny.reseed(0);
        tiny
    }

    /// Gives every weight other numbers, of a size that keeps activations near one.
    pub fn reseed(&mut self, seed: u64) {
        for (index, row) in self.rows.iter_mut().enumerate() {
            let count: usize = row.shape.iter().product();
            let noise = randn(1000 * seed + index as u64, count);
            let fan_in = (count / row.shape[0]) as f32;
            let value = |noise: f32| match (row.shape.len(), row.name.ends_with("weight")) {
                (1, true) => 1.0 + 0.2 * noise,
                (1, false) => 0.2 * noise,
                _ if row.name.contains("embedding.weight") => 0.5 * noise,
                _ => noise / fan_in.sqrt(),
            };
            row.values = noise.into_iter().map(|noise| from_e4m3(to_e4m3(value(noise)))).collect();
        }
    }

    /// Writes the diffusers layout, without tokenizers.
    pub fn write_folder(&self, folder: &Path, dtype: Dtype) {
        let configs = tables::configs("tiny");
        for component in ["unet", "vae", "text_encoder", "text_encoder_2"] {
            let rows = self.rows.iter().filter(|row| row.component == component);
            let tensors: Vec<Stored> = rows
                .map(|row| Stored { name: row.name.clone(), shape: row.shape.clone(), values: row.values.clone() })
                .collect();
            if tensors.is_empty() {
                continue;
            }
            let folder = folder.join(component);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("config.json"), configs[component].to_string()).unwrap();
            let stem = if component.starts_with("text") { "model" } else { "diffusion_pytorch_model" };
            write(&folder.join(format!("{stem}.safetensors")), &tensors, dtype, &[]);
        }
        let write_json = |path: &str, value: Value| {
            fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            fs::write(folder.join(path), value.to_string()).unwrap();
        };
        write_json("model_index.json", json!({ "_class_name": "StableDiffusionXLPipeline" }));
        // The file of SDXL base.
        let scheduler = json!({
            "_class_name": "EulerDiscreteScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "beta_start": 0.00085, "clip_sample": false, "interpolation_type": "linear", "num_train_timesteps": 1000,
            "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": false, "skip_prk_steps": true,
            "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": null, "use_karras_sigmas": false,
        });
        write_json("scheduler/scheduler_config.json", scheduler);
    }

    pub fn write_single_file(&self, path: &Path, dtype: Dtype, change: impl FnOnce(&mut Vec<Stored>)) {
        self.write_single_file_with_notes(path, dtype, &[], change);
    }

    pub fn write_single_file_with_notes(
        &self,
        path: &Path,
        dtype: Dtype,
        notes: &[(&str, &str)],
        change: impl FnOnce(&mut Vec<Stored>),
    ) {
        let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
        for row in &self.rows {
            let name = row.stored.clone();
            let tensor = stored.entry(name.clone()).or_insert(Stored {
                name,
                shape: row.stored_shape.clone(),
                values: Vec::new(),
            });
            match row.part.as_str() {
                "T" => {
                    let (rows, columns) = (row.shape[0], row.shape[1]);
                    let transposed = (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c));
                    tensor.values = transposed.map(|index| row.values[index]).collect();
                }
                "-" => tensor.values = row.values.clone(),
                // The table has queries, keys and values in any order.
                third => {
                    let length = row.values.len();
                    let begin = third[..1].parse::<usize>().unwrap() * length;
                    tensor.values.resize(3 * length, 0.0);
                    tensor.values[begin..begin + length].copy_from_slice(&row.values);
                }
            }
        }
        let mut tensors = stored.into_values().collect();
        change(&mut tensors);
        write(path, &tensors, dtype, notes);
    }
}

/// Writes a safetensors file.
pub fn write(path: &Path, tensors: &[Stored], dtype: Dtype, notes: &[(&str, &str)]) {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|tensor| encode(&tensor.values, dtype)).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| (tensor.name.clone(), TensorView::new(dtype, tensor.shape.clone(), bytes).unwrap()));
    let notes: HashMap<String, String> =
        notes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let notes = (!notes.is_empty()).then_some(notes);
    safetensors::serialize_to_file(views, notes, path).unwrap();
}

fn encode(values: &[f32], dtype: Dtype) -> Vec<u8> {
    let as_f16 = |value: f32| {
        // Exact for the numbers of this file: no more than three digits, and far from both ends of the range.
        let bits = value.to_bits();
        let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
        let magnitude = if value == 0.0 { 0 } else { (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16 };
        (bits >> 16 & 0x8000) as u16 | magnitude
    };
    match dtype {
        Dtype::F64 => values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect(),
        Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|value| as_f16(*value).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect(),
        Dtype::F8_E4M3 => values.iter().map(|value| to_e4m3(*value)).collect(),
        Dtype::F8_E5M2 => values.iter().map(|value| (as_f16(to_e5m2(*value)) >> 8) as u8).collect(),
        other => panic!("no test writes {other:?}"),
    }
}

/// The definition of the format, number by number.
fn from_e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let magnitude =
        if exponent == 0 { mantissa / 8.0 * 2f32.powi(-6) } else { (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7) };
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

/// The nearest e4m3 number.
fn to_e4m3(value: f32) -> u8 {
    // Magnitudes grow with their bits; the last one is not a number.
    let target = value.abs();
    let (mut low, mut high) = (0u8, 0x7e);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if from_e4m3(middle) <= target { low = middle } else { high = middle }
    }
    let nearest = if from_e4m3(high) - target < target - from_e4m3(low) { high } else { low };
    nearest | if value.is_sign_negative() { 0x80 } else { 0 }
}

/// The e5m2 number that is left when the digits that it has no room for are cut off.
pub fn to_e5m2(value: f32) -> f32 {
    f32::from_bits(value.to_bits() & 0xffe0_0000)
}
