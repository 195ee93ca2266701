//! Content-adaptive downscaling: cells bend towards the picture's edges before they vote.
//!
//! Every cell is a superpixel: its pixels are those that are nearer to it, in place and colour together, than to the
//! eight cells around (Gerstner et al. 2012, "Pixelated Image Abstraction", section 4). That is the hard-assignment
//! relative of the soft kernels of Kopf et al. 2013, "Content-Adaptive Image Downscaling": an edge that runs through a
//! cell moves to the cell's border. Unlike both, the colour is chosen from the members (by k-centroid), not averaged.

use image::RgbaImage;

use super::k_centroid::dominant;
use super::vote::{Voter, mean_alpha};
use super::{Cells, pixel};
use crate::oklab::{Lab, distance_squared, labs};

/// Rounds of assigning pixels and moving superpixels; later ones moved almost none.
const ROUNDS: usize = 5;

/// What one cell's edge of distance counts beside one unit of colour difference in OKLab.
const PLACE_WEIGHT: f32 = 0.12;

/// How far a superpixel may leave the middle of its cell, in cells: more would break the grid that pixel art keeps.
const MAX_SHIFT: f32 = 0.3;

/// A superpixel: where it is, in cells, its colour and alpha.
#[derive(Clone, Copy, Default)]
struct Center {
    x: f32,
    y: f32,
    lab: Lab,
    alpha: f32,
}

/// What a superpixel's members add up to.
#[derive(Clone, Copy, Default)]
struct Sum {
    x: f32,
    y: f32,
    lab: [f32; 3],
    alpha: f32,
    count: f32,
}

/// Every cell as one pixel, after the cells have bent towards the edges; `outline_bias` is that of
/// [`k_centroid`](super::k_centroid()).
#[must_use]
pub fn content_adaptive(image: &RgbaImage, cells: &Cells, outline_bias: f32) -> RgbaImage {
    let cells = cells.within(image);
    let (columns, rows) = cells.dimensions();
    let labs = labs(image);
    let places = [places(cells.columns(), image.width()), places(cells.rows(), image.height())];
    let width = image.width() as usize;
    let mut owners: Vec<u32> = Vec::with_capacity(labs.len());
    for (_, row) in &places[1] {
        owners.extend(places[0].iter().map(|(_, column)| row * columns + column));
    }
    let mut centers = Vec::new();
    for _ in 0..ROUNDS {
        centers = moved(image, &labs, &owners, &places, (columns, rows));
        for (index, owner) in owners.iter_mut().enumerate() {
            let ((x, column), (y, row)) = (places[0][index % width], places[1][index / width]);
            let alpha = f32::from(image.as_raw()[4 * index + 3]) / 255.0;
            let here = Center { x, y, lab: labs[index], alpha };
            let mut best = (f32::INFINITY, *owner);
            for near_row in row.saturating_sub(1)..=(row + 1).min(rows.saturating_sub(1)) {
                for near_column in column.saturating_sub(1)..=(column + 1).min(columns.saturating_sub(1)) {
                    let candidate = near_row * columns + near_column;
                    let distance = distance(&here, &centers[candidate as usize]);
                    if distance < best.0 {
                        best = (distance, candidate);
                    }
                }
            }
            *owner = best.1;
        }
    }
    let mut members: Vec<Vec<Voter>> = vec![Vec::new(); centers.len()];
    let mut alphas = vec![(0u64, 0usize); centers.len()];
    for (index, (owner, bytes)) in owners.iter().zip(image.as_raw().chunks_exact(4)).enumerate() {
        let owner = *owner as usize;
        alphas[owner] = (alphas[owner].0 + u64::from(bytes[3]), alphas[owner].1 + 1);
        if bytes[3] > 0 {
            let rgb = [bytes[0], bytes[1], bytes[2]];
            members[owner].push(Voter { rgb, lab: labs[index], weight: f32::from(bytes[3]) });
        }
    }
    let bias = super::k_centroid::favour(outline_bias);
    RgbaImage::from_fn(columns, rows, |x, y| {
        let index = (y * columns + x) as usize;
        let (sum, count) = alphas[index];
        if count == 0 {
            // Its neighbours took every pixel: the middle of the cell speaks for it.
            let (column, row) = (&cells.columns()[x as usize], &cells.rows()[y as usize]);
            return *image.get_pixel((column.start + column.end) / 2, (row.start + row.end) / 2);
        }
        pixel(dominant(&members[index], bias), mean_alpha(sum, count))
    })
}

/// Where each of `pixels` pixels lies, in cells, and the cell it lies in. Cells of a grid that was found may begin inside
/// the picture, end before it does, or share a pixel: a pixel belongs to the first cell that ends behind it.
fn places(ranges: &[std::ops::Range<u32>], pixels: u32) -> Vec<(f32, u32)> {
    let last = ranges.len().saturating_sub(1);
    (0..pixels)
        .map(|at| {
            let cell = ranges.partition_point(|range| range.end <= at).min(last);
            let within = ranges.get(cell).map_or(0.5, |range| {
                ((f64::from(at) + 0.5 - f64::from(range.start)) / range.len().max(1) as f64).clamp(0.0, 1.0) as f32
            });
            (cell as f32 + within, cell as u32)
        })
        .collect()
}

/// How far a pixel lies from a superpixel, squared.
fn distance(pixel: &Center, center: &Center) -> f32 {
    let (x, y) = (pixel.x - center.x, pixel.y - center.y);
    let alpha = pixel.alpha - center.alpha;
    let color = distance_squared(pixel.lab, center.lab) * pixel.alpha.min(center.alpha);
    color + alpha * alpha + PLACE_WEIGHT * PLACE_WEIGHT * (x * x + y * y)
}

/// The superpixels in the middle of their members, no further than [`MAX_SHIFT`] from the middle of their cells.
fn moved(
    image: &RgbaImage,
    labs: &[Lab],
    owners: &[u32],
    places: &[Vec<(f32, u32)>; 2],
    (columns, rows): (u32, u32),
) -> Vec<Center> {
    let mut sums = vec![Sum::default(); columns as usize * rows as usize];
    let width = image.width() as usize;
    for (index, (owner, bytes)) in owners.iter().zip(image.as_raw().chunks_exact(4)).enumerate() {
        let alpha = f32::from(bytes[3]) / 255.0;
        let sum = &mut sums[*owner as usize];
        sum.x += places[0][index % width].0;
        sum.y += places[1][index / width].0;
        sum.alpha += alpha;
        sum.count += 1.0;
        sum.lab.iter_mut().zip(labs[index]).for_each(|(sum, part)| *sum += alpha * part);
    }
    let center = |(index, sum): (usize, &Sum)| {
        let (column, row) = (index as u32 % columns, index as u32 / columns);
        let place = |sum_of: f32, cell: u32| {
            let middle = cell as f32 + 0.5;
            if sum.count > 0.0 { (sum_of / sum.count).clamp(middle - MAX_SHIFT, middle + MAX_SHIFT) } else { middle }
        };
        let visible = sum.alpha.max(f32::MIN_POSITIVE);
        Center {
            x: place(sum.x, column),
            y: place(sum.y, row),
            lab: sum.lab.map(|part| part / visible),
            alpha: sum.alpha / sum.count.max(1.0),
        }
    };
    sums.iter().enumerate().map(center).collect()
}
