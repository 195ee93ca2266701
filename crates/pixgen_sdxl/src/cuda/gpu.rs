//! What programs share on one card: its stream, its kernels, the libraries' handles and what was measured once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc;
use candle_core::cuda_backend::{CudaDevice, DeviceId};
use candle_core::{DType, Result, Storage, Tensor, bail};
use cudarc::driver::sys::{CUdevice_attribute, CUevent_flags};
use cudarc::driver::{CudaEvent, CudaSlice, CudaStream, DevicePtr};

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
    /// The end of the work that was enqueued last: handles and scratch memory belong to one program at a time.
    last_work: Mutex<Option<CudaEvent>>,
    /// Which kernel is the fastest for some sizes.
    chosen_kernels: Mutex<HashMap<Vec<usize>, &'static str>>,
}

/// How many of them stay.
const REMEMBERED: usize = 8;

/// One [`Gpu`] per device and format, kept when no model uses it any more: kernels are compiled and algorithms measured once,
/// and a model that is loaded again draws the same to the bit.
///
/// A program opens each card once; one that does so again and again does not fill its memory.
static GPUS: Mutex<Vec<(DeviceId, DType, Arc<Gpu>)>> = Mutex::new(Vec::new());

impl Gpu {
    pub(super) fn of(device: &CudaDevice, dtype: DType) -> Result<Arc<Self>> {
        let mut gpus = GPUS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, gpu)) = gpus.iter().find(|(id, known, _)| *id == device.id() && *known == dtype) {
            return Ok(Arc::clone(gpu));
        }
        let gpu = Arc::new(Self::new(device, dtype)?);
        if gpus.len() == REMEMBERED {
            gpus.remove(0);
        }
        gpus.push((device.id(), dtype, Arc::clone(&gpu)));
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
            last_work: Mutex::default(),
            chosen_kernels: Mutex::default(),
            stream,
        })
    }

    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Enqueues work of one program, behind all that was enqueued before: candle's streams are one per thread, and a
    /// cancelled run may still be at work on another thread's.
    pub(super) fn in_turn<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut last_work = self.last_work.lock().unwrap_or_else(PoisonError::into_inner);
        self.stream.context().bind_to_thread().map_err(candle_core::Error::wrap)?;
        if let Some(event) = &*last_work {
            self.stream.wait(event).map_err(candle_core::Error::wrap)?;
        }
        let done = work();
        // Whatever became of it: what was enqueued runs.
        *last_work = Some(self.stream.record_event(None).map_err(candle_core::Error::wrap)?);
        done
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

    /// Milliseconds that `work` takes on the card, the shortest of a few runs after one that does not count. Short work
    /// is run several times in a row, as in a network: what can overlap does.
    pub(super) fn measure(&self, mut work: impl FnMut() -> Result<()>) -> Result<f32> {
        const RUNS: usize = 3;
        /// Work of less than so many milliseconds, and how often it is run then.
        const SHORT: (f32, usize) = (0.1, 6);
        let event =
            || self.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).map_err(candle_core::Error::wrap);
        let mut timed = |times: usize| -> Result<f32> {
            let begin = event()?;
            for _ in 0..times {
                work()?;
            }
            let end = event()?;
            end.synchronize().map_err(candle_core::Error::wrap)?;
            Ok(begin.elapsed_ms(&end).map_err(candle_core::Error::wrap)? / times as f32)
        };
        timed(1)?;
        let mut shortest = timed(1)?;
        let times = if shortest < SHORT.0 { SHORT.1 } else { 1 };
        for _ in 1..RUNS {
            shortest = shortest.min(timed(times)?);
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

// SAFETY: the handles in here are used by one thread at a time, in `in_turn`, and cuBLASLt and cuDNN handles may move
// between threads.
unsafe impl Send for Gpu {}
unsafe impl Sync for Gpu {}
