//! The layers that all components share, and the one place where a device gets its own kernels.
//!
//! Each layer composes candle's operations, which works on every device and is the reference. On the CPU, f32
//! tensors take the kernels of [`cpu`]; the tests hold the two against each other. Fused GPU kernels belong
//! behind the same functions.

mod attention;
mod conv;
pub(crate) mod cpu;
mod linear;
mod norm;

pub(crate) use attention::{attention, split_heads, split_qkv};
pub use conv::Seamless;
pub(crate) use conv::{Conv2d, Padding};
pub(crate) use linear::{Linear, geglu};
pub(crate) use norm::{GroupNorm, layer_norm};

use candle_core::{DType, Device, Tensor};

/// Whether the kernels of [`cpu`] serve this tensor.
fn on_cpu(x: &Tensor) -> bool {
    matches!(x.device(), Device::Cpu) && x.dtype() == DType::F32
}

/// Normally distributed numbers, the same in every run of the tests.
#[cfg(test)]
pub(crate) fn random(seed: u64, mean: f64, deviation: f64, shape: impl Into<candle_core::Shape>) -> Tensor {
    let shape = shape.into();
    let values = crate::randn(seed, shape.elem_count());
    Tensor::from_vec(values, shape, &Device::Cpu)
        .and_then(|x| x.affine(deviation, mean))
        .unwrap_or_else(|error| unreachable!("a vector of the shape's length makes a tensor: {error}"))
}
