//! K-centroid downscaling: the larger of two groups of colours gives the pixel.
//!
//! A cell of painted pixel art shows one colour, or two where an edge runs through it, and noise. So its pixels are
//! split in two groups by 2-means in OKLab, from the middle of its widest part; a cell without contrast stays one
//! group. The heavier group wins with the pixel that lies nearest to its mean: a colour of the picture, never a mixture.
//! [`k_centroid_reference`] says that plainly; [`k_centroid`] does the same on rows of numbers, eight at a time, compiled
//! for the widest registers that the processor has: the same sums in the same order, whatever these are.

use std::array;
use std::ops::Range;

use image::{Rgba, RgbaImage};
use pulp::{Arch, Simd, WithSimd};

use super::Cells;
use super::pixel as pixel_of;
use super::vote::{Voter, edge_distance, mean_alpha, voters};
use crate::oklab::{LANES, Lab, LabRow, distance_squared, weighted_mean};

/// Rounds of 2-means in a cell; more changed no pixel on painted pictures with cells of 8×8.
const ROUNDS: usize = 8;

/// A cell whose colours fill a smaller box than this in OKLab (its diagonal) has no second colour.
/// What a decoder's noise spans, and less than two neighbouring shades of a ramp.
const FLAT_DELTA_E: f32 = 0.05;

/// A group counts as the dark one from this difference in lightness.
const DARKER_BY: f32 = 0.1;

/// Every cell as one pixel; its alpha is the mean of the cell.
///
/// `outline_bias` (0 to 1) lets the darker group win that has less than half of the cell: from a third at 0.5, from a
/// quarter at 1. It keeps outlines that are thinner than a cell.
#[must_use]
pub fn k_centroid(image: &RgbaImage, cells: &Cells, outline_bias: f32) -> RgbaImage {
    Arch::new().dispatch(Dominants { image, cells, outline_bias })
}

/// [`dominants`], compiled for the widest registers that a processor has.
struct Dominants<'a> {
    image: &'a RgbaImage,
    cells: &'a Cells,
    outline_bias: f32,
}

impl WithSimd for Dominants<'_> {
    type Output = RgbaImage;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> RgbaImage {
        dominants(self.image, self.cells, self.outline_bias)
    }
}

#[inline(always)]
fn dominants(image: &RgbaImage, cells: &Cells, outline_bias: f32) -> RgbaImage {
    let cells = cells.within(image);
    let (columns, rows) = cells.dimensions();
    let bias = favour(outline_bias);
    let mut sprite = RgbaImage::new(columns, rows);
    let mut band = Band::default();
    let mut cell = Cell::default();
    let mut sprite_pixels = sprite.pixels_mut();
    for row_range in cells.rows() {
        band.read(image, row_range);
        for range in cells.columns() {
            let alpha = cell.read(&band, range);
            if let Some(pixel) = sprite_pixels.next() {
                *pixel = pixel_of(cell.dominant(bias), alpha);
            }
        }
    }
    sprite
}

/// How much the weight of a dark group is multiplied.
pub(super) fn favour(outline_bias: f32) -> f32 {
    if outline_bias.is_nan() { 1.0 } else { 1.0 + 2.0 * outline_bias.clamp(0.0, 1.0) }
}

/// The picture rows of one row of cells.
#[derive(Default)]
struct Band<'a> {
    rows: Vec<&'a [u8]>,
    is_opaque: bool,
    /// The least and the greatest of every byte over the rows.
    low: Vec<u8>,
    high: Vec<u8>,
}

impl<'a> Band<'a> {
    #[inline(always)]
    fn read(&mut self, image: &'a RgbaImage, range: &Range<u32>) {
        let stride = image.width() as usize * 4;
        let bytes = image.as_raw();
        self.rows.clear();
        self.rows.extend(range.clone().filter_map(|y| bytes.get(y as usize * stride..(y as usize + 1) * stride)));
        let is_opaque = |row: &&[u8]| row.as_chunks::<4>().0.iter().fold(u8::MAX, |all, p| all & p[3]) == u8::MAX;
        self.is_opaque = self.rows.iter().all(is_opaque);
        self.low.clear();
        self.low.resize(stride, u8::MAX);
        self.high.clear();
        self.high.resize(stride, 0);
        for row in &self.rows {
            self.low.iter_mut().zip(*row).for_each(|(low, byte)| *low = (*low).min(*byte));
            self.high.iter_mut().zip(*row).for_each(|(high, byte)| *high = (*high).max(*byte));
        }
    }

