//! What all drawing commands have in common: telling what happens, and pictures as the art crate takes them.

use std::cell::Cell;
use std::path::Path;

use anyhow::Context as _;
use image::RgbaImage;
use pixgen_api::{EventKind, Pixels};

use crate::context::Context;
use crate::events::Report;
use crate::printer::Printer;
use crate::progress::Bar;

/// Tells the user how far a job is.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    printer: &'a Printer,
    item: &'a str,
    images: u64,
    bar: Bar,
    steps: Cell<u64>,
}

impl<'a> Observer<'a> {
    /// An observer for a job of `images` images.
    pub(crate) fn new(context: &'a Context, item: &'a str, images: u64) -> Self {
        let bar = context.printer.progress().bar("drawing", images);
        Self { printer: &context.printer, item, images, bar, steps: Cell::new(0) }
    }

    /// Takes an event of the job.
    pub(crate) fn observe(&self, event: &EventKind) {
        match event {
            EventKind::Started => {
                self.bar.say("loading the model");
                self.printer.event(&Report::Started { item: self.item });
            }
            EventKind::Step { image, step, steps, .. } => {
                let all_steps = u64::from(*steps);
                if self.steps.replace(all_steps) != all_steps {
                    self.bar.set_length(all_steps * self.images);
                }
                self.bar.say(&format!("steps, image {} of {}", image + 1, self.images));
                self.bar.set(u64::from(*image) * all_steps + u64::from(*step));
                self.printer.event(&Report::Step { item: self.item, image: *image, step: *step, steps: *steps });
            }
            EventKind::Warning(text) => self.printer.warning(text),
            _ => {}
        }
    }
}

/// Pixels as an image.
///
/// # Errors
/// When the number of bytes does not fit the size.
pub(crate) fn rgba(pixels: &Pixels) -> anyhow::Result<RgbaImage> {
    RgbaImage::from_raw(pixels.width_px, pixels.height_px, pixels.rgba.to_vec())
        .context("the engine returned a picture of another size than it says")
}

/// A seed of 32 bits: as much as people can read out to each other, and as much as torch's CPU generator uses.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's randomly keyed hasher is the one source of entropy that needs no dependency.
    RandomState::new().hash_one(std::time::Instant::now()) & 0xffff_ffff
}

/// Reads a picture.
///
/// # Errors
/// When there is none, or it would be larger than any picture we make.
pub(crate) fn load_png(path: &Path) -> anyhow::Result<RgbaImage> {
    let reading = || format!("reading {}", path.display());
    let mut reader =
        image::ImageReader::open(path).with_context(reading)?.with_guessed_format().with_context(reading)?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(pixgen_art::MAX_EDGE_PX);
    limits.max_image_height = Some(pixgen_art::MAX_EDGE_PX);
    reader.limits(limits);
    Ok(reader.decode().with_context(reading)?.to_rgba8())
}
