//! What the parts compute with adapters, against diffusers with the same adapters loaded.
//!
//! Merged weights of every kind are held against their references in `src/lora/parity_tests.rs`.

use candle_core::Tensor;
use pixgen_sdxl::{LoraFile, Pipeline, PromptOptions};

use crate::support::{UnetCase, assert_close, fixtures, pipeline, tensors};

fn open(case: &str) -> LoraFile {
    LoraFile::open(fixtures().join(format!("lora/{case}.safetensors"))).unwrap()
}

/// The UNet on the first case of `model_a_parts.safetensors`.
fn unet_output(pipeline: &Pipeline) -> Tensor {
    UnetCase::read(&tensors("model_a_parts.safetensors"), 0).predict(pipeline)
}

#[test]
fn a_file_of_diffusers_gives_the_outputs_of_diffusers() {
    let expected = tensors("lora/expected.safetensors");
    let plain = tensors("model_a_parts.safetensors")["unet.0.output"].clone();
    let mut pipeline = pipeline("model_a");
    for case in ["peft", "peft_dora"] {
        let strength = expected[&format!("{case}|strength")].to_scalar::<f32>().unwrap();
        let file = open(case);
        let report = pipeline.set_loras(&[(&file, strength)]).unwrap();
        assert_eq!(report.files[0].applied, file.info().modules);
        let found = unet_output(&pipeline);
        assert_close(&found, &expected[&format!("{case}|unet_output")], 1e-5, &format!("{case}: UNet"));
        let change = (&found - &plain).unwrap().abs().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(change > 0.01, "{case} changes the output by {change} only");
        if let Some(hidden) = expected.get(&format!("{case}|hidden")) {
            let prompt = pipeline.encode_prompt("a blue potion", &PromptOptions::plain()).unwrap();
            assert_close(&prompt.hidden, hidden, 1e-5, &format!("{case}: hidden states"));
            assert_close(&prompt.pooled, &expected[&format!("{case}|pooled")], 1e-5, &format!("{case}: pooled"));
        }
    }
    pipeline.clear_loras().unwrap();
    assert_close(&unet_output(&pipeline), &plain, 1e-5, "no adapter");
}

#[test]
fn two_active_adapters_are_pefts_sum() {
    let expected = tensors("lora/expected.safetensors");
    let (lora, dora) = (open("peft"), open("peft_dora"));
    for order in [[(&lora, 0.6), (&dora, 1.0)], [(&dora, 1.0), (&lora, 0.6)]] {
        let mut pipeline = pipeline("model_a");
        pipeline.set_loras(&order).unwrap();
        assert_close(&unet_output(&pipeline), &expected["two|unet_output"], 1e-5, "two adapters");
    }
}
