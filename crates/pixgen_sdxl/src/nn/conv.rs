//! Two-dimensional convolution: the one convolution of this crate.

use candle_core::{Result, Tensor};

use super::{cpu, on_cpu};
use crate::Error;
use crate::weights::Scope;

/// A convolution of (b, inputs, h, w) with a square kernel.
#[derive(Debug)]
pub(crate) struct Conv2d {
    /// (outputs, inputs, kernel, kernel)
    weight: Tensor,
    /// (1, outputs)
    bias: Tensor,
    stride: usize,
    padding: usize,
}

impl Conv2d {
    /// A convolution that keeps height and width.
    pub(crate) fn load(
        scope: &Scope<'_>,
        inputs: usize,
        outputs: usize,
        kernel: usize,
    ) -> std::result::Result<Self, Error> {
        Self::load_strided(scope, inputs, outputs, kernel, 1, kernel / 2)
    }

    pub(crate) fn load_strided(
        scope: &Scope<'_>,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> std::result::Result<Self, Error> {
        let weight = scope.get("weight", (outputs, inputs, kernel, kernel))?;
        let bias = scope.get("bias", outputs)?.unsqueeze(0)?;
        Ok(Self { weight, bias, stride, padding })
    }

    /// (b, inputs, h, w) → (b, outputs, h / stride, w / stride).
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.convolve(x, &self.bias, None)
    }

    /// The convolution plus `shift` (b, outputs), the same for every pixel of an image: a time embedding.
    pub(crate) fn forward_shifted(&self, x: &Tensor, shift: &Tensor) -> Result<Tensor> {
        self.convolve(x, &shift.broadcast_add(&self.bias)?, None)
    }

    /// The convolution of the image enlarged to `height` × `width` by nearest neighbour.
    pub(crate) fn forward_enlarged(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        self.convolve(x, &self.bias, Some((height, width)))
    }

    /// `bias` is (1 or b, outputs).
    fn convolve(&self, x: &Tensor, bias: &Tensor, enlarged: Option<(usize, usize)>) -> Result<Tensor> {
        if on_cpu(x) {
            cpu::conv2d(x, &self.weight, bias, self.stride, self.padding, enlarged)
        } else {
            self.composed(x, bias, enlarged)
        }
    }

    fn composed(&self, x: &Tensor, bias: &Tensor, enlarged: Option<(usize, usize)>) -> Result<Tensor> {
        let enlarged = match enlarged {
            Some((height, width)) => &x.upsample_nearest2d(height, width)?,
            None => x,
        };
        let y = enlarged.conv2d(&self.weight, self.padding, self.stride, 1, 1)?;
        let (rows, outputs) = bias.dims2()?;
        y.broadcast_add(&bias.reshape((rows, outputs, 1, 1))?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::random;

    #[test]
    fn the_cpu_kernel_agrees_with_the_composed_convolution() {
        // (batch, inputs, outputs, height, width, kernel, stride, padding): tiles of several images, several tiles of
        // one image, odd sizes, both strides.
        let cases = [
            (1, 3, 5, 7, 9, 3, 1, 1),
            (3, 8, 4, 5, 6, 3, 1, 1),
            (2, 5, 7, 9, 11, 3, 2, 1),
            (2, 5, 7, 8, 6, 3, 2, 1),
            (2, 6, 3, 8, 8, 1, 1, 0),
            (1, 96, 8, 64, 48, 3, 1, 1),
            (2, 64, 3, 50, 70, 3, 1, 1),
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
                    let fast = layer.convolve(&x, bias, enlarged).unwrap();
                    let slow = layer.composed(&x, bias, enlarged).unwrap();
                    assert_eq!(fast.dims(), slow.dims());
                    let worst = (fast - slow).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                    assert!(worst < 2e-5, "{inputs}→{outputs} {height}×{width} {enlarged:?}: {worst}");
                }
            }
        }
    }
}
