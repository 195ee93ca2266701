//! What a caller may ask of a solver beside its kind, checked before a run begins.

use pixgen_api::SchedulerKind;

use super::SchedulerConfig;
use crate::Error;

/// How a run walks from noise to a picture. What is `None` follows the model's `scheduler_config.json`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplerOptions {
    /// Which training timesteps the run visits.
    pub spacing: Option<Spacing>,
    /// How much noise is left at each step; only for the solvers that walk in noise levels (Euler, Euler a, DPM++ 2M,
    /// DPM++ 2M SDE, UniPC).
    pub sigmas: Option<SigmaSchedule>,
    /// The timesteps themselves, falling, from the last training timestep to 0: distilled models are trained for a
    /// few of them (DMD2: 999, 749, 499, 249). Their number is the number of steps; the run's own is not looked at.
    /// DDIM, LCM and TCD need whole ones.
    pub timesteps: Option<Vec<f32>>,
    /// What the network's output means: for weights whose file does not say.
    pub prediction: Option<Prediction>,
    /// Whether the noise schedule is shifted to end without any signal (Lin et al. 2023).
    pub zero_terminal_snr: Option<bool>,
    /// How much of the noise of a step is drawn afresh, 0 (none) to 1; only for Euler a (default 1), DPM++ 2M SDE
    /// (default 1), DDIM (default 0) and TCD (default 0.3, where it is the paper's γ).
    pub eta: Option<f64>,
    /// What the fresh noise is multiplied with, 0 to 2 (default 1); only for solvers that draw any.
    pub s_noise: Option<f64>,
}

/// Which training timesteps a run of n steps visits, of T (1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// From the front in steps of ⌊T/n⌋, so that the noisiest are left out (Lin et al. 2023, table 2).
    Leading,
    /// From the last one down in steps of T/n (Lin et al. 2023, table 2).
    Trailing,
    /// Evenly from the last one to the first (Lin et al. 2023, table 2).
    Linspace,
    /// ComfyUI's `sgm_uniform`: tᵢ = (T − 1)·(1 − i/n) for i = 0 … n − 1, that is n + 1 even points of which the one
    /// without noise is left out; σ between the training timesteps is interpolated in ln σ, and the network is asked
    /// at the nearest whole timestep. After the last step there is no noise.
    SgmUniform,
}

/// How much noise is left at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigmaSchedule {
    /// What the visited timesteps have.
    Model,
    /// Even steps in σ^(1/7) (Karras et al. 2022, formula 5).
    ///
    /// As in diffusers, Euler and Euler a span the noise levels of the visited timesteps, the other solvers the
    /// model's whole range.
    Karras,
    /// Even steps in ln σ, over the same range.
    Exponential,
}

/// What the network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise in the sample.
    Epsilon,
    /// The velocity (Salimans and Ho 2022, appendix D).
    Velocity,
    /// The sample without noise.
    Sample,
}

/// A checked request for a solver: the model's configuration, and what the caller wants instead of it.
pub(super) struct Setup<'a> {
    pub(super) config: &'a SchedulerConfig,
    pub(super) options: &'a SamplerOptions,
    pub(super) kind: SchedulerKind,
    /// How many steps were asked for, or timesteps given.
    pub(super) steps: usize,
}

impl<'a> Setup<'a> {
    pub(super) fn new(
        config: &'a SchedulerConfig,
        options: &'a SamplerOptions,
        kind: SchedulerKind,
        steps: usize,
    ) -> Result<Self, Error> {
        let steps = options.timesteps.as_ref().map_or(steps, Vec::len);
        let setup = Self { config, options, kind, steps };
        setup.check().map_err(Error::Input)?;
        Ok(setup)
    }

    fn check(&self) -> Result<(), String> {
        let trained = self.trained();
        let (options, name) = (self.options, self.kind.name());
        match &options.timesteps {
            Some(timesteps) => self.check_timesteps(timesteps)?,
            None if !(1..=trained).contains(&self.steps) => {
                return Err(format!("steps is {}, expected 1 to {trained}", self.steps));
            }
            None => {}
        }
        match options.sigmas {
            Some(SigmaSchedule::Karras | SigmaSchedule::Exponential) if !self.walks_in_sigmas() => {
                return Err(format!(
                    "sigmas is {:?}, but {name} walks in timesteps, not in noise levels: leave sigmas out or choose \
                     Euler, Euler a, DPM++ 2M, DPM++ 2M SDE or UniPC",
                    options.sigmas.unwrap_or(SigmaSchedule::Model)
                ));
            }
            Some(sigmas @ (SigmaSchedule::Karras | SigmaSchedule::Exponential)) if self.names_its_sigmas() => {
                return Err(format!(
                    "sigmas is {sigmas:?}, but timesteps or the spacing SgmUniform already say how much noise each \
                     step has: give one of them"
                ));
            }
            _ => {}
        }
        if let Some(eta) = options.eta {
            if !self.takes_eta() {
                return Err(format!(
                    "eta is {eta}, but {name} has none: leave eta out or choose Euler a, DPM++ 2M SDE, DDIM or TCD"
                ));
            }
            if !(0.0..=1.0).contains(&eta) {
                return Err(format!("eta is {eta}, expected 0 to 1"));
            }
        }
        if let Some(s_noise) = options.s_noise {
            if !self.takes_eta() && self.kind != SchedulerKind::Lcm {
                return Err(format!(
                    "s_noise is {s_noise}, but {name} draws no noise: leave s_noise out or choose Euler a, DPM++ 2M \
                     SDE, DDIM, LCM or TCD"
                ));
            }
            if !(0.0..=2.0).contains(&s_noise) {
                return Err(format!("s_noise is {s_noise}, expected 0 to 2"));
            }
        }
        Ok(())
    }

