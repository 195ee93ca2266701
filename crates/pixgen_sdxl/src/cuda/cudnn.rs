//! 3×3 convolutions of channels-last images through cuDNN's graph interface: f32 accumulation, the fastest engine
//! measured once per shape.
//!
//! The older interface, which candle uses, accumulates f16 in f16 and offers no Hopper kernels.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc;
use candle_core::{DType, Error, Result, bail};
use cudarc::cudnn::{result, sys};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use sys::cudnnBackendAttributeName_t as Name;
use sys::cudnnBackendAttributeType_t as Type;
use sys::cudnnBackendDescriptorType_t as Kind;

use super::gpu::Gpu;
use super::program::Spot;

/// Engines that are tried for each shape.
const CANDIDATES: usize = 10;
/// Engines that need more are left out.
const MAX_WORKSPACE_BYTES: usize = 256 << 20;
/// Numbers by which an execution plan knows its tensors.
const UIDS: [i64; 3] = [1, 2, 3];

/// The sizes of a convolution. The input has its border already if `pad` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) images: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) stride: usize,
    pub(super) pad: usize,
}

/// A convolution without bias.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolution {
    pub(super) shape: Shape,
    pub(super) x: Spot,
    /// (outputs, 3, 3, inputs)
    pub(super) weight: u64,
    pub(super) y: Spot,
}

/// cuDNN's handle and the execution plans that were chosen.
#[derive(Debug)]
pub(super) struct Convolutions {
    handle: sys::cudnnHandle_t,
    dtype: sys::cudnnDataType_t,
    plans: Mutex<HashMap<Shape, Arc<ExecutionPlan>>>,
    /// Scratch memory for all plans: they run one after another.
    workspace: CudaSlice<u8>,
}

impl Drop for Convolutions {
    fn drop(&mut self) {
        self.plans.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        // SAFETY: the handle was made by `new` and nobody else destroys it. An error at the end helps nobody.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

impl Convolutions {
    pub(super) fn new(stream: &Arc<CudaStream>, dtype: DType) -> Result<Self> {
        let handle = result::create_handle().map_err(wrap)?;
        // SAFETY: handle and stream are alive; both belong to the same context.
        unsafe { result::set_stream(handle, stream.cu_stream().cast()) }.map_err(wrap)?;
        let dtype = match dtype {
            DType::BF16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
            _ => sys::cudnnDataType_t::CUDNN_DATA_HALF,
        };
        // SAFETY: scratch memory, written by cuDNN before it is read.
        let workspace = unsafe { stream.alloc::<u8>(MAX_WORKSPACE_BYTES) }.map_err(Error::wrap)?;
        Ok(Self { handle, dtype, plans: Mutex::default(), workspace })
    }
}

fn wrap(error: result::CudnnError) -> Error {
    Error::Msg(format!("cuDNN refused a call: {error:?}"))
}

/// A descriptor of cuDNN's graph interface.
#[derive(Debug)]
struct Descriptor(sys::cudnnBackendDescriptor_t);

// SAFETY: descriptors are used behind the lock of their program only.
unsafe impl Send for Descriptor {}
unsafe impl Sync for Descriptor {}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed here only.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

impl Descriptor {
    fn new(kind: Kind) -> Result<Self> {
        let mut descriptor = std::ptr::null_mut();
        // SAFETY: the library writes the new descriptor.
        unsafe { sys::cudnnBackendCreateDescriptor(kind, &raw mut descriptor) }.result().map_err(wrap)?;
        Ok(Self(descriptor))
    }

    fn set<T>(&self, name: Name, kind: Type, values: &[T]) -> Result<&Self> {
        // SAFETY: the values are read at once, as many as there are.
        unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, values.len() as i64, values.as_ptr().cast()) }
            .result()
            .map_err(|error| Error::Msg(format!("cuDNN refused {name:?}: {error:?}")))?;
        Ok(self)
    }

    fn link(&self, name: Name, others: &[&Self]) -> Result<&Self> {
        let others: Vec<_> = others.iter().map(|other| other.0).collect();
        self.set(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &others)
    }

    fn finalize(self) -> Result<Self> {
        // SAFETY: the descriptor is alive.
        unsafe { sys::cudnnBackendFinalize(self.0) }.result().map_err(wrap)?;
        Ok(self)
    }

