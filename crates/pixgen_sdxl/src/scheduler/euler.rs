//! Euler's method on the probability-flow ODE (Karras et al. 2022, algorithm 1 without churn): `EulerDiscreteScheduler`.

use candle_core::{Result, Tensor};

use super::noise_schedule::NoiseSchedule;
use super::options::{Prediction, Setup, Spacing};
use super::plan::{SigmaPlan, Timesteps};
use super::{Solver, Stepped};
use crate::config::require;

#[derive(Debug)]
pub(super) struct Euler(pub(super) SigmaWalk);

/// What Euler's method and its ancestral kind share: samples are picture + σ·noise.
#[derive(Debug)]
pub(super) struct SigmaWalk {
    pub(super) timesteps: Timesteps,
    /// Noise levels, one more than timesteps.
    sigmas: Vec<f32>,
    prediction: Prediction,
    init_noise_sigma: f64,
}

impl Euler {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        let config = setup.config;
        let interpolation = config.interpolation_type.as_deref().unwrap_or("linear");
        require(interpolation == "linear", || format!("interpolation_type is {interpolation}, expected linear"))?;
        let timestep_type = config.timestep_type.as_deref().unwrap_or("discrete");
        require(timestep_type == "discrete", || format!("timestep_type is {timestep_type}, expected discrete"))?;
        Ok(Self(SigmaWalk::new(setup, config.ends_at_sigma_min()?)?))
    }
}

impl SigmaWalk {
    pub(super) fn new(setup: &Setup<'_>, ends_at_sigma_min: bool) -> std::result::Result<Self, String> {
        let noise = NoiseSchedule::new(setup, true)?;
        let SigmaPlan { timesteps, mut sigmas, spacing, .. } = SigmaPlan::euler(setup, &noise)?;
        sigmas.push(if ends_at_sigma_min { noise.sigmas()[0] } else { 0.0 });
        let largest = f64::from(sigmas.iter().copied().fold(0f32, f32::max));
        let init_noise_sigma = match spacing {
            Spacing::Linspace | Spacing::Trailing => largest,
            // As if the noise were added to a picture of variance one (ComfyUI's for sgm_uniform).
            Spacing::Leading | Spacing::SgmUniform => (largest * largest + 1.0).sqrt(),
        };
        Ok(Self { timesteps, sigmas, prediction: setup.prediction()?, init_noise_sigma })
    }

    /// Noise levels before and after a step.
    pub(super) fn levels(&self, index: usize) -> (f64, f64) {
        (f64::from(self.sigmas[index]), f64::from(self.sigmas[index + 1]))
    }

    pub(super) fn init_noise_sigma(&self) -> f64 {
        self.init_noise_sigma
    }

    pub(super) fn scale_input(&self, index: usize, sample: &Tensor) -> Result<Tensor> {
        let (sigma, _) = self.levels(index);
        sample / (sigma * sigma + 1.0).sqrt()
    }

    pub(super) fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        picture + (noise * self.levels(index).0)?
    }

    /// From the noise level at `index` straight to the level `to`.
    pub(super) fn walk(&self, index: usize, to: f64, output: &Tensor, sample: &Tensor) -> Result<Stepped> {
        let (sigma, _) = self.levels(index);
        let denoised = match self.prediction {
            Prediction::Epsilon => (sample - (output * sigma)?)?,
            Prediction::Velocity => {
                let variance = sigma * sigma + 1.0;
                ((output * (-sigma / variance.sqrt()))? + (sample / variance)?)?
            }
            Prediction::Sample => output.clone(),
        };
        // sample + (sample - denoised) / sigma · (to - sigma)
        let direction = (sample - &denoised)?;
        let sample = (sample + (direction * ((to - sigma) / sigma))?)?;
        Ok(Stepped { sample, denoised })
    }
}

impl Solver for Euler {
    fn run(&self) -> &Timesteps {
        &self.0.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.0.init_noise_sigma()
    }

    fn scale_input(&self, index: usize, sample: &Tensor) -> Result<Tensor> {
        self.0.scale_input(index, sample)
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, _noise: Option<&Tensor>) -> Result<Stepped> {
        let (_, to) = self.0.levels(index);
        self.0.walk(index, to, output, sample)
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.0.add_noise(index, picture, noise)
    }
}
