//! How much memory of a card this process has taken.

use candle_core::cuda_backend::cudarc;
use candle_core::{Device, Error, Result, bail};
use cudarc::driver::sys::{self, CUmemPool_attribute as Attribute};

/// Memory of a card, in bytes, without what the driver takes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuMemory {
    /// In use now.
    pub used_bytes: u64,
    /// The most that was ever in use, since [`GpuMemory::reset_peak`].
    pub peak_bytes: u64,
    /// Free on the card, for all programs.
    pub free_bytes: u64,
}

impl GpuMemory {
    /// What is in use on a CUDA device.
    ///
    /// # Errors
    /// When the device is no CUDA device, or its driver has no memory pools (before CUDA 11.2).
    pub fn of(device: &Device) -> Result<Self> {
        let pool = pool(device)?;
        let Device::Cuda(card) = device else { bail!("the device is no CUDA device") };
        let (free, _) = card.cuda_stream().context().mem_get_info().map_err(Error::wrap)?;
        Ok(Self {
            used_bytes: read(pool, Attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?,
            peak_bytes: read(pool, Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH)?,
            free_bytes: free as u64,
        })
    }

    /// Begins to look for the peak anew.
    ///
    /// # Errors
    /// As [`GpuMemory::of`].
    pub fn reset_peak(device: &Device) -> Result<()> {
        let mut zero = 0u64;
        // SAFETY: the attribute is a 64-bit number.
        unsafe {
            sys::cuMemPoolSetAttribute(pool(device)?, Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH, (&raw mut zero).cast())
        }
        .result()
        .map_err(Error::wrap)
    }
}

fn pool(device: &Device) -> Result<sys::CUmemoryPool> {
    let Device::Cuda(card) = device else { bail!("the device is no CUDA device") };
    let stream = card.cuda_stream();
    let context = stream.context();
    context.bind_to_thread().map_err(Error::wrap)?;
    if !context.has_async_alloc() {
        bail!("the driver has no memory pools: it is older than CUDA 11.2");
    }
    let mut pool = std::ptr::null_mut();
    // SAFETY: the driver writes the handle of the device's own pool.
    unsafe { sys::cuDeviceGetDefaultMemPool(&raw mut pool, context.cu_device()) }.result().map_err(Error::wrap)?;
    Ok(pool)
}

fn read(pool: sys::CUmemoryPool, attribute: Attribute) -> Result<u64> {
    let mut value = 0u64;
    // SAFETY: the attribute is a 64-bit number.
    unsafe { sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut value).cast()) }.result().map_err(Error::wrap)?;
    Ok(value)
}
