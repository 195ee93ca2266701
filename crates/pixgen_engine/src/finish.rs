//! From what a model painted to the sprite that is stored: background, pixel-art pass, frames side by side.

use image::{Rgba, RgbaImage, imageops};
use pixgen_api::{Anchor, Background, Dither, OutlineEdit, PaletteSource, PixelArt, Scale, Symmetry};
use pixgen_art::Pipeline;
use pixgen_art::frame::bounding_box;

use crate::calm::calmed;
use crate::picture::is_white;
use crate::{EngineError, Plan};

/// A finished sprite.
pub(crate) struct Finished {
    /// The frames from left to right.
    pub(crate) sprite: RgbaImage,
    /// Whether the background was to be cut out and could not be told from the figure.
    pub(crate) background_stays: bool,
}

/// Makes a sprite of the frames that a model painted; a still is one frame.
pub(crate) fn finish(frames: &[RgbaImage], plan: &Plan, paints_alpha: bool) -> Result<Finished, EngineError> {
    let mut options = plan.fix.clone();
    if paints_alpha && options.background == Background::Remove {
        options.background = Background::Auto; // The model's own alpha cuts it out.
    }
    let wants_cut = matches!(options.background, Background::Remove | Background::KeyColor(_)) && !paints_alpha;
    let anchor = options.anchor.unwrap_or(Anchor::Keep);
    let mut sprites = match frames.len() {
        0 | 1 => Pipeline::new(&options)?.run_jointly(frames)?.images,
        _ => {
            let is_calm = plan.request.animation.as_ref().is_none_or(|animation| animation.calm);
            animated(frames, options, anchor, is_calm)?
        }
    };
    let background_stays = wants_cut && sprites.iter().any(is_opaque);
    for sprite in &mut sprites {
        *sprite = pixgen_art::scale::enlarge(sprite, plan.enlarge)
            .map_err(|e| EngineError::Png { path: "the new sprite".to_owned(), reason: e.to_string() })?;
    }
    Ok(Finished { sprite: side_by_side(&sprites), background_stays })
}

/// The frames of an animation: calmed while they have their own colours, and once more in those of their palette, which
/// may move two shades that were one apart. Without `is_calm` every frame is as it was painted.
fn animated(
    frames: &[RgbaImage],
    options: PixelArt,
    anchor: Anchor,
    is_calm: bool,
) -> Result<Vec<RgbaImage>, EngineError> {
    // Each frame alone would jump.
    let options = PixelArt { anchor: Some(Anchor::Keep), ..options };
    if !is_calm {
        return Ok(anchored_alike(&Pipeline::new(&options)?.run_jointly(frames)?.images, anchor));
    }
    let uncoloured = PixelArt {
        palette: PaletteSource::Own,
        colors: None,
        dither: Dither::None,
        outline: OutlineEdit::Keep,
        symmetry: Symmetry::None,
        orphans: false,
        jaggies: false,
        ramps: false,
        ..options.clone()
    };
    let painted = Pipeline::new(&uncoloured)?.run_jointly(frames)?.images;
    let calm = calmed(&anchored_alike(&painted, anchor));
    let rest = PixelArt { scale: Scale::Factor(1.0), ..options };
    let finished = Pipeline::new(&rest)?.run_jointly(&calm)?.images;
    Ok(calmed(&anchored_alike(&finished, anchor)))
}

/// Moves frames to their anchor without making the figure jump: from left to right all by the same way, that of the
/// rectangle around all of them; up and down each one so that its own feet stand on the common ground.
fn anchored_alike(frames: &[RgbaImage], anchor: Anchor) -> Vec<RgbaImage> {
    let boxes: Vec<_> = frames.iter().map(bounding_box).collect();
    let drawn = || boxes.iter().flatten();
    let (Some(left), Some(right)) = (drawn().map(|b| b.left_px).min(), drawn().map(|b| b.left_px + b.width_px).max())
    else {
        return frames.to_vec();
    };
    let top = drawn().map(|b| b.top_px).min().unwrap_or_default();
    let bottom = drawn().map(|b| b.top_px + b.height_px).max().unwrap_or_default();
    // The lowest row is free, as for stills, unless one of the frames is as high as its picture.
    let tallest = drawn().map(|b| b.height_px).max().unwrap_or_default();
    let ground = frames.iter().map(|frame| frame.height().saturating_sub(1)).max().unwrap_or_default().max(tallest);
    let moved = |(frame, drawn): (&RgbaImage, &Option<pixgen_art::frame::BoundingBox>)| {
        let (width, height) = frame.dimensions();
        let Some(drawn) = drawn else { return frame.clone() };
        let to_middle = |low: u32, high: u32, edge: u32| i64::from((edge - (high - low)) / 2) - i64::from(low);
        let (x, y) = match anchor {
            Anchor::Keep => return frame.clone(),
            Anchor::Center => (to_middle(left, right, width), to_middle(top, bottom, height)),
            Anchor::Feet => {
                (to_middle(left, right, width), i64::from(ground) - i64::from(drawn.top_px + drawn.height_px))
            }
        };
        let mut placed = RgbaImage::new(width, height);
        imageops::replace(&mut placed, frame, x, y);
        placed
    };
    frames.iter().zip(&boxes).map(moved).collect()
}

