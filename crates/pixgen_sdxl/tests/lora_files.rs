//! Adapter files that are broken or belong to other models: each gives a sentence that says what is wrong.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{Error, LoraFile, LoraStrength, ModelFamily, ModelSource, Pipeline, PromptOptions};
use tempfile::TempDir;

const LINEAR: &str = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
const RESNET: &str = "lora_unet_mid_block_resnets_0_conv1";
/// Channels of those layers in the fixture.
const CHANNELS: usize = 12;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/model_a")
}

fn pipeline() -> Pipeline {
    Pipeline::load(&ModelSource::Folder(model()), &Device::Cpu, DType::F32).unwrap()
}

fn fixture(case: &str) -> PathBuf {
    model().parent().unwrap().join(format!("lora/{case}.safetensors"))
}

/// A file in a folder of its own, which is removed at the end.
struct Written {
    _folder: TempDir,
    path: PathBuf,
}

fn write_bytes(bytes: &[u8]) -> Written {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("adapter.safetensors");
    fs::write(&path, bytes).unwrap();
    Written { _folder: folder, path }
}

type Tensors = Vec<(String, Tensor)>;

fn write(tensors: Tensors, metadata: &[(&str, &str)]) -> Written {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let bytes = safetensors::serialize(tensors, Some(metadata)).unwrap();
    write_bytes(&bytes)
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::full(0.1f32, shape, &Device::Cpu).unwrap()
}

fn pair(module: &str, down: &[usize], up: &[usize]) -> Tensors {
    vec![(format!("{module}.lora_down.weight"), ones(down)), (format!("{module}.lora_up.weight"), ones(up))]
}

fn good() -> Tensors {
    pair(LINEAR, &[2, CHANNELS], &[CHANNELS, 2])
}

fn number(value: f32) -> Tensor {
    Tensor::new(value, &Device::Cpu).unwrap()
}

fn with(mut tensors: Tensors, key: String, tensor: Tensor) -> Tensors {
    tensors.retain(|(name, _)| *name != key);
    tensors.push((key, tensor));
    tensors
}

fn without(mut tensors: Tensors, end: &str) -> Tensors {
    tensors.retain(|(name, _)| !name.ends_with(end));
    tensors
}

