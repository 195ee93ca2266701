//! Single-file checkpoints: they draw exactly what the diffusers folder of the same weights draws, however the numbers
//! are stored; training flags, another autoencoder, and the report of a load.
//!
//! Names and shapes come from `parity/make_checkpoint_fixtures.py`, which had diffusers' own converters check them; the
//! weights are made here, of numbers that every stored type holds exactly.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

#[path = "single_file/tiny.rs"]
mod tiny;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Device};
use pixgen_sdxl::{
    Architecture, Error, LoadOptions, LoadReport, LoraFile, ModelSource, Pipeline, Prediction, PromptOptions,
    TextToImage,
};
use safetensors::Dtype;
use tempfile::TempDir;

use tiny::{Stored, Tiny};

/// CLIP's own vocabulary would need an embedding of 49,408 rows: the tiny model has that of a parity fixture.
fn options() -> LoadOptions {
    let tokenizers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/model_a");
    LoadOptions { tokenizers: Some(tokenizers), ..LoadOptions::default() }
}

fn load(path: &Path, options: &LoadOptions) -> Result<(Pipeline, LoadReport), Error> {
    Pipeline::load_with(&ModelSource::SingleFile(path.to_owned()), options)
}

fn refusal(path: &Path, options: &LoadOptions) -> String {
    load(path, options).map(|_| ()).unwrap_err().to_string()
}

/// The final latents and the image of a short run.
fn draw(pipeline: &Pipeline) -> (Vec<f32>, Vec<f32>) {
    let input = TextToImage {
        prompt: "a blue potion".to_owned(),
        width_px: 16,
        height_px: 24,
        steps: 3,
        guidance_scale: 4.0,
        seeds: vec![7],
        ..TextToImage::default()
    };
    let latents = pipeline.generate_latents(&input, &mut |_| ControlFlow::Continue(())).unwrap();
    let image = pipeline.decode(&latents).unwrap();
    let values = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
    (values(&latents), values(&image))
}

/// A LoRA of rank 2 for layers that single files store in other ways: CLIP-G's keys are rows of a joined matrix, its
/// projection is transposed.
fn write_lora(path: &Path, tiny: &Tiny) {
    let layers = [
        ("text_encoder_2", "lora_te2_", "text_model.encoder.layers.0.self_attn.k_proj"),
        ("text_encoder_2", "lora_te2_", "text_projection"),
        ("text_encoder", "lora_te1_", "text_model.encoder.layers.0.mlp.fc1"),
        ("unet", "lora_unet_", "mid_block.attentions.0.transformer_blocks.0.attn1.to_v"),
        ("unet", "lora_unet_", "conv_in"),
    ];
    let mut tensors = Vec::new();
    for (index, (component, prefix, layer)) in layers.into_iter().enumerate() {
        let weight = format!("{layer}.weight");
        let row = tiny.rows.iter().find(|row| row.component == component && row.name == weight).unwrap();
        let module = format!("{prefix}{}", layer.replace('.', "_"));
        let mut down = row.shape.clone();
        down[0] = 2;
        let mut up = vec![1; down.len()];
        (up[0], up[1]) = (row.shape[0], 2);
        for (part, shape) in [("lora_down", down), ("lora_up", up)] {
            let values = pixgen_sdxl::randn(100 + index as u64, shape.iter().product());
            let tensor = candle_core::Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            tensors.push((format!("{module}.{part}.weight"), tensor.affine(0.3, 0.0).unwrap()));
        }
    }
    fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

#[test]
fn adapters_come_and_go_in_a_single_file_as_in_the_folder() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let at = |name: &str| folder.path().join(name);
    tiny.write_folder(&at("folder"), Dtype::F32);
    tiny.write_single_file(&at("model.safetensors"), Dtype::F16, |_| {});
    write_lora(&at("lora.safetensors"), &tiny);
    let lora = LoraFile::open(at("lora.safetensors")).unwrap();
    let mut drawn = Vec::new();
    for source in [ModelSource::Folder(at("folder")), ModelSource::SingleFile(at("model.safetensors"))] {
        let (mut pipeline, _) = Pipeline::load_with(&source, &options()).unwrap();
        let plain = draw(&pipeline);
        let report = pipeline.set_loras(&[(&lora, 0.8)]).unwrap();
        assert_eq!((report.files[0].applied, report.changed_weights), (5, 5));
        let adapted = draw(&pipeline);
        assert_ne!(adapted, plain);
        pipeline.set_loras(&[(&lora, 0.3)]).unwrap();
        pipeline.set_loras(&[(&lora, 0.8)]).unwrap();
        assert_eq!(draw(&pipeline), adapted);
        assert_eq!(pipeline.clear_loras().unwrap().restored_weights, 5);
        assert_eq!(draw(&pipeline), plain);
        drawn.push((plain, adapted));
    }
    assert_eq!(drawn[0], drawn[1]);
}

