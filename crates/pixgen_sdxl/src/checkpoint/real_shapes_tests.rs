//! Every tensor of SDXL, SSD-1B and Vega at its real size: nothing missing, nothing unused, every shape as the layers
//! ask for, in both layouts. No weights: files of the right length that hold nothing, and layers that get zeros without
//! memory.
//!
//! The tables in `tests/parity/fixtures/checkpoints` come from `tests/parity/make_checkpoint_fixtures.py`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Architecture, Checkpoint, LoadOptions, LoadReport};
use crate::clip::ClipTextModel;
use crate::test_support::tables::{Row, configs, table};
use crate::unet::Unet;
use crate::vae::Vae;
use crate::{Error, ModelSource};

/// A safetensors file of f16 zeros that takes no room on the disk.
fn write_hollow(path: &Path, tensors: &BTreeMap<String, Vec<usize>>) {
    let (mut header, mut end) = (Map::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += 2 * shape.iter().product::<usize>();
        header.insert(name.clone(), json!({ "dtype": "F16", "shape": shape, "data_offsets": [begin, end] }));
    }
    let header = Value::Object(header).to_string();
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
}

fn single_file(folder: &Path, rows: &[Row], more: &[(&str, &[usize])]) -> PathBuf {
    let path = folder.join("model.safetensors");
    let rows = rows.iter().map(|row| (row.stored.clone(), row.stored_shape.clone()));
    let more = more.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
    write_hollow(&path, &rows.chain(more).collect());
    path
}

fn diffusers_folder(folder: &Path, rows: &[Row], configs: &Map<String, Value>) {
    for (component, config) in configs {
        let (folder, stem) =
            (folder.join(component), if component.starts_with("text") { "model" } else { "diffusion_pytorch_model" });
        fs::create_dir_all(&folder).unwrap();
        let mut config = config.clone();
        if component == "unet" {
            // As diffusers writes what the class was built with by default.
            config["mid_block_type"] =
                config.get("mid_block_type").cloned().unwrap_or_else(|| "UNetMidBlock2DCrossAttn".into());
        }
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let own = rows.iter().filter(|row| row.component == *component);
        let tensors = own.map(|row| (row.name.clone(), row.shape.clone())).collect();
        write_hollow(&folder.join(format!("{stem}.safetensors")), &tensors);
    }
}

/// Builds the layers of a model's UNet, or of the `whole` model.
fn build(source: &ModelSource, whole: bool) -> Result<LoadReport, Error> {
    let checkpoint = Checkpoint::open(source, &LoadOptions::default())?.shapes_only();
    let (device, dtype) = (Device::Cpu, DType::F32);
    Unet::load(&checkpoint, &device, dtype)?;
    if whole {
        ClipTextModel::load(&checkpoint, "text_encoder", false, &device, dtype)?;
        ClipTextModel::load(&checkpoint, "text_encoder_2", true, &device, dtype)?;
        Vae::load(&checkpoint, &device, dtype)?;
    }
    Ok(checkpoint.report().take())
}

#[test]
fn every_tensor_of_sdxl_finds_its_layer_in_both_layouts() {
    let rows = table("sdxl");
    assert_eq!(rows.len(), 2641);
    let folder = TempDir::new().unwrap();
    let more: [(&str, &[usize]); 2] = [
        ("conditioner.embedders.0.transformer.text_model.embeddings.position_ids", &[1, 77]),
        ("conditioner.embedders.1.model.logit_scale", &[]),
    ];
    let stored: BTreeSet<_> = rows.iter().map(|row| &row.stored).collect();
    assert_eq!(stored.len() + more.len(), 2515);
    let file = single_file(folder.path(), &rows, &more);
    let single = build(&ModelSource::SingleFile(file), true).unwrap();
    diffusers_folder(folder.path(), &rows, &configs("sdxl"));
    // The index is only read by the pipeline.
    fs::write(folder.path().join("model_index.json"), "{}").unwrap();
    let diffusers = build(&ModelSource::Folder(folder.path().to_owned()), true).unwrap();
    for report in [&single, &diffusers] {
        assert_eq!(report.unused, Vec::<String>::new());
        assert_eq!(report.architecture, Architecture::SdxlBase);
    }
    assert_eq!(single.loaded, diffusers.loaded);
    // Not read: the first text encoder's last layer and final norm, whose output SDXL does not use.
    assert_eq!((diffusers.loaded, diffusers.harmless), (2641 - 18, 18));
    assert_eq!(single.harmless, diffusers.harmless + 2);
}

