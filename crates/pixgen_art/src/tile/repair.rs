//! Mending the seam of a tile with pixels of the tile itself.
//!
//! The tile is turned by half, so that its edges meet in the middle, and a strip of the tile's own inside is laid over
//! the place where they do. Which strip, and along which jagged line it begins and ends, is chosen so that strip and
//! ground agree there: image quilting (Efros and Freeman 2001) with the matching cost of graph-cut textures (Kwatra et
//! al. 2003). Pixels are copied and never mixed, so the tile keeps its palette.

use std::collections::BTreeSet;

use image::{RgbaImage, imageops};

use super::{Seams, Steps};
use crate::seen::SeenImage;

/// Tiles narrower than this have no inside to take a strip from.
const MIN_EDGE_PX: u32 = 8;

/// Widest zone in which the line between strip and ground may run, in pixels: wider ones find no better line and
/// replace more of what was drawn.
const MAX_ZONE_PX: u32 = 32;

/// Most strips that are tried per zone width; in wider tiles they lie evenly.
const MAX_STRIPS: u32 = 512;

/// Ground and strip may differ along either line by this share of the step that is mended. Two places that have nothing
/// to do with each other differ by about that step, so this is what makes the new lines less visible than the old one.
const MAX_COST: f32 = 0.6;

/// The lines may be steeper than the steepest step inside by this factor. They run along the edges of what is drawn,
/// which no straight column does; but a smooth slope must not become two stairs.
const MAX_STEEPNESS: f32 = 3.0;

/// A tile and what was done to it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeamRepair {
    /// The tile, in its colours.
    pub tile: RgbaImage,
    /// Its seams before.
    pub before: Seams,
    /// Its seams now.
    pub after: Seams,
}

/// Mends the seams that are seen (see [`Seams::is_seamless`]); an axis without one gives no cause to change anything.
///
/// A seam that cannot be mended without a worse one inside (a slope from dark to bright, where nothing in the tile
/// leads back) is left, as is one of a tile below 8 px: `after` tells. No seam becomes one that is seen, or is seen
/// more than before, and the same tile always gives the same result.
#[must_use]
pub fn repair_seams(tile: &RgbaImage) -> SeamRepair {
    let before = Seams::of(tile);
    let mut repair = SeamRepair { tile: tile.clone(), before, after: before };
    if !before.columns_fit() {
        take_if_better(&mut repair, repair_columns);
    }
    if !repair.after.rows_fit() {
        take_if_better(&mut repair, |tile| repair_columns(&imageops::rotate90(tile)).map(|t| imageops::rotate270(&t)));
    }
    repair
}

/// Takes a new tile if a seam became better and none became one that is seen more.
fn take_if_better(repair: &mut SeamRepair, mend: impl Fn(&RgbaImage) -> Option<RgbaImage>) {
    let Some(tile) = mend(&repair.tile) else { return };
    let (old, new) = (repair.after, Seams::of(&tile));
    let is_better = new.columns_z < old.columns_z || new.rows_z < old.rows_z;
    let columns_hold = new.columns_fit() || new.columns_z <= old.columns_z;
    if is_better && columns_hold && (new.rows_fit() || new.rows_z <= old.rows_z) {
        (repair.tile, repair.after) = (tile, new);
    }
}

/// A strip laid over the seam.
struct Patch {
    /// First column of the strip in the tile.
    source: u32,
    /// Width of the zones on both sides of the seam in which the lines run.
    zone: u32,
    /// The first column of the strip that is laid, for every row, counted from the strip's first.
    left: Vec<u32>,
    /// The first column that is ground again.
    right: Vec<u32>,
    /// Mean difference of strip and ground along the worse of both lines, per pixel beside it.
    cost: f32,
}

/// The tile with the seam between its right and its left edge mended; `None` if no strip makes it less visible.
fn repair_columns(tile: &RgbaImage) -> Option<RgbaImage> {
    let (width, height) = tile.dimensions();
    if width < MIN_EDGE_PX || height == 0 {
        return None;
    }
    let steps = Steps::of(tile);
    let seam = steps.seam(0, &steps)?;
    let zones = BTreeSet::from([width / 8, width / 4].map(|zone| zone.clamp(2, MAX_ZONE_PX)));
    let mut best: Option<Patch> = None;
    for zone in zones {
        let last_source = width.checked_sub(2 * zone + 2)?;
        let stride = last_source.div_ceil(MAX_STRIPS).max(1);
        for source in (0..=last_source).step_by(stride as usize) {
            let patch = fit(&steps.seen, (width, height), source, zone);
            // The first of equally good ones: the narrower zone, the strip further left.
            if best.as_ref().is_none_or(|best| patch.cost < best.cost) {
                best = Some(patch);
            }
        }
    }
    let patch = best.filter(|patch| patch.cost <= MAX_COST * seam)?;
    let mended = lay(tile, &patch);
    let steepest = steps.inner[0].iter().copied().fold(0.0, f32::max);
    (line_step(&mended, &patch) <= MAX_STEEPNESS * steepest).then_some(mended)
}

