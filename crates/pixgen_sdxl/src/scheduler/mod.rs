//! The solvers that walk from noise to a latent, step by step, as diffusers' schedulers do.

mod config;
mod ddim;
mod dpmpp_2m;
mod dpmpp_2m_sde;
mod euler;
mod euler_ancestral;
mod lcm;
mod level;
mod noise_schedule;
mod options;
mod plan;
mod tcd;
mod unipc;

use candle_core::{Result, Tensor};
use pixgen_api::SchedulerKind;

use self::options::Setup;
use crate::Error;

pub use self::config::SchedulerConfig;
pub use self::options::{Prediction, SamplerOptions, SigmaSchedule, Spacing};
pub use self::plan::Timesteps;

/// The result of one step.
#[derive(Debug)]
pub struct Stepped {
    /// The sample of the next step.
    pub sample: Tensor,
    /// The predicted sample without any noise.
    pub denoised: Tensor,
}

/// A solver for one run: steps are taken by index, in order, once each, from 0 or from where image-to-image begins
/// ([`Timesteps::begin_index`]). Solvers that look back at earlier steps warm up from there.
pub trait Solver {
    /// The run's timesteps: one step is taken at each.
    fn run(&self) -> &Timesteps;

    /// When the network is asked, from the noisiest on: positions on the training schedule, not always whole.
    fn timesteps(&self) -> &[f32] {
        self.run().points()
    }

    /// Standard deviation of the noise that the run begins with: 1 for solvers that keep the variance.
    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    /// The sample as the network wants it: as it is for solvers that keep the variance.
    fn scale_input(&self, _index: usize, sample: &Tensor) -> Result<Tensor> {
        Ok(sample.clone())
    }

    /// Whether the step wants fresh noise. Each image's noise comes from the generator that its first noise came
    /// from, drawn only for the steps that want it.
    fn needs_noise(&self, _index: usize) -> bool {
        false
    }

    /// One step, given the network's `output` for the scaled sample, and Gaussian `noise` of the sample's shape with
    /// standard deviation 1 when the step wants it.
    ///
    /// # Errors
    /// When the step wants noise and there is none, or when the shapes differ.
    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, noise: Option<&Tensor>) -> Result<Stepped>;

    /// What a run that begins at the step `index` begins with: a `picture` (a latent) with as much noise as that
    /// step expects; `noise` is Gaussian with standard deviation 1.
    ///
    /// # Errors
    /// When the shapes differ.
    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor>;
}

/// The noise of a step that wants some.
fn fresh(noise: Option<&Tensor>, index: usize) -> Result<&Tensor> {
    noise.ok_or_else(|| candle_core::Error::Msg(format!("step {index} of the solver needs noise and was given none")))
}

impl SchedulerConfig {
    /// A solver for a run of `steps` steps, or at the timesteps of `options`.
    ///
    /// # Errors
    /// When the configuration asks for something that the solver does not do, or when the steps are not 1 to the
    /// number of training timesteps, or when an option is out of range or is none of the solver's.
    pub fn solver(
        &self,
        kind: SchedulerKind,
        steps: usize,
        options: &SamplerOptions,
    ) -> std::result::Result<Box<dyn Solver + Send>, Error> {
        fn boxed<S: Solver + Send + 'static>(solver: S) -> Box<dyn Solver + Send> {
            Box::new(solver)
        }
        let setup = &Setup::new(self, options, kind, steps)?;
        let solver = match kind {
            SchedulerKind::Euler => euler::Euler::new(setup).map(boxed),
            SchedulerKind::EulerAncestral => euler_ancestral::EulerAncestral::new(setup).map(boxed),
            SchedulerKind::Ddim => ddim::Ddim::new(setup).map(boxed),
            SchedulerKind::Dpmpp2m => dpmpp_2m::Dpmpp2m::new(setup).map(boxed),
            SchedulerKind::Dpmpp2mSde => dpmpp_2m_sde::Dpmpp2mSde::new(setup).map(boxed),
            SchedulerKind::Unipc => unipc::Unipc::new(setup).map(boxed),
            SchedulerKind::Lcm => lcm::Lcm::new(setup).map(boxed),
            SchedulerKind::Tcd => tcd::Tcd::new(setup).map(boxed),
        };
        solver.map_err(|reason| Error::Config { file: config::FILE.to_owned(), reason })
    }
}
