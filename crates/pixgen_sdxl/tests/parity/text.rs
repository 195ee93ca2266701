//! Prompts with emphasis, of many windows and with skipped layers.
//!
//! The reference values come from `make_text_fixtures.py`: windows encoded by transformers and weighted with ComfyUI's
//! formula, and runs of diffusers' `StableDiffusionXLPipeline`.

use std::fs;
use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use pixgen_sdxl::{ModelSource, Pipeline, PromptOptions, PromptSyntax, TextToImage};
use serde::Deserialize;

use crate::support::{assert_close, copy_of, json, pipeline, tensors};

#[derive(Deserialize)]
struct Fixture {
    standard: Standard,
    encodings: Vec<Encoding>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Standard {
    /// Prompts with the ids of SDXL's first and second tokenizer: begin, words, end.
    ids: Vec<(String, Vec<u32>, Vec<u32>)>,
}

#[derive(Deserialize)]
struct Encoding {
    model: String,
    prompt: String,
    ids: [Vec<u32>; 2],
    cut_off: usize,
    #[serde(default)]
    clip_skip: usize,
    max_chunks: Option<usize>,
    syntax: Option<String>,
}

impl Encoding {
    fn options(&self) -> PromptOptions {
        let default = PromptOptions::default();
        PromptOptions {
            syntax: if self.syntax.as_deref() == Some("plain") { PromptSyntax::Plain } else { default.syntax },
            max_chunks: self.max_chunks.unwrap_or(default.max_chunks),
            clip_skip: self.clip_skip,
        }
    }
}

#[derive(Deserialize)]
struct Run {
    model: String,
    prompt: String,
    negative_prompt: Option<String>,
    height_px: usize,
    width_px: usize,
    steps: usize,
    guidance_scale: f64,
    clip_skip: usize,
    seed: u64,
}

#[test]
fn weighted_long_and_skipped_encodings_are_those_of_the_references() {
    let reference = tensors("text.safetensors");
    let cases = json::<Fixture>("text.json").encodings;
    assert_eq!(cases.len(), 11);
    for (index, case) in cases.iter().enumerate() {
        let pipeline = pipeline(&case.model);
        let found = pipeline.encode_prompt(&case.prompt, &case.options()).unwrap();
        assert_eq!(found.ids, case.ids, "{}", case.prompt);
        assert_eq!(pipeline.tokens_cut_off(&case.prompt, &case.options()).unwrap(), case.cut_off, "{}", case.prompt);
        let what = |part: &str| format!("{part} of {}", case.prompt);
        assert_close(&found.hidden, &reference[&format!("{index}.hidden")], 1e-5, &what("hidden states"));
        assert_close(&found.pooled, &reference[&format!("{index}.pooled")], 1e-5, &what("pooled text"));
    }
}

#[test]
fn runs_with_such_prompts_end_where_diffusers_does() {
    let reference = tensors("text.safetensors");
    let cases = json::<Fixture>("text.json").runs;
    assert_eq!(cases.len(), 4);
    for (index, case) in cases.into_iter().enumerate() {
        let input = TextToImage {
            prompt: case.prompt,
            negative_prompt: case.negative_prompt,
            prompt_options: PromptOptions { clip_skip: case.clip_skip, ..PromptOptions::default() },
            height_px: case.height_px,
            width_px: case.width_px,
            steps: case.steps,
            guidance_scale: case.guidance_scale,
            seeds: vec![case.seed],
            ..TextToImage::default()
        };
        let latents = pipeline(&case.model).generate_latents(&input, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_close(&latents, &reference[&format!("run.{index}")], 1e-4, &format!("{} run {index}", case.model));
    }
}

/// The very same numbers, not just close ones.
fn assert_equal(found: &Tensor, expected: &Tensor) {
    let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(found.dims(), expected.dims());
    assert_eq!(values(found), values(expected));
}

#[test]
fn a_prompt_without_signs_takes_the_plain_path() {
    let pipeline = pipeline("model_a");
    let plain = pipeline.encode_prompt("a blue potion, 16-bit!", &PromptOptions::plain()).unwrap();
    for prompt in ["a blue potion, 16-bit!", "a (blue:1) potion, 16-bit!", "[(a blue potion, 16-bit!)]"] {
        let weighted = pipeline.encode_prompt(prompt, &PromptOptions::default()).unwrap();
        assert_eq!(weighted.ids, plain.ids);
        assert_equal(&weighted.hidden, &plain.hidden);
        assert_equal(&weighted.pooled, &plain.pooled);
    }
}

#[test]
fn tokens_of_weight_one_stay_as_they_are_beside_others() {
    let pipeline = pipeline("model_a");
    let plain = pipeline.encode_prompt("a blue potion", &PromptOptions::default()).unwrap();
    let weighted = pipeline.encode_prompt("a blue (potion:1.5)", &PromptOptions::default()).unwrap();
    // The begin token and "a"; and the padding at the end.
    for (start, length) in [(0, 2), (70, 7)] {
        assert_equal(
            &weighted.hidden.narrow(1, start, length).unwrap(),
            &plain.hidden.narrow(1, start, length).unwrap(),
        );
    }
    assert_equal(&weighted.pooled, &plain.pooled);
    let difference = (&weighted.hidden - &plain.hidden).unwrap().abs().unwrap().sum_all().unwrap();
    assert!(difference.to_scalar::<f32>().unwrap() > 1.0);
}

#[test]
fn weight_zero_is_the_empty_prompt_at_that_place() {
    let pipeline = pipeline("model_b");
    let options = PromptOptions::default();
    let empty = pipeline.encode_prompt("", &options).unwrap();
    let nothing = pipeline.encode_prompt("(a red cape:0)", &options).unwrap();
    let part = |tensor: &Tensor| tensor.narrow(1, 1, 3).unwrap();
    assert_close(&part(&nothing.hidden), &part(&empty.hidden), 1e-6, "weight zero");
}

#[test]
fn a_prompt_too_long_is_cut_off_and_counted() {
    let pipeline = pipeline("model_b");
    let cut_off = |prompt: &str, max_chunks: usize| {
        pipeline.tokens_cut_off(prompt, &PromptOptions { max_chunks, ..PromptOptions::default() }).unwrap()
    };
    assert_eq!(cut_off("a potion", 1), 0);
    assert_eq!(cut_off(&"! ".repeat(25), 1), 25 - 22);
    assert_eq!(cut_off(&"! ".repeat(25), 2), 0);
    assert_eq!(cut_off("! BREAK ! ! BREAK !", 2), 1);
    // 100 kB: as many windows as are allowed, and not one more.
    let absurd = "! ".repeat(50_000);
    assert_eq!(cut_off(&absurd, 16), 50_000 - 16 * 22);
    let encoded = pipeline.encode_prompt(&absurd, &PromptOptions::default()).unwrap();
    assert_eq!(encoded.hidden.dims()[1], 16 * 24);
    let encoded = pipeline.encode_prompt(&"BREAK ".repeat(16_000), &PromptOptions::default()).unwrap();
    assert_eq!(encoded.hidden.dims()[1], 16 * 24);
    let encoded = pipeline.encode_prompt(&"((a) [b] :1.1)".repeat(7_000), &PromptOptions::default()).unwrap();
    let sum = encoded.hidden.sum_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(sum.is_finite());
}

#[test]
fn options_out_of_range_are_errors_that_name_them() {
    let pipeline = pipeline("model_a");
    let error = |change: fn(&mut PromptOptions)| {
        let mut input = TextToImage { width_px: 32, height_px: 32, ..TextToImage::default() };
        change(&mut input.prompt_options);
        pipeline.generate(&input, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    for (found, expected) in [
        (error(|options| options.max_chunks = 0), "max_chunks is 0, expected 1 to 16"),
        (error(|options| options.max_chunks = 17), "max_chunks is 17, expected 1 to 16"),
        (error(|options| options.clip_skip = 3), "clip_skip is 3, expected 0 to 2"),
        (error(|options| options.clip_skip = usize::MAX), "expected 0 to 2"),
    ] {
        assert!(found.contains(expected), "{found}");
    }
}

/// model_b with text encoders for CLIP's vocabulary, but without tokenizer files.
fn model_without_tokenizers() -> tempfile::TempDir {
    let folder = copy_of("model_b");
    for tokenizer in ["tokenizer", "tokenizer_2"] {
        fs::remove_dir_all(folder.path().join(tokenizer)).unwrap();
    }
    for encoder in ["text_encoder", "text_encoder_2"] {
        let config = folder.path().join(encoder).join("config.json");
        let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
        value["vocab_size"] = 49_408.into();
        value["eos_token_id"] = 49_407.into();
        fs::write(config, value.to_string()).unwrap();
        let weights = folder.path().join(encoder).join("model.safetensors");
        let mut tensors = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
        let name = tensors.keys().find(|name| name.ends_with("token_embedding.weight")).unwrap().clone();
        let (tokens, channels) = tensors[&name].dims2().unwrap();
        let more = Tensor::randn(0f32, 1.0, (49_408 - tokens, channels), &Device::Cpu).unwrap();
        tensors.insert(name.clone(), Tensor::cat(&[&tensors[&name], &more], 0).unwrap());
        candle_core::safetensors::save(&tensors, weights).unwrap();
    }
    folder
}

#[test]
fn a_model_without_tokenizer_files_reads_prompts_with_clips_vocabulary() {
    let folder = model_without_tokenizers();
    let pipeline = Pipeline::load(&ModelSource::Folder(folder.path().to_owned()), &Device::Cpu, DType::F32).unwrap();
    for (prompt, first, second) in json::<Fixture>("text.json").standard.ids {
        let found = pipeline.encode_prompt(&prompt, &PromptOptions::plain()).unwrap().ids;
        // Windows of 24 tokens. The first tokenizer pads with the end token, the second with id 0.
        for (found, mut expected, pad) in [(&found[0], first, 49_407), (&found[1], second, 0)] {
            expected.truncate(expected.len() - 1);
            expected.truncate(23);
            expected.push(49_407);
            expected.resize(24, pad);
            assert_eq!(*found, expected, "{prompt:?}");
        }
    }
}
