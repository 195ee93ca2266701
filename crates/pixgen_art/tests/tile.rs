//! What holds for tiles: seams are measured, mended in the tile's own colours, and never made worse.
#![allow(clippy::unwrap_used)]

mod common;

use common::tiles::{bricks, cobbles};
use common::{Random, golden, noise};
use image::{Rgba, RgbaImage};
use pixgen_art::Palette;
use pixgen_art::tile::{SeamRepair, Seams, check_pairs, preview_3x3, repair_seams};
use proptest::prelude::*;

/// Before, after, and whether the seam was and is seen, per axis.
fn axes(repair: &SeamRepair) -> [(f32, f32, bool, bool); 2] {
    let (before, after) = (repair.before, repair.after);
    [
        (before.columns_z, after.columns_z, !before.columns_fit(), !after.columns_fit()),
        (before.rows_z, after.rows_z, !before.rows_fit(), !after.rows_fit()),
    ]
}

/// Beside each other, on black.
fn side_by_side(images: &[&RgbaImage]) -> RgbaImage {
    let width: u32 = images.iter().map(|image| image.width() + 2).sum::<u32>() - 2;
    let height = images.iter().map(|image| image.height()).max().unwrap();
    let mut all = RgbaImage::from_pixel(width, height, Rgba([0, 0, 0, 255]));
    let mut left = 0;
    for image in images {
        image::imageops::replace(&mut all, *image, left, 0);
        left += i64::from(image.width()) + 2;
    }
    all
}

#[test]
fn seams_of_drawn_tiles_are_mended() {
    let tiles = [
        ("cobbles", cobbles(32, 20, false, &mut Random(4))),
        ("large stones", cobbles(48, 10, false, &mut Random(5))),
        ("large cobbles", cobbles(64, 40, false, &mut Random(12))),
    ];
    for (name, tile) in tiles {
        let repair = repair_seams(&tile);
        assert!(axes(&repair).iter().any(|(_, _, was_seen, _)| *was_seen), "{name} has no seam: {:?}", repair.before);
        for (before, after, was_seen, is_seen) in axes(&repair) {
            assert!(!is_seen && (!was_seen || after < before), "{name}: {before} became {after}");
        }
        assert_eq!(Seams::of(&repair.tile), repair.after);
        let name = name.replace(' ', "_");
        let [before, after] = [&tile, &repair.tile].map(|tile| preview_3x3(tile).unwrap());
        golden::check(&format!("tile/repair_{name}"), &side_by_side(&[&before, &after]));
    }
}

#[test]
fn nine_of_a_tile_look_as_they_did() {
    golden::check("tile/preview_cobbles", &preview_3x3(&cobbles(24, 14, true, &mut Random(4))).unwrap());
    golden::check("tile/preview_bricks", &preview_3x3(&bricks(16, 16, (0, 0))).unwrap());
}

#[test]
fn most_seams_of_cut_textures_are_mended_and_the_others_stay() {
    let (mut seen, mut mended) = (0, 0);
    for seed in 0..200 {
        // Cobbles are cut in their midst along all four edges; most of such tiles have a seam to be seen.
        let repair = repair_seams(&cobbles(32, 24, false, &mut Random(seed)));
        for (before, after, was_seen, is_seen) in axes(&repair) {
            seen += u32::from(was_seen);
            mended += u32::from(was_seen && !is_seen);
            assert!(!is_seen || after <= before, "{before} became {after}");
        }
    }
    assert!(seen > 200 && mended * 10 >= seen * 8, "{mended} of {seen}");
}

#[test]
fn a_slope_stays_as_nothing_leads_back() {
    let slope = RgbaImage::from_fn(32, 16, |x, y| Rgba([(x * 8) as u8, (x * 7 + y % 3) as u8, 40, 255]));
    let repair = repair_seams(&slope);
    assert!(!repair.before.columns_fit());
    assert_eq!(repair.after, repair.before);
    assert!(repair.tile == slope);
}

#[test]
fn tiles_cut_from_one_wall_fit_where_they_were_cut() {
    let wall = bricks(64, 16, (0, 0));
    let cut = |left: u32| image::imageops::crop_imm(&wall, left, 0, 16, 16).to_image();
    let tiles = [cut(0), cut(16), cut(5)];
    let pairs = check_pairs(&tiles).unwrap();
    let seams = |first: usize, second: usize| pairs[3 * first + second].seams;
    assert!(seams(0, 1).columns_fit() && seams(1, 0).columns_fit(), "{:?} {:?}", seams(0, 1), seams(1, 0));
    // What is cut at another place of the brick fits worse: joints meet faces.
    let step = |first: usize, second: usize| seams(first, second).columns_ratio;
    assert!(step(0, 2) < 2.0, "{}", step(0, 2));
}

/// A texture of blocks, as large as the noise in it is coarse, seldom seamless.
fn texture() -> impl Strategy<Value = RgbaImage> {
    (8u32..40, 8u32..40, 1u32..6, 2u8..7, any::<u64>()).prop_map(|(width, height, block, colors, seed)| {
        let mut random = Random(seed);
        let columns = width.div_ceil(block);
        let blocks: Vec<u8> =
            (0..columns * height.div_ceil(block)).map(|_| random.below(colors.into()) as u8).collect();
        RgbaImage::from_fn(width, height, |x, y| {
            let at = (y / block * columns + x / block) as usize;
            Rgba([40 + 30 * blocks[at], 60 + 11 * blocks[at], 90, 255])
        })
    })
}

proptest! {
    #[test]
    fn repair_keeps_the_palette_and_makes_no_seam_worse(tile in texture()) {
        let repair = repair_seams(&tile);
        prop_assert_eq!(repair.before, Seams::of(&tile));
        prop_assert_eq!(repair.after, Seams::of(&repair.tile));
        prop_assert_eq!(repair.tile.dimensions(), tile.dimensions());
        let palette = Palette::of(&tile);
        prop_assert!(repair.tile.pixels().all(|p| palette.colors().contains(&[p.0[0], p.0[1], p.0[2]])));
        for (before, after, _, is_seen) in axes(&repair) {
            prop_assert!(!is_seen || after <= before, "{} became {}", before, after);
        }
        if repair.tile != tile {
            prop_assert!(repair.after.columns_z < repair.before.columns_z || repair.after.rows_z < repair.before.rows_z);
        }
        prop_assert!(repair_seams(&tile) == repair, "the same tile gives the same result");
    }

    #[test]
    fn seamless_tiles_are_left_alone(seed in any::<u64>(), stones in 6u32..30) {
        let tile = cobbles(24, stones, true, &mut Random(seed));
        let repair = repair_seams(&tile);
        if repair.before.is_seamless() {
            prop_assert!(repair.tile == tile);
        }
        // A mended tile without a seam is such a tile.
        let once = repair_seams(&noise(20, 20, &mut Random(seed))).tile;
        if Seams::of(&once).is_seamless() {
            prop_assert!(repair_seams(&once).tile == once);
        }
    }

    #[test]
    fn any_image_is_measured_and_mended_without_a_panic(width in 0u32..20, height in 0u32..20, seed in any::<u64>()) {
        let tile = noise(width, height, &mut Random(seed));
        prop_assert_eq!(repair_seams(&tile).tile.dimensions(), (width, height));
    }
}
