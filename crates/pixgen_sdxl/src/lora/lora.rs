//! LoRA (Hu et al. 2021) of linear layers and convolutions, and LoCon with a core tensor between its factors.

use candle_core::{Result, Tensor};

use super::LoraError;
use super::factors::{Factor, Factors};
use super::file::{Parts, Scale};
use super::suffix::Part;

/// ΔW = scale · up · down, with `mid` as the core of a Tucker decomposition if there is one.
#[derive(Debug)]
pub(super) struct Lora {
    /// (rank, inputs, kernel…)
    down: Factor,
    /// (outputs, rank, 1…)
    up: Factor,
    /// (rank of `up`, rank of `down`, kernel…)
    mid: Option<Factor>,
    /// alpha / rank
    scale: f64,
}

impl Lora {
    pub(super) fn new(parts: &mut Parts<'_>, scale: &Scale) -> std::result::Result<Self, LoraError> {
        let down = parts.need(Part::LoraDown, Part::LoraUp)?;
        let up = parts.need(Part::LoraUp, Part::LoraDown)?;
        let mid = parts.take(Part::LoraMid);
        let rank = down.rows();
        parts.check_rank(rank)?;
        let (up_rank, down_rank) = match &mid {
            Some(mid) if mid.shape.len() >= 2 => (mid.shape[0], mid.shape[1]),
            Some(mid) => return Err(parts.misfit(format!("lora_mid {:?} is no matrix of kernels", mid.shape))),
            None => (rank, rank),
        };
        if down.shape.len() < 2 || up.shape.len() < 2 || up.columns() != up_rank || rank != down_rank {
            return Err(parts.misfit(format!(
                "down {:?} and up {:?}{}, expected (rank, inputs, …) and (outputs, rank)",
                down.shape,
                up.shape,
                mid.as_ref().map(|mid| format!(" with mid {:?}", mid.shape)).unwrap_or_default(),
            )));
        }
        if mid.is_some() && down.columns() != down.shape[1] {
            return Err(parts.misfit(format!("with lora_mid, down {:?} has a kernel too", down.shape)));
        }
        Ok(Self { scale: scale.of(rank), down, up, mid })
    }

    pub(super) fn rank(&self) -> usize {
        self.down.rows()
    }

    pub(super) fn factors(&self) -> impl Iterator<Item = &Factor> {
        [&self.down, &self.up].into_iter().chain(&self.mid)
    }

    /// The shape of the weight.
    pub(super) fn shape(&self) -> Vec<usize> {
        let kernel = self.mid.as_ref().map_or(&self.down.shape[2..], |mid| &mid.shape[2..]);
        [self.up.rows(), self.down.shape[1]].into_iter().chain(kernel.iter().copied()).collect()
    }

    /// `strength` · ΔW as (outputs, inputs · kernel).
    pub(super) fn delta(&self, factors: &Factors, strength: f64) -> Result<Tensor> {
        // The smaller factor is scaled: a few kilobytes instead of the whole weight.
        let up = scaled(&factors.matrix(&self.up)?, self.scale * strength)?;
        let down = factors.matrix(&self.down)?;
        match &self.mid {
            Some(mid) => tucker(&factors.get(mid)?, &up, &down),
            None => up.matmul(&down),
        }
    }
}

/// `x · scale`, without an operation when the scale is one.
pub(super) fn scaled(x: &Tensor, scale: f64) -> Result<Tensor> {
    if (scale - 1.0).abs() < f64::EPSILON { Ok(x.clone()) } else { x * scale }
}

/// Σ over m and n of `core` (m, n, kernel…) · `up` (outputs, m) · `down` (n, inputs): (outputs, inputs · kernel).
///
/// `einsum("m n k, o m, n i -> o i k")` as two matrix products.
pub(super) fn tucker(core: &Tensor, up: &Tensor, down: &Tensor) -> Result<Tensor> {
    let (outputs, inputs) = (up.dim(0)?, down.dim(1)?);
    let (m, n) = (core.dim(0)?, core.dim(1)?);
    let kernel = core.elem_count() / (m * n).max(1);
    let left = up.matmul(&core.reshape((m, n * kernel))?)?;
    // (outputs, n, kernel) → (outputs · kernel, n)
    let left = left.reshape((outputs, n, kernel))?.transpose(1, 2)?.contiguous()?.reshape((outputs * kernel, n))?;
    left.matmul(down)?
        .reshape((outputs, kernel, inputs))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((outputs, inputs * kernel))
}
