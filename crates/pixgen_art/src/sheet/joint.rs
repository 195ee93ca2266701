//! What frames must have in common: colours, place and pixel grid.

use image::{RgbaImage, imageops};
use pixgen_api::Anchor;

use super::motion::same_size;
use crate::error::{ArtError, checked_size};
use crate::frame::{anchored, bounding_box};
use crate::palette::{Palette, merge_noise};
use crate::restore::{CELL_NOISE_DELTA_E, Grid, GridSize};

/// Frames in one palette of at most `max_colors` (1 if it is 0), all of them colours of the frames: what is one colour
/// in one frame is the same colour in all.
#[must_use]
pub fn joint_palette(frames: &[RgbaImage], max_colors: u32) -> Vec<RgbaImage> {
    let palette = Palette::reduced_jointly(frames, max_colors);
    frames.iter().map(|frame| palette.apply(frame)).collect()
}

/// How the frames of one animation are brought to their anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnchorFrames {
    /// All by the same shift, found on everything that is drawn in any of them: a jump stays a jump.
    #[default]
    Together,
    /// Each by its own: every frame stands on its own feet. For frames that were painted one by one and stand anywhere.
    Each,
}

/// Frames of one size with their figures at the anchor.
///
/// Smaller frames are first put into one of the largest width and height: at its middle, for [`Anchor::Feet`] in the
/// middle of its lower edge, for [`Anchor::Keep`] in its upper left corner. No drawn pixel is cut off.
///
/// # Errors
/// When the widest and the highest frame together make a frame that is larger than [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn anchored_frames(frames: &[RgbaImage], anchor: Anchor, how: AnchorFrames) -> Result<Vec<RgbaImage>, ArtError> {
    let largest = |edge: fn(&RgbaImage) -> u32| frames.iter().map(edge).max().unwrap_or(0);
    let (width, height) = checked_size(largest(RgbaImage::width).into(), largest(RgbaImage::height).into())?;
    let whole = |frame: &RgbaImage| {
        let (free_columns, free_rows) = (width - frame.width(), height - frame.height());
        let (x, y) = match anchor {
            Anchor::Keep => (0, 0),
            Anchor::Center => (free_columns / 2, free_rows / 2),
            Anchor::Feet => (free_columns / 2, free_rows),
        };
        let mut whole = RgbaImage::new(width, height);
        imageops::replace(&mut whole, frame, x.into(), y.into());
        whole
    };
    let frames: Vec<_> = frames.iter().map(whole).collect();
    if how == AnchorFrames::Each {
        return Ok(frames.iter().map(|frame| anchored(frame, anchor)).collect());
    }
    // The shift of everything that is drawn in any frame.
    let mut drawn = RgbaImage::new(width, height);
    for frame in &frames {
        for (x, y, pixel) in frame.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 0) {
            drawn.put_pixel(x, y, *pixel);
        }
    }
    let (Some(from), Some(to)) = (bounding_box(&drawn), bounding_box(&anchored(&drawn, anchor))) else {
        return Ok(frames);
    };
    let shift = |to: u32, from: u32| i64::from(to) - i64::from(from);
    let (x, y) = (shift(to.left_px, from.left_px), shift(to.top_px, from.top_px));
    let shifted = |frame: &RgbaImage| {
        let mut shifted = RgbaImage::new(width, height);
        imageops::replace(&mut shifted, frame, x, y);
        shifted
    };
    Ok(frames.iter().map(shifted).collect())
}

/// The grid that the pictures of one animation share: they were painted or scaled alike, but not every picture shows it
/// equally well. `None` without pictures.
///
/// The number of cells that most pictures show, by the confidence with which they do; then the grid of the most
/// confident of those.
///
/// # Errors
/// When two pictures differ in size, or no grid of the size asked for fits them.
pub fn on_one_grid(pictures: &[RgbaImage], size: GridSize) -> Result<Option<Grid>, ArtError> {
    same_size(pictures)?;
    let grids = pictures.iter().map(|picture| Grid::detect(picture, size)).collect::<Result<Vec<_>, _>>()?;
    let alike = |a: &Grid, b: &Grid| (a.x.cells, a.y.cells) == (b.x.cells, b.y.cells);
    let votes =
        |grid: &Grid| grids.iter().filter(|other| alike(grid, other)).map(|other| other.confidence).sum::<f32>();
    // The first of equals: `max_by` would take the last.
    let best =
        grids.iter().rev().max_by(|a, b| votes(a).total_cmp(&votes(b)).then(a.confidence.total_cmp(&b.confidence)));
    Ok(best.cloned())
}

