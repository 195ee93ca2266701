//! Full differences: weights and biases of fine-tuned layers and norms, less the base model's; and whole new weights.

use candle_core::{Result, Shape, Tensor};

use super::factors::{Factor, Factors};
use super::lora::scaled;

/// A change that is stored as it is.
#[derive(Debug)]
pub(super) struct Diff {
    pub(super) tensor: Factor,
    /// Whether the tensor is the new weight itself (`set_weight`), not the difference to the old one. At strength 1
    /// the new weight replaces the old one, below it lies between them.
    pub(super) replaces: bool,
}

impl Diff {
    /// `strength` · change, in the shape of `base`.
    pub(super) fn delta(&self, base: &Tensor, factors: &Factors, strength: f64) -> Result<Tensor> {
        let tensor = factors.get(&self.tensor)?.reshape(base.shape())?;
        scaled(&if self.replaces { (tensor - base)? } else { tensor }, strength)
    }
}

/// Whether a change of shape `found` can be added to a weight of shape `expected`: the same shape, but for ones at the
/// end (a linear layer over channels is stored as a 1×1 convolution by some models), or a matrix with the kernel folded
/// into its columns.
pub(super) fn same_shape(found: &[usize], expected: &Shape) -> bool {
    let expected = expected.dims();
    let trimmed = |dims: &[usize]| dims.len() - dims.iter().rev().take_while(|size| **size == 1).count();
    let folded = found.len() == 2
        && expected.len() > 2
        && found[0] == expected[0]
        && found[1] == expected[1..].iter().product::<usize>();
    found[..trimmed(found)] == expected[..trimmed(expected)] || folded
}
