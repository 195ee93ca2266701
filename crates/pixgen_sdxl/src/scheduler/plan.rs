//! Which timesteps and noise levels a run visits.

use super::noise_schedule::NoiseSchedule;
use super::options::{Setup, SigmaSchedule, Spacing};
use crate::Error;
use crate::config::require;

/// The timesteps of a run.
#[derive(Clone, Debug)]
pub struct Timesteps {
    points: Vec<f32>,
    /// How many were asked for: rounding makes it one more at times.
    asked: usize,
}

impl Timesteps {
    /// Positions on the training schedule, not always whole, from the noisiest on.
    #[must_use]
    pub fn points(&self) -> &[f32] {
        &self.points
    }

    /// Where image-to-image begins: a run of n steps takes its last ⌊n·strength⌋.
    ///
    /// # Errors
    /// When `strength` is not in 0 to 1, or leaves no step.
    pub fn begin_index(&self, strength: f64) -> Result<usize, Error> {
        if !(0.0..=1.0).contains(&strength) {
            return Err(Error::Input(format!("strength is {strength}, expected 0 to 1")));
        }
        let taken = (self.asked as f64 * strength) as usize;
        if taken == 0 {
            let least = 1.0 / self.asked as f64;
            return Err(Error::Input(format!(
                "strength is {strength}, which leaves none of {} steps: expected at least {least:.3}, or more steps",
                self.asked
            )));
        }
        Ok(self.asked - taken.min(self.asked))
    }
}

/// A run in noise levels.
pub(super) struct SigmaPlan {
    pub(super) timesteps: Timesteps,
    /// Noise over signal at each timestep; what is left after the last step comes on top.
    pub(super) sigmas: Vec<f32>,
    /// How the timesteps were chosen; a list of the caller's counts as what the file says.
    pub(super) spacing: Spacing,
    pub(super) schedule: SigmaSchedule,
}

impl SigmaPlan {
    /// As `EulerDiscreteScheduler` and `EulerAncestralDiscreteScheduler` do.
    pub(super) fn euler(setup: &Setup<'_>, noise: &NoiseSchedule) -> Result<Self, String> {
        let (trained, steps) = (setup.trained(), setup.steps);
        let offset = setup.config.steps_offset();
        Self::new(setup, noise, Range::Visited, |spacing| match spacing {
            Spacing::Leading => (0..steps).rev().map(|i| (i * (trained / steps) + offset) as f32).collect(),
            Spacing::Trailing => trailing(trained, trained, steps),
            Spacing::Linspace | Spacing::SgmUniform => {
                linspace_down((trained - 1) as f64, steps).into_iter().map(|t| t as f32).collect()
            }
        })
    }

    /// As `DPMSolverMultistepScheduler` and `UniPCMultistepScheduler` do: one point more than steps, of which the one
    /// with the least noise is left out. `clipped` timesteps are left out at the noisy end.
    pub(super) fn multistep(setup: &Setup<'_>, noise: &NoiseSchedule, clipped: usize) -> Result<Self, String> {
        let (trained, steps) = (setup.trained(), setup.steps);
        let used = trained - clipped;
        let offset = setup.config.steps_offset();
        Self::new(setup, noise, Range::Whole, |spacing| match spacing {
            Spacing::Leading => (1..=steps).rev().map(|i| (i * (used / (steps + 1)) + offset) as f32).collect(),
            Spacing::Trailing => trailing(used, trained, steps),
            Spacing::Linspace | Spacing::SgmUniform => {
                let points = linspace_down((used - 1) as f64, steps + 1);
                points[..steps].iter().map(|t| t.round_ties_even() as f32).collect()
            }
        })
    }

    fn new(
        setup: &Setup<'_>,
        noise: &NoiseSchedule,
        range: Range,
        points: impl FnOnce(Spacing) -> Vec<f32>,
    ) -> Result<Self, String> {
        let spacing = setup.spacing(Spacing::Linspace)?;
        let schedule = setup.sigma_schedule()?;
        let (mut points, mut sigmas) = match &setup.options.timesteps {
            Some(points) => (points.clone(), noise.sigmas_at(points)),
            None if spacing == Spacing::SgmUniform => {
                let exact = sgm_uniform(setup.trained(), setup.steps);
                (exact.iter().copied().map(nearest).collect(), noise.sigmas_by_logarithm_at(&exact))
            }
            None => {
                let points = points(spacing);
                let sigmas = noise.sigmas_at(&points);
                (points, sigmas)
            }
        };
        if schedule != SigmaSchedule::Model {
            let table = noise.sigmas();
            let (high, low) = match range {
                Range::Visited => (sigmas[0], sigmas[sigmas.len() - 1]),
                Range::Whole => (f64::from(table[table.len() - 1]), f64::from(table[0])),
            };
            sigmas = respaced(
                schedule,
                setup.config.sigma_max.unwrap_or(high),
                setup.config.sigma_min.unwrap_or(low),
                setup.steps,
            )?;
            // The multistep solvers of diffusers ask the network at whole timesteps only, and cut those of an
            // exponential schedule off: 998.9999996, which is where 999 is found again, becomes 998.
            let whole = |t: f64| match (range, schedule) {
                (Range::Visited, _) | (_, SigmaSchedule::Model) => t,
                (Range::Whole, SigmaSchedule::Karras) => t.round_ties_even(),
                (Range::Whole, SigmaSchedule::Exponential) => t.trunc(),
            };
            points = noise.timesteps_of(&sigmas).into_iter().map(|t| whole(t) as f32).collect();
        }
        let sigmas = sigmas.into_iter().map(|sigma| sigma as f32).collect();
        Ok(Self { timesteps: Timesteps { points, asked: setup.steps }, sigmas, spacing, schedule })
    }
}

