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

use super::gated::GATED_PRODUCTS;
use super::layers::HEAD_DIM;

/// The kernels for all cards; the first is what all kernels use.
const SOURCES: [&str; 6] = [
    include_str!("kernels/common.cuh"),
    include_str!("kernels/norm.cu"),
    include_str!("kernels/pointwise.cu"),
    include_str!("kernels/embedding.cu"),
    include_str!("kernels/edges.cu"),
    include_str!("kernels/attention.cu"),
];

/// What comes behind them for cards that multiply numbers of eight bits.
const FP8_SOURCE: &str = include_str!("kernels/fp8.cu");

/// Its entry points.
const FP8_NAMES: [&str; 4] = ["fp8_largest", "fp8_norm_scale", "fp8_weights", "layer_norm_fp8"];

/// Those for Hopper: what they share, then what stands for itself.
const HOPPER_SOURCES: [&str; 3] = [
    include_str!("kernels/hopper.cuh"),
    include_str!("kernels/attention_hopper.cu"),
    include_str!("kernels/gated_hopper.cu"),
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

/// The entry points of [`HOPPER_SOURCES`], with the shared memory that they may take.
fn hopper_names() -> impl Iterator<Item = (&'static str, usize)> {
    let attention = [("attention_wide_128", 128), ("attention_wide_192", 192)];
    let attention = attention.map(|(name, queries)| (name, wide_attention_bytes(queries)));
    let gated = GATED_PRODUCTS.into_iter();
    let gated = gated.flat_map(|product| [product.name, product.fp8_name].map(|name| (name, product.shared_bytes())));
    attention.into_iter().chain(gated)
}

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

/// Whether a card multiplies numbers of eight bits: from Ada on.
fn has_fp8(major: i32, minor: i32) -> bool {
    (major, minor) >= (8, 9)
}

/// What a warpgroup's product reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Factors {
    /// Both matrices from tiles in shared memory.
    Tiles,
    /// The same, of eight bits.
    Fp8Tiles,
    /// The left one, 16 columns of it, in registers.
    RegistersAndTile,
}

/// `multiply` for results of 64 rows and `columns` columns in f32: from two tiles in shared memory, added to what is
/// there or, if not `add`, instead of it. `multiply_fp8` the same.
fn warpgroup_product(columns: usize, factors: Factors) -> String {
    let count = columns / 2;
    let list = |numbers: std::ops::Range<usize>| numbers.map(|n| format!("%{n}")).collect::<Vec<_>>().join(", ");
    let sums = (0..count).map(|n| format!("\"+f\"(c[{}][{}])", n / 4, n % 4)).collect::<Vec<_>>().join(", ");
    let results = list(0..count);
    let (name, kind, transposes) = match factors {
        Factors::Fp8Tiles => ("multiply_fp8", "k32.f32.e4m3.e4m3", ""),
        _ => ("multiply", "k16.\" PRODUCT_TYPES \"", ", 0, 0"),
    };
    let instruction = format!("wgmma.mma_async.sync.aligned.m64n{columns}{kind} {{{results}}}");
    if factors == Factors::RegistersAndTile {
        let left = list(count..count + 4);
        format!(
            "__device__ __forceinline__ void {name}(float (&c)[{}][4], const u32 (&a)[4], unsigned long long b) {{\n\
             asm volatile(\"{instruction}, {{{left}}}, %{}, 1, 1, 1, 1;\" : {sums}\n\
             : \"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3]), \"l\"(b));\n}}\n",
            columns / 8,
            count + 4,
        )
    } else {
        format!(
            "__device__ __forceinline__ void {name}(float (&c)[{}][4], unsigned long long a, unsigned long long b, \
             int add) {{\nasm volatile(\"{{.reg .pred p; setp.ne.b32 p, %{}, 0; {instruction}, %{count}, %{}, p, 1, 1\
             {transposes};}}\" : {sums}\n: \"l\"(a), \"l\"(b), \"r\"(add));\n}}\n",
            columns / 8,
            count + 2,
            count + 1,
        )
    }
}