    /// The least and the greatest red, green and blue between two columns of bytes.
    #[inline(always)]
    fn bounds(&self, bytes: Range<usize>) -> ([u8; 3], [u8; 3]) {
        let (mut low, mut high) = ([u8::MAX; 3], [0u8; 3]);
        let columns = self.low[bytes.clone()].as_chunks::<4>().0.iter().zip(self.high[bytes].as_chunks::<4>().0);
        for (least, greatest) in columns {
            low = array::from_fn(|channel| low[channel].min(least[channel]));
            high = array::from_fn(|channel| high[channel].max(greatest[channel]));
        }
        (low, high)
    }
}

/// The pixels of one cell that are not fully transparent, each number in a list of its own. The lists are filled up to
/// whole lanes by the first pixel without weight.
#[derive(Default)]
struct Cell {
    points: LabRow,
    weights: Vec<f32>,
    rgba: Vec<[u8; 4]>,
    /// Columns and rows of the cell that the weights are for, if all of its pixels are opaque.
    weighed: Option<[usize; 2]>,
}

/// Sums over the pixels of a cell: weight, and weight times each part.
type Sums = [f32; 4];

impl Cell {
    /// Takes the pixels of a cell from its band and returns its alpha.
    #[inline(always)]
    fn read(&mut self, band: &Band<'_>, range: &Range<u32>) -> u8 {
        let [columns, rows] = [range.len(), band.rows.len()];
        let bytes = 4 * range.start as usize..4 * range.end as usize;
        let pixels = band.rows.iter().map(|row| row[bytes.clone()].as_chunks::<4>().0);
        self.rgba.clear();
        let mut alpha = u8::MAX;
        if band.is_opaque {
            for row in pixels {
                // The commonest width has a copy of fixed size.
                match <&[[u8; 4]; 8]>::try_from(row) {
                    Ok(eight) => self.rgba.extend_from_slice(eight),
                    Err(_) => self.rgba.extend_from_slice(row),
                }
            }
            if self.weighed != Some([columns, rows]) {
                self.weights.clear();
                let down = (0..rows).map(|y| edge_distance(y, rows));
                self.weights.extend(down.flat_map(|down| (0..columns).map(move |x| edge_distance(x, columns) * down)));
                self.weighed = Some([columns, rows]);
            }
        } else {
            self.weights.clear();
            self.weighed = None;
            let mut alpha_sum = 0u64;
            for (y, row) in pixels.enumerate() {
                for (x, pixel) in row.iter().enumerate() {
                    alpha_sum += u64::from(pixel[3]);
                    if pixel[3] > 0 {
                        let place = edge_distance(x, columns) * edge_distance(y, rows);
                        self.weights.push(place * f32::from(pixel[3]));
                        self.rgba.push(*pixel);
                    }
                }
            }
            alpha = mean_alpha(alpha_sum, columns * rows);
        }
        let filled = self.rgba.len().next_multiple_of(LANES);
        if let Some(first) = self.rgba.first().copied() {
            self.rgba.resize(filled, first);
            self.weights.resize(filled, 0.0);
            let (low, high) = band.bounds(bytes);
            self.points.read_cell(&self.rgba, low, high);
        }
        alpha
    }

    /// The colour of the heavier group.
    #[inline(always)]
    fn dominant(&self, bias: f32) -> Option<[u8; 3]> {
        self.rgba.first()?;
        let (low, high) = self.bounds();
        let size = [0, 1, 2].map(|part| high[part] - low[part]);
        let all = self.sums::<false>(&Split::NONE);
        if distance_squared(low, high) < FLAT_DELTA_E * FLAT_DELTA_E {
            return self.nearest::<false>(mean(all)?, &Split::NONE, true);
        }
        let widest = widest(size);
        let mut split = Split { normal: [0.0; 3], offset: (low[widest] + high[widest]) / 2.0 };
        split.normal[widest] = 1.0;
        let mut second = self.sums::<true>(&split);
        let rest = |second: Sums| [0, 1, 2, 3].map(|index: usize| all[index] - second[index]);
        for _ in 1..ROUNDS {
            let (Some(a), Some(b)) = (mean(rest(second)), mean(second)) else { break };
            let next = Split::between(a, b);
            let sums = self.sums::<true>(&next);
            let is_same = sums == second;
            (split, second) = (next, sums);
            if is_same {
                break;
            }
        }
        let first = rest(second);
        let second_wins = match (mean(first), mean(second)) {
            (Some(a), Some(b)) => outweighs((a, first[0]), (b, second[0]), bias),
            (a, _) => a.is_none(),
        };
        self.nearest::<true>(mean(if second_wins { second } else { first })?, &split, second_wins)
    }

