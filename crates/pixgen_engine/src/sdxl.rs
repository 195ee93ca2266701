//! The real backend: SDXL on candle.

use std::ops::ControlFlow;
use std::time::Duration;

use candle_core::{DType, Device, IndexOp, Tensor};
use image::RgbaImage;
use pixgen_api::{DevicePreference, EventKind, LoraRef, ModelRef, Progress};
use pixgen_sdxl::{
    FrameAttention, InitImage, LoadOptions, LoraFile, MemoryUse, ModelSource, Pipeline, PromptOptions, Seamless,
    TextToImage,
};

use crate::backend::pixels;
use crate::finish::side_by_side;
use crate::memory::{self, Place};
use crate::picture::is_white;
use crate::preflight::out_of_memory;
use crate::{Backend, BackendLoader, Drawing, EngineError, ModelInfo, Plan, device, embedded};

/// A loaded SDXL pipeline.
struct Sdxl {
    info: ModelInfo,
    pipeline: Pipeline,
    prompt_options: PromptOptions,
    /// The adapters that are merged into it, each with the hash of its file; `None` when nobody knows what is.
    loras: Option<Vec<(LoraRef, String)>>,
    step_pause: Duration,
    /// After the pipeline: fields are dropped in this order.
    _settles: Settles,
}

/// Lets a device finish when it is dropped: only then the memory that was given back before is free for others.
struct Settles(Device);

impl Drop for Settles {
    fn drop(&mut self) {
        let _ = self.0.synchronize();
    }
}

/// How models are drawn with, whatever the request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SdxlOptions {
    /// How long the device rests after each step.
    pub(crate) step_pause: Duration,
    /// As [`LoadOptions::fp8_linear`].
    pub(crate) fp8_linear: bool,
}

/// A loader of SDXL models for one device.
pub(crate) fn loader(preference: DevicePreference, options: SdxlOptions) -> BackendLoader {
    let SdxlOptions { step_pause, fp8_linear } = options;
    Box::new(move |weights| {
        let info = ModelInfo::read(&weights.model)?;
        // Main memory that is used up ends the whole game, not the job: it is asked before.
        let place = Place::of(preference);
        let need = memory::need(weights, 0, 0, place);
        if need.is_refused() && !place.is_sure() {
            tracing::warn!("{}; but CUDA_VISIBLE_DEVICES is set, it may be another card", out_of_memory(&need, place));
        } else if need.is_refused() {
            return Err(out_of_memory(&need, place));
        }
        let (device, dtype) = device::open(preference)?;
        let (source, prompt_options) = match &weights.model {
            // The small model has only seen prompts of one window without emphasis.
            ModelRef::Embedded => (ModelSource::Embedded(embedded::FILES), PromptOptions::plain()),
            ModelRef::Folder(folder) => (ModelSource::Folder(folder.clone()), PromptOptions::default()),
            ModelRef::File(folder) if folder.is_dir() => {
                (ModelSource::Folder(folder.clone()), PromptOptions::default())
            }
            ModelRef::File(file) => (ModelSource::SingleFile(file.clone()), PromptOptions::default()),
        };
        let memory = memory::memory_use(weights, place, need.free_bytes, fp8_linear);
        if memory == MemoryUse::Low {
            tracing::info!("{} has little room: only the part of the model that is at work is there", place.name());
        }
        let settles = Settles(device.clone());
        let vae = weights.vae.clone();
        let options = LoadOptions { device, dtype, vae, memory, fp8_linear, ..LoadOptions::default() };
        let (pipeline, report) = Pipeline::load_with(&source, &options)?;
        for note in &report.notes {
            tracing::info!("{note}");
        }
        if !report.unused.is_empty() {
            tracing::warn!(count = report.unused.len(), "{} has tensors that are not used", info.name);
        }
        let loras = Some(Vec::new());
        let sdxl = Sdxl { info, pipeline, prompt_options, loras, step_pause, _settles: settles };
        Ok(Box::new(sdxl) as Box<dyn Backend>)
    })
}

impl Backend for Sdxl {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn paints_alpha(&self) -> bool {
        self.pipeline.image_channels() == 4
    }

    fn memory_use(&self) -> MemoryUse {
        self.pipeline.memory_use()
    }

    fn draw(&mut self, drawing: Drawing<'_>, progress: &dyn Progress) -> Result<Vec<RgbaImage>, EngineError> {
        // Gives this thread the card's context, without which memory is not given back there.
        self.pipeline.device().synchronize().map_err(pixgen_sdxl::Error::from)?;
        let drawn = self.paint(drawing, progress);
        if drawn.is_err() {
            // A step may still be at work on a graphics card; the next job may come from another thread, which has its
            // own stream of work there.
            let _ = self.pipeline.device().synchronize();
        }
        drawn
    }
}

