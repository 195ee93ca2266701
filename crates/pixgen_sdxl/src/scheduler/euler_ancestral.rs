//! Euler's method with fresh noise after every step (`EulerAncestralDiscreteScheduler`; "Euler a", k-diffusion's
//! `sample_euler_ancestral`).

use candle_core::{Result, Tensor};

use super::euler::SigmaWalk;
use super::options::Setup;
use super::plan::Timesteps;
use super::{Solver, Stepped, fresh};

#[derive(Debug)]
pub(super) struct EulerAncestral {
    walk: SigmaWalk,
    eta: f64,
    s_noise: f64,
}

impl EulerAncestral {
    pub(super) fn new(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        Ok(Self { walk: SigmaWalk::new(setup, false)?, eta: setup.eta(1.0), s_noise: setup.s_noise() })
    }
}

impl Solver for EulerAncestral {
    fn run(&self) -> &Timesteps {
        &self.walk.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        self.walk.init_noise_sigma()
    }

    fn scale_input(&self, index: usize, sample: &Tensor) -> Result<Tensor> {
        self.walk.scale_input(index, sample)
    }

    fn needs_noise(&self, _index: usize) -> bool {
        self.eta > 0.0
    }

    fn step(&mut self, index: usize, output: &Tensor, sample: &Tensor, noise: Option<&Tensor>) -> Result<Stepped> {
        let (from, to) = self.walk.levels(index);
        // The step goes down further than the next level, and fresh noise brings it back up.
        // In f64: below the noise of a zero-SNR schedule, `to` and `up` are nearly equal. diffusers subtracts them in
        // f32, which costs it four digits of that one step.
        let up = (self.eta * to * ((from * from - to * to) / (from * from)).max(0.0).sqrt()).min(to);
        let down = (to * to - up * up).max(0.0).sqrt();
        let mut stepped = self.walk.walk(index, down, output, sample)?;
        if self.needs_noise(index) {
            stepped.sample = (stepped.sample + (fresh(noise, index)? * (up * self.s_noise))?)?;
        }
        Ok(stepped)
    }

    fn add_noise(&self, index: usize, picture: &Tensor, noise: &Tensor) -> Result<Tensor> {
        self.walk.add_noise(index, picture, noise)
    }
}
