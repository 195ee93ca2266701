//! The solvers that walk from noise to a latent, step by step, as diffusers' schedulers do.

mod ddim;
mod dpmpp_2m;
mod euler;
mod noise_schedule;

use candle_core::{Result, Tensor};
use pixgen_api::SchedulerKind;
use serde::Deserialize;

use self::noise_schedule::{NoiseSchedule, Spacing};
use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::require;

const FILE: &str = "scheduler/scheduler_config.json";

/// `scheduler_config.json`. What a file leaves out has the default of the solver's own class.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SchedulerConfig {
    #[serde(rename = "_class_name", default)]
    class_name: String,
    num_train_timesteps: Option<usize>,
    beta_start: Option<f64>,
    beta_end: Option<f64>,
    beta_schedule: Option<String>,
    trained_betas: Option<Vec<f32>>,
    prediction_type: Option<String>,
    timestep_spacing: Option<String>,
    steps_offset: Option<usize>,
    rescale_betas_zero_snr: Option<bool>,
    final_sigmas_type: Option<String>,
    interpolation_type: Option<String>,
    timestep_type: Option<String>,
    use_karras_sigmas: Option<bool>,
    use_exponential_sigmas: Option<bool>,
    use_beta_sigmas: Option<bool>,
    use_lu_lambdas: Option<bool>,
    use_flow_sigmas: Option<bool>,
    clip_sample: Option<bool>,
    clip_sample_range: Option<f64>,
    set_alpha_to_one: Option<bool>,
    thresholding: Option<bool>,
    solver_order: Option<usize>,
    algorithm_type: Option<String>,
    solver_type: Option<String>,
    lower_order_final: Option<bool>,
    euler_at_final: Option<bool>,
    variance_type: Option<String>,
}

/// What the network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prediction {
    /// The noise in the sample.
    Epsilon,
    /// The velocity (Salimans and Ho 2022, appendix D).
    Velocity,
    /// The sample without noise.
    Sample,
}

/// The result of one step.
#[derive(Debug)]
pub struct Stepped {
    /// The sample of the next step.
    pub sample: Tensor,
    /// The predicted sample without any noise.
    pub denoised: Tensor,
}

/// A solver for one run: steps are taken by index, in order, once each.
pub trait Solver {
    /// When the network is asked, from the noisiest on: positions on the training schedule, not always whole.
    fn timesteps(&self) -> &[f32];

    /// Standard deviation of the noise that the run begins with: 1 for solvers that keep the variance.
    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    /// The sample as the network wants it: as it is for solvers that keep the variance.
    fn scale_input(&self, _index: usize, sample: &Tensor) -> Result<Tensor> {
        Ok(sample.clone())
    }

    /// One step, given the network's `output` for the scaled sample.
    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor) -> Result<Stepped>;
}

impl SchedulerConfig {
    /// Reads the model's configuration; the options are checked when a solver is built from it.
    pub(crate) fn read(source: &Checkpoint) -> std::result::Result<Self, Error> {
        source.json(FILE)
    }

    /// The solver that the model asks for, or an error if it is none of ours.
    pub(crate) fn kind(&self) -> std::result::Result<SchedulerKind, Error> {
        self.own_kind().ok_or_else(|| Error::Config {
            file: FILE.to_owned(),
            reason: format!(
                "the model asks for a {}, which is not available: choose Euler, DDIM or DPM++ 2M instead",
                self.class_name
            ),
        })
    }

    fn own_kind(&self) -> Option<SchedulerKind> {
        match self.class_name.as_str() {
            "EulerDiscreteScheduler" => Some(SchedulerKind::Euler),
            "DDIMScheduler" => Some(SchedulerKind::Ddim),
            "DPMSolverMultistepScheduler" => Some(SchedulerKind::Dpmpp2m),
            _ => None,
        }
    }

    /// A solver for a run of `steps` steps.
    ///
    /// # Errors
    /// When the configuration asks for something that the solver does not do, or when the steps are not 1 to the
    /// number of training timesteps.
    pub fn solver(&self, kind: SchedulerKind, steps: usize) -> std::result::Result<Box<dyn Solver + Send>, Error> {
        let trained = self.num_train_timesteps();
        if !(1..=trained).contains(&steps) {
            return Err(Error::Input(format!("steps is {steps}, expected 1 to {trained}")));
        }
        let solver: std::result::Result<Box<dyn Solver + Send>, String> = match kind {
            SchedulerKind::Euler => euler::Euler::new(self, steps).map(|solver| Box::new(solver) as _),
            SchedulerKind::Ddim => {
                // diffusers clips DDIM's samples to the range of pixels unless told otherwise. A file of another
                // class does not say, and latents are no pixels.
                let clips = self.own_kind() == Some(SchedulerKind::Ddim);
                ddim::Ddim::new(self, steps, clips).map(|solver| Box::new(solver) as _)
            }
            SchedulerKind::Dpmpp2m => dpmpp_2m::Dpmpp2m::new(self, steps).map(|solver| Box::new(solver) as _),
        };
        solver.map_err(|reason| Error::Config { file: FILE.to_owned(), reason })
    }

    fn num_train_timesteps(&self) -> usize {
        self.num_train_timesteps.unwrap_or(1000)
    }

    fn prediction(&self) -> std::result::Result<Prediction, String> {
        match self.prediction_type.as_deref().unwrap_or("epsilon") {
            "epsilon" => Ok(Prediction::Epsilon),
            "v_prediction" => Ok(Prediction::Velocity),
            "sample" | "original_sample" => Ok(Prediction::Sample),
            other => Err(format!("prediction_type is {other}, expected epsilon, v_prediction or sample")),
        }
    }

    fn spacing(&self, default: Spacing) -> std::result::Result<Spacing, String> {
        match self.timestep_spacing.as_deref() {
            None => Ok(default),
            Some("leading") => Ok(Spacing::Leading),
            Some("trailing") => Ok(Spacing::Trailing),
            Some("linspace") => Ok(Spacing::Linspace),
            Some(other) => Err(format!("timestep_spacing is {other}, expected leading, trailing or linspace")),
        }
    }

    /// The noise level after the last step: none, or the lowest one of training.
    fn final_sigma(&self, schedule: &NoiseSchedule) -> std::result::Result<f32, String> {
        match self.final_sigmas_type.as_deref().unwrap_or("zero") {
            "zero" => Ok(0.0),
            "sigma_min" => Ok(schedule.sigmas()[0]),
            other => Err(format!("final_sigmas_type is {other}, expected zero or sigma_min")),
        }
    }

    fn refuse_other_sigmas(&self) -> std::result::Result<(), String> {
        let options = [
            ("use_karras_sigmas", self.use_karras_sigmas),
            ("use_exponential_sigmas", self.use_exponential_sigmas),
            ("use_beta_sigmas", self.use_beta_sigmas),
            ("use_lu_lambdas", self.use_lu_lambdas),
            ("use_flow_sigmas", self.use_flow_sigmas),
            ("thresholding", self.thresholding),
        ];
        for (name, value) in options {
            require(value != Some(true), || format!("{name} is true, which is not available: set it to false"))?;
        }
        Ok(())
    }
}
