//! What can be measured about a sprite: the numbers by which pixel art is told from a small photo.

use std::collections::BTreeSet;
use std::fmt;

use image::{Rgba, RgbaImage};

use crate::ArtError;
use crate::alpha::neighbors;
use crate::outline::outline_completeness;
use crate::seen::{SeenImage, SeenSum};
use crate::sheet::Motion;
use crate::tile::Seams;

/// Measurements of one image, or of the frames of an animation.
///
/// [`Metrics::rows`] names them for people, with their ranges. What is said of drawn sprites was measured on 2,184 of
/// the CC0 set on which the restoration is measured (`examples/measure_set.rs`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Distinct colours of the pixels that are not fully transparent. Drawn sprites have 9 in the median, nine in ten
    /// at most 62.
    pub colors: usize,
    /// How far the picture is from being constant on cells of its stated scale: root mean square of the difference of
    /// every pixel from its cell's mean (ΔE_OK, and alpha), 0 for true pixels, above 0.02 to be seen.
    pub off_grid_residual: f32,
    /// Distinct alpha values; clean sprites have 1 or 2.
    pub alpha_levels: usize,
    /// Share of the pixels that are not fully transparent, 0 to 1.
    pub opaque_ratio: f32,
    /// Share of those pixels that none of the eight pixels around equals, 0 to 1: dither patterns and
    /// sparkles have some, noise has nearly nothing else. Drawn sprites have 0.04 in the median, nine in ten at most
    /// 0.46 (small ones that are shaded pixel by pixel).
    pub orphan_ratio: f32,
    /// Share of the rim that is darker than what lies behind it, 0 to 1: 1 for a closed dark outline (see
    /// [`outline_completeness`]), 0.84 in the median of drawn sprites. The mean over the frames.
    pub outline_completeness: f32,
    /// The seams of the image as a tile, in standard deviations; of several frames the worst.
    pub seams: Seams,
    /// How the frames follow each other; `None` for a single image.
    pub motion: Option<Motion>,
}

/// One measure, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricRow {
    /// Its name, as panel and command line show it.
    pub name: &'static str,
    /// Its value with as many digits as mean something.
    pub value: String,
    /// What good pixel art has.
    pub good: &'static str,
    /// What it measures, in one sentence.
    pub meaning: &'static str,
}

impl Metrics {
    /// Measures a sprite, whose pixels are pixels; an image without pixels has ratios of 0.
    #[must_use]
    pub fn of(image: &RgbaImage) -> Self {
        let mut metrics = Self::of_images(std::slice::from_ref(image));
        metrics.seams = Seams::of(image);
        metrics
    }

    /// Measures a picture of a sprite whose pixels are `scale_px` columns and rows large, whole numbers or not: the
    /// residual on the picture, everything else on the middle pixels of its cells. An enlarged sprite measures as the
    /// sprite. A scale that is no number or below 1 counts as 1.
    #[must_use]
    pub fn of_picture(image: &RgbaImage, scale_px: [f32; 2]) -> Self {
        let cells = Cells::new(image, scale_px);
        let mut metrics = Self::of(&cells.middles(image));
        metrics.off_grid_residual = cells.residual(image);
        metrics
    }

    /// Measures the frames of an animation together, in the order in which they are shown.
    ///
    /// # Errors
    /// When two frames differ in size.
    pub fn of_frames(frames: &[RgbaImage]) -> Result<Self, ArtError> {
        let motion = Motion::of(frames)?;
        let mut metrics = Self::of_images(frames);
        metrics.seams = frames.iter().map(Seams::of).reduce(Seams::worse).unwrap_or(Seams::NONE);
        metrics.motion = Some(motion);
        Ok(metrics)
    }

    /// What is counted in each image on its own, over all of them.
    fn of_images(images: &[RgbaImage]) -> Self {
        let mut colors = BTreeSet::new();
        let mut alphas = [false; 256];
        let (mut pixels, mut drawn, mut orphans) = (0u64, 0u64, 0u64);
        let mut last = None;
        for image in images {
            pixels += image.pixels().len() as u64;
            for (x, y, pixel) in image.enumerate_pixels() {
                let [r, g, b, a] = pixel.0;
                alphas[usize::from(a)] = true;
                if a > 0 {
                    // Runs of one colour are the rule: only what changes is looked up.
                    if last != Some([r, g, b]) {
                        colors.insert([r, g, b]);
                        last = Some([r, g, b]);
                    }
                    drawn += 1;
                    orphans += u64::from(neighbors(image, x, y).all(|(x, y)| image.get_pixel(x, y) != pixel));
                }
            }
        }
        let ratio = |part: u64, whole: u64| if whole > 0 { (part as f64 / whole as f64) as f32 } else { 0.0 };
        let outlines: f32 = images.iter().map(outline_completeness).sum();
        Self {
            colors: colors.len(),
            off_grid_residual: 0.0,
            alpha_levels: alphas.iter().filter(|found| **found).count(),
            opaque_ratio: ratio(drawn, pixels),
            orphan_ratio: ratio(orphans, drawn),
            outline_completeness: outlines / images.len().max(1) as f32,
            seams: Seams::NONE,
            motion: None,
        }
    }