#[test]
fn a_single_file_draws_what_the_folder_draws_however_it_is_stored() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    tiny.write_folder(&folder.path().join("folder"), Dtype::F32);
    let source = ModelSource::Folder(folder.path().join("folder"));
    let (pipeline, report) = Pipeline::load_with(&source, &options()).unwrap();
    let expected = draw(&pipeline);
    let deviation = |values: &[f32]| (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt();
    assert!((0.1..10.0).contains(&deviation(&expected.0)), "the comparison needs latents of an ordinary size");
    assert!((0.05..1.0).contains(&deviation(&expected.1)), "the comparison needs an image with contrast");
    assert_eq!((report.architecture, &report.unused[..]), (Architecture::Other, &[][..]));
    for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8_E4M3] {
        let file = folder.path().join("model.safetensors");
        tiny.write_single_file(&file, dtype, |_| {});
        let (pipeline, single) = load(&file, &options()).unwrap();
        assert_eq!(draw(&pipeline), expected, "{dtype:?}");
        assert_eq!((single.loaded, &single.unused[..]), (report.loaded, &[][..]));
        assert_eq!(pipeline.native_size_px(), 256, "128 latent cells");
    }
    // A path that is given as a folder and is a file.
    let source = ModelSource::Folder(folder.path().join("model.safetensors"));
    let (pipeline, _) = Pipeline::load_with(&source, &options()).unwrap();
    assert_eq!(draw(&pipeline), expected);
}

#[test]
fn fp8_with_a_wider_exponent_is_read_too() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let file = folder.path().join("model.safetensors");
    tiny.write_single_file(&file, Dtype::F32, |tensors| {
        tensors.iter_mut().for_each(|tensor| tensor.values.iter_mut().for_each(|value| *value = tiny::to_e5m2(*value)));
    });
    let expected = draw(&load(&file, &options()).unwrap().0);
    tiny.write_single_file(&file, Dtype::F8_E5M2, |_| {});
    assert_eq!(draw(&load(&file, &options()).unwrap().0), expected);
}

#[test]
fn a_folder_of_fp8_or_old_names_draws_the_same() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let draw_folder = |name: &str, dtype, tiny: &Tiny| {
        let folder = folder.path().join(name);
        tiny.write_folder(&folder, dtype);
        draw(&Pipeline::load_with(&ModelSource::Folder(folder), &options()).unwrap().0)
    };
    let expected = draw_folder("f32", Dtype::F32, &tiny);
    let mut old = Tiny::new();
    for row in &mut old.rows {
        // transformers since 5.6, diffusers before 0.15.
        row.name = row.name.replace("text_model.", "");
        if row.component == "vae" {
            for (new, old) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
                row.name = row.name.replace(new, old);
            }
        }
    }
    assert_eq!(draw_folder("old", Dtype::F8_E4M3, &old), expected);
}

#[test]
fn training_flags_and_the_callers_word_change_what_the_output_means() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let file = folder.path().join("model.safetensors");
    let draw_with = |keys: &[&str], notes: &[(&str, &str)], options: &LoadOptions| {
        tiny.write_single_file_with_notes(&file, Dtype::F16, notes, |tensors| {
            tensors.extend(keys.iter().map(|key| Stored { name: (*key).to_owned(), shape: vec![], values: vec![1.0] }));
        });
        let (pipeline, report) = load(&file, options).unwrap();
        assert_eq!(report.unused, Vec::<String>::new());
        (draw(&pipeline), report.notes)
    };
    let told = |prediction| LoadOptions { prediction: Some(prediction), ..options() };
    let (plain, notes) = draw_with(&[], &[], &options());
    assert!(notes[0].contains("nothing says what the network predicts"), "{notes:?}");
    let (velocity, _) = draw_with(&[], &[], &told(Prediction::Velocity));
    assert_ne!(plain, velocity);
    let (by_key, notes) = draw_with(&["v_pred"], &[], &options());
    assert_eq!(by_key, velocity);
    assert!(notes[0].contains("v_pred says that the network predicts the velocity"), "{notes:?}");
    for (key, value) in [("modelspec.prediction_type", "v"), ("ss_v_parameterization", "True")] {
        assert_eq!(draw_with(&[], &[(key, value)], &options()).0, velocity, "{key}");
    }
    assert_eq!(draw_with(&[], &[("modelspec.prediction_type", "epsilon")], &options()).0, plain);
    // The caller is believed before the file.
    assert_eq!(draw_with(&["v_pred"], &[], &told(Prediction::Epsilon)).0, plain);
    let (without_signal, _) = draw_with(&["v_pred", "ztsnr"], &[], &options());
    assert_ne!(without_signal, velocity);
    let said = LoadOptions { zero_terminal_snr: Some(true), ..told(Prediction::Velocity) };
    assert_eq!(draw_with(&[], &[], &said).0, without_signal);

    // The same for a folder.
    tiny.write_folder(&folder.path().join("folder"), Dtype::F32);
    let source = ModelSource::Folder(folder.path().join("folder"));
    assert_eq!(draw(&Pipeline::load_with(&source, &told(Prediction::Velocity)).unwrap().0), velocity);
}

