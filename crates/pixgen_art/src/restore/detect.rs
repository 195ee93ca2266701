//! The grid of a picture: candidates from the spectrum, decided by re-rendering.
//!
//! For every candidate pitch the lattice is fitted by least squares (see [`super::lattice`]); what the cells cannot
//! explain is the residual. Finer lattices always explain a little more, so each cell costs (as in Akaike's criterion,
//! with a price for correlated noise). Both axes are decided together: pixels are seldom far from square.

use super::invert::Inversion;
use super::kernel::{Footprint, Kernel};
use super::lattice::{Signal, Spread};
use super::planes::{Along, Planes};
use super::spectrum::candidates;
use super::{Axis, Grid, GridSize};

/// Finest pitch that is searched; below, cells cannot be told from noise.
const MIN_PITCH_PX: f32 = 2.4;

/// Coarsest pitch that is searched.
const MAX_PITCH_PX: f32 = 48.0;

/// Price of one cell against one pixel's worth of the logarithm of the residual.
const CELL_PRICE: f64 = 5.0;

/// Share of the variance below which a residual is as good as none.
const RESIDUAL_FLOOR: f64 = 1e-3;

/// Smallest residual that means anything: rounding to 8 bits, averaged a little.
const ROUNDING: f64 = 0.2 / 255.0 / 255.0;

/// What a size that is no multiple of 8 must explain better, in the same units.
const COMMON_SIZE: f64 = 6.0;

/// Price of a cell among the finalists, whose residual is that of single pixels.
const FINAL_PRICE: f64 = 3.0;

/// As [`RESIDUAL_FLOOR`], for the finalists.
const FINAL_FLOOR: f64 = 3e-3;

/// Candidates of an axis that are fitted with every kernel.
const PROBED: usize = 8;

/// Pairs of candidates that are rendered again.
const FINALISTS: usize = 1;

/// Error of a rendering that says nothing: rounding and a little noise.
const FINE_ERROR: f32 = 0.003;

/// What a blur of one cell must explain better, as a share of the squared error.
const BLUR_PRICE: f32 = 0.05;

/// Price of one cell of wandering against a straight lattice with as many cells.
const BEND_PRICE: f64 = 10.0;

/// Price of one cell of wandering against another number of cells.
const WANDER_PRICE: f64 = 40.0;

/// Offsets of the lattice tried for a candidate, to one cell.
const PHASES: usize = 6;

/// Knots of the drift curve.
const KNOTS: usize = 7;

/// Blurs tried for every kernel, in cells.
const BLURS: [f32; 5] = [0.0, 0.1, 0.2, 0.32, 0.45];

/// A lattice along one axis that is being fitted. The offset is counted at the middle of the picture, where it does
/// not change with the pitch.
#[derive(Clone, Debug)]
struct Lattice {
    pitch_px: f32,
    /// Cell coordinate of the middle of the picture.
    middle: f32,
    /// Displacement at evenly spaced knots, in cells.
    drift: Vec<f32>,
}

impl Lattice {
    fn regular(pitch_px: f32, middle: f32) -> Self {
        Self { pitch_px, middle, drift: Vec::new() }
    }

    fn drift_at(&self, share: f32) -> f32 {
        let Some(last) = self.drift.len().checked_sub(1).filter(|last| *last > 0) else { return 0.0 };
        let place = share.clamp(0.0, 1.0) * last as f32;
        let knot = (place as usize).min(last - 1);
        let t = place - knot as f32;
        // Half a cosine between knots is smooth and keeps the curve monotone.
        let t = 0.5 - 0.5 * (std::f32::consts::PI * t).cos();
        self.drift[knot] + (self.drift[knot + 1] - self.drift[knot]) * t
    }

    /// Cell coordinate of every pixel centre.
    fn coordinates(&self, places: usize) -> Vec<f32> {
        let half = places as f32 / 2.0;
        (0..places)
            .map(|x| {
                let at = x as f32 + 0.5;
                (at - half) / self.pitch_px + self.middle + self.drift_at(at / places as f32)
            })
            .collect()
    }

