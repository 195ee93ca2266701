//! Transparency of sprites: a pixel is there or it is not.

use std::collections::VecDeque;

use image::{Rgba, RgbaImage};

/// The alpha from which a pixel counts as drawn, half of 255.
pub const OPAQUE_FROM: u8 = 128;

/// Specks are removed only while they are at most one in this many of the drawn pixels: more of them
/// are the picture itself, as in rain or sparks.
const SPECK_SHARE: usize = 20;

/// Makes every pixel with an alpha of at least `threshold` opaque and every other one transparent
/// black. A threshold of 0 keeps pixels with alpha 0 transparent.
#[must_use]
pub fn binary_alpha(image: &RgbaImage, threshold: u8) -> RgbaImage {
    let mut binary = image.clone();
    for pixel in binary.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        pixel.0 = if a >= threshold.max(1) { [r, g, b, u8::MAX] } else { [0; 4] };
    }
    binary
}

/// Makes every pixel opaque.
///
/// In an image that is mostly drawn, what was transparent are holes: they take the colour of the
/// nearest drawn pixel, because the colour that a model leaves under transparency means nothing. In
/// an image that is mostly transparent the colours stay as they were painted.
#[must_use]
pub fn opaque(image: &RgbaImage) -> RgbaImage {
    let drawn = image.pixels().filter(|pixel| pixel.0[3] >= OPAQUE_FROM).count();
    let mut opaque = if 2 * drawn >= image.pixels().len() { fill_holes(image) } else { image.clone() };
    for pixel in opaque.pixels_mut() {
        pixel.0[3] = u8::MAX;
    }
    opaque
}

/// Spreads the drawn pixels into the transparent ones, breadth first.
fn fill_holes(image: &RgbaImage) -> RgbaImage {
    let mut filled = image.clone();
    let drawn = |(_, _, pixel): &(u32, u32, &Rgba<u8>)| pixel.0[3] >= OPAQUE_FROM;
    let mut queue: VecDeque<_> = image.enumerate_pixels().filter(drawn).map(|(x, y, _)| (x, y)).collect();
    let mut reached: Vec<bool> = image.pixels().map(|pixel| pixel.0[3] >= OPAQUE_FROM).collect();
    while let Some((x, y)) = queue.pop_front() {
        let color = *filled.get_pixel(x, y);
        for (x, y) in neighbors(image, x, y) {
            if !std::mem::replace(&mut reached[index(image, x, y)], true) {
                filled.put_pixel(x, y, color);
                queue.push_back((x, y));
            }
        }
    }
    filled
}

/// Removes specks: groups of at most `max_px` pixels that touch no other drawn pixel, not even at a corner.
///
/// The largest group is never a speck, and an image whose specks make up more than a twentieth of
/// what is drawn keeps all of them: there they are the picture.
#[must_use]
pub fn remove_specks(image: &RgbaImage, max_px: usize) -> RgbaImage {
    let groups = groups(image);
    let drawn: usize = groups.iter().map(Vec::len).sum();
    // The first of the largest groups; an image without any has nothing to remove either.
    let largest = groups.iter().map(Vec::len).max().unwrap_or(0);
    let body = groups.iter().position(|group| group.len() == largest);
    let is_speck = |(at, group): &(usize, &Vec<_>)| group.len() <= max_px && Some(*at) != body;
    let specks: Vec<_> = groups.iter().enumerate().filter(is_speck).flat_map(|(_, group)| group).collect();
    let mut cleaned = image.clone();
    if specks.len() * SPECK_SHARE <= drawn {
        for (x, y) in specks {
            cleaned.put_pixel(*x, *y, Rgba([0; 4]));
        }
    }
    cleaned
}

/// The groups of drawn pixels that touch each other at an edge or a corner, in reading order.
fn groups(image: &RgbaImage) -> Vec<Vec<(u32, u32)>> {
    // With a rim of pixels that count as seen, so that nobody asks where the image ends.
    let stride = image.width() as usize + 2;
    let mut seen = vec![true; stride * (image.height() as usize + 2)];
    for (x, y, _) in image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 0) {
        seen[(y as usize + 1) * stride + x as usize + 1] = false;
    }
    let mut groups = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for start in 0..seen.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut group = Vec::new();
        open.push(start);
        while let Some(place) = open.pop() {
            group.push(((place % stride) as u32 - 1, (place / stride) as u32 - 1));
            let (above, below) = (place - stride, place + stride);
            for near in [above - 1, above, above + 1, place - 1, place + 1, below - 1, below, below + 1] {
                if !std::mem::replace(&mut seen[near], true) {
                    open.push(near);
                }
            }
        }
        groups.push(group);
    }
    groups
}

