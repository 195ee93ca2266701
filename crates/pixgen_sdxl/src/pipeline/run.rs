//! How a run draws: conditioning, then a step of the solver per prediction of the UNet.

use std::ops::ControlFlow;

use candle_core::Tensor;

use super::{Pipeline, TextToImage};
use crate::Error;
use crate::guidance::guide;
use crate::noise::ImageNoise;
use crate::residence::Part;
use crate::text::{Chunks, EncodedPrompt};
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
        // The solver's fresh noise goes on where the noise at the beginning ended.
        let mut noise_source = ImageNoise::new(&input.seeds, input.noise_variation);
        let shape = self.latent_shape(input);
        let start = self.start(input, solver.as_ref(), &mut noise_source)?;
        let mut sample = start.sample;
        let timesteps = solver.timesteps().to_vec();
        let steps = timesteps.len() - start.index;
        for (index, timestep) in timesteps.into_iter().enumerate().skip(start.index) {
            let scaled = solver.scale_input(index, &sample)?;
            // An image to begin with, or the observer, may have called another part to the card.
            self.summon(Part::Unet)?;
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
                true => Some(noise_source.draw(shape, &self.device)?),
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
        let encoded = self.encode_all(input, guided);
        self.text_is_done();
        let (prompts, negative) = encoded?;
        self.summon(Part::Unet)?;
        // One prompt serves all images, or each has its own; the negative prompt stands before each.
        let images_each = input.seeds.len() / prompts.len();
        let negatives = negative.iter().flat_map(|negative| std::iter::repeat_n(negative, prompts.len()));
        let rows: Vec<&EncodedPrompt> = negatives.chain(&prompts).collect();
        let hidden = Tensor::cat(&rows.iter().map(|row| &row.hidden).collect::<Vec<_>>(), 0)?;
        let pooled = Tensor::cat(&rows.iter().map(|row| &row.pooled).collect::<Vec<_>>(), 0)?;
        let size = (input.height_px, input.width_px);
        let (original, target) = (input.original_size_px.unwrap_or(size), input.target_size_px.unwrap_or(size));
        let corner = input.crop_top_left_px;
        let sizes = [original.0, original.1, corner.0, corner.1, target.0, target.1].map(|px| px as f32);
        Ok(self.unet.condition(&hidden, &pooled, &vec![sizes; rows.len()])?.repeat(images_each)?)
    }

    /// The prompt, or that of every image, and, with guidance, the negative prompt; all of the same length.
    fn encode_all(
        &self,
        input: &TextToImage,
        guided: bool,
    ) -> Result<(Vec<EncodedPrompt>, Option<EncodedPrompt>), Error> {
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
        let texts = if input.image_prompts.is_empty() {
            std::slice::from_ref(&input.prompt)
        } else {
            input.image_prompts.as_slice()
        };
        let prompts = texts.iter().map(|text| read(text)).collect::<Result<Vec<_>, _>>()?;
        let no_text = input.negative_prompt.is_none() && self.zeros_for_no_prompt;
        let negative = match guided && !no_text {
            true => Some(read(input.negative_prompt.as_deref().unwrap_or_default())?),
            false => None,
        };
        let longest = prompts.iter().chain(&negative).map(Chunks::len).max().unwrap_or_default();
        let prepare = &mut || self.summon(Part::Text);
        let mut encode = |prompt: Chunks, skip| self.text.encode(&prompt.filled_up_to(longest), skip, prepare);
        let prompts =
            prompts.into_iter().map(|prompt| encode(prompt, options.clip_skip)).collect::<Result<Vec<_>, _>>()?;
        let negative = match (negative, prompts.first()) {
            // diffusers' SDXL pipelines skip no layer for the negative prompt.
            (Some(negative), _) => Some(encode(negative, 0)?),
            (None, Some(prompt)) if guided => Some(prompt.zeros_like()?),
            (None, _) => None,
        };
        Ok((prompts, negative))
    }
}
