//! Golden images of the pipeline's operations, one small picture each, from sprites in `tests/input` and drawn ones.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{Random, golden, with_noise};
use image::imageops::{FilterType, overlay, resize};
use image::{Rgba, RgbaImage};
use pixgen_api::{
    Anchor, Background, Dither, HexColor, OutlineEdit, OutlineSide, PaletteSource, PixelArt, Scale, Symmetry,
};
use pixgen_art::alpha::{OPAQUE_FROM, binary_alpha, opaque, remove_specks};
use pixgen_art::background::{BackgroundOptions, despill, remove_background};
use pixgen_art::clean::{edit_outline, smooth_jaggies, symmetric};
use pixgen_art::dither::dither;
use pixgen_art::downscale::{Cells, center, content_adaptive, k_centroid, majority, median};
use pixgen_art::outline::remove_orphans;
use pixgen_art::palette::{Classic, swap_palette};
use pixgen_art::restore::{GridSize, restore};
use pixgen_art::transform::{mirror, rotate, scale2x};
use pixgen_art::{ArtError, Palette, Pipeline, frame, merge_noise, scale};

/// A sprite of `tests/input`.
fn sprite(name: &str) -> RgbaImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/input").join(format!("{name}.png"));
    image::open(path).unwrap().to_rgba8()
}

/// The sprite as a model paints it: edges `scale` picture pixels wide that are soft, and noise of a few levels.
fn painted(sprite: &RgbaImage, scale: u32) -> RgbaImage {
    let (width, height) = sprite.dimensions();
    let soft = resize(sprite, width * scale, height * scale, FilterType::CatmullRom);
    with_noise(&soft, 5, &mut Random(4))
}

/// The sprite at half a pixel's offset in front of a background, so that its rim is a mixture of both.
fn on_background(sprite: &RgbaImage, background: impl Fn(u32, u32) -> [u8; 3]) -> RgbaImage {
    let (width, height) = (sprite.width() + 4, sprite.height() + 4);
    let mut picture = RgbaImage::from_fn(4 * width, 4 * height, |x, y| {
        let [r, g, b] = background(x / 4, y / 4);
        Rgba([r, g, b, u8::MAX])
    });
    overlay(&mut picture, &scale::enlarge(sprite, 4).unwrap(), 9, 9);
    resize(&picture, width, height, FilterType::Triangle)
}

/// A lit ball before an evening sky: two gradients that few colours cannot hold.
fn ball() -> RgbaImage {
    RgbaImage::from_fn(48, 48, |x, y| {
        let (dx, dy) = (x as f32 - 23.5, y as f32 - 23.5);
        let blend = |from: [f32; 3], to: [f32; 3], share: f32| {
            [0, 1, 2].map(|part| (from[part] + share.clamp(0.0, 1.0) * (to[part] - from[part])) as u8)
        };
        let [r, g, b] = if dx.hypot(dy) < 17.0 {
            blend([255.0, 214.0, 150.0], [72.0, 16.0, 40.0], (dx + 8.0).hypot(dy + 8.0) / 26.0)
        } else {
            blend([34.0, 32.0, 92.0], [240.0, 150.0, 170.0], y as f32 / 47.0)
        };
        Rgba([r, g, b, u8::MAX])
    })
}

fn named(name: &str) -> Palette {
    Palette::new(Classic::find(name).unwrap().colors())
}

/// A picture from rows of letters: `#` near black, `r` red, `o` orange, `b` blue, anything else transparent.
fn drawing(rows: &[&str]) -> RgbaImage {
    RgbaImage::from_fn(rows[0].len() as u32, rows.len() as u32, |x, y| match rows[y as usize].as_bytes()[x as usize] {
        b'#' => Rgba([26, 24, 32, 255]),
        b'r' => Rgba([178, 50, 48, 255]),
        b'o' => Rgba([236, 140, 60, 255]),
        b'b' => Rgba([60, 90, 190, 255]),
        _ => Rgba([0; 4]),
    })
}

