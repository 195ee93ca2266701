//! What holds for every sprite that leaves this crate.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Random, as_decoded, knight, noise, pictures};
use image::{Rgba, RgbaImage};
use pixgen_api::Anchor;
use pixgen_art::{FixOptions, Metrics, Palette, fix, frame, scale};

/// Every combination of options for `scale_px`.
fn all_options(scale_px: u32) -> Vec<FixOptions> {
    let mut all = Vec::new();
    for colors in [None, Some(0), Some(1), Some(2), Some(4), Some(7), Some(16), Some(256)] {
        for cut_out in [false, true] {
            for anchor in [Anchor::Keep, Anchor::Center, Anchor::Feet] {
                all.push(FixOptions { scale_px, colors, cut_out, anchor });
            }
        }
    }
    all
}

#[test]
fn a_fixed_sprite_is_left_alone() {
    let mut pictures = pictures();
    let mut random = Random(2026);
    for _ in 0..12 {
        let (width, height) = (1 + random.below(40) as u32, 1 + random.below(40) as u32);
        pictures.push(("random noise", noise(width, height, &mut random)));
        pictures.push(("random decoding", as_decoded(&knight(), &mut random)));
    }
    for (name, picture) in &pictures {
        for options in all_options(1) {
            let once = fix(picture, &options);
            assert_eq!(fix(&once, &options), once, "{name} {:?} {options:?}", picture.dimensions());
        }
    }
}

#[test]
fn a_sprite_has_binary_alpha_few_colours_and_no_hidden_ones() {
    for (name, picture) in pictures() {
        for options in all_options(1).into_iter().chain(all_options(4)) {
            let sprite = fix(&picture, &options);
            let context = format!("{name} {options:?}");
            let expected = (picture.width().div_ceil(options.scale_px), picture.height().div_ceil(options.scale_px));
            assert_eq!(sprite.dimensions(), expected, "{context}");
            for pixel in sprite.pixels() {
                assert!(pixel.0[3] == 255 || (options.cut_out && pixel.0 == [0; 4]), "{context} {pixel:?}");
            }
            if let Some(colors) = options.colors {
                assert!(Metrics::of(&sprite).colors <= colors.max(1) as usize, "{context}");
            }
        }
    }
}

#[test]
fn the_same_picture_gives_the_same_sprite() {
    for (name, picture) in pictures() {
        for options in all_options(2) {
            assert_eq!(fix(&picture, &options), fix(&picture.clone(), &options), "{name} {options:?}");
        }
    }
}

#[test]
fn a_clean_sprite_passes_through_untouched() {
    let options = FixOptions { colors: Some(8), ..FixOptions::default() };
    assert_eq!(fix(&knight(), &options), knight());
}

#[test]
fn a_decoded_sprite_becomes_the_drawn_one_again() {
    // Noise of ±6 levels, alpha 146..=255, junk and specks around: what comes back must be the figure.
    let decoded = as_decoded(&knight(), &mut Random(5));
    assert!(Metrics::of(&decoded).colors > 600);
    let sprite = fix(&decoded, &FixOptions { colors: Some(8), ..FixOptions::default() });
    assert_eq!(Metrics::of(&sprite).colors, 8);
    for (x, y, drawn) in knight().enumerate_pixels() {
        let found = sprite.get_pixel(x, y);
        assert_eq!(found.0[3], drawn.0[3], "alpha at {x}, {y}");
        if drawn.0[3] == 255 {
            let rgb = |pixel: &Rgba<u8>| [pixel.0[0], pixel.0[1], pixel.0[2]];
            let error = pixgen_art::delta_e(rgb(drawn), rgb(found));
            assert!(error < 0.05, "{drawn:?} became {found:?} at {x}, {y}: {error}");
        }
    }
}

#[test]
fn feet_stand_where_the_anchor_says() {
    let options = FixOptions { colors: Some(8), anchor: Anchor::Feet, ..FixOptions::default() };
    let mut shifted = RgbaImage::new(40, 40);
    image::imageops::replace(&mut shifted, &frame::trim(&knight()), 1, 2);
    let drawn = frame::bounding_box(&fix(&shifted, &options)).unwrap();
    assert_eq!((drawn.left_px, drawn.width_px), (12, 16));
    assert_eq!((drawn.top_px, drawn.height_px), (13, 26), "the last drawn row is row 38 of 40");
}

#[test]
fn a_large_painting_becomes_the_small_sprite() {
    let large = scale::enlarge(&knight(), 8).unwrap();
    let painted = common::with_noise(&large, 2, &mut Random(3));
    let sprite = fix(&painted, &FixOptions { scale_px: 8, colors: Some(8), ..FixOptions::default() });
    assert_eq!(sprite.dimensions(), (32, 32));
    let palette = Palette::new(common::KNIGHT_COLORS);
    assert_eq!(palette.apply(&sprite), knight(), "every pixel is nearest to the colour it was drawn in");
}
