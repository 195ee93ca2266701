//! `scheduler_config.json`: what the model says about its noise and its solver.

use pixgen_api::SchedulerKind;
use serde::Deserialize;

use super::options::{Prediction, Spacing};
use crate::Error;
use crate::checkpoint::{Checkpoint, LoadOptions};
use crate::config::require;

pub(super) const FILE: &str = "scheduler/scheduler_config.json";

/// `scheduler_config.json`. What a file leaves out has the default of the solver's own class.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SchedulerConfig {
    #[serde(rename = "_class_name", default)]
    pub(super) class_name: String,
    pub(super) num_train_timesteps: Option<usize>,
    pub(super) beta_start: Option<f64>,
    pub(super) beta_end: Option<f64>,
    pub(super) beta_schedule: Option<String>,
    pub(super) trained_betas: Option<Vec<f32>>,
    prediction_type: Option<String>,
    timestep_spacing: Option<String>,
    steps_offset: Option<usize>,
    pub(super) rescale_betas_zero_snr: Option<bool>,
    pub(super) final_sigmas_type: Option<String>,
    pub(super) interpolation_type: Option<String>,
    pub(super) timestep_type: Option<String>,
    pub(super) use_karras_sigmas: Option<bool>,
    pub(super) use_exponential_sigmas: Option<bool>,
    use_beta_sigmas: Option<bool>,
    use_lu_lambdas: Option<bool>,
    use_flow_sigmas: Option<bool>,
    pub(super) sigma_min: Option<f64>,
    pub(super) sigma_max: Option<f64>,
    pub(super) lambda_min_clipped: Option<f64>,
    pub(super) clip_sample: Option<bool>,
    pub(super) clip_sample_range: Option<f64>,
    pub(super) set_alpha_to_one: Option<bool>,
    thresholding: Option<bool>,
    pub(super) solver_order: Option<usize>,
    algorithm_type: Option<String>,
    pub(super) solver_type: Option<String>,
    pub(super) lower_order_final: Option<bool>,
    pub(super) euler_at_final: Option<bool>,
    variance_type: Option<String>,
    pub(super) predict_x0: Option<bool>,
    pub(super) disable_corrector: Option<Vec<usize>>,
    pub(super) solver_p: Option<serde_json::Value>,
    pub(super) original_inference_steps: Option<usize>,
    pub(super) timestep_scaling: Option<f64>,
}

impl SchedulerConfig {
    /// Reads the model's configuration; the options are checked when a solver is built from it.
    pub(crate) fn read(source: &Checkpoint) -> Result<Self, Error> {
        let bytes = source.read(FILE, "a model in diffusers layout has one")?;
        let mut config = Self::from_json(&String::from_utf8_lossy(&bytes)).map_err(|error| match error {
            Error::Config { reason, .. } => Error::Config { file: source.display(FILE), reason },
            other => other,
        })?;
        config.correct(source.options());
        Ok(config)
    }

    /// Replaces what the caller knows better than the file.
    fn correct(&mut self, options: &LoadOptions) {
        if let Some(prediction) = options.prediction {
            let name = match prediction {
                Prediction::Epsilon => "epsilon",
                Prediction::Velocity => "v_prediction",
                Prediction::Sample => "sample",
            };
            self.prediction_type = Some(name.to_owned());
        }
        if let Some(zero_terminal_snr) = options.zero_terminal_snr {
            self.rescale_betas_zero_snr = Some(zero_terminal_snr);
            if zero_terminal_snr {
                // Only the very last training step has no signal, and "leading" never visits it (Lin et al. 2023, 3.3).
                self.timestep_spacing = Some("trailing".to_owned());
            }
        }
    }

