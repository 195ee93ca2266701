//! The real backend: SDXL on candle.

use std::ops::ControlFlow;

use candle_core::{IndexOp, Tensor};
use image::RgbaImage;
use pixgen_api::{DevicePreference, EventKind, ModelRef, Progress};
use pixgen_sdxl::{ModelSource, Pipeline, PromptOptions, TextToImage};

use crate::backend::pixels;
use crate::{Backend, BackendLoader, Drawing, EngineError, ModelInfo, device, embedded};

/// A loaded SDXL pipeline.
struct Sdxl {
    info: ModelInfo,
    pipeline: Pipeline,
    prompt_options: PromptOptions,
}

/// A loader of SDXL models for one device.
pub(crate) fn loader(preference: DevicePreference) -> BackendLoader {
    Box::new(move |model| {
        let info = ModelInfo::read(model)?;
        let (device, dtype) = device::open(preference)?;
        let (source, prompt_options) = match model {
            // The small model has only seen prompts of one window without emphasis.
            ModelRef::Embedded => (ModelSource::Embedded(embedded::FILES), PromptOptions::plain()),
            ModelRef::Folder(folder) => (ModelSource::Folder(folder.clone()), PromptOptions::default()),
        };
        let pipeline = Pipeline::load(&source, &device, dtype)?;
        Ok(Box::new(Sdxl { info, pipeline, prompt_options }) as Box<dyn Backend>)
    })
}

impl Backend for Sdxl {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn paints_alpha(&self) -> bool {
        self.pipeline.image_channels() == 4
    }

    fn draw(&mut self, drawing: Drawing<'_>, progress: &dyn Progress) -> Result<RgbaImage, EngineError> {
        let Drawing { plan, image, seed } = drawing;
        let input = TextToImage {
            prompt: plan.prompt.clone(),
            negative_prompt: Some(plan.request.negative_prompt.clone()),
            prompt_options: self.prompt_options,
            width_px: plan.image_px as usize,
            height_px: plan.image_px as usize,
            steps: plan.steps as usize,
            guidance_scale: plan.guidance_scale.into(),
            guidance_rescale: plan.guidance_rescale.into(),
            scheduler: Some(plan.scheduler),
            seeds: vec![seed],
            ..TextToImage::default()
        };
        let cut_off = self.pipeline.tokens_cut_off(&input.prompt, &input.prompt_options)?;
        if cut_off > 0 && image == 0 {
            let warning =
                format!("the prompt is too long for {}: its last {cut_off} tokens are not read", self.info.name);
            if progress.report(EventKind::Warning(warning)).is_break() {
                return Err(EngineError::Cancelled);
            }
        }
        let decoded = self.pipeline.generate(&input, &mut |step| {
            let report = EventKind::Step { image, step: step.step as u32, steps: step.steps as u32 };
            let mut flow = progress.report(report);
            // A preview is a courtesy: one that fails must not cost the picture.
            if let Ok(Some(preview)) = self.pipeline.preview(step.denoised)
                && let Ok(preview) = to_rgba(&preview)
            {
                let preview = pixels(&preview);
                flow = if flow.is_break() { flow } else { progress.report(EventKind::Preview(preview)) };
            }
            match flow {
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
                ControlFlow::Break(_) => ControlFlow::Break(()),
            }
        });
        match decoded {
            Ok(decoded) => Ok(to_rgba(&decoded).map_err(pixgen_sdxl::Error::from)?),
            Err(pixgen_sdxl::Error::Cancelled) => Err(EngineError::Cancelled),
            Err(error) => Err(error.into()),
        }
    }
}

/// The first image of `[n, 3|4, height, width]` in [-1, 1] as 8-bit sRGB; without an alpha channel it is opaque.
fn to_rgba(images: &Tensor) -> candle_core::Result<RgbaImage> {
    let image = images.i(0)?;
    let (channels, height, width) = image.dims3()?;
    // Halves go to even, as in the references that round through numpy.
    let bytes = ((image.to_dtype(candle_core::DType::F32)?.clamp(-1f32, 1f32)? + 1.0)? * 127.5)?;
    let planes: Vec<f32> = bytes.flatten_all()?.to_vec1()?;
    let mut rgba = vec![255; width * height * 4];
    for (channel, plane) in planes.chunks_exact(width * height).enumerate().take(channels.min(4)) {
        for (pixel, value) in plane.iter().enumerate() {
            rgba[pixel * 4 + channel] = value.round_ties_even() as u8;
        }
    }
    RgbaImage::from_raw(width as u32, height as u32, rgba)
        .ok_or_else(|| candle_core::Error::Msg("the decoded image has another size than its tensor".to_owned()))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_tensor_becomes_bytes_with_the_ends_of_the_range_exact() {
        let rgb = Tensor::new(&[[[[-1f32, 1.]], [[0., 2.]], [[-3., 0.5]]]], &Device::Cpu).unwrap();
        let image = to_rgba(&rgb).unwrap();
        assert_eq!(image.get_pixel(0, 0).0, [0, 128, 0, 255]);
        assert_eq!(image.get_pixel(1, 0).0, [255, 255, 191, 255]);
    }
}
