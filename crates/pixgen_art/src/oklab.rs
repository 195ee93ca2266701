//! Colours as the eye compares them: OKLab (Björn Ottosson 2020) under a little room light.

use std::array;
use std::sync::LazyLock;

use image::{Rgba, RgbaImage};
use palette::{IntoColor, LinSrgb, Oklab, Srgb};
use pulp::{Arch, Simd, WithSimd};

/// Light that falls on every screen and is added to both colours before they are compared, as a
/// share of white. Without it OKLab's cube root makes the invisible steps between near-black
/// values the largest differences in the picture: black and `#020202` would be 0.085 apart, as far as
/// two neighbouring shades of an artist's ramp.
const ROOM_LIGHT: f32 = 0.005;

/// Lightness (0 to 1), green–red, blue–yellow.
pub(crate) type Lab = [f32; 3];

/// The colour as a point whose distances are differences for the eye.
pub(crate) fn lab(rgb: [u8; 3]) -> Lab {
    let linear: LinSrgb<f32> = Srgb::from(rgb).into_linear();
    let lit = LinSrgb::new(linear.red + ROOM_LIGHT, linear.green + ROOM_LIGHT, linear.blue + ROOM_LIGHT);
    let Oklab { l, a, b } = lit.into_color();
    [l, a, b]
}

/// Linear light of an 8-bit value.
fn linear(value: u8) -> f32 {
    let grey: LinSrgb<f32> = Srgb::from([value; 3]).into_linear();
    grey.red
}

/// Linear light of every 8-bit value, with the room's.
static LIT: LazyLock<[f32; 256]> = LazyLock::new(|| array::from_fn(|value| linear(value as u8) + ROOM_LIGHT));

/// What one level more adds to [`LIT`].
static LIT_CHANGE: LazyLock<[f32; 256]> = LazyLock::new(|| {
    let at = |value: usize| LIT[value.min(255)];
    array::from_fn(|value| {
        (at(value + 1) - at(value.saturating_sub(1))) / if matches!(value, 0 | 255) { 1.0 } else { 2.0 }
    })
});

/// From linear red, green and blue to what the long, medium and short cones get, in Ottosson's article.
const TO_CONES: [[f32; 3]; 3] = [
    [0.412_221_46, 0.536_332_55, 0.051_445_995],
    [0.211_903_5, 0.680_699_5, 0.107_396_96],
    [0.088_302_46, 0.281_718_85, 0.629_978_7],
];

/// From the cube roots of those to lightness, green–red and blue–yellow.
const FROM_CONES: [[f32; 3]; 3] = [
    [0.210_454_26, 0.793_617_8, -0.004_072_047],
    [1.977_998_5, -2.428_592_2, 0.450_593_7],
    [0.025_904_037, 0.782_771_77, -0.808_675_77],
];

/// Pixels that [`LabRow`] computes at once: two registers of SSE, one of AVX.
pub(crate) const LANES: usize = 8;

/// Pixels that are read together: those of a cell of the commonest size.
const BLOCK: usize = 64;

/// Many colours as points, each part on its own, so that the compiler computes several at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabRow {
    /// Lightness, green–red, blue–yellow.
    pub(crate) parts: [Vec<f32>; 3],
}

impl LabRow {
    /// The colours of pixels in RGBA bytes. Every point lies within 0.0002 of what [`lab`] says, ten times as fast.
    pub(crate) fn read(&mut self, rgba: &[u8]) {
        Arch::new().dispatch(Read { row: self, rgba });
    }

    /// [`LabRow::read`] as part of a function that is compiled for wide registers itself.
    #[inline(always)]
    fn read_inline(&mut self, rgba: &[u8]) {
        let lit = &*LIT;
        let count = rgba.len() / 4;
        for part in &mut self.parts {
            part.resize(count.next_multiple_of(LANES), 0.0);
        }
        let [lightness, green_red, blue_yellow] = &mut self.parts;
        // Long loops of one kind each, over a block that stays in the nearest cache: the compiler makes vectors of these.
        let places = lightness.chunks_mut(BLOCK).zip(green_red.chunks_mut(BLOCK)).zip(blue_yellow.chunks_mut(BLOCK));
        for (pixels, ((l, a), b)) in rgba.chunks(4 * BLOCK).zip(places) {
            let mut linear = [[ROOM_LIGHT; BLOCK]; 3];
            for (lane, pixel) in pixels.as_chunks::<4>().0.iter().take(BLOCK).enumerate() {
                linear[0][lane] = lit[usize::from(pixel[0])];
                linear[1][lane] = lit[usize::from(pixel[1])];
                linear[2][lane] = lit[usize::from(pixel[2])];
            }
            // The two matrices of Ottosson's article.
            let mut cones = [[0.0f32; BLOCK]; 3];
            for (weights, cone) in TO_CONES.into_iter().zip(&mut cones) {
                for (index, light) in cone.iter_mut().enumerate() {
                    let mixed = weights[0] * linear[0][index] + weights[1] * linear[1][index];
                    *light = cube_root(mixed + weights[2] * linear[2][index]);
                }
            }
            for (weights, part) in FROM_CONES.into_iter().zip([&mut *l, a, b]) {
                for (((value, long), medium), short) in part.iter_mut().zip(&cones[0]).zip(&cones[1]).zip(&cones[2]) {
                    *value = weights[0] * long + weights[1] * medium + weights[2] * short;
                }
            }
            // Only white with the room's light is above 1.
            l.iter_mut().for_each(|value| *value = if *value > 1.0 { 1.0 } else { *value });
        }
        for part in &mut self.parts {
            part.truncate(count);
        }
    }

