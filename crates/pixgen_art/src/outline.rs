//! Outlines and stray pixels: what an artist cleans up by hand.

use std::collections::HashSet;

use image::{Rgba, RgbaImage};
pub use pixgen_api::OutlineSide;

use crate::alpha::neighbors;
use crate::error::ArtError;
use crate::frame::pad;
use crate::oklab::{lab, rgb_of};

/// How an outline is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its colour.
    pub color: [u8; 3],
    /// Where it runs.
    pub side: OutlineSide,
    /// Whether pixels that touch the rim at a corner only belong to it: a closed, thicker line.
    pub corners: bool,
}

/// Whether a pixel is drawn.
fn is_drawn(image: &RgbaImage, (x, y): (u32, u32)) -> bool {
    image.get_pixel(x, y).0[3] > 0
}

/// The neighbours of a pixel: four, or eight with corners.
fn around(image: &RgbaImage, x: u32, y: u32, corners: bool) -> impl Iterator<Item = (u32, u32)> + use<> {
    neighbors(image, x, y).filter(move |near| corners || near.0 == x || near.1 == y)
}

/// The pixels on which an outline runs, in reading order.
fn rim(image: &RgbaImage, side: OutlineSide, corners: bool) -> Vec<(u32, u32)> {
    let (width, height) = image.dimensions();
    let touches_edge = |x: u32, y: u32| x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    let is_rim = |(x, y): &(u32, u32)| {
        let mut near = around(image, *x, *y, corners);
        match side {
            OutlineSide::Outer => !is_drawn(image, (*x, *y)) && near.any(|near| is_drawn(image, near)),
            OutlineSide::Inner => {
                is_drawn(image, (*x, *y)) && (touches_edge(*x, *y) || near.any(|near| !is_drawn(image, near)))
            }
        }
    };
    (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).filter(is_rim).collect()
}

/// Draws an outline. The frame keeps its size: an outer one is cut where the figure touches the frame (see
/// [`add_outline_with_margin`]).
#[must_use]
pub fn add_outline(image: &RgbaImage, outline: &Outline) -> RgbaImage {
    let [r, g, b] = outline.color;
    let mut outlined = image.clone();
    for (x, y) in rim(image, outline.side, outline.corners) {
        outlined.put_pixel(x, y, Rgba([r, g, b, u8::MAX]));
    }
    outlined
}

/// As [`add_outline`] with a frame that is one pixel larger on every side.
///
/// # Errors
/// When the result would be larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn add_outline_with_margin(image: &RgbaImage, outline: &Outline) -> Result<RgbaImage, ArtError> {
    Ok(add_outline(&pad(image, 1)?, outline))
}

/// Removes the outermost pixels of a figure where they have nearly the colour given, as an outline has.
#[must_use]
pub fn remove_outline(image: &RgbaImage, color: [u8; 3], tolerance_delta_e: f32) -> RgbaImage {
    let mut bare = image.clone();
    for (x, y) in rim(image, OutlineSide::Inner, false) {
        let [r, g, b, _] = image.get_pixel(x, y).0;
        if crate::delta_e([r, g, b], color) <= tolerance_delta_e {
            bare.put_pixel(x, y, Rgba([0; 4]));
        }
    }
    bare
}

/// The drawn pixels that touch a transparent one or the frame, in reading order.
pub(crate) fn inner_rim(image: &RgbaImage) -> Vec<(u32, u32)> {
    rim(image, OutlineSide::Inner, false)
}

/// The rim pixels that are an outline: darker in OKLab than the mean of their drawn neighbours that are not rim, by at
/// least 0.05, or without any such neighbour (a line one pixel wide is its own outline).
pub(crate) fn dark_rim(image: &RgbaImage) -> Vec<(u32, u32)> {
    let rim = inner_rim(image);
    let width = image.width() as usize;
    let mut is_rim = vec![false; image.pixels().len()];
    rim.iter().for_each(|(x, y)| is_rim[*y as usize * width + *x as usize] = true);
    let lightness = |x: u32, y: u32| lab(rgb_of(image.get_pixel(x, y)))[0];
    let is_outline = |(x, y): &(u32, u32)| {
        let inner: Vec<f32> = neighbors(image, *x, *y)
            .filter(|near| is_drawn(image, *near) && !is_rim[near.1 as usize * width + near.0 as usize])
            .map(|(x, y)| lightness(x, y))
            .collect();
        let mean = inner.iter().sum::<f32>() / inner.len().max(1) as f32;
        inner.is_empty() || lightness(*x, *y) + 0.05 <= mean
    };
    rim.into_iter().filter(is_outline).collect()
}

/// Share of the figure's rim that is an outline, 0 to 1: 1 for a closed dark one. A rim pixel counts when it is darker
/// in OKLab than the mean of its drawn neighbours that are not rim, by at least 0.05, or when there are none.
#[must_use]
pub fn outline_completeness(image: &RgbaImage) -> f32 {
    let rim = inner_rim(image).len();
    if rim == 0 { 0.0 } else { dark_rim(image).len() as f32 / rim as f32 }
}

