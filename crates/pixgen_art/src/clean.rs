//! Clean-up of a sprite's shape: doubled corners and bumps of outlines, the outline's colour, symmetry.

use image::{Rgba, RgbaImage};
use pixgen_api::{OutlineEdit, OutlineSide, Symmetry};

use crate::alpha::neighbors;
use crate::frame::bounding_box;
use crate::oklab::{distance_squared, lab, rgb_of};
use crate::outline::{Outline, add_outline, corner_rim, dark_rim};

/// Colours of one line lie within this of each other.
const LINE_DELTA_E: f32 = 0.06;

/// Share of the rim that must be dark for it to be an outline that can be taken off.
const OUTLINED_FROM: f32 = 0.6;

/// Passes of smoothing; every pass only takes pixels away, and nearly all shapes rest after two.
const MAX_PASSES: usize = 16;

/// Thins lines that are one pixel wide and doubled at their corners, and takes bumps of one pixel off the silhouette.
///
/// A doubled corner is a pixel of an outline whose two neighbours in the line touch each other at a corner without it, on
/// the figure's side of a staircase: it takes the colour beside it, so that the outline stays closed and the silhouette
/// the same. A bump is a drawn pixel with one drawn neighbour only, which is part of
/// a straight edge: it becomes transparent. The sprite must not shrink away, so that shapes of less than 3 pixels in
/// any direction stay.
#[must_use]
pub fn smooth_jaggies(image: &RgbaImage) -> RgbaImage {
    let mut smooth = image.clone();
    let (width, height) = (image.width() as usize, image.height() as usize);
    // What a look at a pixel depends on lies at most two pixels away: who has not changed since is not asked again.
    let mut is_open = vec![true; width * height];
    for _ in 0..MAX_PASSES {
        let mut has_changed = false;
        for place in 0..width * height {
            if !std::mem::replace(&mut is_open[place], false) || is_inside_flat(smooth.as_raw(), width, place) {
                continue;
            }
            let (x, y) = (place % width, place / width);
            let (left, top) = (x as u32, y as u32);
            let replacement = if is_bump(&smooth, left, top) {
                Some(Rgba([0; 4]))
            } else {
                behind_doubled_corner(&smooth, left, top)
            };
            if let Some(pixel) = replacement {
                smooth.put_pixel(left, top, pixel);
                has_changed = true;
                for row in y.saturating_sub(2)..(y + 3).min(height) {
                    is_open[row * width + x.saturating_sub(2)..row * width + (x + 3).min(width)].fill(true);
                }
            }
        }
        if !has_changed {
            break;
        }
    }
    smooth
}

/// Whether a pixel is transparent or has the colour of the four beside it: there is nothing to smooth, and most of a
/// sprite is so.
fn is_inside_flat(rgba: &[u8], width: usize, place: usize) -> bool {
    let pixels = rgba.as_chunks::<4>().0;
    let pixel = pixels[place];
    let is_same = |near: Option<usize>| near.and_then(|near| pixels.get(near)) == Some(&pixel);
    let is_within = !matches!(place % width, 0) && place % width + 1 < width;
    pixel[3] == 0
        || (is_within
            && is_same(Some(place - 1))
            && is_same(Some(place + 1))
            && is_same(place.checked_sub(width))
            && is_same(Some(place + width)))
}

/// The pixel at a place; what lies outside is transparent.
fn at(image: &RgbaImage, x: i64, y: i64) -> Rgba<u8> {
    let pixel = u32::try_from(x).ok().zip(u32::try_from(y).ok()).and_then(|(x, y)| image.get_pixel_checked(x, y));
    pixel.copied().unwrap_or(Rgba([0; 4]))
}

