//! Weights that leave the card for main memory and come back.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc;
use candle_core::cuda_backend::{CudaDevice, CudaStorage, CudaStorageSlice};
use candle_core::{CpuStorage, DType, Device, Error, InplaceOp1, Layout, Result, bail};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, PinnedHostSlice, result};

use crate::params::Params;

/// The place of a component on the card, which it can leave: layers keep their tensors, whose memory goes and comes.
///
/// The copy in main memory is page-locked, so that the card fetches it at the full speed of the bus, and stays there:
/// leaving a second time costs nothing. Nobody may compute with the weights while they are away.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    copy: Option<PinnedHostSlice<u8>>,
    /// Whether the copy is what the card has, or had.
    is_current: bool,
    is_away: bool,
}

impl Seat {
    pub(crate) fn is_away(&self) -> bool {
        self.is_away
    }

    /// The weights on the card are about to change.
    pub(crate) fn will_change(&mut self) {
        self.is_current = false;
    }

    /// Frees the memory of a component on the card.
    ///
    /// # Errors
    /// When main memory is used up; the weights are on the card then, as they were.
    pub(crate) fn leave(&mut self, params: &[&Params], device: &CudaDevice) -> Result<()> {
        if self.is_away {
            return Ok(());
        }
        let bytes = params.iter().map(|params| params.bytes()).sum();
        if self.copy.is_none() {
            let context = device.cuda_stream().context().clone();
            // SAFETY: the copies below write all of it before anything is read.
            self.copy = Some(unsafe { context.alloc_pinned::<u8>(bytes) }.map_err(|error| {
                Error::Msg(format!("main memory has no {} MB left for weights ({error})", bytes.div_ceil(1_000_000)))
            })?);
        }
        let Some(copy) = &mut self.copy else { bail!("there is no copy in main memory") };
        let mut at = 0;
        let begin = copy.as_mut_ptr().map_err(Error::wrap)?;
        for storage in params.iter().flat_map(|params| params.storages()) {
            let size = storage.elem_count() * storage.dtype().size_in_bytes();
            if at + size > bytes {
                bail!("the weights have grown since they were counted");
            }
            if !self.is_current {
                // SAFETY: inside the copy, as was just checked; nobody else uses it.
                storage.inplace_op1(&CopyOut { to: unsafe { begin.add(at) }, bytes: size })?;
            }
            at += size;
        }
        // Not before everything has arrived, nor while another thread's work reads the weights.
        device.cuda_stream().context().synchronize().map_err(Error::wrap)?;
        self.is_current = true;
        for storage in params.iter().flat_map(|params| params.storages()) {
            match storage.inplace_op1(&Free) {
                Ok(()) => self.is_away = true,
                Err(error) if !self.is_away => return Err(error),
                // It stays, and is replaced when the others come back.
                Err(_) => {}
            }
        }
        device.cuda_stream().synchronize().map_err(Error::wrap)
    }

    /// Brings a component back.
    ///
    /// # Errors
    /// When the card has no room; the weights are away then, and this may be tried again.
    pub(crate) fn come(&mut self, params: &[&Params], device: &CudaDevice) -> Result<()> {
        if !self.is_away {
            return Ok(());
        }
        let came = self.fill(params);
        // Work may go on in another thread, whose stream does not wait for this one.
        let arrived = device.cuda_stream().synchronize().map_err(Error::wrap);
        if let Err(error) = came.and(arrived) {
            // What had room already makes room again, for others.
            for storage in params.iter().flat_map(|params| params.storages()) {
                let _ = storage.inplace_op1(&Free);
            }
            let _ = device.cuda_stream().synchronize();
            return Err(error);
        }
        self.is_away = false;
        Ok(())
    }

