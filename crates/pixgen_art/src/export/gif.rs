//! GIF animations (GIF89a) in exactly the colours of the frames.

use std::collections::{BTreeMap, BTreeSet};

use gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::ExportError;
use super::preview::Preview;
use crate::Palette;

/// Browsers show frames below 20 ms for 100 ms instead.
const MIN_DELAY_CS: u32 = 2;

/// The animation. Frames are written whole; where any pixel is transparent, each frame is cleared before the next,
/// since otherwise the last one would show through.
pub(super) fn write(preview: &Preview) -> Result<Vec<u8>, ExportError> {
    let colors = Colors::of(preview)?;
    let edge = |px: u32| u16::try_from(px).map_err(ExportError::encode);
    let (width, height) = (edge(preview.size_px.0)?, edge(preview.size_px.1)?);
    let mut encoder = Encoder::new(Vec::new(), width, height, &colors.table).map_err(ExportError::encode)?;
    let repeat = match preview.repeat {
        0 => Repeat::Infinite,
        // The file counts how often it is played again.
        times => Repeat::Finite(u16::try_from(times - 1).unwrap_or(u16::MAX)),
    };
    encoder.set_repeat(repeat).map_err(ExportError::encode)?;
    let dispose = if colors.transparent.is_some() { DisposalMethod::Background } else { DisposalMethod::Keep };
    for ((image, _), delay) in preview.frames.iter().zip(delays_cs(preview)?) {
        let index = |pixel: &image::Rgba<u8>| {
            let [r, g, b, a] = pixel.0;
            let found = if a == 0 { colors.transparent } else { colors.index.get(&[r, g, b]).copied() };
            found.unwrap_or(0)
        };
        let buffer: Vec<u8> = image.pixels().map(index).collect();
        let transparent = colors.transparent;
        let frame = Frame { delay, dispose, transparent, width, height, buffer: buffer.into(), ..Frame::default() };
        encoder.write_frame(&frame).map_err(ExportError::encode)?;
    }
    encoder.into_inner().map_err(ExportError::encode)
}

/// The one palette of all frames.
struct Colors {
    /// Red, green, blue of every colour.
    table: Vec<u8>,
    index: BTreeMap<[u8; 3], u8>,
    transparent: Option<u8>,
}

impl Colors {
    fn of(preview: &Preview) -> Result<Self, ExportError> {
        let mut found = BTreeSet::new();
        let mut has_transparent = false;
        for (frame, (image, _)) in preview.frames.iter().enumerate() {
            for pixel in image.pixels() {
                match pixel.0 {
                    [_, _, _, 0] => has_transparent = true,
                    [r, g, b, u8::MAX] => {
                        found.insert([r, g, b]);
                    }
                    [_, _, _, alpha] => return Err(ExportError::HalfTransparent { frame, alpha }),
                }
            }
        }
        let count = found.len() + usize::from(has_transparent);
        if count > 256 {
            return Err(ExportError::TooManyColors { found: count });
        }
        // From dark to light, as palettes are here; transparency behind them, as black.
        let palette = Palette::new(found);
        let index = palette.colors().iter().copied().zip(0..=u8::MAX).collect();
        let transparent = has_transparent.then(|| palette.len() as u8);
        let mut table = palette.colors().concat();
        table.extend(transparent.map(|_| [0; 3]).into_iter().flatten());
        Ok(Self { table, index, transparent })
    }
}

/// Durations in hundredths of a second. What rounding takes from one frame the next one gets, so that the animation
/// keeps its length.
fn delays_cs(preview: &Preview) -> Result<Vec<u16>, ExportError> {
    let mut shown_ms = 0i64;
    let mut sent_cs = 0i64;
    let delay = |(frame, (_, duration_ms)): (usize, &(image::RgbaImage, u32))| {
        shown_ms += i64::from(*duration_ms);
        let delay = ((shown_ms + 5) / 10 - sent_cs).max(MIN_DELAY_CS.into());
        sent_cs += delay;
        u16::try_from(delay).map_err(|_| ExportError::TooLong { frame, found_ms: *duration_ms })
    };
    preview.frames.iter().enumerate().map(delay).collect()
}
