//! DPM-Solver++ of second order, multistep (Lu et al. 2022, algorithm 2): `DPMSolverMultistepScheduler`.

use candle_core::{Result, Tensor};

use super::noise_schedule::{NoiseSchedule, Spacing, linspace_down, trailing};
use super::{Prediction, SchedulerConfig, Solver, Stepped};
use crate::config::require;

/// Up to this many steps, the last one is of first order even if it does not end without noise.
const FEW_STEPS: usize = 15;

#[derive(Debug)]
pub(super) struct Dpmpp2m {
    timesteps: Vec<f32>,
    /// Noise levels, one more than timesteps.
    levels: Vec<Level>,
    prediction: Prediction,
    order: usize,
    solver_type: SolverType,
    last_is_first_order: bool,
    /// The prediction of the step before.
    previous: Option<Tensor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SolverType {
    Midpoint,
    Heun,
}

/// A noise level in the variance-preserving notation of the paper.
#[derive(Clone, Copy, Debug)]
struct Level {
    alpha: f64,
    sigma: f64,
    /// ln(alpha / sigma); infinite without noise.
    lambda: f64,
}

impl Level {
    /// From noise over signal.
    fn new(ratio: f32) -> Self {
        let ratio = f64::from(ratio);
        let alpha = 1.0 / (ratio * ratio + 1.0).sqrt();
        let sigma = ratio * alpha;
        Self { alpha, sigma, lambda: alpha.ln() - sigma.ln() }
    }
}

impl Dpmpp2m {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> std::result::Result<Self, String> {
        config.refuse_other_sigmas()?;
        let algorithm = config.algorithm_type.as_deref().unwrap_or("dpmsolver++");
        require(algorithm == "dpmsolver++", || format!("algorithm_type is {algorithm}, expected dpmsolver++"))?;
        let order = config.solver_order.unwrap_or(2);
        require(matches!(order, 1 | 2), || format!("solver_order is {order}, expected 1 or 2"))?;
        let solver_type = match config.solver_type.as_deref().unwrap_or("midpoint") {
            "midpoint" => SolverType::Midpoint,
            "heun" => SolverType::Heun,
            other => return Err(format!("solver_type is {other}, expected midpoint or heun")),
        };
        let variance = config.variance_type.as_deref().unwrap_or("null");
        require(variance == "null", || format!("variance_type is {variance}, expected null"))?;
        let schedule = NoiseSchedule::new(config, true)?;
        let trained = config.num_train_timesteps();
        let offset = config.steps_offset.unwrap_or(0);
        // One point more than steps, of which the one with the least noise is left out.
        let timesteps: Vec<f32> = match config.spacing(Spacing::Linspace)? {
            Spacing::Linspace => {
                let points = linspace_down((trained - 1) as f64, steps + 1);
                points[..steps].iter().map(|t| t.round_ties_even() as f32).collect()
            }
            Spacing::Leading => (1..=steps).rev().map(|i| (i * (trained / (steps + 1)) + offset) as f32).collect(),
            Spacing::Trailing => trailing(trained, steps),
        };
        let mut sigmas = schedule.sigmas_at(&timesteps);
        let last_sigma = config.final_sigma(&schedule)?;
        sigmas.push(last_sigma);
        let last_is_first_order = config.euler_at_final.unwrap_or(false)
            || (config.lower_order_final.unwrap_or(true) && timesteps.len() < FEW_STEPS)
            || last_sigma == 0.0;
        Ok(Self {
            timesteps,
            levels: sigmas.into_iter().map(Level::new).collect(),
            prediction: config.prediction()?,
            order,
            solver_type,
            last_is_first_order,
            previous: None,
        })
    }

    fn denoised(&self, index: usize, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        let Level { alpha, sigma, .. } = self.levels[index];
        match self.prediction {
            Prediction::Epsilon => (sample - (output * sigma)?)? / alpha,
            Prediction::Velocity => (sample * alpha)? - (output * sigma)?,
            Prediction::Sample => Ok(output.clone()),
        }
    }
}

impl Solver for Dpmpp2m {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor) -> Result<Stepped> {
        let denoised = self.denoised(index, output, sample)?;
        let (from, to) = (self.levels[index], self.levels[index + 1]);
        let step = to.lambda - from.lambda;
        // alpha · (1 - e⁻ʰ): the weight of the prediction in the next sample.
        let weight = -to.alpha * (-step).exp_m1();
        let mut next = ((sample * (to.sigma / from.sigma))? + (&denoised * weight)?)?;
        let is_last = index + 1 == self.timesteps.len();
        let second_order = self.order == 2 && !(is_last && self.last_is_first_order);
        if let Some(previous) = self.previous.as_ref().filter(|_| second_order) {
            let ratio = (from.lambda - self.levels[index - 1].lambda) / step;
            let slope = ((&denoised - previous)? / ratio)?;
            let weight = match self.solver_type {
                SolverType::Midpoint => 0.5 * weight,
                SolverType::Heun => to.alpha * ((-step).exp_m1() / step + 1.0),
            };
            next = (next + (slope * weight)?)?;
        }
        self.previous = Some(denoised.clone());
        Ok(Stepped { sample: next, denoised })
    }
}
