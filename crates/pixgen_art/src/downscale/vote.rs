//! The pixels of a cell and their weights.

use std::ops::Range;

use image::RgbaImage;

use crate::oklab::{Lab, lab};

/// A pixel of a cell with its weight in the vote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voter {
    pub(super) rgb: [u8; 3],
    pub(super) lab: Lab,
    pub(super) weight: f32,
}

/// The pixels of a cell that are not fully transparent, and the cell's alpha: the mean of all its pixels.
pub(super) fn voters(image: &RgbaImage, columns: Range<u32>, rows: Range<u32>) -> (Vec<Voter>, u8) {
    let mut voters = Vec::new();
    let mut alpha_sum = 0u64;
    for y in rows.clone() {
        for x in columns.clone() {
            let [r, g, b, a] = image.get_pixel(x, y).0;
            alpha_sum += u64::from(a);
            if a > 0 {
                let weight = centrality(x, &columns) * centrality(y, &rows) * f32::from(a);
                voters.push(Voter { rgb: [r, g, b], lab: lab([r, g, b]), weight });
            }
        }
    }
    (voters, mean_alpha(alpha_sum, columns.len() * rows.len()))
}

/// Weight of a column or row of a cell: its distance to the nearer edge. Painted edges are soft and wander, so that the
/// middle says more.
fn centrality(at: u32, range: &Range<u32>) -> f32 {
    edge_distance((at - range.start) as usize, range.len())
}

/// As [`centrality`], for a column or row counted from the start of the cell.
pub(super) fn edge_distance(at: usize, count: usize) -> f32 {
    (at + 1).min(count - at) as f32
}

/// The mean of a cell's alpha, rounded.
pub(super) fn mean_alpha(sum: u64, pixels: usize) -> u8 {
    let pixels = (pixels as u64).max(1);
    u8::try_from((sum + pixels / 2) / pixels).unwrap_or(u8::MAX)
}