    fn tensor(uid: i64, dtype: sys::cudnnDataType_t, dims: [usize; 4]) -> Result<Self> {
        let [n, c, h, w] = dims.map(|size| size as i64);
        let descriptor = Self::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?;
        descriptor
            .set(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, Type::CUDNN_TYPE_INT64, &[uid])?
            .set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &[dtype])?
            .set(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, Type::CUDNN_TYPE_INT64, &[n, c, h, w])?
            // Channels last.
            .set(Name::CUDNN_ATTR_TENSOR_STRIDES, Type::CUDNN_TYPE_INT64, &[c * h * w, 1, c * w, c])?
            .set(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, Type::CUDNN_TYPE_INT64, &[16i64])?;
        descriptor.finalize()
    }
}

/// An engine with its settings, compiled for one shape.
#[derive(Debug)]
struct ExecutionPlan {
    plan: Descriptor,
    workspace_bytes: usize,
}

impl ExecutionPlan {
    /// The plans that cuDNN's heuristics offer for a shape, the most promising first.
    fn candidates(convolutions: &Convolutions, shape: &Shape) -> Result<Vec<Self>> {
        let graph = operation_graph(convolutions, shape)?;
        let mut plans = Vec::new();
        for mode in
            [sys::cudnnBackendHeurMode_t::CUDNN_HEUR_MODE_A, sys::cudnnBackendHeurMode_t::CUDNN_HEUR_MODE_FALLBACK]
        {
            let heuristics = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?;
            heuristics.link(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &[&graph])?.set(
                Name::CUDNN_ATTR_ENGINEHEUR_MODE,
                Type::CUDNN_TYPE_HEUR_MODE,
                &[mode],
            )?;
            let Ok(heuristics) = heuristics.finalize() else { continue };
            for settings in engine_settings(&heuristics)? {
                if plans.len() == CANDIDATES {
                    return Ok(plans);
                }
                // Not every engine that is offered can be built.
                if let Ok(plan) = Self::build(convolutions, &settings) {
                    plans.push(plan);
                }
            }
            if !plans.is_empty() {
                break;
            }
        }
        Ok(plans)
    }

    fn build(convolutions: &Convolutions, settings: &Descriptor) -> Result<Self> {
        let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?;
        plan.set(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, Type::CUDNN_TYPE_HANDLE, &[convolutions.handle])?
            .link(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &[settings])?;
        let plan = plan.finalize()?;
        let mut bytes = 0i64;
        let mut count = 0i64;
        // SAFETY: one number is asked for, and there is room for one.
        unsafe {
            sys::cudnnBackendGetAttribute(
                plan.0,
                Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                Type::CUDNN_TYPE_INT64,
                1,
                &raw mut count,
                (&raw mut bytes).cast(),
            )
        }
        .result()
        .map_err(wrap)?;
        let workspace_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if workspace_bytes > MAX_WORKSPACE_BYTES {
            bail!("an engine needs {workspace_bytes} bytes");
        }
        Ok(Self { plan, workspace_bytes })
    }
}

fn operation_graph(convolutions: &Convolutions, shape: &Shape) -> Result<Descriptor> {
    let Shape { images, height, width, inputs, outputs, stride, pad } = *shape;
    let dtype = convolutions.dtype;
    let out = |size: usize| (size + 2 * pad - 3) / stride + 1;
    let x = Descriptor::tensor(UIDS[0], dtype, [images, inputs, height, width])?;
    let weight = Descriptor::tensor(UIDS[1], dtype, [outputs, inputs, 3, 3])?;
    let y = Descriptor::tensor(UIDS[2], dtype, [images, outputs, out(height), out(width)])?;
    let convolution = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?;
    let pair = |size: usize| [size as i64; 2];
    convolution
        .set(
            Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE,
            Type::CUDNN_TYPE_DATA_TYPE,
            &[sys::cudnnDataType_t::CUDNN_DATA_FLOAT],
        )?
        .set(
            Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE,
            Type::CUDNN_TYPE_CONVOLUTION_MODE,
            &[sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION],
        )?
        .set(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, Type::CUDNN_TYPE_INT64, &[2i64])?
        .set(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, Type::CUDNN_TYPE_INT64, &pair(pad))?
        .set(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, Type::CUDNN_TYPE_INT64, &pair(pad))?
        .set(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, Type::CUDNN_TYPE_INT64, &pair(1))?
        .set(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, Type::CUDNN_TYPE_INT64, &pair(stride))?;
    let convolution = convolution.finalize()?;
    let operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)?;
    operation
        .link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, &[&x])?
        .link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, &[&weight])?
        .link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, &[&y])?
        .link(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, &[&convolution])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, Type::CUDNN_TYPE_FLOAT, &[1.0f32])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, Type::CUDNN_TYPE_FLOAT, &[0.0f32])?;
    let operation = operation.finalize()?;
    let graph = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?;
    graph
        .set(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, Type::CUDNN_TYPE_HANDLE, &[convolutions.handle])?
        .link(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, &[&operation])?;
    graph.finalize()
}