/// Whether a pixel sits alone on a straight edge of at least five pixels.
fn is_bump(image: &RgbaImage, x: u32, y: u32) -> bool {
    let (x, y) = (i64::from(x), i64::from(y));
    let drawn = |dx: i64, dy: i64| at(image, x + dx, y + dy).0[3] > 0;
    // A bump has one drawn neighbour.
    if !drawn(0, 0) || [(0, 1), (0, -1), (1, 0), (-1, 0)].into_iter().all(|(dx, dy)| drawn(dx, dy)) {
        return false;
    }
    // The edge lies in direction (dx, dy), and (dy, dx) runs along it.
    [(0, 1), (0, -1), (1, 0), (-1, 0)].into_iter().any(|(dx, dy)| {
        let along = |step: i64, out: i64| drawn(step * dy + out * dx, step * dx + out * dy);
        let is_alone = !along(-1, 0) && !along(1, 0) && !along(-1, -1) && !along(0, -1) && !along(1, -1);
        let is_straight = (-2..=2).all(|step| along(step, 1) && along(step, 2)) && !along(-2, 0) && !along(2, 0);
        is_alone && is_straight
    })
}

/// What a doubled corner of a dark line should show; `None` for pixels that are none.
fn behind_doubled_corner(image: &RgbaImage, x: u32, y: u32) -> Option<Rgba<u8>> {
    let pixel = *image.get_pixel(x, y);
    if pixel.0[3] == 0 {
        return None;
    }
    let (x, y) = (i64::from(x), i64::from(y));
    let same = |dx: i64, dy: i64| at(image, x + dx, y + dy) == pixel;
    for (dx, dy) in [(1, 1), (1, -1), (-1, 1), (-1, -1)] {
        // The line turns here, and its two neighbours touch each other at a corner.
        let is_corner = same(dx, 0) && same(0, dy) && !same(-dx, 0) && !same(0, -dy) && !same(dx, dy);
        if !is_corner {
            continue;
        }
        // Both arms go on in the same diagonal: a staircase, not the corner of a box.
        let goes_on = same(dx, -dy) != same(-dx, dy) || (same(dx, -dy) && same(-dx, dy));
        let (within, beside, below) = (at(image, x + dx, y + dy), at(image, x - dx, y), at(image, x, y - dy));
        // Only where the figure lies behind the bend: on the other side of the line its colour would stand outside.
        let is_inside = within.0[3] == 0 && beside.0[3] > 0 && below.0[3] > 0;
        let is_closed = same(2 * dx, 0) != same(0, 2 * dy) || !(same(2 * dx, 0) || same(0, 2 * dy));
        // Equal to the line itself it would be a thick line, not a doubled corner.
        let is_lighter = |fill: &Rgba<u8>| lab(rgb_of(fill))[0] > lab(rgb_of(&pixel))[0];
        if goes_on && is_closed && is_inside && is_lighter(&beside) && is_lighter(&below) {
            return Some(beside);
        }
    }
    None
}

/// Carries out what is to happen to the outline.
#[must_use]
pub fn edit_outline(image: &RgbaImage, edit: &OutlineEdit) -> RgbaImage {
    match *edit {
        OutlineEdit::Keep => image.clone(),
        OutlineEdit::Add { color, side, corners } => {
            let outline = Outline { color: color.0, side, corners };
            match side {
                OutlineSide::Inner => add_outline(image, &outline),
                OutlineSide::Outer => add_missing(image, &outline),
            }
        }
        OutlineEdit::Recolor { color } => {
            let [r, g, b] = color.0;
            let mut recolored = image.clone();
            let dark = dark_rim(image);
            for (x, y) in doubled_corners(image, &dark).into_iter().chain(dark) {
                recolored.put_pixel(x, y, Rgba([r, g, b, u8::MAX]));
            }
            recolored
        }
        OutlineEdit::Remove => without_outline(image),
    }
}

/// Draws an outer outline around everything that is not outline already, so that drawing it twice changes nothing.
fn add_missing(image: &RgbaImage, outline: &Outline) -> RgbaImage {
    let mut body = image.clone();
    for pixel in body.pixels_mut().filter(|pixel| pixel.0[3] > 0 && rgb_of(pixel) == outline.color) {
        *pixel = Rgba([0; 4]);
    }
    let mut outlined = image.clone();
    let [r, g, b] = outline.color;
    for (x, y, pixel) in outlined.enumerate_pixels_mut().filter(|(_, _, pixel)| pixel.0[3] == 0) {
        let mut near = neighbors(image, x, y).filter(|near| outline.corners || near.0 == x || near.1 == y);
        if near.any(|(x, y)| body.get_pixel(x, y).0[3] > 0) {
            *pixel = Rgba([r, g, b, u8::MAX]);
        }
    }
    outlined
}

