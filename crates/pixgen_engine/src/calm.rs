//! Frames whose still parts are still: models paint every frame anew, and what does not move comes out a shade different
//! each time. Artists redraw only what moves; so does this.

use image::{Rgba, RgbaImage};
use pixgen_art::delta_e;

/// Changes below this are changes of shade, no motion (ΔE_OK). `pixgen_art`'s measure of flicker has the same limit, from
/// drawn animations.
const SHADE_DELTA_E: f32 = 0.06;

/// Changed pixels that hang together in smaller groups than this mostly move nothing: drawn motion shifts edges, and
/// those are longer.
const LEAST_GROUP_PX: usize = 3;

/// Smaller groups are noise while each of their pixels changes by less than this (ΔE_OK) and none comes or goes. A blinking
/// eye or a sparkle changes more: of 2,179 groups of one or two pixels in 575 drawn animations of the CC0 set 94 in 100 do.
const SPECK_DELTA_E: f32 = 0.1;

/// The frames with what barely changes as it is in the first of them, or else in the frame before.
pub(crate) fn calmed(frames: &[RgbaImage]) -> Vec<RgbaImage> {
    let mut calm: Vec<RgbaImage> = Vec::with_capacity(frames.len());
    for frame in frames {
        let mut frame = frame.clone();
        // The first frame comes again when the animation begins anew: what equals it closes the loop.
        for earlier in calm.first().into_iter().chain(calm.last()) {
            hold_shades(&mut frame, earlier);
        }
        if let Some(first) = calm.first() {
            hold_specks(&mut frame, first);
        }
        calm.push(frame);
    }
    calm
}

/// Takes every pixel from an earlier frame that only changed by a shade.
fn hold_shades(frame: &mut RgbaImage, earlier: &RgbaImage) {
    if frame.dimensions() != earlier.dimensions() {
        return;
    }
    for (now, before) in frame.pixels_mut().zip(earlier.pixels()) {
        if is_near(now, before, SHADE_DELTA_E) {
            *now = *before;
        }
    }
}

/// Whether two pixels are both transparent, or of one alpha and less than `limit_delta_e` apart.
fn is_near(Rgba([r, g, b, alpha]): &Rgba<u8>, Rgba([r2, g2, b2, alpha2]): &Rgba<u8>, limit_delta_e: f32) -> bool {
    match (alpha, alpha2) {
        (0, 0) => true,
        (0, _) | (_, 0) => false,
        _ => alpha == alpha2 && delta_e([*r, *g, *b], [*r2, *g2, *b2]) < limit_delta_e,
    }
}

/// Takes small groups of pixels that changed a little back to what the first frame has there.
fn hold_specks(frame: &mut RgbaImage, first: &RgbaImage) {
    if frame.dimensions() != first.dimensions() {
        return;
    }
    let (width, height) = frame.dimensions();
    let mut open: Vec<bool> = frame.pixels().zip(first.pixels()).map(|(now, then)| now != then).collect();
    let at = |x: u32, y: u32| y as usize * width as usize + x as usize;
    for y in 0..height {
        for x in 0..width {
            if !open[at(x, y)] {
                continue;
            }
            open[at(x, y)] = false;
            let mut group = vec![(x, y)];
            let mut next = 0;
            while let Some((x, y)) = group.get(next).copied() {
                next += 1;
                for ny in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                    for nx in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                        if std::mem::take(&mut open[at(nx, ny)]) {
                            group.push((nx, ny));
                        }
                    }
                }
            }
            let is_noise =
                |(x, y): &(u32, u32)| is_near(frame.get_pixel(*x, *y), first.get_pixel(*x, *y), SPECK_DELTA_E);
            if group.len() < LEAST_GROUP_PX && group.iter().all(is_noise) {
                for (x, y) in group {
                    frame.put_pixel(x, y, *first.get_pixel(x, y));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pixgen_art::sheet::Motion;

    use super::*;

    /// A body that stands, and an arm of 4×2 pixels at a height; `shimmer` moves every colour by some levels.
    fn figure(arm: u32, shimmer: u8) -> RgbaImage {
        RgbaImage::from_fn(16, 16, |x, y| {
            let noise = shimmer * ((x * 7 + y * 5 + arm) % 3) as u8;
            match (x, y) {
                (2..8, 2..14) => Rgba([120 + noise, 90 + noise, 60, 255]),
                (8..12, _) if (arm..arm + 2).contains(&y) => Rgba([220 - noise, 180, 140, 255]),
                _ => Rgba([0; 4]),
            }
        })
    }

    #[test]
    fn what_stands_is_still_and_what_moves_moves() {
        let shimmering: Vec<_> = [4, 6, 8, 6].map(|arm| figure(arm, 6)).to_vec();
        let before = Motion::of(&shimmering).unwrap();
        let calm = calmed(&shimmering);
        let after = Motion::of(&calm).unwrap();
        assert!(before.flicker > 0.3 && after.flicker < 0.02, "{before:?}, {after:?}");
        assert!(after.step > before.step / 2.0, "{before:?}, {after:?}");
        for (calm, shimmering) in calm.iter().zip(&shimmering) {
            let alpha = |image: &RgbaImage| image.pixels().map(|pixel| pixel.0[3]).collect::<Vec<_>>();
            assert_eq!(alpha(calm), alpha(shimmering), "no pixel comes or goes");
        }
        assert_eq!(calmed(&calm), calm, "twice is once");
    }

    #[test]
    fn specks_go_back_and_still_pictures_stay() {
        // The body is (120, 90, 60); this is 0.09 away from it.
        let lit_by = |places: &[(u32, u32)]| {
            let mut lit = figure(4, 0);
            places.iter().for_each(|(x, y)| lit.put_pixel(*x, *y, Rgba([148, 115, 82, 255])));
            lit
        };
        let away = delta_e([120, 90, 60], [148, 115, 82]);
        assert!((SHADE_DELTA_E..SPECK_DELTA_E).contains(&away), "{away}");
        assert_eq!(calmed(&[figure(4, 0), lit_by(&[(4, 4), (5, 5)])]), [figure(4, 0), figure(4, 0)]);
        let gleam = lit_by(&[(4, 4), (5, 5), (6, 6)]);
        assert_eq!(calmed(&[figure(4, 0), gleam.clone()])[1], gleam, "three in a row are a gleam");
        let mut grown = figure(4, 0);
        grown.put_pixel(1, 5, Rgba([120, 90, 60, 255]));
        assert_eq!(calmed(&[figure(4, 0), grown.clone()])[1], grown, "no pixel comes or goes");
        assert_eq!(calmed(&[]), Vec::<RgbaImage>::new());
        let sizes = [figure(4, 0), RgbaImage::new(3, 2)];
        assert_eq!(calmed(&sizes), sizes);
    }

    #[test]
    fn eyes_blink_and_sparkles_sparkle() {
        let eyes = |open: bool| {
            let mut face = figure(4, 0);
            for x in [3, 6] {
                face.put_pixel(x, 4, if open { Rgba([20, 20, 40, 255]) } else { Rgba([150, 110, 80, 255]) });
            }
            face
        };
        let blink = [eyes(true), eyes(true), eyes(false), eyes(true)];
        assert_eq!(calmed(&blink), blink, "single pixels from dark to skin");
        let mut gleam = eyes(true);
        gleam.put_pixel(5, 9, Rgba([255, 255, 240, 255]));
        gleam.put_pixel(5, 10, Rgba([230, 230, 160, 255]));
        let sparkle = [eyes(true), gleam];
        assert_eq!(calmed(&sparkle), sparkle, "two pixels of another lightness");
    }
}