/// The column of the tile under a column of the strip's place: the strip lies symmetrically over the tile's edges.
fn ground(width: u32, zone: u32, column: u32) -> u32 {
    (width - zone - 1 + column) % width
}

/// Finds the two lines along which a strip agrees best with the ground.
fn fit(seen: &SeenImage, (width, height): (u32, u32), source: u32, zone: u32) -> Patch {
    // Column 0 to 2·zone+1 of the strip; the seam lies between zone and zone+1.
    let differ = |column: u32, y: u32| seen.at(ground(width, zone, column), y).distance(seen.at(source + column, y));
    let columns = 2 * zone + 2;
    let differences: Vec<f32> =
        (0..height).flat_map(|y| (0..columns).map(move |c| (c, y))).map(|(c, y)| differ(c, y)).collect();
    // A line before column c costs what ground and strip differ by on both of its sides.
    let cost = |y: usize, c: u32| {
        let row = y * columns as usize;
        differences[row + c as usize - 1] + differences[row + c as usize]
    };
    let (rows, places) = (height as usize, zone as usize);
    let (left, left_cost) = closed_line(rows, places, |y, place| cost(y, 1 + place as u32));
    let (right, right_cost) = closed_line(rows, places, |y, place| cost(y, zone + 2 + place as u32));
    Patch {
        source,
        zone,
        left: left.into_iter().map(|place| 1 + place as u32).collect(),
        right: right.into_iter().map(|place| zone + 2 + place as u32).collect(),
        cost: left_cost.max(right_cost) / (2 * height) as f32,
    }
}

/// The cheapest line from the first row to the last that moves by at most one place per row and ends where it began, so
/// that the tile still repeats downwards. Its places and its cost.
fn closed_line(rows: usize, places: usize, cost: impl Fn(usize, usize) -> f32) -> (Vec<usize>, f32) {
    let (open, _) = cheapest_line(rows, places, None, &cost);
    // Rows in the middle of the open line know both of their neighbours, its ends only one: but an end is what must be
    // chosen. The place in the first row is taken, and the line laid again with both ends there.
    cheapest_line(rows, places, open.first().copied(), &cost)
}

/// The cheapest line, with both ends at `end` (or one place beside it) if that is given.
fn cheapest_line(
    rows: usize,
    places: usize,
    end: Option<usize>,
    cost: &impl Fn(usize, usize) -> f32,
) -> (Vec<usize>, f32) {
    let starts = |place: usize| end.is_none_or(|end| end == place);
    let mut totals: Vec<f32> =
        (0..places).map(|place| if starts(place) { cost(0, place) } else { f32::INFINITY }).collect();
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(rows);
    for y in 1..rows {
        let before: Vec<usize> = (0..places)
            .map(|place| {
                let near = place.saturating_sub(1)..=(place + 1).min(places - 1);
                // Straight on if that is as cheap.
                near.min_by(|a, b| {
                    totals[*a].total_cmp(&totals[*b]).then(a.abs_diff(place).cmp(&b.abs_diff(place))).then(a.cmp(b))
                })
                .unwrap_or(place)
            })
            .collect();
        totals = before.iter().enumerate().map(|(place, before)| totals[*before] + cost(y, place)).collect();
        from.push(before);
    }
    let ends = (0..places).filter(|place| end.is_none_or(|end| end.abs_diff(*place) <= 1));
    let mut place = ends.min_by(|a, b| totals[*a].total_cmp(&totals[*b]).then(a.cmp(b))).unwrap_or(0);
    let total = totals.get(place).copied().unwrap_or(0.0);
    let mut line = vec![place];
    for before in from.iter().rev() {
        place = before[place];
        line.push(place);
    }
    line.reverse();
    (line, total)
}

/// The tile with the strip laid over its edges.
fn lay(tile: &RgbaImage, patch: &Patch) -> RgbaImage {
    let mut mended = tile.clone();
    for (y, (left, right)) in (0..tile.height()).zip(patch.left.iter().zip(&patch.right)) {
        for column in *left..*right {
            let pixel = *tile.get_pixel(patch.source + column, y);
            mended.put_pixel(ground(tile.width(), patch.zone, column), y, pixel);
        }
    }
    mended
}

/// The mean step across the steeper of the two lines.
fn line_step(mended: &RgbaImage, patch: &Patch) -> f32 {
    let seen = SeenImage::new(mended);
    let at = |column: u32, y: u32| seen.at(ground(mended.width(), patch.zone, column), y);
    let mean = |line: &[u32]| {
        let steps = (0..mended.height()).zip(line).map(|(y, column)| at(column - 1, y).distance(at(*column, y)));
        steps.sum::<f32>() / line.len().max(1) as f32
    };
    mean(&patch.left).max(mean(&patch.right))
}
