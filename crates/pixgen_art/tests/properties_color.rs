//! What holds of every operation on colours, and of every measure, whatever the picture: palettes, swaps, dithering,
//! backgrounds, `Metrics`, palette files.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::Random;
use common::any::{blocks, config, drawn, edge, has_no_new_colors, image, sprite};
use image::{Rgba, RgbaImage, imageops};
use pixgen_api::Dither;
use pixgen_art::background::{BackgroundOptions, despill, remove_background};
use pixgen_art::dither::dither;
use pixgen_art::palette::format::{Format, MAX_FILE_COLORS, PaletteError};
use pixgen_art::palette::swap_palette;
use pixgen_art::sheet::Motion;
use pixgen_art::tile::{MAX_SEAM_Z, preview_3x3};
use pixgen_art::transform::mirror;
use pixgen_art::{Metrics, Palette, delta_e, merge_noise, reduce_colors};
use proptest::prelude::*;

fn rgb(pixel: &Rgba<u8>) -> [u8; 3] {
    [pixel.0[0], pixel.0[1], pixel.0[2]]
}

/// Some colours, now and then one twice.
fn colors(most: usize) -> impl Strategy<Value = Vec<[u8; 3]>> {
    (proptest::collection::vec(any::<[u8; 3]>(), 1..most), any::<bool>()).prop_map(|(mut colors, repeat)| {
        if repeat {
            colors.push(colors[0]);
        }
        colors
    })
}

/// As a file has them when it is read: each once, in order.
fn once(colors: &[[u8; 3]]) -> Vec<[u8; 3]> {
    let mut seen = BTreeSet::new();
    colors.iter().copied().filter(|color| seen.insert(*color)).collect()
}

