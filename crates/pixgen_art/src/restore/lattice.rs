//! Least squares on a lattice: cells from pixels when the spread of a cell is known.
//!
//! A picture made of cells is separable: along each axis it is `signal = A · cells`, where row `x` of `A` holds the
//! weights of the few cells that reach pixel `x`. `A` is banded, so `(AᵀA)⁻¹Aᵀ` costs a few operations a pixel.

use pulp::{Arch, Simd, WithSimd};

use super::kernel::Footprint;
use super::solve::{Condensed, Explained, Rendered, Solved};

/// Rows are stored in groups of this many, so that vector registers hold whole ones.
const GROUP: usize = 16;

/// Many lines of pixels along one axis, `rows` values for each place.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    /// `values[place * stride + row]`; what lies between `rows` and `stride` is 0.
    pub(crate) values: Vec<f32>,
    pub(crate) places: usize,
    pub(crate) rows: usize,
    /// A multiple of [`GROUP`].
    pub(crate) stride: usize,
}

impl Signal {
    /// A signal of zeros.
    pub(crate) fn zeros(places: usize, rows: usize) -> Self {
        let stride = rows.next_multiple_of(GROUP);
        Self { values: vec![0.0; places * stride], places, rows, stride }
    }

    /// From values without gaps, `values[place * rows + row]`.
    pub(crate) fn new(values: &[f32], places: usize, rows: usize) -> Self {
        let mut signal = Self::zeros(places, rows);
        for (to, from) in signal.values.chunks_exact_mut(signal.stride.max(1)).zip(values.chunks_exact(rows.max(1))) {
            to[..rows].copy_from_slice(from);
        }
        signal
    }

    /// The values without gaps.
    pub(crate) fn into_values(self) -> Vec<f32> {
        if self.stride == self.rows {
            return self.values;
        }
        let mut values = Vec::with_capacity(self.places * self.rows);
        for place in self.values.chunks_exact(self.stride.max(1)) {
            values.extend_from_slice(&place[..self.rows]);
        }
        values
    }

    /// Rows become places and places rows.
    pub(crate) fn turned(&self) -> Self {
        const BLOCK: usize = 16;
        let mut turned = Self::zeros(self.rows, self.places);
        for top in (0..self.places).step_by(BLOCK) {
            for left in (0..self.rows).step_by(BLOCK) {
                for place in top..(top + BLOCK).min(self.places) {
                    for row in left..(left + BLOCK).min(self.rows) {
                        turned.values[row * turned.stride + place] = self.values[place * self.stride + row];
                    }
                }
            }
        }
        turned
    }

    /// The values of all rows at one place.
    pub(crate) fn at(&self, place: usize) -> &[f32] {
        &self.values[place * self.stride..][..self.rows]
    }

    /// Number of values, at least 1.
    pub(crate) fn count(&self) -> usize {
        (self.places * self.rows).max(1)
    }

    /// Subtracts each row's mean and returns the means, `stride` of them.
    pub(crate) fn center(&mut self) -> Vec<f32> {
        let mut means = vec![0.0f32; self.stride];
        if self.stride == 0 || self.places == 0 {
            return means;
        }
        for place in self.values.chunks_exact(self.stride) {
            means.iter_mut().zip(place).for_each(|(mean, value)| *mean += value);
        }
        means.iter_mut().for_each(|mean| *mean /= self.places as f32);
        for place in self.values.chunks_exact_mut(self.stride) {
            place.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
        }
        means
    }

    /// Fewer rows, at most `most_rows`, that say nearly the same about the places: the inner products of any two places
    /// are kept, up to `lost_share` of the energy.
    ///
    /// The rows of a picture are much alike. The one with most energy left is taken for a direction, and its part taken
    /// out of all, again and again (Gram and Schmidt, with pivots); then the directions get the weights of all rows.
    pub(crate) fn condensed(&self, most_rows: usize, lost_share: f64) -> Self {
        Arch::new().dispatch(Condensed { signal: self, most_rows, lost_share })
    }

    /// Sum of squares, in f64 by blocks: exact enough to subtract two energies, and as fast as f32.
    pub(crate) fn energy(&self) -> f64 {
        self.values.chunks(256).map(|block| f64::from(dot(block, block))).sum()
    }
}

/// Sum of products of a few hundred values, in eight lanes.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The banded matrix from cells to pixels of one axis.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// First cell that reaches each pixel.
    pub(super) first: Vec<usize>,
    /// `width` weights to a pixel; their sum is 1.
    pub(super) weights: Vec<f32>,
    pub(super) width: usize,
    pub(super) cells: usize,
}

