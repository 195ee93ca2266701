//! Where the drawn pixels lie in their frame.

use image::{RgbaImage, imageops};
use pixgen_api::Anchor;

use crate::error::{ArtError, checked_size};

/// The smallest rectangle around the drawn pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundingBox {
    /// First column.
    pub left_px: u32,
    /// First row.
    pub top_px: u32,
    /// Columns, at least 1.
    pub width_px: u32,
    /// Rows, at least 1.
    pub height_px: u32,
}

/// The rectangle around all pixels that are not fully transparent; `None` if there are none.
#[must_use]
pub fn bounding_box(image: &RgbaImage) -> Option<BoundingBox> {
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (x, y, _) in image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 0) {
        (left, top) = (left.min(x), top.min(y));
        (right, bottom) = (right.max(x), bottom.max(y));
    }
    (left <= right && top <= bottom).then(|| BoundingBox {
        left_px: left,
        top_px: top,
        width_px: right - left + 1,
        height_px: bottom - top + 1,
    })
}

/// The image without its transparent margins; an image without drawn pixels is returned as it is.
#[must_use]
pub fn trim(image: &RgbaImage) -> RgbaImage {
    match bounding_box(image) {
        Some(drawn) => {
            imageops::crop_imm(image, drawn.left_px, drawn.top_px, drawn.width_px, drawn.height_px).to_image()
        }
        None => image.clone(),
    }
}

/// The image with `margin_px` transparent pixels added on every side.
///
/// # Errors
/// When the result would be larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn pad(image: &RgbaImage, margin_px: u32) -> Result<RgbaImage, ArtError> {
    let margins = 2 * u64::from(margin_px);
    let (width_px, height_px) = checked_size(u64::from(image.width()) + margins, u64::from(image.height()) + margins)?;
    let mut padded = RgbaImage::new(width_px, height_px);
    imageops::replace(&mut padded, image, margin_px.into(), margin_px.into());
    Ok(padded)
}

/// Moves the drawn pixels to their anchor. The frame keeps its size and no drawn pixel is ever cut off:
/// what does not fit (a figure as high as its frame has no free row below its feet) stays where it is.
#[must_use]
pub fn anchored(image: &RgbaImage, anchor: Anchor) -> RgbaImage {
    let Some(drawn) = bounding_box(image) else { return image.clone() };
    let free_columns = image.width() - drawn.width_px;
    let free_rows = image.height() - drawn.height_px;
    let top_px = match anchor {
        Anchor::Keep => return image.clone(),
        Anchor::Center => free_rows / 2,
        // The lowest drawn row is the last but one: the free row is for an outline or a shadow.
        Anchor::Feet => match free_rows.checked_sub(1) {
            Some(top_px) => top_px,
            None => return image.clone(),
        },
    };
    let mut moved = RgbaImage::new(image.width(), image.height());
    imageops::replace(&mut moved, &trim(image), (free_columns / 2).into(), top_px.into());
    moved
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::Rgba;

    use super::*;

    fn block(width: u32, height: u32, at: [u32; 4]) -> RgbaImage {
        let [left, top, block_width, block_height] = at;
        RgbaImage::from_fn(width, height, |x, y| {
            let inside = (left..left + block_width).contains(&x) && (top..top + block_height).contains(&y);
            if inside { Rgba([x as u8, y as u8, 9, 255]) } else { Rgba([0; 4]) }
        })
    }

    fn position(image: &RgbaImage) -> [u32; 4] {
        let drawn = bounding_box(image).unwrap();
        [drawn.left_px, drawn.top_px, drawn.width_px, drawn.height_px]
    }

    #[test]
    fn the_box_is_exact() {
        assert_eq!(position(&block(16, 12, [3, 2, 5, 7])), [3, 2, 5, 7]);
        assert_eq!(position(&block(4, 4, [0, 0, 4, 4])), [0, 0, 4, 4]);
        assert_eq!(bounding_box(&RgbaImage::new(8, 8)), None);
        assert_eq!(bounding_box(&RgbaImage::new(0, 8)), None);
    }

    #[test]
    fn feet_stand_one_pixel_above_the_lower_edge_in_the_middle() {
        assert_eq!(position(&anchored(&block(32, 32, [0, 0, 10, 20]), Anchor::Feet)), [11, 11, 10, 20]);
        assert_eq!(position(&anchored(&block(32, 32, [20, 12, 12, 20]), Anchor::Feet)), [10, 11, 12, 20]);
        let as_high_as_fits = anchored(&block(16, 16, [0, 1, 16, 15]), Anchor::Feet);
        assert_eq!(position(&as_high_as_fits), [0, 0, 16, 15]);
    }

    #[test]
    fn a_figure_as_high_as_its_frame_stays_whole() {
        let tall = block(16, 16, [0, 0, 4, 16]);
        assert_eq!(anchored(&tall, Anchor::Feet), tall);
    }

    #[test]
    fn centring_moves_pixels_and_changes_none() {
        let image = block(33, 32, [0, 20, 10, 5]);
        let centred = anchored(&image, Anchor::Center);
        assert_eq!(position(&centred), [11, 13, 10, 5]);
        assert_eq!(trim(&centred), trim(&image));
        assert_eq!(anchored(&centred, Anchor::Center), centred);
        assert_eq!(anchored(&image, Anchor::Keep), image);
    }

    #[test]
    fn padding_and_trimming_undo_each_other() {
        let image = trim(&block(16, 16, [3, 4, 5, 6]));
        let padded = pad(&image, 3).unwrap();
        assert_eq!(padded.dimensions(), (11, 12));
        assert_eq!(trim(&padded), image);
        assert_eq!(pad(&image, 0).unwrap(), image);
        let error = pad(&image, u32::MAX).unwrap_err().to_string();
        assert!(error.contains("8589934595×8589934596") && error.contains("16384"), "{error}");
    }

    #[test]
    fn empty_images_stay_empty() {
        for empty in [RgbaImage::new(0, 0), RgbaImage::new(0, 3), RgbaImage::new(6, 6)] {
            for anchor in [Anchor::Keep, Anchor::Center, Anchor::Feet] {
                assert_eq!(anchored(&empty, anchor), empty);
            }
            assert_eq!(trim(&empty), empty);
        }
    }
}