/// The commonest colour of pixels, of equally common ones the last by value.
fn commonest(image: &RgbaImage, places: &[(u32, u32)]) -> Option<[u8; 3]> {
    let mut colors: Vec<[u8; 3]> = places.iter().map(|(x, y)| rgb_of(image.get_pixel(*x, *y))).collect();
    colors.sort_unstable();
    colors.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).map(|run| run[0])
}

/// Whether two colours belong to one line.
fn is_one_line(a: [u8; 3], b: [u8; 3]) -> bool {
    distance_squared(lab(a), lab(b)) < LINE_DELTA_E * LINE_DELTA_E
}

/// What belongs to an outline and touches the outside at a corner only: a line that is doubled where it bends.
fn doubled_corners(image: &RgbaImage, dark: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let Some(commonest) = commonest(image, dark) else { return Vec::new() };
    let mut corners = corner_rim(image);
    corners.retain(|(x, y)| is_one_line(rgb_of(image.get_pixel(*x, *y)), commonest));
    corners
}

/// Takes off the line on the rim where most of the rim is dark and of one colour.
fn without_outline(image: &RgbaImage) -> RgbaImage {
    let rim = crate::outline::inner_rim(image);
    let dark = dark_rim(image);
    let Some(commonest) = commonest(image, &dark) else { return image.clone() };
    let mut line = dark.clone();
    line.retain(|(x, y)| is_one_line(rgb_of(image.get_pixel(*x, *y)), commonest));
    if (line.len() as f32) < OUTLINED_FROM * rim.len() as f32 {
        return image.clone();
    }
    let mut bare = image.clone();
    for (x, y) in line.into_iter().chain(doubled_corners(image, &dark)) {
        bare.put_pixel(x, y, Rgba([0; 4]));
    }
    // A figure that is nothing but line is no figure with an outline.
    if bounding_box(&bare).is_some() { bare } else { image.clone() }
}

/// Mirrors one half of the drawn pixels onto the other, about the middle of their bounding box.
#[must_use]
pub fn symmetric(image: &RgbaImage, symmetry: Symmetry) -> RgbaImage {
    let Some(drawn) = bounding_box(image) else { return image.clone() };
    let mut mirrored = image.clone();
    for y in 0..drawn.height_px {
        for x in 0..drawn.width_px {
            let (across, down) = (drawn.width_px - 1 - x, drawn.height_px - 1 - y);
            let from = match symmetry {
                Symmetry::Left if across < x => (across, y),
                Symmetry::Right if across > x => (across, y),
                Symmetry::Top if down < y => (x, down),
                Symmetry::Bottom if down > y => (x, down),
                Symmetry::None | Symmetry::Left | Symmetry::Right | Symmetry::Top | Symmetry::Bottom => continue,
            };
            let pixel = *image.get_pixel(drawn.left_px + from.0, drawn.top_px + from.1);
            mirrored.put_pixel(drawn.left_px + x, drawn.top_px + y, pixel);
        }
    }
    mirrored
}

#[cfg(test)]
mod tests {
    use pixgen_api::HexColor;

    use super::*;

    const RED: Rgba<u8> = Rgba([200, 30, 30, 255]);
    const BLACK: Rgba<u8> = Rgba([10, 10, 10, 255]);

    /// A picture from rows of letters: `#` black, `r` red, anything else transparent.
    fn drawing(rows: &[&str]) -> RgbaImage {
        RgbaImage::from_fn(rows[0].len() as u32, rows.len() as u32, |x, y| {
            match rows[y as usize].as_bytes()[x as usize] {
                b'#' => BLACK,
                b'r' => RED,
                _ => Rgba([0; 4]),
            }
        })
    }

