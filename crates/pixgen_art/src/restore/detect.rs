//! The grid of a picture: candidates from the spectrum, decided by re-rendering.
//!
//! For every candidate pitch the lattice is fitted by least squares (see [`super::lattice`]); what the cells cannot
//! explain is the residual. Finer lattices always explain a little more, so each cell costs (as in Akaike's criterion,
//! with a price for correlated noise). Both axes are decided together: pixels are seldom far from square.

use std::ops::Range;

use super::fit::{Fit, LAST_STEP, Lattice, Line, RESIDUAL_FLOOR, ROUNDING, bend, fit, probe, refine};
use super::invert::Inversion;
use super::kernel::{Footprint, Kernel};
use super::planes::{Along, Planes};
use super::spectrum::candidates;
use super::{Axis, Grid, GridSize};

/// Finest pitch that is searched; below, cells cannot be told from noise.
const MIN_PITCH_PX: f32 = 2.4;

/// Coarsest pitch that is searched.
const MAX_PITCH_PX: f32 = 48.0;

/// What a size that is no multiple of 8 must explain better, in pixels' worth of a logarithm (see [`Line::score`]). Most
/// sprites have such a size (87 % of the edges in the set this was tuned on), and where margins are blank or cells
/// wander nothing else tells 32 cells from 33.
const COMMON_SIZE: f64 = 50.0;

/// Weight of what is seen against the prices: neighbouring pixels and lines say the same thing more than once.
const EVIDENCE: f64 = 0.7;

/// Share of the variance that the best grid must explain. Where none does, the picture is one of its own pixels: a
/// texture at scale 1 has detail in every pixel, of which larger cells lose a half or more, while a picture of larger
/// cells is explained to 95 % and better.
const LEAST_EXPLAINED: f32 = 0.9;

/// Cells more or less than the search found that are tried.
const COUNTS: [f32; 5] = [0.0, -1.0, 1.0, -2.0, 2.0];

/// Candidates of an axis that are fitted with every kernel.
const PROBED: usize = 5;

/// Rows that candidates are probed with, and the share of the energy that may be lost with the others.
const PROBE_ROWS: (usize, f64) = (32, 1e-3);

/// The same where candidates are fitted and their number of cells is decided.
const FIT_ROWS: (usize, f64) = (64, 1e-4);

/// Cells that kernel and blur are decided by, along each axis.
const WINDOW_CELLS: f32 = 20.0;

/// Error of a rendering that says nothing: rounding and a little noise.
const FINE_ERROR: f32 = 0.003;

/// What a blur of one cell must explain better, as a share of the squared error.
const BLUR_PRICE: f32 = 0.05;

/// Price of one cell of wandering against a straight lattice with as many cells.
const BEND_PRICE: f64 = 5.0;

/// Price of one cell of wandering against another number of cells.
const WANDER_PRICE: f64 = 90.0;

/// Cells on the far side of a cut that are solved for with a part of a picture.
const HIDDEN_CELLS: f32 = 2.0;

/// A kernel whose rendering is this many times as wrong as the best one's is not tried again.
const HOPELESS: f32 = 1.6;

/// Blurs tried for every kernel, in cells.
const BLURS: [f32; 5] = [0.0, 0.1, 0.2, 0.32, 0.45];

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
///
/// Returns the kernels that are worth another look.
fn spread(
    planes: &Planes,
    grid: &mut Grid,
    ranked: &[(f64, Kernel, f32)],
    (kernels, blurs): (&[Kernel], usize),
) -> Vec<Kernel> {
    let mut tried = Vec::new();
    for kernel in kernels.iter().copied() {
        tried.extend(ranked.iter().copied().filter(|(_, k, _)| *k == kernel).take(blurs));
    }
    let mut best: Option<(f32, f32, Kernel, f32)> = None;
    let (part, mut window) = busiest(planes, grid);
    let mut errors = Vec::with_capacity(tried.len());
    for (_, kernel, blur) in tried {
        (window.kernel, window.blur_cells, window.noise) = (kernel, blur, grid.noise);
        let error = Inversion::new(&part, &window).error(&part);
        errors.push((kernel, error));
        // Errors below rounding are equal, and of equals the sharper picture is the likelier.
        let score = (error * error + FINE_ERROR * FINE_ERROR) * (1.0 + BLUR_PRICE * blur);
        if best.is_none_or(|(least, ..)| score < least) {
            best = Some((score, error, kernel, blur));
        }
    }
    if let Some((_, error, kernel, blur)) = best {
        (grid.kernel, grid.blur_cells, grid.noise) = (kernel, blur, error);
    }
    let hopeless = HOPELESS * grid.noise.max(FINE_ERROR);
    errors.into_iter().filter(|(_, error)| *error < hopeless).map(|(kernel, _)| kernel).collect()
}

