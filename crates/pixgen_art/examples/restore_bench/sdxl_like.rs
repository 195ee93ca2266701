//! Pictures as near to those of SDXL as the generator comes, through the pipeline, before and after on one sheet.
//!
//! No picture of a real model: a sprite whose longer edge has 48 to 120 pixels in the middle of 128 × 128 cells is painted at 1024 × 1024
//! pixels, 8 to a cell, with what such models are known for: colours that vary from cell to cell by up to ±7 levels, a
//! lattice that is off by up to a quarter of a cell and wanders by as much, soft edges (linear or area, blurred by 0.15 to
//! 0.3 cells), a painted background with a gradient or grain, noise of ±2 to ±4 levels. Then every block of 8 × 8 picture
//! pixels loses its fine detail and gets a tint, as in an autoencoder that keeps four numbers of each block.

use std::collections::HashSet;
use std::f32::consts::{PI, TAU};
use std::path::PathBuf;

use image::{RgbaImage, imageops};
use pixgen_api::PixelArt;
use pixgen_art::background::{BackgroundOptions, remove_background};
use pixgen_art::restore::{GridSize, restore};
use pixgen_art::{Pipeline, frame};

use crate::degrade::{Case, Choices, Random, jittered, picture_of};
use crate::processor_seconds;
use crate::report;
use crate::score::{Score, score};

/// Cells along an edge, and picture pixels to a cell.
const CELLS: u32 = 128;
const SCALE: u32 = 8;

/// Frequencies of a block's cosines above which little is left.
const KEPT: f32 = 2.6;

/// How far the tints of blocks differ, in levels.
const TINT: f32 = 3.0;

/// `count` cases of sprites from `paths`.
fn cases(paths: &[PathBuf], seed: u64, count: usize) -> Vec<Case> {
    let mut random = Random(seed.wrapping_mul(0x5DEE_CE66_D1CE_4E5B) ^ 0x5D_1E);
    let mut cases = Vec::new();
    let mut taken: Vec<Option<&std::path::Path>> = Vec::new();
    let mut tries = 0;
    while cases.len() < count && tries < 400 * count {
        tries += 1;
        let path = &paths[random.below(paths.len())];
        let (width, height) = image::image_dimensions(path).unwrap();
        if width.max(height) < 48 || width.max(height) > 120 {
            continue;
        }
        let sprite = frame::trim(&image::open(path).unwrap().to_rgba8());
        let (width, height) = sprite.dimensions();
        let folder = path.parent();
        if width.max(height) < 48 || taken.iter().filter(|other| **other == folder).count() >= 2 {
            continue;
        }
        let drawn: Vec<_> = sprite.pixels().filter(|pixel| pixel.0[3] >= 128).map(|pixel| pixel.0).collect();
        let is_cut_out = drawn.len() < (sprite.width() * sprite.height()) as usize * 9 / 10;
        if !is_cut_out || drawn.iter().collect::<HashSet<_>>().len() < 6 {
            continue;
        }
        let (left, top) = ((CELLS - width) / 2, (CELLS - height) / 2);
        let truth = RgbaImage::from_fn(CELLS, CELLS, |x, y| {
            let inside = x.checked_sub(left).zip(y.checked_sub(top));
            match inside.and_then(|(x, y)| sprite.get_pixel_checked(x, y)) {
                Some(pixel) if pixel.0[3] >= 128 => image::Rgba([pixel.0[0], pixel.0[1], pixel.0[2], 255]),
                _ => image::Rgba([0; 4]),
            }
        });
        let choices = Choices {
            cells: jittered(&truth, 7.0, &mut random),
            paint: true,
            scale: (SCALE as f32, SCALE as f32),
            kernel: ["linear", "area"][random.below(2)],
            offset: (random.between(-0.25, 0.25), random.between(-0.25, 0.25)),
            drift: random.between(0.1, 0.25),
            drift_phase: (random.between(0.0, TAU), random.between(0.0, TAU)),
            blur: random.between(0.15, 0.3),
            noise: random.between(2.0, 4.0),
            jpeg: None,
            halved: false,
        };
        let mut case = picture_of(&path.display().to_string(), truth, &choices, &mut random);
        soften(&mut case.picture, &mut random);
        cases.push(case);
        // Two of a folder: there are many frames of one figure in each.
        taken.push(folder);
    }
    cases
}

