//! The frames of an animation in the order in which they are shown, for the formats that move by themselves.

use image::RgbaImage;

use super::{ExportError, ExportOptions};
use crate::ArtError;
use crate::scale::enlarge;
use crate::sheet::PackedSheet;

/// Most pixels of an animation, all frames together: 1 GiB of memory.
const MAX_PX: u64 = 1 << 28;

/// An animation.
pub(super) struct Preview {
    /// Frames of one size, each with how long it is shown in milliseconds; at least one.
    pub(super) frames: Vec<(RgbaImage, u32)>,
    /// Columns and rows.
    pub(super) size_px: (u32, u32),
    /// How many times it is played, 0 for ever.
    pub(super) repeat: u32,
}

impl Preview {
    /// The frames of the tag, uncut and enlarged.
    pub(super) fn of(sheet: &PackedSheet, options: &ExportOptions) -> Result<Self, ExportError> {
        let (order, repeat) = match &options.tag {
            None => ((0..sheet.data.frames.len()).collect(), 0),
            Some(name) => match sheet.data.tag(name) {
                Some(tag) => (tag.order(), tag.repeat),
                None => {
                    let known: Vec<_> = sheet.data.tags.iter().map(|tag| tag.name.as_str()).collect();
                    return Err(ExportError::NoSuchTag { found: name.clone(), known: known.join(", ") });
                }
            },
        };
        let scale = u64::from(options.scale);
        let pixels = |index: &usize| {
            let [width, height] = sheet.data.frames.get(*index).map_or([0, 0], |frame| frame.source_px.map(u64::from));
            width.saturating_mul(height).saturating_mul(scale.saturating_mul(scale))
        };
        let found = order.iter().map(pixels).fold(0, u64::saturating_add);
        if found > MAX_PX {
            return Err(ExportError::TooManyPixels { found, most: MAX_PX });
        }
        let mut frames = Vec::with_capacity(order.len());
        for index in order {
            let image = sheet.frame(index).ok_or(ExportError::NoSuchFrame { index })?;
            let duration_ms = sheet.data.frames.get(index).map_or(0, |frame| frame.duration_ms);
            frames.push((enlarge(&image, options.scale)?, duration_ms));
        }
        let size_px =
            frames.first().map(|(image, _)| image.dimensions()).ok_or(ExportError::NoSuchFrame { index: 0 })?;
        if let Some(index) = frames.iter().position(|(image, _)| image.dimensions() != size_px) {
            let (width, height) = frames[index].0.dimensions();
            let expected_px = [size_px.0, size_px.1];
            return Err(ArtError::OtherSize { index, found_px: [width, height], expected_px }.into());
        }
        Ok(Self { frames, size_px, repeat })
    }
}
