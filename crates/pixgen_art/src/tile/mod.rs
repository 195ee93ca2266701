//! Tiles: whether they repeat without a seam, how a seam is mended, and how they look side by side.

mod pairs;
mod repair;

use image::RgbaImage;

pub use self::pairs::{MAX_TILES, PairSeams, check_pairs};
pub use self::repair::{SeamRepair, repair_seams};
use crate::error::{ArtError, checked_size};
use crate::seen::SeenImage;

/// Seams up to this many standard deviations above the steps inside a tile are not seen: of steps that are spread as
/// errors are, one in forty is as steep.
pub const SEAMLESS_Z: f32 = 2.0;

/// Seams up to this many times the steepest step inside are not seen either: what is drawn in the tile is as steep. A
/// thousandth is for rounding.
const SEAMLESS_RATIO: f32 = 1.001;

/// The highest z-score that is reported, in either direction.
pub const MAX_SEAM_Z: f32 = 99.0;

/// How visible the seams of a repeated tile are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seams {
    /// The seam between the right and the left edge, in standard deviations above the steps inside the tile,
    /// -[`MAX_SEAM_Z`] to [`MAX_SEAM_Z`].
    pub columns_z: f32,
    /// The seam between the lower and the upper edge.
    pub rows_z: f32,
    /// The step between the right and the left edge as a multiple of the steepest step inside, 0 to [`MAX_SEAM_Z`]. A
    /// paving stone with a joint along its right edge has a high z-score, as there is one such joint only, and a ratio
    /// of 1: the joint has two sides, and one of them is the seam.
    pub columns_ratio: f32,
    /// The same for the step between the lower and the upper edge.
    pub rows_ratio: f32,
}

impl Seams {
    /// No seams at all.
    pub const NONE: Self = Self { columns_z: 0.0, rows_z: 0.0, columns_ratio: 0.0, rows_ratio: 0.0 };

    /// Measures a tile. Where all steps inside are equal (a flat tile, or less than four pixels), a seam without a step
    /// has 0 and one with a step has 99.
    #[must_use]
    pub fn of(tile: &RgbaImage) -> Self {
        let steps = Steps::of(tile);
        Self::between(&steps, &steps)
    }

    /// Measures the seams of two tiles, the second one to the right of the first and below it.
    fn between(first: &Steps, second: &Steps) -> Self {
        let measure = |axis: usize| match first.seam(axis, second) {
            Some(seam) => {
                let inner = || first.inner[axis].iter().chain(&second.inner[axis]);
                (z_score(seam, inner()), ratio(seam, inner()))
            }
            None => (0.0, 0.0),
        };
        let ((columns_z, columns_ratio), (rows_z, rows_ratio)) = (measure(0), measure(1));
        Self { columns_z, rows_z, columns_ratio, rows_ratio }
    }

    /// The worse of both on each axis.
    pub(crate) fn worse(self, other: Self) -> Self {
        Self {
            columns_z: self.columns_z.max(other.columns_z),
            rows_z: self.rows_z.max(other.rows_z),
            columns_ratio: self.columns_ratio.max(other.columns_ratio),
            rows_ratio: self.rows_ratio.max(other.rows_ratio),
        }
    }

    /// The z-score of the seam that is steeper.
    #[must_use]
    pub fn worst_z(self) -> f32 {
        self.columns_z.max(self.rows_z)
    }

    /// Whether no seam is seen between right and left edge: it is at most [`SEAMLESS_Z`], or there are steps inside
    /// that are as steep.
    #[must_use]
    pub fn columns_fit(self) -> bool {
        self.columns_z <= SEAMLESS_Z || self.columns_ratio <= SEAMLESS_RATIO
    }

    /// The same between lower and upper edge.
    #[must_use]
    pub fn rows_fit(self) -> bool {
        self.rows_z <= SEAMLESS_Z || self.rows_ratio <= SEAMLESS_RATIO
    }

    /// Whether no seam is seen at all.
    #[must_use]
    pub fn is_seamless(self) -> bool {
        self.columns_fit() && self.rows_fit()
    }
}

/// The steps between neighbouring lines of one tile.
struct Steps {
    seen: SeenImage,
    size: [u32; 2],
    /// The mean step between every two neighbouring columns, and between rows.
    inner: [Vec<f32>; 2],
}