/// A UNet of another model in the place of SDXL's.
fn with_unet(model: &str) -> Vec<Row> {
    let others = table("sdxl").into_iter().filter(|row| row.component != "unet");
    table(model).into_iter().chain(others).collect()
}

#[test]
fn the_distilled_models_are_told_by_their_depths() {
    for (model, architecture) in [("ssd_1b", Architecture::Ssd1b), ("vega", Architecture::SegmindVega)] {
        let rows = with_unet(model);
        let folder = TempDir::new().unwrap();
        let single = build(&ModelSource::SingleFile(single_file(folder.path(), &rows, &[])), true).unwrap();
        diffusers_folder(folder.path(), &rows, &configs(model));
        fs::write(folder.path().join("model_index.json"), "{}").unwrap();
        let diffusers = build(&ModelSource::Folder(folder.path().to_owned()), false).unwrap();
        for report in [single, diffusers] {
            assert_eq!((report.architecture, report.unused), (architecture, Vec::new()), "{model}");
        }
    }
}

/// A number for all is the same as a list of that number.
fn spread(value: &Value, like: &Value) -> Value {
    match (value, like) {
        (Value::Array(values), Value::Array(likes)) if values.len() == likes.len() => {
            values.iter().zip(likes).map(|(value, like)| spread(value, like)).collect()
        }
        (Value::Array(_), _) => value.clone(),
        (_, Value::Array(likes)) => likes.iter().map(|like| spread(value, like)).collect(),
        _ => value.clone(),
    }
}

#[test]
fn configurations_are_derived_from_the_shapes_as_diffusers_has_them() {
    for model in ["sdxl", "ssd_1b", "vega", "tiny"] {
        let rows = if matches!(model, "sdxl" | "tiny") { table(model) } else { with_unet(model) };
        let folder = TempDir::new().unwrap();
        let source = ModelSource::SingleFile(single_file(folder.path(), &rows, &[]));
        let checkpoint = Checkpoint::open(&source, &LoadOptions::default()).unwrap();
        for (component, config) in configs(model) {
            let derived: Map<String, Value> = checkpoint.json(&format!("{component}/config.json")).unwrap();
            let mut compared = 0;
            for (field, expected) in config.as_object().unwrap() {
                let Some(found) = derived.get(field) else { continue };
                // No block reads the depth of a level without attention, or that of a projection that is not there.
                if field.ends_with("transformer_layers_per_block")
                    || (component == "text_encoder" && field == "projection_dim")
                {
                    continue;
                }
                let (found, expected) = (spread(found, expected), spread(expected, found));
                assert_eq!(found, expected, "{model}, {component}, {field}");
                compared += 1;
            }
            assert!(compared >= 8, "{model}, {component}: {compared} fields are the same");
        }
    }
}

#[test]
fn what_no_layer_reads_is_named() {
    let rows = table("sdxl");
    let folder = TempDir::new().unwrap();
    let more: [(&str, &[usize]); 5] = [
        ("model.diffusion_model.input_blocks.4.1.adapter.weight", &[4, 4]),
        ("model.diffusion_model.input_blocks.99.0.in_layers.0.weight", &[4]),
        ("conditioner.embedders.2.weight", &[4]),
        ("model_ema.diffusion_modelinput_blocks00weight", &[4]),
        ("denoiser.sigmas", &[1000]),
    ];
    let report = build(&ModelSource::SingleFile(single_file(folder.path(), &rows, &more)), true).unwrap();
    let expected = [
        "conditioner.embedders.2.weight",
        "model.diffusion_model.input_blocks.99.0.in_layers.0.weight",
        "unet: down_blocks.1.attentions.0.adapter.weight",
    ];
    assert_eq!(report.unused, expected);
}

#[test]
fn a_tensor_that_lacks_or_has_another_shape_is_named() {
    let change = |change: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = table("sdxl");
        change(&mut rows);
        let folder = TempDir::new().unwrap();
        build(&ModelSource::SingleFile(single_file(folder.path(), &rows, &[])), true).unwrap_err().to_string()
    };
    let mid = "mid_block.attentions.0.transformer_blocks.7.ff.net.2.weight";
    let lacking = change(&|rows| rows.retain(|row| row.name != mid));
    assert!(lacking.contains("the unet lacks 1 of the tensors") && lacking.contains(mid), "{lacking}");
    let misshapen = change(&|rows| {
        rows.iter_mut()
            .filter(|row| row.stored.ends_with("resblocks.3.attn.in_proj_weight"))
            .for_each(|row| row.stored_shape = vec![3839, 1280]);
    });
    let expected = "text_model.encoder.layers.3.self_attn.q_proj.weight has shape [3839, 1280]";
    assert!(misshapen.contains(expected), "{misshapen}");
}
