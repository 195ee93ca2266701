//! From a prompt to an image tensor.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use pixgen_api::SchedulerKind;

use crate::checkpoint::{Checkpoint, LoadOptions, LoadReport};
use crate::config::ModelIndex;
use crate::guidance::guide;
use crate::init_image::InitImage;
use crate::lora::{Adapters, LoraFile, LoraReport, LoraStrength};
use crate::nn::Seamless;
use crate::noise::{Generator, randn_images};
use crate::preview::Previews;
use crate::scheduler::{SamplerOptions, SchedulerConfig};
use crate::text::{EncodedPrompt, PromptOptions, TextEncoders};
use crate::unet::{Conditioning, FrameAttention, Surroundings, TIME_IDS, Unet};
use crate::vae::{Posterior, Vae, VaeTiling};
use crate::{Error, ModelSource};

/// Latent cells along each edge of a training image of models that do not say.
const DEFAULT_SAMPLE_SIZE: usize = 128;

/// A loaded SDXL model.
#[derive(Debug)]
pub struct Pipeline {
    text: TextEncoders,
    unet: Unet,
    vae: Vae,
    scheduler: SchedulerConfig,
    previews: Previews,
    /// Whether no negative prompt means zeros instead of the encoded empty text.
    zeros_for_no_prompt: bool,
    device: Device,
    adapters: Adapters,
}

/// One picture, or several of the same prompt.
#[derive(Clone, Debug)]
pub struct TextToImage {
    /// What to draw.
    pub prompt: String,
    /// What to keep out. `None` is no text at all, which models with `force_zeros_for_empty_prompt` tell from the
    /// empty text.
    pub negative_prompt: Option<String>,
    /// How both are read: which signs mean something, how long they may be, from which layer of the encoders they come.
    pub prompt_options: PromptOptions,
    /// Width of the image in pixels, a multiple of [`Pipeline::size_step_px`].
    pub width_px: usize,
    /// Height of the image in pixels, a multiple of [`Pipeline::size_step_px`].
    pub height_px: usize,
    /// Size (height, width) that the training image is said to have had; `None` means the image's.
    pub original_size_px: Option<(usize, usize)>,
    /// Corner (top, left) at which the training image is said to have been cropped.
    pub crop_top_left_px: (usize, usize),
    /// Size (height, width) that the training image is said to have been brought to; `None` means the image's.
    pub target_size_px: Option<(usize, usize)>,
    /// Denoising steps, from 1 to the model's training timesteps; not looked at when `sampler` lists timesteps.
    pub steps: usize,
    /// Classifier-free guidance scale; up to 1 there is no guidance, and a step takes half the time.
    pub guidance_scale: f64,
    /// How far the guided prediction is rescaled to the contrast of the unguided one, 0 to 1.
    pub guidance_rescale: f64,
    /// The solver; `None` means the model's own.
    pub scheduler: Option<SchedulerKind>,
    /// How the solver walks; left alone, it does what the model's file says.
    pub sampler: SamplerOptions,
    /// One image is drawn per seed, all at once. A seed gives the same noise in every batch, and the same as PyTorch's
    /// CPU generator; like there, only its low 32 bits count.
    pub seeds: Vec<u64>,
    /// The picture to begin with instead of noise alone (image-to-image).
    pub init_image: Option<InitImage>,
    /// Where `init_image` is painted anew, (1, 1, height_px, width_px): from 0.5 on it is, below it stays. A latent cell
    /// goes by its first pixel.
    pub mask: Option<Tensor>,
    /// Along which axes the image repeats without a seam; its size there must be a multiple of
    /// [`Pipeline::seamless_step_px`].
    pub seamless: Seamless,
    /// Whether the images of the run share the UNet's self-attention.
    pub frames: FrameAttention,
    /// Whether the autoencoder works in tiles.
    pub tiling: VaeTiling,
}