    /// The least and the greatest of every part.
    #[inline(always)]
    fn bounds(&self) -> (Lab, Lab) {
        let mut bounds = ([0.0; 3], [0.0; 3]);
        for (part, values) in self.points.parts.iter().enumerate() {
            let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
            for values in values.as_chunks::<LANES>().0 {
                low = array::from_fn(|lane| if values[lane] < low[lane] { values[lane] } else { low[lane] });
                high = array::from_fn(|lane| if values[lane] > high[lane] { values[lane] } else { high[lane] });
            }
            bounds.0[part] = low.into_iter().fold(f32::INFINITY, f32::min);
            bounds.1[part] = high.into_iter().fold(f32::NEG_INFINITY, f32::max);
        }
        bounds
    }

    /// Sums over the pixels on the far side of a split, or over all of them.
    #[inline(always)]
    fn sums<const IS_SPLIT: bool>(&self, split: &Split) -> Sums {
        let mut sums = [[0.0f32; LANES]; 4];
        let [l, a, b] = [&self.points.parts[0], &self.points.parts[1], &self.points.parts[2]]
            .map(|part| part.as_chunks::<LANES>().0);
        for (((l, a), b), weights) in l.iter().zip(a).zip(b).zip(self.weights.as_chunks::<LANES>().0) {
            // Short loops of one kind each: the compiler makes vectors of these, and not of one long one.
            let side: [f32; LANES] = array::from_fn(|lane| split.side([l[lane], a[lane], b[lane]]));
            let weight: [f32; LANES] =
                array::from_fn(|lane| if !IS_SPLIT || side[lane] > split.offset { weights[lane] } else { 0.0 });
            let [total, lightness, green_red, blue_yellow] = &mut sums;
            (0..LANES).for_each(|lane| total[lane] += weight[lane]);
            (0..LANES).for_each(|lane| lightness[lane] += weight[lane] * l[lane]);
            (0..LANES).for_each(|lane| green_red[lane] += weight[lane] * a[lane]);
            (0..LANES).for_each(|lane| blue_yellow[lane] += weight[lane] * b[lane]);
        }
        sums.map(|lanes| lanes.iter().sum())
    }

    /// The colour of the pixel that lies nearest to `center`, of those on one side of a split or of all of them.
    #[inline(always)]
    fn nearest<const IS_SPLIT: bool>(&self, center: Lab, split: &Split, is_second: bool) -> Option<[u8; 3]> {
        // The least of every lane and where it is; the lanes are compared at the end.
        let (mut least, mut places) = ([f32::INFINITY; LANES], [0u32; LANES]);
        let [l, a, b] = [&self.points.parts[0], &self.points.parts[1], &self.points.parts[2]]
            .map(|part| part.as_chunks::<LANES>().0);
        for (place, ((l, a), b)) in (0u32..).zip(l.iter().zip(a).zip(b)) {
            let side: [f32; LANES] = array::from_fn(|lane| split.side([l[lane], a[lane], b[lane]]));
            let distance: [f32; LANES] = array::from_fn(|lane| distance_squared([l[lane], a[lane], b[lane]], center));
            let is_member = |lane: usize| !IS_SPLIT || (side[lane] > split.offset) == is_second;
            let distance: [f32; LANES] =
                array::from_fn(|lane| if is_member(lane) { distance[lane] } else { f32::INFINITY });
            places = array::from_fn(|lane| if distance[lane] < least[lane] { place } else { places[lane] });
            least = array::from_fn(|lane| if distance[lane] < least[lane] { distance[lane] } else { least[lane] });
        }
        let found = (0..LANES).map(|lane| (least[lane], self.rgba.get(places[lane] as usize * LANES + lane)));
        let found = found.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.and_then(|(_, pixel)| pixel.map(|[r, g, b, _]| [*r, *g, *b]))
    }
}

/// A plane between two groups of colours.
struct Split {
    normal: Lab,
    offset: f32,
}

impl Split {
    /// No plane: everything lies on its far side.
    const NONE: Self = Self { normal: [0.0; 3], offset: f32::NEG_INFINITY };

    /// The plane in the middle of two points; the second lies on its far side.
    fn between(first: Lab, second: Lab) -> Self {
        let normal = [0, 1, 2].map(|part| second[part] - first[part]);
        let offset = (0..3).map(|part| normal[part] * (first[part] + second[part]) / 2.0).sum();
        Self { normal, offset }
    }

    #[inline(always)]
    fn side(&self, point: Lab) -> f32 {
        point[0] * self.normal[0] + point[1] * self.normal[1] + point[2] * self.normal[2]
    }
}

