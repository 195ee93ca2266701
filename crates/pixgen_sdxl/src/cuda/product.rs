//! Matrix products through cuBLASLt, with bias and residual in the same pass; the fastest algorithm is measured once
//! per shape.

use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::{MaybeUninit, size_of};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc;
use candle_core::{DType, Error, Result};
use cudarc::cublaslt::{result, sys};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::gpu::Gpu;
use super::program::Spot;

/// What NVIDIA recommends for Hopper; enough for split products elsewhere.
const WORKSPACE_BYTES: usize = 32 << 20;
/// Algorithms that are tried for each shape.
const CANDIDATES: usize = 16;

/// `y = x · wᵀ + bias + residual`, rows from the top. Strides are in numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// (rows, inputs)
    pub(super) x: Spot,
    pub(super) x_stride: usize,
    /// (outputs, inputs), or (inputs, outputs) if `by_input`.
    pub(super) weight: Spot,
    pub(super) weight_stride: usize,
    pub(super) by_input: bool,
    /// (outputs); an address that never changes.
    pub(super) bias: Option<u64>,
    /// (rows, outputs) with the stride of `y`; may be `y`.
    pub(super) residual: Option<Spot>,
    /// (rows, outputs)
    pub(super) y: Spot,
    pub(super) y_stride: usize,
    /// Whether `y` is f32.
    pub(super) in_f32: bool,
    /// Whether `x` and `weight` have eight bits (e4m3): the addresses of what weights and inputs were divided by, in f32.
    pub(super) fp8: Option<[u64; 2]>,
}

/// What an algorithm is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    sizes: [usize; 6],
    flags: [bool; 5],
}

impl Product {
    fn key(&self) -> Key {
        Key {
            sizes: [self.rows, self.inputs, self.outputs, self.x_stride, self.weight_stride, self.y_stride],
            flags: [self.by_input, self.bias.is_some(), self.residual.is_some(), self.in_f32, self.fp8.is_some()],
        }
    }
}

/// cuBLASLt's handle, its scratch memory and the algorithms that were chosen.
#[derive(Debug)]
pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    workspace: CudaSlice<u8>,
    chosen: Mutex<HashMap<Key, Algorithm>>,
    dtype: sys::cudaDataType,
}

#[derive(Clone, Copy)]
struct Algorithm(sys::cublasLtMatmulAlgo_t);

impl std::fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Algorithm")
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        // SAFETY: the handle was made by `new` and nobody else destroys it. An error at the end helps nobody.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

impl Products {
    pub(super) fn new(stream: &Arc<CudaStream>, dtype: DType) -> Result<Self> {
        let dtype = match dtype {
            DType::BF16 => sys::cudaDataType::CUDA_R_16BF,
            _ => sys::cudaDataType::CUDA_R_16F,
        };
        // SAFETY: scratch memory, written by cuBLASLt before it is read.
        let workspace = unsafe { stream.alloc::<u8>(WORKSPACE_BYTES) }.map_err(Error::wrap)?;
        Ok(Self { handle: result::create_handle().map_err(Error::wrap)?, workspace, chosen: Mutex::default(), dtype })
    }
}

/// A product, ready to run: descriptors made and the algorithm chosen.
pub(super) struct PreparedProduct {
    operation: Operation,
    x: Layout,
    weight: Layout,
    y: Layout,
    addresses: [u64; 4],
    beta: f32,
    sizes: [usize; 3],
    is_fp8: bool,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

impl PreparedProduct {
    /// Makes the descriptors; measures the algorithms if the shape is new. The memory at the product's places is
    /// overwritten then.
    pub(super) fn new(gpu: &Gpu, product: &Product, address: impl Fn(Spot) -> u64) -> Result<Self> {
        let products = gpu.products();
        let out_type = if product.in_f32 { sys::cudaDataType::CUDA_R_32F } else { products.dtype };
        let in_type = if product.fp8.is_some() { sys::cudaDataType::CUDA_R_8F_E4M3 } else { products.dtype };
        let operation = Operation::new(product)?;
        // cuBLASLt counts by columns: its matrices are the transposed ones.
        let weight = if product.by_input {
            Layout::new(in_type, product.outputs, product.inputs, product.weight_stride)?
        } else {
            Layout::new(in_type, product.inputs, product.outputs, product.weight_stride)?
        };
        let x = Layout::new(in_type, product.inputs, product.rows, product.x_stride)?;
        let y = Layout::new(out_type, product.outputs, product.rows, product.y_stride)?;
        let to = address(product.y);
        let mut prepared = Self {
            addresses: [address(product.weight), address(product.x), product.residual.map_or(to, &address), to],
            sizes: [product.rows, product.inputs, product.outputs],
            is_fp8: product.fp8.is_some(),
            beta: if product.residual.is_some() { 1.0 } else { 0.0 },
            algorithm: sys::cublasLtMatmulAlgo_t { data: [0; 8] },
            operation,
            x,
            weight,
            y,
        };
        let key = product.key();
        let known = products.chosen.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        prepared.algorithm = match known {
            Some(Algorithm(algorithm)) => algorithm,
            None => {
                let fastest = prepared.fastest(gpu, product)?;
                products.chosen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Algorithm(fastest));
                fastest
            }
        };
        Ok(prepared)
    }

