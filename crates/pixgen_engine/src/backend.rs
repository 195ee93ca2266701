//! What draws: the seam between the engine and a model.

use std::path::PathBuf;

use image::RgbaImage;
use pixgen_api::{ModelRef, Pixels, Progress, Request};
use pixgen_sdxl::MemoryUse;

use crate::{EngineError, ModelInfo, Plan};

/// One picture of a job.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'a> {
    /// What to draw, every default filled in.
    pub plan: &'a Plan,
    /// Which picture of the job this is, from 0.
    pub image: u32,
    /// The seed of this picture.
    pub seed: u64,
    /// The picture to begin with, [`Plan::image_px`] squared.
    pub init_image: Option<&'a RgbaImage>,
    /// Where `init_image` is painted anew: white there, black elsewhere; of the same size.
    pub mask: Option<&'a RgbaImage>,
    /// SHA-256 of each LoRA's file when the job began, in their order: a file may be another one under the same name.
    pub lora_hashes: &'a [String],
}

/// A loaded model. It lives on the engine's thread and is called from there only.
///
/// The real one is SDXL; [`FakeBackend`](crate::FakeBackend) serves tests of front ends.
pub trait Backend: Send {
    /// What the model can do.
    fn info(&self) -> &ModelInfo;

    /// Whether its pictures come with transparency. If not, the engine cuts the background out.
    fn paints_alpha(&self) -> bool;

    /// How much of a graphics card's memory the model may take: which of its parts are away between two jobs. Everywhere
    /// else all of them stay.
    fn memory_use(&self) -> MemoryUse {
        MemoryUse::Fast
    }

    /// Paints one picture of `plan.image_px` squared, before any pixel-art processing; for an animation, one per frame.
    ///
    /// Reports `Step` after every denoising step and may report `Preview` and `Warning`.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] as soon as a report is answered with `Break`.
    fn draw(&mut self, drawing: Drawing<'_>, progress: &dyn Progress) -> Result<Vec<RgbaImage>, EngineError>;
}

/// An image as front ends get it.
pub(crate) fn pixels(image: &RgbaImage) -> Pixels {
    Pixels { width_px: image.width(), height_px: image.height(), rgba: image.as_raw().as_slice().into() }
}

/// The files that have to be in memory for a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Weights {
    /// The model.
    pub model: ModelRef,
    /// Another autoencoder than its own.
    pub vae: Option<PathBuf>,
}

impl Weights {
    /// What a request draws with. Adapters are not among them: they come and go on a loaded model.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self { model: request.model.clone(), vae: request.vae.clone() }
    }
}

/// A model that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InMemory {
    /// What it was loaded from.
    pub weights: Weights,
    /// Which of its parts wait in main memory while they are not at work.
    pub memory: MemoryUse,
}

/// Loads a model. The engine calls it when a job wants another one than is loaded.
pub type BackendLoader = Box<dyn FnMut(&Weights) -> Result<Box<dyn Backend>, EngineError> + Send>;
