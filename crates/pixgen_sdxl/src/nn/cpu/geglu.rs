//! The gated GELU of the feed-forward layers.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, bail};
use rayon::prelude::*;

use super::math::gelu;
use super::{PARALLEL_FROM, f32_slice};

/// `values · gelu(gates)` of rows that hold the values first and the gates second.
pub(crate) struct Geglu;

impl CustomOp1 for Geglu {
    fn name(&self) -> &'static str {
        "geglu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = f32_slice(storage, layout, self.name())?;
        let mut dims = layout.dims().to_vec();
        let Some(last) = dims.last_mut() else { bail!("geglu needs at least one axis") };
        let inputs = *last;
        *last /= 2;
        let outputs = *last;
        if outputs == 0 {
            bail!("geglu needs at least two channels");
        }
        let mut y = vec![0f32; x.len() / 2];
        let row = |(y, x): (&mut [f32], &[f32])| {
            let (values, gates) = x.split_at(outputs);
            for ((y, value), gate) in y.iter_mut().zip(values).zip(gates) {
                *y = value * gelu(*gate);
            }
        };
        if x.len() < PARALLEL_FROM {
            y.chunks_mut(outputs).zip(x.chunks(inputs)).for_each(row);
        } else {
            y.par_chunks_mut(outputs).zip(x.par_chunks(inputs)).for_each(row);
        }
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }
}
