//! How tensors are described to Hopper's tensor memory accelerator.

use std::ffi::c_void;

use candle_core::cuda_backend::cudarc;
use candle_core::{DType, Error, Result};
use cudarc::driver::sys;

use super::gpu::Gpu;
use super::layers::{HALF, HEAD_DIM};
use super::program::Spot;

/// Heads of 64 channels: (images, heads, tokens, 64), of which the accelerator fetches 64 channels of `box_tokens` tokens
/// at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorMap {
    pub(super) spot: Spot,
    pub(super) images: usize,
    pub(super) tokens: usize,
    pub(super) heads: usize,
    /// Numbers from a token to the next.
    pub(super) stride: usize,
    pub(super) box_tokens: usize,
}

/// The driver's form of a description, which it wants at a multiple of 64 bytes.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct EncodedMap(sys::CUtensorMap);

impl TensorMap {
    pub(super) fn encode(&self, gpu: &Gpu, address: u64) -> Result<EncodedMap> {
        let Self { images, tokens, heads, stride, box_tokens, .. } = *self;
        let dtype = match gpu.dtype() {
            DType::BF16 => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
            _ => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
        };
        let sizes = [HEAD_DIM, tokens, heads, images].map(|size| size as u64);
        let strides_bytes = [stride * HALF, HEAD_DIM * HALF, tokens * stride * HALF].map(|size| size as u64);
        let box_sizes = [HEAD_DIM, box_tokens, 1, 1].map(|size| size as u32);
        let mut map = EncodedMap(sys::CUtensorMap { opaque: [0; 16] });
        // SAFETY: all arrays have as many entries as the rank says, the address belongs to the program.
        unsafe {
            sys::cuTensorMapEncodeTiled(
                &raw mut map.0,
                dtype,
                4,
                address as *mut c_void,
                sizes.as_ptr(),
                strides_bytes.as_ptr(),
                box_sizes.as_ptr(),
                [1u32; 4].as_ptr(),
                sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                sys::CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
                sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
        }
        .result()
        .map_err(|error| Error::Msg(format!("the driver does not describe {self:?}: {error}")))?;
        Ok(map)
    }
}
