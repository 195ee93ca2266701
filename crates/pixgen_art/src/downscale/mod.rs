//! From picture pixels to sprite pixels when it is known which pixels make one: the ways to choose a cell's colour.

mod cells;
mod k_centroid;
mod superpixel;
mod vote;

use image::{Rgba, RgbaImage};

pub use self::cells::Cells;
pub use self::k_centroid::{k_centroid, k_centroid_reference};
pub use self::superpixel::content_adaptive;
use self::vote::{Voter, voters};
use crate::oklab::distance_squared;
use crate::palette::MERGE_DELTA_E;

/// Largest number of a cell's pixels that are candidates where each candidate is compared with all pixels.
const MAX_CANDIDATES: usize = 64;

/// Colours of a cell that lie nearer than this count as one in a majority.
const ALIKE_DELTA_E: f32 = 2.0 * MERGE_DELTA_E;

/// Every cell as the pixel in its middle; the lower right one of the middle four where its edges are even.
#[must_use]
pub fn center(image: &RgbaImage, cells: &Cells) -> RgbaImage {
    cells.map(image, |columns, rows| {
        let middle = |range: std::ops::Range<u32>| range.start + range.len() as u32 / 2;
        *image.get_pixel(middle(columns), middle(rows))
    })
}

/// Every cell in its commonest colour, where colours that look the same count as one. `outline_bias` (0 to 1) favours
/// dark colours: at 1 they count up to three times.
#[must_use]
pub fn majority(image: &RgbaImage, cells: &Cells, outline_bias: f32) -> RgbaImage {
    cells.map(image, |columns, rows| {
        let (voters, alpha) = voters(image, columns, rows);
        let step = voters.len().div_ceil(MAX_CANDIDATES).max(1);
        let count = |candidate: &Voter| -> f32 {
            let alike = |voter: &&Voter| distance_squared(voter.lab, candidate.lab) < ALIKE_DELTA_E * ALIKE_DELTA_E;
            let votes: f32 = voters.iter().filter(alike).map(|voter| voter.weight).sum();
            votes * (1.0 + 2.0 * outline_bias * (1.0 - candidate.lab[0]).clamp(0.0, 1.0))
        };
        let candidates = voters.iter().step_by(step).map(|candidate| (count(candidate), candidate.rgb));
        let best = candidates.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        pixel(best.map(|(_, rgb)| rgb), alpha)
    })
}

/// Every cell as its pixel that lies nearest to the medians of lightness and of both colour axes.
#[must_use]
pub fn median(image: &RgbaImage, cells: &Cells) -> RgbaImage {
    cells.map(image, |columns, rows| {
        let (voters, alpha) = voters(image, columns, rows);
        let middle = [0, 1, 2].map(|part| {
            let mut values: Vec<f32> = voters.iter().map(|voter| voter.lab[part]).collect();
            values.sort_by(f32::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        });
        let distance = |voter: &&Voter| distance_squared(voter.lab, middle);
        let best = voters.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.rgb.cmp(&b.rgb)));
        pixel(best.map(|voter| voter.rgb), alpha)
    })
}

/// A cell's colour and alpha as a pixel; without either it is transparent black.
fn pixel(rgb: Option<[u8; 3]>, alpha: u8) -> Rgba<u8> {
    match rgb {
        Some([r, g, b]) if alpha > 0 => Rgba([r, g, b, alpha]),
        _ => Rgba([0; 4]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgba<u8> = Rgba([220, 20, 30, 255]);
    const BLUE: Rgba<u8> = Rgba([20, 30, 220, 255]);

    /// Every method under its name.
    fn all(image: &RgbaImage, cells: &Cells) -> [(&'static str, RgbaImage); 5] {
        [
            ("centre", center(image, cells)),
            ("majority", majority(image, cells, 0.0)),
            ("median", median(image, cells)),
            ("k-centroid", k_centroid(image, cells, 0.0)),
            ("content-adaptive", content_adaptive(image, cells, 0.0)),
        ]
    }

    #[test]
    fn enlarged_sprites_come_back_by_every_method() {
        let sprite = RgbaImage::from_fn(9, 7, |x, y| {
            if (x * y) % 5 == 3 { Rgba([0; 4]) } else { Rgba([(x * 28) as u8, (y * 36) as u8, 90, 255]) }
        });
        for factor in [1, 2, 3, 8] {
            let large = crate::scale::enlarge(&sprite, factor).unwrap();
            let cells = Cells::by_factor(large.dimensions(), factor as f32);
            for (name, small) in all(&large, &cells) {
                assert_eq!(small, sprite, "{name} at {factor}");
            }
        }
    }

    #[test]
    fn a_single_odd_pixel_is_outvoted() {
        let mut image = RgbaImage::from_pixel(10, 10, RED);
        image.put_pixel(1, 1, BLUE);
        let cells = Cells::by_size(image.dimensions(), (2, 2));
        for (name, small) in all(&image, &cells) {
            assert_eq!(small, RgbaImage::from_pixel(2, 2, RED), "{name}");
        }
    }

    #[test]
    fn an_outline_thinner_than_half_a_cell_survives_with_the_bias() {
        let black = Rgba([16, 12, 20, 255]);
        let image = RgbaImage::from_fn(24, 24, |x, _| if (9..12).contains(&x) { black } else { RED });
        let cells = Cells::by_factor(image.dimensions(), 8.0);
        let has_line = |small: &RgbaImage| (0..3).all(|y| small.get_pixel(1, y) == &black);
        for small in [majority(&image, &cells, 1.0), k_centroid(&image, &cells, 1.0)] {
            assert!(has_line(&small));
            assert_eq!((small.get_pixel(0, 0), small.get_pixel(2, 2)), (&RED, &RED));
        }
        assert!(has_line(&content_adaptive(&image, &cells, 1.0)));
        assert!(!has_line(&majority(&image, &cells, 0.0)) && !has_line(&k_centroid(&image, &cells, 0.0)));
    }

    #[test]
    fn empty_pictures_give_empty_sprites() {
        for size in [(0, 0), (0, 5), (5, 0)] {
            let image = RgbaImage::new(size.0, size.1);
            for (name, small) in all(&image, &Cells::by_factor(size, 4.0)) {
                assert!(small.width() == 0 || small.height() == 0, "{name}");
            }
        }
    }
}