    fn check_timesteps(&self, timesteps: &[f32]) -> Result<(), String> {
        let trained = self.trained();
        if let Some(spacing) = self.options.spacing {
            return Err(format!("timesteps and the spacing {spacing:?} are both given: give one of them"));
        }
        if !(1..=trained).contains(&timesteps.len()) {
            return Err(format!("timesteps has {} entries, expected 1 to {trained}", timesteps.len()));
        }
        let last = trained - 1;
        if let Some(found) = timesteps.iter().find(|t| !(0.0..=last as f32).contains(*t)) {
            return Err(format!("a timestep is {found}, expected 0 to {last}"));
        }
        if let Some(pair) = timesteps.windows(2).find(|pair| pair[1] >= pair[0]) {
            return Err(format!("timesteps go from {} to {}, expected falling ones", pair[0], pair[1]));
        }
        match timesteps.iter().find(|t| t.fract() != 0.0) {
            Some(found) if !self.walks_in_sigmas() => {
                Err(format!("a timestep is {found}, but {} needs whole ones", self.kind.name()))
            }
            _ => Ok(()),
        }
    }

    fn walks_in_sigmas(&self) -> bool {
        !matches!(self.kind, SchedulerKind::Ddim | SchedulerKind::Lcm | SchedulerKind::Tcd)
    }

    fn takes_eta(&self) -> bool {
        use SchedulerKind::{Ddim, Dpmpp2mSde, EulerAncestral, Tcd};
        matches!(self.kind, EulerAncestral | Dpmpp2mSde | Ddim | Tcd)
    }

    /// Whether the caller's choice of timesteps leaves no choice of sigmas.
    fn names_its_sigmas(&self) -> bool {
        self.options.timesteps.is_some() || self.options.spacing == Some(Spacing::SgmUniform)
    }

    pub(super) fn trained(&self) -> usize {
        self.config.num_train_timesteps()
    }

    pub(super) fn prediction(&self) -> Result<Prediction, String> {
        self.options.prediction.map_or_else(|| self.config.prediction(), Ok)
    }

    pub(super) fn zero_terminal_snr(&self) -> bool {
        self.options.zero_terminal_snr.or(self.config.rescale_betas_zero_snr).unwrap_or(false)
    }

    /// `default` is that of the solver's own class.
    pub(super) fn spacing(&self, default: Spacing) -> Result<Spacing, String> {
        match self.options.spacing {
            Some(spacing) => Ok(spacing),
            None => Ok(self.config.spacing()?.unwrap_or(default)),
        }
    }

    /// The caller's schedule, or the file's.
    pub(super) fn sigma_schedule(&self) -> Result<SigmaSchedule, String> {
        if self.names_its_sigmas() {
            return Ok(SigmaSchedule::Model);
        }
        if let Some(sigmas) = self.options.sigmas {
            return Ok(sigmas);
        }
        // The class of Euler a in diffusers reads none of what follows.
        if self.kind == SchedulerKind::EulerAncestral {
            return Ok(SigmaSchedule::Model);
        }
        self.config.refuse_other_sigmas()?;
        match (self.config.use_karras_sigmas, self.config.use_exponential_sigmas) {
            (Some(true), Some(true)) => {
                Err("use_karras_sigmas and use_exponential_sigmas are both true, expected one of them".to_owned())
            }
            (Some(true), _) => Ok(SigmaSchedule::Karras),
            (_, Some(true)) => Ok(SigmaSchedule::Exponential),
            _ => Ok(SigmaSchedule::Model),
        }
    }

    pub(super) fn eta(&self, default: f64) -> f64 {
        self.options.eta.unwrap_or(default)
    }

    pub(super) fn s_noise(&self) -> f64 {
        self.options.s_noise.unwrap_or(1.0)
    }
}
