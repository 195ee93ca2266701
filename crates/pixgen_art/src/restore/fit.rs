//! One lattice fitted to one axis of a picture: how much it leaves unexplained, and how it is moved until that is least.

use super::kernel::{Footprint, Kernel};
use super::lattice::{Signal, Spread};
use super::planes::{Along, Planes};

/// Price of one cell against one pixel's worth of the logarithm of the residual.
const CELL_PRICE: f64 = 5.0;

/// Share of the variance below which a residual is as good as none.
pub(super) const RESIDUAL_FLOOR: f64 = 1e-3;

/// Smallest residual that means anything: rounding to 8 bits, averaged a little.
pub(super) const ROUNDING: f64 = 0.2 / 255.0 / 255.0;

/// Offsets of the lattice tried for a candidate, to one cell.
const PHASES: usize = 6;

/// The finest step of a search, in cells over the picture, and that of a first look.
pub(super) const LAST_STEP: f32 = 0.008;
const PROBE_STEP: f32 = 0.06;

/// Knots of the drift curve.
const KNOTS: usize = 7;

/// A lattice along one axis that is being fitted. The offset is counted at the middle of the picture, where it does
/// not change with the pitch.
#[derive(Clone, Debug)]
pub(super) struct Lattice {
    pub(super) pitch_px: f32,
    /// Cell coordinate of the middle of the picture.
    pub(super) middle: f32,
    /// Displacement at evenly spaced knots, in cells.
    pub(super) drift: Vec<f32>,
}

impl Lattice {
    pub(super) fn regular(pitch_px: f32, middle: f32) -> Self {
        Self { pitch_px, middle, drift: Vec::new() }
    }

    /// Cell coordinate of every pixel centre of the line.
    pub(super) fn coordinates(&self, line: &Line) -> Vec<f32> {
        let places = line.signal.places;
        let half = places as f32 / 2.0;
        let mut coordinates: Vec<f32> =
            (0..places).map(|x| (x as f32 + 0.5 - half) / self.pitch_px + self.middle).collect();
        if self.drift.len() == KNOTS {
            for (at, (knot, share)) in coordinates.iter_mut().zip(&line.ramps) {
                *at += self.drift[*knot] + (self.drift[knot + 1] - self.drift[*knot]) * share;
            }
        }
        coordinates
    }

    /// What a lattice with this spread leaves unexplained, a mean square over all values.
    pub(super) fn residual(&self, line: &Line, footprint: &Footprint) -> f64 {
        let mut coordinates = self.coordinates(line);
        let lowest = coordinates.iter().copied().fold(f32::INFINITY, f32::min).floor();
        let highest = coordinates.iter().copied().fold(f32::NEG_INFINITY, f32::max).floor();
        coordinates.iter_mut().for_each(|at| *at -= lowest);
        let cells = (highest - lowest).clamp(0.0, 1e5) as usize + 1;
        let spread = Spread::new(&coordinates, cells, footprint);
        let left = (line.energy - spread.explained(&line.signal)).max(0.0);
        // What condensing left out is taken for noise, of which a lattice explains one part a cell.
        let noise = line.lost * (1.0 - cells as f64 / line.signal.places.max(1) as f64).max(0.0);
        (left + noise) / line.count as f64
    }
}

/// One axis of the picture as the search sees it.
pub(super) struct Line {
    pub(super) signal: Signal,
    pub(super) energy: f64,
    /// Energy that a condensed signal has lost.
    lost: f64,
    /// Number of values, at least 1, before the signal was condensed.
    count: usize,
    /// For every place the knot of the drift curve before it and the next one's share. Half a cosine between knots is
    /// smooth and keeps the curve monotone.
    ramps: Vec<(usize, f32)>,
}

impl Line {
    pub(super) fn new(planes: &Planes, along: Along) -> Self {
        let mut signal = planes.lines(along);
        signal.center();
        let energy = signal.energy();
        let ramp = |x: usize| {
            let place = (x as f32 + 0.5) / signal.places as f32 * (KNOTS - 1) as f32;
            let knot = (place as usize).min(KNOTS - 2);
            (knot, 0.5 - 0.5 * (std::f32::consts::PI * (place - knot as f32)).cos())
        };
        let ramps = (0..signal.places).map(ramp).collect();
        let count = signal.count();
        Self { signal, energy, lost: 0.0, count, ramps }
    }

    /// The same with fewer rows, at most so many and unless more than a share of the energy is lost, which makes every
    /// look at it so much faster; see [`Signal::condensed`].
    pub(super) fn condensed(&self, (most_rows, lost_share): (usize, f64)) -> Self {
        let signal = self.signal.condensed(most_rows, lost_share);
        let energy = signal.energy().min(self.energy);
        let lost = self.energy - energy + self.lost;
        Self { signal, energy, lost, count: self.count, ramps: self.ramps.clone() }
    }

    /// Mean square of all values.
    pub(super) fn variance(&self) -> f64 {
        (self.energy + self.lost) / self.count as f64
    }

    /// Lower is better: unexplained energy, less half of what the same lattice leaves when it is moved by half a cell
    /// (a lattice that is fine enough explains any soft picture wherever it lies; the true one only in its place), and
    /// a price for every cell. All in units of one pixel's worth of a logarithm.
    pub(super) fn score(&self, residual: f64, opposite: f64, pitch_px: f32) -> f64 {
        let places = self.signal.places as f64;
        let floor = ROUNDING + RESIDUAL_FLOOR * self.variance();
        places * ((residual + floor).ln() - 0.5 * (opposite + floor).ln() + CELL_PRICE / f64::from(pitch_px))
    }
}