    fn fill(&self, params: &[&Params]) -> Result<()> {
        let Some(copy) = &self.copy else { bail!("there is no copy in main memory") };
        let begin = copy.as_ptr().map_err(Error::wrap)?;
        let mut at = 0;
        for storage in params.iter().flat_map(|params| params.storages()) {
            let count = storage.elem_count();
            let bytes = count * storage.dtype().size_in_bytes();
            if at + bytes > copy.len() {
                bail!("the weights have grown since they were copied");
            }
            // SAFETY: inside the copy, which has the same weights in the same order.
            storage.inplace_op1(&CopyIn { from: unsafe { begin.add(at) }, count })?;
            at += bytes;
        }
        Ok(())
    }
}

/// Copies the numbers of a tensor to an address in main memory.
struct CopyOut {
    to: *mut u8,
    bytes: usize,
}

/// Gives the memory of a tensor back, all but one number.
struct Free;

/// Takes memory for a tensor and fills it from an address in main memory.
struct CopyIn {
    from: *const u8,
    count: usize,
}

/// Calls a function with the slice of a storage, whatever its type.
macro_rules! each_type {
    ($storage:expr, $slice:ident => $work:expr) => {
        match &mut $storage.slice {
            CudaStorageSlice::F16($slice) => $work,
            CudaStorageSlice::BF16($slice) => $work,
            CudaStorageSlice::F32($slice) => $work,
            _ => bail!("a weight is neither f16 nor bf16 nor f32"),
        }
    };
}

impl InplaceOp1 for CopyOut {
    fn name(&self) -> &'static str {
        "copy-out"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        bail!("weights leave graphics cards only")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        fn copy<T>(from: &CudaSlice<T>, to: *mut u8, bytes: usize, stream: &Arc<CudaStream>) -> Result<()> {
            if from.num_bytes() != bytes {
                bail!("a weight has {} bytes on the card, expected {bytes}", from.num_bytes());
            }
            let (address, _in_use) = from.device_ptr(stream);
            // SAFETY: `leave` has made room for as many bytes at this address and waits for the copy.
            let to = unsafe { std::slice::from_raw_parts_mut(to, bytes) };
            unsafe { result::memcpy_dtoh_async(to, address, stream.cu_stream()) }.map_err(Error::wrap)
        }
        let stream = storage.device.cuda_stream();
        each_type!(storage, slice => copy(slice, self.to, self.bytes, &stream))
    }
}

impl InplaceOp1 for Free {
    fn name(&self) -> &'static str {
        "free"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        bail!("weights leave graphics cards only")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        fn replace<T: DeviceRepr>(slice: &mut CudaSlice<T>, stream: &Arc<CudaStream>) -> Result<()> {
            // SAFETY: never read: the tensor is away.
            *slice = unsafe { stream.alloc::<T>(1) }.map_err(Error::wrap)?;
            Ok(())
        }
        let stream = storage.device.cuda_stream();
        each_type!(storage, slice => replace(slice, &stream))
    }
}

impl InplaceOp1 for CopyIn {
    fn name(&self) -> &'static str {
        "copy-in"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        bail!("weights come to graphics cards only")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        fn fill<T: DeviceRepr>(
            slice: &mut CudaSlice<T>,
            from: *const u8,
            count: usize,
            stream: &Arc<CudaStream>,
        ) -> Result<()> {
            // SAFETY: filled by the copy.
            let mut fresh = unsafe { stream.alloc::<T>(count) }.map_err(Error::wrap)?;
            let bytes = fresh.num_bytes();
            {
                let (address, _in_use) = fresh.device_ptr_mut(stream);
                // SAFETY: `leave` has put as many bytes at this address, and `come` waits for the copy.
                let from = unsafe { std::slice::from_raw_parts(from, bytes) };
                unsafe { result::memcpy_htod_async(address, from, stream.cu_stream()) }.map_err(Error::wrap)?;
            }
            *slice = fresh;
            Ok(())
        }
        let stream = storage.device.cuda_stream();
        each_type!(storage, slice => fill(slice, self.from, self.count, &stream))
    }
}

/// The card of a device, if it is one of NVIDIA's.
pub(crate) fn card_of(device: &Device, dtype: DType) -> Option<&CudaDevice> {
    match device {
        Device::Cuda(card) if super::serves(device, dtype) => Some(card),
        _ => None,
    }
}
