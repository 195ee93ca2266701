//! How much noise each training timestep has, and which of them a run visits.

use super::SchedulerConfig;
use crate::config::require;

/// The training schedule: ᾱ, the share of the signal in the sample's variance, from least noise to most.
#[derive(Clone, Debug)]
pub(super) struct NoiseSchedule {
    alphas_cumprod: Vec<f32>,
}

/// Which training timesteps a run visits (Lin et al. 2023, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Leading,
    Trailing,
    Linspace,
}

impl NoiseSchedule {
    /// Computed in f32 in PyTorch's order of operations, so that trajectories agree.
    ///
    /// `keeps_last` leaves a trace of signal in the last timestep of a zero-SNR schedule, for solvers that divide by it.
    pub(super) fn new(config: &SchedulerConfig, keeps_last: bool) -> Result<Self, String> {
        let count = config.num_train_timesteps();
        require(count > 1, || format!("num_train_timesteps is {count}, expected at least 2"))?;
        let (start, end) = (config.beta_start.unwrap_or(0.0001), config.beta_end.unwrap_or(0.02));
        let mut betas = match (&config.trained_betas, config.beta_schedule.as_deref().unwrap_or("linear")) {
            (Some(betas), _) => betas.clone(),
            (None, "linear") => linspace(start, end, count),
            (None, "scaled_linear") => {
                linspace(start.sqrt(), end.sqrt(), count).into_iter().map(|root| root * root).collect()
            }
            (None, other) => return Err(format!("beta_schedule is {other}, expected linear or scaled_linear")),
        };
        require(betas.len() == count, || {
            format!("trained_betas has {} entries, expected num_train_timesteps: {count}", betas.len())
        })?;
        require(betas.iter().all(|beta| (0.0..1.0).contains(beta)), || {
            "a beta of the noise schedule is not between 0 and 1: check beta_start and beta_end".to_owned()
        })?;
        let zero_snr = config.rescale_betas_zero_snr.unwrap_or(false);
        if zero_snr {
            betas = rescale_to_zero_snr(&betas);
        }
        let mut alphas_cumprod = cumulative_product(betas.into_iter().map(|beta| 1.0 - beta));
        if zero_snr && keeps_last {
            // The smallest number of half precision, as in diffusers.
            alphas_cumprod[count - 1] = 2f32.powi(-24);
        }
        Ok(Self { alphas_cumprod })
    }

    pub(super) fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// Noise over signal for each training timestep.
    pub(super) fn sigmas(&self) -> Vec<f32> {
        self.alphas_cumprod.iter().map(|alpha| ((1.0 - alpha) / alpha).sqrt()).collect()
    }

    /// Noise over signal at positions between the training timesteps.
    pub(super) fn sigmas_at(&self, timesteps: &[f32]) -> Vec<f32> {
        let sigmas = self.sigmas();
        let last = sigmas.len() - 1;
        let at = |timestep: &f32| {
            let position = f64::from(*timestep).clamp(0.0, last as f64);
            let below = (position as usize).min(last - 1);
            let (low, high) = (f64::from(sigmas[below]), f64::from(sigmas[below + 1]));
            ((high - low) * (position - below as f64) + low) as f32
        };
        timesteps.iter().map(at).collect()
    }
}

/// `torch.linspace` in f32, which counts from both ends to the middle.
fn linspace(start: f64, end: f64, count: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    let step = (end - start) / (count - 1) as f32;
    (0..count)
        .map(|i| if i < count / 2 { start + step * i as f32 } else { end - step * (count - 1 - i) as f32 })
        .collect()
}

/// `torch.cumprod` of f32 on the CPU, which accumulates in f64.
fn cumulative_product(values: impl Iterator<Item = f32>) -> Vec<f32> {
    values
        .scan(1f64, |product, value| {
            *product *= f64::from(value);
            Some(*product as f32)
        })
        .collect()
}

/// Shifts the schedule so that the last timestep is pure noise (Lin et al. 2023, algorithm 1).
fn rescale_to_zero_snr(betas: &[f32]) -> Vec<f32> {
    let roots: Vec<f32> = cumulative_product(betas.iter().map(|beta| 1.0 - beta)).into_iter().map(f32::sqrt).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let scale = first / (first - last);
    let alphas: Vec<f32> = roots.into_iter().map(|root| (root - last) * scale).map(|root| root * root).collect();
    let previous = std::iter::once(1.0).chain(alphas.iter().copied());
    alphas.iter().zip(previous).map(|(alpha, previous)| 1.0 - alpha / previous).collect()
}

/// `numpy.arange(trained, 0, -trained/steps).round() - 1`: its length is not always `steps`, because the
/// quotient is rounded.
pub(super) fn trailing(trained: usize, steps: usize) -> Vec<f32> {
    let start = trained as f64;
    let step = -(start / steps as f64);
    let count = ((0.0 - start) / step).ceil() as usize;
    // numpy computes the second value and fills in from their difference.
    let delta = (start + step) - start;
    (0..count).map(|i| ((start + i as f64 * delta).round_ties_even() - 1.0) as f32).collect()
}

/// `numpy.linspace(0, end, count)` from the end on.
pub(super) fn linspace_down(end: f64, count: usize) -> Vec<f64> {
    let step = end / (count.max(2) - 1) as f64;
    let mut points: Vec<f64> = (0..count).map(|i| i as f64 * step).collect();
    if count > 1 {
        points[count - 1] = end;
    }
    points.reverse();
    points
}