/// The frames that pictures of an animation show, all on one grid: see [`on_one_grid`] and
/// [`restore`](crate::restore::restore). Colours that differ by noise only become one over all frames.
///
/// # Errors
/// When two pictures differ in size, or their frames below each other are larger than
/// [`MAX_EDGE_PX`](crate::MAX_EDGE_PX).
pub fn restore_frames(pictures: &[RgbaImage], size: GridSize) -> Result<Vec<RgbaImage>, ArtError> {
    let Some(grid) = on_one_grid(pictures, size)? else { return Ok(Vec::new()) };
    let frames = pictures.iter().map(|picture| grid.invert(picture)).collect::<Result<Vec<_>, _>>()?;
    in_one_image(&frames, |image| merge_noise(image, CELL_NOISE_DELTA_E))
}

/// Does something to frames of one size as to one image, in which they lie below each other.
fn in_one_image(frames: &[RgbaImage], change: impl Fn(&RgbaImage) -> RgbaImage) -> Result<Vec<RgbaImage>, ArtError> {
    let Some((width, height)) = frames.first().map(RgbaImage::dimensions) else { return Ok(Vec::new()) };
    checked_size(width.into(), u64::from(height) * frames.len() as u64)?;
    let mut all = RgbaImage::new(width, height * frames.len() as u32);
    for (index, frame) in frames.iter().enumerate() {
        imageops::replace(&mut all, frame, 0, index as i64 * i64::from(height));
    }
    let changed = change(&all);
    Ok((0..frames.len() as u32)
        .map(|index| imageops::crop_imm(&changed, 0, index * height, width, height).to_image())
        .collect())
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    const RED: Rgba<u8> = Rgba([200, 30, 30, 255]);

    /// A 2×3 figure at a place in a 12×12 frame.
    fn figure(left: u32, top: u32) -> RgbaImage {
        RgbaImage::from_fn(12, 12, |x, y| {
            let inside = (left..left + 2).contains(&x) && (top..top + 3).contains(&y);
            if inside { RED } else { Rgba([0; 4]) }
        })
    }

    fn corner(image: &RgbaImage) -> (u32, u32) {
        bounding_box(image).map(|drawn| (drawn.left_px, drawn.top_px)).unwrap()
    }

    #[test]
    fn a_jump_stays_a_jump_together_and_none_each() {
        let jump = [figure(1, 6), figure(1, 2), figure(1, 6)];
        let together = anchored_frames(&jump, Anchor::Feet, AnchorFrames::Together).unwrap();
        assert_eq!(together.iter().map(corner).collect::<Vec<_>>(), [(5, 8), (5, 4), (5, 8)]);
        let each = anchored_frames(&jump, Anchor::Feet, AnchorFrames::Each).unwrap();
        assert_eq!(each.iter().map(corner).collect::<Vec<_>>(), [(5, 8); 3]);
        let kept = anchored_frames(&jump, Anchor::Keep, AnchorFrames::Together).unwrap();
        assert_eq!(kept, jump);
    }

    #[test]
    fn frames_get_one_size_and_lose_nothing() {
        let frames = [RgbaImage::from_pixel(3, 2, RED), RgbaImage::from_pixel(2, 7, RED), RgbaImage::new(1, 1)];
        for anchor in [Anchor::Keep, Anchor::Center, Anchor::Feet] {
            for how in [AnchorFrames::Together, AnchorFrames::Each] {
                let whole = anchored_frames(&frames, anchor, how).unwrap();
                let drawn = |frame: &RgbaImage| frame.pixels().filter(|pixel| **pixel == RED).count();
                assert!(whole.iter().all(|frame| frame.dimensions() == (3, 7)));
                assert_eq!(whole.iter().map(drawn).collect::<Vec<_>>(), [6, 14, 0], "{anchor:?} {how:?}");
            }
        }
        assert_eq!(anchored_frames(&[], Anchor::Feet, AnchorFrames::Together), Ok(vec![]));
    }

    #[test]
    fn one_palette_holds_for_all_frames() {
        // The same robe, a little different in each frame, must become one colour.
        let robe = |level: u8| RgbaImage::from_pixel(6, 6, Rgba([120 + level, 40, 40, 255]));
        let frames =
            joint_palette(&[robe(0), robe(2), robe(4), RgbaImage::from_pixel(6, 6, Rgba([20, 90, 20, 255]))], 2);
        assert_eq!(frames[0], frames[1]);
        assert_eq!(frames[1], frames[2]);
        assert_ne!(frames[2], frames[3]);
    }
}
