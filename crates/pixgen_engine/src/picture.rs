//! Pictures that users give: read within limits, and brought to the size that a model paints.

use std::io::Cursor;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{ImageReader, Limits, Rgba, RgbaImage};

use crate::EngineError;
use crate::files::read_up_to;

/// Largest edge of a picture that is read, in pixels.
pub(crate) const MAX_EDGE_PX: u32 = 8192;
/// Largest file that is read.
pub(crate) const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most memory that decoding may take.
const MAX_DECODED_BYTES: u64 = 512 << 20;

/// Reads a picture file.
pub(crate) fn open(path: &Path) -> Result<(Vec<u8>, RgbaImage), EngineError> {
    let bytes = read_up_to(path, MAX_FILE_BYTES)?;
    let image = decode(&bytes, &path.display().to_string())?;
    Ok((bytes, image))
}

/// Decodes a picture; `name` is how errors call it. A header that promises more than the limits is refused before
/// anything is allocated for it.
pub(crate) fn decode(bytes: &[u8], name: &str) -> Result<RgbaImage, EngineError> {
    let failed = |reason: String| EngineError::Png { path: name.to_owned(), reason };
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| failed(e.to_string()))?;
    if reader.format().is_none() {
        return Err(failed("it is no PNG; save it as one".to_owned()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE_PX);
    limits.max_image_height = Some(MAX_EDGE_PX);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| match error {
        image::ImageError::Limits(_) => failed(format!(
            "it is larger than {MAX_EDGE_PX}×{MAX_EDGE_PX} px, the largest picture that is read; make it smaller"
        )),
        error => failed(error.to_string()),
    })?;
    Ok(image.to_rgba8())
}

/// A PNG without anything but the pixels.
pub(crate) fn encode(image: &RgbaImage) -> Result<Vec<u8>, EngineError> {
    let mut png = Cursor::new(Vec::new());
    image
        .write_to(&mut png, image::ImageFormat::Png)
        .map_err(|e| EngineError::Png { path: "the picture".to_owned(), reason: e.to_string() })?;
    Ok(png.into_inner())
}

/// A picture in a square of `edge_px`: pixel art is enlarged by a whole number, everything else is scaled to fit; what
/// stays free is transparent.
pub(crate) fn fit_square(image: &RgbaImage, edge_px: u32) -> RgbaImage {
    let (width, height) = image.dimensions();
    let longest = width.max(height).max(1);
    if (width, height) == (edge_px, edge_px) {
        return image.clone();
    }
    let scaled = |edge: u32| ((u64::from(edge) * u64::from(edge_px)).div_ceil(u64::from(longest)) as u32).max(1);
    let (width, height) = (scaled(width).min(edge_px), scaled(height).min(edge_px));
    let whole = edge_px.is_multiple_of(longest) || longest.is_multiple_of(edge_px);
    let filter = if whole { FilterType::Nearest } else { FilterType::Triangle };
    let resized = match filter {
        FilterType::Nearest => imageops::resize(image, width, height, filter),
        // Without it, the colour of transparent pixels would bleed into the rim.
        _ => unmultiplied(&imageops::resize(&multiplied(image), width, height, filter)),
    };
    let mut square = RgbaImage::new(edge_px, edge_px);
    imageops::replace(&mut square, &resized, ((edge_px - width) / 2).into(), ((edge_px - height) / 2).into());
    square
}

fn multiplied(image: &RgbaImage) -> RgbaImage {
    let mut image = image.clone();
    for Rgba([r, g, b, a]) in image.pixels_mut() {
        for channel in [r, g, b] {
            *channel = (u16::from(*channel) * u16::from(*a) / 255) as u8;
        }
    }
    image
}

fn unmultiplied(image: &RgbaImage) -> RgbaImage {
    let mut image = image.clone();
    for Rgba([r, g, b, a]) in image.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
        for channel in [r, g, b] {
            *channel = (u16::from(*channel) * 255 / u16::from(*a)).min(255) as u8;
        }
    }
    image
}

/// The picture on a ground of one colour, opaque.
pub(crate) fn flattened(image: &RgbaImage, ground: [u8; 3]) -> RgbaImage {
    let mut image = image.clone();
    for Rgba([r, g, b, a]) in image.pixels_mut() {
        for (channel, ground) in [r, g, b].into_iter().zip(ground) {
            let mixed = u32::from(*channel) * u32::from(*a) + u32::from(ground) * (255 - u32::from(*a));
            *channel = ((mixed + 127) / 255) as u8;
        }
        *a = 255;
    }
    image
}

/// Whether a pixel of a mask asks for new paint: light and not transparent.
pub(crate) fn is_white(pixel: &Rgba<u8>) -> bool {
    let [r, g, b, a] = pixel.0.map(u32::from);
    // Rec. 709 luma in thousandths.
    (213 * r + 715 * g + 72 * b) / 1000 * a / 255 >= 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_art_is_enlarged_without_new_colours_and_a_wide_picture_gets_margins() {
        let sprite = RgbaImage::from_fn(4, 2, |x, y| Rgba([x as u8 * 60, y as u8 * 200, 9, 255]));
        let square = fit_square(&sprite, 16);
        assert_eq!(square.dimensions(), (16, 16));
        assert_eq!(square.get_pixel(0, 0).0[3], 0);
        assert!((0..16).all(|x| (4..12).all(|y| square.get_pixel(x, y) == sprite.get_pixel(x / 4, (y - 4) / 4))));
    }

    #[test]
    fn transparent_pixels_do_not_bleed_when_a_picture_is_scaled() {
        let half =
            RgbaImage::from_fn(30, 30, |x, _| if x < 15 { Rgba([200, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) });
        let scaled = fit_square(&half, 16);
        for pixel in scaled.pixels().filter(|pixel| pixel.0[3] > 20) {
            assert!(pixel.0[0] > 180 && pixel.0[1] < 20, "{pixel:?}");
        }
    }

    #[test]
    fn a_mask_is_white_where_it_is_light() {
        assert!(is_white(&Rgba([255; 4])) && is_white(&Rgba([128, 128, 128, 255])));
        assert!(!is_white(&Rgba([0, 0, 0, 255])) && !is_white(&Rgba([255, 255, 255, 0])));
        assert_eq!(flattened(&RgbaImage::from_pixel(1, 1, Rgba([0, 0, 0, 0])), [255; 3]).get_pixel(0, 0).0, [255; 4]);
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused_at_once() {
        let mut png = encode(&RgbaImage::new(1, 1)).unwrap();
        png[16..20].copy_from_slice(&30_000u32.to_be_bytes());
        png[20..24].copy_from_slice(&30_000u32.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&png, "huge.png").unwrap_err().to_string();
        assert!(error.contains("huge.png") && error.contains("8192×8192"), "{error}");
        for absurd in [&b""[..], b"<html>", &png[..20]] {
            assert!(decode(absurd, "x").is_err());
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
        })
    }
}