/// Between which noise levels a sigma schedule is laid.
#[derive(Clone, Copy)]
enum Range {
    /// Those of the visited timesteps.
    Visited,
    /// All that the model was trained with.
    Whole,
}

/// `steps` noise levels from `high` to `low`.
fn respaced(schedule: SigmaSchedule, high: f64, low: f64, steps: usize) -> Result<Vec<f64>, String> {
    require(low > 0.0 && high >= low && high.is_finite(), || {
        format!("sigma_min is {low} and sigma_max {high}, expected positive numbers in this order")
    })?;
    let ramp =
        |start: f64, end: f64| (0..steps).map(move |i| start + i as f64 / (steps.max(2) - 1) as f64 * (end - start));
    Ok(match schedule {
        SigmaSchedule::Model | SigmaSchedule::Exponential => {
            let mut sigmas: Vec<f64> = ramp(high.ln(), low.ln()).map(f64::exp).collect();
            if steps > 1 {
                sigmas[steps - 1] = low.ln().exp();
            }
            sigmas
        }
        SigmaSchedule::Karras => {
            const RHO: f64 = 7.0;
            ramp(high.powf(1.0 / RHO), low.powf(1.0 / RHO)).map(|root| root.powf(RHO)).collect()
        }
    })
}

/// A run of DDIM, at whole timesteps.
pub(super) fn whole(setup: &Setup<'_>, spacing: Spacing) -> Timesteps {
    let (trained, steps) = (setup.trained(), setup.steps);
    let points = match (&setup.options.timesteps, spacing) {
        (Some(points), _) => points.clone(),
        (None, Spacing::Leading) => {
            let offset = setup.config.steps_offset();
            (0..steps).rev().map(|i| (i * (trained / steps) + offset) as f32).collect()
        }
        (None, Spacing::Trailing) => trailing(trained, trained, steps),
        (None, Spacing::Linspace) => {
            linspace_down((trained - 1) as f64, steps).into_iter().map(|t| t.round_ties_even() as f32).collect()
        }
        (None, Spacing::SgmUniform) => sgm_uniform(trained, steps).into_iter().map(nearest).collect(),
    };
    Timesteps { points, asked: steps }
}

/// A run of a distilled model (LCM, TCD): some of the `original_inference_steps` that it was distilled from, unless
/// the caller wants others.
pub(super) fn distilled(setup: &Setup<'_>) -> Result<Timesteps, String> {
    if setup.options.timesteps.is_some() {
        return Ok(whole(setup, Spacing::Trailing));
    }
    if let Some(spacing) = setup.options.spacing {
        return Ok(whole(setup, spacing));
    }
    let (trained, steps) = (setup.trained(), setup.steps);
    let original = setup.config.original_inference_steps.unwrap_or(50);
    require((1..=trained).contains(&original), || {
        format!("original_inference_steps is {original}, expected 1 to num_train_timesteps: {trained}")
    })?;
    require(steps <= original, || {
        format!("the run has {steps} steps, expected at most original_inference_steps: {original}, or a spacing")
    })?;
    let stride = original as f64 / steps as f64;
    let skipped = |i: usize| (i as f64 * stride).floor() as usize;
    let points = (0..steps).map(|i| ((original - skipped(i)) * (trained / original) - 1) as f32).collect();
    Ok(Timesteps { points, asked: steps })
}

/// [`Spacing::SgmUniform`] before rounding.
fn sgm_uniform(trained: usize, steps: usize) -> Vec<f64> {
    let last = (trained - 1) as f64;
    (0..steps).map(|i| last * (steps - i) as f64 / steps as f64).collect()
}

/// The nearest whole timestep, of two equally near ones the one with less noise.
fn nearest(timestep: f64) -> f32 {
    (timestep - 0.5).ceil() as f32
}

/// `numpy.arange(first, 0, -trained/steps).round() - 1`: its length is not always `steps`, because the quotient is
/// rounded.
fn trailing(first: usize, trained: usize, steps: usize) -> Vec<f32> {
    let start = first as f64;
    let step = -(trained as f64 / steps as f64);
    let count = ((0.0 - start) / step).ceil() as usize;
    // numpy computes the second value and fills in from their difference.
    let delta = (start + step) - start;
    (0..count).map(|i| ((start + i as f64 * delta).round_ties_even() - 1.0) as f32).collect()
}

/// `numpy.linspace(0, end, count)` from the end on.
fn linspace_down(end: f64, count: usize) -> Vec<f64> {
    let step = end / (count.max(2) - 1) as f64;
    let mut points: Vec<f64> = (0..count).map(|i| i as f64 * step).collect();
    if count > 1 {
        points[count - 1] = end;
    }
    points.reverse();
    points
}