    /// What a lattice with this spread leaves unexplained, a mean square over all values.
    fn residual(&self, line: &Line, footprint: &Footprint) -> f64 {
        let mut coordinates = self.coordinates(line.signal.places);
        let lowest = coordinates.iter().copied().fold(f32::INFINITY, f32::min).floor();
        let highest = coordinates.iter().copied().fold(f32::NEG_INFINITY, f32::max).floor();
        coordinates.iter_mut().for_each(|at| *at -= lowest);
        let cells = (highest - lowest).clamp(0.0, 1e5) as usize + 1;
        let spread = Spread::new(&coordinates, cells, footprint);
        let left = (line.energy - spread.explained(&line.signal)).max(0.0);
        left / line.signal.values.len().max(1) as f64
    }
}

/// One axis of the picture as the search sees it.
struct Line {
    signal: Signal,
    energy: f64,
}

impl Line {
    fn new(planes: &Planes, along: Along) -> Self {
        let mut signal = planes.lines(along);
        signal.center();
        let energy = signal.energy();
        Self { signal, energy }
    }

    /// Lower is better: unexplained energy, less half of what the same lattice leaves when it is moved by half a cell
    /// (a lattice that is fine enough explains any soft picture wherever it lies; the true one only in its place), and
    /// a price for every cell. All in units of one pixel's worth of a logarithm.
    fn score(&self, residual: f64, opposite: f64, pitch_px: f32) -> f64 {
        let places = self.signal.places as f64;
        let floor = ROUNDING + RESIDUAL_FLOOR * self.energy / self.signal.values.len().max(1) as f64;
        places * ((residual + floor).ln() - 0.5 * (opposite + floor).ln() + CELL_PRICE / f64::from(pitch_px))
    }
}

/// A candidate after the first look.
struct Probe {
    lattice: Lattice,
    residual: f64,
    footprint: Footprint,
    score: f64,
}

/// A fitted candidate.
#[derive(Clone, Debug)]
struct Fit {
    lattice: Lattice,
    score: f64,
}

/// The kernels that stand for all in the search: one with flat cells, one with slopes.
fn probes(pitch_px: f32) -> [Footprint; 2] {
    [Footprint::new(Kernel::Area, 0.15, pitch_px), Footprint::new(Kernel::Linear, 0.1, pitch_px)]
}

/// Looks for a candidate's offset and exact pitch with the two probes.
fn probe(line: &Line, pitch_px: f32, freedom_cells: f32) -> Probe {
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
    let (lattice, residual) = refine(line, &footprint, start, freedom_cells, 0.25);
    let score = line.score(residual, opposite, lattice.pitch_px);
    Probe { lattice, residual, footprint, score }
}

/// Fits a probed candidate with the kernel that suits it.
fn fit(line: &Line, probe: Probe, freedom_cells: f32) -> Fit {
    let Probe { mut lattice, mut residual, mut footprint, .. } = probe;
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
    let (lattice, residual) = refine(line, &footprint, (lattice, residual), freedom_cells, 0.06);
    let moved = Lattice { middle: lattice.middle + 0.5, ..lattice.clone() };
    let opposite = moved.residual(line, &footprint);
    let score = line.score(residual, opposite, lattice.pitch_px);
    Fit { lattice, score }
}

/// Pattern search over pitch (within `freedom_cells` cells more or less in the picture) and offset.
fn refine(
    line: &Line,
    footprint: &Footprint,
    (mut best, mut least): (Lattice, f64),
    freedom_cells: f32,
    first_step: f32,
) -> (Lattice, f64) {
    let places = line.signal.places as f32;
    let start = places / best.pitch_px;
    let mut step = first_step;
    while step > 0.008 {
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
fn bend(line: &Line, footprint: &Footprint, (mut best, mut least): (Lattice, f64)) -> (Lattice, f64) {
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
            (best, least) = refine(line, footprint, (best, least), 0.15, step / 2.0);
        }
    }
    (best, least)
}