/// Place of a pixel in reading order.
fn index(image: &RgbaImage, x: u32, y: u32) -> usize {
    y as usize * image.width() as usize + x as usize
}

/// The up to eight pixels around one, those that share an edge first.
pub(crate) fn neighbors(image: &RgbaImage, x: u32, y: u32) -> impl Iterator<Item = (u32, u32)> + use<> {
    const AROUND: [(i32, i32); 8] = [(0, -1), (-1, 0), (1, 0), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)];
    let (width, height) = image.dimensions();
    AROUND.into_iter().filter_map(move |(dx, dy)| {
        let (x, y) = (x.checked_add_signed(dx)?, y.checked_add_signed(dy)?);
        (x < width && y < height).then_some((x, y))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RED: Rgba<u8> = Rgba([200, 10, 10, 255]);

    fn with_block(width: u32, height: u32, block: [u32; 4]) -> RgbaImage {
        let [left, top, right, bottom] = block;
        RgbaImage::from_fn(width, height, |x, y| {
            if (left..right).contains(&x) && (top..bottom).contains(&y) { RED } else { Rgba([0; 4]) }
        })
    }

    #[test]
    fn alpha_becomes_binary_and_hidden_colours_are_erased() {
        let image = RgbaImage::from_fn(256, 1, |x, _| Rgba([9, 8, 7, x as u8]));
        let binary = binary_alpha(&image, OPAQUE_FROM);
        for (x, _, pixel) in binary.enumerate_pixels() {
            assert_eq!(pixel.0, if x >= 128 { [9, 8, 7, 255] } else { [0; 4] }, "alpha {x}");
        }
        assert_eq!(binary_alpha(&image, 0).get_pixel(0, 0).0, [0; 4]);
        assert_eq!(binary_alpha(&image, 0).get_pixel(1, 0).0, [9, 8, 7, 255]);
    }

    #[test]
    fn specks_go_and_what_touches_the_body_stays() {
        let mut image = with_block(16, 16, [4, 4, 12, 12]);
        let clean = image.clone();
        image.put_pixel(0, 0, RED);
        image.put_pixel(14, 14, RED);
        image.put_pixel(15, 15, RED);
        assert_eq!(remove_specks(&image, 2), clean, "one and two pixels");
        assert_eq!(remove_specks(&image, 1).pixels().filter(|p| p.0[3] > 0).count(), 64 + 2);
        let mut corner = clean.clone();
        corner.put_pixel(3, 3, RED);
        assert_eq!(remove_specks(&corner, 2), corner, "touches at a corner");
    }

    #[test]
    fn a_picture_made_of_dots_keeps_them() {
        let dots = RgbaImage::from_fn(16, 16, |x, y| if x % 4 == 0 && y % 4 == 0 { RED } else { Rgba([0; 4]) });
        assert_eq!(remove_specks(&dots, 2), dots);
        let single = with_block(8, 8, [3, 3, 4, 4]);
        assert_eq!(remove_specks(&single, 2), single, "the largest group is the body");
    }

    #[test]
    fn holes_take_the_colour_around_them() {
        let mut image = RgbaImage::from_pixel(8, 8, RED);
        image.put_pixel(3, 3, Rgba([0, 255, 0, 0]));
        image.put_pixel(3, 4, Rgba([0, 255, 0, 100]));
        assert_eq!(opaque(&image), RgbaImage::from_pixel(8, 8, RED));
        let mostly_empty = RgbaImage::from_pixel(8, 8, Rgba([5, 6, 7, 20]));
        assert_eq!(opaque(&mostly_empty), RgbaImage::from_pixel(8, 8, Rgba([5, 6, 7, 255])));
    }

    #[test]
    fn empty_images_stay_empty() {
        for size in [(0, 0), (0, 5), (5, 0)] {
            let empty = RgbaImage::new(size.0, size.1);
            assert_eq!(binary_alpha(&empty, 128), empty);
            assert_eq!(opaque(&empty), empty);
            assert_eq!(remove_specks(&empty, 2), empty);
        }
    }
}
