//! Pictures of a known sprite, enlarged in known ways, become the sprite again.
#![allow(clippy::unwrap_used)]

mod common;

use common::{KNIGHT_COLORS, Random, knight, noise, with_noise};
use image::imageops::{FilterType, resize};
use image::{Rgba, RgbaImage};
use pixgen_art::restore::{Grid, GridSize, sprite_of};
use pixgen_art::{Palette, scale};

/// The knight on a painted wall, so that alpha plays no part.
fn on_a_wall() -> RgbaImage {
    let mut picture = RgbaImage::from_pixel(32, 32, Rgba([96, 110, 84, 255]));
    image::imageops::overlay(&mut picture, &knight(), 0, 0);
    picture
}

fn palette() -> Palette {
    Palette::new(KNIGHT_COLORS.into_iter().chain([[96, 110, 84]]))
}

#[test]
fn every_filter_is_undone_at_whole_and_broken_scales() {
    for filter in [FilterType::Nearest, FilterType::Triangle, FilterType::CatmullRom, FilterType::Lanczos3] {
        for (width, height) in [(256, 256), (211, 198), (390, 370)] {
            let picture = resize(&on_a_wall(), width, height, filter);
            let grid = Grid::detect(&picture, GridSize::Unknown);
            let context = format!("{filter:?} {width}×{height}");
            assert_eq!((grid.x.cells, grid.y.cells), (32, 32), "{context}: {:?}", grid.x.pitch_px);
            assert!(grid.confidence > 0.95, "{context}: {}", grid.confidence);
            let sprite = palette().apply(&grid.invert(&picture).unwrap());
            let wrong = sprite.pixels().zip(on_a_wall().pixels()).filter(|(a, b)| a != b).count();
            assert!(wrong <= 10, "{context}: {wrong} of 1024 cells are wrong");
        }
    }
}

#[test]
fn a_size_that_is_given_is_kept() {
    for (width, height) in [(100, 100), (203, 301), (64, 64)] {
        for size in [(32, 32), (31, 33), (7, 50), (1, 1)] {
            let picture = resize(&on_a_wall(), width, height, FilterType::Triangle);
            let grid = Grid::detect(&picture, GridSize::Cells { width: size.0, height: size.1 });
            assert_eq!(grid.invert(&picture).unwrap().dimensions(), size);
        }
    }
}

#[test]
fn a_known_scale_needs_no_search() {
    let picture = with_noise(&scale::enlarge(&on_a_wall(), 8).unwrap(), 4, &mut Random(4));
    let grid = Grid::detect(&picture, GridSize::Scale { x_px: 8.0, y_px: 8.0 });
    assert_eq!((grid.x.cells, grid.y.cells), (32, 32));
    assert_eq!(palette().apply(&grid.invert(&picture).unwrap()), on_a_wall());
}

#[test]
fn half_transparent_edges_become_a_clean_cut() {
    let soft = resize(&knight(), 250, 250, FilterType::Triangle);
    // Straight alpha was interpolated unmultiplied by `resize`, so that only the cut is compared here.
    let sprite = Grid::detect(&soft, GridSize::Cells { width: 32, height: 32 }).invert(&soft).unwrap();
    let wrong = sprite.pixels().zip(knight().pixels()).filter(|(a, b)| a.0[3] != b.0[3]).count();
    assert_eq!(wrong, 0);
}

#[test]
fn any_picture_gives_some_grid() {
    let mut random = Random(11);
    for (width, height) in [(0, 0), (1, 1), (3, 0), (2, 9), (5, 5), (64, 3), (40, 40)] {
        for picture in [noise(width, height, &mut random), RgbaImage::from_pixel(width, height, Rgba([7, 7, 7, 255]))] {
            let nan = GridSize::Scale { x_px: f32::NAN, y_px: -3.0 };
            for size in [GridSize::Unknown, GridSize::Cells { width: 0, height: 9 }, nan] {
                let grid = Grid::detect(&picture, size);
                let sprite = grid.invert(&picture).unwrap();
                assert_eq!(sprite.dimensions(), (grid.x.cells, grid.y.cells), "{width}×{height} {size:?}");
                assert!((0.0..=1.0).contains(&grid.confidence));
            }
        }
    }
}

#[test]
fn pixel_art_passes_through_unchanged_and_twice_is_once() {
    assert_eq!(sprite_of(&knight()), knight());
    assert_eq!(sprite_of(&scale::enlarge(&knight(), 5).unwrap()), knight());
    for (width, height) in [(256, 256), (211, 198)] {
        let once = sprite_of(&resize(&on_a_wall(), width, height, FilterType::CatmullRom));
        assert_eq!(once.dimensions(), (32, 32));
        assert_eq!(sprite_of(&once), once);
    }
}

#[test]
fn what_does_not_fit_a_picture_is_refused_or_cut_to_it() {
    let picture = RgbaImage::from_pixel(12, 7, Rgba([9, 80, 40, 255]));
    let grid = Grid::detect(&picture, GridSize::Cells { width: u32::MAX, height: u32::MAX });
    assert_eq!((grid.x.cells, grid.y.cells), (12, 7));
    let error = grid.invert(&RgbaImage::new(5, 7)).unwrap_err().to_string();
    assert!(error.contains("12×7") && error.contains("5×7"), "{error}");
    assert_eq!(pixgen_art::palette::merge_noise(&picture, f32::NAN), picture);
}