/// Pictures of one size from left to right.
pub(crate) fn side_by_side(frames: &[RgbaImage]) -> RgbaImage {
    if let [still] = frames {
        return still.clone();
    }
    let height = frames.iter().map(RgbaImage::height).max().unwrap_or_default();
    let mut strip = RgbaImage::new(frames.iter().map(RgbaImage::width).sum(), height);
    let mut left = 0;
    for frame in frames {
        imageops::replace(&mut strip, frame, left, 0);
        left += i64::from(frame.width());
    }
    strip
}

/// Puts the picture that a run began with back where its mask is black: the autoencoder changes every pixel a little.
pub(crate) fn keep_unmasked(painted: &mut RgbaImage, init: &RgbaImage, mask: &RgbaImage) {
    let pixels = painted.pixels_mut().zip(init.pixels()).zip(mask.pixels());
    pixels.filter(|(_, mask)| !is_white(mask)).for_each(|((painted, init), _)| *painted = *init);
}

/// Whether every pixel is opaque.
fn is_opaque(image: &RgbaImage) -> bool {
    image.pixels().all(|Rgba([.., alpha])| *alpha == u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(left: u32, top: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(16, 16, |x, y| {
            let inside = (left..left + 4).contains(&x) && (top..top + height).contains(&y);
            if inside { Rgba([200, 50, 50, 255]) } else { Rgba([0; 4]) }
        })
    }

    #[test]
    fn feet_of_all_frames_stand_on_one_ground_and_steps_stay_apart() {
        let frames = anchored_alike(&[block(0, 0, 8), block(2, 3, 6), RgbaImage::new(16, 16)], Anchor::Feet);
        let boxes: Vec<_> = frames.iter().filter_map(bounding_box).collect();
        assert!(boxes.iter().all(|b| b.top_px + b.height_px == 15), "{boxes:?}");
        // Together six columns wide: they begin five from the left, and the second still stands two to the right.
        assert_eq!(boxes.iter().map(|b| b.left_px).collect::<Vec<_>>(), [5, 7]);
        let tall = [block(0, 0, 16), block(0, 1, 15)];
        let feet = |frame: &RgbaImage| bounding_box(frame).map(|b| (b.height_px, b.top_px + b.height_px));
        let alike = anchored_alike(&tall, Anchor::Feet);
        assert_eq!(alike.iter().map(feet).collect::<Vec<_>>(), [Some((16, 16)), Some((15, 16))]);
        assert_eq!(anchored_alike(&tall, Anchor::Keep), tall);
    }

    #[test]
    fn a_blink_survives_the_whole_way_and_shimmer_only_where_it_is_wanted() {
        // A face in which every frame paints the skin a little otherwise; in the third the eyes are shut.
        let frame = |index: u32| {
            RgbaImage::from_fn(16, 16, |x, y| match (x, y) {
                (0..3 | 13.., _) | (_, 0..3 | 14..) => Rgba([0; 4]),
                (6 | 10, 6) if index != 2 => Rgba([24, 20, 44, 255]),
                (5..=11, 9) => Rgba([140, 60, 60, 255]),
                _ => Rgba([222 + ((x + y * 3 + index) % 4) as u8 * 3, 170, 130, 255]),
            })
        };
        let frames: Vec<_> = (0..4).map(frame).collect();
        let options = PixelArt { scale: Scale::Factor(1.0), colors: Some(6), ..PixelArt::for_generation() };
        let drawn = |is_calm: bool| animated(&frames, options.clone(), Anchor::Keep, is_calm).unwrap();
        let flicker = |frames: &[RgbaImage]| pixgen_art::sheet::Motion::of(frames).unwrap().flicker;
        let calm = drawn(true);
        let is_eye = |frame: &RgbaImage, x: u32| frame.get_pixel(x, 6).0[0] < 100;
        for (index, frame) in calm.iter().enumerate() {
            assert!([6, 10].iter().all(|x| is_eye(frame, *x) == (index != 2)), "frame {index}");
        }
        let body = |frame: &RgbaImage| imageops::crop_imm(frame, 0, 7, 16, 9).to_image();
        assert!(calm.iter().all(|frame| body(frame) == body(&calm[0])), "the skin is still");
        let restless = drawn(false);
        assert!(flicker(&restless) > 0.2, "{}", flicker(&restless));
    }

    #[test]
    fn frames_lie_side_by_side() {
        let strip = side_by_side(&[block(0, 0, 4), block(5, 5, 4)]);
        assert_eq!(strip.dimensions(), (32, 16));
        assert_eq!((strip.get_pixel(0, 0).0[3], strip.get_pixel(21, 5).0[3]), (255, 255));
    }

    #[test]
    fn what_the_mask_leaves_alone_is_the_picture_itself() {
        let mut painted = RgbaImage::from_pixel(2, 1, Rgba([9, 9, 9, 255]));
        let init = RgbaImage::from_pixel(2, 1, Rgba([1, 2, 3, 255]));
        let mask = RgbaImage::from_fn(2, 1, |x, _| if x == 0 { Rgba([255; 4]) } else { Rgba([0, 0, 0, 255]) });
        keep_unmasked(&mut painted, &init, &mask);
        assert_eq!((painted.get_pixel(0, 0).0[0], painted.get_pixel(1, 0).0[0]), (9, 1));
    }
}
