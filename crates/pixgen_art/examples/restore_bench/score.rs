//! How much of a sprite came back.

use std::collections::HashSet;

use image::{Rgba, RgbaImage, imageops};
use pixgen_art::delta_e;

use crate::degrade::Case;

/// Colours nearer than this count as right.
const RIGHT_DELTA_E: f32 = 0.05;

/// What one tool made of one picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub exact: bool,
    pub within_one: bool,
    /// Share of the drawn cells with the right colour, shifts of one cell forgiven; 0 where the size is off by more than one.
    pub drawn: f32,
    /// The same over all cells: what is not drawn must be transparent, or the painted background.
    pub all: f32,
    /// Share of cells with the right alpha; only where a painted background was to be removed or alpha was given.
    pub alpha: Option<f32>,
    /// Intersection over union of the drawn cells.
    pub iou: Option<f32>,
    pub colors_ratio: f32,
}

/// Compares a result with the truth. `cut` says whether the background was to be removed.
pub fn score(case: &Case, result: &RgbaImage, cut: bool) -> Score {
    let truth = &case.truth;
    let off = |a: u32, b: u32| a.abs_diff(b);
    let exact = result.dimensions() == truth.dimensions();
    let within_one = off(result.width(), truth.width()) <= 1 && off(result.height(), truth.height()) <= 1;
    let colors = |image: &RgbaImage| image.pixels().filter(|p| p.0[3] > 0).map(|p| p.0).collect::<HashSet<_>>().len();
    let mut expected = truth.clone();
    if let Some(background) = case.background.as_ref().filter(|_| !cut) {
        expected = background.clone();
        imageops::overlay(&mut expected, truth, 0, 0);
    }
    let colors_ratio = colors(result) as f32 / colors(truth).max(1) as f32;
    let mut best = Score { exact, within_one, colors_ratio, ..Score::default() };
    if !within_one {
        return best;
    }
    let has_alpha = truth.pixels().any(|p| p.0[3] == 0) && (cut || case.background.is_none());
    for (dx, dy) in [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)] {
        let (mut drawn, mut right_drawn, mut right, mut right_alpha) = (0u32, 0u32, 0u32, 0u32);
        let (mut both, mut either) = (0u32, 0u32);
        for (x, y, want) in expected.enumerate_pixels() {
            let found = i64::from(x) + dx;
            let found = (found >= 0).then_some(found as u32).zip(u32::try_from(i64::from(y) + dy).ok());
            let got = found.and_then(|(x, y)| result.get_pixel_checked(x, y)).copied().unwrap_or(Rgba([0; 4]));
            let is_drawn = truth.get_pixel(x, y).0[3] > 0;
            let is_right = if want.0[3] == 0 {
                got.0[3] < 128
            } else {
                got.0[3] >= 128 && delta_e(rgb(want), rgb(&got)) < RIGHT_DELTA_E
            };
            drawn += u32::from(is_drawn);
            right_drawn += u32::from(is_drawn && is_right);
            right += u32::from(is_right);
            right_alpha += u32::from((want.0[3] > 0) == (got.0[3] >= 128));
            both += u32::from(want.0[3] > 0 && got.0[3] >= 128);
            either += u32::from(want.0[3] > 0 || got.0[3] >= 128);
        }
        let total = (truth.width() * truth.height()).max(1) as f32;
        if right as f32 / total > best.all || (dx, dy) == (0, 0) {
            best.all = right as f32 / total;
            best.drawn = right_drawn as f32 / drawn.max(1) as f32;
            best.alpha = has_alpha.then_some(right_alpha as f32 / total);
            best.iou = has_alpha.then_some(both as f32 / either.max(1) as f32);
        }
    }
    best
}

fn rgb(pixel: &Rgba<u8>) -> [u8; 3] {
    [pixel.0[0], pixel.0[1], pixel.0[2]]
}