/// Gives every orphan, a drawn pixel whose colour none of its eight neighbours has, the commonest colour around it.
///
/// Orphans that stand out by more than `keep_delta_e` from all their neighbours stay: an eye or a sparkle is one pixel
/// on purpose. All orphans are found before any is changed, until none is left, so that cleaning twice changes nothing.
#[must_use]
pub fn remove_orphans(image: &RgbaImage, keep_delta_e: f32) -> RgbaImage {
    let mut cleaned = image.clone();
    // Every round makes some orphan equal to a neighbour, which are then orphans no more.
    for _ in 0..image.pixels().len() {
        let changes: Vec<_> = cleaned
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0[3] > 0)
            .filter_map(|(x, y, pixel)| Some((x, y, orphan_color(&cleaned, (x, y), pixel, keep_delta_e)?)))
            .collect();
        // Neighbouring orphans must not swap colours for ever: the first of them moves, the others are asked again.
        let mut moved: HashSet<(u32, u32)> = HashSet::new();
        for (x, y, color) in changes {
            if !neighbors(image, x, y).any(|near| moved.contains(&near)) {
                cleaned.put_pixel(x, y, color);
                moved.insert((x, y));
            }
        }
        if moved.is_empty() {
            break;
        }
    }
    cleaned
}

/// The colour an orphan should have; `None` for pixels that are none or stay.
fn orphan_color(image: &RgbaImage, (x, y): (u32, u32), pixel: &Rgba<u8>, keep_delta_e: f32) -> Option<Rgba<u8>> {
    // Nearly no pixel is an orphan: that is asked before anything is gathered.
    if neighbors(image, x, y).any(|(x, y)| image.get_pixel(x, y) == pixel) {
        return None;
    }
    let near: Vec<Rgba<u8>> =
        neighbors(image, x, y).map(|(x, y)| *image.get_pixel(x, y)).filter(|near| near.0[3] > 0).collect();
    if near.len() < 3 {
        return None;
    }
    let distance = |other: &Rgba<u8>| crate::delta_e(rgb_of(pixel), rgb_of(other));
    if near.iter().all(|other| distance(other) > keep_delta_e) {
        return None;
    }
    let count = |color: &Rgba<u8>| near.iter().filter(|other| *other == color).count();
    near.iter().max_by(|a, b| count(a).cmp(&count(b)).then(distance(b).total_cmp(&distance(a)))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgba<u8> = Rgba([200, 30, 30, 255]);

    fn block() -> RgbaImage {
        RgbaImage::from_fn(8, 8, |x, y| if (2..6).contains(&x) && (2..6).contains(&y) { RED } else { Rgba([0; 4]) })
    }

    fn drawn(image: &RgbaImage) -> usize {
        image.pixels().filter(|pixel| pixel.0[3] > 0).count()
    }

    #[test]
    fn outlines_have_the_stated_pixels() {
        let outline = |side, corners| Outline { color: [0, 0, 0], side, corners };
        assert_eq!(drawn(&add_outline(&block(), &outline(OutlineSide::Outer, false))), 16 + 16);
        assert_eq!(drawn(&add_outline(&block(), &outline(OutlineSide::Outer, true))), 16 + 20);
        let inner = add_outline(&block(), &outline(OutlineSide::Inner, false));
        assert_eq!((drawn(&inner), inner.pixels().filter(|p| **p == RED).count()), (16, 4));
        let full = RgbaImage::from_pixel(3, 3, RED);
        let wide = add_outline_with_margin(&full, &outline(OutlineSide::Outer, true)).unwrap();
        assert_eq!((wide.dimensions(), drawn(&wide)), ((5, 5), 25));
    }

    #[test]
    fn an_outline_comes_off_again_and_is_measured() {
        let black = Outline { color: [10, 10, 10], side: OutlineSide::Outer, corners: true };
        let outlined = add_outline(&block(), &black);
        assert_eq!(outline_completeness(&outlined), 1.0);
        assert!(outline_completeness(&block()) < 0.1);
        assert_eq!(remove_outline(&outlined, [10, 10, 10], 0.02), block());
        assert_eq!(outline_completeness(&RgbaImage::new(4, 4)), 0.0);
    }

    #[test]
    fn orphans_take_the_colour_around_and_eyes_stay() {
        let mut image = RgbaImage::from_pixel(9, 9, RED);
        image.put_pixel(2, 2, Rgba([190, 40, 35, 255]));
        image.put_pixel(6, 6, Rgba([40, 255, 255, 255]));
        let cleaned = remove_orphans(&image, 0.2);
        assert_eq!(cleaned.get_pixel(2, 2), &RED);
        assert_eq!(cleaned.get_pixel(6, 6).0, [40, 255, 255, 255]);
        assert_eq!(remove_orphans(&cleaned, 0.2), cleaned);
    }
}
