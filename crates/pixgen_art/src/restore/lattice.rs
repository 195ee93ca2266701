//! Least squares on a lattice: cells from pixels when the spread of a cell is known.
//!
//! A picture made of cells is separable: along each axis it is `signal = A · cells`, where row `x` of `A` holds the
//! weights of the few cells that reach pixel `x`. `A` is banded, so `(AᵀA)⁻¹Aᵀ` costs a few operations a pixel.

use super::kernel::Footprint;

/// Many lines of pixels along one axis, `rows` values for each place.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    /// `values[place * rows + row]`.
    pub(crate) values: Vec<f32>,
    pub(crate) places: usize,
    pub(crate) rows: usize,
}

impl Signal {
    /// The values of all rows at one place.
    pub(crate) fn at(&self, place: usize) -> &[f32] {
        &self.values[place * self.rows..(place + 1) * self.rows]
    }

    /// Subtracts each row's mean and returns the means.
    pub(crate) fn center(&mut self) -> Vec<f32> {
        let mut means = vec![0.0f32; self.rows];
        if self.rows == 0 || self.places == 0 {
            return means;
        }
        for place in self.values.chunks_exact(self.rows) {
            means.iter_mut().zip(place).for_each(|(mean, value)| *mean += value);
        }
        means.iter_mut().for_each(|mean| *mean /= self.places as f32);
        for place in self.values.chunks_exact_mut(self.rows) {
            place.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
        }
        means
    }

    /// Sum of squares.
    pub(crate) fn energy(&self) -> f64 {
        dot(&self.values, &self.values)
    }
}

/// Sum of products, in f64 by blocks: exact enough to subtract two energies, and as fast as f32.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let block = |(a, b): (&[f32], &[f32])| {
        let mut lanes = [0.0f32; 8];
        let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
        let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
        for (a, b) in a8.zip(b8) {
            for lane in 0..8 {
                lanes[lane] += a[lane] * b[lane];
            }
        }
        f64::from(lanes.iter().sum::<f32>() + rest)
    };
    a.chunks(256).zip(b.chunks(256)).map(block).sum()
}

/// `target += weight * source`.
fn add_scaled(target: &mut [f32], weight: f32, source: &[f32]) {
    target.iter_mut().zip(source).for_each(|(target, source)| *target += weight * source);
}

/// The banded matrix from cells to pixels of one axis.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// First cell that reaches each pixel.
    first: Vec<usize>,
    /// `width` weights to a pixel; their sum is 1.
    weights: Vec<f32>,
    width: usize,
    cells: usize,
}

impl Spread {
    /// `coordinates[x]`: where the centre of pixel `x` lies, in cells (the middle of cell 0 is 0.5). Cells outside
    /// of `0..cells` are taken as copies of the first and the last.
    pub(crate) fn new(coordinates: &[f32], cells: usize, footprint: &Footprint) -> Self {
        let cells = cells.max(1);
        let width = ((2.0 * footprint.reach()).floor() as usize + 1).min(cells);
        let mut first = Vec::with_capacity(coordinates.len());
        let mut weights = vec![0.0; coordinates.len() * width];
        for (at, row) in coordinates.iter().zip(weights.chunks_exact_mut(width)) {
            let lowest = (at - 0.5 - footprint.reach()).ceil() as i64;
            let highest = (at - 0.5 + footprint.reach()).floor() as i64;
            let last_start = (cells - width) as i64;
            let start = lowest.clamp(0, last_start);
            let mut total = 0.0;
            for cell in lowest..=highest {
                let weight = footprint.at(at - 0.5 - cell as f32);
                let column = (cell.clamp(0, cells as i64 - 1) - start).clamp(0, width as i64 - 1);
                row[column as usize] += weight;
                total += weight;
            }
            if total.abs() > 1e-3 {
                row.iter_mut().for_each(|weight| *weight /= total);
            }
            first.push(start as usize);
        }
        Self { first, weights, width, cells }
    }

    /// Whether some weight is below 0.
    pub(crate) fn has_negative(&self) -> bool {
        self.weights.iter().any(|weight| *weight < -1e-3)
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.first.iter().copied().zip(self.weights.chunks_exact(self.width))
    }

