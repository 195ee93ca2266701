//! A picture as a palette: its colours in reading order, transparent pixels left out.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use super::{MAX_FILE_COLORS, PaletteError, Reader};

/// Longest edge of a picture that is read for its colours.
const MAX_EDGE_PX: u32 = 4096;

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE_PX);
    limits.max_image_height = Some(MAX_EDGE_PX);
    limits.max_alloc = Some(128 << 20);
    reader.limits(limits);
    let picture = reader.decode().map_err(|e| Reader::new(bytes).error(e.to_string(), "a PNG of at most 4096 px"))?;
    let mut seen = std::collections::HashSet::new();
    let mut colors = Vec::new();
    for pixel in picture.to_rgba8().pixels() {
        let [r, g, b, a] = pixel.0;
        if a > 0 && seen.insert([r, g, b]) {
            colors.push([r, g, b]);
            if colors.len() > MAX_FILE_COLORS {
                return Err(PaletteError::TooMany);
            }
        }
    }
    Ok(colors)
}

/// One pixel a colour, in one row (as Lospec's `-1x.png`).
pub(super) fn write(colors: &[[u8; 3]]) -> Result<Vec<u8>, PaletteError> {
    let width = u32::try_from(colors.len()).map_err(|_| PaletteError::TooMany)?;
    let row = RgbImage::from_fn(width, 1, |x, _| Rgb(colors.get(x as usize).copied().unwrap_or_default()));
    let mut file = Cursor::new(Vec::new());
    // Writing to memory fails only for an image without pixels.
    row.write_to(&mut file, ImageFormat::Png).map_err(|_| PaletteError::Empty)?;
    Ok(file.into_inner())
}
