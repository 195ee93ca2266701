//! How a run draws: conditioning, then a step of the solver per prediction of the UNet.

use std::ops::ControlFlow;

use candle_core::Tensor;

use super::{Pipeline, TextToImage};
use crate::Error;
use crate::guidance::guide;
use crate::noise::{Generator, randn_images};
use crate::text::EncodedPrompt;
use crate::unet::{Conditioning, Surroundings};

/// One denoising step is done.
#[derive(Clone, Copy, Debug)]
pub struct StepReport<'a> {
    /// Steps done, from 1.
    pub step: usize,
    /// Steps of the run.
    pub steps: usize,
    /// The latent that the network expects in the end, (n, latent channels, height, width) in f32 on the model's
    /// device: food for [`Pipeline::preview`].
    pub denoised: &'a Tensor,
}

impl Pipeline {
    /// Draws: (n, channels, height, width) in f32 on the CPU, values in [-1, 1].
    ///
    /// # Errors
    /// [`Error::Cancelled`] when `observe` breaks; an error that names the field when the input is out of range.
    pub fn generate(
        &self,
        input: &TextToImage,
        observe: &mut dyn FnMut(StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Tensor, Error> {
        let latents = self.generate_latents(input, observe)?;
        self.decode_with(&latents, input.seamless, input.tiling)
    }

    /// Draws without decoding: the final latents (n, latent channels, h, w) in f32, as the UNet sees them.
    ///
    /// # Errors
    /// As [`Pipeline::generate`].
    pub fn generate_latents(
        &self,
        input: &TextToImage,
        observe: &mut dyn FnMut(StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Tensor, Error> {
        self.check(input)?;
        let kind = input.scheduler.map_or_else(|| self.scheduler.kind(), Ok)?;
        let mut solver = self.scheduler.solver(kind, input.steps, &input.sampler)?;
        let guided = input.guidance_scale > 1.0;
        let conditioning = self.condition(input, guided)?;
        let surroundings = Surroundings { seamless: input.seamless, frames: input.frames, images: input.seeds.len() };
        // Each image's noise comes from a generator of its own, which the solver's fresh noise continues.
        let mut generators: Vec<_> = input.seeds.iter().map(|seed| Generator::new(*seed)).collect();
        let shape = self.latent_shape(input);
        let start = self.start(input, solver.as_ref(), &mut generators)?;
        let mut sample = start.sample;
        let timesteps = solver.timesteps().to_vec();
        let steps = timesteps.len() - start.index;
        for (index, timestep) in timesteps.into_iter().enumerate().skip(start.index) {
            let scaled = solver.scale_input(index, &sample)?;
            let output = if guided {
                // The images with the negative prompt, then the images with the prompt.
                let both = Tensor::cat(&[&scaled, &scaled], 0)?;
                let outputs = self.unet.forward(&both, timestep, &conditioning, surroundings)?;
                let parts = outputs.chunk(2, 0)?;
                guide(&parts[0], &parts[1], input.guidance_scale, input.guidance_rescale)?
            } else {
                self.unet.forward(&scaled, timestep, &conditioning, surroundings)?
            };
            let noise = match solver.needs_noise(index) {
                true => Some(randn_images(&mut generators, shape, &self.device)?),
                false => None,
            };
            let mut stepped = solver.step(index, &output, &sample, noise.as_ref())?;
            if let Some(repaint) = &start.repaint {
                stepped = repaint.keep_the_rest(solver.as_ref(), index + 1, &stepped)?;
            }
            sample = stepped.sample;
            let report = StepReport { step: index + 1 - start.index, steps, denoised: &stepped.denoised };
            if observe(report).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(sample)
    }

    /// Conditioning of the images with the prompt; with guidance, of the images with the negative prompt before them.
    fn condition(&self, input: &TextToImage, guided: bool) -> Result<Conditioning, Error> {
        let (prompt, negative) = self.encode_both(input, guided)?;
        let (hidden, pooled) = match negative {
            Some(negative) => {
                (Tensor::cat(&[negative.hidden, prompt.hidden], 0)?, Tensor::cat(&[negative.pooled, prompt.pooled], 0)?)
            }
            None => (prompt.hidden, prompt.pooled),
        };
        let size = (input.height_px, input.width_px);
        let (original, target) = (input.original_size_px.unwrap_or(size), input.target_size_px.unwrap_or(size));
        let corner = input.crop_top_left_px;
        let sizes = [original.0, original.1, corner.0, corner.1, target.0, target.1].map(|px| px as f32);
        let prompts = hidden.dim(0)?;
        Ok(self.unet.condition(&hidden, &pooled, &vec![sizes; prompts])?.repeat(input.seeds.len())?)
    }

    /// The prompt and, with guidance, the negative prompt, both of the same length.
    fn encode_both(&self, input: &TextToImage, guided: bool) -> Result<(EncodedPrompt, Option<EncodedPrompt>), Error> {
        let options = &input.prompt_options;
        let read = |text: &str| -> Result<_, Error> {
            let chunks = self.text.read(text, options)?;
            if chunks.cut_off > 0 {
                tracing::warn!(
                    tokens = chunks.cut_off,
                    max_chunks = options.max_chunks,
                    "the end of a prompt is not read"
                );
            }
            Ok(chunks)
        };
        let prompt = read(&input.prompt)?;
        if !guided {
            return Ok((self.text.encode(&prompt, options.clip_skip)?, None));
        }
        if input.negative_prompt.is_none() && self.zeros_for_no_prompt {
            let prompt = self.text.encode(&prompt, options.clip_skip)?;
            let negative = prompt.zeros_like()?;
            return Ok((prompt, Some(negative)));
        }
        let negative = read(input.negative_prompt.as_deref().unwrap_or_default())?;
        let longest = prompt.len().max(negative.len());
        // diffusers' SDXL pipelines skip no layer for the negative prompt.
        let negative = self.text.encode(&negative.filled_up_to(longest), 0)?;
        Ok((self.text.encode(&prompt.filled_up_to(longest), options.clip_skip)?, Some(negative)))
    }
}
