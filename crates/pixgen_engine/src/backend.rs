//! What draws: the seam between the engine and a model.

use image::RgbaImage;
use pixgen_api::{ModelRef, Pixels, Progress};

use crate::{EngineError, ModelInfo, Plan};

/// One image of a job.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'a> {
    /// What to draw, every default filled in.
    pub plan: &'a Plan,
    /// Which image of the job this is, from 0.
    pub image: u32,
    /// The seed of this image.
    pub seed: u64,
}

/// A loaded model. It lives on the engine's thread and is called from there only.
///
/// The real one is SDXL; [`FakeBackend`](crate::FakeBackend) serves tests of front ends.
pub trait Backend: Send {
    /// What the model can do.
    fn info(&self) -> &ModelInfo;

    /// Whether its pictures come with transparency. If not, the engine cuts the background out.
    fn paints_alpha(&self) -> bool;

    /// Paints one picture of `plan.image_px` squared, before any pixel-art processing.
    ///
    /// Reports `Step` after every denoising step and may report `Preview` and `Warning`.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] as soon as a report is answered with `Break`.
    fn draw(&mut self, drawing: Drawing<'_>, progress: &dyn Progress) -> Result<RgbaImage, EngineError>;
}

/// An image as front ends get it.
pub(crate) fn pixels(image: &RgbaImage) -> Pixels {
    Pixels { width_px: image.width(), height_px: image.height(), rgba: image.as_raw().as_slice().into() }
}

/// Loads a model. The engine calls it when a job wants another model than the one that is loaded.
pub type BackendLoader = Box<dyn FnMut(&ModelRef) -> Result<Box<dyn Backend>, EngineError> + Send>;