    /// The measures by name, in the order in which panel and command line show them; flicker and loop only for frames.
    #[must_use]
    pub fn rows(&self) -> Vec<MetricRow> {
        let row = |name, value, good, meaning| MetricRow { name, value, good, meaning };
        let percent = |share: f32| format!("{:.1} %", 100.0 * share);
        let mut rows = vec![
            row("colours", self.colors.to_string(), "3 to 64", "distinct colours that are drawn"),
            row(
                "off-grid residual",
                format!("{:.3}", self.off_grid_residual),
                "0, seen above 0.02",
                "how far the picture is from one colour per cell of its scale",
            ),
            row("alpha levels", self.alpha_levels.to_string(), "1 or 2", "distinct values of transparency"),
            row("drawn", percent(self.opaque_ratio), "14 to 100 %", "share of the pixels that are not transparent"),
            row(
                "orphans",
                percent(self.orphan_ratio),
                "about 4 %, noise above 50 %",
                "share of the drawn pixels that no pixel around equals",
            ),
            row(
                "outline",
                percent(self.outline_completeness),
                "above 84 % if outlined",
                "share of the rim that is darker than what lies behind it",
            ),
            row(
                "seam between columns",
                format!("{:.1} σ", self.seams.columns_z),
                "at most 2 in a tile, or a joint",
                "step from the right edge to the left one against the steps inside",
            ),
            row(
                "seam between rows",
                format!("{:.1} σ", self.seams.rows_z),
                "at most 2 in a tile, or a joint",
                "step from the lower edge to the upper one against the steps inside",
            ),
        ];
        if let Some(motion) = self.motion {
            rows.push(row(
                "flicker",
                percent(motion.flicker),
                "below 2 %",
                "share of the drawn pixels that change from frame to frame without motion",
            ));
            rows.push(row(
                "loop",
                format!("{:.2}", motion.loop_ratio),
                "about 1, jumps above 2",
                "step from the last frame to the first in mean steps between frames",
            ));
        }
        rows
    }
}

impl fmt::Display for Metrics {
    /// One line for each measure: name, value and what good pixel art has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.rows().iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{:<20}  {:>8}  ({})", row.name, row.value, row.good)?;
        }
        Ok(())
    }
}

/// The cells of a picture.
struct Cells {
    /// For every column and every row of the picture, the cell it lies in.
    of: [Vec<u32>; 2],
    /// Columns and rows of cells.
    count: [u32; 2],
}

impl Cells {
    fn new(image: &RgbaImage, scale_px: [f32; 2]) -> Self {
        let axis = |length: u32, scale: f32| -> Vec<u32> {
            let scale = if scale.is_finite() { f64::from(scale.max(1.0)) } else { 1.0 };
            (0..length).map(|at| ((f64::from(at) + 0.5) / scale) as u32).collect()
        };
        let of = [axis(image.width(), scale_px[0]), axis(image.height(), scale_px[1])];
        let count = [0, 1].map(|axis: usize| of[axis].last().map_or(0, |last| last + 1));
        Self { of, count }
    }

    /// The picture's pixel in the middle of every cell.
    fn middles(&self, image: &RgbaImage) -> RgbaImage {
        let middles = |axis: usize| -> Vec<u32> {
            let runs = self.of[axis].chunk_by(|a, b| a == b);
            let start = |run: &[u32]| (run.len() as u32, run.len() as u32 / 2);
            runs.scan(0, |at, run| {
                let (length, middle) = start(run);
                let found = *at + middle;
                *at += length;
                Some(found)
            })
            .collect()
        };
        let (columns, rows) = (middles(0), middles(1));
        RgbaImage::from_fn(self.count[0], self.count[1], |x, y| {
            let at = columns.get(x as usize).zip(rows.get(y as usize));
            at.and_then(|(x, y)| image.get_pixel_checked(*x, *y)).copied().unwrap_or(Rgba([0; 4]))
        })
    }