/// The engines that finished heuristics name.
fn engine_settings(heuristics: &Descriptor) -> Result<Vec<Descriptor>> {
    let settings: Vec<_> = (0..2 * CANDIDATES)
        .map(|_| Descriptor::new(Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR))
        .collect::<Result<_>>()?;
    let mut raw: Vec<_> = settings.iter().map(|descriptor| descriptor.0).collect();
    let mut count = 0i64;
    // SAFETY: the library fills in as many descriptors as there are, and tells how many.
    unsafe {
        sys::cudnnBackendGetAttribute(
            heuristics.0,
            Name::CUDNN_ATTR_ENGINEHEUR_RESULTS,
            Type::CUDNN_TYPE_BACKEND_DESCRIPTOR,
            raw.len() as i64,
            &raw mut count,
            raw.as_mut_ptr().cast(),
        )
    }
    .result()
    .map_err(wrap)?;
    Ok(settings.into_iter().take(usize::try_from(count).unwrap_or(0)).collect())
}

/// A convolution, ready to run.
pub(super) struct PreparedConvolution {
    plan: Arc<ExecutionPlan>,
    arguments: Descriptor,
    shape: Shape,
}

impl PreparedConvolution {
    /// Binds the addresses; measures the engines if the shape is new. The output is overwritten then.
    pub(super) fn new(gpu: &Gpu, convolution: &Convolution, address: impl Fn(Spot) -> u64) -> Result<Self> {
        let Convolution { shape, x, weight, y } = *convolution;
        let convolutions = gpu.convolutions();
        let addresses = [address(x), weight, address(y)];
        let bind = |plan: Arc<ExecutionPlan>| -> Result<Self> {
            Ok(Self { arguments: arguments(gpu, &plan, addresses)?, plan, shape })
        };
        let known = convolutions.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&shape).cloned();
        if let Some(plan) = known {
            return bind(plan);
        }
        let mut fastest: Option<(f32, Self)> = None;
        for plan in ExecutionPlan::candidates(convolutions, &shape)? {
            let prepared = bind(Arc::new(plan))?;
            let Ok(time_ms) = gpu.measure(|| prepared.run(gpu)) else { continue };
            if fastest.as_ref().is_none_or(|(best, _)| time_ms < *best) {
                fastest = Some((time_ms, prepared));
            }
        }
        let Some((time_ms, prepared)) = fastest else { bail!("cuDNN has no engine for {shape:?}") };
        tracing::debug!(?shape, time_ms, "chose an engine");
        let plan = Arc::clone(&prepared.plan);
        convolutions.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(shape, plan);
        Ok(prepared)
    }

    pub(super) fn run(&self, gpu: &Gpu) -> Result<()> {
        // SAFETY: plan and arguments are alive, and the addresses are the program's.
        unsafe { sys::cudnnBackendExecute(gpu.convolutions().handle, self.plan.plan.0, self.arguments.0) }
            .result()
            .map_err(wrap)
    }

    /// What a profile calls it.
    pub(super) fn describe(&self) -> String {
        let Shape { height, width, inputs, outputs, stride, .. } = self.shape;
        format!("convolution {height}×{width} {inputs}→{outputs} /{stride}")
    }
}

fn arguments(gpu: &Gpu, plan: &ExecutionPlan, addresses: [u64; 3]) -> Result<Descriptor> {
    let workspace = match plan.workspace_bytes {
        0 => 0,
        _ => gpu.convolutions().workspace.device_ptr(gpu.stream()).0,
    };
    let pointer = |address: u64| address as *mut c_void;
    let arguments = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?;
    arguments
        .set(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, Type::CUDNN_TYPE_INT64, &UIDS)?
        .set(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, Type::CUDNN_TYPE_VOID_PTR, &addresses.map(pointer))?
        .set(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, Type::CUDNN_TYPE_VOID_PTR, &[pointer(workspace)])?;
    arguments.finalize()
}
