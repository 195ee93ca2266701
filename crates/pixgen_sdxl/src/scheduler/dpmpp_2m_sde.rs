//! DPM-Solver++ of second order on the diffusion SDE (Lu et al. 2022, appendix on SDE-DPM-Solver++):
//! `DPMSolverMultistepScheduler` with `algorithm_type` `sde-dpmsolver++`, and η as in k-diffusion's
//! `sample_dpmpp_2m_sde`.

use candle_core::{Result, Tensor};

use super::dpmpp_2m::Dpmpp2m;
use super::options::Setup;
use super::plan::Timesteps;
use super::{Solver, Stepped, fresh};

#[derive(Debug)]
pub(super) struct Dpmpp2mSde {
    ode: Dpmpp2m,
    eta: f64,
    s_noise: f64,
}

impl Dpmpp2mSde {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        Ok(Self { ode: Dpmpp2m::new(setup)?, eta: setup.eta(1.0), s_noise: setup.s_noise() })
    }
}

impl Solver for Dpmpp2mSde {
    fn run(&self) -> &Timesteps {
        &self.ode.timesteps
    }

    fn needs_noise(&self, _index: usize) -> bool {
        self.eta > 0.0
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, noise: Option<&Tensor>) -> Result<Stepped> {
        let mut stepped = self.ode.walk(index, self.eta, output, sample)?;
        if self.needs_noise(index) {
            let (step, to) = self.ode.stride(index);
            // sigma · √(1 - e⁻²ᵑʰ)
            let amount = to.sigma * (-(-2.0 * self.eta * step).exp_m1()).max(0.0).sqrt();
            stepped.sample = (stepped.sample + (fresh(noise, index)? * (amount * self.s_noise))?)?;
        }
        Ok(stepped)
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.ode.add_noise(index, picture, noise)
    }
}
