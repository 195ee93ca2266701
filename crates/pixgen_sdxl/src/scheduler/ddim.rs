//! Deterministic DDIM (Song et al. 2021, formula 12 with η = 0): `DDIMScheduler`.

use candle_core::{Result, Tensor};

use super::noise_schedule::{NoiseSchedule, Spacing, linspace_down, trailing};
use super::{Prediction, SchedulerConfig, Solver, Stepped};
use crate::config::require;

#[derive(Debug)]
pub(super) struct Ddim {
    timesteps: Vec<f32>,
    /// ᾱ at each timestep and after it.
    alphas: Vec<(f64, f64)>,
    prediction: Prediction,
    clip: Option<f64>,
}

impl Ddim {
    /// `clips` says what a configuration without `clip_sample` means.
    pub(super) fn new(config: &SchedulerConfig, steps: usize, clips: bool) -> std::result::Result<Self, String> {
        require(config.thresholding != Some(true), || {
            "thresholding is true, which is not available: set it to false".to_owned()
        })?;
        let schedule = NoiseSchedule::new(config, false)?;
        let trained = config.num_train_timesteps();
        let offset = config.steps_offset.unwrap_or(0);
        let timesteps: Vec<usize> = match config.spacing(Spacing::Leading)? {
            Spacing::Linspace => {
                let points = linspace_down((trained - 1) as f64, steps);
                points.into_iter().map(|t| t.round_ties_even() as usize).collect()
            }
            Spacing::Leading => (0..steps).rev().map(|i| i * (trained / steps) + offset).collect(),
            Spacing::Trailing => trailing(trained, steps).into_iter().map(|t| t as usize).collect(),
        };
        let alpha = |timestep: usize| f64::from(schedule.alphas_cumprod()[timestep.min(trained - 1)]);
        let after_last = if config.set_alpha_to_one.unwrap_or(true) { 1.0 } else { alpha(0) };
        let prediction = config.prediction()?;
        require(prediction != Prediction::Epsilon || timesteps.iter().all(|t| alpha(*t) > 0.0), || {
            "prediction_type is epsilon, but with rescale_betas_zero_snr the first step sees nothing but noise, from \
             which no picture follows: expected v_prediction"
                .to_owned()
        })?;
        // The step back has the same length everywhere, whatever the spacing.
        let alphas =
            timesteps.iter().map(|t| (alpha(*t), t.checked_sub(trained / steps).map_or(after_last, alpha))).collect();
        let clip = config.clip_sample.unwrap_or(clips).then(|| config.clip_sample_range.unwrap_or(1.0));
        Ok(Self { timesteps: timesteps.into_iter().map(|t| t as f32).collect(), alphas, prediction, clip })
    }
}

impl Solver for Ddim {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor) -> Result<Stepped> {
        let (alpha, next) = self.alphas[index];
        let (signal, noise) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let (denoised, epsilon) = match self.prediction {
            Prediction::Epsilon => (((sample - (output * noise)?)? / signal)?, output.clone()),
            Prediction::Velocity => {
                let denoised = ((sample * signal)? - (output * noise)?)?;
                (denoised, ((output * signal)? + (sample * noise)?)?)
            }
            Prediction::Sample => (output.clone(), ((sample - (output * signal)?)? / noise)?),
        };
        let denoised = match self.clip {
            Some(range) => denoised.clamp(-range, range)?,
            None => denoised,
        };
        let sample = ((&denoised * next.sqrt())? + (epsilon * (1.0 - next).sqrt())?)?;
        Ok(Stepped { sample, denoised })
    }
}