/// A candidate after the first look.
pub(super) struct Probe {
    pub(super) lattice: Lattice,
    footprint: Footprint,
    pub(super) score: f64,
}

/// A fitted candidate.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) lattice: Lattice,
    pub(super) score: f64,
}

/// The kernels that stand for all in the search: one with flat cells, one with slopes.
pub(super) fn probes(pitch_px: f32) -> [Footprint; 2] {
    [Footprint::new(Kernel::Area, 0.15, pitch_px), Footprint::new(Kernel::Linear, 0.1, pitch_px)]
}

/// Looks for a candidate's offset and exact pitch with the two probes.
pub(super) fn probe(line: &Line, pitch_px: f32, freedom_cells: f32) -> Probe {
    let mut best: Option<(f64, f64, usize, f32)> = None;
    let probes = probes(pitch_px);
    for (index, footprint) in probes.iter().enumerate() {
        let middle = |phase: usize| phase as f32 / PHASES as f32;
        let residuals: Vec<f64> =
            (0..PHASES).map(|phase| Lattice::regular(pitch_px, middle(phase)).residual(line, footprint)).collect();
        for (phase, residual) in residuals.iter().enumerate() {
            if best.is_none_or(|(least, ..)| *residual < least) {
                best = Some((*residual, residuals[(phase + PHASES / 2) % PHASES], index, middle(phase)));
            }
        }
    }
    let (residual, opposite, index, middle) = best.unwrap_or((line.energy, line.energy, 0, 0.0));
    let footprint = probes[index].clone();
    let start = (Lattice::regular(pitch_px, middle), residual);
    let (lattice, residual) = refine(line, &footprint, start, freedom_cells, 0.25, PROBE_STEP);
    let score = line.score(residual, opposite, lattice.pitch_px);
    Probe { lattice, footprint, score }
}

/// Fits a probed candidate with the kernel that suits it.
pub(super) fn fit(line: &Line, probe: Probe, freedom_cells: f32) -> Fit {
    let Probe { mut lattice, mut footprint, .. } = probe;
    // The probe may have looked at fewer rows.
    let mut residual = lattice.residual(line, &footprint);
    // The probes may have settled on the edges of cells where the true kernel has their centres.
    let places = [lattice.clone(), Lattice { middle: lattice.middle + 0.5, ..lattice.clone() }];
    for kernel in [Kernel::Area, Kernel::Linear, Kernel::Cubic, Kernel::Lanczos] {
        for blur in [0.0, 0.15, 0.3] {
            let other = Footprint::new(kernel, blur, lattice.pitch_px);
            for place in &places {
                let left = place.residual(line, &other);
                if left < residual {
                    (residual, footprint, lattice) = (left, other.clone(), place.clone());
                }
            }
        }
    }
    let (lattice, residual) = refine(line, &footprint, (lattice, residual), freedom_cells, 0.06, LAST_STEP);
    let moved = Lattice { middle: lattice.middle + 0.5, ..lattice.clone() };
    let opposite = moved.residual(line, &footprint);
    let score = line.score(residual, opposite, lattice.pitch_px);
    Fit { lattice, score }
}

/// Pattern search over pitch (within `freedom_cells` cells more or less in the picture) and offset, with steps from
/// `first_step` down to `last_step`.
pub(super) fn refine(
    line: &Line,
    footprint: &Footprint,
    (mut best, mut least): (Lattice, f64),
    freedom_cells: f32,
    first_step: f32,
    last_step: f32,
) -> (Lattice, f64) {
    let places = line.signal.places as f32;
    let start = places / best.pitch_px;
    let mut step = first_step;
    while step > last_step {
        let count = places / best.pitch_px;
        let moves = [(step, 0.0), (-step, 0.0), (0.0, step / 2.0), (0.0, -step / 2.0)];
        let mut improved = false;
        for (cells, shift) in moves {
            let moved = count + cells;
            if (moved - start).abs() > freedom_cells || moved < 1.0 {
                continue;
            }
            let next = Lattice { pitch_px: places / moved, middle: best.middle + shift, drift: best.drift.clone() };
            let residual = next.residual(line, footprint);
            if residual < least * (1.0 - 1e-6) {
                (best, least, improved) = (next, residual, true);
                break;
            }
        }
        if !improved {
            step /= 2.0;
        }
    }
    (best, least)
}

/// Bends the lattice where that explains more. The ends stay: a trend is the pitch's to explain, so that the number of
/// cells does not change.
pub(super) fn bend(line: &Line, footprint: &Footprint, (mut best, mut least): (Lattice, f64)) -> (Lattice, f64) {
    if line.signal.places as f32 / best.pitch_px < 1.5 * KNOTS as f32 {
        return (best, least);
    }
    best.drift = vec![0.0; KNOTS];
    // A knot must pay for itself, or noise would bend every lattice.
    let price = 1.0 - 2.0 / line.signal.places as f64;
    for step in [0.12f32, 0.06, 0.03] {
        for _ in 0..2 {
            let before = least;
            for knot in 1..KNOTS - 1 {
                for change in [step, -step] {
                    let mut next = best.clone();
                    next.drift[knot] = (next.drift[knot] + change).clamp(-0.6, 0.6);
                    let residual = next.residual(line, footprint);
                    if residual < least * price {
                        (best, least) = (next, residual);
                        break;
                    }
                }
            }
            if least == before {
                break;
            }
            (best, least) = refine(line, footprint, (best, least), 0.15, step / 2.0, LAST_STEP);
        }
    }
    (best, least)
}