    /// What a profile calls it.
    pub(super) fn describe(&self) -> String {
        let [rows, inputs, outputs] = self.sizes;
        let fp8 = if self.is_fp8 { " fp8" } else { "" };
        format!("product {rows}×{inputs}×{outputs}{fp8}")
    }

    fn fastest(&mut self, gpu: &Gpu, product: &Product) -> Result<sys::cublasLtMatmulAlgo_t> {
        let candidates = self.candidates(gpu.products())?;
        let mut fastest: Option<(f32, sys::cublasLtMatmulAlgo_t)> = None;
        for candidate in candidates {
            self.algorithm = candidate;
            // What the heuristic offers may still be refused for these addresses.
            let Ok(time_ms) = gpu.measure(|| self.run(gpu)) else { continue };
            if fastest.is_none_or(|(best, _)| time_ms < best) {
                fastest = Some((time_ms, candidate));
            }
        }
        match fastest {
            Some((time_ms, algorithm)) => {
                tracing::debug!(?product, time_ms, "chose an algorithm");
                Ok(algorithm)
            }
            None => candle_core::bail!("cuBLASLt has no algorithm for {product:?}"),
        }
    }

    fn candidates(&self, products: &Products) -> Result<Vec<sys::cublasLtMatmulAlgo_t>> {
        let preference = Preference::new()?;
        let mut found = [const { MaybeUninit::<sys::cublasLtMatmulHeuristicResult_t>::uninit() }; CANDIDATES];
        let mut count = 0;
        // SAFETY: all descriptors are alive, and there is room for as many results as are asked for.
        unsafe {
            sys::cublasLtMatmulAlgoGetHeuristic(
                products.handle,
                self.operation.0,
                self.weight.0,
                self.x.0,
                self.y.0,
                self.y.0,
                preference.0,
                CANDIDATES as i32,
                found.as_mut_ptr().cast(),
                &mut count,
            )
            .result()
            .map_err(Error::wrap)?;
        }
        Ok(found
            .iter()
            .take(usize::try_from(count).unwrap_or(0))
            // SAFETY: the library has written `count` results.
            .map(|result| unsafe { result.assume_init().algo })
            .collect())
    }

    pub(super) fn run(&self, gpu: &Gpu) -> Result<()> {
        let products = gpu.products();
        let stream = gpu.stream();
        let alpha = 1.0f32;
        let [weight, x, residual, y] = self.addresses;
        // SAFETY: descriptors and addresses describe memory that the program owns.
        unsafe {
            result::matmul(
                products.handle,
                self.operation.0,
                (&raw const alpha).cast(),
                (&raw const self.beta).cast(),
                weight as *const c_void,
                self.weight.0,
                x as *const c_void,
                self.x.0,
                residual as *const c_void,
                self.y.0,
                y as *mut c_void,
                self.y.0,
                &raw const self.algorithm,
                products.workspace.device_ptr(stream).0 as *mut c_void,
                WORKSPACE_BYTES,
                stream.cu_stream().cast(),
            )
            .map_err(Error::wrap)
        }
    }
}

struct Operation(sys::cublasLtMatmulDesc_t);

impl Operation {
    fn new(product: &Product) -> Result<Self> {
        use sys::cublasLtMatmulDescAttributes_t as Attribute;

        let compute = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let made = result::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F).map_err(Error::wrap)?;
        let operation = Self(made);
        let transposes = i32::from(!product.by_input);
        operation.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &transposes)?;
        if let Some(bias) = product.bias {
            operation
                .set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS)?;
            operation.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias)?;
        }
        if let Some([weight, x]) = product.fp8 {
            operation.set(Attribute::CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &weight)?;
            operation.set(Attribute::CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, &x)?;
        }
        Ok(operation)
    }

    fn set<T>(&self, attribute: sys::cublasLtMatmulDescAttributes_t, value: &T) -> Result<()> {
        // SAFETY: the descriptor is alive, and the value is read at once.
        unsafe {
            result::set_matmul_desc_attribute(self.0, attribute, std::ptr::from_ref(value).cast(), size_of::<T>())
                .map_err(Error::wrap)
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed here only.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

struct Layout(sys::cublasLtMatrixLayout_t);

impl Layout {
    fn new(dtype: sys::cudaDataType, rows: usize, columns: usize, stride: usize) -> Result<Self> {
        result::create_matrix_layout(dtype, rows as u64, columns as u64, stride as i64).map(Self).map_err(Error::wrap)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed here only.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

struct Preference(sys::cublasLtMatmulPreference_t);

impl Preference {
    fn new() -> Result<Self> {
        let preference = Self(result::create_matmul_pref().map_err(Error::wrap)?);
        let attribute = sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        let bytes = WORKSPACE_BYTES;
        // SAFETY: the preference is alive, and the value is read at once.
        unsafe {
            result::set_matmul_pref_attribute(preference.0, attribute, (&raw const bytes).cast(), size_of::<usize>())
                .map_err(Error::wrap)?;
        }
        Ok(preference)
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed here only.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}
