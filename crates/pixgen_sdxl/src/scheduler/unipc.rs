//! UniPC, a multistep predictor and corrector (Zhao et al. 2023, algorithms 1 and 2): `UniPCMultistepScheduler`.

use candle_core::{Result, Tensor};

use super::level::Level;
use super::noise_schedule::NoiseSchedule;
use super::options::{Prediction, Setup, SigmaSchedule};
use super::plan::{SigmaPlan, Timesteps};
use super::{Solver, Stepped};
use crate::config::require;

#[derive(Debug)]
pub(super) struct Unipc {
    timesteps: Timesteps,
    /// Noise levels, one more than timesteps.
    levels: Vec<Level>,
    prediction: Prediction,
    order: usize,
    variant: Variant,
    lower_order_final: bool,
    /// Steps whose result is not corrected.
    uncorrected: Vec<usize>,
    /// The predictions of the last steps, the newest at the end, at most `order`.
    predictions: Vec<Tensor>,
    /// The sample before the last step, and the order of that step.
    last: Option<(Tensor, usize)>,
}

/// The paper's B(h).
#[derive(Clone, Copy, Debug)]
enum Variant {
    /// h
    Bh1,
    /// eʰ - 1
    Bh2,
}

impl Unipc {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        let config = setup.config;
        config.refuse_thresholding()?;
        require(config.predict_x0 != Some(false), || "predict_x0 is false, expected true".to_owned())?;
        require(config.solver_p.as_ref().is_none_or(serde_json::Value::is_null), || {
            "solver_p names another predictor, expected null".to_owned()
        })?;
        let order = config.solver_order(3)?;
        let variant = match config.solver_type.as_deref().unwrap_or("bh2") {
            "bh1" => Variant::Bh1,
            // The names after the first are those of DPM++ 2M and DEIS, whose files diffusers takes for this one too.
            "bh2" | "midpoint" | "heun" | "logrho" => Variant::Bh2,
            other => return Err(format!("solver_type is {other}, expected bh1 or bh2")),
        };
        let noise = NoiseSchedule::new(setup, true)?;
        let SigmaPlan { timesteps, mut sigmas, schedule, .. } = SigmaPlan::multistep(setup, &noise, 0)?;
        let last_sigma = match (config.ends_at_sigma_min()?, schedule) {
            (false, _) => 0.0,
            (true, SigmaSchedule::Model) => noise.sigmas()[0],
            // The last step then stands still.
            (true, _) => sigmas[sigmas.len() - 1],
        };
        sigmas.push(last_sigma);
        Ok(Self {
            timesteps,
            levels: sigmas.into_iter().map(Level::of_ratio).collect(),
            prediction: setup.prediction()?,
            order,
            variant,
            lower_order_final: config.lower_order_final.unwrap_or(true),
            uncorrected: config.disable_corrector.clone().unwrap_or_default(),
            predictions: Vec::new(),
            last: None,
        })
    }

    /// From the level at index `from` to the next one, of which a `prediction` is already there when the step is
    /// corrected.
    fn walk(&self, from: usize, order: usize, sample: &Tensor, prediction: Option<&Tensor>) -> Result<Tensor> {
        let (start, end) = (self.levels[from], self.levels[from + 1]);
        let step = end.lambda() - start.lambda();
        let Some((newest, older)) = self.predictions.split_last() else { return Ok(sample.clone()) };
        if step == 0.0 {
            return Ok(sample.clone());
        }
        let phi_1 = (-step).exp_m1();
        let mut result = ((sample * (end.sigma / start.sigma))? - (newest * (end.alpha * phi_1))?)?;
        // To a level without noise the step is infinite, and only the first order has a limit.
        let order = if step.is_finite() { order } else { 1 };
        // Where the older predictions lie, in steps from the newest one; the corrected one lies at 1.
        let older: Vec<_> = older.iter().rev().zip(1..order).collect();
        let mut places: Vec<f64> = older
            .iter()
            .filter_map(|(_, back)| from.checked_sub(*back))
            .map(|index| (self.levels[index].lambda() - start.lambda()) / step)
            .collect();
        if prediction.is_some() {
            places.push(1.0);
        }
        let scale = match self.variant {
            Variant::Bh1 => -step,
            Variant::Bh2 => phi_1,
        };
        // The paper fixes the only weight of the lowest orders.
        let weights = if places.len() == 1 { vec![0.5] } else { weights(&places, step, scale) };
        let slopes = older.into_iter().map(|(older, _)| older).chain(prediction);
        for ((value, place), weight) in slopes.zip(places).zip(weights) {
            result = (result - ((value - newest)? * (end.alpha * scale * weight / place))?)?;
        }
        Ok(result)
    }
}

impl Solver for Unipc {
    fn run(&self) -> &Timesteps {
        &self.timesteps
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, _noise: Option<&Tensor>) -> Result<Stepped> {
        let denoised = self.levels[index].denoised(self.prediction, output, sample)?;
        // The step before is done again, now that its end is better known.
        let sample = match (self.last.take(), index.checked_sub(1)) {
            (Some((last, order)), Some(before)) if !self.uncorrected.contains(&before) => {
                self.walk(before, order, &last, Some(&denoised))?
            }
            _ => sample.clone(),
        };
        self.predictions.push(denoised.clone());
        if self.predictions.len() > self.order {
            self.predictions.remove(0);
        }
        let left = self.timesteps.points().len() - index;
        let highest = if self.lower_order_final { self.order.min(left) } else { self.order };
        let order = highest.min(self.predictions.len());
        let next = self.walk(index, order, &sample, None)?;
        self.last = Some((sample, order));
        Ok(Stepped { sample: next, denoised })
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.levels[index].mix(picture, noise)
    }
}

/// Weights ρ with Σⱼ ρⱼ·rⱼᵏ⁻¹ = k!·φₖ₊₁/B for k = 1 … n, where r are the `places` and φ those of the exponential
/// integrator for a step of -`step` (the paper's theorem 3.1).
fn weights(places: &[f64], step: f64, scale: f64) -> Vec<f64> {
    let count = places.len();
    let mut phi = (-step).exp_m1() / -step - 1.0;
    let mut factorial = 1.0;
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(count);
    for power in 0..count {
        let row = places.iter().map(|place| place.powi(power as i32));
        rows.push(row.chain([phi * factorial / scale]).collect());
        factorial *= (power + 2) as f64;
        phi = phi / -step - 1.0 / factorial;
    }
    // Gauss' elimination: the places differ, so the system has one solution, and it is no larger than 3 by 3.
    for column in 0..count {
        let pivot = (column..count).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        rows.swap(column, pivot.unwrap_or(column));
        let pivot = rows[column].clone();
        for (index, row) in rows.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / pivot[column];
                row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
    }
    rows.iter().enumerate().map(|(index, row)| row[count] / row[index]).collect()
}