#[test]
fn downscaling() {
    let picture = painted(&sprite("knight"), 8);
    let cells = Cells::by_factor(picture.dimensions(), 8.0);
    // As in the pipeline: their alpha is coverage, which is decided afterwards.
    let check = |name: &str, small: &RgbaImage| golden::check(name, &binary_alpha(small, OPAQUE_FROM));
    check("downscale/k_centroid", &k_centroid(&picture, &cells, 0.0));
    check("downscale/k_centroid_outline_bias", &k_centroid(&picture, &cells, 0.7));
    check("downscale/majority", &majority(&picture, &cells, 0.0));
    check("downscale/center", &center(&picture, &cells));
    check("downscale/median", &median(&picture, &cells));
    check("downscale/content_adaptive", &content_adaptive(&picture, &cells, 0.0));
    let size = GridSize::Cells { width: 32, height: 32 };
    golden::check("downscale/restore", &merge_noise(&restore(&picture, size).unwrap(), 0.03));
    // Thin lines on a lattice that does not fit them: here the bias decides whether they stay.
    let lines = RgbaImage::from_fn(128, 128, |x, y| {
        let (dx, dy) = (f64::from(x) - 63.5, f64::from(y) - 63.5);
        let away = dx.hypot(dy);
        let [r, g, b] = match away {
            52.0..55.5 => [30, 26, 40],
            0.0..52.0 if (dx - dy).abs() < 2.2 => [30, 26, 40],
            0.0..52.0 => [220, 180, 90],
            _ => return Rgba([0; 4]),
        };
        Rgba([r, g, b, 255])
    });
    let cells = Cells::by_factor(lines.dimensions(), 8.0);
    check("downscale/thin_lines", &k_centroid(&lines, &cells, 0.0));
    check("downscale/thin_lines_outline_bias", &k_centroid(&lines, &cells, 1.0));
}

#[test]
fn dithers() {
    for kind in Dither::ALL {
        let name = format!("{kind:?}").to_lowercase();
        golden::check(&format!("dither/{name}_game_boy"), &dither(&ball(), &named("game-boy"), kind, 1.0));
        golden::check(&format!("dither/{name}_pico_8"), &dither(&ball(), &named("pico-8"), kind, 1.0));
    }
    golden::check("dither/bayer4_half", &dither(&ball(), &named("pico-8"), Dither::Bayer4, 0.5));
}

#[test]
fn backgrounds() {
    let ogre = sprite("ogre");
    let shaded = on_background(&ogre, |x, y| [90 + 2 * x as u8, 120 + 2 * y as u8, 190]);
    let cut = remove_background(&shaded, &BackgroundOptions::default());
    golden::check("background/shaded_before", &shaded);
    golden::check("background/shaded", &cut);
    golden::check("background/shaded_despilled", &despill(&shaded, &cut));
    let noisy = |x: u32, y: u32| {
        let grain = Random(u64::from(64 * y + x)).below(17) as u8;
        [150 + grain, 120 + grain, 90 + grain]
    };
    let noisy = on_background(&sprite("slime"), noisy);
    golden::check("background/noisy_before", &noisy);
    golden::check(
        "background/noisy_despilled",
        &despill(&noisy, &remove_background(&noisy, &BackgroundOptions::default())),
    );
    let green = on_background(&sprite("potion"), |_, _| [0, 220, 60]);
    let key = BackgroundOptions { key: Some([0, 220, 60]), ..BackgroundOptions::default() };
    let cut = remove_background(&green, &key);
    golden::check("background/key_before", &green);
    golden::check("background/key", &cut);
    golden::check("background/key_despilled", &despill(&green, &cut));
    let key = on_background(&sprite("key"), |_, _| [230, 0, 200]);
    let cut = remove_background(&key, &BackgroundOptions::default());
    golden::check("background/magenta", &cut);
    golden::check("background/magenta_despilled", &despill(&key, &cut));
    // A mug whose handle shows what is behind it.
    let mug = drawing(&[
        "..########......",
        ".#oooooooo#.....",
        ".##########.....",
        ".#rrrrrrrr####..",
        ".#rrrrrrrr#rrr#.",
        ".#rrrrrrrr##..r#",
        ".#rrrrrrrr#...r#",
        ".#rrrrrrrr#...r#",
        ".#rrrrrrrr##..r#",
        ".#rrrrrrrr#rrr#.",
        ".#rrrrrrrr####..",
        "..########......",
    ]);
    let before_wall = on_background(&mug, |x, y| [196 - x as u8, 190 + y as u8, 170]);
    golden::check("background/mug_before", &before_wall);
    for (holes, name) in [(false, "background/mug_no_holes"), (true, "background/mug_holes")] {
        let cut = remove_background(&before_wall, &BackgroundOptions { holes, ..BackgroundOptions::default() });
        golden::check(name, &despill(&before_wall, &cut));
    }
}

#[test]
fn alpha() {
    // As it is painted: soft rims, dots beside the figure, and colours under what is transparent.
    let mut soft = resize(&sprite("potion"), 24, 24, FilterType::CatmullRom);
    let mut random = Random(3);
    for pixel in soft.pixels_mut().filter(|pixel| pixel.0[3] == 0) {
        pixel.0 = [90, 160, 40, random.below(60) as u8];
    }
    for (x, y) in [(1, 2), (2, 3), (21, 4), (3, 19)] {
        soft.put_pixel(x, y, Rgba([200, 210, 220, 240]));
    }
    golden::check("alpha/soft_before", &soft);
    let binary = binary_alpha(&soft, OPAQUE_FROM);
    golden::check("alpha/binary", &binary);
    golden::check("alpha/specks_1", &remove_specks(&binary, 1));
    golden::check("alpha/specks_2", &remove_specks(&binary, 2));
    // A floor with holes takes the colours around them.
    let mut floor = common::tiles::cobbles(24, 12, true, &mut Random(6));
    for (x, y) in [(3, 3), (4, 3), (4, 4), (15, 9), (16, 9), (20, 18)] {
        floor.put_pixel(x, y, Rgba([255, 0, 255, 0]));
    }
    golden::check("alpha/holes_before", &floor);
    golden::check("alpha/opaque", &opaque(&floor));
}