impl Default for TextToImage {
    /// One image of 1024 px with the settings that diffusers draws SDXL with.
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            prompt_options: PromptOptions::default(),
            width_px: 1024,
            height_px: 1024,
            original_size_px: None,
            crop_top_left_px: (0, 0),
            target_size_px: None,
            steps: 50,
            guidance_scale: 5.0,
            guidance_rescale: 0.0,
            scheduler: None,
            sampler: SamplerOptions::default(),
            seeds: vec![0],
            init_image: None,
            mask: None,
            seamless: Seamless::OFF,
            frames: FrameAttention::Independent,
            tiling: VaeTiling::Auto,
        }
    }
}

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
    /// Loads a model; tensors that it does not use are written to the log.
    ///
    /// Weights are converted to `dtype`; on the CPU they always become f32, the only dtype that it is fast in.
    ///
    /// # Errors
    /// When files are missing or damaged, or when the model is no SDXL base model.
    pub fn load(source: &ModelSource, device: &Device, dtype: DType) -> Result<Self, Error> {
        let options = LoadOptions { device: device.clone(), dtype, ..LoadOptions::default() };
        let (pipeline, report) = Self::load_with(source, &options)?;
        report.log();
        Ok(pipeline)
    }

    /// Loads a model as `options` say, and tells what was found in its files.
    ///
    /// # Errors
    /// As [`Pipeline::load`]; tensors that are missing are an error too, not a part of the report.
    pub fn load_with(source: &ModelSource, options: &LoadOptions) -> Result<(Self, LoadReport), Error> {
        let checkpoint = Checkpoint::open(source, options)?;
        let dtype = if matches!(options.device, Device::Cpu) { DType::F32 } else { options.dtype };
        let pipeline = Self::load_parts(&checkpoint, &options.device, dtype, Adapters::new(source, options))?;
        // A game may draw from another thread than the one that loads, and each thread has its own stream of GPU work.
        options.device.synchronize()?;
        let report = checkpoint.report().take();
        Ok((pipeline, report))
    }

    /// `adapters` know how to open the model again.
    pub(crate) fn load_parts(
        source: &Checkpoint,
        device: &Device,
        dtype: DType,
        adapters: Adapters,
    ) -> Result<Self, Error> {
        let index = ModelIndex::read(source)?;
        let scheduler = SchedulerConfig::read(source)?;
        let text = TextEncoders::load(source, device, dtype)?;
        let unet = Unet::load(source, device, dtype)?;
        let vae = Vae::load(source, device, dtype)?;
        let fits = [
            ("the text encoders together have", text.hidden_channels(), "cross_attention_dim", unet.context_channels()),
            (
                "the pooled text has",
                text.pooled_channels(),
                "projection_class_embeddings_input_dim",
                unet.pooled_channels(),
            ),
            ("the autoencoder has", vae.latent_channels(), "in_channels", Some(unet.channels())),
        ];
        for (whose, found, field, expected) in fits {
            if Some(found) != expected {
                return Err(Error::Config {
                    file: source.display("unet/config.json"),
                    reason: format!(
                        "{field} leaves room for {} channels, but {whose} {found}: the parts belong to different models",
                        expected.unwrap_or_default()
                    ),
                });
            }
        }
        let previews = Previews::load(source, &vae, device, dtype)?;
        Ok(Self {
            text,
            unet,
            vae,
            scheduler,
            previews,
            zeros_for_no_prompt: index.force_zeros_for_empty_prompt,
            device: device.clone(),
            adapters,
        })
    }

    /// Brings the model to exactly these adapters, with their strengths: a number, or one for the UNet and one for the
    /// text encoders.
    ///
    /// Merges are computed from the model's original weights. Adapters that were set before and are not in the list
    /// are taken out without a trace; so are those of strength 0. The order of the list does not matter. On an error of
    /// an adapter ([`Error::Lora`]) nothing has changed; prompts that were encoded before belong to the old weights.
    ///
    /// # Errors
    /// When an adapter does not fit the model, or the model's files cannot be read any more.
    pub fn set_loras<S>(&mut self, loras: &[(&LoraFile, S)]) -> Result<LoraReport, Error>
    where
        S: Copy + Into<LoraStrength>,
    {
        let loras: Vec<_> = loras.iter().map(|(file, strength)| (*file, (*strength).into())).collect();
        let [first, second] = self.text.params();
        self.adapters.set(&loras, [self.unet.params(), first, second])
    }

    /// The weights that adapters can change.
    #[cfg(test)]
    pub(crate) fn component_params(&self) -> [&crate::params::Params; 3] {
        let [first, second] = self.text.params();
        [self.unet.params(), first, second]
    }

    /// Takes all adapters out: the model computes with its original weights again, to the bit.
    ///
    /// # Errors
    /// When the model's files cannot be read any more.
    pub fn clear_loras(&mut self) -> Result<LoraReport, Error> {
        self.set_loras::<LoraStrength>(&[])
    }

    /// Whether the originals of the weights that adapters change are kept on the device, so that adapters change at
    /// once instead of with the speed of the disk. It takes the memory of those weights a second time (with adapters of
    /// all layers, of the whole UNet). Off at first; turning it off frees the memory.
    pub fn set_keep_originals(&mut self, keep: bool) {
        self.adapters.set_keep_originals(keep);
    }

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

    /// Latents (n, latent channels, h, w) as the UNet sees them → images (n, channels, height, width) in f32 on the
    /// CPU, values in [-1, 1].
    ///
    /// # Errors
    /// As [`Pipeline::decode_with`].
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, Error> {
        self.decode_with(latents, Seamless::OFF, VaeTiling::Auto)
    }

    /// [`Pipeline::decode`] for latents that repeat, or in tiles.
    ///
    /// An image is never black or full of holes because half precision overflowed: the autoencoder then runs in f32
    /// from there on, which [`Pipeline::vae_dtype`] tells.
    ///
    /// # Errors
    /// When the latents have another number of channels, when they or the image are not finite even in f32, or when
    /// the tiles are too small.
    pub fn decode_with(&self, latents: &Tensor, seamless: Seamless, tiling: VaeTiling) -> Result<Tensor, Error> {
        Ok(self.vae.decode(latents, seamless, tiling)?.clamp(-1f32, 1f32)?.to_device(&Device::Cpu)?)
    }

    /// Images (n, channels, height, width) in [-1, 1] → the latents that they may have, in the autoencoder's own units
    /// ([`Pipeline::scale_latents`] brings a sample to the UNet's).
    ///
    /// # Errors
    /// When the image has other channels than the autoencoder reads, when its size is no multiple of
    /// [`Pipeline::size_step_px`], or when the model's file has no encoder.
    pub fn encode(&self, images: &Tensor, seamless: Seamless, tiling: VaeTiling) -> Result<Posterior, Error> {
        self.vae.encode(images, seamless, tiling)
    }

    /// Latents in the autoencoder's own units (n, latent channels, h, w) → as the UNet sees them.
    ///
    /// # Errors
    /// When the latents have another number of channels.
    pub fn scale_latents(&self, latents: &Tensor) -> Result<Tensor, Error> {
        Ok(self.vae.scale(latents)?)
    }

    /// The precision that the autoencoder runs in: f32 after an overflow in half precision.
    #[must_use]
    pub fn vae_dtype(&self) -> DType {
        self.vae.dtype()
    }

    /// A cheap picture of latents, (n, 3 or 4, …), values in [-1, 1]: at full size from TAESDXL if it lies beside the
    /// model (`taesdxl/` or `taesd/` as diffusers saves it, or `taesdxl_decoder.safetensors`), else one pixel per latent
    /// cell.
    ///
    /// The latter takes `vae/latent_preview.json`, or SDXL's known matrix. For an autoencoder that has neither, the first
    /// call fits a matrix, which takes a few decodings, and stores it as that file. `None` if that fails, too.
    ///
    /// # Errors
    /// When the latents have another number of channels.
    pub fn preview(&self, denoised: &Tensor) -> Result<Option<Tensor>, Error> {
        let preview = self.previews.forward(denoised, &self.vae)?;
        Ok(preview.map(|preview| preview.to_device(&Device::Cpu)).transpose()?)
    }

    /// What the UNet is told of a prompt.
    ///
    /// # Errors
    /// When the prompt cannot be tokenized or an option is out of range.
    pub fn encode_prompt(&self, prompt: &str, options: &PromptOptions) -> Result<EncodedPrompt, Error> {
        self.text.encode(&self.text.read(prompt, options)?, options.clip_skip)
    }

    /// How many tokens at the end of the prompt are not read, because they would need more than
    /// [`PromptOptions::max_chunks`] windows of the text encoders.
    ///
    /// # Errors
    /// As [`Pipeline::encode_prompt`].
    pub fn tokens_cut_off(&self, prompt: &str, options: &PromptOptions) -> Result<usize, Error> {
        Ok(self.text.read(prompt, options)?.cut_off)
    }

    /// Asks the UNet once: `sample` (b, latent channels, h, w), `timestep` (0 to the last training timestep), one
    /// prompt or one per image, and per image the six sizes: original (height, width), crop (top, left), target
    /// (height, width). The output has the sample's shape.
    ///
    /// # Errors
    /// When the shapes do not fit the model.
    pub fn predict(
        &self,
        sample: &Tensor,
        timestep: f32,
        prompts: &[EncodedPrompt],
        sizes_px: &[[f32; TIME_IDS]],
    ) -> Result<Tensor, Error> {
        let hidden: Vec<_> = prompts.iter().map(|prompt| &prompt.hidden).collect();
        let pooled: Vec<_> = prompts.iter().map(|prompt| &prompt.pooled).collect();
        let conditioning = self.unet.condition(&Tensor::cat(&hidden, 0)?, &Tensor::cat(&pooled, 0)?, sizes_px)?;
        Ok(self.unet.forward(sample, timestep, &conditioning, Surroundings::default())?)
    }

    /// Channels of the image: 3 (RGB) or 4 (RGBA).
    #[must_use]
    pub fn image_channels(&self) -> usize {
        self.vae.image_channels()
    }

    /// Channels of the images that are read ([`Pipeline::encode`]): 3 (RGB) or 4 (RGBA).
    #[must_use]
    pub fn input_channels(&self) -> usize {
        self.vae.input_channels()
    }

    /// Channels of the latents.
    #[must_use]
    pub fn latent_channels(&self) -> usize {
        self.vae.latent_channels()
    }

    /// Image pixels per latent cell, along each axis.
    #[must_use]
    pub fn pixels_per_latent(&self) -> usize {
        self.vae.factor()
    }

    /// Width and height must be multiples of this.
    #[must_use]
    pub fn size_step_px(&self) -> usize {
        self.pixels_per_latent()
    }

    /// Width and height must be multiples of this along an axis that repeats: on every level of the UNet the edges must
    /// meet at whole cells.
    #[must_use]
    pub fn seamless_step_px(&self) -> usize {
        self.pixels_per_latent() * self.unet.factor()
    }

    /// Edge of the images that the model was trained on, in pixels.
    #[must_use]
    pub fn native_size_px(&self) -> usize {
        self.unet.sample_size().unwrap_or(DEFAULT_SAMPLE_SIZE) * self.pixels_per_latent()
    }

    /// What the autoencoder's latents are multiplied with to have about unit variance (`scaling_factor`).
    #[must_use]
    pub fn vae_scale(&self) -> f64 {
        self.vae.scaling_factor()
    }

    /// The solver that the model asks for.
    ///
    /// # Errors
    /// When it is none of [`SchedulerKind`]: the caller must choose one then.
    pub fn scheduler_kind(&self) -> Result<SchedulerKind, Error> {
        self.scheduler.kind()
    }

    /// Where the model is.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn check(&self, input: &TextToImage) -> Result<(), Error> {
        let step = self.size_step_px();
        for (name, size) in [("width_px", input.width_px), ("height_px", input.height_px)] {
            if size == 0 || !size.is_multiple_of(step) {
                return Err(Error::Input(format!("{name} is {size}, expected a positive multiple of {step}")));
            }
        }
        self.text.check(&input.prompt_options)?;
        let Seamless { x, y } = input.seamless;
        let whole = self.seamless_step_px();
        for (name, size, repeats) in [("width_px", input.width_px, x), ("height_px", input.height_px, y)] {
            if repeats && !size.is_multiple_of(whole) {
                return Err(Error::Input(format!(
                    "{name} is {size}, expected a multiple of {whole} along an axis that repeats (seamless)"
                )));
            }
        }
        if input.seeds.is_empty() {
            return Err(Error::Input("seeds is empty, expected one per image".to_owned()));
        }
        if !(0.0..f64::INFINITY).contains(&input.guidance_scale) {
            return Err(Error::Input(format!(
                "guidance_scale is {}, expected a number from 0 on; up to 1 there is no guidance",
                input.guidance_scale
            )));
        }
        if !(0.0..=1.0).contains(&input.guidance_rescale) {
            return Err(Error::Input(format!("guidance_rescale is {}, expected 0 to 1", input.guidance_rescale)));
        }
        Ok(())
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

    /// (latent channels, h, w) of one image.
    pub(crate) fn latent_shape(&self, input: &TextToImage) -> (usize, usize, usize) {
        let factor = self.pixels_per_latent();
        (self.latent_channels(), input.height_px / factor, input.width_px / factor)
    }
}
