//! The least squares of [`super::lattice`] in vector registers: every lane is a row of the signal.
//!
//! Compiled for the widest registers that a processor has. Sums are made in the same order on all, so that the result
//! does not depend on it.

use pulp::{Simd, WithSimd};

use super::lattice::{Signal, Spread, dot};

/// Cells whose squares are summed in f32 before f64 takes over.
const BLOCK: usize = 32;

/// The sum of squares of what [`Spread::explained`] explains.
pub(super) struct Explained<'a> {
    pub(super) spread: &'a Spread,
    pub(super) signal: &'a Signal,
}

impl WithSimd for Explained<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let rows = Rows::new(simd, self.spread, self.signal, 1e-3);
        let mut at = 0;
        let mut sum = rows.energy::<8>(&mut at);
        sum += rows.energy::<4>(&mut at);
        sum += rows.energy::<2>(&mut at);
        sum + rows.energy::<1>(&mut at)
    }
}

/// See [`Spread::solve`].
pub(super) struct Solved<'a> {
    pub(super) spread: &'a Spread,
    pub(super) signal: &'a Signal,
    pub(super) ridge: f32,
}

impl WithSimd for Solved<'_> {
    type Output = Signal;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Signal {
        let rows = Rows::new(simd, self.spread, self.signal, self.ridge);
        let mut solved = Signal::zeros(self.spread.cells, self.signal.rows);
        let (target, _) = S::as_mut_simd_f32s(&mut solved.values);
        let mut at = 0;
        rows.solve::<8>(&mut at, target);
        rows.solve::<4>(&mut at, target);
        rows.solve::<2>(&mut at, target);
        rows.solve::<1>(&mut at, target);
        solved
    }
}

/// See [`Spread::render`].
pub(super) struct Rendered<'a> {
    pub(super) spread: &'a Spread,
    pub(super) cells: &'a Signal,
}

impl WithSimd for Rendered<'_> {
    type Output = Signal;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Signal {
        let mut rendered = Signal::zeros(self.spread.first.len(), self.cells.rows);
        let vectors = self.cells.stride / S::F32_LANES;
        let (target, _) = S::as_mut_simd_f32s(&mut rendered.values);
        let (cells, _) = S::as_simd_f32s(&self.cells.values);
        if vectors == 0 {
            return rendered;
        }
        for (target, (first, weights)) in target.chunks_exact_mut(vectors).zip(self.spread.rows()) {
            let cells = &cells[first * vectors..];
            let mut at = 0;
            render::<S, 8>(simd, weights, cells, &mut at, target);
            render::<S, 4>(simd, weights, cells, &mut at, target);
            render::<S, 2>(simd, weights, cells, &mut at, target);
            render::<S, 1>(simd, weights, cells, &mut at, target);
        }
        rendered
    }
}

/// See [`Signal::condensed`].
pub(super) struct Condensed<'a> {
    pub(super) signal: &'a Signal,
    pub(super) most_rows: usize,
    pub(super) lost_share: f64,
}

impl WithSimd for Condensed<'_> {
    type Output = Signal;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Signal {
        let Self { signal, most_rows, lost_share } = self;
        let stride = signal.stride.max(1);
        let add_scaled = |target: &mut [f32], weight: f32, source: &[f32]| {
            target.iter_mut().zip(source).for_each(|(target, source)| *target += weight * source);
        };
        let mut rest = signal.values.clone();
        let mut energies = vec![0.0f32; signal.stride];
        for place in rest.chunks_exact(stride) {
            energies.iter_mut().zip(place).for_each(|(energy, value)| *energy += value * value);
        }
        let total: f64 = energies.iter().map(|energy| f64::from(*energy)).sum();
        let mut directions: Vec<Vec<f32>> = Vec::new();
        let mut shares: Vec<Vec<f32>> = Vec::new();
        while directions.len() < most_rows.min(signal.rows) {
            let left: f64 = energies.iter().map(|energy| f64::from(*energy)).sum();
            let pivot = energies.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
            let Some((pivot, energy)) = pivot.filter(|_| left > lost_share * total) else { break };
            let scale = 1.0 / energy.sqrt();
            let direction: Vec<f32> = rest.iter().skip(pivot).step_by(stride).map(|value| value * scale).collect();
            let mut share = vec![0.0f32; signal.stride];
            for (weight, place) in direction.iter().zip(rest.chunks_exact(stride)) {
                add_scaled(&mut share, *weight, place);
            }
            energies.fill(0.0);
            for (weight, place) in direction.iter().zip(rest.chunks_exact_mut(stride)) {
                add_scaled(place, -weight, &share);
                energies.iter_mut().zip(place).for_each(|(energy, value)| *energy += *value * *value);
            }
            directions.push(direction);
            shares.push(share);
        }
        let rows = directions.len();
        // The triangle whose product with its transpose is that of the shares: as many rows as directions, the same
        // inner products.
        let mut triangle = vec![0.0f64; rows * rows];
        for i in 0..rows {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| triangle[i * rows + k] * triangle[j * rows + k]).sum();
                let product = f64::from(dot(&shares[i], &shares[j]));
                triangle[i * rows + j] = match product - known {
                    // Never 0, because what follows is divided by it.
                    open if i == j => open.max(1e-9 * product).max(f64::MIN_POSITIVE).sqrt(),
                    open => open / triangle[j * rows + j],
                };
            }
        }
        let mut condensed = Signal::zeros(signal.places, rows);
        for (i, direction) in directions.iter().enumerate() {
            let weights: Vec<f32> = triangle[i * rows..(i + 1) * rows].iter().map(|weight| *weight as f32).collect();
            for (part, place) in direction.iter().zip(condensed.values.chunks_exact_mut(condensed.stride)) {
                add_scaled(place, *part, &weights);
            }
        }
        condensed
    }
}