/// The sentence of opening a file, or else of setting it.
fn refusal(file: &Written, pipeline: &mut Pipeline) -> String {
    let file = match LoraFile::open(&file.path) {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    match pipeline.set_loras(&[(&file, 1.0)]) {
        Ok(report) => panic!("it was accepted: {report:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn broken_files() {
    let bytes = fs::read(fixture("kohya_ldm")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut absurd = bytes.clone();
    absurd[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut longer = bytes.clone();
    longer[..8].copy_from_slice(&90_000_000u64.to_le_bytes());
    let mut garbled = bytes.clone();
    garbled[8..40].fill(b'?');
    let mut not_finite = vec![0.1f32; 2 * CHANNELS];
    not_finite[17] = f32::INFINITY;
    let not_finite = Tensor::from_vec(not_finite, (2, CHANNELS), &Device::Cpu).unwrap();
    let half_nan = not_finite.affine(f64::NAN, 0.0).unwrap();
    let down = || format!("{LINEAR}.lora_down.weight");
    let alpha = || format!("{LINEAR}.alpha");
    let loha = |shapes: [&[usize]; 4]| -> Tensors {
        let parts = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"];
        parts.iter().zip(shapes).map(|(part, shape)| (format!("{LINEAR}.{part}"), ones(shape))).collect()
    };
    let lokr = |parts: &[(&str, &[usize])]| -> Tensors {
        parts.iter().map(|(part, shape)| (format!("{LINEAR}.{part}"), ones(shape))).collect()
    };
    let c = CHANNELS;

    let cases: Vec<(&str, Written, &[&str])> = vec![
        ("empty", write_bytes(b""), &["it is empty"]),
        ("five bytes", write_bytes(b"\x05\0\0\0\0"), &["it has 5 bytes", "expected at least the 8"]),
        ("web page", write_bytes(b"\n<!DOCTYPE html><html></html>"), &["a web page", "download the file itself"]),
        ("pickle", write_bytes(b"PK\x03\x04 and so on, for a while"), &["a PyTorch checkpoint", "can run any program"]),
        ("gguf", write_bytes(b"GGUF\x03\0\0\0and more"), &["a GGUF file"]),
        (
            "lfs pointer",
            write_bytes(b"version https://git-lfs.github.com/spec/v1"),
            &["git-lfs pointer", "git lfs pull"],
        ),
        ("absurd header", write_bytes(&absurd), &["its header has 18446744073709551615 bytes"]),
        ("header beyond the end", write_bytes(&longer), &["its header has 90000000 bytes", "download it again"]),
        ("garbled header", write_bytes(&garbled), &["damaged", "its header is no JSON"]),
        ("cut off in the header", write_bytes(&bytes[..header / 2]), &["its header has", "download it again"]),
        ("cut off in the data", write_bytes(&bytes[..bytes.len() - 5]), &["it is cut off", "download it again"]),
        ("no down", write(without(good(), "down.weight"), &[]), &[LINEAR, "has the up (B) matrix", "not the down (A)"]),
        ("no up", write(without(good(), "up.weight"), &[]), &[LINEAR, "has the down (A) matrix", "not the up (B)"]),
        ("ranks differ", write(pair(LINEAR, &[2, c], &[c, 3]), &[]), &[LINEAR, "down [2, 12] and up [12, 3]"]),
        ("flat matrices", write(pair(LINEAR, &[c], &[c]), &[]), &[LINEAR, "down [12] and up [12]"]),
        ("an absurd axis", write(pair(LINEAR, &[0, 1 << 40], &[1 << 40, 0]), &[]), &[LINEAR, "at most 1048576"]),
        ("rank 0", write(pair(LINEAR, &[0, c], &[c, 0]), &[]), &[LINEAR, "rank 0"]),
        ("alpha NaN", write(with(good(), alpha(), number(f32::NAN)), &[]), &[LINEAR, "alpha NaN"]),
        ("alpha infinite", write(with(good(), alpha(), number(f32::INFINITY)), &[]), &[LINEAR, "alpha inf"]),
        ("two alphas", write(with(good(), alpha(), ones(&[2])), &[]), &[LINEAR, "alpha of shape [2]"]),
        ("infinity", write(with(good(), down(), not_finite), &[]), &["lora_down.weight", "not finite"]),
        (
            "NaN in f16",
            write(with(good(), down(), half_nan.to_dtype(DType::F16).unwrap()), &[]),
            &["lora_down.weight", "not finite"],
        ),
        (
            "NaN in bf16",
            write(with(good(), down(), half_nan.to_dtype(DType::BF16).unwrap()), &[]),
            &["lora_down.weight", "not finite"],
        ),
        (
            "NaN in f64",
            write(with(good(), down(), half_nan.to_dtype(DType::F64).unwrap()), &[]),
            &["lora_down.weight", "not finite"],
        ),
        (
            "integers",
            write(with(good(), down(), ones(&[2, c]).to_dtype(DType::U8).unwrap()), &[]),
            &["lora_down.weight as U8", "expected F16, BF16, F32 or F64"],
        ),
        (
            "another width",
            write(pair(LINEAR, &[2, 13], &[c, 2]), &[]),
            &[LINEAR, "shape [12, 13], the model's is [12, 12]"],
        ),
        (
            "a kernel of another size",
            write(pair(RESNET, &[2, c, 1, 1], &[c, 2, 1, 1]), &[]),
            &[RESNET, "shape [12, 12, 1, 1], the model's is [12, 12, 3, 3]"],
        ),
        (
            "mid of another rank",
            write(
                with(
                    pair(RESNET, &[2, c, 1, 1], &[c, 2, 1, 1]),
                    format!("{RESNET}.lora_mid.weight"),
                    ones(&[3, 2, 3, 3]),
                ),
                &[],
            ),
            &[RESNET, "with mid [3, 2, 3, 3]"],
        ),
        (
            "mid and a kernel",
            write(
                with(
                    pair(RESNET, &[2, c, 3, 3], &[c, 2, 1, 1]),
                    format!("{RESNET}.lora_mid.weight"),
                    ones(&[2, 2, 3, 3]),
                ),
                &[],
            ),
            &[RESNET, "has a kernel too"],
        ),
        (
            "two kinds",
            write(with(good(), format!("{LINEAR}.lokr_w1"), ones(&[3, 3])), &[]),
            &[LINEAR, "lokr_w1 [3, 3] belongs to another kind"],
        ),
        (
            "the same part twice",
            write(with(good(), format!("{LINEAR}.lora_A.weight"), ones(&[2, c])), &[]),
            &["the same weight twice", "lora_A.weight", "lora_down.weight"],
        ),
        (
            "the same layer under two names",
            write(
                [good(), pair("lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q", &[2, c], &[c, 2])].concat(),
                &[],
            ),
            &["the same weight twice", LINEAR, "middle_block_1"],
        ),
        ("half a LoHa", write(without(loha([&[c, 2], &[2, c], &[c, 2], &[2, c]]), "w2_b"), &[]), &["not hada_w2_b"]),
        (
            "LoHa with halves that differ",
            write(loha([&[c, 2], &[2, c], &[c, 2], &[2, 11]]), &[]),
            &[LINEAR, "two products of the same shape"],
        ),
        ("half a LoKr", write(lokr(&[("lokr_w1", &[3, 3]), ("lokr_w2_a", &[4, 2])]), &[]), &["not lokr_w2_b"]),
        (
            "LoKr of another size",
            write(lokr(&[("lokr_w1", &[3, 3]), ("lokr_w2", &[5, 4])]), &[]),
            &[LINEAR, "shape [15, 12], the model's is [12, 12]"],
        ),
        (
            "DoRA with too few lengths",
            write(with(good(), format!("{LINEAR}.dora_scale"), ones(&[7, 1])), &[]),
            &[LINEAR, "shape [7, 1]"],
        ),
        (
            "lengths alone",
            write(vec![(format!("{LINEAR}.dora_scale"), ones(&[c, 1]))], &[]),
            &[LINEAR, "has dora_scale", "not the down (A) matrix"],
        ),
        (
            "a difference of another shape",
            write(vec![(format!("{LINEAR}.diff"), ones(&[c, c + 1]))], &[]),
            &[LINEAR, "shape [12, 13]"],
        ),
        (
            "unreadable alphas",
            write(good(), &[("lora_adapter_metadata", "{\"unet.lora_alpha\": \"many\"}")]),
            &["lora_adapter_metadata", "unet.lora_alpha is \"many\""],
        ),
        (
            "nothing that fits",
            write(pair("lora_unet_no_such_layer", &[2, c], &[c, 2]), &[]),
            &["nothing in the LoRA", "of 2 tensors", "lora_unet_no_such_layer"],
        ),
        (
            "a kind that is not read",
            write(vec![(format!("{LINEAR}.oft_blocks"), ones(&[2, 3, 3]))], &[]),
            &["nothing in the LoRA", "oft_blocks"],
        ),
        (
            "FLUX",
            write(pair("lora_unet_double_blocks_0_img_attn_qkv", &[2, 30], &[90, 2]), &[]),
            &["made for FLUX", "the model is SDXL", "double_blocks"],
        ),
        (
            "FLUX of diffusers",
            write(
                vec![
                    ("transformer.transformer_blocks.0.attn.to_q.lora_A.weight".to_owned(), ones(&[2, 30])),
                    ("transformer.transformer_blocks.0.attn.to_q.lora_B.weight".to_owned(), ones(&[30, 2])),
                    ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight".to_owned(), ones(&[2, 30])),
                    ("transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight".to_owned(), ones(&[30, 2])),
                ],
                &[],
            ),
            &["made for FLUX", "choose a LoRA made for SDXL"],
        ),
        (
            "Stable Diffusion 3",
            write(pair("lora_unet_joint_blocks_0_x_block_attn_qkv", &[2, 30], &[90, 2]), &[]),
            &["made for Stable Diffusion 3"],
        ),
        (
            "Stable Diffusion 1.5 by its text width",
            write(
                [good(), pair("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k", &[2, 768], &[c, 2])]
                    .concat(),
                &[],
            ),
            &["made for Stable Diffusion 1.x", "text of 768 channels"],
        ),
        (
            "Stable Diffusion 1.5 by its metadata",
            write(
                [good(), pair("lora_unet_down_blocks_3_resnets_0_conv1", &[2, 9, 3, 3], &[9, 2, 1, 1])].concat(),
                &[("ss_base_model_version", "sd_v1")],
            ),
            &["made for Stable Diffusion 1.x", "metadata names sd_v1"],
        ),
    ];
    let mut pipeline = pipeline();
    for (what, file, expected) in cases {
        let error = refusal(&file, &mut pipeline);
        assert!(error.contains("adapter.safetensors"), "{what}: {error:?} does not name the file");
        for part in expected {
            assert!(error.contains(part), "{what}: {error:?} lacks {part:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_and_strengths_that_are_no_numbers() {
    let error = LoraFile::open("no/such.safetensors").unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error:?}");
    let file = LoraFile::open(fixture("kohya_ldm")).unwrap();
    for strength in [f64::NAN, f64::INFINITY] {
        let strength = LoraStrength { unet: 1.0, text: strength };
        let error = pipeline().set_loras(&[(&file, strength)]).unwrap_err();
        assert!(error.to_string().contains("expected a finite number"), "{error}");
    }
}

#[test]
fn what_does_not_fit_is_reported_and_the_rest_applied() {
    let tensors = [
        good(),
        pair("lora_unet_no_such_layer", &[2, 5], &[5, 2]),
        pair("lora_te3_encoder_block_0", &[2, 5], &[5, 2]),
        pair("lora_te1_text_model_encoder_layers_3_mlp_fc1", &[2, 32], &[37, 2]),
        vec![
            (format!("{LINEAR}.oft_blocks"), ones(&[2, 2])),
            // The layer has no bias.
            (format!("{LINEAR}.diff_b"), ones(&[CHANNELS])),
            ("lora_unet_conv_in.alpha".to_owned(), number(1.0)),
        ],
    ]
    .concat();
    let file = LoraFile::open(write(tensors, &[]).path).unwrap();
    let report = pipeline().set_loras(&[(&file, 0.5)]).unwrap();
    let found = &report.files[0];
    assert_eq!((found.applied, found.idle, report.changed_weights), (1, 1, 1));
    let unknown = [format!("{LINEAR}.oft_blocks"), format!("{LINEAR}.diff_b"), "lora_unet_no_such_layer".to_owned()];
    assert_eq!(found.unknown, unknown);
    assert_eq!(found.foreign, ["lora_te3_encoder_block_0"]);
}

#[test]
fn an_error_leaves_the_model_as_it_was() {
    let prompt = |pipeline: &Pipeline| {
        pipeline
            .encode_prompt("a potion", &PromptOptions::default())
            .unwrap()
            .hidden
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    let mut pipeline = pipeline();
    let base = prompt(&pipeline);
    let good = LoraFile::open(fixture("kohya_ldm")).unwrap();
    pipeline.set_loras(&[(&good, 1.0)]).unwrap();
    let changed = prompt(&pipeline);
    assert_ne!(changed, base);
    let bad = LoraFile::open(write(pair(LINEAR, &[2, 13], &[CHANNELS, 2]), &[]).path).unwrap();
    pipeline.set_loras(&[(&good, 0.3), (&bad, 1.0)]).unwrap_err();
    assert_eq!(prompt(&pipeline), changed);
    pipeline.clear_loras().unwrap();
    assert_eq!(prompt(&pipeline), base);
}

#[test]
fn families_are_told_without_a_model() {
    let cases = [
        ("lora_unet_single_blocks_3_linear1", ModelFamily::Flux),
        ("lora_unet_joint_blocks_0_context_block_mlp_fc1", ModelFamily::Sd3),
        ("transformer.transformer_blocks.0.attn.add_k_proj", ModelFamily::Sd3),
        ("diffusion_model.blocks.0.self_attn.q", ModelFamily::Transformer),
    ];
    for (module, expected) in cases {
        let file = write(pair(module, &[2, 5], &[5, 2]), &[]);
        assert_eq!(LoraFile::open(&file.path).unwrap().info().family, Some(expected), "{module}");
    }
    let widths = [
        (768, ModelFamily::Sd1),
        (1024, ModelFamily::Sd2),
        (1280, ModelFamily::SdxlRefiner),
        (2048, ModelFamily::Sdxl),
    ];
    for (width, expected) in widths {
        let module = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k";
        let file = write(pair(module, &[2, width], &[5, 2]), &[]);
        assert_eq!(LoraFile::open(&file.path).unwrap().info().family, Some(expected));
    }
}
