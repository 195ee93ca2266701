//! The encoder, image-to-image and inpainting, and attention shared by frames. The reference values come from
//! `make_image_fixtures.py` (torch 2.15, diffusers 0.42.1, transformers 5.23).

use candle_core::{DType, Tensor};
use pixgen_sdxl::{Seamless, VaeTiling};

use crate::support::{MODELS, assert_close, pipeline, tensors};

#[test]
fn encoded_images_are_those_of_diffusers() {
    for model in MODELS {
        let reference = tensors(&format!("{model}_images.safetensors"));
        let expected = |name: &str| &reference[&format!("encoder.{name}")];
        let pipeline = pipeline(model);
        let image = expected("image").to_dtype(DType::F32).unwrap();
        let posterior = pipeline.encode(&image, Seamless::OFF, VaeTiling::Off).unwrap();
        assert_close(posterior.mode(), expected("mean"), 1e-5, &format!("{model}, mean"));
        assert_close(&posterior.log_variance, expected("log_variance"), 1e-5, &format!("{model}, log variance"));
        let sample: Tensor = posterior.sample(expected("noise")).unwrap();
        assert_close(&sample, expected("sample"), 1e-5, &format!("{model}, sample"));
        let scaled = pipeline.scale_latents(&sample).unwrap();
        assert_close(&scaled, expected("scaled"), 1e-5, &format!("{model}, scaled sample"));
    }
}
