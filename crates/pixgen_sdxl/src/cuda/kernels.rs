//! The kernels of this module, compiled for the card that is there.
//!
//! They are CUDA C++ without headers, compiled by NVRTC when a model is first used on a card: whatever its compute
//! capability from 8.0 on, without a compiler on the machine that the program was built on.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc;
use candle_core::{DType, Result, bail};
use cudarc::driver::sys::CUfunction_attribute;
use cudarc::driver::{CudaContext, CudaFunction};
use cudarc::nvrtc::{CompileOptions, Ptx, compile_ptx_with_opts};

/// All kernels, in the order in which they build on each other.
const SOURCES: [&str; 7] = [
    include_str!("kernels/common.cuh"),
    include_str!("kernels/norm.cu"),
    include_str!("kernels/pointwise.cu"),
    include_str!("kernels/embedding.cu"),
    include_str!("kernels/edges.cu"),
    include_str!("kernels/attention.cu"),
    include_str!("kernels/attention_hopper.cu"),
];

/// The entry points of [`SOURCES`].
const NAMES: [&str; 15] = [
    "add_bias",
    "add_bias_and_residual",
    "attention_128",
    "attention_64",
    "columns",
    "convolve_in",
    "convolve_out",
    "enlarge",
    "geglu",
    "group_norm",
    "group_norm_moments",
    "layer_norm",
    "products",
    "sinusoid",
    "softmax_rows",
];

/// Those of `attention_hopper.cu`, with the shared memory that they may take.
const HOPPER: [(&str, usize); 2] =
    [("attention_wide_128", wide_attention_bytes(128)), ("attention_wide_192", wide_attention_bytes(192))];

/// Keys of a tile of `attention_hopper.cu`.
pub(super) const WIDE_KEYS: usize = 128;

/// Shared memory of a block of `queries`: these, and three tiles of keys and of values, of 64 halves each.
pub(super) const fn wide_attention_bytes(queries: usize) -> usize {
    (queries + 2 * 3 * WIDE_KEYS) * 64 * 2
}

/// Whether a card has warpgroup products: they are part of no other compute capability, not even of later ones.
fn is_hopper(major: i32, minor: i32) -> bool {
    (major, minor) == (9, 0)
}

/// The kernels for one card and one 16-bit format.
#[derive(Debug)]
pub(super) struct Kernels {
    functions: HashMap<&'static str, CudaFunction>,
    is_hopper: bool,
}

impl Kernels {
    /// Compiles and loads the kernels.
    pub(super) fn load(context: &Arc<CudaContext>, dtype: DType) -> Result<Self> {
        let (major, minor) = context.compute_capability().map_err(candle_core::Error::wrap)?;
        let module = context.load_module(compile(dtype, major, minor)?).map_err(candle_core::Error::wrap)?;
        let load = |name| module.load_function(name).map_err(candle_core::Error::wrap);
        let mut functions = NAMES.into_iter().map(|name| Ok((name, load(name)?))).collect::<Result<HashMap<_, _>>>()?;
        let is_hopper = is_hopper(major, minor);
        if is_hopper {
            for (name, bytes) in HOPPER {
                let function = load(name)?;
                let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                let bytes = i32::try_from(bytes).map_err(candle_core::Error::wrap)?;
                function.set_attribute(attribute, bytes).map_err(candle_core::Error::wrap)?;
                functions.insert(name, function);
            }
        }
        Ok(Self { functions, is_hopper })
    }

    /// Whether the kernels of `attention_hopper.cu` are there.
    pub(super) fn is_hopper(&self) -> bool {
        self.is_hopper
    }

    pub(super) fn get(&self, name: &str) -> Result<&CudaFunction> {
        match self.functions.get(name) {
            Some(function) => Ok(function),
            None => bail!("there is no kernel {name}"),
        }
    }
}

/// PTX for a compute capability.
fn compile(dtype: DType, major: i32, minor: i32) -> Result<Ptx> {
    if major < 8 {
        bail!("the graphics card has compute capability {major}.{minor}, the kernels need 8.0 (Ampere) or newer");
    }
    let is_bf16 = match dtype {
        DType::F16 => 0,
        DType::BF16 => 1,
        _ => bail!("the kernels compute in f16 and bf16, not in {dtype:?}"),
    };
    let mut flags = vec![format!("-DHALF_IS_BF16={is_bf16}"), "--std=c++17".to_owned()];
    if is_hopper(major, minor) {
        flags.extend(["--gpu-architecture=compute_90a".to_owned(), "-DHOPPER".to_owned()]);
    } else {
        flags.push(format!("--gpu-architecture=compute_{major}{minor}"));
    }
    let options =
        CompileOptions { options: flags, name: Some("pixgen_sdxl.cu".to_owned()), ..CompileOptions::default() };
    match compile_ptx_with_opts(SOURCES.concat(), options) {
        Ok(ptx) => Ok(ptx),
        Err(cudarc::nvrtc::CompileError::CompileError { log, .. }) => {
            bail!("the CUDA kernels do not compile for compute capability {major}.{minor}: {}", log.to_string_lossy())
        }
        Err(error) => bail!("NVRTC of the CUDA toolkit cannot be used: {error}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// NVRTC needs no card, so this runs wherever the CUDA toolkit is.
    #[test]
    fn the_kernels_compile_for_all_cards_and_formats() {
        for (major, minor) in [(8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0), (12, 1)] {
            for dtype in [DType::F16, DType::BF16] {
                let ptx = compile(dtype, major, minor).unwrap().to_src();
                let has = |name: &str| ptx.contains(&format!(".entry {name}("));
                for name in NAMES {
                    assert!(has(name), "{name} for {major}.{minor}");
                }
                for (name, _) in HOPPER {
                    assert_eq!(has(name), (major, minor) == (9, 0), "{name} for {major}.{minor}");
                }
            }
        }
        assert!(compile(DType::F16, 7, 5).unwrap_err().to_string().contains("7.5"));
        assert!(compile(DType::F32, 9, 0).is_err());
    }
}