    /// Root mean square of the pixels' differences from their cells' means.
    fn residual(&self, image: &RgbaImage) -> f32 {
        let seen = SeenImage::new(image);
        let cell = |x: u32, y: u32| {
            let [columns, rows] = &self.of;
            rows[y as usize] as usize * self.count[0] as usize + columns[x as usize] as usize
        };
        let mut sums = vec![SeenSum::default(); self.count[0] as usize * self.count[1] as usize];
        for (x, y, _) in image.enumerate_pixels() {
            sums[cell(x, y)].add(seen.at(x, y));
        }
        let means: Vec<_> = sums.iter().map(SeenSum::mean).collect();
        let squares = image.enumerate_pixels().map(|(x, y, _)| {
            let distance = seen.at(x, y).distance(means[cell(x, y)]);
            // One part in a hundred thousand is what a mean of equal numbers is off by.
            if distance < 1e-5 { 0.0 } else { f64::from(distance).powi(2) }
        });
        (squares.sum::<f64>() / image.pixels().len().max(1) as f64).sqrt() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::enlarge;

    /// Left half red, one blue pixel alone, the rest transparent.
    fn known() -> RgbaImage {
        RgbaImage::from_fn(8, 4, |x, y| match (x, y) {
            (0..4, _) => Rgba([200, 0, 0, 255]),
            (6, 1) => Rgba([0, 0, 200, 255]),
            _ => Rgba([0; 4]),
        })
    }

    #[test]
    fn a_known_image_is_measured_exactly() {
        let metrics = Metrics::of(&known());
        assert_eq!((metrics.colors, metrics.alpha_levels), (2, 2));
        assert_eq!(metrics.opaque_ratio, 17.0 / 32.0);
        assert_eq!(metrics.orphan_ratio, 1.0 / 17.0);
        assert_eq!((metrics.off_grid_residual, metrics.motion), (0.0, None));
        assert_eq!(metrics.seams, Seams::of(&known()));
        assert_eq!(metrics.outline_completeness, outline_completeness(&known()));
    }

    #[test]
    fn nothing_measures_as_nothing() {
        let nothing = Metrics {
            colors: 0,
            off_grid_residual: 0.0,
            alpha_levels: 0,
            opaque_ratio: 0.0,
            orphan_ratio: 0.0,
            outline_completeness: 0.0,
            seams: Seams::NONE,
            motion: None,
        };
        assert_eq!(Metrics::of(&RgbaImage::new(0, 0)), nothing);
        assert_eq!(Metrics::of(&RgbaImage::new(3, 3)), Metrics { alpha_levels: 1, ..nothing });
        assert_eq!(Metrics::of_picture(&RgbaImage::new(0, 7), [3.0, f32::NAN]), nothing);
        assert_eq!(Metrics::of_frames(&[]), Ok(Metrics { motion: Some(Motion::default()), ..nothing }));
    }

    #[test]
    fn an_enlarged_sprite_measures_as_the_sprite_and_a_blurred_one_does_not() {
        let sprite = Metrics::of(&known());
        assert_eq!(Metrics::of_picture(&enlarge(&known(), 5).unwrap(), [5.0, 5.0]), sprite);
        // Nearest sampling at a fraction is constant on its cells too: 8 columns on 20, 4 rows on 9.
        let stretched = RgbaImage::from_fn(20, 9, |x, y| {
            *known().get_pixel(((x as f32 + 0.5) / 2.5) as u32, ((y as f32 + 0.5) / 2.25) as u32)
        });
        assert_eq!(Metrics::of_picture(&stretched, [2.5, 2.25]), sprite);
        let off = Metrics::of_picture(&enlarge(&known(), 5).unwrap(), [4.0, 4.0]).off_grid_residual;
        let soft = image::imageops::resize(&known(), 40, 20, image::imageops::FilterType::Triangle);
        let soft = Metrics::of_picture(&soft, [5.0, 5.0]).off_grid_residual;
        assert!(off > 0.1 && soft > 0.1, "{off} {soft}");
    }

    #[test]
    fn frames_are_measured_together() {
        let mut other = known();
        other.put_pixel(1, 1, Rgba([203, 0, 0, 255]));
        let metrics = Metrics::of_frames(&[known(), other]).unwrap();
        assert_eq!((metrics.colors, metrics.alpha_levels), (3, 2));
        assert_eq!(metrics.orphan_ratio, 3.0 / 34.0);
        assert_eq!(metrics.motion.unwrap().flicker, 1.0 / 17.0);
        assert!(Metrics::of_frames(&[known(), RgbaImage::new(1, 1)]).is_err());
    }

    #[test]
    fn every_measure_is_shown_by_name() {
        let text = Metrics::of(&known()).to_string();
        for part in ["colours                      2  (3 to 64)", "orphans                  5.9 %", "σ"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(text.lines().count(), 8);
        assert_eq!(Metrics::of_frames(&[known(), known()]).unwrap().rows().len(), 10);
    }
}