/// What is compiled for a card, in parts that know nothing of each other.
fn units(major: i32, minor: i32) -> Vec<String> {
    let mut units = vec![SOURCES.concat()];
    if has_fp8(major, minor)
        && let Some(all) = units.first_mut()
    {
        all.push_str(FP8_SOURCE);
    }
    if is_hopper(major, minor) {
        let [shared, kernels @ ..] = HOPPER_SOURCES;
        let products = [
            warpgroup_product(HEAD_DIM, Factors::RegistersAndTile),
            warpgroup_product(128, Factors::Tiles),
            warpgroup_product(256, Factors::Tiles),
            warpgroup_product(128, Factors::Fp8Tiles),
            warpgroup_product(256, Factors::Fp8Tiles),
        ];
        let before = [SOURCES[0], shared, &products.concat()].concat();
        units.extend(kernels.map(|kernel| [&before, kernel].concat()));
    }
    units
}

/// The kernels for one card and one 16-bit format.
#[derive(Debug)]
pub(super) struct Kernels {
    functions: HashMap<&'static str, CudaFunction>,
    is_hopper: bool,
    has_fp8: bool,
}

impl Kernels {
    /// Compiles and loads the kernels.
    pub(super) fn load(context: &Arc<CudaContext>, dtype: DType) -> Result<Self> {
        let (major, minor) = context.compute_capability().map_err(candle_core::Error::wrap)?;
        let (is_hopper, has_fp8) = (is_hopper(major, minor), has_fp8(major, minor));
        // Each in a thread of its own: a model's first image waits for them.
        let load = |source| {
            context.bind_to_thread().map_err(candle_core::Error::wrap)?;
            context.load_module(compile(source, dtype, major, minor)?).map_err(candle_core::Error::wrap)
        };
        let modules = std::thread::scope(|scope| {
            let units: Vec<_> =
                units(major, minor).into_iter().map(|source| scope.spawn(move || load(source))).collect();
            let finished = units.into_iter().map(|unit| match unit.join() {
                Ok(module) => module,
                Err(_) => bail!("the compiler of the CUDA kernels broke off"),
            });
            finished.collect::<Result<Vec<_>>>()
        })?;
        let find = |name: &str| match modules.iter().find_map(|module| module.load_function(name).ok()) {
            Some(function) => Ok(function),
            None => bail!("the compiled kernels lack {name}"),
        };
        let names = NAMES.into_iter().chain(FP8_NAMES.into_iter().filter(|_| has_fp8));
        let mut functions = names.map(|name| Ok((name, find(name)?))).collect::<Result<HashMap<_, _>>>()?;
        if is_hopper {
            for (name, bytes) in hopper_names() {
                let function = find(name)?;
                let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                let bytes = i32::try_from(bytes).map_err(candle_core::Error::wrap)?;
                function.set_attribute(attribute, bytes).map_err(candle_core::Error::wrap)?;
                functions.insert(name, function);
            }
        }
        Ok(Self { functions, is_hopper, has_fp8 })
    }

    /// Whether the kernels of `attention_hopper.cu` and `gated_hopper.cu` are there.
    pub(super) fn is_hopper(&self) -> bool {
        self.is_hopper
    }

    /// Whether the kernels of `fp8.cu` are there.
    pub(super) fn has_fp8(&self) -> bool {
        self.has_fp8
    }

    pub(super) fn get(&self, name: &str) -> Result<&CudaFunction> {
        match self.functions.get(name) {
            Some(function) => Ok(function),
            None => bail!("there is no kernel {name}"),
        }
    }
}

/// PTX for a compute capability.
fn compile(source: String, dtype: DType, major: i32, minor: i32) -> Result<Ptx> {
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
        flags.push("--gpu-architecture=compute_90a".to_owned());
    } else {
        flags.push(format!("--gpu-architecture=compute_{major}{minor}"));
    }
    let options =
        CompileOptions { options: flags, name: Some("pixgen_sdxl.cu".to_owned()), ..CompileOptions::default() };
    match compile_ptx_with_opts(source, options) {
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
                let units = units(major, minor).into_iter();
                let ptx: String = units.map(|unit| compile(unit, dtype, major, minor).unwrap().to_src()).collect();
                let has = |name: &str| ptx.contains(&format!(".entry {name}("));
                for name in NAMES {
                    assert!(has(name), "{name} for {major}.{minor}");
                }
                for name in FP8_NAMES {
                    assert_eq!(has(name), (major, minor) >= (8, 9), "{name} for {major}.{minor}");
                }
                for (name, _) in hopper_names() {
                    assert_eq!(has(name), (major, minor) == (9, 0), "{name} for {major}.{minor}");
                }
            }
        }
        assert!(compile(String::new(), DType::F16, 7, 5).unwrap_err().to_string().contains("7.5"));
        assert!(compile(String::new(), DType::F32, 9, 0).is_err());
    }
}
