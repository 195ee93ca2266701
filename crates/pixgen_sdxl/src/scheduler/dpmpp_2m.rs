//! DPM-Solver++ of second order, multistep (Lu et al. 2022, algorithm 2): `DPMSolverMultistepScheduler`.

use candle_core::{Result, Tensor};

use super::level::Level;
use super::noise_schedule::NoiseSchedule;
use super::options::{Prediction, Setup};
use super::plan::{SigmaPlan, Timesteps};
use super::{Solver, Stepped};

/// Up to this many steps, the last one is of first order even if it does not end without noise.
const FEW_STEPS: usize = 15;

#[derive(Debug)]
pub(super) struct Dpmpp2m {
    pub(super) timesteps: Timesteps,
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

impl Dpmpp2m {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        let config = setup.config;
        config.refuse_thresholding()?;
        config.refuse_learned_variance()?;
        let order = config.solver_order(2)?;
        let solver_type = match config.solver_type.as_deref().unwrap_or("midpoint") {
            // The names after the first are those of DEIS and UniPC, whose files diffusers takes for this solver too.
            "midpoint" | "logrho" | "bh1" | "bh2" => SolverType::Midpoint,
            "heun" => SolverType::Heun,
            other => return Err(format!("solver_type is {other}, expected midpoint or heun")),
        };
        let noise = NoiseSchedule::new(setup, true)?;
        let lowest = config.lambda_min_clipped.unwrap_or(f64::NEG_INFINITY);
        let clipped = noise.sigmas().iter().filter(|ratio| Level::of_ratio(**ratio).lambda() < lowest).count();
        if clipped == setup.trained() {
            return Err(format!("lambda_min_clipped is {lowest}, which leaves no training timestep"));
        }
        let SigmaPlan { timesteps, mut sigmas, .. } = SigmaPlan::multistep(setup, &noise, clipped)?;
        let last_sigma = if config.ends_at_sigma_min()? { noise.sigmas()[0] } else { 0.0 };
        sigmas.push(last_sigma);
        let last_is_first_order = config.euler_at_final.unwrap_or(false)
            || (config.lower_order_final.unwrap_or(true) && timesteps.points().len() < FEW_STEPS)
            || last_sigma == 0.0;
        Ok(Self {
            timesteps,
            levels: sigmas.into_iter().map(Level::of_ratio).collect(),
            prediction: setup.prediction()?,
            order,
            solver_type,
            last_is_first_order,
            previous: None,
        })
    }

    /// λ after a step minus λ before it, and the level after it.
    pub(super) fn stride(&self, index: usize) -> (f64, Level) {
        let (from, to) = (self.levels[index], self.levels[index + 1]);
        (to.lambda() - from.lambda(), to)
    }

    /// One step on the SDE with `eta` of its noise, which the caller adds; on the ODE with `eta` 0.
    pub(super) fn walk(&mut self, index: usize, eta: f64, output: &Tensor, sample: &Tensor) -> Result<Stepped> {
        let from = self.levels[index];
        let (step, to) = self.stride(index);
        let denoised = from.denoised(self.prediction, output, sample)?;
        let previous = self.previous.replace(denoised.clone());
        if step == 0.0 {
            // Two steps at one noise level, as Karras' schedule may end with.
            return Ok(Stepped { sample: sample.clone(), denoised });
        }
        let decay = (1.0 + eta) * step;
        // alpha · (1 - e⁻ʰ): the weight of the prediction in the next sample.
        let weight = -to.alpha * (-decay).exp_m1();
        let kept = to.sigma / from.sigma * (-eta * step).exp();
        // Without noise nothing of the sample is kept, however infinite the step is.
        let kept = if to.sigma == 0.0 { 0.0 } else { kept };
        let mut next = ((sample * kept)? + (&denoised * weight)?)?;
        let is_last = index + 1 == self.timesteps.points().len();
        let second_order = self.order == 2 && !(is_last && self.last_is_first_order);
        if let (true, Some(previous), Some(before)) = (second_order, previous, index.checked_sub(1)) {
            let ratio = (from.lambda() - self.levels[before].lambda()) / step;
            let slope = ((&denoised - previous)? / ratio)?;
            let weight = match self.solver_type {
                SolverType::Midpoint => 0.5 * weight,
                SolverType::Heun => to.alpha * ((-decay).exp_m1() / decay + 1.0),
            };
            next = (next + (slope * weight)?)?;
        }
        Ok(Stepped { sample: next, denoised })
    }

    pub(super) fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.levels[index].mix(picture, noise)
    }
}

impl Solver for Dpmpp2m {
    fn run(&self) -> &Timesteps {
        &self.timesteps
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, _noise: Option<&Tensor>) -> Result<Stepped> {
        self.walk(index, 0.0, output, sample)
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.add_noise(index, picture, noise)
    }
}
