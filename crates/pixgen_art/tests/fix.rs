//! What holds for every sprite that leaves this crate.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Random, as_decoded, knight, noise, pictures};
use image::{Rgba, RgbaImage};
use pixgen_api::{Anchor, Background, PixelArt, RequestError, Scale};
use pixgen_art::downscale::{Cells, k_centroid, k_centroid_reference};
use pixgen_art::presets::presets;
use pixgen_art::{ArtError, Metrics, Palette, Pipeline, fix, frame, scale};
use proptest::prelude::*;

/// What a model's picture with alpha is given, at `scale_px` picture pixels a sprite pixel.
fn options(scale_px: u32) -> PixelArt {
    PixelArt { scale: Scale::Factor(scale_px as f32), ..PixelArt::for_generation() }
}

/// Every combination of colours, background and place for `scale_px`.
fn all_options(scale_px: u32) -> Vec<PixelArt> {
    let mut all = Vec::new();
    for colors in [None, Some(2), Some(4), Some(7), Some(16), Some(256)] {
        for background in [Background::Auto, Background::Keep, Background::Remove] {
            for anchor in [Anchor::Keep, Anchor::Center, Anchor::Feet] {
                all.push(PixelArt { colors, background, anchor: Some(anchor), ..options(scale_px) });
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
            let once = fix(picture, &options).unwrap();
            assert_eq!(fix(&once, &options).unwrap(), once, "{name} {:?} {options:?}", picture.dimensions());
        }
    }
}

#[test]
fn a_sprite_has_binary_alpha_few_colours_and_no_hidden_ones() {
    for (name, picture) in pictures() {
        let both = [(1, all_options(1)), (4, all_options(4))];
        for (scale_px, options) in both.into_iter().flat_map(|(px, all)| all.into_iter().map(move |o| (px, o))) {
            let sprite = fix(&picture, &options).unwrap();
            let context = format!("{name} {options:?}");
            let expected = (picture.width().div_ceil(scale_px), picture.height().div_ceil(scale_px));
            assert_eq!(sprite.dimensions(), expected, "{context}");
            for pixel in sprite.pixels() {
                assert!(
                    pixel.0[3] == 255 || (options.background != Background::Keep && pixel.0 == [0; 4]),
                    "{context} {pixel:?}"
                );
            }
            if let Some(colors) = options.colors {
                assert!(Metrics::of(&sprite).colors <= colors as usize, "{context}");
            }
        }
    }
}

#[test]
fn the_same_picture_gives_the_same_sprite() {
    for (name, picture) in pictures() {
        for options in all_options(2) {
            assert_eq!(
                fix(&picture, &options).unwrap(),
                fix(&picture.clone(), &options).unwrap(),
                "{name} {options:?}"
            );
        }
    }
}

#[test]
fn a_clean_sprite_passes_through_untouched() {
    let options = PixelArt { colors: Some(8), ..options(1) };
    assert_eq!(fix(&knight(), &options).unwrap(), knight());
}

#[test]
fn a_decoded_sprite_becomes_the_drawn_one_again() {
    // Noise of ±6 levels, alpha 146..=255, junk and specks around: what comes back must be the figure.
    let decoded = as_decoded(&knight(), &mut Random(5));
    assert!(Metrics::of(&decoded).colors > 600);
    let sprite = fix(&decoded, &PixelArt { colors: Some(8), ..options(1) }).unwrap();
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
    let options = PixelArt { colors: Some(8), anchor: Some(Anchor::Feet), ..options(1) };
    let mut shifted = RgbaImage::new(40, 40);
    image::imageops::replace(&mut shifted, &frame::trim(&knight()), 1, 2);
    let drawn = frame::bounding_box(&fix(&shifted, &options).unwrap()).unwrap();
    assert_eq!((drawn.left_px, drawn.width_px), (12, 16));
    assert_eq!((drawn.top_px, drawn.height_px), (13, 26), "the last drawn row is row 38 of 40");
}

#[test]
fn a_large_painting_becomes_the_small_sprite() {
    let large = scale::enlarge(&knight(), 8).unwrap();
    let painted = common::with_noise(&large, 2, &mut Random(3));
    let sprite = fix(&painted, &PixelArt { colors: Some(8), ..options(8) }).unwrap();
    assert_eq!(sprite.dimensions(), (32, 32));
    let palette = Palette::new(common::KNIGHT_COLORS);
    assert_eq!(palette.apply(&sprite), knight(), "every pixel is nearest to the colour it was drawn in");
}

/// A picture of patches, from few numbers, so that proptest can make a failing one small.
fn patches(seed: u64, width: u32, height: u32, noise_levels: u8) -> RgbaImage {
    let mut random = Random(seed);
    let colors: Vec<[u8; 4]> =
        (0..6).map(|i| [random.byte(), random.byte(), random.byte(), if i < 2 { 0 } else { 255 }]).collect();
    let (patch_x, patch_y) = (1 + random.below(6) as u32, 1 + random.below(6) as u32);
    let salt = random.next();
    let image = RgbaImage::from_fn(width, height, |x, y| {
        let index = Random(salt ^ (u64::from(x / patch_x) << 32 | u64::from(y / patch_y))).below(6);
        Rgba(colors[index as usize])
    });
    common::with_noise(&image, noise_levels, &mut random)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_preset_leaves_its_own_sprites_alone(
        seed in any::<u64>(), width in 1u32..36, height in 1u32..36, levels in 0u8..12, opaque in any::<bool>(),
        factor in 1u32..4,
    ) {
        let mut picture = patches(seed, width, height, levels);
        if opaque {
            picture.pixels_mut().for_each(|pixel| pixel.0[3] = 255);
        }
        let large = scale::enlarge(&picture, factor).unwrap();
        for preset in presets() {
            let first = PixelArt { scale: Scale::Factor(factor as f32), ..preset.options.clone() };
            let once = fix(&large, &first).unwrap();
            let again = PixelArt { scale: Scale::Factor(1.0), ..preset.options };
            prop_assert_eq!(fix(&once, &again).unwrap(), once, "{}", preset.name);
        }
    }

    #[test]
    fn the_default_changes_no_sprite(seed in any::<u64>(), width in 1u32..40, height in 1u32..40) {
        let sprite = patches(seed, width, height, 0);
        // Colours under transparency are nobody's: they are erased.
        let visible = pixgen_art::alpha::binary_alpha(&sprite, 128);
        let options = PixelArt { scale: Scale::Factor(1.0), ..PixelArt::default() };
        prop_assert_eq!(fix(&sprite, &options).unwrap(), visible);
    }

    #[test]
    fn fast_k_centroid_is_the_reference(seed in any::<u64>(), factor in 4u32..10, levels in 2u8..16, bias in 0f32..1.0) {
        // With noise: of two colours that are equally near, as in small flat cells, either may come out.
        let picture = patches(seed, 160, 120, levels);
        let cells = Cells::by_factor(picture.dimensions(), factor as f32);
        let (fast, slow) =
            (k_centroid(&picture, &cells, bias), k_centroid_reference(&picture, &cells, bias));
        // Sums in another order and a cube root of five digits decide near ties otherwise: in three cells of a hundred at most.
        let other = fast.pixels().zip(slow.pixels()).filter(|(a, b)| a != b).count();
        prop_assert!(other * 100 <= 3 * fast.pixels().len(), "{} of {}", other, fast.pixels().len());
        prop_assert!(fast.pixels().zip(slow.pixels()).all(|(a, b)| a.0[3] == b.0[3]));
    }
}

#[test]
fn frames_share_one_palette_and_every_step_is_timed() {
    let mut random = Random(9);
    let frames: Vec<RgbaImage> = (0..4).map(|_| common::with_noise(&knight(), 4, &mut random)).collect();
    let finished = Pipeline::new(&PixelArt { colors: Some(8), ..options(1) }).unwrap().run_jointly(&frames).unwrap();
    let mut all = Palette::default().colors().to_vec();
    finished.images.iter().for_each(|image| all.extend(Palette::of(image).colors()));
    assert_eq!(Palette::new(all).len(), 8);
    let names: Vec<_> = finished.steps.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["scale", "alpha", "specks", "colours"]);
}

