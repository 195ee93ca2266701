//! Which parts of a model are on the graphics card, and which wait in main memory until they are needed.
//!
//! A run needs its parts one after another: the text encoders once per new prompt, the UNet for every step, the
//! autoencoder in the end.

use std::cell::Cell;
use std::marker::PhantomData;
#[cfg(feature = "cuda")]
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device};

use crate::text::TextEncoders;
use crate::unet::Unet;
use crate::{Error, Pipeline};

/// How much of a graphics card's memory a model may take. Only for NVIDIA cards (feature `cuda`) in half precision;
/// elsewhere everything stays where it is.
///
/// The figures are SDXL's, at 1024 × 1024 px with guidance; `docs/performance.md` says how they were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryUse {
    /// Everything stays on the card: 9 GB.
    Fast,
    /// The text encoders wait in main memory (1.6 GB of it) while nothing is to be encoded: 7.4 GB. A new prompt takes
    /// some hundredths of a second longer.
    #[default]
    Balanced,
    /// Only the part that is at work is on the card: 5.7 GB, and 7 GB of main memory. Every image takes some tenths of a
    /// second longer.
    Low,
}

/// Bytes of the parts of a model, in the precision in which a card holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartBytes {
    /// Both text encoders.
    pub text: u64,
    /// The UNet.
    pub unet: u64,
    /// The autoencoder.
    pub vae: u64,
}

impl PartBytes {
    /// The same for a model that is loaded with [`LoadOptions::fp8_linear`](crate::LoadOptions::fp8_linear): copies in
    /// eight bits of so many of SDXL's weights.
    #[must_use]
    pub fn with_fp8_copies(self) -> Self {
        Self { unet: self.unet.saturating_add(self.unet / 100 * 24), ..self }
    }
}

/// What drawing takes of a graphics card's memory, for SDXL in half precision on the fused kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuNeed {
    /// The most that weights take while something is computed.
    pub weights_bytes: u64,
    /// What is needed besides at that time.
    pub work_bytes: u64,
}

// Measured with `examples/gpu_checks.rs`.
/// Intermediate results of the UNet per latent cell and image.
const UNET_BYTES_PER_CELL: u64 = 8700;
/// Intermediate results of the decoder per pixel; images are decoded one after another.
const DECODER_BYTES_PER_PX: u64 = 1400;
/// Scratch memory of libraries, noise, conditioning.
const FIXED_BYTES: u64 = 330_000_000;
/// Pixels of a latent cell's edge.
const CELL_PX: u64 = 8;

impl GpuNeed {
    /// For images of (width, height) pixels; `rows` counts the images that the UNet sees at once, twice as many with
    /// guidance.
    #[must_use]
    pub fn of(memory: MemoryUse, weights: PartBytes, size_px: [usize; 2], rows: usize) -> Self {
        let pixels = size_px.iter().fold(1, |product: u64, px| product.saturating_mul(*px as u64));
        let cells = pixels / (CELL_PX * CELL_PX);
        let unet_work = cells.saturating_mul(rows as u64).saturating_mul(UNET_BYTES_PER_CELL);
        let decoder_work = pixels.saturating_mul(DECODER_BYTES_PER_PX);
        let PartBytes { text, unet, vae } = weights;
        // (weights, work) of each phase: encoding the prompt, steps, decoding.
        let phases = match memory {
            MemoryUse::Fast => vec![(text + unet + vae, unet_work.saturating_add(decoder_work))],
            // What the UNet was recorded with for the last image stays.
            MemoryUse::Balanced => {
                vec![(text + unet + vae, unet_work), (unet + vae, unet_work.saturating_add(decoder_work))]
            }
            MemoryUse::Low => vec![(text + vae, 0), (unet + vae, unet_work), (vae, decoder_work)],
        };
        let most = phases.into_iter().max_by_key(|(weights, work)| weights.saturating_add(*work));
        let (weights_bytes, work) = most.unwrap_or_default();
        Self { weights_bytes, work_bytes: work.saturating_add(FIXED_BYTES) }
    }

    /// The most that is in use at any time, without what the driver takes for itself.
    #[must_use]
    pub fn peak_bytes(self) -> u64 {
        self.weights_bytes.saturating_add(self.work_bytes)
    }
}

/// A part of a model that comes to the card as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text,
    Unet,
    /// It is small and never leaves, but it takes much room while it works.
    Vae,
}

/// Where the parts of a model are.
#[derive(Debug)]
pub(crate) struct Residence {
    memory: MemoryUse,
    #[cfg(feature = "cuda")]
    seats: Mutex<Seats>,
    /// One thread at a time uses a model: another one could send away what this one computes with.
    one_thread: PhantomData<Cell<()>>,
}

#[cfg(feature = "cuda")]
#[derive(Debug, Default)]
struct Seats {
    text: crate::cuda::Seat,
    unet: crate::cuda::Seat,
}

impl Residence {
    pub(crate) fn new(memory: MemoryUse) -> Self {
        Self {
            memory,
            #[cfg(feature = "cuda")]
            seats: Mutex::default(),
            one_thread: PhantomData,
        }
    }

