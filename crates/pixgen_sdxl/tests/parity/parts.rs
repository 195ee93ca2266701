//! Tokenizers, text encoders, UNet and autoencoder, one by one.

use candle_core::{DType, Device};
use pixgen_sdxl::PromptOptions;

use crate::support::{MODELS, UNET_CASES, UnetCase, assert_close, json, pipeline, tensors};

#[test]
fn prompts_become_the_token_ids_of_transformers() {
    let prompts: Vec<String> = json("prompts.json");
    assert!(prompts.len() > 20);
    for model in MODELS {
        let reference = tensors(&format!("{model}_parts.safetensors"));
        let pipeline = pipeline(model);
        for (index, prompt) in prompts.iter().enumerate() {
            let found = pipeline.encode_prompt(prompt, &PromptOptions::plain()).unwrap().ids;
            for (which, found) in found.into_iter().enumerate() {
                let expected = reference[&format!("ids.{index}.{}", which + 1)].to_vec1::<i64>().unwrap();
                let found: Vec<i64> = found.into_iter().map(i64::from).collect();
                assert_eq!(found, expected, "{model}, tokenizer {}, {prompt:?}", which + 1);
            }
        }
    }
}

#[test]
fn text_encodings_are_those_of_transformers() {
    let prompts: Vec<String> = json("prompts.json");
    for model in MODELS {
        let reference = tensors(&format!("{model}_parts.safetensors"));
        let pipeline = pipeline(model);
        let mut compared = 0;
        for (index, prompt) in prompts.iter().enumerate() {
            let Some(hidden) = reference.get(&format!("hidden.{index}")) else { continue };
            let found = pipeline.encode_prompt(prompt, &PromptOptions::plain()).unwrap();
            assert_close(&found.hidden, hidden, 1e-5, &format!("{model}, hidden states of prompt {index}"));
            let pooled = &reference[&format!("pooled.{index}")];
            assert_close(&found.pooled, pooled, 1e-5, &format!("{model}, pooled prompt {index}"));
            compared += 1;
        }
        assert_eq!(compared, 4);
    }
}

#[test]
fn unet_outputs_are_those_of_diffusers() {
    for model in MODELS {
        let reference = tensors(&format!("{model}_parts.safetensors"));
        let pipeline = pipeline(model);
        for case in 0..UNET_CASES {
            let unet = UnetCase::read(&reference, case);
            let found = unet.predict(&pipeline);
            assert_close(&found, &unet.output, 1e-5, &format!("{model}, UNet case {case}"));
        }
    }
}

#[test]
fn decoded_images_are_those_of_diffusers() {
    for model in MODELS {
        let reference = tensors(&format!("{model}_parts.safetensors"));
        let found = pipeline(model).decode(&reference["vae.latents"]).unwrap();
        assert_eq!(found.dtype(), DType::F32);
        assert_close(&found, &reference["vae.image"], 1e-5, &format!("{model}, autoencoder"));
    }
}

#[test]
fn sizes_come_from_the_configuration() {
    let (a, b) = (pipeline("model_a"), pipeline("model_b"));
    assert_eq!((a.image_channels(), a.latent_channels(), a.pixels_per_latent(), a.native_size_px()), (3, 4, 2, 32));
    assert_eq!((b.image_channels(), b.latent_channels(), b.pixels_per_latent(), b.native_size_px()), (4, 8, 4, 48));
    assert_eq!((a.vae_scale(), b.vae_scale()), (0.13025, 0.7));
}

#[test]
fn previews_come_from_the_models_matrix_or_sdxls() {
    // The fixture's matrix, written out for one pixel.
    let latent = tensors("model_b_parts.safetensors")["vae.latents"].affine(0.1, 0.0).unwrap();
    let preview = pipeline("model_b").preview(&latent).unwrap().unwrap();
    assert_eq!(preview.dims(), [2, 4, 7, 10]);
    let file: serde_json::Value = json("model_b/vae/latent_preview.json");
    let number = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
    let (image, y, x) = (1, 3, 8);
    for channel in 0..4 {
        let expected = number(&file["bias"][channel])
            + (0..8)
                .map(|c| {
                    let value = latent.get(image).unwrap().get(c).unwrap().get(y).unwrap().get(x).unwrap();
                    value.to_scalar::<f32>().unwrap() * number(&file["factors"][c][channel])
                })
                .sum::<f32>();
        let found = preview.get(image).unwrap().get(channel).unwrap().get(y).unwrap().get(x).unwrap();
        let found = found.to_scalar::<f32>().unwrap();
        assert!((found - expected.clamp(-1.0, 1.0)).abs() < 1e-6, "{found} {expected}");
    }
    // SDXL's autoencoder has no such file, but a known matrix: this is its bias.
    let zeros = candle_core::Tensor::zeros((1, 4, 2, 2), DType::F32, &Device::Cpu).unwrap();
    let preview = pipeline("model_a").preview(&zeros).unwrap().unwrap();
    assert_eq!(preview.flatten_from(2).unwrap().to_vec3::<f32>().unwrap()[0][0], [0.1084; 4]);
}
