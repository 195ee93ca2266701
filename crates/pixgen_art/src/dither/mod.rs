//! Few colours that look like more: ordered and error-diffusion dithering onto a palette.
//!
//! Distances are measured in OKLab. Ordered patterns depend on a pixel's place only, so that a still part of an
//! animation keeps its pattern from frame to frame; error diffusion does not promise that.

mod blue_noise;

use image::RgbaImage;
pub use pixgen_api::Dither;

use crate::oklab::{Lab, distance_squared, lab};
use crate::palette::Palette;

/// The threshold of a place, 0 to 1; `None` for kinds that have none.
fn threshold(kind: Dither, x: u32, y: u32) -> Option<f32> {
    match kind {
        Dither::Bayer2 => Some(bayer(1, x, y)),
        Dither::Bayer4 => Some(bayer(2, x, y)),
        Dither::Bayer8 => Some(bayer(3, x, y)),
        Dither::BlueNoise => Some(blue_noise::threshold(x, y)),
        Dither::None | Dither::FloydSteinberg | Dither::Atkinson => None,
    }
}

/// Most error that a pixel takes over, in OKLab: half of the way from black to white.
const MAX_ERROR: f32 = 0.5;

/// Where the error goes: columns, rows, share.
fn diffusion(kind: Dither) -> &'static [(i32, i32, f32)] {
    match kind {
        Dither::FloydSteinberg => &[(1, 0, 0.4375), (-1, 1, 0.1875), (0, 1, 0.3125), (1, 1, 0.0625)],
        Dither::Atkinson => {
            &[(1, 0, 0.125), (2, 0, 0.125), (-1, 1, 0.125), (0, 1, 0.125), (1, 1, 0.125), (0, 2, 0.125)]
        }
        Dither::None | Dither::Bayer2 | Dither::Bayer4 | Dither::Bayer8 | Dither::BlueNoise => &[],
    }
}

/// Bayer's matrix of edge `2^order`, in the middle of its steps.
fn bayer(order: u32, x: u32, y: u32) -> f32 {
    let mut value = 0;
    for bit in 0..order {
        let (x, y) = (x >> bit & 1, y >> bit & 1);
        value = value << 2 | (x ^ y) << 1 | y;
    }
    (value as f32 + 0.5) / (1u32 << (2 * order)) as f32
}

/// The image in the palette's colours; `strength` 0 to 1 is how far dithering may go. Alpha is unchanged.
///
/// A pixel that has a colour of the palette keeps it under ordered dithering, so that dithering twice changes nothing.
#[must_use]
pub fn dither(image: &RgbaImage, palette: &Palette, kind: Dither, strength: f32) -> RgbaImage {
    let strength = if strength.is_nan() { 0.0 } else { strength.clamp(0.0, 1.0) };
    let colors = palette.colors();
    if kind == Dither::None || strength == 0.0 || colors.is_empty() {
        return palette.apply(image);
    }
    let labs: Vec<Lab> = colors.iter().map(|color| lab(*color)).collect();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut errors = vec![[0.0f32; 3]; width * height];
    let mut dithered = image.clone();
    for (x, y, pixel) in dithered.enumerate_pixels_mut().filter(|(_, _, pixel)| pixel.0[3] > 0) {
        let [r, g, b, a] = pixel.0;
        let place = y as usize * width + x as usize;
        let own = lab([r, g, b]);
        // Bounded, because what the palette cannot show adds up without end and would bleed over the next edge.
        let wanted = [0, 1, 2].map(|part| own[part] + errors[place][part].clamp(-MAX_ERROR, MAX_ERROR));
        let index = match threshold(kind, x, y) {
            Some(threshold) => ordered(&labs, own, threshold, strength),
            None => nearest_two(&labs, wanted).0,
        };
        for (dx, dy, share) in diffusion(kind) {
            let near = (x as i32 + dx, y as i32 + dy);
            let is_inside = near.0 >= 0 && (near.0 as usize) < width && (near.1 as usize) < height;
            if is_inside {
                let error = &mut errors[near.1 as usize * width + near.0 as usize];
                (0..3).for_each(|part| error[part] += share * strength * (wanted[part] - labs[index][part]));
            }
        }
        let [r, g, b] = colors[index];
        pixel.0 = [r, g, b, a];
    }
    dithered
}

