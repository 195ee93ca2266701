//! LoHa (Hyeon-Woo et al. 2022): the elementwise product of two low-rank matrices.

use candle_core::{Result, Tensor};

use super::LoraError;
use super::factors::{Factor, Factors};
use super::file::{Parts, Scale};
use super::lora::{scaled, tucker};
use super::suffix::Part;

/// ΔW = scale · (w1_a · w1_b) ∘ (w2_a · w2_b); for convolutions the halves may be Tucker decompositions.
#[derive(Debug)]
pub(super) struct Loha {
    halves: [Half; 2],
    /// alpha / rank
    scale: f64,
}

#[derive(Debug)]
struct Half {
    /// (outputs, rank), or (rank, outputs) with a core.
    a: Factor,
    /// (rank, inputs · kernel), or (rank, inputs) with a core.
    b: Factor,
    /// (rank, rank, kernel…)
    core: Option<Factor>,
}

impl Half {
    fn shape(&self) -> Vec<usize> {
        match &self.core {
            Some(core) => {
                [self.a.columns(), self.b.columns()].into_iter().chain(core.shape[2..].iter().copied()).collect()
            }
            None => [self.a.rows()].into_iter().chain(self.b.shape[1..].iter().copied()).collect(),
        }
    }

    /// Whether the ranks of the factors are the same.
    fn fits(&self) -> bool {
        let rank = self.b.rows();
        let matrices = self.a.shape.len() >= 2 && self.b.shape.len() >= 2;
        matrices
            && match &self.core {
                Some(core) => core.shape.len() > 2 && core.shape[..2] == [rank, rank] && self.a.rows() == rank,
                None => self.a.columns() == rank,
            }
    }

    fn product(&self, factors: &Factors, scale: f64) -> Result<Tensor> {
        let a = scaled(&factors.matrix(&self.a)?, scale)?;
        let b = factors.matrix(&self.b)?;
        match &self.core {
            Some(core) => tucker(&factors.get(core)?, &a.t()?.contiguous()?, &b),
            None => a.matmul(&b),
        }
    }
}

impl Loha {
    pub(super) fn new(parts: &mut Parts<'_>, scale: &Scale) -> std::result::Result<Self, LoraError> {
        let first = Half {
            a: parts.need(Part::HadaW1A, Part::HadaW1B)?,
            b: parts.need(Part::HadaW1B, Part::HadaW1A)?,
            core: parts.take(Part::HadaT1),
        };
        let second = Half {
            a: parts.need(Part::HadaW2A, Part::HadaW1A)?,
            b: parts.need(Part::HadaW2B, Part::HadaW1B)?,
            core: parts.take(Part::HadaT2),
        };
        if first.core.is_some() != second.core.is_some() {
            return Err(match first.core {
                Some(_) => parts.missing(Part::HadaT1, Part::HadaT2),
                None => parts.missing(Part::HadaT2, Part::HadaT1),
            });
        }
        let rank = first.b.rows();
        parts.check_rank(rank)?;
        parts.check_rank(second.b.rows())?;
        if !first.fits() || !second.fits() || first.shape() != second.shape() {
            return Err(parts.misfit(format!(
                "w1_a {:?}, w1_b {:?}, w2_a {:?} and w2_b {:?}, expected two products of the same shape",
                first.a.shape, first.b.shape, second.a.shape, second.b.shape
            )));
        }
        Ok(Self { halves: [first, second], scale: scale.of(rank) })
    }

    pub(super) fn rank(&self) -> usize {
        self.halves[0].b.rows()
    }

    pub(super) fn factors(&self) -> impl Iterator<Item = &Factor> {
        self.halves.iter().flat_map(|half| [&half.a, &half.b].into_iter().chain(&half.core))
    }

    /// The shape of the weight.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.halves[0].shape()
    }

    /// `strength` · ΔW as (outputs, inputs · kernel).
    pub(super) fn delta(&self, factors: &Factors, strength: f64) -> Result<Tensor> {
        let [first, second] = &self.halves;
        first.product(factors, self.scale * strength)? * second.product(factors, 1.0)?
    }
}
