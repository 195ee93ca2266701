//! What a run begins with: noise, or a picture with some noise on it, of which a part may be kept (image-to-image and
//! inpainting on ordinary checkpoints, after diffusers' `StableDiffusionXLImg2ImgPipeline` and
//! `StableDiffusionXLInpaintPipeline`).

use candle_core::{DType, Device, Tensor};

use super::{Pipeline, TextToImage};
use crate::Error;
use crate::noise::ImageNoise;
use crate::scheduler::{Solver, Stepped};

/// From here on a mask asks for new paint.
const WHITE: f32 = 0.5;

/// A picture to begin with.
#[derive(Clone, Debug)]
pub struct InitImage {
    /// One picture for all images of the run, or one per seed: (1 or n, [`Pipeline::input_channels`], height_px,
    /// width_px), values in [-1, 1].
    pub pixels: Tensor,
    /// How much of the run is done, 0 to 1: the last ⌊steps · strength⌋ steps. At 1 the picture is only a hint; near 0
    /// hardly anything changes.
    pub strength: f64,
}

/// The beginning of a run.
pub(super) struct Start {
    /// (n, latent channels, h, w)
    pub(super) sample: Tensor,
    /// The first step that is taken.
    pub(super) index: usize,
    pub(super) repaint: Option<Repaint>,
}

/// A picture of which a part is kept.
pub(super) struct Repaint {
    /// (1, 1, h, w): one where the run paints, zero where the picture stays.
    mask: Tensor,
    /// The picture's latents, (n, latent channels, h, w).
    picture: Tensor,
    /// The noise that it began with.
    noise: Tensor,
}

impl Repaint {
    /// Puts the picture back where it stays, with as much noise as the step `next` expects.
    pub(super) fn keep_the_rest(
        &self,
        solver: &dyn Solver,
        next: usize,
        stepped: &Stepped,
    ) -> candle_core::Result<Stepped> {
        let noisy = if next < solver.timesteps().len() {
            &solver.add_noise(next, &self.picture, &self.noise)?
        } else {
            &self.picture
        };
        Ok(Stepped {
            sample: self.blend(&stepped.sample, noisy)?,
            denoised: self.blend(&stepped.denoised, &self.picture)?,
        })
    }

    fn blend(&self, painted: &Tensor, kept: &Tensor) -> candle_core::Result<Tensor> {
        painted.broadcast_mul(&self.mask)? + kept.broadcast_mul(&self.mask.affine(-1.0, 1.0)?)?
    }
}

impl Pipeline {
    /// What the run begins with. Noise is drawn in diffusers' order: for the picture's latents, then for the run.
    pub(super) fn start(
        &self,
        input: &TextToImage,
        solver: &dyn Solver,
        noise_source: &mut ImageNoise,
    ) -> Result<Start, Error> {
        let shape = self.latent_shape(input);
        let mut noise = || noise_source.draw(shape, self.device());
        let Some(InitImage { pixels, strength }) = &input.init_image else {
            if input.mask.is_some() {
                return Err(Error::Input(
                    "there is a mask but no init_image, expected the picture to repaint".to_owned(),
                ));
            }
            return Ok(Start { sample: (noise()? * solver.init_noise_sigma())?, index: 0, repaint: None });
        };
        let index = solver.run().begin_index(*strength)?;
        let mask = input.mask.as_ref().map(|mask| self.cell_mask(mask, input)).transpose()?;
        let size = (input.height_px, input.width_px);
        let (images, _, height, width) = pixels.dims4()?;
        if (height, width) != size || (images != 1 && images != input.seeds.len()) {
            return Err(Error::Input(format!(
                "init_image holds {images} pictures of {width} × {height} px, expected 1 or {} of {} × {} px",
                input.seeds.len(),
                size.1,
                size.0
            )));
        }
        let posterior = self.encode(pixels, input.seamless, input.tiling)?;
        let picture = self.scale_latents(&posterior.sample(&noise()?)?)?;
        let noise_of_run = noise()?;
        let Some(mask) = mask else {
            let sample = solver.add_noise(index, &picture, &noise_of_run)?;
            return Ok(Start { sample, index, repaint: None });
        };
        // diffusers encodes the masked picture as well, for inpainting checkpoints. Here nobody looks at it, but
        // solvers with fresh noise go on from where its noise ended.
        noise()?;
        #[allow(clippy::float_cmp, reason = "the one strength at which diffusers begins with noise alone")]
        let sample = if *strength == 1.0 {
            (&noise_of_run * solver.init_noise_sigma())?
        } else {
            solver.add_noise(index, &picture, &noise_of_run)?
        };
        Ok(Start { sample, index, repaint: Some(Repaint { mask, picture, noise: noise_of_run }) })
    }

    /// A mask (1, 1, height_px, width_px) in latent cells, zeros and ones. Each cell goes by its first pixel
    /// (`torch.nn.functional.interpolate`, nearest).
    fn cell_mask(&self, mask: &Tensor, input: &TextToImage) -> Result<Tensor, Error> {
        let expected = [1, 1, input.height_px, input.width_px];
        if mask.dims() != expected {
            return Err(Error::Input(format!("mask has shape {:?}, expected {expected:?}", mask.dims())));
        }
        let factor = self.pixels_per_latent();
        let rows = mask.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.reshape(&expected[2..])?.to_vec2::<f32>()?;
        if let Some(value) = rows.iter().flatten().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(Error::Input(format!("mask holds {value}, expected 0 to 1")));
        }
        let cells: Vec<f32> = rows
            .iter()
            .step_by(factor)
            .flat_map(|row| row.iter().step_by(factor).map(|value| if *value >= WHITE { 1.0 } else { 0.0 }))
            .collect();
        let (_, height, width) = self.latent_shape(input);
        Ok(Tensor::from_vec(cells, (1, 1, height, width), self.device())?)
    }
}