impl Spread {
    /// `coordinates[x]`: where the centre of pixel `x` lies, in cells (the middle of cell 0 is 0.5). Cells outside
    /// of `0..cells` are taken as copies of the first and the last.
    pub(crate) fn new(coordinates: &[f32], cells: usize, footprint: &Footprint) -> Self {
        Arch::new().dispatch(Weights { coordinates, cells, footprint })
    }

    #[inline(always)]
    fn of(coordinates: &[f32], cells: usize, footprint: &Footprint) -> Self {
        let cells = cells.max(1);
        let reached = footprint.width();
        let width = reached.min(cells);
        let last_start = (cells - width) as i64;
        let mut first = Vec::with_capacity(coordinates.len());
        let mut weights = vec![0.0; coordinates.len() * width];
        let mut folded = vec![0.0; reached];
        for (at, row) in coordinates.iter().zip(weights.chunks_exact_mut(width)) {
            let lowest = footprint.around(at - 0.5, row);
            let start = lowest.clamp(0, last_start);
            if start != lowest || width < reached {
                // Some cells are outside.
                footprint.around(at - 0.5, &mut folded);
                row.fill(0.0);
                for (cell, weight) in (lowest..).zip(&folded) {
                    let column = (cell.clamp(0, cells as i64 - 1) - start).clamp(0, width as i64 - 1);
                    row[column as usize] += weight;
                }
            }
            first.push(start as usize);
        }
        Self { first, weights, width, cells }
    }

    /// Whether some weight is below 0.
    pub(crate) fn has_negative(&self) -> bool {
        self.weights.iter().any(|weight| *weight < -1e-3)
    }

    /// The first cell and the weights of every pixel.
    #[inline(always)]
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.first.iter().copied().zip(self.weights.chunks_exact(self.width))
    }

    /// The part of the signal's energy that cells can explain.
    pub(crate) fn explained(&self, signal: &Signal) -> f64 {
        Arch::new().dispatch(Explained { spread: self, signal })
    }

    /// The cells that give the signal with the least squared error, `ridge` pulling them towards 0.
    pub(crate) fn solve(&self, signal: &Signal, ridge: f32) -> Signal {
        Arch::new().dispatch(Solved { spread: self, signal, ridge: ridge.max(1e-4) })
    }

    /// `A · cells`.
    pub(crate) fn render(&self, cells: &Signal) -> Signal {
        Arch::new().dispatch(Rendered { spread: self, cells })
    }
}

/// [`Spread::new`], compiled for the widest registers that a processor has.
struct Weights<'a> {
    coordinates: &'a [f32],
    cells: usize,
    footprint: &'a Footprint,
}

impl WithSimd for Weights<'_> {
    type Output = Spread;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Spread {
        Spread::of(self.coordinates, self.cells, self.footprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::kernel::Kernel;

    #[test]
    fn condensed_rows_keep_what_places_have_in_common() {
        // Thirty rows mixed from five patterns.
        let pattern = |place: usize, k: usize| ((place * (k + 3)) % 17) as f32 / 17.0 - 0.5;
        let mixed = |place: usize, row: usize| {
            (0..5).map(|k| pattern(place, k) * (((row + 2) * (k + 7)) % 11) as f32).sum::<f32>()
        };
        let values: Vec<f32> = (0..80 * 30).map(|i| mixed(i / 30, i % 30)).collect();
        let all = Signal::new(&values, 80, 30);
        let few = all.condensed(20, 1e-6);
        assert!(few.rows <= 6, "{}", few.rows);
        for (a, b) in [(0, 0), (3, 40), (17, 79), (60, 61)] {
            let (was, is) = (dot(all.at(a), all.at(b)), dot(few.at(a), few.at(b)));
            assert!(f64::from((was - is).abs()) < 1e-3 * all.energy() / 80.0, "{a}, {b}: {was} {is}");
        }
        assert!((all.energy() - few.energy()).abs() < 1e-4 * all.energy());
    }

    #[test]
    fn cells_come_back_from_what_they_render() {
        let values: Vec<f32> = (0..20 * 37).map(|i| ((i * 37) % 23) as f32).collect();
        let cells = Signal::new(&values, 20, 37);
        for kernel in Kernel::ALL {
            let footprint = Footprint::new(kernel, 0.2, 5.3);
            let coordinates: Vec<f32> = (0..106).map(|x| (x as f32 + 0.5) / 5.3).collect();
            let spread = Spread::new(&coordinates, 20, &footprint);
            let picture = spread.render(&cells);
            let solved = spread.solve(&picture, 0.0);
            let worst = solved.values.iter().zip(&cells.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 0.05, "{kernel:?}: {worst}");
            let lost = 1.0 - spread.explained(&picture) / picture.energy();
            assert!(lost.abs() < 1e-3, "{kernel:?}: {lost}");
        }
    }
}