/// One pixel of `A · cells`, `K` vectors of rows at a time from `at` on, as often as that goes.
#[inline(always)]
fn render<S: Simd, const K: usize>(
    simd: S,
    weights: &[f32],
    cells: &[S::f32s],
    at: &mut usize,
    target: &mut [S::f32s],
) {
    let vectors = target.len();
    while *at + K <= vectors {
        let mut sum = [simd.splat_f32s(0.0); K];
        for (cell, weight) in cells.chunks_exact(vectors).zip(weights) {
            add_scaled(simd, &mut sum, *weight, &cell[*at..]);
        }
        target[*at..*at + K].copy_from_slice(&sum);
        *at += K;
    }
}

/// `sum += weight * source`, of which there must be as much.
#[inline(always)]
fn add_scaled<S: Simd, const K: usize>(simd: S, sum: &mut [S::f32s; K], weight: f32, source: &[S::f32s]) {
    let Some(source) = source.first_chunk::<K>() else { return };
    let weight = simd.splat_f32s(weight);
    for k in 0..K {
        // Not fused: not every processor can, and the result is to be the same.
        sum[k] = simd.add_f32s(sum[k], simd.mul_f32s(weight, source[k]));
    }
}

/// A signal and the factored matrix it is solved with.
struct Rows<'a, S: Simd> {
    simd: S,
    columns: Columns,
    factor: Cholesky,
    values: &'a [S::f32s],
    /// Vectors to a place.
    vectors: usize,
}

impl<'a, S: Simd> Rows<'a, S> {
    #[inline(always)]
    fn new(simd: S, spread: &Spread, signal: &'a Signal, ridge: f32) -> Self {
        let columns = Columns::new(spread);
        let factor = Cholesky::new(columns.normal(spread.width, ridge), spread.width);
        let (values, _) = S::as_simd_f32s(&signal.values);
        Self { simd, columns, factor, values, vectors: signal.stride / S::F32_LANES }
    }

    /// `L⁻¹ · Aᵀ · signal` for `K` vectors of rows from `at` on, one entry a cell.
    #[inline(always)]
    fn forward<const K: usize>(&self, at: usize, cells: &mut Vec<[S::f32s; K]>) {
        cells.clear();
        for cell in 0..self.columns.from.len() {
            let (from, weights) = self.columns.of(cell);
            let mut sum = [self.simd.splat_f32s(0.0); K];
            let places = self.values[from * self.vectors..].chunks_exact(self.vectors);
            for (place, weight) in places.zip(weights) {
                add_scaled(self.simd, &mut sum, *weight, &place[at..]);
            }
            let band = self.factor.row(cell);
            for (before, part) in cells.iter().rev().zip(&band[1..]) {
                add_scaled(self.simd, &mut sum, -part, before);
            }
            let reciprocal = self.simd.splat_f32s(band[0]);
            sum.iter_mut().for_each(|value| *value = self.simd.mul_f32s(*value, reciprocal));
            cells.push(sum);
        }
    }

    /// Sum of squares of `L⁻¹ · Aᵀ · signal`, `K` vectors of rows at a time from `at` on, as often as that goes.
    #[inline(always)]
    fn energy<const K: usize>(&self, at: &mut usize) -> f64 {
        let mut total = 0.0;
        let mut cells = Vec::with_capacity(self.columns.from.len());
        while *at + K <= self.vectors {
            self.forward::<K>(*at, &mut cells);
            let mut lanes = vec![0.0f64; K * S::F32_LANES];
            for block in cells.chunks(BLOCK) {
                let mut sum = [self.simd.splat_f32s(0.0); K];
                for cell in block {
                    for k in 0..K {
                        sum[k] = self.simd.add_f32s(sum[k], self.simd.mul_f32s(cell[k], cell[k]));
                    }
                }
                let sums: &[f32] = pulp::bytemuck::cast_slice(&sum);
                lanes.iter_mut().zip(sums).for_each(|(lane, sum)| *lane += f64::from(*sum));
            }
            // Row by row, whatever a vector holds.
            total = lanes.iter().fold(total, |total, lane| total + lane);
            *at += K;
        }
        total
    }

