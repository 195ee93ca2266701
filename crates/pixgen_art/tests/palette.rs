//! What a reduced palette promises.
#![allow(clippy::unwrap_used)]

mod common;

use common::{KNIGHT_COLORS, Random, gradient, knight, noise, pictures, with_noise};
use image::{Rgba, RgbaImage};
use pixgen_art::{MERGE_DELTA_E, Palette, delta_e, reduce_colors};

fn rgb(pixel: &Rgba<u8>) -> [u8; 3] {
    [pixel.0[0], pixel.0[1], pixel.0[2]]
}

/// Mean difference between the drawn pixels of two images.
fn mean_delta_e(a: &RgbaImage, b: &RgbaImage) -> f32 {
    let pairs: Vec<_> = a.pixels().zip(b.pixels()).filter(|(a, _)| a.0[3] > 0).collect();
    pairs.iter().map(|(a, b)| delta_e(rgb(a), rgb(b))).sum::<f32>() / pairs.len() as f32
}

#[test]
fn an_image_with_few_colours_is_not_touched() {
    // Two of them are nearer than the merge threshold: an artist who needs both keeps both.
    let image = RgbaImage::from_fn(4, 1, |x, _| {
        [[9, 9, 9], [10, 9, 9], [200, 0, 0], [0, 0, 200]].map(|[r, g, b]| Rgba([r, g, b, 255]))[x as usize]
    });
    assert_eq!(reduce_colors(&image, 4), image);
    assert_eq!(reduce_colors(&knight(), 8), knight());
}

#[test]
fn noise_of_two_levels_is_merged_into_the_drawn_colours() {
    for seed in 0..20 {
        let noisy = with_noise(&knight(), 2, &mut Random(seed));
        let before = Palette::of(&noisy).len();
        let palette = Palette::reduced(&noisy, 16);
        assert!(before > 150, "{before}");
        assert_eq!(palette.len(), KNIGHT_COLORS.len(), "seed {seed}: {before} colours became {palette:?}");
        for drawn in KNIGHT_COLORS {
            let found = palette.nearest(drawn).unwrap();
            assert!(delta_e(drawn, found) < MERGE_DELTA_E, "{drawn:?} became {found:?}");
        }
        assert_eq!(Palette::new(KNIGHT_COLORS).apply(&palette.apply(&noisy)), knight());
    }
}

#[test]
fn small_bright_parts_survive() {
    // A gradient of greys fills the image; two pixels are a red eye. With 8 colours the eye has one of them.
    let mut image = RgbaImage::from_fn(32, 32, |x, y| {
        let grey = (x * 4 + y * 3) as u8;
        Rgba([grey, grey, grey.saturating_add(8), 255])
    });
    image.put_pixel(10, 10, Rgba([255, 30, 20, 255]));
    image.put_pixel(13, 10, Rgba([255, 30, 20, 255]));
    let reduced = reduce_colors(&image, 8);
    assert_eq!(reduced.get_pixel(10, 10).0, [255, 30, 20, 255]);
    assert_eq!(Palette::of(&reduced).len(), 8);
}

#[test]
fn every_colour_of_the_palette_is_one_of_the_image() {
    for (name, picture) in pictures() {
        let all = Palette::of(&picture);
        for max_colors in [1, 2, 5, 16, 300] {
            let palette = Palette::reduced(&picture, max_colors);
            assert!(palette.len() <= max_colors as usize, "{name}");
            assert!(palette.colors().iter().all(|color| all.colors().contains(color)), "{name}");
            assert_eq!(palette.is_empty(), all.is_empty(), "{name}");
        }
    }
}

#[test]
fn more_colours_never_look_worse() {
    for picture in [gradient(48, 48), noise(32, 32, &mut Random(11)), with_noise(&knight(), 20, &mut Random(1))] {
        let errors: Vec<_> = [2, 4, 8, 16, 32, 64].map(|n| mean_delta_e(&picture, &reduce_colors(&picture, n))).into();
        assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
    }
}

#[test]
fn sixteen_colours_hold_a_gradient() {
    let picture = gradient(64, 64);
    let error = mean_delta_e(&picture, &reduce_colors(&picture, 16));
    assert!(error < 0.06, "{error}");
}

#[test]
fn the_order_is_from_dark_to_light_and_does_not_depend_on_the_place() {
    let palette = Palette::reduced(&noise(32, 32, &mut Random(4)), 12);
    let black = [0; 3];
    assert!(palette.colors().is_sorted_by(|a, b| lightness(*a) <= lightness(*b)), "{palette:?}");
    assert_eq!(Palette::new([black, [255; 3], black]).colors(), [black, [255; 3]]);
    let picture = noise(32, 32, &mut Random(4));
    let turned = image::imageops::rotate180(&picture);
    assert_eq!(Palette::reduced(&turned, 12), Palette::reduced(&picture, 12));
}

/// Lightness in OKLab, by way of the grey that is as light: `delta_e` between greys is their difference in lightness.
fn lightness(rgb: [u8; 3]) -> f32 {
    let linear = rgb.map(|part| {
        let part = f32::from(part) / 255.0;
        (if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }) + 0.005
    });
    let cone = |weights: [f32; 3]| weights.iter().zip(linear).map(|(weight, part)| weight * part).sum::<f32>().cbrt();
    let long = cone([0.412_221_46, 0.536_332_55, 0.051_445_995]);
    let medium = cone([0.211_903_5, 0.680_699_5, 0.107_396_96]);
    let short = cone([0.088_302_46, 0.281_718_85, 0.629_978_7]);
    0.210_454_26 * long + 0.793_617_8 * medium - 0.004_072_047 * short
}

#[test]
fn frames_share_one_palette() {
    let frames: Vec<_> = (0..4).map(|seed| with_noise(&knight(), 6, &mut Random(seed))).collect();
    let palette = Palette::reduced_jointly(&frames, 8);
    assert_eq!(palette.len(), 8);
    let nearest_drawn = Palette::new(KNIGHT_COLORS);
    for frame in &frames {
        assert_eq!(nearest_drawn.apply(&palette.apply(frame)), knight());
    }
}

#[test]
fn a_large_picture_of_noise_takes_moments() {
    let picture = noise(512, 512, &mut Random(8));
    let start = std::time::Instant::now();
    let palette = Palette::reduced(&picture, 16);
    assert_eq!(palette.len(), 16);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn an_empty_palette_changes_nothing() {
    let empty = Palette::default();
    assert!(empty.is_empty());
    assert_eq!(empty.nearest([1, 2, 3]), None);
    assert_eq!(empty.apply(&knight()), knight());
    assert!(Palette::of(&RgbaImage::new(0, 0)).is_empty());
}
