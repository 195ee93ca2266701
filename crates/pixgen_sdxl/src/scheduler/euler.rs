//! Euler's method on the probability-flow ODE (Karras et al. 2022, algorithm 1 without churn): `EulerDiscreteScheduler`.

use candle_core::{Result, Tensor};

use super::noise_schedule::{NoiseSchedule, Spacing, linspace_down, trailing};
use super::{Prediction, SchedulerConfig, Solver, Stepped};
use crate::config::require;

#[derive(Debug)]
pub(super) struct Euler {
    timesteps: Vec<f32>,
    /// Noise levels, one more than timesteps.
    sigmas: Vec<f32>,
    prediction: Prediction,
    init_noise_sigma: f64,
}

impl Euler {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> std::result::Result<Self, String> {
        config.refuse_other_sigmas()?;
        let interpolation = config.interpolation_type.as_deref().unwrap_or("linear");
        require(interpolation == "linear", || format!("interpolation_type is {interpolation}, expected linear"))?;
        let timestep_type = config.timestep_type.as_deref().unwrap_or("discrete");
        require(timestep_type == "discrete", || format!("timestep_type is {timestep_type}, expected discrete"))?;
        let schedule = NoiseSchedule::new(config, true)?;
        let trained = config.num_train_timesteps();
        let offset = config.steps_offset.unwrap_or(0);
        let spacing = config.spacing(Spacing::Linspace)?;
        let timesteps: Vec<f32> = match spacing {
            Spacing::Linspace => linspace_down((trained - 1) as f64, steps).into_iter().map(|t| t as f32).collect(),
            Spacing::Leading => (0..steps).rev().map(|i| (i * (trained / steps) + offset) as f32).collect(),
            Spacing::Trailing => trailing(trained, steps),
        };
        let mut sigmas = schedule.sigmas_at(&timesteps);
        sigmas.push(config.final_sigma(&schedule)?);
        let largest = sigmas.iter().copied().fold(0f32, f32::max);
        let init_noise_sigma = match spacing {
            Spacing::Linspace | Spacing::Trailing => largest,
            Spacing::Leading => (largest * largest + 1.0).sqrt(),
        };
        Ok(Self { timesteps, sigmas, prediction: config.prediction()?, init_noise_sigma: f64::from(init_noise_sigma) })
    }
}

impl Solver for Euler {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.init_noise_sigma
    }

    fn scale_input(&self, index: usize, sample: &Tensor) -> Result<Tensor> {
        let sigma = f64::from(self.sigmas[index]);
        sample / (sigma * sigma + 1.0).sqrt()
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor) -> Result<Stepped> {
        let (sigma, next) = (f64::from(self.sigmas[index]), f64::from(self.sigmas[index + 1]));
        let denoised = match self.prediction {
            Prediction::Epsilon => (sample - (output * sigma)?)?,
            Prediction::Velocity => {
                let variance = sigma * sigma + 1.0;
                ((output * (-sigma / variance.sqrt()))? + (sample / variance)?)?
            }
            Prediction::Sample => output.clone(),
        };
        // sample + (sample - denoised) / sigma · (next - sigma)
        let direction = (sample - &denoised)?;
        let sample = (sample + (direction * ((next - sigma) / sigma))?)?;
        Ok(Stepped { sample, denoised })
    }
}