/// The nearest colour or the one on the other side of the wanted one, by how far between them it lies.
fn ordered(labs: &[Lab], wanted: Lab, threshold: f32, strength: f32) -> usize {
    let (first, second) = nearest_two(labs, wanted);
    let Some(second) = second else { return first };
    let span = distance_squared(labs[first], labs[second]);
    let along: f32 = (0..3).map(|p| (wanted[p] - labs[first][p]) * (labs[second][p] - labs[first][p])).sum();
    let share = if span > 0.0 { along / span } else { 0.0 };
    // Thresholds are narrowed around one half, where the nearest colour would change anyway.
    if share > 0.5 + (threshold - 0.5) * strength { second } else { first }
}

/// The nearest colour, and of the others the one with which a mixture comes nearest.
fn nearest_two(labs: &[Lab], wanted: Lab) -> (usize, Option<usize>) {
    let by_distance = |a: &usize, b: &usize| {
        distance_squared(labs[*a], wanted).total_cmp(&distance_squared(labs[*b], wanted)).then(a.cmp(b))
    };
    let first = (0..labs.len()).min_by(by_distance).unwrap_or(0);
    let mixture_error = |second: usize| {
        let span = distance_squared(labs[first], labs[second]).max(1e-9);
        let along: f32 = (0..3).map(|p| (wanted[p] - labs[first][p]) * (labs[second][p] - labs[first][p])).sum();
        let share = (along / span).clamp(0.0, 1.0);
        let mixed = [0, 1, 2].map(|p| labs[first][p] + share * (labs[second][p] - labs[first][p]));
        // Two colours far apart flicker before the eye: a nearer pair with a little more error is better.
        distance_squared(mixed, wanted) + 0.02 * span
    };
    let others = (0..labs.len()).filter(|index| *index != first);
    let second = others.min_by(|a, b| mixture_error(*a).total_cmp(&mixture_error(*b)).then(a.cmp(b)));
    (first, second)
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    const GREYS: [[u8; 3]; 3] = [[0, 0, 0], [128, 128, 128], [255, 255, 255]];

    fn ramp() -> RgbaImage {
        RgbaImage::from_fn(64, 16, |x, _| {
            let grey = (x * 4) as u8;
            Rgba([grey, grey, grey, 255])
        })
    }

    fn mean_lightness(image: &RgbaImage, columns: std::ops::Range<u32>) -> f32 {
        let pixels = image.enumerate_pixels().filter(|(x, _, _)| columns.contains(x));
        let values: Vec<f32> = pixels.map(|(_, _, p)| lab([p.0[0], p.0[1], p.0[2]])[0]).collect();
        values.iter().sum::<f32>() / values.len() as f32
    }

    #[test]
    fn areas_keep_their_lightness() {
        let palette = Palette::new(GREYS);
        for kind in Dither::ALL.into_iter().filter(|kind| *kind != Dither::None) {
            let dithered = dither(&ramp(), &palette, kind, 1.0);
            // Atkinson gives up contrast at the ends by design.
            let allowed = if matches!(kind, Dither::Atkinson | Dither::Bayer2) { 0.09 } else { 0.04 };
            for start in (8..56).step_by(8) {
                let (before, after) =
                    (mean_lightness(&ramp(), start..start + 8), mean_lightness(&dithered, start..start + 8));
                assert!((before - after).abs() < allowed, "{kind:?} at {start}: {before} became {after}");
            }
        }
    }

    #[test]
    fn only_colours_of_the_palette_come_out_and_ordered_patterns_are_stable() {
        let palette = Palette::new(GREYS);
        for kind in Dither::ALL {
            for strength in [0.0, 0.5, 1.0, f32::NAN] {
                let once = dither(&ramp(), &palette, kind, strength);
                assert!(once.pixels().all(|p| GREYS.contains(&[p.0[0], p.0[1], p.0[2]])), "{kind:?}");
                assert_eq!(dither(&once, &palette, kind, strength), once, "{kind:?} {strength}");
            }
        }
        assert_eq!(dither(&ramp(), &Palette::default(), Dither::Bayer4, 1.0), ramp());
    }

    #[test]
    fn a_bayer_matrix_holds_every_step_once() {
        for order in 1..=3 {
            let edge = 1u32 << order;
            let mut steps: Vec<u32> =
                (0..edge * edge).map(|i| (bayer(order, i % edge, i / edge) * (edge * edge) as f32) as u32).collect();
            steps.sort_unstable();
            assert!(steps.iter().copied().eq(0..edge * edge), "{steps:?}");
        }
    }
}
