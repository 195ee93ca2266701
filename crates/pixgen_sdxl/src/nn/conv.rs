//! Two-dimensional convolution: the one convolution of this crate.

use candle_core::{Result, Tensor};

use super::{cpu, on_cpu};
use crate::Error;
use crate::weights::Scope;

/// Along which axes an image repeats: what leaves on one side comes in on the other, so that copies laid side by side
/// show no seam.
///
/// Convolutions then find the opposite edge beyond an edge instead of zeros ("circular padding"). Attention does not
/// see positions, so nothing else changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seamless {
    /// Left and right edge meet.
    pub x: bool,
    /// Top and bottom edge meet.
    pub y: bool,
}

impl Seamless {
    /// Neither axis repeats.
    pub const OFF: Self = Self { x: false, y: false };
}

/// Cells that a convolution sees beyond the edges of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Padding {
    /// To the left and above.
    pub(crate) before: usize,
    /// To the right and below.
    pub(crate) after: usize,
}

/// How one call of a convolution reads its input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// The size (height, width) to which the input is enlarged by nearest neighbour first.
    pub(crate) enlarged: Option<(usize, usize)>,
    pub(crate) seamless: Seamless,
}

/// Numbers that candle may gather for one product, 2 GB in f32. It counts them in 32 bits without a check, and the
/// autoencoder's at 1024 px would take 10 GB.
const COLUMN_NUMBERS: usize = 1 << 29;

/// A convolution of (b, inputs, h, w) with a square kernel.
#[derive(Debug)]
pub(crate) struct Conv2d {
    /// (outputs, inputs, kernel, kernel)
    weight: Tensor,
    /// (1, outputs)
    bias: Tensor,
    stride: usize,
    padding: Padding,
}

impl Conv2d {
    /// A convolution that keeps height and width.
    pub(crate) fn load(
        scope: &Scope<'_>,
        inputs: usize,
        outputs: usize,
        kernel: usize,
    ) -> std::result::Result<Self, Error> {
        let padding = Padding { before: kernel / 2, after: kernel / 2 };
        Self::load_strided(scope, (inputs, outputs), kernel, 1, padding)
    }

    /// A convolution that keeps height and width and adds nothing to the product.
    pub(crate) fn load_without_bias(
        scope: &Scope<'_>,
        inputs: usize,
        outputs: usize,
        kernel: usize,
    ) -> std::result::Result<Self, Error> {
        let weight = scope.get_kernel("weight", (outputs, inputs, kernel, kernel))?;
        let bias = Tensor::zeros((1, outputs), weight.dtype(), weight.device())?;
        Ok(Self { weight, bias, stride: 1, padding: Padding { before: kernel / 2, after: kernel / 2 } })
    }

    /// `channels` are (inputs, outputs).
    pub(crate) fn load_strided(
        scope: &Scope<'_>,
        (inputs, outputs): (usize, usize),
        kernel: usize,
        stride: usize,
        padding: Padding,
    ) -> std::result::Result<Self, Error> {
        let weight = scope.get_kernel("weight", (outputs, inputs, kernel, kernel))?;
        let bias = scope.get("bias", outputs)?.unsqueeze(0)?;
        Ok(Self { weight, bias, stride, padding })
    }

    /// (b, inputs, h, w) → (b, outputs, h / stride, w / stride).
    pub(crate) fn forward(&self, x: &Tensor, seamless: Seamless) -> Result<Tensor> {
        self.convolve(x, &self.bias, Reading { enlarged: None, seamless })
    }

    /// The convolution plus `shift` (b, outputs), the same for every pixel of an image: a time embedding.
    pub(crate) fn forward_shifted(&self, x: &Tensor, shift: &Tensor, seamless: Seamless) -> Result<Tensor> {
        self.convolve(x, &shift.broadcast_add(&self.bias)?, Reading { enlarged: None, seamless })
    }

    /// The convolution of the image enlarged to `height` × `width` by nearest neighbour.
    pub(crate) fn forward_enlarged(
        &self,
        x: &Tensor,
        height: usize,
        width: usize,
        seamless: Seamless,
    ) -> Result<Tensor> {
        self.convolve(x, &self.bias, Reading { enlarged: Some((height, width)), seamless })
    }

    /// `bias` is (1 or b, outputs).
    fn convolve(&self, x: &Tensor, bias: &Tensor, reading: Reading) -> Result<Tensor> {
        if on_cpu(x) {
            cpu::conv2d(x, &self.weight, bias, self.stride, self.padding, reading)
        } else {
            self.composed(x, bias, reading)
        }
    }

    fn composed(&self, x: &Tensor, bias: &Tensor, reading: Reading) -> Result<Tensor> {
        self.composed_within(COLUMN_NUMBERS, x, bias, reading)
    }