#[test]
fn jaggies() {
    let jagged = drawing(&[
        "..........................",
        "......######..............",
        "....###oooo###............",
        "...##oooooooo##......#....",
        "..##oooooooooo##..########",
        "..#oooooooooooo#..#rrrrrr#",
        ".##oooooooooooo##.#rrrrrr#",
        ".#oooooooooooooo#.#rrrrrr#",
        ".#oorrrrrrrrrroo#.#rrrrrr#",
        ".##rrrrrrrrrrrr##.########",
        "..#rrrrrrrrrrrr#..........",
        "..##rrrrrrrrrr##....##....",
        "...##rrrrrrrr##....##.....",
        "....##rrrrrr##....##......",
        ".....########....##.......",
        "................##........",
    ]);
    golden::check("clean/jaggies_before", &jagged);
    golden::check("clean/jaggies", &smooth_jaggies(&jagged));
    for name in ["knight", "ogre", "book"] {
        golden::check(&format!("clean/jaggies_{name}"), &smooth_jaggies(&sprite(name)));
    }
}

#[test]
fn outlines() {
    let potion = sprite("potion");
    let color = HexColor([250, 240, 120]);
    let add = |side, corners| OutlineEdit::Add { color, side, corners };
    let outer = edit_outline(&potion, &add(OutlineSide::Outer, false));
    golden::check("outline/outer", &outer);
    golden::check("outline/outer_corners", &edit_outline(&potion, &add(OutlineSide::Outer, true)));
    golden::check("outline/inner", &edit_outline(&potion, &add(OutlineSide::Inner, false)));
    golden::check("outline/inner_corners", &edit_outline(&potion, &add(OutlineSide::Inner, true)));
    golden::check("outline/recolored", &edit_outline(&potion, &OutlineEdit::Recolor { color }));
    golden::check("outline/removed", &edit_outline(&potion, &OutlineEdit::Remove));
}

#[test]
fn symmetry_and_orphans() {
    let ogre = sprite("ogre");
    for symmetry in [Symmetry::Left, Symmetry::Right, Symmetry::Top, Symmetry::Bottom] {
        let name = format!("{symmetry:?}").to_lowercase();
        golden::check(&format!("clean/symmetry_{name}"), &symmetric(&ogre, symmetry));
    }
    // Stray pixels in a shade that is near, and two eyes that are not.
    let mut strays = sprite("slime");
    let mut random = Random(8);
    for pixel in strays.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
        if random.below(9) == 0 {
            pixel.0[..3].iter_mut().for_each(|part| *part = part.saturating_add(22));
        }
    }
    strays.put_pixel(12, 18, Rgba([255, 40, 40, 255]));
    strays.put_pixel(18, 18, Rgba([255, 40, 40, 255]));
    golden::check("clean/orphans_before", &strays);
    golden::check("clean/orphans", &remove_orphans(&strays, 0.2));
}

#[test]
fn palettes() {
    for name in ["pico-8", "game-boy", "nes", "db16"] {
        let (palette, ogre, file) = (named(name), [sprite("ogre")], name.replace('-', "_"));
        golden::check(&format!("palette/ogre_{file}"), &palette.apply(&ogre[0]));
        golden::check(&format!("palette/ogre_{file}_ramps"), &palette.apply_in_order(&ogre)[0]);
    }
    let knight = sprite("knight");
    let painted = with_noise(&sprite("ogre"), 8, &mut Random(2));
    golden::check("palette/automatic_before", &painted);
    golden::check("palette/automatic", &Palette::automatic([&painted], 32).apply(&painted));
    golden::check("palette/reduced_6", &Palette::reduced(&knight, 6).apply(&knight));
    // A knight of another order: every shade keeps its lightness and gets another hue.
    let own = Palette::of(&knight);
    let other: Vec<_> = own.colors().iter().map(|[r, g, b]| [*b, *r, *g]).collect();
    let swapped = swap_palette(&knight, own.colors(), &other).unwrap();
    golden::check("palette/swapped", &swapped);
    assert_eq!(swap_palette(&swapped, &other, own.colors()).unwrap(), knight, "and back again");
}