    /// As [`LabRow::read`] for the pixels of one cell, a multiple of [`LANES`] of them. No channel of theirs lies below
    /// `low` or above `high`.
    ///
    /// Most cells show one colour and noise. So near to each other OKLab is as good as linear: what a level more of each
    /// channel changes is worked out once, in the middle of the colours.
    #[inline(always)]
    pub(crate) fn read_cell(&mut self, rgba: &[[u8; 4]], low: [u8; 3], high: [u8; 3]) {
        if low.iter().zip(high).any(|(low, high)| high - low > NEAR_LEVELS) {
            return self.read_inline(rgba.as_flattened());
        }
        let middle: [u8; 3] = array::from_fn(|c| low[c] + (high[c] - low[c]) / 2);
        let Slopes { base, by_level } = Slopes::at(middle);
        let middle = middle.map(i32::from);
        for part in &mut self.parts {
            part.resize(rgba.len(), 0.0);
        }
        let [lightness, green_red, blue_yellow] = &mut self.parts;
        let places = lightness.as_chunks_mut::<LANES>().0.iter_mut().zip(green_red.as_chunks_mut::<LANES>().0);
        let places = places.zip(blue_yellow.as_chunks_mut::<LANES>().0);
        for (pixels, ((l, a), b)) in rgba.as_chunks::<LANES>().0.iter().zip(places) {
            let mut steps = [[0.0f32; LANES]; 3];
            for (channel, steps) in steps.iter_mut().enumerate() {
                for (step, pixel) in steps.iter_mut().zip(pixels) {
                    *step = ((i32::from_le_bytes(*pixel) >> (8 * channel) & 0xff) - middle[channel]) as f32;
                }
            }
            mix(by_level[0], base[0], &steps, l);
            mix(by_level[1], base[1], &steps, a);
            mix(by_level[2], base[2], &steps, b);
        }
    }

    /// One of the points.
    pub(crate) fn at(&self, index: usize) -> Lab {
        [self.parts[0][index], self.parts[1][index], self.parts[2][index]]
    }
}

/// [`LabRow::read`], compiled for the widest registers that a processor has.
struct Read<'a> {
    row: &'a mut LabRow,
    rgba: &'a [u8],
}

impl WithSimd for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.row.read_inline(self.rgba);
    }
}

/// `base` and three weighted numbers in every lane.
#[inline(always)]
fn mix(weights: [f32; 3], base: f32, of: &[[f32; LANES]; 3], into: &mut [f32; LANES]) {
    for (lane, into) in into.iter_mut().enumerate() {
        *into = base + weights[0] * of[0][lane] + weights[1] * of[1][lane] + weights[2] * of[2][lane];
    }
}

/// Colours whose channels span no more than this are near enough to each other for [`Slopes`]: noise of ±6 levels.
const NEAR_LEVELS: u8 = 12;

/// How [`lab`] changes around one colour.
struct Slopes {
    base: Lab,
    /// Change of each part by one level of red, green and blue.
    by_level: [[f32; 3]; 3],
}

impl Slopes {
    #[inline(always)]
    fn at(rgb: [u8; 3]) -> Self {
        let [lit, change] = [&*LIT, &*LIT_CHANGE].map(|table| rgb.map(|value| table[usize::from(value)]));
        let cones = TO_CONES.map(|row| cube_root(row[0] * lit[0] + row[1] * lit[1] + row[2] * lit[2]));
        // The derivative of a cube root is a third of one over its square.
        let by_light = cones.map(|root| 1.0 / (3.0 * root * root));
        let base = FROM_CONES.map(|row| row[0] * cones[0] + row[1] * cones[1] + row[2] * cones[2]);
        let by_level = FROM_CONES.map(|row| {
            array::from_fn(|c| change[c] * (0..3).map(|k| row[k] * by_light[k] * TO_CONES[k][c]).sum::<f32>())
        });
        Self { base, by_level }
    }
}

/// The colours of an image as points, in reading order; as near to [`lab`] as [`LabRow::read`].
pub(crate) fn labs(image: &RgbaImage) -> Vec<Lab> {
    let mut row = LabRow::default();
    row.read(image.as_raw());
    (0..image.as_raw().len() / 4).map(|index| row.at(index)).collect()
}

