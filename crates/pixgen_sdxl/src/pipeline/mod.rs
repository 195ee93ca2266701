//! From a prompt to an image tensor: the loaded model, and what can be asked of its parts.
//!
//! `input.rs` is what a run is given, `run.rs` how it draws, `init_image.rs` what it begins with.

mod init_image;
mod input;
mod run;

pub use self::init_image::InitImage;
pub use self::input::TextToImage;
pub use self::run::StepReport;

use candle_core::{DType, Device, Tensor};
use pixgen_api::SchedulerKind;

use crate::checkpoint::{Checkpoint, LoadOptions, LoadReport};
use crate::config::ModelIndex;
use crate::lora::{Adapters, LoraFile, LoraReport, LoraStrength};
use crate::nn::Seamless;
use crate::preview::Previews;
use crate::residence::{Part, Parts, Residence};
use crate::scheduler::SchedulerConfig;
use crate::text::{EncodedPrompt, PromptOptions, TextEncoders};
use crate::unet::{Surroundings, TIME_IDS, Unet};
use crate::vae::{Posterior, Vae, VaeTiling};
use crate::{Error, ModelSource};

/// Latent cells along each edge of a training image of models that do not say.
const DEFAULT_SAMPLE_SIZE: usize = 128;

/// A loaded SDXL model.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) text: TextEncoders,
    pub(crate) unet: Unet,
    pub(crate) vae: Vae,
    scheduler: SchedulerConfig,
    previews: Previews,
    /// Whether no negative prompt means zeros instead of the encoded empty text.
    zeros_for_no_prompt: bool,
    pub(crate) device: Device,
    adapters: Adapters,
    pub(crate) residence: Residence,
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
        let pipeline = Self::load_parts(&checkpoint, dtype)?;
        // A game may draw from another thread than the one that loads, and each thread has its own stream of GPU work.
        options.device.synchronize()?;
        let report = checkpoint.report().take();
        Ok((pipeline, report))
    }

    /// Loads an opened model in `dtype`, whatever the device.
    pub(crate) fn load_parts(source: &Checkpoint, dtype: DType) -> Result<Self, Error> {
        let device = &source.options().device;
        let index = ModelIndex::read(source)?;
        let scheduler = SchedulerConfig::read(source)?;
        let text = TextEncoders::load(source, device, dtype)?;
        let mut residence = Residence::new(source.options().memory);
        // With room for one part only they cannot wait on the card for the others.
        residence.text_is_loaded(&text, device, dtype)?;
        let unet = Unet::load(source, device, dtype)?;
        #[cfg(feature = "cuda")]
        unet.programs().set_fp8(source.options().fp8_linear);
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
            adapters: Adapters::new(source.recipe()),
            residence,
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
        // What is let go is let go on the card.
        self.residence.bind(&self.device)?;
        self.text.forget();
        let Self { adapters, residence, text, unet, device, .. } = self;
        let parts = Parts { text, unet, device };
        let [first, second] = text.params();
        let done = adapters.set(&loras, [unet.params(), first, second], &mut |component| {
            let part = if component == 0 { Part::Unet } else { Part::Text };
            residence.summon(part, parts)?;
            residence.will_change(part);
            Ok(())
        });
        residence.text_is_done(parts);
        done
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
        self.summon(Part::Vae)?;
        Ok(self.vae.decode(latents, seamless, tiling)?.clamp(-1f32, 1f32)?.to_device(&Device::Cpu)?)
    }

    /// Images (n, channels, height, width) in [-1, 1] → the latents that they may have, in the autoencoder's own units
    /// ([`Pipeline::scale_latents`] brings a sample to the UNet's).
    ///
    /// # Errors
    /// When the image has other channels than the autoencoder reads, when its size is no multiple of
    /// [`Pipeline::size_step_px`], or when the model's file has no encoder.
    pub fn encode(&self, images: &Tensor, seamless: Seamless, tiling: VaeTiling) -> Result<Posterior, Error> {
        self.summon(Part::Vae)?;
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
        let chunks = self.text.read(prompt, options)?;
        let encoded = self.text.encode(&chunks, options.clip_skip, &mut || self.summon(Part::Text));
        self.text_is_done();
        encoded
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
        self.summon(Part::Unet)?;
        let conditioning = self.unet.condition(&Tensor::cat(&hidden, 0)?, &Tensor::cat(&pooled, 0)?, sizes_px)?;
        Ok(self.unet.forward(sample, timestep, &conditioning, Surroundings::default())?)
    }

    /// Whether steps on NVIDIA cards are replayed as CUDA graphs, which saves the time of launching a thousand kernels.
    /// On at first; the numbers are the same.
    #[cfg(feature = "cuda")]
    pub fn set_cuda_graphs(&self, on: bool) {
        self.unet.programs().set_graphs(on);
    }

    /// As [`LoadOptions::fp8_linear`], from the next step on.
    #[cfg(feature = "cuda")]
    pub fn set_fp8_linear(&self, on: bool) {
        self.unet.programs().set_fp8(on);
    }

    /// Milliseconds of each kind of operation in one step on an NVIDIA card, as (name, how many, all of them together),
    /// the longest first. Empty before the first step.
    ///
    /// # Errors
    /// When the card reports an error.
    #[cfg(feature = "cuda")]
    pub fn profile_step(&self) -> Result<Vec<(String, usize, f32)>, Error> {
        Ok(self.unet.programs().profile()?)
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
}