impl Drop for Sdxl {
    fn drop(&mut self) {
        // Gives this thread the card's context, without which memory is not given back there, and lets the card finish.
        let _ = self.pipeline.device().synchronize();
    }
}

impl Sdxl {
    fn paint(&mut self, drawing: Drawing<'_>, progress: &dyn Progress) -> Result<Vec<RgbaImage>, EngineError> {
        let image = drawing.image;
        let warn = |warning: String| match progress.report(EventKind::Warning(warning)) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(_) => Err(EngineError::Cancelled),
        };
        for warning in self.set_loras(&drawing.plan.request.loras, drawing.lora_hashes)? {
            warn(warning)?;
        }
        let input = self.input(&drawing)?;
        let longest = input.image_prompts.iter().chain([&input.prompt]).max_by_key(|prompt| prompt.len());
        let cut_off = self.pipeline.tokens_cut_off(longest.unwrap_or(&input.prompt), &input.prompt_options)?;
        if cut_off > 0 && image == 0 {
            warn(format!("the prompt is too long for {}: its last {cut_off} tokens are not read", self.info.name))?;
        }
        let decoded = self.pipeline.generate(&input, &mut |step| {
            let (step, steps, denoised) = (step.step as u32, step.steps as u32, step.denoised);
            let mut flow = progress.report(EventKind::Step { image, step, steps, remaining: None });
            // A preview is a courtesy: one that fails must not cost the picture.
            if flow.is_continue()
                && let Ok(Some(preview)) = self.pipeline.preview(denoised)
                && let Ok(frames) = frames_of(&preview)
            {
                flow = progress.report(EventKind::Preview(pixels(&side_by_side(&frames))));
            }
            if flow.is_continue() && step < steps && !self.step_pause.is_zero() {
                // What was enqueued first: the device is to have nothing to do meanwhile.
                let _ = self.pipeline.device().synchronize();
                std::thread::sleep(self.step_pause);
            }
            match flow {
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
                ControlFlow::Break(_) => ControlFlow::Break(()),
            }
        })?;
        frames_of(&decoded)
    }

    /// Brings the model to exactly these adapters; what of them was not understood comes back as sentences.
    fn set_loras(&mut self, loras: &[LoraRef], hashes: &[String]) -> Result<Vec<String>, EngineError> {
        let wanted: Vec<_> = loras.iter().cloned().zip(hashes.iter().cloned()).collect();
        if self.loras.as_ref() == Some(&wanted) {
            return Ok(Vec::new());
        }
        let files = loras.iter().map(|lora| LoraFile::open(&lora.path)).collect::<Result<Vec<_>, _>>()?;
        let merged: Vec<_> = files.iter().zip(loras).map(|(file, lora)| (file, lora.weight)).collect();
        // Whatever happens now, the adapters from before cannot be relied on: the next picture sets its own again.
        self.loras = None;
        let report = match self.pipeline.set_loras(&merged) {
            Ok(report) => report,
            Err(error) => {
                match self.pipeline.clear_loras() {
                    Ok(_) => self.loras = Some(Vec::new()),
                    Err(worse) => tracing::warn!("the LoRAs cannot be taken out of {}: {worse}", self.info.name),
                }
                return Err(error.into());
            }
        };
        self.loras = Some(wanted);
        let strange = report.files.into_iter().filter(|file| !file.unknown.is_empty() || !file.foreign.is_empty());
        Ok(strange
            .map(|file| {
                format!(
                    "{} changes {} layers; {} of its parts are not known here and do nothing",
                    file.file,
                    file.applied,
                    file.unknown.len() + file.foreign.len()
                )
            })
            .collect())
    }

    fn input(&self, drawing: &Drawing<'_>) -> Result<TextToImage, EngineError> {
        let Drawing { plan, seed, init_image, mask, .. } = *drawing;
        let request = &plan.request;
        let edge_px = plan.image_px as usize;
        let pixels = init_image.map(|image| to_tensor(image, self.pipeline.input_channels())).transpose()?;
        let frames = request.frames() as usize;
        Ok(TextToImage {
            prompt: plan.prompt.clone(),
            image_prompts: plan.frame_prompts.clone(),
            negative_prompt: Some(request.negative_prompt.clone()),
            prompt_options: PromptOptions { clip_skip: request.clip_skip as usize, ..self.prompt_options },
            width_px: edge_px,
            height_px: edge_px,
            steps: steps_of(plan),
            guidance_scale: plan.guidance_scale.into(),
            guidance_rescale: plan.guidance_rescale.into(),
            scheduler: Some(plan.scheduler),
            seeds: vec![seed; frames],
            noise_variation: request.animation.as_ref().map(|animation| animation.resolved_variation().into()),
            frames: if frames > 1 { FrameAttention::SharedFirstFrame } else { FrameAttention::Independent },
            init_image: pixels.map(|pixels| InitImage { pixels, strength: plan.strength.into() }),
            mask: mask.map(mask_tensor).transpose()?,
            seamless: Seamless { x: request.seamless.x, y: request.seamless.y },
            ..TextToImage::default()
        })
    }
}

