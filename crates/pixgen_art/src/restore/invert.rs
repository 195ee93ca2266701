//! Cells from the picture when grid, kernel and blur are known.
//!
//! Interpolation with negative lobes overshoots, and a picture cuts off what lies beyond black, white, no and full
//! alpha. Least squares takes the cut value at its word. So the cells are rendered again, and where the picture is at a
//! limit and the rendering beyond it, the rendering is believed (expectation-maximisation for censored data).

use image::{Rgba, RgbaImage};

use super::kernel::Footprint;
use super::lattice::{Signal, Spread};
use super::planes::Planes;
use super::{Axis, Grid};

/// Alpha from which a cell is drawn.
const OPAQUE_FROM: f32 = 0.5;

/// Rounds of restoring what was cut off.
const ROUNDS: usize = 4;

/// How near to a limit a value counts as cut off.
const LIMIT: f32 = 1.5 / 255.0;

/// The cells of a picture, with what is needed to render them again.
pub(crate) struct Inversion {
    across: Spread,
    down: Spread,
    /// Premultiplied channels, `columns` values a row.
    cells: Vec<Vec<f32>>,
    columns: usize,
}

impl Inversion {
    /// Solves for the cells on `grid`.
    pub(crate) fn new(planes: &Planes, grid: &Grid) -> Self {
        let spread = |axis: &Axis| {
            let footprint = Footprint::new(grid.kernel, grid.blur_cells, axis.pitch_px);
            Spread::new(&axis.coordinates, axis.cells as usize, &footprint)
        };
        let columns = grid.x.cells as usize;
        let mut inversion = Self { across: spread(&grid.x), down: spread(&grid.y), cells: Vec::new(), columns };
        let ridge = ridge(planes, grid.noise);
        inversion.cells = planes.channels.iter().map(|channel| inversion.solve(planes, channel, ridge)).collect();
        inversion.clip_cells();
        if !inversion.overshoots() {
            return inversion;
        }
        for _ in 0..ROUNDS {
            let rendered: Vec<_> = inversion.cells.iter().map(|cells| inversion.render(cells)).collect();
            let restored: Vec<_> = (0..planes.channels.len()).map(|c| uncut(planes, &rendered, c)).collect();
            inversion.cells = restored.iter().map(|channel| inversion.solve(planes, channel, ridge)).collect();
            inversion.clip_cells();
        }
        inversion
    }

    /// Whether rendering can lie beyond the values of the cells.
    fn overshoots(&self) -> bool {
        self.across.has_negative() || self.down.has_negative()
    }

    /// Root mean square of what the picture shows against what the cells would show.
    pub(crate) fn error(&self, planes: &Planes) -> f32 {
        let rendered: Vec<_> = self.cells.iter().map(|cells| self.render(cells)).collect();
        let alpha = rendered.get(planes.colors());
        let (mut sum, mut count) = (0.0f64, 0usize);
        for (index, (seen, shown)) in planes.channels.iter().zip(&rendered).enumerate() {
            let mut part = 0.0f32;
            for (place, (seen, shown)) in seen.iter().zip(shown).enumerate() {
                let most = if index < planes.colors() { alpha.map_or(1.0, |a| a[place].clamp(0.0, 1.0)) } else { 1.0 };
                let error = seen - shown.clamp(0.0, most);
                part += error * error;
            }
            sum += f64::from(part);
            count += seen.len();
        }
        (sum / count.max(1) as f64).sqrt() as f32
    }

    /// The sprite.
    pub(crate) fn sprite(&self, grid: &Grid) -> RgbaImage {
        RgbaImage::from_fn(grid.x.cells, grid.y.cells, |x, y| {
            let index = y as usize * self.columns + x as usize;
            let at = |channel: usize| self.cells.get(channel).and_then(|plane| plane.get(index)).copied();
            let alpha = at(3).unwrap_or(1.0);
            if alpha < OPAQUE_FROM {
                return Rgba([0; 4]);
            }
            let byte = |channel| (at(channel).unwrap_or(0.0) / alpha * 255.0).round().clamp(0.0, 255.0) as u8;
            Rgba([byte(0), byte(1), byte(2), u8::MAX])
        })
    }

    // Rows first: a picture's rows are the places of a signal as they lie in memory, and what is turned is small.
    fn solve(&self, planes: &Planes, channel: &[f32], ridge: f32) -> Vec<f32> {
        let tall = Signal::new(channel, planes.height, planes.width);
        let low = centered(&self.down, tall, ridge);
        centered(&self.across, low.turned(), ridge).turned().into_values()
    }

    fn render(&self, cells: &[f32]) -> Vec<f32> {
        let rows = cells.len() / self.columns.max(1);
        let wide = self.across.render(&Signal::new(cells, rows, self.columns).turned());
        self.down.render(&wide.turned()).into_values()
    }

    /// Cells are colours: between 0 and 1, and no brighter than their alpha.
    fn clip_cells(&mut self) {
        let count = if self.cells.len() == 2 { 1 } else { self.cells.len().min(3) };
        let (colors, alpha) = self.cells.split_at_mut(count);
        if let Some(alpha) = alpha.first_mut() {
            alpha.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
            for color in colors.iter_mut() {
                color.iter_mut().zip(alpha.iter()).for_each(|(value, most)| *value = value.clamp(0.0, *most));
            }
        } else {
            colors.iter_mut().flatten().for_each(|value| *value = value.clamp(0.0, 1.0));
        }
    }
}

/// Wiener's ratio: what the noise has against what the cells have.
fn ridge(planes: &Planes, noise: f32) -> f32 {
    (f64::from(noise).powi(2) / planes.variance().max(1e-4)).clamp(1e-3, 0.2) as f32
}

/// One channel with what was cut off put back from the rendering.
fn uncut(planes: &Planes, rendered: &[Vec<f32>], channel: usize) -> Vec<f32> {
    let alpha = if channel < planes.colors() { planes.alpha() } else { None };
    let pairs = planes.channels[channel].iter().zip(&rendered[channel]).enumerate();
    pairs
        .map(|(place, (seen, shown))| {
            let most = alpha.map_or(1.0, |alpha| alpha[place]);
            let is_cut = (*seen <= LIMIT && shown < seen) || (*seen >= most - LIMIT && shown > seen);
            if is_cut { *shown } else { *seen }
        })
        .collect()
}

/// The cells of one axis; the mean of a line is kept out of the ridge's pull.
fn centered(spread: &Spread, mut signal: Signal, ridge: f32) -> Signal {
    let means = signal.center();
    let mut cells = spread.solve(&signal, ridge);
    if !means.is_empty() {
        for cell in cells.values.chunks_exact_mut(means.len()) {
            cell.iter_mut().zip(&means).for_each(|(value, mean)| *value += mean);
        }
    }
    cells
}