/// Every kernel and blur, those that explain both axes best first.
fn ranked_spreads(lines: &[Line; 2], lattices: &[Lattice; 2]) -> Vec<(f64, Kernel, f32)> {
    let mut ranked = Vec::new();
    for kernel in Kernel::ALL {
        for blur in BLURS {
            let score = |axis: usize| {
                let footprint = Footprint::new(kernel, blur, lattices[axis].pitch_px);
                let residual = lattices[axis].residual(&lines[axis], &footprint);
                lines[axis].signal.places as f64 * (residual + ROUNDING).ln()
            };
            ranked.push((score(0) + score(1), kernel, blur));
        }
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked
}

/// The kernel and blur with which the inverted cells, rendered again and clipped as a picture is, come nearest to the
/// picture. The linear residual alone is deceived by overshoot that was cut off at black, white or full alpha.
fn spread(planes: &Planes, grid: &mut Grid, ranked: &[(f64, Kernel, f32)], blurs: usize) {
    let mut tried = Vec::new();
    for kernel in Kernel::ALL {
        tried.extend(ranked.iter().copied().filter(|(_, k, _)| *k == kernel).take(blurs));
    }
    let mut best: Option<(f32, f32, Kernel, f32)> = None;
    for (_, kernel, blur) in tried {
        (grid.kernel, grid.blur_cells) = (kernel, blur);
        let error = Inversion::new(planes, grid).error(planes);
        // Errors below rounding are equal, and of equals the sharper picture is the likelier.
        let score = (error * error + FINE_ERROR * FINE_ERROR) * (1.0 + BLUR_PRICE * blur);
        if best.is_none_or(|(least, ..)| score < least) {
            best = Some((score, error, kernel, blur));
        }
    }
    if let Some((_, error, kernel, blur)) = best {
        (grid.kernel, grid.blur_cells, grid.noise) = (kernel, blur, error);
    }
}

/// How little two pitches disagree with square pixels, as a penalty.
fn squareness(x_px: f32, y_px: f32) -> f64 {
    let ratio = f64::from((x_px / y_px).ln().abs());
    match ratio {
        r if r < 0.01 => 0.0,
        r if r < 0.2 => 20.0,
        r => 30.0 + 30.0 * (r - 0.2),
    }
}

/// Candidates of one axis for the wanted size.
fn wanted(line: &Line, size: Option<u32>, scale_px: Option<f32>) -> Option<(f32, f32)> {
    let places = line.signal.places as f32;
    match (size, scale_px) {
        (Some(cells), _) => Some((places / cells.max(1) as f32, 0.35)),
        (None, Some(pitch)) => Some((pitch.max(1.0), 0.1)),
        (None, None) => None,
    }
}

/// Finds the grid; see [`Grid::detect`].
pub(crate) fn detect(planes: &Planes, size: GridSize) -> Grid {
    let opponent = planes.opponent();
    let lines = [Line::new(&opponent, Along::X), Line::new(&opponent, Along::Y)];
    let (sizes, scales) = match size {
        GridSize::Unknown => ([None; 2], [None; 2]),
        GridSize::Cells { width, height } => ([Some(width), Some(height)], [None; 2]),
        GridSize::Scale { x_px, y_px } => ([None; 2], [Some(x_px), Some(y_px)]),
    };
    let known = [0, 1].map(|axis| wanted(&lines[axis], sizes[axis], scales[axis]));
    let pairs: Vec<(f64, [Lattice; 2])> = match known {
        [Some(x), Some(y)] => {
            let told = |axis: usize, (pitch, freedom): (f32, f32)| {
                fit(&lines[axis], probe(&lines[axis], pitch, freedom), freedom).lattice
            };
            vec![(0.0, [told(0, x), told(1, y)])]
        }
        _ => search(&lines),
    };
    let sample = planes.sample();
    let mut best: Option<(f64, Finalist)> = None;
    for (_, lattices) in pairs {
        let finalist = finish(&lines, &sample, lattices, &known, sizes);
        let score = finalist.score(&lines, &sample);
        if best.as_ref().is_none_or(|(least, _)| score < *least) {
            best = Some((score, finalist));
        }
    }
    let Some((_, Finalist { mut grid, mut lattices })) = best else { return Grid::none(planes) };
    let mut explained = 1.0f32;
    for axis in 0..2 {
        let line = &lines[axis];
        let footprint = Footprint::new(grid.kernel, grid.blur_cells, lattices[axis].pitch_px);
        let residual = lattices[axis].residual(line, &footprint);
        let (lattice, residual) = refine(line, &footprint, (lattices[axis].clone(), residual), 0.1, 0.03);
        lattices[axis] = lattice;
        let variance = line.energy / line.signal.values.len().max(1) as f64;
        explained = explained.min(if variance > 0.0 { (1.0 - residual / variance) as f32 } else { 0.0 });
    }
    [grid.x, grid.y] = [0, 1].map(|axis| axis_of(&lattices[axis], lines[axis].signal.places, sizes[axis]));
    grid.confidence = explained.clamp(0.0, 1.0);
    grid
}

/// A pair of lattices with everything decided.
struct Finalist {
    lattices: [Lattice; 2],
    grid: Grid,
}

impl Finalist {
    /// Lower is better: what re-rendering leaves, with the price of the cells.
    fn score(&self, lines: &[Line; 2], sample: &Planes) -> f64 {
        let variance = sample.variance();
        let left = f64::from(self.grid.noise).powi(2) + ROUNDING + FINAL_FLOOR * variance;
        let places = lines.iter().map(|line| line.signal.places as f64).sum::<f64>();
        let cells = f64::from(self.grid.x.cells + self.grid.y.cells);
        places * left.ln() + FINAL_PRICE * cells + squareness(self.grid.x.pitch_px, self.grid.y.pitch_px)
    }
}

/// Kernel, blur, drift and number of cells for a pair of lattices.
fn finish(
    lines: &[Line; 2],
    sample: &Planes,
    lattices: [Lattice; 2],
    known: &[Option<(f32, f32)>; 2],
    sizes: [Option<u32>; 2],
) -> Finalist {
    let axes =
        |lattices: &[Lattice; 2]| [0, 1].map(|axis| axis_of(&lattices[axis], lines[axis].signal.places, sizes[axis]));
    let [x, y] = axes(&lattices);
    let mut grid = Grid { x, y, kernel: Kernel::Area, blur_cells: 0.0, noise: 0.0, confidence: 0.0 };
    let ranked = ranked_spreads(lines, &lattices);
    spread(sample, &mut grid, &ranked, 1);
    let spreads = [0, 1].map(|axis| Footprint::new(grid.kernel, grid.blur_cells, lattices[axis].pitch_px));
    let lattices = settle(lines, &lattices, &spreads, known);
    [grid.x, grid.y] = axes(&lattices);
    let ranked = ranked_spreads(lines, &lattices);
    spread(sample, &mut grid, &ranked, 2);
    Finalist { lattices, grid }
}

/// Decides the number of cells, with drift: one more or less is tried against what pictures mostly are, whole cells of
/// a common size in square pixels. Blank margins say nothing about their cells, so that drift alone cannot tell.
fn settle(
    lines: &[Line; 2],
    lattices: &[Lattice; 2],
    spreads: &[Footprint; 2],
    known: &[Option<(f32, f32)>; 2],
) -> [Lattice; 2] {
    let options: Vec<Vec<(Lattice, f64)>> = (0..2)
        .map(|axis| {
            let (line, lattice) = (&lines[axis], &lattices[axis]);
            let places = line.signal.places as f32;
            let floor = ROUNDING + RESIDUAL_FLOOR * line.energy / line.signal.values.len().max(1) as f64;
            let counts = (places / lattice.pitch_px).round();
            let steps: &[f32] = if known[axis].is_some() { &[0.0] } else { &[0.0, -1.0, 1.0] };
            steps
                .iter()
                .filter(|step| counts + **step >= 2.0)
                .map(|step| {
                    let count = counts + step;
                    let start = match known[axis] {
                        Some(_) => lattice.clone(),
                        None => Lattice::regular(places / count, lattice.middle),
                    };
                    let residual = start.residual(line, &spreads[axis]);
                    let rigid = refine(line, &spreads[axis], (start, residual), 0.15, 0.06);
                    let common = if (count as u32).is_multiple_of(8) { 0.0 } else { COMMON_SIZE };
                    let score = |(lattice, residual): &(Lattice, f64), price: f64| {
                        let wander: f32 = lattice.drift.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
                        f64::from(places) * (residual + floor).ln() + common + price * f64::from(wander)
                    };
                    let bent = bend(line, &spreads[axis], rigid.clone());
                    let is_straight = score(&rigid, BEND_PRICE) <= score(&bent, BEND_PRICE);
                    let best = if is_straight { rigid } else { bent };
                    let score = score(&best, WANDER_PRICE);
                    (best.0, score)
                })
                .collect()
        })
        .collect();
    let mut best: Option<(f64, [&Lattice; 2])> = None;
    for (x, x_score) in &options[0] {
        for (y, y_score) in &options[1] {
            let score = x_score + y_score + squareness(x.pitch_px, y.pitch_px);
            if best.as_ref().is_none_or(|(least, _)| score < *least) {
                best = Some((score, [x, y]));
            }
        }
    }
    best.map_or_else(|| lattices.clone(), |(_, pair)| pair.map(Clone::clone))
}

/// Fits every candidate of both axes; the best pairs come first.
fn search(lines: &[Line; 2]) -> Vec<(f64, [Lattice; 2])> {
    let mut pitches: Vec<Vec<f32>> = lines
        .iter()
        .map(|line| {
            let max_px = MAX_PITCH_PX.min(line.signal.places as f32 / 4.0);
            candidates(&line.signal, MIN_PITCH_PX, max_px)
        })
        .collect();
    // What one axis shows clearly helps the other.
    let shared: Vec<Vec<f32>> = pitches.iter().map(|list| list.iter().take(6).copied().collect()).collect();
    for axis in 0..2 {
        let places = lines[axis].signal.places as f32;
        for pitch in &shared[1 - axis] {
            let is_known = pitches[axis].iter().any(|p| (places / p - places / pitch).abs() < 0.3);
            if !is_known && places / pitch >= 3.0 {
                pitches[axis].push(*pitch);
            }
        }
        if pitches[axis].is_empty() {
            pitches[axis].push(1.0);
        }
    }
    let fits: Vec<Vec<Fit>> = pitches
        .iter()
        .zip(lines)
        .map(|(pitches, line)| {
            let mut probed: Vec<_> = pitches.iter().map(|pitch| probe(line, *pitch, 0.6)).collect();
            probed.sort_by(|a, b| a.score.total_cmp(&b.score));
            probed.truncate(PROBED);
            probed.into_iter().map(|probe| fit(line, probe, 0.6)).collect()
        })
        .collect();
    let mut pairs: Vec<(f64, [Lattice; 2])> = Vec::new();
    for x in &fits[0] {
        for y in &fits[1] {
            let score = x.score + y.score + squareness(x.lattice.pitch_px, y.lattice.pitch_px);
            pairs.push((score, [x.lattice.clone(), y.lattice.clone()]));
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    pairs.truncate(FINALISTS);
    pairs
}

/// The lattice with its cells counted: those at least half of which are in the picture, or as many as were asked for.
fn axis_of(lattice: &Lattice, places: usize, cells: Option<u32>) -> Axis {
    let mut coordinates = lattice.coordinates(places);
    let half_pixel = 0.5 / lattice.pitch_px;
    let first = coordinates.first().map_or(0.0, |at| at - half_pixel);
    let last = coordinates.last().map_or(0.0, |at| at + half_pixel);
    let count = cells.unwrap_or_else(|| (last - first).round().clamp(1.0, 1e5) as u32).max(1);
    let start = ((first + last - count as f32) / 2.0).round();
    coordinates.iter_mut().for_each(|at| *at -= start);
    let origin_px = lattice.pitch_px.mul_add(start - lattice.middle, places as f32 / 2.0);
    Axis { pitch_px: lattice.pitch_px, origin_px, cells: count, coordinates }
}
