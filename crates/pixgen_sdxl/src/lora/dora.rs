//! DoRA (Liu et al. 2024): an adapter that changes a weight's direction, with the length of each row or column given.

use candle_core::{Result, Shape, Tensor};

use super::factors::{Factor, Factors};

/// The lengths of a weight's rows or columns.
#[derive(Debug)]
pub(super) struct Magnitude {
    pub(super) lengths: Factor,
    /// Whether the file's format says that there is one length per output (PEFT). Otherwise the shape tells:
    /// (outputs, 1…) or (1, inputs, 1…).
    pub(super) per_output: bool,
}

/// The axis that a magnitude belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Output,
    Input,
}

impl Magnitude {
    /// The axis in a weight of this shape; `None` when the number of lengths is wrong.
    pub(super) fn axis(&self, weight: &Shape) -> Option<Axis> {
        let dims = weight.dims();
        let (outputs, inputs) = (dims.first().copied()?, dims.get(1).copied()?);
        let count: usize = self.lengths.shape.iter().product();
        if count == outputs && (self.per_output || self.lengths.shape.first() == Some(&outputs)) {
            Some(Axis::Output)
        } else if count == inputs && !self.per_output && self.lengths.shape.first() == Some(&1) {
            Some(Axis::Input)
        } else {
            None
        }
    }

    /// `strength` · (W_d - W), where W_d is W + ΔW brought to the lengths; all in the weight's shape.
    ///
    /// At strength 1 this is what LyCORIS (`weight_decompose`) and PEFT merge; other strengths lie on the line
    /// between both weights, as in ComfyUI.
    pub(super) fn change(
        &self,
        base: &Tensor,
        delta: &Tensor,
        axis: Axis,
        factors: &Factors,
        strength: f64,
    ) -> Result<Tensor> {
        let merged = (base + delta)?;
        let dims = merged.dims();
        let (outputs, inputs) = (dims[0], dims[1]);
        // (outputs, inputs, kernel)
        let flat = merged.reshape((outputs, inputs, ()))?;
        let squares = flat.sqr()?.sum_keepdim(2)?;
        let (squares, shape) = match axis {
            Axis::Output => (squares.sum_keepdim(1)?, (outputs, 1, 1)),
            Axis::Input => (squares.sum_keepdim(0)?, (1, inputs, 1)),
        };
        // LyCORIS adds this, so that a row of zeros stays one.
        let norm = (squares.sqrt()? + f64::from(f32::EPSILON))?;
        let ratio = (factors.get(&self.lengths)?.reshape(shape)? / norm)?;
        let decomposed = flat.broadcast_mul(&ratio)?.reshape(base.shape())?;
        (decomposed - base)? * strength
    }
}
