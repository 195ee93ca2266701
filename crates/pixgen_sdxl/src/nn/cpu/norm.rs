//! Group normalisation with the SiLU that follows it, in two passes over each group.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, bail};
use rayon::prelude::*;

use super::math::silu;
use super::{PARALLEL_FROM, f32_slice};

/// Group normalisation of (b, c, …), optionally followed by SiLU.
pub(crate) struct GroupNorm {
    pub(crate) groups: usize,
    pub(crate) eps: f64,
    pub(crate) silu: bool,
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        "group-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = f32_slice(x, x_layout, self.name())?;
        let weight = f32_slice(weight, weight_layout, self.name())?;
        let bias = f32_slice(bias, bias_layout, self.name())?;
        let [_, channels, pixels @ ..] = x_layout.dims() else { bail!("group-norm needs channels") };
        let pixels: usize = pixels.iter().product();
        if *channels != weight.len() || *channels != bias.len() || !channels.is_multiple_of(self.groups) {
            bail!("group-norm of {channels} channels with {} weights in {} groups", weight.len(), self.groups);
        }
        let group_channels = channels / self.groups;
        let group_len = group_channels * pixels;
        let mut y = vec![0f32; x.len()];
        let group = |(index, (y, x)): (usize, (&mut [f32], &[f32]))| {
            let first_channel = index % self.groups * group_channels;
            let mean = sum(x, |v| v) / group_len as f64;
            let mean_f32 = mean as f32;
            let variance = sum(x, |v| (v - mean_f32) * (v - mean_f32)) / group_len as f64;
            let inverse = 1.0 / (variance + self.eps).sqrt();
            for (offset, (y, x)) in y.chunks_mut(pixels).zip(x.chunks(pixels)).enumerate() {
                let channel = first_channel + offset;
                let scale = (f64::from(weight[channel]) * inverse) as f32;
                let shift = bias[channel];
                if self.silu {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y = silu((x - mean_f32) * scale + shift));
                } else {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean_f32) * scale + shift);
                }
            }
        };
        if x.len() < PARALLEL_FROM {
            y.chunks_mut(group_len).zip(x.chunks(group_len)).enumerate().for_each(group);
        } else {
            y.par_chunks_mut(group_len).zip(x.par_chunks(group_len)).enumerate().for_each(group);
        }
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}

/// Sum of `f` over the elements: f32 in sixteen lanes over short stretches, f64 across them, so that an image
/// of a million pixels loses no digits.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    const LANES: usize = 16;
    let mut total = 0f64;
    for stretch in x.chunks(64 * LANES) {
        let mut lanes = [0f32; LANES];
        let (blocks, rest) = stretch.as_chunks::<LANES>();
        for block in blocks {
            for (lane, v) in lanes.iter_mut().zip(block) {
                *lane += f(*v);
            }
        }
        for (lane, v) in lanes.iter_mut().zip(rest) {
            *lane += f(*v);
        }
        total += lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
    }
    total
}
