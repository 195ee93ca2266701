//! What can be measured about a sprite: the numbers by which pixel art is told from a small photo.

use std::collections::HashSet;

use image::RgbaImage;

use crate::alpha::neighbors;

/// Measurements of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Distinct colours of the pixels that are not fully transparent.
    pub colors: usize,
    /// Distinct alpha values; clean sprites have 1 or 2.
    pub alpha_levels: usize,
    /// Share of the pixels that are not fully transparent, 0 to 1.
    pub opaque_ratio: f32,
    /// Share of those pixels that none of the eight pixels around equals, 0 to 1: dither patterns and
    /// sparkles have some, noise has nearly nothing else.
    pub orphan_ratio: f32,
}

impl Metrics {
    /// Measures an image; an image without pixels has ratios of 0.
    #[must_use]
    pub fn of(image: &RgbaImage) -> Self {
        let mut colors = HashSet::new();
        let mut alphas = HashSet::new();
        let (mut drawn, mut orphans) = (0u32, 0u32);
        for (x, y, pixel) in image.enumerate_pixels() {
            let [r, g, b, a] = pixel.0;
            alphas.insert(a);
            if a > 0 {
                colors.insert([r, g, b]);
                drawn += 1;
                orphans += u32::from(neighbors(image, x, y).all(|(x, y)| image.get_pixel(x, y) != pixel));
            }
        }
        let ratio = |part: u32, whole: f32| if whole > 0.0 { part as f32 / whole } else { 0.0 };
        Self {
            colors: colors.len(),
            alpha_levels: alphas.len(),
            opaque_ratio: ratio(drawn, image.pixels().len() as f32),
            orphan_ratio: ratio(orphans, drawn as f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    #[test]
    fn a_known_image_is_measured_exactly() {
        // Left half red, one blue pixel alone, the rest transparent.
        let image = RgbaImage::from_fn(8, 4, |x, y| match (x, y) {
            (0..4, _) => Rgba([200, 0, 0, 255]),
            (6, 1) => Rgba([0, 0, 200, 255]),
            _ => Rgba([0; 4]),
        });
        let metrics = Metrics::of(&image);
        assert_eq!((metrics.colors, metrics.alpha_levels), (2, 2));
        assert_eq!(metrics.opaque_ratio, 17.0 / 32.0);
        assert_eq!(metrics.orphan_ratio, 1.0 / 17.0);
    }

    #[test]
    fn nothing_measures_as_nothing() {
        let nothing = Metrics { colors: 0, alpha_levels: 0, opaque_ratio: 0.0, orphan_ratio: 0.0 };
        assert_eq!(Metrics::of(&RgbaImage::new(0, 0)), nothing);
        assert_eq!(Metrics::of(&RgbaImage::new(3, 3)), Metrics { alpha_levels: 1, ..nothing });
    }
}
