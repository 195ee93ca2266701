//! Pictures of a known sprite, enlarged in known ways, become the sprite again.
#![allow(clippy::unwrap_used)]

mod common;

use common::{KNIGHT_COLORS, Random, knight, noise, with_noise};
use image::imageops::{FilterType, resize};
use image::{Rgba, RgbaImage};
use pixgen_art::restore::{Grid, GridSize, restore, sprite_of};
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
            let grid = Grid::detect(&picture, GridSize::Unknown).unwrap();
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
            let grid = Grid::detect(&picture, GridSize::Cells { width: size.0, height: size.1 }).unwrap();
            assert_eq!(grid.invert(&picture).unwrap().dimensions(), size);
        }
    }
}

#[test]
fn a_known_scale_needs_no_search() {
    let picture = with_noise(&scale::enlarge(&on_a_wall(), 8).unwrap(), 4, &mut Random(4));
    let grid = Grid::detect(&picture, GridSize::Scale { x_px: 8.0, y_px: 8.0 }).unwrap();
    assert_eq!((grid.x.cells, grid.y.cells), (32, 32));
    assert_eq!(palette().apply(&grid.invert(&picture).unwrap()), on_a_wall());
}

#[test]
fn half_transparent_edges_become_a_clean_cut() {
    let soft = resize(&knight(), 250, 250, FilterType::Triangle);
    // Straight alpha was interpolated unmultiplied by `resize`, so that only the cut is compared here.
    let sprite = Grid::detect(&soft, GridSize::Cells { width: 32, height: 32 }).unwrap().invert(&soft).unwrap();
    let wrong = sprite.pixels().zip(knight().pixels()).filter(|(a, b)| a.0[3] != b.0[3]).count();
    assert_eq!(wrong, 0);
}

#[test]
fn any_picture_gives_some_grid() {
    let mut random = Random(11);
    for (width, height) in [(0, 0), (1, 1), (3, 0), (2, 9), (5, 5), (64, 3), (40, 40)] {
        for picture in [noise(width, height, &mut random), RgbaImage::from_pixel(width, height, Rgba([7, 7, 7, 255]))] {
            let whole = GridSize::Cells { width: width.max(1), height: height.max(1) };
            for size in [GridSize::Unknown, whole, GridSize::Scale { x_px: 1.5, y_px: 1.0 }] {
                // A picture without pixels has no cells, and one column no wide ones.
                let Ok(grid) = Grid::detect(&picture, size) else {
                    assert!(size != GridSize::Unknown && (width < 2 || height == 0), "{width}×{height} {size:?}");
                    continue;
                };
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
fn a_texture_of_many_colours_is_at_scale_1() {
    let mut random = Random(3);
    for (width, height) in [(32, 32), (48, 32), (64, 64)] {
        // Bricks with grain: every pixel its own colour.
        let bricks = RgbaImage::from_fn(width, height, |x, y| match (x % 8, y % 4) {
            (0, _) | (_, 0) => Rgba([60, 52, 50, 255]),
            _ => Rgba([150, 80, 60, 255]),
        });
        let texture = with_noise(&bricks, 40, &mut random);
        assert!(Grid::detect(&texture, GridSize::Unknown).unwrap().is_of_pixels(), "{width}×{height}");
        assert_eq!(sprite_of(&texture), texture);
    }
}

#[test]
fn a_grid_that_no_picture_can_have_is_refused() {
    let picture = RgbaImage::from_pixel(12, 7, Rgba([9, 80, 40, 255]));
    let scale = |x_px, y_px| GridSize::Scale { x_px, y_px };
    let cells = |width, height| GridSize::Cells { width, height };
    for (size, asked) in [
        (scale(f32::NAN, 2.0), "NaN×2 px"),
        (scale(2.0, 0.99), "2×0.99 px"),
        (scale(-3.0, 1.0), "-3×1 px"),
        (scale(2.0, f32::INFINITY), "2×inf px"),
        (scale(12.5, 2.0), "12.5×2 px"),
        (cells(0, 7), "0×7 cells"),
        (cells(12, 8), "12×8 cells"),
        (cells(u32::MAX, u32::MAX), "4294967295×4294967295 cells"),
    ] {
        let error = Grid::detect(&picture, size).unwrap_err().to_string();
        let parts = ["12×7 px", asked, "at least"];
        assert!(parts.iter().all(|part| error.contains(part)), "{size:?}: {error}");
        assert_eq!(restore(&picture, size).unwrap_err().to_string(), error);
    }
    assert_eq!(restore(&picture, cells(12, 7)).unwrap().dimensions(), (12, 7));
    let grid = Grid::detect(&picture, GridSize::Unknown).unwrap();
    let error = grid.invert(&RgbaImage::new(5, 7)).unwrap_err().to_string();
    assert!(error.contains("12×7") && error.contains("5×7"), "{error}");
    assert_eq!(pixgen_art::palette::merge_noise(&picture, f32::NAN), picture);
}
