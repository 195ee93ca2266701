//! Weights that leave the card for main memory and come back.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc;
use candle_core::cuda_backend::{CudaDevice, CudaStorage, CudaStorageSlice};
use candle_core::{CpuStorage, DType, Device, Error, InplaceOp1, Layout as Strides, Result, Tensor, bail};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, PinnedHostSlice, result};

use crate::params::Params;

/// The place of a component on the card, which it can leave: layers keep their tensors, whose memory goes and comes.
///
/// The copy in main memory is page-locked, so that the card fetches it at the full speed of the bus, and stays there:
/// leaving a second time costs nothing. Nobody may compute with the weights while they are away.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// In pieces: while the system locks pages, nobody else in this process gets any, also not a game's frame.
    copy: Vec<PinnedHostSlice<u8>>,
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
        let layout = Layout::of(params);
        if self.copy.is_empty() {
            let context = device.cuda_stream().context().clone();
            let pieces = layout.pieces.iter().map(|bytes| {
                // SAFETY: the copies below write all that is ever read.
                unsafe { context.alloc_pinned::<u8>(*bytes) }.map_err(|error| {
                    let whole = layout.pieces.iter().sum::<usize>().div_ceil(1_000_000);
                    Error::Msg(format!("main memory has no {whole} MB left for weights ({error})"))
                })
            });
            // All of them or none.
            self.copy = pieces.collect::<Result<_>>()?;
        }
        for (storage, place) in storages(params).zip(&layout.places) {
            if !self.is_current {
                let to = place.address_in(&mut self.copy)?;
                storage.inplace_op1(&CopyOut { to, bytes: place.bytes })?;
            }
        }
        // Not before everything has arrived, nor while another thread's work reads the weights.
        device.cuda_stream().context().synchronize().map_err(Error::wrap)?;
        self.is_current = true;
        for storage in storages(params) {
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
            for storage in storages(params) {
                let _ = storage.inplace_op1(&Free);
            }
            let _ = device.cuda_stream().synchronize();
            return Err(error);
        }
        self.is_away = false;
        Ok(())
    }

    fn fill(&mut self, params: &[&Params]) -> Result<()> {
        for (storage, place) in storages(params).zip(&Layout::of(params).places) {
            let from = place.address_in(&mut self.copy)?;
            storage.inplace_op1(&CopyIn { from, count: storage.elem_count() })?;
        }
        Ok(())
    }
}

fn storages<'a>(params: &'a [&Params]) -> impl Iterator<Item = &'a Tensor> {
    params.iter().flat_map(|params| params.storages())
}

/// Bytes of a piece of the copy, unless a single weight has more.
const PIECE_BYTES: usize = 32 << 20;

/// Where each weight lies in the copy, in the order of the weights: the same whenever it is asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Layout {
    /// Bytes of the pieces.
    pieces: Vec<usize>,
    places: Vec<InCopy>,
}

/// Some bytes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InCopy {
    piece: usize,
    offset: usize,
    bytes: usize,
}

impl Layout {
    fn of(params: &[&Params]) -> Self {
        Self::of_sizes(storages(params).map(|storage| storage.elem_count() * storage.dtype().size_in_bytes()))
    }

    fn of_sizes(sizes: impl Iterator<Item = usize>) -> Self {
        let mut layout = Self::default();
        for bytes in sizes {
            let has_room = layout.pieces.last().is_some_and(|used| used + bytes <= PIECE_BYTES);
            if !has_room {
                layout.pieces.push(0);
            }
            let piece = layout.pieces.len() - 1;
            let used = &mut layout.pieces[piece];
            layout.places.push(InCopy { piece, offset: *used, bytes });
            *used += bytes;
        }
        layout
    }
}

impl InCopy {
    /// The address of its first byte.
    fn address_in(self, copy: &mut [PinnedHostSlice<u8>]) -> Result<*mut u8> {
        match copy.get_mut(self.piece) {
            Some(piece) if self.offset + self.bytes <= piece.len() => {
                let begin = piece.as_mut_ptr().map_err(Error::wrap)?;
                // SAFETY: inside the piece, as was just checked.
                Ok(unsafe { begin.add(self.offset) })
            }
            _ => bail!("the weights have grown since they were copied"),
        }
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

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Strides) -> Result<()> {
        bail!("weights leave graphics cards only")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Strides) -> Result<()> {
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

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Strides) -> Result<()> {
        bail!("weights leave graphics cards only")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Strides) -> Result<()> {
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

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Strides) -> Result<()> {
        bail!("weights come to graphics cards only")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Strides) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lie_behind_one_another_in_pieces_that_hold_them() {
        const MIB: usize = 1 << 20;
        let sizes = [10 * MIB, 20 * MIB, 3 * MIB, 100 * MIB, 1, 31 * MIB];
        let layout = Layout::of_sizes(sizes.into_iter());
        assert_eq!(layout.pieces, [30 * MIB, 3 * MIB, 100 * MIB, 31 * MIB + 1]);
        let places: Vec<_> = layout.places.iter().map(|place| (place.piece, place.offset)).collect();
        assert_eq!(places, [(0, 0), (0, 10 * MIB), (1, 0), (2, 0), (3, 0), (3, 1)]);
        assert!(layout.places.iter().zip(sizes).all(|(place, bytes)| place.bytes == bytes));
    }
}