    /// The text encoders are the first part that is loaded.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, clippy::unnecessary_wraps, clippy::unused_self))]
    pub(crate) fn text_is_loaded(
        &mut self,
        text: &TextEncoders,
        device: &Device,
        dtype: DType,
    ) -> candle_core::Result<()> {
        #[cfg(feature = "cuda")]
        if let (Some(card), MemoryUse::Low) = (crate::cuda::card_of(device, dtype), self.memory) {
            let Seats { text: seat, .. } = self.seats.get_mut().unwrap_or_else(PoisonError::into_inner);
            seat.leave(&text.params(), card)?;
        }
        Ok(())
    }
}

/// The parts that come and go.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "cuda"), allow(dead_code))]
pub(crate) struct Parts<'a> {
    pub(crate) text: &'a TextEncoders,
    pub(crate) unet: &'a Unet,
    pub(crate) device: &'a Device,
}

impl Residence {
    /// Brings a part to the card, and lets others leave first if there is to be room for one only.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, clippy::unnecessary_wraps, clippy::unused_self))]
    pub(crate) fn summon(&self, part: Part, parts: Parts<'_>) -> candle_core::Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(card) = crate::cuda::card_of(parts.device, parts.unet.dtype()) {
            let Seats { text, unet } = &mut *self.seats.lock().unwrap_or_else(PoisonError::into_inner);
            let (text_params, unet_params) = (parts.text.params(), [parts.unet.params()]);
            self.bind(parts.device)?;
            if self.memory == MemoryUse::Low {
                let mut left = Ok(());
                if part != Part::Unet && !unet.is_away() {
                    // What was recorded reads the weights where they are now; another thread's work may still do so.
                    parts.device.synchronize()?;
                    parts.unet.programs().forget();
                    left = unet.leave(&unet_params, card);
                }
                if part != Part::Text {
                    left = left.and(text.leave(&text_params, card));
                }
                // There may be room for both.
                if let Err(error) = left {
                    tracing::warn!(%error, "a part of the model stays on the graphics card");
                }
            }
            match part {
                Part::Text => text.come(&text_params, card)?,
                Part::Unet => unet.come(&unet_params, card)?,
                Part::Vae => {}
            }
        }
        Ok(())
    }

    /// What was to be encoded for now is encoded.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn text_is_done(&self, parts: Parts<'_>) {
        #[cfg(feature = "cuda")]
        if let Some(card) = crate::cuda::card_of(parts.device, parts.unet.dtype())
            && self.memory != MemoryUse::Fast
        {
            if self.bind(parts.device).is_err() {
                return;
            }
            let Seats { text, .. } = &mut *self.seats.lock().unwrap_or_else(PoisonError::into_inner);
            // Without room in main memory they stay: drawing may still succeed.
            if let Err(error) = text.leave(&parts.text.params(), card) {
                tracing::warn!(%error, "the text encoders stay on the graphics card");
            }
        }
    }

    /// Gives this thread the card's context, without which memory is not given back there.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, clippy::unnecessary_wraps, clippy::unused_self))]
    pub(crate) fn bind(&self, device: &Device) -> candle_core::Result<()> {
        #[cfg(feature = "cuda")]
        if let Device::Cuda(card) = device {
            card.cuda_stream().context().bind_to_thread().map_err(candle_core::Error::wrap)?;
        }
        Ok(())
    }

    /// Weights of a part are about to change, on the card.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, clippy::unused_self))]
    pub(crate) fn will_change(&self, part: Part) {
        #[cfg(feature = "cuda")]
        {
            let Seats { text, unet } = &mut *self.seats.lock().unwrap_or_else(PoisonError::into_inner);
            match part {
                Part::Text => text.will_change(),
                Part::Unet => unet.will_change(),
                Part::Vae => {}
            }
        }
    }
}

impl Pipeline {
    /// How much of the card's memory the model may take.
    #[must_use]
    pub fn memory_use(&self) -> MemoryUse {
        self.residence.memory
    }

    /// Bytes of the weights, with the copies in eight bits if the UNet has them.
    #[cfg(feature = "cuda")]
    #[must_use]
    pub fn weights(&self) -> PartBytes {
        let [first, second] = self.text.params().map(|params| params.bytes() as u64);
        let copies = if self.unet.programs().fp8() { crate::cuda::copies_bytes(self.unet.params()) } else { 0 };
        PartBytes {
            text: first + second,
            unet: self.unet.params().bytes() as u64 + copies,
            vae: self.vae.params().bytes() as u64,
        }
    }

    /// Changes it, from the next part on that is at work.
    pub fn set_memory_use(&mut self, memory: MemoryUse) {
        self.residence.memory = memory;
    }

    /// As [`Residence::summon`].
    pub(crate) fn summon(&self, part: Part) -> Result<(), Error> {
        Ok(self.residence.summon(part, self.parts())?)
    }

    /// As [`Residence::text_is_done`].
    pub(crate) fn text_is_done(&self) {
        self.residence.text_is_done(self.parts());
    }

    fn parts(&self) -> Parts<'_> {
        Parts { text: &self.text, unet: &self.unet, device: &self.device }
    }
}