    /// `(AᵀA)⁻¹ · Aᵀ · signal`, `K` vectors of rows at a time from `at` on, put where they belong in `target`.
    #[inline(always)]
    fn solve<const K: usize>(&self, at: &mut usize, target: &mut [S::f32s]) {
        let mut cells = Vec::with_capacity(self.columns.from.len());
        while *at + K <= self.vectors {
            self.forward::<K>(*at, &mut cells);
            for i in (0..cells.len()).rev() {
                let mut value = cells[i];
                for d in 1..self.factor.width.min(cells.len() - i) {
                    add_scaled(self.simd, &mut value, -self.factor.row(i + d)[d], &cells[i + d]);
                }
                let reciprocal = self.simd.splat_f32s(self.factor.row(i)[0]);
                value.iter_mut().for_each(|value| *value = self.simd.mul_f32s(*value, reciprocal));
                cells[i] = value;
                target[i * self.vectors + *at..][..K].copy_from_slice(&value);
            }
            *at += K;
        }
    }
}

/// The matrix of a [`Spread`] by cells.
struct Columns {
    /// First place that each cell reaches.
    from: Vec<usize>,
    /// Where each cell's weights begin; the next entry is where they end.
    ends: Vec<usize>,
    /// Weights from place to place.
    weights: Vec<f32>,
}

impl Columns {
    #[inline(always)]
    fn new(spread: &Spread) -> Self {
        // Places from the first to behind the last that a cell reaches.
        let mut ranges = vec![(usize::MAX, 0usize); spread.cells];
        for (place, (first, row)) in spread.rows().enumerate() {
            for (range, _) in ranges[first..].iter_mut().zip(row).filter(|(_, weight)| **weight != 0.0) {
                *range = (range.0.min(place), place + 1);
            }
        }
        let mut columns = Self {
            from: Vec::with_capacity(spread.cells),
            ends: Vec::with_capacity(spread.cells + 1),
            weights: Vec::with_capacity(spread.weights.len()),
        };
        columns.ends.push(0);
        for (from, to) in ranges {
            let from = from.min(to);
            columns.from.push(from);
            let start = columns.weights.len();
            columns.weights.resize(start + to - from, 0.0);
            columns.ends.push(start + to - from);
        }
        for (place, (first, row)) in spread.rows().enumerate() {
            for (cell, weight) in (first..).zip(row).filter(|(_, weight)| **weight != 0.0) {
                columns.weights[columns.ends[cell] + place - columns.from[cell]] = *weight;
            }
        }
        columns
    }

    /// `AᵀA + ridge`, as [`Cholesky::new`] takes it.
    #[inline(always)]
    fn normal(&self, width: usize, ridge: f32) -> Vec<f64> {
        let mut band = vec![0.0f64; self.from.len() * width];
        for (cell, row) in band.chunks_exact_mut(width).enumerate() {
            for (d, product) in row.iter_mut().enumerate().take(cell + 1) {
                *product = self.product(cell, cell - d);
            }
            row[0] += f64::from(ridge);
        }
        band
    }

    #[inline(always)]
    fn of(&self, cell: usize) -> (usize, &[f32]) {
        (self.from[cell], &self.weights[self.ends[cell]..self.ends[cell + 1]])
    }

    /// Sum over all places of the product of two cells' weights.
    #[inline(always)]
    fn product(&self, a: usize, b: usize) -> f64 {
        let ((a_from, a), (b_from, b)) = (self.of(a), self.of(b));
        let from = a_from.max(b_from);
        let a = a.get(from - a_from..).unwrap_or_default();
        let b = b.get(from - b_from..).unwrap_or_default();
        f64::from(dot(&a[..a.len().min(b.len())], &b[..b.len().min(a.len())]))
    }
}

/// A banded lower triangle `L` with `L·Lᵀ = M`.
struct Cholesky {
    /// `band[i * width + d]` is `L[i, i - d]`; the diagonal holds its reciprocal.
    band: Vec<f32>,
    width: usize,
}

impl Cholesky {
    #[inline(always)]
    fn new(mut band: Vec<f64>, width: usize) -> Self {
        let cells = band.len() / width;
        for i in 0..cells {
            for d in (0..width.min(i + 1)).rev() {
                let j = i - d;
                let mut sum = band[i * width + d];
                // Both rows reach back to their own first column.
                for k in (i + 1).saturating_sub(width).max((j + 1).saturating_sub(width))..j {
                    sum -= band[i * width + (i - k)] * band[j * width + (j - k)];
                }
                // The ridge keeps the diagonal above 0; the floor is for rounding.
                band[i * width + d] = if d == 0 { 1.0 / sum.max(1e-9).sqrt() } else { sum * band[j * width] };
            }
        }
        Self { band: band.into_iter().map(|value| value as f32).collect(), width }
    }

    /// One row, from the diagonal to the left.
    #[inline(always)]
    fn row(&self, cell: usize) -> &[f32] {
        &self.band[cell * self.width..][..self.width]
    }
}