/// The cube root of a number from 0.004 to 1.1, to five digits: a third of the exponent, then Halley's step.
#[inline(always)]
fn cube_root(x: f32) -> f32 {
    let bits = x.to_bits();
    // A third as 1/4 + 1/16 + 1/64 + …, because vectors of integers have no division.
    let mut third = (bits >> 2) + (bits >> 4);
    third += third >> 4;
    third += third >> 8;
    let guess = f32::from_bits(third + 0x2a51_37a0);
    let cube = guess * guess * guess;
    guess * (cube + 2.0 * x) / (2.0 * cube + x)
}

/// The colour of a pixel, without its alpha.
pub(crate) fn rgb_of(pixel: &Rgba<u8>) -> [u8; 3] {
    let [r, g, b, _] = pixel.0;
    [r, g, b]
}

/// The colour of a point, the inverse of [`lab`].
pub(crate) fn rgb([l, a, b]: Lab) -> [u8; 3] {
    let lit: LinSrgb<f32> = Oklab::new(l, a, b).into_color();
    let dark = LinSrgb::new(lit.red - ROOM_LIGHT, lit.green - ROOM_LIGHT, lit.blue - ROOM_LIGHT);
    let srgb: Srgb<f32> = Srgb::from_linear(dark);
    [srgb.red, srgb.green, srgb.blue].map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
}

/// Squared distance of two points.
#[inline(always)]
pub(crate) fn distance_squared(a: Lab, b: Lab) -> f32 {
    let [l, x, y] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    l * l + x * x + y * y
}

/// The point in the middle of weighted points; `None` when there is no weight.
pub(crate) fn weighted_mean(points: impl Iterator<Item = (Lab, f32)>) -> Option<Lab> {
    // f64, so that the sum over a large image keeps its last digits.
    let mut sum = [0.0f64; 3];
    let mut total = 0.0f64;
    for (point, weight) in points {
        for (sum, part) in sum.iter_mut().zip(point) {
            *sum += f64::from(part) * f64::from(weight);
        }
        total += f64::from(weight);
    }
    (total > 0.0).then(|| sum.map(|sum| (sum / total) as f32))
}

/// How different two colours look: the distance in OKLab (0 = equal, 0.02 = just noticeable,
/// 1 = black against white), with half a percent of room light on both.
#[must_use]
pub fn delta_e(a: [u8; 3], b: [u8; 3]) -> f32 {
    distance_squared(lab(a), lab(b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seventh of a noticeable difference.
    const NEAR_ERROR: f32 = 3e-3;

    #[test]
    fn differences_have_the_stated_scale() {
        assert_eq!(delta_e([12, 200, 7], [12, 200, 7]), 0.0);
        let black_white = delta_e([0, 0, 0], [255, 255, 255]);
        // Room light lifts black to the cube root of 0.005.
        assert!((0.82..0.84).contains(&black_white), "{black_white}");
        let near_black = delta_e([0, 0, 0], [2, 2, 2]);
        assert!(near_black < 0.01, "{near_black}");
        assert!(delta_e([255, 0, 0], [0, 0, 255]) > delta_e([255, 0, 0], [255, 80, 0]));
    }

    #[test]
    fn many_points_at_once_are_the_same_points() {
        // Every 5th value of each channel and the ends, in rows of odd length.
        let values: Vec<u8> = (0..=255).step_by(5).collect();
        let mut worst = 0.0f32;
        for r in &values {
            for g in &values {
                let rgba: Vec<u8> = values.iter().flat_map(|b| [*r, *g, *b, 9]).collect();
                let mut row = LabRow::default();
                row.read(&rgba);
                for (index, b) in values.iter().enumerate() {
                    worst = worst.max(distance_squared(row.at(index), lab([*r, *g, *b])).sqrt());
                }
            }
        }
        assert!(worst < 2e-4, "{worst}");
    }

    #[test]
    fn near_colours_are_as_good_as_linear() {
        let mut worst = 0.0f32;
        for r in (0..=240).step_by(16) {
            for g in (0..=240).step_by(16) {
                for b in (0..=240u8).step_by(16) {
                    let noise = |i: u8, step: u8| i * step % (NEAR_LEVELS + 1);
                    let cell: Vec<[u8; 4]> =
                        (0..16).map(|i| [r + noise(i, 1), g + noise(i, 5), b + noise(i, 7), 255]).collect();
                    let mut row = LabRow::default();
                    row.read_cell(&cell, [r, g, b], [r, g, b].map(|value| value + NEAR_LEVELS));
                    for (index, [r, g, b, _]) in cell.iter().enumerate() {
                        worst = worst.max(distance_squared(row.at(index), lab([*r, *g, *b])).sqrt());
                    }
                }
            }
        }
        assert!(worst < NEAR_ERROR, "{worst}");
    }

    #[test]
    fn the_mean_of_nothing_is_none() {
        assert_eq!(weighted_mean(std::iter::empty()), None);
        assert_eq!(
            weighted_mean([([0.5, 0.0, 0.0], 3.0), ([1.0, 0.0, 0.0], 1.0)].into_iter()),
            Some([0.625, 0.0, 0.0])
        );
    }
}