#[test]
fn absurd_options_are_refused_with_a_reason() {
    let error = |options: PixelArt| fix(&knight(), &options).unwrap_err();
    let too_few = error(PixelArt { colors: Some(1), ..options(1) });
    assert!(matches!(too_few, ArtError::Options(RequestError::OutOfRange { .. })), "{too_few}");
    let larger = error(PixelArt { scale: Scale::Size { width_px: 33, height_px: 8 }, ..PixelArt::default() });
    assert!(larger.to_string().contains("33×8"), "{larger}");
    let unknown = error(PixelArt { palette: pixgen_api::PaletteSource::Named("pico".into()), ..options(1) });
    assert!(unknown.to_string().contains("pico-8"), "{unknown}");
    let missing = error(PixelArt { palette: pixgen_api::PaletteSource::File("no/such.gpl".into()), ..options(1) });
    assert!(missing.to_string().contains("no/such.gpl"), "{missing}");
}

#[test]
fn every_preset_gives_a_sprite_and_its_palette_holds() {
    for preset in presets() {
        let sprite = fix(&knight(), &PixelArt { scale: Scale::Factor(1.0), ..preset.options.clone() }).unwrap();
        assert_eq!(sprite.dimensions(), (32, 32), "{}", preset.name);
        assert!(Metrics::of(&sprite).opaque_ratio > 0.1, "{}", preset.name);
        if let Some(colors) = preset.options.colors {
            assert!(Metrics::of(&sprite).colors <= colors as usize, "{}", preset.name);
        }
    }
}
