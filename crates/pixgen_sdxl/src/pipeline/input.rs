//! What a run is given, and the ranges that it must keep to.

use candle_core::Tensor;
use pixgen_api::SchedulerKind;

use super::{InitImage, Pipeline};
use crate::Error;
use crate::nn::Seamless;
use crate::scheduler::SamplerOptions;
use crate::text::PromptOptions;
use crate::unet::FrameAttention;
use crate::vae::VaeTiling;

/// Numbers in the latents of a run: 1 GB in f32, sixty times what the largest useful run takes. What is larger is a
/// mistake, and would end the program instead of the run.
const MAX_LATENT_NUMBERS: usize = 1 << 28;

/// One picture, or several of the same prompt.
#[derive(Clone, Debug)]
pub struct TextToImage {
    /// What to draw.
    pub prompt: String,
    /// What to draw on each image, one text per seed; empty means `prompt` on all of them.
    pub image_prompts: Vec<String>,
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
    /// The part of the noise's variance that the images of the run do not share, 0 to 1: their noise then comes from the
    /// first seed alone and goes around a circle, as the frames of an animation that loops want it. `None` gives each
    /// image the noise of its own seed. The first image of a run of one seed is another one than without.
    pub noise_variation: Option<f64>,
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
            image_prompts: Vec::new(),
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
            noise_variation: None,
            init_image: None,
            mask: None,
            seamless: Seamless::OFF,
            frames: FrameAttention::Independent,
            tiling: VaeTiling::Auto,
        }
    }
}

impl Pipeline {
    /// Refuses input that is out of range, with the name of the field. The solver checks its own options, and
    /// [`Pipeline::start`] the picture and the mask.
    pub(super) fn check(&self, input: &TextToImage) -> Result<(), Error> {
        let step = self.size_step_px();
        for (name, size) in [("width_px", input.width_px), ("height_px", input.height_px)] {
            if size == 0 || !size.is_multiple_of(step) {
                return Err(Error::Input(format!("{name} is {size}, expected a positive multiple of {step}")));
            }
        }
        // Each is a multiple of the step, and none is large enough for the product to overflow.
        let numbers = [input.width_px / step, input.height_px / step, self.latent_channels(), input.seeds.len()];
        let numbers = numbers.into_iter().try_fold(1usize, |product, factor| product.checked_mul(factor));
        if numbers.is_none_or(|numbers| numbers > MAX_LATENT_NUMBERS) {
            return Err(Error::Input(format!(
                "{} images of {} x {} px are more than can be drawn at once: ask for fewer or smaller ones",
                input.seeds.len(),
                input.width_px,
                input.height_px
            )));
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
        if !input.image_prompts.is_empty() && input.image_prompts.len() != input.seeds.len() {
            return Err(Error::Input(format!(
                "image_prompts holds {} texts, expected none or {}, one per seed",
                input.image_prompts.len(),
                input.seeds.len()
            )));
        }
        if let Some(variation) = input.noise_variation
            && !(0.0..=1.0).contains(&variation)
        {
            return Err(Error::Input(format!("noise_variation is {variation}, expected 0 to 1")));
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

    /// (latent channels, h, w) of one image.
    pub(super) fn latent_shape(&self, input: &TextToImage) -> (usize, usize, usize) {
        let factor = self.pixels_per_latent();
        (self.latent_channels(), input.height_px / factor, input.width_px / factor)
    }
}