    /// `AᵀA + ridge`, factored.
    fn normal(&self, ridge: f32) -> Cholesky {
        let mut band = vec![0.0f64; self.cells * self.width];
        for (first, row) in self.rows() {
            for (i, a) in row.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                for (j, b) in row[..=i].iter().enumerate() {
                    band[(first + i) * self.width + (i - j)] += f64::from(a * b);
                }
            }
        }
        for cell in band.chunks_exact_mut(self.width) {
            cell[0] += f64::from(ridge);
        }
        Cholesky::new(band, self.width)
    }

    /// `Aᵀ · signal`.
    fn gather(&self, signal: &Signal) -> Vec<f32> {
        let mut cells = vec![0.0f32; self.cells * signal.rows];
        for (place, (first, row)) in self.rows().enumerate() {
            let source = signal.at(place);
            for (offset, weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                let start = (first + offset) * signal.rows;
                add_scaled(&mut cells[start..start + signal.rows], *weight, source);
            }
        }
        cells
    }

    /// The part of the signal's energy that cells can explain.
    pub(crate) fn explained(&self, signal: &Signal) -> f64 {
        let mut cells = self.gather(signal);
        self.normal(1e-3).forward(&mut cells, signal.rows);
        dot(&cells, &cells)
    }

    /// The cells that give the signal with the least squared error, `ridge` pulling them towards 0.
    pub(crate) fn solve(&self, signal: &Signal, ridge: f32) -> Signal {
        let mut values = self.gather(signal);
        let factor = self.normal(ridge.max(1e-4));
        factor.forward(&mut values, signal.rows);
        factor.backward(&mut values, signal.rows);
        Signal { values, places: self.cells, rows: signal.rows }
    }

    /// `A · cells`.
    pub(crate) fn render(&self, cells: &Signal) -> Signal {
        let mut values = vec![0.0f32; self.first.len() * cells.rows];
        for (target, (first, row)) in values.chunks_exact_mut(cells.rows.max(1)).zip(self.rows()) {
            for (offset, weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                add_scaled(target, *weight, cells.at(first + offset));
            }
        }
        Signal { values, places: self.first.len(), rows: cells.rows }
    }
}

/// A banded lower triangle `L` with `L·Lᵀ = M`.
struct Cholesky {
    /// `band[i * width + d]` is `L[i, i - d]`; the diagonal holds its reciprocal.
    band: Vec<f32>,
    width: usize,
}

impl Cholesky {
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

    /// `cells = L⁻¹ · cells`, in place.
    fn forward(&self, cells: &mut [f32], rows: usize) {
        if rows == 0 {
            return;
        }
        for i in 0..cells.len() / rows {
            let (before, rest) = cells.split_at_mut(i * rows);
            let target = &mut rest[..rows];
            for d in 1..self.width.min(i + 1) {
                let factor = self.band[i * self.width + d];
                if factor != 0.0 {
                    add_scaled(target, -factor, &before[(i - d) * rows..(i - d + 1) * rows]);
                }
            }
            let reciprocal = self.band[i * self.width];
            target.iter_mut().for_each(|value| *value *= reciprocal);
        }
    }

    /// `cells = L⁻ᵀ · cells`, in place.
    fn backward(&self, cells: &mut [f32], rows: usize) {
        if rows == 0 {
            return;
        }
        let count = cells.len() / rows;
        for i in (0..count).rev() {
            let (head, after) = cells.split_at_mut((i + 1) * rows);
            let target = &mut head[i * rows..];
            for d in 1..self.width.min(count - i) {
                let factor = self.band[(i + d) * self.width + d];
                if factor != 0.0 {
                    add_scaled(target, -factor, &after[(d - 1) * rows..d * rows]);
                }
            }
            let reciprocal = self.band[i * self.width];
            target.iter_mut().for_each(|value| *value *= reciprocal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::kernel::Kernel;

    #[test]
    fn cells_come_back_from_what_they_render() {
        let cells = Signal { values: (0..40).map(|i| ((i * 37) % 23) as f32).collect(), places: 20, rows: 2 };
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
