//! How tensors are described to Hopper's tensor memory accelerator.

use std::ffi::c_void;

use candle_core::cuda_backend::cudarc;
use candle_core::{DType, Error, Result, bail};
use cudarc::driver::sys;

use super::gpu::Gpu;
use super::layers::{HALF, HEAD_DIM};
use super::program::Spot;

/// A tensor of which the accelerator moves boxes of some columns and rows, each row swizzled over its own width: up to
/// 128 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorMap {
    pub(super) spot: Spot,
    /// How many of the sizes there are.
    rank: u32,
    /// Columns, rows, heads, images.
    sizes: [usize; 4],
    /// Numbers from a row to the next, likewise of heads and images.
    strides: [usize; 3],
    /// Columns and rows.
    of_box: [usize; 2],
    /// Whether its numbers have eight bits.
    is_fp8: bool,
}

/// The driver's form of a description, which it wants at a multiple of 64 bytes.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct EncodedMap(sys::CUtensorMap);

impl TensorMap {
    /// Heads of 64 channels, (images, tokens, heads, 64), of which `box_tokens` tokens of a head are fetched at once.
    pub(super) fn heads(spot: Spot, [images, tokens, heads]: [usize; 3], stride: usize, box_tokens: usize) -> Self {
        Self {
            spot,
            rank: 4,
            sizes: [HEAD_DIM, tokens, heads, images],
            strides: [stride, HEAD_DIM, tokens * stride],
            of_box: [HEAD_DIM, box_tokens],
            is_fp8: false,
        }
    }

    /// A matrix (rows, columns).
    pub(super) fn matrix(
        spot: Spot,
        [rows, columns]: [usize; 2],
        stride: usize,
        [box_rows, box_columns]: [usize; 2],
    ) -> Self {
        Self {
            spot,
            rank: 2,
            sizes: [columns, rows, 1, 1],
            strides: [stride, rows * stride, rows * stride],
            of_box: [box_columns, box_rows],
            is_fp8: false,
        }
    }

    /// The same of numbers of eight bits.
    pub(super) fn fp8(self) -> Self {
        Self { is_fp8: true, ..self }
    }

    pub(super) fn encode(&self, gpu: &Gpu, address: u64) -> Result<EncodedMap> {
        use sys::CUtensorMapSwizzle as Swizzle;

        let dtype = match gpu.dtype() {
            // The accelerator moves bytes, whatever they mean.
            _ if self.is_fp8 => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_UINT8,
            DType::BF16 => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
            _ => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
        };
        let number_bytes = if self.is_fp8 { 1 } else { HALF };
        let swizzle = match self.of_box[0] * number_bytes {
            128 => Swizzle::CU_TENSOR_MAP_SWIZZLE_128B,
            64 => Swizzle::CU_TENSOR_MAP_SWIZZLE_64B,
            32 => Swizzle::CU_TENSOR_MAP_SWIZZLE_32B,
            bytes => bail!("a box of {bytes} bytes a row cannot be swizzled"),
        };
        let sizes = self.sizes.map(|size| size as u64);
        let strides_bytes = self.strides.map(|stride| (stride * number_bytes) as u64);
        let box_sizes = [self.of_box[0], self.of_box[1], 1, 1].map(|size| size as u32);
        let mut map = EncodedMap(sys::CUtensorMap { opaque: [0; 16] });
        // SAFETY: all arrays have at least as many entries as the rank says, the address belongs to the program.
        unsafe {
            sys::cuTensorMapEncodeTiled(
                &raw mut map.0,
                dtype,
                self.rank,
                address as *mut c_void,
                sizes.as_ptr(),
                strides_bytes.as_ptr(),
                box_sizes.as_ptr(),
                [1u32; 4].as_ptr(),
                sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                swizzle,
                sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
        }
        .result()
        .map_err(|error| Error::Msg(format!("the driver does not describe {self:?}: {error}")))?;
        Ok(map)
    }
}