/// What a measure is, up to rounding of sums in another order.
fn is_near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-3 * (1.0 + a.abs().max(b.abs()))
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_swap_is_undone_by_the_way_back(image in image(), seed in any::<u64>()) {
        let own = Palette::of(&image).colors().to_vec();
        prop_assert_eq!(&swap_palette(&image, &own, &own).unwrap(), &image, "each colour for itself");
        let mut turned = own.clone();
        for place in (1..turned.len()).rev() {
            turned.swap(place, Random(seed ^ place as u64).below(place as u64 + 1) as usize);
        }
        let swapped = swap_palette(&image, &own, &turned).unwrap();
        prop_assert_eq!(&swap_palette(&swapped, &turned, &own).unwrap(), &image);
        prop_assert!(swapped.pixels().zip(image.pixels()).all(|(a, b)| a.0[3] == b.0[3]), "alpha stays");
        for (after, before) in swapped.pixels().zip(image.pixels()).filter(|(_, before)| before.0[3] > 0) {
            let place = own.iter().position(|color| *color == rgb(before)).unwrap();
            prop_assert_eq!(rgb(after), turned[place]);
        }
        prop_assert_eq!(swap_palette(&mirror(&image), &own, &turned).unwrap(), mirror(&swapped));
    }

    #[test]
    fn a_palette_gives_the_nearest_colour_and_no_other(image in image(), colors in colors(12)) {
        let palette = Palette::new(colors.clone());
        prop_assert_eq!(palette.len(), once(&colors).len());
        let mapped = palette.apply(&image);
        for (after, before) in mapped.pixels().zip(image.pixels()) {
            prop_assert_eq!(after.0[3], before.0[3]);
            if before.0[3] == 0 {
                continue;
            }
            let found = delta_e(rgb(after), rgb(before));
            let least = colors.iter().map(|color| delta_e(*color, rgb(before))).fold(f32::INFINITY, f32::min);
            prop_assert!(colors.contains(&rgb(after)) && found <= least + 1e-4, "{} instead of {}", found, least);
        }
        prop_assert_eq!(&palette.apply(&mapped), &mapped);
        prop_assert_eq!(&palette.apply_in_order(std::slice::from_ref(&mapped))[0], &mapped, "nothing is out of order");
    }

    #[test]
    fn reducing_keeps_the_limit_takes_own_colours_and_rests(image in image(), most in 1u32..24) {
        let reduced = reduce_colors(&image, most);
        let own = Palette::of(&image);
        let left = Palette::of(&reduced);
        prop_assert!(left.len() <= most as usize && left.colors().iter().all(|color| own.colors().contains(color)));
        prop_assert_eq!(&reduce_colors(&reduced, most), &reduced);
        prop_assert_eq!(reduce_colors(&mirror(&image), most), mirror(&reduced));
        if own.len() <= most as usize {
            prop_assert_eq!(&reduced, &image);
        }
        let merged = merge_noise(&image, 0.02);
        prop_assert!(Palette::of(&merged).len() <= own.len());
        prop_assert_eq!(&merge_noise(&image, 0.0), &image);
    }

    #[test]
    fn dithers_stay_in_the_palette(image in image(), colors in colors(9), strength in -0.5f32..1.5) {
        let palette = Palette::new(colors);
        for kind in Dither::ALL {
            let dithered = dither(&image, &palette, kind, strength);
            for (after, before) in dithered.pixels().zip(image.pixels()) {
                prop_assert_eq!(after.0[3], before.0[3], "{:?}", kind);
                prop_assert!(
                    if before.0[3] > 0 { palette.colors().contains(&rgb(after)) } else { after == before }, "{:?}", kind
                );
            }
            prop_assert_eq!(&dither(&dithered, &palette, kind, strength), &dithered, "{:?} twice", kind);
            prop_assert_eq!(&dither(&image, &palette, kind, 0.0), &palette.apply(&image));
            prop_assert_eq!(&dither(&image, &palette, kind, f32::NAN), &palette.apply(&image));
        }
    }

    #[test]
    fn what_stands_before_a_flat_background_is_cut_out_exactly(
        width in 1u32..9, height in 1u32..9, margin in 1u32..4, grey in any::<u8>(), seed in any::<u64>(),
    ) {
        // Blocks of 2×2: a hole has four pixels. The ground is green, the figure red, blue and grey.
        let ground = [20, 200, 60];
        let figure = blocks(2 * width, 2 * height, 2, seed, |own| match own.below(4) {
            0 => Rgba([0; 4]),
            1 => Rgba([200, 20, 40, 255]),
            2 => Rgba([40, 30, 160, 255]),
            _ => Rgba([grey, grey, grey, 255]),
        });
        prop_assume!(drawn(&figure) > 0 && delta_e([grey; 3], ground) > 0.2);
        let [r, g, b] = ground;
        let (columns, rows) = (figure.width() + 2 * margin, figure.height() + 2 * margin);
        let mut picture = RgbaImage::from_pixel(columns, rows, Rgba([r, g, b, 255]));
        imageops::overlay(&mut picture, &figure, margin.into(), margin.into());
        let mut expected = RgbaImage::new(columns, rows);
        imageops::replace(&mut expected, &figure, margin.into(), margin.into());
        for key in [None, Some(ground)] {
            let options = BackgroundOptions { key, ..BackgroundOptions::default() };
            let cut = remove_background(&picture, &options);
            prop_assert_eq!(&cut, &expected, "{:?}", key);
            prop_assert_eq!(&despill(&picture, &cut), &cut, "hard edges have no tint");
            // Without holes the enclosed ground stays, and nothing else.
            let solid = remove_background(&picture, &BackgroundOptions { holes: false, ..options });
            for ((after, cut), before) in solid.pixels().zip(cut.pixels()).zip(picture.pixels()) {
                prop_assert!(after == cut || (after == before && rgb(before) == ground));
            }
        }
    }

    #[test]
    fn a_background_is_taken_off_once_and_nothing_is_added(image in image(), holes in any::<bool>(), key in any::<bool>()) {
        let key = (key && image.width() > 0 && image.height() > 0).then(|| rgb(image.get_pixel(0, 0)));
        let options = BackgroundOptions { tolerance: None, holes, key };
        let cut = remove_background(&image, &options);
        prop_assert!(cut.pixels().zip(image.pixels()).all(|(after, before)| after == before || after.0 == [0; 4]));
        prop_assert_eq!(&remove_background(&cut, &options), &cut);
        prop_assert!(drawn(&image) == 0 || drawn(&cut) > 0, "what is background everywhere is no background");
        let clean = despill(&image, &cut);
        prop_assert!(has_no_new_colors(&clean, &cut));
        prop_assert!(clean.pixels().zip(cut.pixels()).all(|(a, b)| a.0[3] <= b.0[3]));
        prop_assert_eq!(&despill(&cut, &cut), &cut, "nothing was removed, nothing tints");
    }

    #[test]
    fn measures_have_their_ranges_and_do_not_know_left_from_right(image in image()) {
        let metrics = Metrics::of(&image);
        let pixels = (image.width() * image.height()) as usize;
        prop_assert!(metrics.colors <= drawn(&image) && (metrics.colors > 0) == (drawn(&image) > 0));
        prop_assert!(metrics.alpha_levels <= pixels.min(256) && (metrics.alpha_levels > 0) == (pixels > 0));
        for share in [metrics.opaque_ratio, metrics.orphan_ratio, metrics.outline_completeness] {
            prop_assert!((0.0..=1.0).contains(&share), "{:?}", metrics);
        }
        prop_assert!(is_near(metrics.opaque_ratio * pixels as f32, drawn(&image) as f32));
        prop_assert_eq!(metrics.off_grid_residual, 0.0);
        for z in [metrics.seams.columns_z, metrics.seams.rows_z] {
            prop_assert!((-MAX_SEAM_Z..=MAX_SEAM_Z).contains(&z));
        }
        for ratio in [metrics.seams.columns_ratio, metrics.seams.rows_ratio] {
            prop_assert!((0.0..=MAX_SEAM_Z).contains(&ratio));
        }
        let mirrored = Metrics::of(&mirror(&image));
        let turned = Metrics::of(&imageops::rotate90(&image));
        for other in [&mirrored, &turned] {
            prop_assert_eq!((other.colors, other.alpha_levels), (metrics.colors, metrics.alpha_levels));
            prop_assert_eq!((other.opaque_ratio, other.orphan_ratio), (metrics.opaque_ratio, metrics.orphan_ratio));
            prop_assert!(is_near(other.outline_completeness, metrics.outline_completeness));
        }
        let (seams, same, across) = (metrics.seams, mirrored.seams, turned.seams);
        prop_assert!(is_near(seams.columns_z, same.columns_z) && is_near(seams.rows_z, same.rows_z), "{:?}", same);
        prop_assert!(is_near(seams.columns_z, across.rows_z) && is_near(seams.rows_z, across.columns_z), "{:?}", across);
    }

    #[test]
    fn an_enlarged_sprite_measures_as_the_sprite(sprite in sprite(), factor in 1u32..5) {
        let large = pixgen_art::scale::enlarge(&sprite, factor).unwrap();
        let (of_picture, alone) = (Metrics::of_picture(&large, [factor as f32; 2]), Metrics::of(&sprite));
        prop_assert!(of_picture.off_grid_residual < 1e-4, "{}", of_picture.off_grid_residual);
        prop_assert_eq!(Metrics { off_grid_residual: 0.0, ..of_picture }, alone);
    }

    #[test]
    fn equal_frames_are_still_and_the_order_backwards_flickers_as_much(
        width in edge(), height in edge(), count in 2usize..6, seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let frame = |random: &mut Random| {
            blocks(width, height, 1, random.next(), |own| match own.below(4) {
                0 => Rgba([0; 4]),
                tone => Rgba([60 * tone as u8, 90, 9, 255]),
            })
        };
        let still = vec![frame(&mut random); count];
        prop_assert_eq!(Motion::of(&still).unwrap(), Motion::default());
        let frames: Vec<_> = (0..count).map(|_| frame(&mut random)).collect();
        let motion = Motion::of(&frames).unwrap();
        prop_assert!((0.0..=1.0).contains(&motion.flicker) && motion.step >= 0.0 && motion.step <= 1.5);
        prop_assert!((0.0..=99.0).contains(&motion.loop_ratio));
        let mirrored: Vec<_> = frames.iter().map(mirror).collect();
        let backwards: Vec<_> = frames.iter().rev().cloned().collect();
        for other in [mirrored, backwards] {
            let other = Motion::of(&other).unwrap();
            prop_assert_eq!(other.flicker, motion.flicker);
            prop_assert!(is_near(other.step, motion.step) && is_near(other.loop_ratio, motion.loop_ratio));
        }
        let metrics = Metrics::of_frames(&frames).unwrap();
        prop_assert_eq!(metrics.motion, Some(motion));
    }

    #[test]
    fn nine_tiles_are_the_tile_nine_times(image in image()) {
        let nine = preview_3x3(&image).unwrap();
        prop_assert_eq!(nine.dimensions(), (3 * image.width(), 3 * image.height()));
        for (x, y, pixel) in nine.enumerate_pixels() {
            prop_assert_eq!(pixel, image.get_pixel(x % image.width(), y % image.height()));
        }
    }

    #[test]
    fn every_palette_file_gives_back_what_was_written(colors in colors(256)) {
        for format in Format::ALL {
            let file = format.write(&colors).unwrap();
            prop_assert_eq!(format.parse(&file).unwrap(), once(&colors), "{:?}", format);
            prop_assert_eq!(Format::detect(&file, format.extension()).unwrap(), format);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_with_their_place(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "[ -~\\n]{0,200}", start in 0usize..8,
    ) {
        let starts: [&[u8]; 8] = [
            b"", b"GIMP Palette\n", b"JASC-PAL\n0100\n2\n", b"RIFF\x10\0\0\0PAL data", b"ASEF\0\x01\0\0",
            b"\x89PNG\r\n\x1a\n", b"\x80\0\0\0\xe0\xa5\x01\0", b"; Paint.NET\n",
        ];
        for body in [&bytes[..], text.as_bytes()] {
            let file = [starts[start], body].concat();
            for format in Format::ALL {
                match format.parse(&file) {
                    Ok(colors) => prop_assert!((1..=MAX_FILE_COLORS).contains(&colors.len())),
                    Err(PaletteError::Line { line, ref found, expected }) => {
                        let lines = file.iter().filter(|byte| **byte == b'\n').count() + 1;
                        prop_assert!(format.is_text() && (1..=lines).contains(&line));
                        prop_assert!(!found.is_empty() && !expected.is_empty());
                    }
                    Err(PaletteError::Byte { offset, ref found, expected }) => {
                        prop_assert!(!format.is_text() && offset <= file.len());
                        prop_assert!(!found.is_empty() && !expected.is_empty());
                    }
                    Err(PaletteError::Empty) => prop_assert!(!format.is_text()),
                    Err(error) => prop_assert!(false, "{:?}: {}", format, error),
                }
            }
        }
    }
}
