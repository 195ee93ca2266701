//! Whole-number scaling: enlarging without blur, shrinking without mixing colours.

use image::RgbaImage;

use crate::downscale::{Cells, k_centroid};
use crate::error::{ArtError, checked_size};

/// The image with every pixel drawn as `factor`×`factor` pixels.
///
/// # Errors
/// When `factor` is 0 or the result would be larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn enlarge(image: &RgbaImage, factor: u32) -> Result<RgbaImage, ArtError> {
    if factor == 0 {
        return Err(ArtError::ZeroFactor);
    }
    let edge = |px: u32| u64::from(px) * u64::from(factor);
    let (width_px, height_px) = checked_size(edge(image.width()), edge(image.height()))?;
    Ok(RgbaImage::from_fn(width_px, height_px, |x, y| *image.get_pixel(x / factor, y / factor)))
}

/// The image with every `factor`×`factor` cell as one pixel, by [`k_centroid`]; `factor` 0 and 1 keep the image.
///
/// Cells at the right and lower edge may be cut; nothing is left out.
#[must_use]
pub fn shrink(image: &RgbaImage, factor: u32) -> RgbaImage {
    if factor <= 1 {
        return image.clone();
    }
    k_centroid(image, &Cells::by_factor(image.dimensions(), factor as f32), 0.0)
}

/// The largest whole number by which the image was enlarged without blur: every `factor`×`factor` square from the upper
/// left corner has one colour. 1 for an image that was not enlarged, and for one without edges.
#[must_use]
pub fn whole_factor(image: &RgbaImage) -> u32 {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return 1;
    }
    let mut factor = gcd(width, height);
    let mut has_edges = false;
    for (x, y, pixel) in image.enumerate_pixels() {
        if x > 0 && image.get_pixel(x - 1, y) != pixel {
            (factor, has_edges) = (gcd(factor, x), true);
        }
        if y > 0 && image.get_pixel(x, y - 1) != pixel {
            (factor, has_edges) = (gcd(factor, y), true);
        }
        if factor == 1 {
            return 1;
        }
    }
    if has_edges { factor } else { 1 }
}

/// Greatest common divisor.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::Rgba;

    use super::*;

    fn sprite() -> RgbaImage {
        RgbaImage::from_fn(7, 5, |x, y| {
            if (x + y) % 4 == 0 { Rgba([0; 4]) } else { Rgba([(x * 30) as u8, (y * 50) as u8, 90, 255]) }
        })
    }

    #[test]
    fn shrinking_undoes_enlarging() {
        for factor in [1, 2, 3, 8] {
            let large = enlarge(&sprite(), factor).unwrap();
            assert_eq!(large.dimensions(), (7 * factor, 5 * factor));
            assert_eq!(shrink(&large, factor), sprite(), "factor {factor}");
        }
    }

    #[test]
    fn an_enlargement_is_recognised() {
        for factor in [1, 2, 3, 8] {
            assert_eq!(whole_factor(&enlarge(&sprite(), factor).unwrap()), factor);
        }
        assert_eq!(whole_factor(&RgbaImage::from_pixel(16, 16, Rgba([1, 2, 3, 255]))), 1);
        assert_eq!(whole_factor(&RgbaImage::new(0, 4)), 1);
    }

    #[test]
    fn the_larger_area_wins_unmixed() {
        let (red, blue) = (Rgba([220, 20, 30, 255]), Rgba([20, 30, 220, 255]));
        let cell = RgbaImage::from_fn(8, 8, |x, _| if x < 5 { red } else { blue });
        assert_eq!(shrink(&cell, 8).get_pixel(0, 0), &red);
        let soft_edge = RgbaImage::from_fn(8, 8, |x, _| match x {
            0..5 => red,
            5 => Rgba([120, 25, 125, 255]),
            _ => blue,
        });
        assert_eq!(shrink(&soft_edge, 8).get_pixel(0, 0), &red);
    }

    #[test]
    fn alpha_is_coverage_and_hidden_colours_do_not_vote() {
        let image =
            RgbaImage::from_fn(
                4,
                4,
                |x, y| {
                    if x == 0 && y < 2 { Rgba([10, 200, 10, 255]) } else { Rgba([255, 0, 255, 0]) }
                },
            );
        assert_eq!(shrink(&image, 4).get_pixel(0, 0), &Rgba([10, 200, 10, 32]));
        assert_eq!(shrink(&RgbaImage::from_pixel(4, 4, Rgba([9, 9, 9, 0])), 4).get_pixel(0, 0), &Rgba([0; 4]));
    }

    #[test]
    fn cut_cells_count_and_nothing_panics() {
        assert_eq!(shrink(&RgbaImage::new(9, 4), 4).dimensions(), (3, 1));
        assert_eq!(shrink(&sprite(), 0), sprite());
        assert_eq!(shrink(&RgbaImage::new(0, 0), 8).dimensions(), (0, 0));
        assert_eq!(shrink(&sprite(), u32::MAX).dimensions(), (1, 1));
    }

    #[test]
    fn impossible_factors_are_explained() {
        assert_eq!(enlarge(&sprite(), 0), Err(ArtError::ZeroFactor));
        assert_eq!(enlarge(&sprite(), 10_000), Err(ArtError::TooLarge { width_px: 70_000, height_px: 50_000 }));
    }
}
