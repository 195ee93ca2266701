//! Any options on any small picture: no panic, and what is promised of every sprite holds. `PROPTEST_CASES` says how many.
#![allow(clippy::unwrap_used)]

mod common;

use common::Random;
use common::any::config;
use image::{Rgba, RgbaImage};
use pixgen_api::{
    Anchor, Background, Dither, Downscale, HexColor, OutlineEdit, OutlineSide, PaletteSource, PixelArt, Scale, Symmetry,
};
use pixgen_art::{ArtError, Palette, fix};
use proptest::prelude::*;

/// Options that were never meant for each other.
fn options(random: &mut Random, (width, height): (u32, u32)) -> PixelArt {
    let color = |random: &mut Random| HexColor([random.byte(), random.byte(), random.byte()]);
    let chance = |random: &mut Random| random.below(2) == 0;
    PixelArt {
        scale: match random.below(4) {
            0 => Scale::Auto,
            1 => Scale::Factor(1.0 + random.below(80) as f32 / 8.0),
            2 => Scale::Factor(1.0),
            _ => Scale::Size {
                width_px: 1 + random.below(u64::from(width)) as u32,
                height_px: 1 + random.below(u64::from(height)) as u32,
            },
        },
        downscale: Downscale::ALL[random.below(Downscale::ALL.len() as u64) as usize],
        outline_bias: random.below(5) as f32 / 4.0,
        palette: match random.below(5) {
            0 => PaletteSource::Auto,
            1 => PaletteSource::Named("game-boy".to_owned()),
            2 => PaletteSource::Colors(vec![color(random)]),
            3 => PaletteSource::Colors((0..5).map(|_| color(random)).collect()),
            _ => PaletteSource::Own,
        },
        colors: [None, Some(2), Some(3), Some(16), Some(256)][random.below(5) as usize],
        ramps: chance(random),
        dither: Dither::ALL[random.below(Dither::ALL.len() as u64) as usize],
        dither_strength: random.below(5) as f32 / 4.0,
        background: match random.below(4) {
            0 => Background::Keep,
            1 => Background::Remove,
            2 => Background::KeyColor(color(random)),
            _ => Background::Auto,
        },
        holes: chance(random),
        despill: chance(random),
        specks_px: random.below(4) as u32,
        orphans: chance(random),
        jaggies: chance(random),
        outline: match random.below(4) {
            0 => OutlineEdit::Keep,
            1 => OutlineEdit::Recolor { color: color(random) },
            2 => OutlineEdit::Remove,
            _ => OutlineEdit::Add {
                color: color(random),
                side: if chance(random) { OutlineSide::Outer } else { OutlineSide::Inner },
                corners: chance(random),
            },
        },
        symmetry: [Symmetry::None, Symmetry::Left, Symmetry::Right, Symmetry::Top, Symmetry::Bottom]
            [random.below(5) as usize],
        anchor: [None, Some(Anchor::Keep), Some(Anchor::Center), Some(Anchor::Feet)][random.below(4) as usize],
    }
}

/// A picture of few or many colours with every kind of alpha, often a single row or column.
fn picture(random: &mut Random) -> RgbaImage {
    let edge = |random: &mut Random| match random.below(3) {
        0 => 1 + random.below(3) as u32,
        _ => 1 + random.below(28) as u32,
    };
    let (width, height) = (edge(random), edge(random));
    let colors = 1 + random.below(9);
    let is_noise = random.below(4) == 0;
    let alphas: &[u8] = [&[255][..], &[0, 255], &[0, 1, 127, 128, 254, 255], &[0]][random.below(4) as usize];
    let tones: Vec<[u8; 3]> = (0..colors).map(|_| [random.byte(), random.byte(), random.byte()]).collect();
    let block = 1 + random.below(5) as u32;
    let salt = random.next();
    RgbaImage::from_fn(width, height, |x, y| {
        let mut own = Random(salt ^ (u64::from(x / block) << 32 | u64::from(y / block)));
        let [r, g, b] =
            if is_noise { [random.byte(), random.byte(), random.byte()] } else { tones[own.below(colors) as usize] };
        Rgba([r, g, b, alphas[own.below(alphas.len() as u64) as usize]])
    })
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn promises_hold_for_any_options(seed in any::<u64>()) {
        let mut random = Random(seed);
        let picture = picture(&mut random);
        let options = options(&mut random, picture.dimensions());
        let sprite = match fix(&picture, &options) {
            Ok(sprite) => sprite,
            // Cells larger than the picture; options that contradict each other.
            Err(error @ (ArtError::Grid { .. } | ArtError::Options(_))) => {
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(format!("{error} for {options:?}"))),
        };
        prop_assert!(sprite.width() >= 1 && sprite.height() >= 1, "{options:?}");
        prop_assert!(sprite.width() <= picture.width() && sprite.height() <= picture.height(), "{options:?}");
        if let Scale::Size { width_px, height_px } = options.scale {
            prop_assert_eq!(sprite.dimensions(), (width_px, height_px), "{:?}", options);
        }
        let is_clean = |pixel: &Rgba<u8>| pixel.0 == [0; 4] || pixel.0[3] == 255;
        prop_assert!(sprite.pixels().all(is_clean), "half transparent, or a colour under transparency: {options:?}");
        if options.background == Background::Keep && options.outline == OutlineEdit::Keep {
            prop_assert!(sprite.pixels().all(|pixel| pixel.0[3] == 255), "{options:?}");
        }
        let most = options.colors.unwrap_or(256) as usize;
        let mut allowed: Option<Vec<[u8; 3]>> = match &options.palette {
            PaletteSource::Colors(colors) => Some(colors.iter().map(|color| color.0).collect()),
            _ => None,
        };
        if let Some(allowed) = &mut allowed {
            prop_assert!(Palette::of(&sprite).colors().iter().all(|color| allowed.contains(color)), "{options:?}");
        } else if options.palette != PaletteSource::Named("game-boy".to_owned()) {
            prop_assert!(Palette::of(&sprite).len() <= most, "{} of {most}: {options:?}", Palette::of(&sprite).len());
        }
        let again = PixelArt { scale: Scale::Factor(1.0), ..options };
        let twice = fix(&sprite, &again).unwrap();
        let changed = twice.pixels().zip(sprite.pixels()).filter(|(a, b)| a != b).count();
        prop_assert!(changed == 0, "{changed} of {} pixels change again: {again:?}", sprite.pixels().len());
    }
}
