//! LoKr (Yeh et al. 2023, LyCORIS): the Kronecker product of two matrices, each whole or of low rank.

use candle_core::{Result, Tensor};

use super::LoraError;
use super::factors::{Factor, Factors};
use super::file::{Parts, Scale};
use super::lora::{scaled, tucker};
use super::suffix::Part;

/// ΔW = scale · w1 ⊗ w2. The kernel of a convolution belongs to w2.
#[derive(Debug)]
pub(super) struct Lokr {
    w1: Side,
    w2: Side,
    /// alpha / rank of the factored side; 1 when both are whole.
    scale: f64,
}

#[derive(Debug)]
enum Side {
    /// (rows, columns, kernel…)
    Whole(Factor),
    /// (rows, rank) · (rank, columns, kernel…)
    Product(Factor, Factor),
    /// (rank, rank, kernel…) with (rank, rows) and (rank, columns)
    Tucker(Factor, Factor, Factor),
}

impl Side {
    fn new(
        parts: &mut Parts<'_>,
        whole: Part,
        [a, b]: [Part; 2],
        core: Option<Part>,
    ) -> std::result::Result<Self, LoraError> {
        if let Some(factor) = parts.take(whole) {
            return Ok(Self::Whole(factor));
        }
        let (a, b) = (parts.need(a, b)?, parts.need(b, a)?);
        Ok(match core.and_then(|core| parts.take(core)) {
            Some(core) => Self::Tucker(core, a, b),
            None => Self::Product(a, b),
        })
    }

    fn rank(&self) -> Option<usize> {
        match self {
            Self::Whole(_) => None,
            Self::Product(_, b) | Self::Tucker(_, _, b) => Some(b.rows()),
        }
    }

    fn fits(&self) -> bool {
        match self {
            Self::Whole(w) => w.shape.len() >= 2,
            Self::Product(a, b) => a.shape.len() == 2 && b.shape.len() >= 2 && a.shape[1] == b.rows(),
            Self::Tucker(core, a, b) => {
                a.shape.len() == 2
                    && b.shape.len() == 2
                    && core.shape.len() > 2
                    && core.shape[..2] == [a.rows(), b.rows()]
            }
        }
    }

    /// (rows, columns · kernel)
    fn dims(&self) -> (usize, usize) {
        match self {
            Self::Whole(w) => (w.rows(), w.columns()),
            Self::Product(a, b) => (a.rows(), b.columns()),
            Self::Tucker(core, a, b) => (a.shape[1], b.shape[1] * core.shape[2..].iter().product::<usize>()),
        }
    }

    fn factors(&self) -> impl Iterator<Item = &Factor> {
        match self {
            Self::Whole(w) => vec![w],
            Self::Product(a, b) => vec![a, b],
            Self::Tucker(core, a, b) => vec![core, a, b],
        }
        .into_iter()
    }

    fn matrix(&self, factors: &Factors) -> Result<Tensor> {
        match self {
            Self::Whole(w) => factors.matrix(w),
            Self::Product(a, b) => factors.matrix(a)?.matmul(&factors.matrix(b)?),
            Self::Tucker(core, a, b) => {
                tucker(&factors.get(core)?, &factors.matrix(a)?.t()?.contiguous()?, &factors.matrix(b)?)
            }
        }
    }
}

impl Lokr {
    pub(super) fn new(parts: &mut Parts<'_>, scale: &Scale) -> std::result::Result<Self, LoraError> {
        let w1 = Side::new(parts, Part::LokrW1, [Part::LokrW1A, Part::LokrW1B], None)?;
        let w2 = Side::new(parts, Part::LokrW2, [Part::LokrW2A, Part::LokrW2B], Some(Part::LokrT2))?;
        for rank in [w1.rank(), w2.rank()].into_iter().flatten() {
            parts.check_rank(rank)?;
        }
        if !w1.fits() || !w2.fits() {
            let shapes: Vec<_> = w1.factors().chain(w2.factors()).map(|factor| &factor.shape).collect();
            return Err(parts.misfit(format!("{shapes:?}, expected matrices that can be multiplied")));
        }
        let scale = w2.rank().or(w1.rank()).map_or(1.0, |rank| scale.of(rank));
        Ok(Self { w1, w2, scale })
    }

    pub(super) fn rank(&self) -> Option<usize> {
        self.w2.rank().or(self.w1.rank())
    }

    pub(super) fn factors(&self) -> impl Iterator<Item = &Factor> {
        self.w1.factors().chain(self.w2.factors())
    }

    /// The shape of the weight, with the kernel folded into the inputs.
    pub(super) fn shape(&self) -> Vec<usize> {
        let ((a, b), (c, d)) = (self.w1.dims(), self.w2.dims());
        vec![a * c, b * d]
    }

    /// `strength` · ΔW as (outputs, inputs · kernel).
    pub(super) fn delta(&self, factors: &Factors, strength: f64) -> Result<Tensor> {
        let w1 = scaled(&self.w1.matrix(factors)?, self.scale * strength)?;
        let w2 = self.w2.matrix(factors)?;
        let ((a, b), (c, d)) = (w1.dims2()?, w2.dims2()?);
        // The kernel is innermost in w2 and in the weight, so that it may stay folded into the columns.
        w1.reshape((a, 1, b, 1))?.broadcast_mul(&w2.reshape((1, c, 1, d))?)?.reshape((a * c, b * d))
    }
}
