//! What holds of every operation on a sprite's shape, whatever the sprite: turning, scaling, framing, outlines, clean-up.
#![allow(clippy::unwrap_used)]

mod common;

use common::any::{config, drawn, has_no_new_colors, image, sprite};
use image::{Rgba, RgbaImage, imageops};
use pixgen_api::{Anchor, HexColor, OutlineEdit, OutlineSide, Symmetry};
use pixgen_art::alpha::{OPAQUE_FROM, binary_alpha, opaque, remove_specks};
use pixgen_art::clean::{edit_outline, smooth_jaggies, symmetric};
use pixgen_art::downscale::{Cells, center, content_adaptive, k_centroid, k_centroid_reference, majority, median};
use pixgen_art::frame::{anchored, bounding_box, pad, trim};
use pixgen_art::outline::{Outline, add_outline, outline_completeness, remove_orphans, remove_outline};
use pixgen_art::scale::{enlarge, shrink, whole_factor};
use pixgen_art::transform::{mirror, rotate, scale2x};
use proptest::prelude::*;

/// A colour that no sprite of the generator has by chance.
const LINE: [u8; 3] = [1, 254, 3];

/// Upside down.
fn flip(image: &RgbaImage) -> RgbaImage {
    imageops::flip_vertical(image)
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn mirrors_and_quarter_turns_come_back(image in image(), turns in -9i32..9) {
        prop_assert_eq!(&mirror(&mirror(&image)), &image);
        let mut turned = image.clone();
        for _ in 0..4 {
            turned = rotate(&turned, 90.0).unwrap();
        }
        prop_assert_eq!(&turned, &image);
        prop_assert_eq!(&rotate(&image, 360.0 * turns as f32).unwrap(), &image);
        let half = rotate(&image, 180.0).unwrap();
        prop_assert_eq!(&half, &flip(&mirror(&image)));
        prop_assert_eq!(rotate(&rotate(&image, 90.0).unwrap(), -90.0).unwrap(), image);
    }

    #[test]
    fn any_turn_keeps_the_colours_and_cuts_nothing_off(sprite in sprite(), degrees in -720f32..720.0) {
        let turned = rotate(&sprite, degrees).unwrap();
        prop_assert!(has_no_new_colors(&turned, &sprite));
        let (width, height) = (f64::from(sprite.width()), f64::from(sprite.height()));
        let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
        let span = |a: f64, b: f64| a * cos.abs() + b * sin.abs();
        for (found, exact) in [(turned.width(), span(width, height)), (turned.height(), span(height, width))] {
            prop_assert!((exact - 1e-3..exact + 1.001).contains(&f64::from(found)), "{} of {}", found, exact);
        }
        // A pixel that is drawn as far as one pixel around it is found again near where it belongs.
        for (x, y, pixel) in sprite.enumerate_pixels() {
            let near = |x: i64, y: i64| sprite.get_pixel_checked(x as u32, y as u32);
            let is_inside = (-1..=1).all(|dy| (-1..=1).all(|dx| near(x as i64 + dx, y as i64 + dy) == Some(pixel)));
            if is_inside {
                let (dx, dy) = (f64::from(x) + 0.5 - width / 2.0, f64::from(y) + 0.5 - height / 2.0);
                let to = (
                    dx * cos - dy * sin + f64::from(turned.width()) / 2.0,
                    dx * sin + dy * cos + f64::from(turned.height()) / 2.0,
                );
                prop_assert_eq!(turned.get_pixel(to.0 as u32, to.1 as u32), pixel, "{} {}", x, y);
            }
        }
    }

    #[test]
    fn enlarging_is_undone_by_every_way_of_shrinking(sprite in sprite(), factor in 1u32..7) {
        let large = enlarge(&sprite, factor).unwrap();
        prop_assert_eq!(large.dimensions(), (factor * sprite.width(), factor * sprite.height()));
        prop_assert_eq!(&shrink(&large, factor), &sprite);
        let cells = Cells::by_factor(large.dimensions(), factor as f32);
        prop_assert_eq!(&majority(&large, &cells, 0.0), &sprite);
        prop_assert_eq!(&center(&large, &cells), &sprite);
        prop_assert_eq!(&median(&large, &cells), &sprite);
        prop_assert_eq!(&k_centroid(&large, &cells, 0.5), &sprite);
        prop_assert_eq!(&k_centroid_reference(&large, &cells, 0.5), &sprite);
        prop_assert_eq!(content_adaptive(&large, &cells, 0.0).dimensions(), sprite.dimensions());
        // The factor that is found is this one, or a multiple where the sprite was an enlargement itself.
        let found = whole_factor(&large);
        let is_flat = sprite.pixels().all(|pixel| *pixel == *sprite.get_pixel(0, 0));
        prop_assert!(if is_flat { found == 1 } else { found.is_multiple_of(factor) }, "{} of {}", found, factor);
        if !is_flat {
            prop_assert_eq!(enlarge(&shrink(&large, found), found).unwrap(), large);
        }
    }

    #[test]
    fn doubling_invents_no_colour_and_knows_no_direction(sprite in sprite()) {
        let large = scale2x(&sprite).unwrap();
        prop_assert_eq!(large.dimensions(), (2 * sprite.width(), 2 * sprite.height()));
        prop_assert!(has_no_new_colors(&large, &sprite));
        prop_assert_eq!(scale2x(&mirror(&sprite)).unwrap(), mirror(&large));
        prop_assert_eq!(scale2x(&imageops::rotate90(&sprite)).unwrap(), imageops::rotate90(&large));
    }

    #[test]
    fn trimming_and_padding_move_no_visible_pixel(image in image(), margin in 0u32..9) {
        let trimmed = trim(&image);
        prop_assert_eq!(&trim(&trimmed), &trimmed);
        prop_assert_eq!(drawn(&trimmed), drawn(&image));
        let padded = pad(&image, margin).unwrap();
        prop_assert_eq!(padded.dimensions(), (image.width() + 2 * margin, image.height() + 2 * margin));
        let inside = imageops::crop_imm(&padded, margin, margin, image.width(), image.height()).to_image();
        prop_assert_eq!(&inside, &image);
        prop_assert_eq!(drawn(&padded), drawn(&image));
        match bounding_box(&image) {
            None => prop_assert_eq!(&trimmed, &image),
            Some(found) => {
                prop_assert_eq!(&trim(&padded), &trimmed);
                prop_assert_eq!(trimmed.dimensions(), (found.width_px, found.height_px));
                for (x, y, pixel) in trimmed.enumerate_pixels() {
                    prop_assert_eq!(pixel, image.get_pixel(found.left_px + x, found.top_px + y));
                }
                // No line of its edge is empty.
                let whole = bounding_box(&trimmed).unwrap();
                prop_assert_eq!((whole.width_px, whole.height_px), trimmed.dimensions());
            }
        }
    }

    #[test]
    fn anchors_move_the_figure_as_a_whole(image in image()) {
        for anchor in [Anchor::Keep, Anchor::Center, Anchor::Feet] {
            let moved = anchored(&image, anchor);
            prop_assert_eq!(moved.dimensions(), image.dimensions());
            prop_assert_eq!(trim(&moved), trim(&image), "{:?}", anchor);
            prop_assert_eq!(&anchored(&moved, anchor), &moved, "{:?} twice", anchor);
            let Some(at) = bounding_box(&moved) else { continue };
            let (right, below) = (
                image.width() - at.left_px - at.width_px,
                image.height() - at.top_px - at.height_px,
            );
            match anchor {
                Anchor::Keep => prop_assert_eq!(&moved, &image),
                Anchor::Center => prop_assert!(right - at.left_px <= 1 && below - at.top_px <= 1),
                Anchor::Feet => prop_assert!(image.height() == at.height_px || below == 1),
            }
        }
    }

    #[test]
    fn alpha_becomes_binary_and_opaque_is_opaque(image in image(), threshold in any::<u8>()) {
        let binary = binary_alpha(&image, threshold);
        for (after, before) in binary.pixels().zip(image.pixels()) {
            let [r, g, b, a] = before.0;
            let is_drawn = a > 0 && a >= threshold;
            prop_assert_eq!(after.0, if is_drawn { [r, g, b, 255] } else { [0; 4] });
        }
        prop_assert_eq!(&binary_alpha(&binary, threshold), &binary);
        let full = opaque(&image);
        prop_assert!(full.pixels().all(|pixel| pixel.0[3] == 255));
        for (after, before) in full.pixels().zip(image.pixels()).filter(|(_, before)| before.0[3] >= OPAQUE_FROM) {
            prop_assert_eq!(&after.0[..3], &before.0[..3], "what is drawn keeps its colour");
        }
        prop_assert_eq!(&opaque(&full), &full);
    }

    #[test]
    fn specks_are_loose_and_small_and_nothing_else_goes(sprite in sprite(), most in 0usize..7) {
        let clean = remove_specks(&sprite, most);
        prop_assert_eq!(&remove_specks(&clean, most), &clean);
        let gone: Vec<(u32, u32)> = sprite
            .enumerate_pixels()
            .filter(|(x, y, pixel)| clean.get_pixel(*x, *y) != *pixel)
            .map(|(x, y, _)| (x, y))
            .collect();
        prop_assert!(gone.iter().all(|(x, y)| clean.get_pixel(*x, *y).0 == [0; 4]));
        prop_assert!(gone.len() * 20 <= drawn(&sprite), "{} of {}", gone.len(), drawn(&sprite));
        prop_assert!(drawn(&sprite) == 0 || drawn(&clean) > 0, "a figure stays");
        for (x, y) in &gone {
            let near = |(a, b): (u32, u32)| a.abs_diff(*x) <= 1 && b.abs_diff(*y) <= 1;
            let touches = clean.enumerate_pixels().any(|(a, b, pixel)| pixel.0[3] > 0 && near((a, b)));
            prop_assert!(!touches, "({}, {}) touches what stays", x, y);
        }
        // Each of them belongs to a group of at most `most`: no more of them hang together.
        for start in &gone {
            let mut group = vec![*start];
            let mut next = 0;
            while let Some((x, y)) = group.get(next).copied() {
                next += 1;
                let near = gone.iter().filter(|(a, b)| a.abs_diff(x) <= 1 && b.abs_diff(y) <= 1);
                let new: Vec<_> = near.filter(|place| !group.contains(place)).copied().collect();
                group.extend(new);
            }
            prop_assert!(group.len() <= most);
        }
    }

    #[test]
    fn outlines_stand_around_the_figure_and_come_off(sprite in sprite(), corners in any::<bool>()) {
        let image = pad(&sprite, 2).unwrap();
        let outline = Outline { color: LINE, side: OutlineSide::Outer, corners };
        let outlined = add_outline(&image, &outline);
        let is_drawn = |image: &RgbaImage, x: u32, y: u32| image.get_pixel(x, y).0[3] > 0;
        let beside = |x: u32, y: u32| {
            image.enumerate_pixels().any(|(a, b, pixel)| {
                let (dx, dy) = (a.abs_diff(x), b.abs_diff(y));
                pixel.0[3] > 0 && dx.max(dy) == 1 && (corners || dx + dy == 1)
            })
        };
        for (x, y, pixel) in outlined.enumerate_pixels() {
            let expected = match is_drawn(&image, x, y) {
                true => *image.get_pixel(x, y),
                false if beside(x, y) => Rgba([LINE[0], LINE[1], LINE[2], 255]),
                false => Rgba([0; 4]),
            };
            prop_assert_eq!(pixel, &expected, "({}, {})", x, y);
        }
        let color = HexColor(LINE);
        let add = OutlineEdit::Add { color, side: OutlineSide::Outer, corners };
        prop_assert_eq!(&edit_outline(&image, &add), &outlined);
        prop_assert_eq!(&edit_outline(&outlined, &add), &outlined, "twice is once");
        // It comes off wherever the outside reaches it; in enclosed places it stays.
        let bare = remove_outline(&outlined, LINE, 1e-4);
        for (x, y, pixel) in bare.enumerate_pixels() {
            if is_drawn(&image, x, y) {
                prop_assert_eq!(pixel, image.get_pixel(x, y));
            } else if pixel.0[3] > 0 {
                let is_open = [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)].iter().any(|(x, y)| !is_drawn(&outlined, *x, *y));
                prop_assert!(!is_open, "({}, {}) stayed", x, y);
            }
        }
        let inner = Outline { side: OutlineSide::Inner, ..outline };
        let lined = add_outline(&image, &inner);
        prop_assert_eq!(&add_outline(&lined, &inner), &lined);
        prop_assert!(lined.pixels().zip(image.pixels()).all(|(a, b)| a.0[3] == b.0[3]), "the shape stays");
    }

    #[test]
    fn edits_of_the_outline_change_the_rim_only(sprite in sprite()) {
        let color = HexColor(LINE);
        let recolored = edit_outline(&sprite, &OutlineEdit::Recolor { color });
        for (after, before) in recolored.pixels().zip(sprite.pixels()) {
            prop_assert!(after == before || (before.0[3] > 0 && after.0 == [LINE[0], LINE[1], LINE[2], 255]));
        }
        let bare = edit_outline(&sprite, &OutlineEdit::Remove);
        prop_assert!(bare.pixels().zip(sprite.pixels()).all(|(after, before)| after == before || after.0 == [0; 4]));
        prop_assert!(drawn(&sprite) == 0 || drawn(&bare) > 0, "a figure stays");
        prop_assert_eq!(&edit_outline(&sprite, &OutlineEdit::Keep), &sprite);
        prop_assert!((0.0..=1.0).contains(&outline_completeness(&sprite)));
        prop_assert_eq!(outline_completeness(&mirror(&sprite)), outline_completeness(&sprite));
    }

    #[test]
    fn clean_up_takes_colours_from_the_sprite_and_rests(sprite in sprite(), keep in 0f32..0.5) {
        let smooth = smooth_jaggies(&sprite);
        prop_assert!(has_no_new_colors(&smooth, &sprite));
        prop_assert!(smooth.pixels().zip(sprite.pixels()).all(|(a, b)| a.0[3] <= b.0[3]), "nothing is added");
        prop_assert_eq!(&smooth_jaggies(&smooth), &smooth, "twice is once");
        let clean = remove_orphans(&sprite, keep);
        prop_assert!(has_no_new_colors(&clean, &sprite));
        prop_assert!(clean.pixels().zip(sprite.pixels()).all(|(a, b)| a.0[3] == b.0[3]), "the shape stays");
        prop_assert_eq!(&remove_orphans(&clean, keep), &clean, "twice is once");
        // With a threshold that no colour reaches, all stand out and stay.
        prop_assert_eq!(&remove_orphans(&sprite, -1.0), &sprite);
    }

    #[test]
    fn halves_are_mirrored_about_the_middle_of_the_figure(sprite in sprite()) {
        let turned = |image: &RgbaImage, symmetry| match symmetry {
            Symmetry::Left | Symmetry::Right => mirror(image),
            _ => flip(image),
        };
        for symmetry in [Symmetry::Left, Symmetry::Right, Symmetry::Top, Symmetry::Bottom] {
            let even = symmetric(&sprite, symmetry);
            prop_assert_eq!(&symmetric(&even, symmetry), &even);
            prop_assert!(has_no_new_colors(&even, &sprite));
            if bounding_box(&even).is_some() {
                let figure = trim(&even);
                prop_assert_eq!(&turned(&figure, symmetry), &figure, "{:?}", symmetry);
            }
        }
        prop_assert_eq!(mirror(&symmetric(&sprite, Symmetry::Left)), symmetric(&mirror(&sprite), Symmetry::Right));
        prop_assert_eq!(flip(&symmetric(&sprite, Symmetry::Top)), symmetric(&flip(&sprite), Symmetry::Bottom));
        prop_assert_eq!(&symmetric(&sprite, Symmetry::None), &sprite);
    }
}