    /// As many output rows at once as gather at most `column_numbers`, and at least one.
    fn composed_within(&self, column_numbers: usize, x: &Tensor, bias: &Tensor, reading: Reading) -> Result<Tensor> {
        let Reading { enlarged, seamless } = reading;
        let enlarged = match enlarged {
            Some((height, width)) => &x.upsample_nearest2d(height, width)?,
            None => x,
        };
        let Padding { before, after } = self.padding;
        let (batch, inputs, height, width) = enlarged.dims4()?;
        let kernel = self.weight.dim(2)?;
        let Some(last_row) = (height + before + after).checked_sub(kernel) else {
            candle_core::bail!("an image of {height} rows is too small for a convolution of {kernel}");
        };
        let rows = last_row / self.stride + 1;
        let numbers_per_row = batch * inputs * kernel * kernel * width.div_ceil(self.stride);
        let rows_at_once = (column_numbers / numbers_per_row.max(1)).max(1);
        let y = if rows_at_once >= rows && before == after && (seamless == Seamless::OFF || before == 0) {
            enlarged.conv2d(&self.weight, before, self.stride, 1, 1)?
        } else {
            let padded = pad(&pad(enlarged, 2, self.padding, seamless.y)?, 3, self.padding, seamless.x)?;
            let bands = (0..rows).step_by(rows_at_once).map(|first| {
                let count = rows_at_once.min(rows - first);
                let read = padded.narrow(2, first * self.stride, (count - 1) * self.stride + kernel)?;
                read.conv2d(&self.weight, 0, self.stride, 1, 1)
            });
            let bands = bands.collect::<Result<Vec<_>>>()?;
            if let [whole] = bands.as_slice() { whole.clone() } else { Tensor::cat(&bands, 2)? }
        };
        let (rows, outputs) = bias.dims2()?;
        y.broadcast_add(&bias.reshape((rows, outputs, 1, 1))?)
    }
}

/// `x` with the cells beyond both ends of an axis: those of the opposite end if it `wraps`, else zeros.
fn pad(x: &Tensor, axis: usize, Padding { before, after }: Padding, wraps: bool) -> Result<Tensor> {
    if before == 0 && after == 0 {
        return Ok(x.clone());
    }
    if !wraps {
        return x.pad_with_zeros(axis, before, after);
    }
    let size = x.dim(axis)?;
    let mut parts = Vec::with_capacity(3);
    if before > 0 {
        parts.push(x.narrow(axis, size - before, before)?);
    }
    parts.push(x.clone());
    if after > 0 {
        parts.push(x.narrow(axis, 0, after)?);
    }
    Tensor::cat(&parts, axis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::random;

    const SAME: Padding = Padding { before: 1, after: 1 };
    const NONE: Padding = Padding { before: 0, after: 0 };
    /// Of the autoencoder's downsamplers.
    const AFTER: Padding = Padding { before: 0, after: 1 };

    #[test]
    fn the_cpu_kernel_agrees_with_the_composed_convolution() {
        // (batch, inputs, outputs, height, width, kernel, stride, padding): tiles of several images, several tiles of
        // one image, odd sizes, images smaller than the kernel, both strides.
        let cases = [
            (1, 3, 5, 7, 9, 3, 1, SAME),
            (3, 8, 4, 5, 6, 3, 1, SAME),
            (2, 5, 7, 9, 11, 3, 2, SAME),
            (2, 5, 7, 8, 6, 3, 2, SAME),
            (2, 5, 7, 8, 6, 3, 2, AFTER),
            (2, 5, 7, 9, 7, 3, 2, AFTER),
            (2, 6, 3, 8, 8, 1, 1, NONE),
            (2, 6, 3, 1, 2, 3, 1, SAME),
            (1, 96, 8, 64, 48, 3, 1, SAME),
            (2, 64, 3, 50, 70, 3, 1, SAME),
        ];
        for (batch, inputs, outputs, height, width, kernel, stride, padding) in cases {
            let x = random(1, 0.0, 1.0, (batch, inputs, height, width));
            let layer = Conv2d {
                weight: random(2, 0.0, 0.1, (outputs, inputs, kernel, kernel)),
                bias: random(3, 0.0, 1.0, (1, outputs)),
                stride,
                padding,
            };
            let shift = random(4, 0.0, 1.0, (batch, outputs));
            for bias in [&layer.bias, &shift] {
                for enlarged in [None, Some((2 * height, 2 * width)), Some((2 * height - 1, 2 * width - 1))] {
                    for (x_wraps, y_wraps) in [(false, false), (true, false), (false, true), (true, true)] {
                        let reading = Reading { enlarged, seamless: Seamless { x: x_wraps, y: y_wraps } };
                        let fast = layer.convolve(&x, bias, reading).unwrap();
                        let slow = layer.composed(&x, bias, reading).unwrap();
                        assert_eq!(fast.dims(), slow.dims());
                        let worst = |x: Tensor| x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                        let error = worst((fast - &slow).unwrap());
                        assert!(error < 2e-5, "{inputs}→{outputs} {height}×{width} {reading:?}: {error}");
                        let three_rows = 3 * batch * inputs * kernel * kernel * width.div_ceil(stride);
                        let banded = layer.composed_within(three_rows, &x, bias, reading).unwrap();
                        let error = worst((banded - slow).unwrap());
                        assert!(error < 2e-5, "{inputs}→{outputs} {height}×{width} {reading:?} in bands: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_image_smaller_than_the_kernel_is_an_error() {
        let layer = Conv2d {
            weight: random(2, 0.0, 0.1, (1, 1, 3, 3)),
            bias: random(3, 0.0, 1.0, (1, 1)),
            stride: 2,
            padding: AFTER,
        };
        assert!(layer.forward(&random(1, 0.0, 1.0, (1, 1, 1, 1)), Seamless::OFF).is_err());
    }
}
