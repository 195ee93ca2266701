//! How much noise each training timestep has.

use pixgen_api::SchedulerKind;

use super::options::Setup;
use crate::config::require;

/// The training schedule: ᾱ, the share of the signal in the sample's variance, from least noise to most.
#[derive(Clone, Debug)]
pub(super) struct NoiseSchedule {
    alphas_cumprod: Vec<f32>,
}

/// More training timesteps than any model has; each costs a few numbers.
const MOST_TIMESTEPS: usize = 1_000_000;

impl NoiseSchedule {
    /// Computed in f32 in PyTorch's order of operations, so that trajectories agree.
    ///
    /// `keeps_last` leaves a trace of signal in the last timestep of a zero-SNR schedule, for solvers that divide by it.
    pub(super) fn new(setup: &Setup<'_>, keeps_last: bool) -> Result<Self, String> {
        let (config, count) = (setup.config, setup.trained());
        require((2..=MOST_TIMESTEPS).contains(&count), || {
            format!("num_train_timesteps is {count}, expected 2 to {MOST_TIMESTEPS}")
        })?;
        let offset = config.steps_offset();
        require(offset <= count, || format!("steps_offset is {offset}, expected 0 to num_train_timesteps: {count}"))?;
        let (start, end, shape) = match setup.kind {
            SchedulerKind::Lcm | SchedulerKind::Tcd => (0.00085, 0.012, "scaled_linear"),
            _ => (0.0001, 0.02, "linear"),
        };
        let (start, end) = (config.beta_start.unwrap_or(start), config.beta_end.unwrap_or(end));
        let mut betas = match (&config.trained_betas, config.beta_schedule.as_deref().unwrap_or(shape)) {
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
        let zero_snr = setup.zero_terminal_snr();
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

    /// ᾱ at a training timestep; after the last one, the last one's.
    pub(super) fn alpha_at(&self, timestep: usize) -> f64 {
        f64::from(self.alphas_cumprod[timestep.min(self.alphas_cumprod.len() - 1)])
    }

    /// Noise over signal for each training timestep.
    pub(super) fn sigmas(&self) -> Vec<f32> {
        self.alphas_cumprod.iter().map(|alpha| ((1.0 - alpha) / alpha).sqrt()).collect()
    }

    /// Noise over signal at positions between the training timesteps, straight between neighbours.
    pub(super) fn sigmas_at(&self, timesteps: &[f32]) -> Vec<f64> {
        let sigmas = self.sigmas();
        let at = |timestep: &f32| {
            let (below, share) = self.position(f64::from(*timestep));
            let (low, high) = (f64::from(sigmas[below]), f64::from(sigmas[below + 1]));
            (high - low) * share + low
        };
        timesteps.iter().map(at).collect()
    }

    /// Noise over signal at positions between the training timesteps, straight in ln σ between neighbours.
    pub(super) fn sigmas_by_logarithm_at(&self, timesteps: &[f64]) -> Vec<f64> {
        let sigmas = self.sigmas();
        let at = |timestep: &f64| {
            let (below, share) = self.position(*timestep);
            let (low, high) = (f64::from(sigmas[below]).ln(), f64::from(sigmas[below + 1]).ln());
            ((1.0 - share) * low + share * high).exp()
        };
        timesteps.iter().map(at).collect()
    }

    /// The positions of noise levels on the training schedule, straight in ln σ between neighbours.
    pub(super) fn timesteps_of(&self, sigmas: &[f64]) -> Vec<f64> {
        // diffusers keeps the logarithms of the table in f32, and some positions are cut to whole numbers later.
        let table: Vec<f64> = self.sigmas().into_iter().map(|sigma| f64::from(sigma.ln())).collect();
        let at = |sigma: &f64| {
            let logarithm = sigma.max(1e-10).ln();
            let below = table.partition_point(|entry| *entry <= logarithm).saturating_sub(1).min(table.len() - 2);
            let (low, high) = (table[below], table[below + 1]);
            let share = ((low - logarithm) / (low - high)).clamp(0.0, 1.0);
            (1.0 - share) * below as f64 + share * (below + 1) as f64
        };
        sigmas.iter().map(at).collect()
    }

    /// The training timestep below a position, and how far it is to the next one, 0 to 1.
    fn position(&self, timestep: f64) -> (usize, f64) {
        let last = self.alphas_cumprod.len() - 1;
        let position = timestep.clamp(0.0, last as f64);
        let below = (position as usize).min(last - 1);
        (below, position - below as f64)
    }
}

/// `torch.linspace` in f32, which counts from both ends to the middle, and multiplies and adds in one.
fn linspace(start: f64, end: f64, count: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    let step = (end - start) / (count - 1) as f32;
    let at = |i: usize| match i < count / 2 {
        true => step.mul_add(i as f32, start),
        false => (-step).mul_add((count - 1 - i) as f32, end),
    };
    (0..count).map(at).collect()
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