#[test]
fn another_autoencoder_takes_the_place_of_the_models() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let at = |name: &str| folder.path().join(name);
    let mut other = Tiny::new();
    other.rows.retain(|row| row.component == "vae");
    other.reseed(1);
    other.write_folder(&at("other"), Dtype::F16);
    other.write_single_file(&at("ldm.safetensors"), Dtype::F16, |_| {});
    other.write_single_file(&at("bare_ldm.safetensors"), Dtype::BF16, |tensors| {
        tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.replace("first_stage_model.", ""));
    });
    fs::copy(at("other/vae/diffusion_pytorch_model.safetensors"), at("diffusers.safetensors")).unwrap();
    tiny.write_single_file(&at("model.safetensors"), Dtype::F16, |_| {});
    tiny.write_folder(&at("folder"), Dtype::F16);
    tiny.write_single_file(&at("no_vae.safetensors"), Dtype::F16, |tensors| {
        tensors.retain(|tensor| !tensor.name.starts_with("first_stage_model."));
    });

    let own = draw(&load(&at("model.safetensors"), &options()).unwrap().0);
    let mut images = Vec::new();
    for vae in ["other", "other/vae", "ldm.safetensors", "bare_ldm.safetensors", "diffusers.safetensors"] {
        let options = LoadOptions { vae: Some(at(vae)), ..options() };
        for model in ["model.safetensors", "folder", "no_vae.safetensors"] {
            let source = ModelSource::Folder(at(model));
            let (pipeline, report) = Pipeline::load_with(&source, &options).unwrap();
            assert_eq!(pipeline.vae_scale(), 0.13025);
            let (latents, image) = draw(&pipeline);
            assert_eq!(latents, own.0, "{vae}: the UNet is the same");
            images.push(image);
            assert!(report.unused.is_empty(), "{vae}: {:?}", report.unused);
        }
    }
    assert!(images.iter().all(|image| *image == images[0]), "all are the same autoencoder");
    assert_ne!(images[0], own.1);

    let refused = refusal(&at("no_vae.safetensors"), &options());
    assert!(refused.contains("without autoencoder"), "{refused}");
    let refused = refusal(&at("model.safetensors"), &LoadOptions { vae: Some(at("nowhere")), ..options() });
    assert!(refused.contains("nowhere") && refused.contains("as VAE give"), "{refused}");
    let refused = refusal(&at("model.safetensors"), &LoadOptions { vae: Some(at("no_vae.safetensors")), ..options() });
    assert!(refused.contains("without an autoencoder"), "{refused}");
}

#[test]
fn the_report_names_what_is_not_used() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let file = folder.path().join("model.safetensors");
    let extra = |name: &str| Stored { name: name.to_owned(), shape: vec![2], values: vec![0.5, 0.25] };
    tiny.write_single_file(&file, Dtype::F16, |tensors| {
        tensors.extend(
            ["conditioner.embedders.1.model.logit_scale", "denoiser.sigmas", "model_ema.decay", "alphas_cumprod"]
                .map(extra),
        );
        tensors.extend(
            ["model.diffusion_model.surprise.weight", "first_stage_model.decoder.up.0.attn.0.q.weight"].map(extra),
        );
    });
    let (_, report) = load(&file, &options()).unwrap();
    assert_eq!(
        report.unused,
        ["first_stage_model.decoder.up.0.attn.0.q.weight", "model.diffusion_model.surprise.weight"]
    );
}

#[test]
fn a_single_file_has_clips_own_vocabulary() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("model.safetensors");
    Tiny::with_clip_vocabulary().write_single_file(&file, Dtype::F8_E4M3, |_| {});
    let pipeline = Pipeline::load(&ModelSource::SingleFile(file), &Device::Cpu, DType::F32).unwrap();
    let [first, second] = pipeline.encode_prompt("a blue", &PromptOptions::default()).unwrap().ids;
    // Begin, `a`, `blue`, end; the first encoder pads with the end token, the second with 0.
    assert_eq!((&first[..5], first.len()), (&[49406, 320, 1746, 49407, 49407][..], 77));
    assert_eq!(second[..5], [49406, 320, 1746, 49407, 0]);
    let (latents, _) = draw(&pipeline);
    assert!(latents.iter().all(|value| value.is_finite()));
}

#[test]
fn without_tokenizer_files_a_foreign_vocabulary_is_refused() {
    let (folder, tiny) = (TempDir::new().unwrap(), Tiny::new());
    let file = folder.path().join("model.safetensors");
    tiny.write_single_file(&file, Dtype::F16, |_| {});
    let source = ModelSource::SingleFile(file);
    let error = Pipeline::load(&source, &Device::Cpu, DType::F32).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("tokenizer") && error.contains("model.safetensors"), "{error}");
}
