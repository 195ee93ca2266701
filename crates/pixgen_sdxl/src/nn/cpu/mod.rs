//! CPU kernels for f32 where candle's own are several times slower than the arithmetic takes.

mod conv;
mod geglu;
mod math;
mod norm;

pub(crate) use conv::conv2d;
pub(crate) use geglu::Geglu;
pub(crate) use norm::GroupNorm;

use candle_core::{CpuStorage, Layout, Result, bail};

/// Elements below which a second thread costs more than it saves.
const PARALLEL_FROM: usize = 1 << 15;

/// The elements of a contiguous f32 tensor.
fn f32_slice<'a>(storage: &'a CpuStorage, layout: &Layout, op: &str) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(&data[start..end]),
        (CpuStorage::F32(_), None) => bail!("{op} needs a contiguous tensor"),
        _ => bail!("{op} needs f32"),
    }
}