#[test]
fn a_swap_changes_what_it_names_and_nothing_else() {
    let [black, red, orange, blue] = [[26, 24, 32], [178, 50, 48], [236, 140, 60], [60, 90, 190]];
    let mut image = drawing(&["#ro.", ".bb#"]);
    image.put_pixel(3, 0, Rgba([178, 50, 48, 0]));
    image.put_pixel(0, 1, Rgba([178, 50, 48, 90]));
    let swapped = swap_palette(&image, &[red, orange, red], &[orange, red, blue]).unwrap();
    // Red and orange change places at once, not one after the other; red's second place does not count.
    assert_eq!(swapped.get_pixel(1, 0).0, [236, 140, 60, 255]);
    assert_eq!(swapped.get_pixel(2, 0).0, [178, 50, 48, 255]);
    assert_eq!(swapped.get_pixel(0, 1).0, [236, 140, 60, 90], "alpha stays");
    assert_eq!(swapped.get_pixel(3, 0).0, [178, 50, 48, 0], "what is invisible stays");
    for (x, y) in [(0, 0), (1, 1), (2, 1), (3, 1)] {
        assert_eq!(swapped.get_pixel(x, y), image.get_pixel(x, y), "no colour of the list");
    }
    assert_eq!(swap_palette(&image, &[], &[]).unwrap(), image);
    let error = swap_palette(&image, &[black, red], &[blue]).unwrap_err();
    assert_eq!(error, ArtError::SwapLengths { from: 2, to: 1 });
    assert!(error.to_string().contains('2') && error.to_string().contains('1'), "{error}");
    assert_eq!(swap_palette(&RgbaImage::new(0, 0), &[red], &[blue]).unwrap().dimensions(), (0, 0));
}

#[test]
fn trimmed_and_padded() {
    let potion = sprite("potion");
    let framed = frame::pad(&potion, 5).unwrap();
    golden::check("frame/padded_5", &framed);
    golden::check("frame/trimmed", &frame::trim(&framed));
    golden::check("frame/trimmed_padded_1", &frame::pad(&frame::trim(&framed), 1).unwrap());
    golden::check("frame/feet", &frame::anchored(&framed, Anchor::Feet));
    golden::check("frame/center", &frame::anchored(&framed, Anchor::Center));
}

/// The ball, and in the upper left corner a square that moves by `step`; what is not under it stays.
fn frame_of_motion(step: u32) -> RgbaImage {
    let mut picture = ball();
    for (x, y) in (0..6).flat_map(|x| (0..6).map(move |y| (x, y))) {
        picture.put_pixel(1 + step + x, 2 + y, Rgba([90 + 8 * x as u8, 200, 70 + 9 * y as u8, 255]));
    }
    picture
}

#[test]
fn what_does_not_move_keeps_its_pattern_from_frame_to_frame() {
    let frames: Vec<RgbaImage> = (0..4).map(|step| frame_of_motion(3 * step)).collect();
    let is_still = |x: u32, y: u32| y >= 8 || x >= 16;
    let ordered = [Dither::Bayer2, Dither::Bayer4, Dither::Bayer8, Dither::BlueNoise];
    // The palette given, and one made of all frames together: of each frame's own colours it would differ.
    for palette in [PaletteSource::Named("pico-8".to_owned()), PaletteSource::Own] {
        for kind in ordered {
            let colors = (palette == PaletteSource::Own).then_some(6);
            let scale = Scale::Factor(1.0);
            let options = PixelArt {
                palette: palette.clone(),
                colors,
                dither: kind,
                scale,
                background: Background::Keep,
                ..PixelArt::default()
            };
            let images = Pipeline::new(&options).unwrap().run_jointly(&frames).unwrap().images;
            assert!(images[0] != images[1], "{kind:?}: the square does move");
            for (number, image) in images.iter().enumerate().skip(1) {
                let differing = image
                    .enumerate_pixels()
                    .filter(|(x, y, pixel)| is_still(*x, *y) && *pixel != images[0].get_pixel(*x, *y))
                    .count();
                assert_eq!(differing, 0, "{kind:?} with {palette:?}, frame {number}");
            }
            let flat = Pipeline::new(&PixelArt { dither: Dither::None, ..options }).unwrap();
            assert!(flat.run_jointly(&frames).unwrap().images != images, "{kind:?} does dither");
        }
    }
}

#[test]
fn transforms() {
    let sword = sprite("sword");
    golden::check("transform/rotated_30", &rotate(&sword, 30.0).unwrap());
    golden::check("transform/rotated_45", &rotate(&sword, 45.0).unwrap());
    golden::check("transform/knight_rotated_15", &rotate(&sprite("knight"), 15.0).unwrap());
    golden::check("transform/mirrored", &mirror(&sword));
    golden::check("transform/scale2x", &scale2x(&sprite("slime")).unwrap());
    golden::check("transform/nearest_2", &scale::enlarge(&sprite("slime"), 2).unwrap());
}