/// The mean that belongs to sums.
fn mean(sums: Sums) -> Option<Lab> {
    (sums[0] > 0.0).then(|| [sums[1] / sums[0], sums[2] / sums[0], sums[3] / sums[0]])
}

/// The part in which a box is largest, the first of equals.
fn widest(size: Lab) -> usize {
    let larger = |best: usize, part: usize| if size[part] > size[best] { part } else { best };
    larger(larger(0, 1), 2)
}

/// Whether the second group wins.
fn outweighs(first: (Lab, f32), second: (Lab, f32), bias: f32) -> bool {
    let darkness = first.0[0] - second.0[0];
    if darkness >= DARKER_BY {
        bias * second.1 > first.1
    } else if darkness <= -DARKER_BY {
        second.1 > bias * first.1
    } else {
        second.1 > first.1
    }
}

/// As [`k_centroid`], one pixel at a time in exact OKLab: slow, and the measure for the fast one.
#[must_use]
pub fn k_centroid_reference(image: &RgbaImage, cells: &Cells, outline_bias: f32) -> RgbaImage {
    cells.map(image, |columns, rows| -> Rgba<u8> {
        let (voters, alpha) = voters(image, columns, rows);
        pixel_of(dominant(&voters, favour(outline_bias)), alpha)
    })
}

/// The colour of the heavier of two groups.
pub(super) fn dominant(voters: &[Voter], bias: f32) -> Option<[u8; 3]> {
    voters.first()?;
    let bound = |part: usize, pick: fn(f32, f32) -> f32| voters.iter().map(|v| v.lab[part]).reduce(pick).unwrap_or(0.0);
    let low = [0, 1, 2].map(|part| bound(part, f32::min));
    let high = [0, 1, 2].map(|part| bound(part, f32::max));
    let mean = |is_member: &dyn Fn(Lab) -> bool| {
        weighted_mean(voters.iter().filter(|voter| is_member(voter.lab)).map(|voter| (voter.lab, voter.weight)))
    };
    let nearest = |center: Lab, is_member: &dyn Fn(Lab) -> bool| {
        let distance = |voter: &&Voter| distance_squared(voter.lab, center);
        let members = voters.iter().filter(|voter| is_member(voter.lab));
        members.min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.rgb.cmp(&b.rgb))).map(|voter| voter.rgb)
    };
    if distance_squared(low, high) < FLAT_DELTA_E * FLAT_DELTA_E {
        return nearest(mean(&|_| true)?, &|_| true);
    }
    let part = widest([0, 1, 2].map(|part| high[part] - low[part]));
    let middle = (low[part] + high[part]) / 2.0;
    let mut means = [mean(&|lab| lab[part] <= middle), mean(&|lab| lab[part] > middle)];
    for _ in 1..ROUNDS {
        let [Some(a), Some(b)] = means else { break };
        let is_second = |lab: Lab| distance_squared(lab, b) < distance_squared(lab, a);
        let next = [mean(&|lab| !is_second(lab)), mean(&is_second)];
        if next == means {
            break;
        }
        means = next;
    }
    let [Some(a), Some(b)] = means else {
        return nearest(means.into_iter().flatten().next()?, &|_| true);
    };
    let is_second = |lab: Lab| distance_squared(lab, b) < distance_squared(lab, a);
    let weight = |side: bool| -> f32 {
        voters.iter().filter(|voter| is_second(voter.lab) == side).map(|voter| voter.weight).sum()
    };
    let second_wins = outweighs((a, weight(false)), (b, weight(true)), bias);
    nearest(if second_wins { b } else { a }, &|lab| is_second(lab) == second_wins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_registers_change_no_pixel() {
        let mut state = 5u32;
        let mut byte = |shift: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> shift) as u8
        };
        for alpha in [false, true] {
            let picture = RgbaImage::from_fn(203, 177, |x, y| {
                let step = ((x / 9 * 40 + y / 7 * 25) % 200) as u8;
                let noise = byte(24) % 19;
                Rgba([step + noise, 220 - step + byte(25) % 9, 90 + noise, if alpha { byte(24) } else { 255 }])
            });
            for (factor, bias) in [(8.0, 0.0), (8.0, 0.7), (5.3, 0.0), (3.0, 1.0), (17.5, 0.2)] {
                let cells = Cells::by_factor(picture.dimensions(), factor);
                assert_eq!(k_centroid(&picture, &cells, bias), dominants(&picture, &cells, bias), "{factor} {bias}");
            }
        }
    }
}
