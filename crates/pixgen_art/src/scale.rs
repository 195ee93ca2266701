//! Whole-number scaling: enlarging without blur, shrinking without mixing colours.

use image::{Rgba, RgbaImage};

use crate::error::{ArtError, checked_size};
use crate::oklab::{Lab, distance_squared, lab, weighted_mean};

/// Rounds of 2-means in a cell; more changed no pixel on painted pictures with cells of 8×8.
const CELL_ROUNDS: usize = 8;

/// The image with every pixel drawn as `factor`×`factor` pixels.
///
/// # Errors
/// When `factor` is 0 or the result would be larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn enlarge(image: &RgbaImage, factor: u32) -> Result<RgbaImage, ArtError> {
    if factor == 0 {
        return Err(ArtError::ZeroFactor);
    }
    let edge = |px: u32| u64::from(px) * u64::from(factor);
    let (width_px, height_px) = checked_size(edge(image.width()), edge(image.height()))?;
    Ok(RgbaImage::from_fn(width_px, height_px, |x, y| *image.get_pixel(x / factor, y / factor)))
}

/// The image with every `factor`×`factor` cell as one pixel; `factor` 0 and 1 keep the image.
///
/// A cell's colour is one of its own: its pixels are split in two groups in OKLab (as k-centroid
/// downscaling does), and the larger group gives the pixel that is nearest to its mean. Pixels in the
/// middle of the cell weigh more, since painted edges are soft and wander. Its alpha is the mean of
/// the cell. Cells at the right and lower edge may be cut; nothing is left out.
#[must_use]
pub fn shrink(image: &RgbaImage, factor: u32) -> RgbaImage {
    if factor <= 1 {
        return image.clone();
    }
    RgbaImage::from_fn(image.width().div_ceil(factor), image.height().div_ceil(factor), |x, y| {
        cell_pixel(image, (x * factor, y * factor), factor)
    })
}

/// The largest whole number by which the image was enlarged without blur: every `factor`×`factor` square from the upper
/// left corner has one colour. 1 for an image that was not enlarged, and for one without edges.
#[must_use]
pub fn whole_factor(image: &RgbaImage) -> u32 {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return 1;
    }
    let mut factor = gcd(width, height);
    let mut has_edges = false;
    for (x, y, pixel) in image.enumerate_pixels() {
        if x > 0 && image.get_pixel(x - 1, y) != pixel {
            (factor, has_edges) = (gcd(factor, x), true);
        }
        if y > 0 && image.get_pixel(x, y - 1) != pixel {
            (factor, has_edges) = (gcd(factor, y), true);
        }
        if factor == 1 {
            return 1;
        }
    }
    if has_edges { factor } else { 1 }
}

/// Greatest common divisor.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A pixel of a cell with its weight in the vote.
struct Voter {
    rgb: [u8; 3],
    lab: Lab,
    weight: f32,
}

/// The one pixel that stands for the cell at `(left, top)`.
fn cell_pixel(image: &RgbaImage, (left, top): (u32, u32), factor: u32) -> Rgba<u8> {
    let (right, bottom) =
        (left.saturating_add(factor).min(image.width()), top.saturating_add(factor).min(image.height()));
    let mut voters = Vec::new();
    let mut alpha_sum = 0u64;
    for y in top..bottom {
        for x in left..right {
            let [r, g, b, a] = image.get_pixel(x, y).0;
            alpha_sum += u64::from(a);
            if a > 0 {
                let weight = centrality(x - left, factor) * centrality(y - top, factor) * f32::from(a);
                voters.push(Voter { rgb: [r, g, b], lab: lab([r, g, b]), weight });
            }
        }
    }
    let area = u64::from(right - left) * u64::from(bottom - top);
    let alpha = u8::try_from((alpha_sum + area / 2) / area.max(1)).unwrap_or(u8::MAX);
    match dominant(&voters) {
        Some([r, g, b]) if alpha > 0 => Rgba([r, g, b, alpha]),
        _ => Rgba([0; 4]),
    }
}

/// Weight of a column or row of a cell: its distance to the nearer edge.
fn centrality(offset: u32, factor: u32) -> f32 {
    (offset + 1).min(factor - offset) as f32
}