impl Steps {
    fn of(tile: &RgbaImage) -> Self {
        let mut steps =
            Self { seen: SeenImage::new(tile), size: [tile.width(), tile.height()], inner: [vec![], vec![]] };
        for axis in 0..2 {
            let between = (1..steps.size[axis]).map(|line| mean_step(&steps, line - 1, &steps, line, axis));
            steps.inner[axis] = between.collect();
        }
        steps
    }

    /// The mean step from the last line of this tile to the first of another; `None` where there is no line.
    fn seam(&self, axis: usize, next: &Self) -> Option<f32> {
        let last = self.size[axis].checked_sub(1)?;
        (next.size[axis] > 0).then(|| mean_step(self, last, next, 0, axis))
    }
}

/// The mean difference between a line of one tile and a line of another of the same length: columns on axis 0.
fn mean_step(first: &Steps, line: u32, second: &Steps, next: u32, axis: usize) -> f32 {
    let length = first.size[1 - axis];
    let at = |steps: &Steps, line: u32, along: u32| match axis {
        0 => steps.seen.at(line, along),
        _ => steps.seen.at(along, line),
    };
    let sum: f32 = (0..length).map(|along| at(first, line, along).distance(at(second, next, along))).sum();
    sum / length.max(1) as f32
}

/// How far a seam lies above the steps inside, in their standard deviations.
fn z_score<'a>(seam: f32, inner: impl Iterator<Item = &'a f32> + Clone) -> f32 {
    let count = inner.clone().count();
    if count == 0 {
        return 0.0;
    }
    let mean = inner.clone().sum::<f32>() / count as f32;
    let deviation = (inner.map(|step| (step - mean).powi(2)).sum::<f32>() / count as f32).sqrt();
    let above = seam - mean;
    if deviation > 1e-6 {
        (above / deviation).clamp(-MAX_SEAM_Z, MAX_SEAM_Z)
    } else if above > 1e-6 {
        MAX_SEAM_Z
    } else {
        0.0
    }
}

/// A seam as a multiple of the steepest step inside.
fn ratio<'a>(seam: f32, inner: impl Iterator<Item = &'a f32>) -> f32 {
    let mut inner = inner.peekable();
    if inner.peek().is_none() || seam <= 1e-6 {
        return 0.0;
    }
    let steepest = inner.copied().fold(0.0, f32::max);
    if steepest > 1e-6 { (seam / steepest).min(MAX_SEAM_Z) } else { MAX_SEAM_Z }
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
        assert!(good.columns_z < 2.0 && good.rows_z < 2.0 && good.is_seamless(), "{good:?}");
        let bad = Seams::of(&waves(26.0));
        assert!(bad.columns_z > 4.0 && bad.rows_z > 4.0 && !bad.is_seamless(), "{bad:?}");
    }

    #[test]
    fn flat_and_empty_tiles_have_no_seam() {
        for size in [(0, 0), (1, 1), (5, 5), (2, 0), (0, 3)] {
            assert_eq!(Seams::of(&RgbaImage::from_pixel(size.0, size.1, Rgba([5, 6, 7, 255]))), Seams::NONE);
        }
    }

    #[test]
    fn a_step_in_alpha_is_a_seam_and_hidden_colours_are_none() {
        let half = RgbaImage::from_fn(8, 8, |x, _| Rgba([9, 9, 9, if x < 4 { 255 } else { 0 }]));
        // One of seven steps inside is 1: mean 1/7, deviation √(6/49), and the seam is 1 too.
        let z = (6.0f32 / 7.0) / (6.0f32 / 49.0).sqrt();
        assert!((Seams::of(&half).columns_z - z).abs() < 1e-4);
        let hidden = RgbaImage::from_fn(8, 8, |x, y| Rgba([(x * 30) as u8, (y * 30) as u8, 0, 0]));
        assert_eq!(Seams::of(&hidden), Seams::NONE);
    }

    #[test]
    fn a_joint_along_one_edge_is_no_seam() {
        // A paving stone: the joint is the last column and the last row.
        let stone = RgbaImage::from_fn(16, 16, |x, y| match (x, y) {
            (15, _) | (_, 15) => Rgba([30, 30, 40, 255]),
            _ => Rgba([140, 140, 150, 255]),
        });
        let seams = Seams::of(&stone);
        assert!(seams.columns_z > 3.0 && (seams.columns_ratio - 1.0).abs() < 1e-3, "{seams:?}");
        assert!(seams.is_seamless());
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