/// Steps of the whole schedule. Image-to-image does the last ⌊steps · strength⌋ of them, and at least one.
fn steps_of(plan: &Plan) -> usize {
    let least = if plan.request.init_image.is_some() { (1.0 / plan.strength).ceil() as usize } else { 1 };
    (plan.steps as usize).max(least)
}

/// (1, channels, height, width) in [-1, 1].
fn to_tensor(image: &RgbaImage, channels: usize) -> Result<Tensor, pixgen_sdxl::Error> {
    let (width, height) = image.dimensions();
    let plane = |channel: usize| image.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 127.5 - 1.0);
    let values: Vec<f32> = (0..channels.min(4)).flat_map(plane).collect();
    Ok(Tensor::from_vec(values, (1, channels.min(4), height as usize, width as usize), &Device::Cpu)?)
}

/// (1, 1, height, width), ones where new paint goes.
fn mask_tensor(mask: &RgbaImage) -> Result<Tensor, pixgen_sdxl::Error> {
    let (width, height) = mask.dimensions();
    let values: Vec<f32> = mask.pixels().map(|pixel| if is_white(pixel) { 1.0 } else { 0.0 }).collect();
    Ok(Tensor::from_vec(values, (1, 1, height as usize, width as usize), &Device::Cpu)?)
}

/// The images of (n, 3|4, height, width) in [-1, 1] as 8-bit sRGB; without an alpha channel they are opaque.
pub(crate) fn frames_of(images: &Tensor) -> Result<Vec<RgbaImage>, EngineError> {
    let count = images.dim(0).map_err(pixgen_sdxl::Error::from)?;
    (0..count).map(|index| to_rgba(&images.i(index).map_err(pixgen_sdxl::Error::from)?)).collect()
}

fn to_rgba(image: &Tensor) -> Result<RgbaImage, EngineError> {
    let read = || -> candle_core::Result<_> {
        let (channels, height, width) = image.dims3()?;
        let values: Vec<f32> = image.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok((channels, height, width, values))
    };
    let (channels, height, width, values) = read().map_err(pixgen_sdxl::Error::from)?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(pixgen_sdxl::Error::NotFinite { what: "image" }.into());
    }
    let mut rgba = vec![255; width * height * 4];
    for (channel, plane) in values.chunks_exact(width * height).enumerate().take(channels.min(4)) {
        for (pixel, value) in plane.iter().enumerate() {
            // Halves go to even, as in the references that round through numpy.
            rgba[pixel * 4 + channel] = ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round_ties_even() as u8;
        }
    }
    RgbaImage::from_raw(width as u32, height as u32, rgba).ok_or_else(|| {
        let wrong = "the decoded image has another size than its tensor".to_owned();
        pixgen_sdxl::Error::Tensor(candle_core::Error::Msg(wrong)).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_becomes_bytes_with_the_ends_of_the_range_exact() {
        let rgb = Tensor::new(&[[[[-1f32, 1.]], [[0., 2.]], [[-3., 0.5]]]], &Device::Cpu).unwrap();
        let image = frames_of(&rgb).unwrap().remove(0);
        assert_eq!(image.get_pixel(0, 0).0, [0, 128, 0, 255]);
        assert_eq!(image.get_pixel(1, 0).0, [255, 255, 191, 255]);
        let again = frames_of(&to_tensor(&image, 3).unwrap()).unwrap().remove(0);
        assert_eq!(again, image);
    }

    #[test]
    fn numbers_that_are_none_are_an_error_and_no_black_picture() {
        let images = Tensor::new(&[[[[f32::NAN]], [[0.]], [[0.]]]], &Device::Cpu).unwrap();
        let error = frames_of(&images).unwrap_err().to_string();
        assert!(error.contains("infinite or not a number"), "{error}");
    }
}