    /// Reads the text of a `scheduler_config.json`.
    ///
    /// # Errors
    /// When it is no JSON, even with the infinities that Python writes, or when a field has another type.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(&without_infinities(text))
            .map_err(|error| Error::Config { file: FILE.to_owned(), reason: format!("cannot be read: {error}") })
    }

    /// The solver that the model asks for, or an error if it is none of ours.
    pub(crate) fn kind(&self) -> Result<SchedulerKind, Error> {
        self.own_kind().ok_or_else(|| {
            let known = SchedulerKind::ALL.map(SchedulerKind::name).join(", ");
            let algorithm = self.algorithm_type.as_deref();
            Error::Config {
                file: FILE.to_owned(),
                reason: format!(
                    "the model asks for a {}{}, which is not available: choose one of {known} instead",
                    self.class_name,
                    algorithm.map(|name| format!(" with algorithm_type {name}")).unwrap_or_default()
                ),
            }
        })
    }

    pub(super) fn own_kind(&self) -> Option<SchedulerKind> {
        match self.class_name.as_str() {
            "EulerDiscreteScheduler" => Some(SchedulerKind::Euler),
            "EulerAncestralDiscreteScheduler" => Some(SchedulerKind::EulerAncestral),
            "DDIMScheduler" => Some(SchedulerKind::Ddim),
            "DPMSolverMultistepScheduler" => match self.algorithm_type.as_deref().unwrap_or("dpmsolver++") {
                // diffusers takes a file of DEIS for this one too.
                "dpmsolver++" | "deis" => Some(SchedulerKind::Dpmpp2m),
                "sde-dpmsolver++" => Some(SchedulerKind::Dpmpp2mSde),
                _ => None,
            },
            "UniPCMultistepScheduler" => Some(SchedulerKind::Unipc),
            "LCMScheduler" => Some(SchedulerKind::Lcm),
            "TCDScheduler" => Some(SchedulerKind::Tcd),
            _ => None,
        }
    }

    pub(super) fn num_train_timesteps(&self) -> usize {
        self.num_train_timesteps.unwrap_or(1000)
    }

    pub(super) fn steps_offset(&self) -> usize {
        self.steps_offset.unwrap_or(0)
    }

    pub(super) fn prediction(&self) -> Result<Prediction, String> {
        match self.prediction_type.as_deref().unwrap_or("epsilon") {
            "epsilon" => Ok(Prediction::Epsilon),
            "v_prediction" => Ok(Prediction::Velocity),
            "sample" | "original_sample" => Ok(Prediction::Sample),
            other => Err(format!("prediction_type is {other}, expected epsilon, v_prediction or sample")),
        }
    }

    pub(super) fn spacing(&self) -> Result<Option<Spacing>, String> {
        match self.timestep_spacing.as_deref() {
            None => Ok(None),
            Some("leading") => Ok(Some(Spacing::Leading)),
            Some("trailing") => Ok(Some(Spacing::Trailing)),
            Some("linspace") => Ok(Some(Spacing::Linspace)),
            Some(other) => Err(format!("timestep_spacing is {other}, expected leading, trailing or linspace")),
        }
    }

    /// Whether the run ends at the lowest noise level of training instead of at none.
    pub(super) fn ends_at_sigma_min(&self) -> Result<bool, String> {
        match self.final_sigmas_type.as_deref().unwrap_or("zero") {
            "zero" => Ok(false),
            "sigma_min" => Ok(true),
            other => Err(format!("final_sigmas_type is {other}, expected zero or sigma_min")),
        }
    }

    /// The multistep solvers' `solver_order`.
    pub(super) fn solver_order(&self, highest: usize) -> Result<usize, String> {
        let order = self.solver_order.unwrap_or(2);
        require((1..=highest).contains(&order), || format!("solver_order is {order}, expected 1 to {highest}"))?;
        Ok(order)
    }

    pub(super) fn refuse_thresholding(&self) -> Result<(), String> {
        refuse(&[("thresholding", self.thresholding)])
    }

    /// Refuses the ways to choose sigmas that are not available.
    pub(super) fn refuse_other_sigmas(&self) -> Result<(), String> {
        refuse(&[
            ("use_beta_sigmas", self.use_beta_sigmas),
            ("use_lu_lambdas", self.use_lu_lambdas),
            ("use_flow_sigmas", self.use_flow_sigmas),
        ])
    }

    pub(super) fn refuse_learned_variance(&self) -> Result<(), String> {
        let variance = self.variance_type.as_deref().unwrap_or("null");
        require(variance == "null", || format!("variance_type is {variance}, expected null"))
    }
}

fn refuse(options: &[(&str, Option<bool>)]) -> Result<(), String> {
    options.iter().try_for_each(|(name, value)| {
        require(*value != Some(true), || format!("{name} is true, which is not available: set it to false"))
    })
}

/// Python writes numbers that JSON has no word for, such as `"lambda_min_clipped": -Infinity` in every file of
/// `DPMSolverMultistepScheduler`; they all mean that there is no bound, as `null` does.
fn without_infinities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Strings are left alone: every other piece between unescaped quotation marks is one.
    let (mut in_string, mut escaped, mut start) = (false, false, 0);
    let replaced = |piece: &str| piece.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                let piece = &text[start..index];
                out.push_str(&if in_string { piece.to_owned() } else { replaced(piece) });
                (in_string, start) = (!in_string, index);
            }
            _ => {}
        }
    }
    let piece = &text[start..];
    out.push_str(&if in_string { piece.to_owned() } else { replaced(piece) });
    out
}
