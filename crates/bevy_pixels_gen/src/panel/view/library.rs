//! What there is to draw with: models, LoRAs and palettes.

use std::path::PathBuf;

use pixgen_api::{ModelRef, Request, SchedulerKind};

/// What the panel needs to know about the model that draws.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelView {
    /// A name for people.
    pub name: String,
    /// The sprite edges that it draws pixel by pixel, ascending, in pixels.
    pub native_sizes_px: Vec<u32>,
    /// Largest sprite edge that it makes, in pixels.
    pub max_size_px: u32,
    /// Denoising steps where the request leaves them open.
    pub default_steps: u32,
    /// Guidance scale where the request leaves it open.
    pub default_guidance_scale: f32,
    /// Scheduler where the request leaves it open.
    pub default_scheduler: SchedulerKind,
}

impl Default for ModelView {
    fn default() -> Self {
        Self {
            name: String::new(),
            native_sizes_px: vec![Request::default().size_px],
            max_size_px: pixgen_api::MAX_SIZE_PX,
            default_steps: 20,
            default_guidance_scale: 4.0,
            default_scheduler: SchedulerKind::default(),
        }
    }
}

/// What the pickers offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LibraryView {
    /// Models, in the order in which they are listed.
    pub models: Vec<ModelChoice>,
    /// LoRAs, in the order in which they are listed.
    pub loras: Vec<LoraChoice>,
    /// Palettes with a name.
    pub palettes: Vec<PaletteChoice>,
    /// Files that lie there and cannot be used: what each is instead, in a sentence.
    pub unusable: Vec<String>,
    /// The folders that were searched, as the user knows them.
    pub folders: Vec<String>,
    /// They are being searched.
    pub searching: bool,
}

/// A model to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// A name for people.
    pub name: String,
    /// What goes into the request.
    pub model: ModelRef,
    /// What else is to be said of it, as its size on disk; may be empty.
    pub note: String,
}

/// A LoRA to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoraChoice {
    /// A name for people.
    pub name: String,
    /// What goes into the request.
    pub path: PathBuf,
    /// What else is to be said of it; may be empty.
    pub note: String,
}

/// A palette to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaletteChoice {
    /// The name that goes into the request.
    pub name: String,
    /// Who made it, or which machine shows it.
    pub origin: String,
    /// Its colours, 8-bit sRGB.
    pub colors: Vec<[u8; 3]>,
}

/// A file that the request names, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView<T> {
    /// The file.
    pub path: PathBuf,
    /// What is in it, or why it cannot be used, with what to do about it.
    pub content: Result<T, String>,
}
