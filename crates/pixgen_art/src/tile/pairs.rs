//! Which tiles of a set can stand side by side.

use image::RgbaImage;

use super::{Seams, Steps};
use crate::error::ArtError;

/// Most tiles of a set: a million pairs.
pub const MAX_TILES: usize = 1024;

/// The seams between two tiles of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairSeams {
    /// Index of the tile on the left, and of the upper one.
    pub first: usize,
    /// Index of the tile on the right, and of the lower one.
    pub second: usize,
    /// Columns: the second tile stands to the right of the first; rows: below it. In standard deviations above the
    /// steps inside both tiles.
    pub seams: Seams,
}

/// Measures every ordered pair of a set of tiles on both axes, each tile with itself too (as [`Seams::of`] does):
/// `tiles.len()`² pairs, in order of the first and then of the second tile.
///
/// # Errors
/// When two tiles differ in size, or there are more than [`MAX_TILES`].
pub fn check_pairs(tiles: &[RgbaImage]) -> Result<Vec<PairSeams>, ArtError> {
    if tiles.len() > MAX_TILES {
        return Err(ArtError::TooMany { found: tiles.len(), most: MAX_TILES });
    }
    if let Some(first) = tiles.first() {
        let expected_px = [first.width(), first.height()];
        let other = tiles.iter().enumerate().find(|(_, tile)| [tile.width(), tile.height()] != expected_px);
        if let Some((index, tile)) = other {
            return Err(ArtError::OtherSize { index, found_px: [tile.width(), tile.height()], expected_px });
        }
    }
    let steps: Vec<_> = tiles.iter().map(Steps::of).collect();
    let pairs = (0..tiles.len()).flat_map(|first| (0..tiles.len()).map(move |second| (first, second)));
    let measure = |(first, second)| PairSeams { first, second, seams: Seams::between(&steps[first], &steps[second]) };
    Ok(pairs.map(measure).collect())
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    fn stripes(dark: u8) -> RgbaImage {
        RgbaImage::from_fn(8, 8, |x, y| Rgba([dark + 10 * (x % 2) as u8 + 6 * (y % 2) as u8, 60, 60, 255]))
    }

    #[test]
    fn alike_tiles_fit_and_others_do_not() {
        let tiles = [stripes(20), stripes(20), stripes(200)];
        let pairs = check_pairs(&tiles).unwrap();
        assert_eq!(pairs.len(), 9);
        for pair in pairs {
            let fits = (pair.first == 2) == (pair.second == 2);
            let seams = pair.seams;
            assert_eq!((seams.columns_fit(), seams.rows_fit()), (fits, fits), "{pair:?}");
            if pair.first == pair.second {
                assert_eq!(seams, Seams::of(&tiles[pair.first]));
            }
        }
    }

    #[test]
    fn the_order_counts() {
        // Dark on the left, bright on the right: it continues what ends dark, and is continued by what begins bright.
        let ramp = |from: u8| RgbaImage::from_fn(8, 8, |x, _| Rgba([from + 8 * x as u8, 90, 90, 255]));
        let pairs = check_pairs(&[ramp(0), ramp(64)]).unwrap();
        let z = |first, second| {
            let pair = pairs.iter().find(|pair| (pair.first, pair.second) == (first, second));
            pair.unwrap().seams.columns_z
        };
        assert!(z(0, 1) < 2.0 && z(1, 0) > 4.0, "{} {}", z(0, 1), z(1, 0));
    }

    #[test]
    fn sets_of_one_size_only() {
        assert_eq!(check_pairs(&[]), Ok(vec![]));
        let error = check_pairs(&[stripes(0), RgbaImage::new(8, 9)]).unwrap_err().to_string();
        assert!(error.contains("image 1 has 8×9 px, the first one has 8×8"), "{error}");
        let error = check_pairs(&vec![RgbaImage::new(1, 1); 1025]).unwrap_err().to_string();
        assert!(error.contains("1025 images, at most 1024"), "{error}");
    }
}
