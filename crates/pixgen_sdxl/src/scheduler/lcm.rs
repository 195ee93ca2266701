//! Multistep sampling of latent consistency models (Luo et al. 2023, algorithm 3): `LCMScheduler`.

use candle_core::{Result, Tensor};

use super::level::{Level, refuse_blind};
use super::noise_schedule::NoiseSchedule;
use super::options::{Prediction, Setup};
use super::plan::{Timesteps, distilled};
use super::{Solver, Stepped, fresh};

/// Standard deviation that the boundary condition assumes the pictures to have.
const SIGMA_DATA: f64 = 0.5;

#[derive(Debug)]
pub(super) struct Lcm {
    timesteps: Timesteps,
    /// The level at each timestep.
    levels: Vec<Level>,
    /// What the timesteps are multiplied with in the boundary condition.
    scaling: f64,
    prediction: Prediction,
    clip: Option<f64>,
    s_noise: f64,
}

impl Lcm {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        let config = setup.config;
        config.refuse_thresholding()?;
        let noise = NoiseSchedule::new(setup, false)?;
        let timesteps = distilled(setup)?;
        let levels: Vec<_> =
            timesteps.points().iter().map(|t| Level::of_variance(noise.alpha_at(*t as usize))).collect();
        let prediction = setup.prediction()?;
        refuse_blind(prediction, levels.iter().copied())?;
        let clip = config.clip_sample.unwrap_or(false).then(|| config.clip_sample_range.unwrap_or(1.0));
        let scaling = config.timestep_scaling.unwrap_or(10.0);
        Ok(Self { timesteps, levels, scaling, prediction, clip, s_noise: setup.s_noise() })
    }
}

impl Solver for Lcm {
    fn run(&self) -> &Timesteps {
        &self.timesteps
    }

    fn needs_noise(&self, index: usize) -> bool {
        index + 1 < self.levels.len()
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, noise: Option<&Tensor>) -> Result<Stepped> {
        let denoised = self.levels[index].denoised(self.prediction, output, sample)?;
        let denoised = match self.clip {
            Some(range) => denoised.clamp(-range, range)?,
            None => denoised,
        };
        // The boundary condition: without noise, the picture is the sample itself.
        let scaled = f64::from(self.timesteps.points()[index]) * self.scaling;
        let norm = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        let (skip, out) = (SIGMA_DATA * SIGMA_DATA / norm, scaled / norm.sqrt());
        let denoised = ((denoised * out)? + (sample * skip)?)?;
        let sample = match self.levels.get(index + 1) {
            Some(next) => next.mix(&denoised, &(fresh(noise, index)? * self.s_noise)?)?,
            None => denoised.clone(),
        };
        Ok(Stepped { sample, denoised })
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.levels[index].mix(picture, noise)
    }
}
