//! Tiles: whether they repeat without a seam, and how they look side by side.

use image::RgbaImage;

use crate::error::{ArtError, checked_size};
use crate::oklab::{distance_squared, lab};

/// How visible the seams of a repeated tile are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seams {
    /// The seam between the right and the left edge, in standard deviations above the steps inside the tile.
    pub columns_z: f32,
    /// The seam between the lower and the upper edge.
    pub rows_z: f32,
}

impl Seams {
    /// Measures a tile. Where all steps inside are equal (a flat tile, or less than four pixels), a seam without a step
    /// has 0 and one with a step has 99.
    #[must_use]
    pub fn of(tile: &RgbaImage) -> Self {
        let (width, height) = tile.dimensions();
        let step = |a: (u32, u32), b: (u32, u32)| {
            let rgb = |(x, y): (u32, u32)| {
                let [r, g, b, _] = tile.get_pixel(x, y).0;
                [r, g, b]
            };
            distance_squared(lab(rgb(a)), lab(rgb(b))).sqrt()
        };
        // One value for each pair of neighbouring columns: the mean step between them, the pair over the edge last.
        let columns = (0..width).map(|x| {
            let next = (x + 1) % width;
            (0..height).map(|y| step((x, y), (next, y))).sum::<f32>() / height.max(1) as f32
        });
        let rows = (0..height).map(|y| {
            let next = (y + 1) % height;
            (0..width).map(|x| step((x, y), (x, next))).sum::<f32>() / width.max(1) as f32
        });
        Self { columns_z: z_of_last(&columns.collect::<Vec<_>>()), rows_z: z_of_last(&rows.collect::<Vec<_>>()) }
    }
}

/// How far the last value lies above the others, in their standard deviations.
fn z_of_last(steps: &[f32]) -> f32 {
    const STEEPEST: f32 = 99.0;
    let Some((seam, inner)) = steps.split_last() else { return 0.0 };
    if inner.is_empty() {
        return 0.0;
    }
    let mean = inner.iter().sum::<f32>() / inner.len() as f32;
    let deviation = (inner.iter().map(|step| (step - mean).powi(2)).sum::<f32>() / inner.len() as f32).sqrt();
    let above = seam - mean;
    if deviation > 1e-6 {
        (above / deviation).clamp(-STEEPEST, STEEPEST)
    } else if above > 1e-6 {
        STEEPEST
    } else {
        0.0
    }
}

/// The tile three times three, as it looks in a level.
///
/// # Errors
/// When the result would be larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn preview_3x3(tile: &RgbaImage) -> Result<RgbaImage, ArtError> {
    let (width, height) = checked_size(3 * u64::from(tile.width()), 3 * u64::from(tile.height()))?;
    Ok(RgbaImage::from_fn(width, height, |x, y| *tile.get_pixel(x % tile.width(), y % tile.height())))
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    fn waves(period: f32) -> RgbaImage {
        RgbaImage::from_fn(32, 32, |x, y| {
            let phase = |at: u32| (at as f32 / period * std::f32::consts::TAU).sin();
            let grey = (128.0 + 50.0 * phase(x) + 50.0 * phase(y)) as u8;
            Rgba([grey, grey, grey, 255])
        })
    }

    #[test]
    fn a_seamless_tile_has_low_values_and_a_cut_one_high() {
        let good = Seams::of(&waves(16.0));
        assert!(good.columns_z < 2.0 && good.rows_z < 2.0, "{good:?}");
        let bad = Seams::of(&waves(26.0));
        assert!(bad.columns_z > 4.0 && bad.rows_z > 4.0, "{bad:?}");
    }

    #[test]
    fn flat_and_empty_tiles_have_no_seam() {
        let none = Seams { columns_z: 0.0, rows_z: 0.0 };
        for size in [(0, 0), (1, 1), (5, 5), (2, 0)] {
            assert_eq!(Seams::of(&RgbaImage::from_pixel(size.0, size.1, Rgba([5, 6, 7, 255]))), none);
        }
    }

    #[test]
    fn the_preview_repeats() {
        let preview = preview_3x3(&waves(9.0)).unwrap();
        assert_eq!(preview.dimensions(), (96, 96));
        assert_eq!(preview.get_pixel(70, 40), waves(9.0).get_pixel(6, 8));
        assert_eq!(preview_3x3(&RgbaImage::new(0, 0)).unwrap().dimensions(), (0, 0));
        assert!(preview_3x3(&RgbaImage::new(6000, 1)).is_err());
    }
}