/// The part of a picture where most happens, at most [`WINDOW_CELLS`] wide and high, and its grid: kernel and blur are
/// the same everywhere.
fn busiest(planes: &Planes, grid: &Grid) -> (Planes, Grid) {
    let axes = [(&grid.x, Along::X), (&grid.y, Along::Y)];
    let ranges = axes.map(|(axis, along)| {
        let places = axis.coordinates.len();
        let width = (axis.pitch_px * WINDOW_CELLS).ceil() as usize;
        if width >= places {
            return 0..places;
        }
        let activity = planes.activity(along);
        let mut sum: f32 = activity[..width].iter().sum();
        let (mut most, mut start) = (sum, 0);
        for end in width..places {
            sum += activity[end] - activity[end - width];
            if sum > most {
                (most, start) = (sum, end + 1 - width);
            }
        }
        start..start + width
    });
    let cut = |axis: &Axis, range: &Range<usize>| {
        let coordinates = &axis.coordinates[range.clone()];
        let lowest = coordinates.iter().copied().fold(f32::INFINITY, f32::min).floor();
        let highest = coordinates.iter().copied().fold(f32::NEG_INFINITY, f32::max).ceil();
        // Cells beyond a cut reach into the part; beyond the picture's edges there are none.
        let first = (lowest - HIDDEN_CELLS).max(0.0);
        let last = (highest + HIDDEN_CELLS).min(axis.cells as f32).max(first + 1.0);
        Axis {
            pitch_px: axis.pitch_px,
            origin_px: 0.0,
            cells: (last - first) as u32,
            coordinates: coordinates.iter().map(|at| at - first).collect(),
        }
    };
    let [x, y] = &ranges;
    (planes.part(x.clone(), y.clone()), Grid { x: cut(&grid.x, x), y: cut(&grid.y, y), ..grid.clone() })
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
        (Some(cells), _) => Some((places / cells.clamp(1, line.signal.places.max(1) as u32) as f32, 0.35)),
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
    let lattices: [Lattice; 2] = match known {
        [Some(x), Some(y)] => {
            let told = |axis: usize, (pitch, freedom): (f32, f32)| {
                fit(&lines[axis], probe(&lines[axis], pitch, freedom), freedom).lattice
            };
            [told(0, x), told(1, y)]
        }
        _ => search(&lines),
    };
    let (mut grid, mut lattices) = finish(&lines, &planes.sample(), lattices, &known, sizes);
    let mut explained = 1.0f32;
    for axis in 0..2 {
        let line = &lines[axis];
        let footprint = Footprint::new(grid.kernel, grid.blur_cells, lattices[axis].pitch_px);
        let residual = lattices[axis].residual(line, &footprint);
        let (lattice, residual) = refine(line, &footprint, (lattices[axis].clone(), residual), 0.1, 0.03, LAST_STEP);
        lattices[axis] = lattice;
        let variance = line.variance();
        explained = explained.min(if variance > 0.0 { (1.0 - residual / variance) as f32 } else { 0.0 });
    }
    [grid.x, grid.y] = [0, 1].map(|axis| axis_of(&lattices[axis], &lines[axis], sizes[axis]));
    grid.confidence = explained.clamp(0.0, 1.0);
    if size == GridSize::Unknown && grid.confidence < LEAST_EXPLAINED {
        return Grid::of_pixels(planes.width, planes.height);
    }
    grid
}