/// What an autoencoder does to blocks of 8 × 8 pixels: fine detail fades, and each gets a tint of its own.
fn soften(picture: &mut RgbaImage, random: &mut Random) {
    const EDGE: usize = 8;
    let wave = |place: usize, frequency: usize| {
        let norm = if frequency == 0 { (1.0 / EDGE as f32).sqrt() } else { (2.0 / EDGE as f32).sqrt() };
        norm * (PI * (place as f32 + 0.5) * frequency as f32 / EDGE as f32).cos()
    };
    let waves: Vec<[f32; EDGE]> = (0..EDGE).map(|f| std::array::from_fn(|place| wave(place, f))).collect();
    // One axis of a block there and back, with its frequencies faded.
    let faded: Vec<[f32; EDGE]> = (0..EDGE)
        .map(|to| {
            std::array::from_fn(|from| {
                let share = |f: usize| (-0.5 * (f as f32 / KEPT).powi(2)).exp();
                (0..EDGE).map(|f| share(f) * waves[f][to] * waves[f][from]).sum()
            })
        })
        .collect();
    for top in (0..picture.height()).step_by(EDGE) {
        for left in (0..picture.width()).step_by(EDGE) {
            for channel in 0..3 {
                let tint = random.between(-TINT, TINT);
                let at = |x: usize, y: usize| (left + x as u32, top + y as u32);
                let mut across = [[0.0f32; EDGE]; EDGE];
                for (y, row) in across.iter_mut().enumerate() {
                    for (x, value) in row.iter_mut().enumerate() {
                        let seen = |from: usize| {
                            let (x, y) = at(from, y);
                            f32::from(picture.get_pixel(x, y).0[channel])
                        };
                        *value = (0..EDGE).map(|from| faded[x][from] * seen(from)).sum();
                    }
                }
                for (y, shares) in faded.iter().enumerate() {
                    for x in 0..EDGE {
                        let value: f32 = shares.iter().zip(&across).map(|(share, row)| share * row[x]).sum();
                        let (x, y) = at(x, y);
                        picture.get_pixel_mut(x, y).0[channel] = (value + tint).round().clamp(0.0, 255.0) as u8;
                    }
                }
            }
        }
    }
}

/// Draws `count` pictures and the sprites that the pipeline with `options` makes of them, and prints how right those are.
pub fn sheet(file: &str, paths: &[PathBuf], seed: u64, count: usize, options: &PixelArt) {
    const EDGE: u32 = 2 * CELLS;
    const COLUMNS: u32 = 3;
    let cases = cases(paths, seed, count);
    let pipeline = Pipeline::new(options).unwrap();
    let run = |tool: &dyn Fn(&Case) -> RgbaImage| -> (Vec<RgbaImage>, Vec<(Score, f64)>) {
        let one = |case: &Case| {
            let start = processor_seconds();
            let result = tool(case);
            let seconds = processor_seconds() - start;
            let score = score(case, &result, true);
            (result, (score, seconds))
        };
        cases.iter().map(one).unzip()
    };
    let (sprites, scores) = run(&|case| pipeline.run(&case.picture).unwrap());
    report("pipeline, scale 8, background removed", &scores);
    let told = GridSize::Cells { width: CELLS, height: CELLS };
    let cut = |size| {
        move |case: &Case| remove_background(&restore(&case.picture, size).unwrap(), &BackgroundOptions::default())
    };
    report("restore, size given, background removed", &run(&cut(told)).1);
    report("restore, unknown scale, background removed", &run(&cut(GridSize::Unknown)).1);
    let rows = (cases.len() as u32).div_ceil(COLUMNS);
    let mut sheet = RgbaImage::from_pixel(COLUMNS * (2 * EDGE + 16), rows * (EDGE + 8), image::Rgba([52, 56, 66, 255]));
    for (index, (case, sprite)) in cases.iter().zip(&sprites).enumerate() {
        let (x, y) = (index as u32 % COLUMNS * (2 * EDGE + 16) + 4, index as u32 / COLUMNS * (EDGE + 8) + 4);
        let before = imageops::resize(&case.picture, EDGE, EDGE, imageops::FilterType::Triangle);
        let after = imageops::resize(sprite, EDGE, EDGE, imageops::FilterType::Nearest);
        imageops::overlay(&mut sheet, &before, x.into(), y.into());
        imageops::overlay(&mut sheet, &after, (x + EDGE + 4).into(), y.into());
    }
    sheet.save(file).unwrap();
}
