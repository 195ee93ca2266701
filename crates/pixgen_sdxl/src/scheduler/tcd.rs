//! Strategic stochastic sampling of trajectory consistency distillation (Zheng et al. 2024, algorithm 4):
//! `TCDScheduler`.

use candle_core::{Result, Tensor};

use super::level::{Level, refuse_blind};
use super::noise_schedule::NoiseSchedule;
use super::options::{Prediction, Setup};
use super::plan::{Timesteps, distilled};
use super::{Solver, Stepped, fresh};

#[derive(Debug)]
pub(super) struct Tcd {
    timesteps: Timesteps,
    steps: Vec<Step>,
    prediction: Prediction,
    eta: f64,
    s_noise: f64,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    level: Level,
    /// Where the network is trusted to jump to: below the next timestep, the more so the larger η is.
    jump: Level,
    /// From the jump back up to the next timestep: what of the jump is kept, and how much noise comes on top.
    back: Level,
}

impl Tcd {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        setup.config.refuse_thresholding()?;
        let noise = NoiseSchedule::new(setup, false)?;
        let timesteps = distilled(setup)?;
        let eta = setup.eta(0.3);
        let points = timesteps.points();
        let steps: Vec<_> = (0..points.len())
            .map(|index| {
                let next = points.get(index + 1).copied().unwrap_or(0.0);
                // diffusers multiplies in f32 before it cuts off.
                let jump = (((1.0 - eta) as f32) * next).floor() as usize;
                let (jump, next) = (noise.alpha_at(jump), noise.alpha_at(next as usize));
                Step {
                    level: Level::of_variance(noise.alpha_at(points[index] as usize)),
                    jump: Level::of_variance(jump),
                    back: Level::of_variance(next / jump),
                }
            })
            .collect();
        let prediction = setup.prediction()?;
        refuse_blind(prediction, steps.iter().map(|step| step.level))?;
        Ok(Self { timesteps, steps, prediction, eta, s_noise: setup.s_noise() })
    }
}

impl Solver for Tcd {
    fn run(&self) -> &Timesteps {
        &self.timesteps
    }

    fn needs_noise(&self, index: usize) -> bool {
        self.eta > 0.0 && index + 1 < self.steps.len()
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, noise: Option<&Tensor>) -> Result<Stepped> {
        let Step { level, jump, back } = self.steps[index];
        let denoised = level.denoised(self.prediction, output, sample)?;
        let epsilon = level.epsilon(self.prediction, output, sample)?;
        let mut sample = jump.mix(&denoised, &epsilon)?;
        if self.needs_noise(index) {
            sample = back.mix(&sample, &(fresh(noise, index)? * self.s_noise)?)?;
        }
        Ok(Stepped { sample, denoised })
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.steps[index].level.mix(picture, noise)
    }
}