/// The colour of the larger of two groups.
fn dominant(voters: &[Voter]) -> Option<[u8; 3]> {
    let first = voters.first()?;
    let farthest = |from: Lab| {
        let by_distance =
            |a: &&Voter, b: &&Voter| distance_squared(a.lab, from).total_cmp(&distance_squared(b.lab, from));
        voters.iter().max_by(by_distance).map_or(from, |voter| voter.lab)
    };
    // The farthest from any point is one end of the cell's colours, the farthest from that the other.
    let one = farthest(first.lab);
    let mut centers = [one, farthest(one)];
    let is_second = |centers: &[Lab; 2], voter: &Voter| {
        distance_squared(voter.lab, centers[1]) < distance_squared(voter.lab, centers[0])
    };
    for _ in 0..CELL_ROUNDS {
        let mean = |second| {
            let members = voters.iter().filter(|voter| is_second(&centers, voter) == second);
            weighted_mean(members.map(|voter| (voter.lab, voter.weight)))
        };
        let next = [mean(false).unwrap_or(centers[0]), mean(true).unwrap_or(centers[1])];
        if next == centers {
            break;
        }
        centers = next;
    }
    let weight = |second| -> f32 {
        voters.iter().filter(|voter| is_second(&centers, voter) == second).map(|voter| voter.weight).sum()
    };
    let second_wins = weight(true) > weight(false);
    let center = centers[usize::from(second_wins)];
    voters
        .iter()
        .filter(|voter| is_second(&centers, voter) == second_wins)
        .min_by(|a, b| {
            distance_squared(a.lab, center).total_cmp(&distance_squared(b.lab, center)).then(a.rgb.cmp(&b.rgb))
        })
        .map(|voter| voter.rgb)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sprite() -> RgbaImage {
        RgbaImage::from_fn(7, 5, |x, y| {
            if (x + y) % 4 == 0 { Rgba([0; 4]) } else { Rgba([(x * 30) as u8, (y * 50) as u8, 90, 255]) }
        })
    }

    #[test]
    fn shrinking_undoes_enlarging() {
        for factor in [1, 2, 3, 8] {
            let large = enlarge(&sprite(), factor).unwrap();
            assert_eq!(large.dimensions(), (7 * factor, 5 * factor));
            assert_eq!(shrink(&large, factor), sprite(), "factor {factor}");
        }
    }

    #[test]
    fn an_enlargement_is_recognised() {
        for factor in [1, 2, 3, 8] {
            assert_eq!(whole_factor(&enlarge(&sprite(), factor).unwrap()), factor);
        }
        assert_eq!(whole_factor(&RgbaImage::from_pixel(16, 16, Rgba([1, 2, 3, 255]))), 1);
        assert_eq!(whole_factor(&RgbaImage::new(0, 4)), 1);
    }

    #[test]
    fn the_larger_area_wins_unmixed() {
        let (red, blue) = (Rgba([220, 20, 30, 255]), Rgba([20, 30, 220, 255]));
        let cell = RgbaImage::from_fn(8, 8, |x, _| if x < 5 { red } else { blue });
        assert_eq!(shrink(&cell, 8).get_pixel(0, 0), &red);
        let soft_edge = RgbaImage::from_fn(8, 8, |x, _| match x {
            0..5 => red,
            5 => Rgba([120, 25, 125, 255]),
            _ => blue,
        });
        assert_eq!(shrink(&soft_edge, 8).get_pixel(0, 0), &red);
    }

    #[test]
    fn alpha_is_coverage_and_hidden_colours_do_not_vote() {
        let image =
            RgbaImage::from_fn(
                4,
                4,
                |x, y| {
                    if x == 0 && y < 2 { Rgba([10, 200, 10, 255]) } else { Rgba([255, 0, 255, 0]) }
                },
            );
        assert_eq!(shrink(&image, 4).get_pixel(0, 0), &Rgba([10, 200, 10, 32]));
        assert_eq!(shrink(&RgbaImage::from_pixel(4, 4, Rgba([9, 9, 9, 0])), 4).get_pixel(0, 0), &Rgba([0; 4]));
    }

    #[test]
    fn cut_cells_count_and_nothing_panics() {
        assert_eq!(shrink(&RgbaImage::new(9, 4), 4).dimensions(), (3, 1));
        assert_eq!(shrink(&sprite(), 0), sprite());
        assert_eq!(shrink(&RgbaImage::new(0, 0), 8).dimensions(), (0, 0));
        assert_eq!(shrink(&sprite(), u32::MAX).dimensions(), (1, 1));
    }

    #[test]
    fn impossible_factors_are_explained() {
        assert_eq!(enlarge(&sprite(), 0), Err(ArtError::ZeroFactor));
        assert_eq!(enlarge(&sprite(), 10_000), Err(ArtError::TooLarge { width_px: 70_000, height_px: 50_000 }));
    }
}