    #[test]
    fn doubled_corners_of_a_staircase_are_thinned() {
        let doubled = drawing(&["##....", "r##...", "rr##..", "rrr##.", "rrrr##", "rrrrr#"]);
        let thin = smooth_jaggies(&doubled);
        let black = |image: &RgbaImage| image.pixels().filter(|pixel| **pixel == BLACK).count();
        assert!(black(&thin) < black(&doubled) - 2, "{} of {}", black(&thin), black(&doubled));
        assert_eq!(smooth_jaggies(&thin), thin);
        // Both kinds of corner were there; only those on the figure's side went, so that nothing red lies bare.
        assert_eq!(thin, drawing(&["##....", "rr#...", "rrr#..", "rrrr#.", "rrrrr#", "rrrrr#"]));
        let clean = drawing(&["#.....", "r#....", "rr#...", "rrr#..", "rrrr#.", "rrrrr#"]);
        assert_eq!(smooth_jaggies(&clean), clean);
    }

    #[test]
    fn bumps_go_and_corners_stay() {
        let bump = drawing(&["........", "...r....", "rrrrrrrr", "rrrrrrrr", "rrrrrrrr"]);
        let flat = drawing(&["........", "........", "rrrrrrrr", "rrrrrrrr", "rrrrrrrr"]);
        assert_eq!(smooth_jaggies(&bump), flat);
        assert_eq!(smooth_jaggies(&flat), flat);
        let sword = drawing(&["...#....", "...#....", "..###...", "...#...."]);
        assert_eq!(smooth_jaggies(&sword), sword);
    }

    #[test]
    fn outlines_are_added_once_recoloured_and_taken_off() {
        let body = drawing(&["......", ".rrrr.", ".rrrr.", ".rrrr.", "......"]);
        for corners in [false, true] {
            let add = OutlineEdit::Add { color: HexColor([10; 3]), side: OutlineSide::Outer, corners };
            let outlined = edit_outline(&body, &add);
            assert_eq!(outlined.get_pixel(0, 0).0[3] > 0, corners);
            assert_eq!(edit_outline(&outlined, &add), outlined);
            let blue = OutlineEdit::Recolor { color: HexColor([20, 30, 90]) };
            let recolored = edit_outline(&outlined, &blue);
            assert!(recolored.pixels().all(|pixel| *pixel != BLACK) && recolored.get_pixel(2, 2) == &RED);
            assert_eq!(edit_outline(&recolored, &blue), recolored);
            let bare = edit_outline(&outlined, &OutlineEdit::Remove);
            assert_eq!(bare.get_pixel(1, 1), &RED);
            assert!(bare.pixels().filter(|pixel| **pixel == BLACK).count() <= 4);
            assert_eq!(edit_outline(&body, &OutlineEdit::Remove), body);
        }
    }

    #[test]
    fn the_doubled_corners_of_an_outline_go_with_it() {
        let outlined = drawing(&["..####..", ".##rr##.", "##rrrr##", "#rrrrrr#", "##rrrr##", ".##rr##.", "..####.."]);
        let bare = edit_outline(&outlined, &OutlineEdit::Remove);
        assert_eq!(
            bare,
            drawing(&["........", "...rr...", "..rrrr..", ".rrrrrr.", "..rrrr..", "...rr...", "........"])
        );
        let recolored = edit_outline(&outlined, &OutlineEdit::Recolor { color: HexColor([20, 30, 90]) });
        assert!(recolored.pixels().all(|pixel| *pixel != BLACK));
    }

    #[test]
    fn halves_are_mirrored_about_the_figure() {
        let half = drawing(&["......", ".r#...", ".rr#..", "......"]);
        let left = symmetric(&half, Symmetry::Left);
        assert_eq!(left, drawing(&["......", ".r#r..", ".rrr..", "......"]));
        for symmetry in [Symmetry::Left, Symmetry::Right, Symmetry::Top, Symmetry::Bottom, Symmetry::None] {
            let once = symmetric(&half, symmetry);
            assert_eq!(symmetric(&once, symmetry), once, "{symmetry:?}");
        }
        assert_eq!(symmetric(&RgbaImage::new(0, 0), Symmetry::Left).dimensions(), (0, 0));
    }
}
