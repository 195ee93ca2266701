//! DDIM (Song et al. 2021, formula 12), without fresh noise (η = 0) unless asked for: `DDIMScheduler`.

use candle_core::{Result, Tensor};

use super::level::{Level, refuse_blind};
use super::noise_schedule::NoiseSchedule;
use super::options::{Prediction, Setup, Spacing};
use super::plan::{Timesteps, whole};
use super::{Solver, Stepped, fresh};

#[derive(Debug)]
pub(super) struct Ddim {
    timesteps: Timesteps,
    /// The level at each timestep, the one after it, and the standard deviation of the fresh noise.
    steps: Vec<(Level, Level, f64)>,
    prediction: Prediction,
    clip: Option<f64>,
    eta: f64,
    s_noise: f64,
}

impl Ddim {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        let config = setup.config;
        config.refuse_thresholding()?;
        let noise = NoiseSchedule::new(setup, false)?;
        let spacing = setup.spacing(Spacing::Leading)?;
        let timesteps = whole(setup, spacing);
        let points: Vec<usize> = timesteps.points().iter().map(|t| *t as usize).collect();
        let alpha = |timestep: usize| noise.alpha_at(timestep);
        let after_last = if config.set_alpha_to_one.unwrap_or(true) { 1.0 } else { alpha(0) };
        // With diffusers' spacings the step back has the same length everywhere, whatever timestep comes next.
        let next_in_list = setup.options.timesteps.is_some() || spacing == Spacing::SgmUniform;
        let next = |index: usize| {
            let next = if next_in_list {
                points.get(index + 1).copied()
            } else {
                points[index].checked_sub(setup.trained() / setup.steps)
            };
            next.map_or(after_last, alpha)
        };
        let eta = setup.eta(0.0);
        let steps: Vec<_> = (0..points.len())
            .map(|index| {
                let (alpha, next) = (alpha(points[index]), next(index));
                let variance = (1.0 - next) / (1.0 - alpha) * (1.0 - alpha / next);
                (Level::of_variance(alpha), Level::of_variance(next), eta * variance.max(0.0).sqrt())
            })
            .collect();
        let prediction = setup.prediction()?;
        refuse_blind(prediction, steps.iter().map(|(level, ..)| *level))?;
        // diffusers clips DDIM's samples to the range of pixels unless told otherwise. A file of another class does
        // not say, and latents are no pixels.
        let clips = config.clip_sample.unwrap_or(config.own_kind() == Some(setup.kind));
        let clip = clips.then(|| config.clip_sample_range.unwrap_or(1.0));
        Ok(Self { timesteps, steps, prediction, clip, eta, s_noise: setup.s_noise() })
    }
}

impl Solver for Ddim {
    fn run(&self) -> &Timesteps {
        &self.timesteps
    }

    fn needs_noise(&self, _index: usize) -> bool {
        self.eta > 0.0
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, noise: Option<&Tensor>) -> Result<Stepped> {
        let (level, next, deviation) = self.steps[index];
        let denoised = level.denoised(self.prediction, output, sample)?;
        let epsilon = level.epsilon(self.prediction, output, sample)?;
        let denoised = match self.clip {
            Some(range) => denoised.clamp(-range, range)?,
            None => denoised,
        };
        let direction = (next.sigma * next.sigma - deviation * deviation).max(0.0).sqrt();
        let mut sample = ((&denoised * next.alpha)? + (epsilon * direction)?)?;
        if self.needs_noise(index) {
            sample = (sample + (fresh(noise, index)? * (deviation * self.s_noise))?)?;
        }
        Ok(Stepped { sample, denoised })
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.steps[index].0.mix(picture, noise)
    }
}