/// Kernel, blur, drift and number of cells for a pair of lattices.
fn finish(
    lines: &[Line; 2],
    sample: &Planes,
    lattices: [Lattice; 2],
    known: &[Option<(f32, f32)>; 2],
    sizes: [Option<u32>; 2],
) -> (Grid, [Lattice; 2]) {
    let axes = |lattices: &[Lattice; 2]| [0, 1].map(|axis| axis_of(&lattices[axis], &lines[axis], sizes[axis]));
    let [x, y] = axes(&lattices);
    let mut grid = Grid { x, y, kernel: Kernel::Area, blur_cells: 0.0, noise: 0.0, confidence: 0.0 };
    let few = [0, 1].map(|axis: usize| lines[axis].condensed(FIT_ROWS));
    let ranked = ranked_spreads(&few, &lattices);
    let kernels = spread(sample, &mut grid, &ranked, (&Kernel::ALL, 1));
    let spreads = [0, 1].map(|axis| Footprint::new(grid.kernel, grid.blur_cells, lattices[axis].pitch_px));
    let lattices = settle(&few, &lattices, &spreads, known);
    [grid.x, grid.y] = axes(&lattices);
    let ranked = ranked_spreads(&few, &lattices);
    spread(sample, &mut grid, &ranked, (&kernels, 2));
    (grid, lattices)
}

/// Decides the number of cells, with drift: one or two more or less are tried against what pictures mostly are, whole cells of
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
            let floor = ROUNDING + RESIDUAL_FLOOR * line.variance();
            let counts = (places / lattice.pitch_px).round();
            let steps = if known[axis].is_some() { &COUNTS[..1] } else { &COUNTS[..] };
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
                    let rigid = refine(line, &spreads[axis], (start, residual), 0.15, 0.06, LAST_STEP);
                    let score = |(lattice, residual): &(Lattice, f64), price: f64| {
                        let wander: f32 = lattice.drift.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
                        // Fitting may have moved the pitch to the next number of cells.
                        let cells = (places / lattice.pitch_px).round() as u32;
                        let common = if cells.is_multiple_of(8) { 0.0 } else { COMMON_SIZE };
                        let seen = EVIDENCE * f64::from(places) * (residual + floor).ln();
                        seen + common + price * f64::from(wander)
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

/// Fits every candidate of both axes and takes the best pair.
fn search(lines: &[Line; 2]) -> [Lattice; 2] {
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
            let (coarse, few) = (line.condensed(PROBE_ROWS), line.condensed(FIT_ROWS));
            let mut probed: Vec<_> = pitches.iter().map(|pitch| probe(&coarse, *pitch, 0.6)).collect();
            probed.sort_by(|a, b| a.score.total_cmp(&b.score));
            probed.truncate(PROBED);
            probed.into_iter().map(|probe| fit(&few, probe, 0.6)).collect()
        })
        .collect();
    let mut best: Option<(f64, [&Lattice; 2])> = None;
    for x in &fits[0] {
        for y in &fits[1] {
            let score = x.score + y.score + squareness(x.lattice.pitch_px, y.lattice.pitch_px);
            if best.as_ref().is_none_or(|(least, _)| score < *least) {
                best = Some((score, [&x.lattice, &y.lattice]));
            }
        }
    }
    best.map_or_else(|| [0, 1].map(|_| Lattice::regular(1.0, 0.0)), |(_, pair)| pair.map(Clone::clone))
}

/// The lattice with its cells counted: those at least half of which are in the picture, or as many as were asked for.
fn axis_of(lattice: &Lattice, line: &Line, cells: Option<u32>) -> Axis {
    let places = line.signal.places;
    let mut coordinates = lattice.coordinates(line);
    let half_pixel = 0.5 / lattice.pitch_px;
    let first = coordinates.first().map_or(0.0, |at| at - half_pixel);
    let last = coordinates.last().map_or(0.0, |at| at + half_pixel);
    let count = cells.unwrap_or_else(|| (last - first).round().clamp(1.0, 1e5) as u32);
    let count = count.clamp(1, places.max(1) as u32);
    let start = ((first + last - count as f32) / 2.0).round();
    coordinates.iter_mut().for_each(|at| *at -= start);
    let origin_px = lattice.pitch_px.mul_add(start - lattice.middle, places as f32 / 2.0);
    Axis { pitch_px: lattice.pitch_px, origin_px, cells: count, coordinates }
}
