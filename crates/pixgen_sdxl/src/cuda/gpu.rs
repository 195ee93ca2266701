//! What programs share on one card: its stream, its kernels, the libraries' handles and what was measured once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use candle_core::cuda_backend::cudarc;
use candle_core::cuda_backend::{CudaDevice, DeviceId};
use candle_core::{DType, Result, Storage, Tensor, bail};
use cudarc::driver::sys::{CUdevice_attribute, CUevent_flags};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::kernels::Kernels;
use super::product::Products;

/// A card and a 16-bit format.
#[derive(Debug)]
pub(super) struct Gpu {
    device: CudaDevice,
    stream: Arc<CudaStream>,
    kernels: Kernels,
    products: Products,
    #[cfg(feature = "cudnn")]
    convolutions: super::cudnn::Convolutions,
    multiprocessors: usize,
    dtype: DType,
    /// Which kernel is the fastest for some sizes.
    chosen_kernels: Mutex<HashMap<Vec<usize>, &'static str>>,
}

/// One [`Gpu`] per card and format: kernels are compiled and products measured once per process.
static GPUS: Mutex<Vec<(DeviceId, DType, Weak<Gpu>)>> = Mutex::new(Vec::new());

impl Gpu {
    pub(super) fn of(device: &CudaDevice, dtype: DType) -> Result<Arc<Self>> {
        let mut gpus = GPUS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = gpus.iter().find(|(id, known, _)| *id == device.id() && *known == dtype);
        if let Some(gpu) = known.and_then(|(_, _, gpu)| gpu.upgrade()) {
            return Ok(gpu);
        }
        let gpu = Arc::new(Self::new(device, dtype)?);
        gpus.retain(|(_, _, gpu)| gpu.strong_count() > 0);
        gpus.push((device.id(), dtype, Arc::downgrade(&gpu)));
        Ok(gpu)
    }

    fn new(device: &CudaDevice, dtype: DType) -> Result<Self> {
        let stream = device.cuda_stream();
        let context = stream.context();
        let multiprocessors = context
            .attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
            .map_err(candle_core::Error::wrap)?;
        Ok(Self {
            device: device.clone(),
            kernels: Kernels::load(context, dtype)?,
            products: Products::new(&stream, dtype)?,
            #[cfg(feature = "cudnn")]
            convolutions: super::cudnn::Convolutions::new(&stream, dtype)?,
            multiprocessors: usize::try_from(multiprocessors).unwrap_or(1).max(1),
            dtype,
            chosen_kernels: Mutex::default(),
            stream,
        })
    }

    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    /// The kernel that was the fastest for these sizes.
    pub(super) fn chosen_kernel(&self, sizes: &[usize]) -> Option<&'static str> {
        self.chosen_kernels.lock().unwrap_or_else(PoisonError::into_inner).get(sizes).copied()
    }

    pub(super) fn choose_kernel(&self, sizes: &[usize], kernel: &'static str) {
        self.chosen_kernels.lock().unwrap_or_else(PoisonError::into_inner).insert(sizes.to_vec(), kernel);
    }

    pub(super) fn device(&self) -> &CudaDevice {
        &self.device
    }

    pub(super) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    pub(super) fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    pub(super) fn products(&self) -> &Products {
        &self.products
    }

    #[cfg(feature = "cudnn")]
    pub(super) fn convolutions(&self) -> &super::cudnn::Convolutions {
        &self.convolutions
    }

    pub(super) fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    /// Memory that holds whatever was there before.
    pub(super) fn allocate(&self, bytes: usize) -> Result<CudaSlice<u8>> {
        // SAFETY: every byte that a program reads was written by an operation of the program before.
        unsafe { self.stream.alloc::<u8>(bytes.max(1)) }.map_err(|error| {
            candle_core::Error::Msg(format!(
                "the graphics card has no {} MB left ({error}): draw smaller or fewer images at once, or close other \
                 programs that use it",
                bytes.div_ceil(1_000_000)
            ))
        })
    }

    /// Milliseconds that `work` takes on the card, the shortest of a few runs after one that does not count.
    pub(super) fn measure(&self, mut work: impl FnMut() -> Result<()>) -> Result<f32> {
        const RUNS: usize = 3;
        let event =
            || self.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).map_err(candle_core::Error::wrap);
        work()?;
        let mut shortest = f32::INFINITY;
        for _ in 0..RUNS {
            let begin = event()?;
            work()?;
            let end = event()?;
            end.synchronize().map_err(candle_core::Error::wrap)?;
            shortest = shortest.min(begin.elapsed_ms(&end).map_err(candle_core::Error::wrap)?);
        }
        Ok(shortest)
    }

    /// The address of a tensor's first number.
    pub(super) fn address(&self, tensor: &Tensor) -> Result<u64> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { bail!("a tensor is not on the graphics card") };
        let first = layout.start_offset() * tensor.dtype().size_in_bytes();
        let base = match tensor.dtype() {
            DType::F16 => storage.as_cuda_slice::<half::f16>()?.device_ptr(&self.stream).0,
            DType::BF16 => storage.as_cuda_slice::<half::bf16>()?.device_ptr(&self.stream).0,
            DType::F32 => storage.as_cuda_slice::<f32>()?.device_ptr(&self.stream).0,
            dtype => bail!("a tensor on the graphics card is {dtype:?}, expected f16, bf16 or f32"),
        };
        Ok(base + first as u64)
    }
}

// SAFETY: the handles in here are used by one program at a time (programs are behind a mutex in their owner), and
// cuBLASLt and cuDNN handles may move between threads.
unsafe impl Send for Gpu {}
unsafe impl Sync for Gpu {}
