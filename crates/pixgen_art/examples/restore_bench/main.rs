//! How well fake pixel art is restored, by this crate and by others on the same pictures.
//!
//! `cargo run --release -p pixgen_art --features bench --example restore_bench -- [FOLDER] [--seed N] [--count N] [--python PYTHON] [--sheet FILE] [--list] [--large]`
//! or `… -- [FOLDER] --pass-through` or `… -- [FOLDER] --sdxl FILE`
//!
//! FOLDER holds sprites (PNG, searched through); without it the sprites of the repository's `assets/` are used. With
//! `--python`, `peers.py` beside this file runs the tools it can import (unfake, proper-pixel-art, Pillow). `--pass-through` counts the
//! sprites of the folder that are taken for what they are: pixel art at scale 1. `--large` only times a picture of 1024² pixels,
//! with `--python` beside the other tools. `--sdxl` draws pictures as of SDXL and what the pipeline makes of them (see `sdxl_like.rs`).
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, missing_docs, unreachable_pub)]

mod cases;
mod degrade;
#[path = "../common/large_task.rs"]
mod large_task;
mod peers;
#[path = "../common/pngs.rs"]
mod pngs;
mod score;
mod sdxl_like;

use std::path::{Path, PathBuf};
use std::time::Instant;

use cases::cases;
use degrade::{Case, Random};
use image::{RgbaImage, imageops};
use large_task::large_task;
use pixgen_art::background::{BackgroundOptions, despill, remove_background};
use pixgen_art::restore::{Grid, GridSize, restore, sprite_of};
use pixgen_art::{Pipeline, outline, reduce_colors, scale};
use pngs::pngs;
use score::{Score, score};

struct Options {
    folder: PathBuf,
    seed: u64,
    count: usize,
    list: bool,
    pass_through: bool,
    large: bool,
    python: Option<String>,
    sheet: Option<String>,
    sdxl: Option<String>,
}

fn options() -> Options {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut options = Options {
        folder: assets,
        seed: 1,
        count: 120,
        list: false,
        pass_through: false,
        large: false,
        python: None,
        sheet: None,
        sdxl: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--seed" => options.seed = value().parse().unwrap(),
            "--count" => options.count = value().parse().unwrap(),
            "--sheet" => options.sheet = Some(value()),
            "--sdxl" => options.sdxl = Some(value()),
            "--python" => options.python = Some(value()),
            "--list" => options.list = true,
            "--large" => options.large = true,
            "--pass-through" => options.pass_through = true,
            folder => options.folder = folder.into(),
        }
    }
    options
}

/// Seconds of processor time of this thread, so that other programs do not count; where Linux's file is missing, those of
/// the clock.
fn processor_seconds() -> f64 {
    let file = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match file.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()) {
        Some(nanoseconds) => nanoseconds / 1e9,
        None => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64(),
    }
}

/// The head of the table that [`report`] fills.
fn print_head() {
    println!(
        "| tool | exact | ±1 | right | right, drawn | right, size exact | alpha | IoU | colours | s, mean | s, median |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
}

/// Scores of one tool over all cases.
fn report(name: &str, rows: &[(Score, f64)]) {
    let count = rows.len().max(1) as f32;
    let share = |value: &dyn Fn(&Score) -> f32| 100.0 * rows.iter().map(|(s, _)| value(s)).sum::<f32>() / count;
    let over = |value: &dyn Fn(&Score) -> Option<f32>| {
        let values: Vec<f32> = rows.iter().filter_map(|(s, _)| value(s)).collect();
        100.0 * values.iter().sum::<f32>() / values.len().max(1) as f32
    };
    let exact: Vec<_> = rows.iter().filter(|(s, _)| s.exact).collect();
    let given = 100.0 * exact.iter().map(|(s, _)| s.all).sum::<f32>() / exact.len().max(1) as f32;
    let mut ratios: Vec<f32> = rows.iter().map(|(s, _)| s.colors_ratio).collect();
    ratios.sort_by(f32::total_cmp);
    let mut times: Vec<f64> = rows.iter().map(|(_, t)| *t).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {given:.1} | {:.1} | {:.1} | {:.2} | {:.3} | {:.3} |",
        share(&|s| f32::from(u8::from(s.exact))),
        share(&|s| f32::from(u8::from(s.within_one))),
        share(&|s| s.all),
        share(&|s| s.drawn),
        over(&|s| s.alpha),
        over(&|s| s.iou),
        ratios.get(ratios.len() / 2).copied().unwrap_or(0.0),
        times.iter().sum::<f64>() / f64::from(count),
        times.get(times.len() / 2).copied().unwrap_or(0.0)
    );
}

/// Counts the sprites that [`sprite_of`] leaves as they are, of those whose alpha is 0 or 255: they are pixel art, so all
/// should be.
fn pass_through(folder: &Path) {
    let mut paths = Vec::new();
    pngs(folder, &mut paths);
    let (mut clean, mut changed) = (0usize, Vec::new());
    for path in &paths {
        let sprite = image::open(path).unwrap().to_rgba8();
        if sprite.pixels().any(|pixel| !matches!(pixel.0[3], 0 | 255)) {
            continue;
        }
        clean += 1;
        let result = sprite_of(&sprite);
        if result != sprite {
            let colors = sprite.pixels().map(|pixel| pixel.0).collect::<std::collections::HashSet<_>>().len();
            let name = path.strip_prefix(folder).unwrap_or(path).display();
            let (from, to) = (sprite.dimensions(), result.dimensions());
            changed.push(format!("{name}: {colors} colours, {}×{} became {}×{}", from.0, from.1, to.0, to.1));
        }
    }
    println!(
        "{} PNGs of {}, {clean} of them with alpha of 0 and 255 only: {} pass through unchanged, {:.2} %",
        paths.len(),
        folder.display(),
        clean - changed.len(),
        100.0 * (clean - changed.len()) as f64 / clean.max(1) as f64
    );
    changed.iter().for_each(|line| println!("changed: {line}"));
}

/// The pipeline and other tools on one picture of 1024² pixels, from the file to a sprite of 128² pixels.
fn large_peers(python: &str, picture: &RgbaImage) {
    const CALLS: u32 = 20;
    let folder = peers::empty_folder();
    let file = folder.join("0.png");
    picture.save(&file).unwrap();
    let options = large_task();
    let pipeline = Pipeline::new(&options).unwrap();
    let least_of_three = |work: &dyn Fn()| {
        let batch = || {
            let start = processor_seconds();
            (0..CALLS).for_each(|_| work());
            (processor_seconds() - start) / f64::from(CALLS)
        };
        (0..3).map(|_| batch()).fold(f64::INFINITY, f64::min)
    };
    let read = || image::open(&file).unwrap().to_rgba8();
    let own = least_of_three(&|| drop(pipeline.run(&read()).unwrap()));
    let reading = least_of_three(&|| drop(read()));
    println!("| tool | | processor time, ms | times ours |\n|---|---|---|---|");
    println!("| pixgen_art | background removed, cleaned | {:.1} | 1 |", own * 1e3);
    println!("| of it reading the PNG | | {:.1} | {:.2} |", reading * 1e3, reading / own);
    peers::large(python, &folder, (128, 128), own);
}

/// Times the way from a picture of 1024² pixels to a sprite of 128², step by step, the best of five; with other tools
/// where there is a `python`.
fn large_picture(python: Option<&str>) {
    let mut random = Random(1);
    let mut sprite = RgbaImage::from_fn(128, 128, |x, y| {
        let is_figure = x.abs_diff(64).pow(2) + y.abs_diff(64).pow(2) < 50 * 50;
        let shade = ((x / 9 * 40 + y / 7 * 25) % 200) as u8;
        image::Rgba(if is_figure { [shade, 255 - shade, 90, 255] } else { [40, 60, 160, 255] })
    });
    sprite.put_pixel(64, 64, image::Rgba([255, 40, 40, 255]));
    let mut picture = imageops::resize(&sprite, 1024, 1024, imageops::FilterType::CatmullRom);
    for channel in picture.pixels_mut().flat_map(|pixel| &mut pixel.0[..3]) {
        *channel = (f32::from(*channel) + random.between(-3.0, 3.0)).clamp(0.0, 255.0) as u8;
    }
    let best = |step: &dyn Fn()| {
        let times = (0..5).map(|_| {
            let start = Instant::now();
            step();
            start.elapsed().as_secs_f64() * 1e3
        });
        times.fold(f64::INFINITY, f64::min)
    };
    let small = scale::shrink(&picture, 8);
    let cut = remove_background(&small, &BackgroundOptions::default());
    let scale_8 = GridSize::Scale { x_px: 8.0, y_px: 8.0 };
    println!(
        "1024² to 128², ms: k-centroid {:.1}, background {:.1}, 24 colours {:.1}, orphans {:.1}; inversion at known scale \
         {:.0}, at unknown scale {:.0}\n",
        best(&|| drop(scale::shrink(&picture, 8))),
        best(&|| drop(remove_background(&small, &BackgroundOptions::default()))),
        best(&|| drop(reduce_colors(&cut, 24))),
        best(&|| drop(outline::remove_orphans(&cut, 0.2))),
        best(&|| drop(restore(&picture, scale_8).unwrap())),
        best(&|| drop(restore(&picture, GridSize::Unknown).unwrap())),
    );
    if let Some(python) = python {
        large_peers(python, &picture);
    }
}

/// The sprite without its background and its tint on the rim, as the pipeline cuts sprites out.
fn cut_out(sprite: RgbaImage) -> RgbaImage {
    let cut = remove_background(&sprite, &BackgroundOptions::default());
    if cut == sprite { cut } else { despill(&sprite, &cut) }
}

/// Draws every case before and after, side by side.
fn sheet(file: &str, cases: &[Case]) {
    const EDGE: u32 = 64;
    const COLUMNS: u32 = 10;
    let fit = |picture: &RgbaImage, filter| {
        let longest = picture.width().max(picture.height());
        let scaled = |edge: u32| (edge * EDGE / longest).max(1);
        imageops::resize(picture, scaled(picture.width()), scaled(picture.height()), filter)
    };
    let rows = (cases.len() as u32).div_ceil(COLUMNS);
    let mut sheet = RgbaImage::from_pixel(COLUMNS * (2 * EDGE + 12), rows * (EDGE + 8), image::Rgba([52, 56, 66, 255]));
    for (index, case) in cases.iter().enumerate() {
        let (x, y) = (index as u32 % COLUMNS * (2 * EDGE + 12) + 2, index as u32 / COLUMNS * (EDGE + 8) + 4);
        let sprite = restore(&case.picture, GridSize::Unknown).unwrap();
        let after = match case.background {
            Some(_) => cut_out(sprite),
            None => sprite,
        };
        imageops::overlay(&mut sheet, &fit(&case.picture, imageops::FilterType::Triangle), x.into(), y.into());
        imageops::overlay(&mut sheet, &fit(&after, imageops::FilterType::Nearest), (x + EDGE + 4).into(), y.into());
    }
    sheet.save(file).unwrap();
}

fn main() {
    let options = options();
    if options.pass_through {
        return pass_through(&options.folder);
    }
    if options.large {
        return large_picture(options.python.as_deref());
    }
    if let Some(file) = &options.sdxl {
        let mut paths = Vec::new();
        pngs(&options.folder, &mut paths);
        print_head();
        let task = pixgen_api::PixelArt { holes: true, ..large_task() };
        return sdxl_like::sheet(file, &paths, options.seed, options.count, &task);
    }
    let cases = cases(&options.folder, options.seed, options.count);
    println!("{} pictures of {}, seed {}\n", cases.len(), options.folder.display(), options.seed);
    print_head();
    let run = |cut: bool, tool: &dyn Fn(&Case) -> RgbaImage| -> Vec<(Score, f64)> {
        cases
            .iter()
            .filter(|case| !cut || case.background.is_some())
            .map(|case| {
                let start = processor_seconds();
                let result = tool(case);
                let seconds = processor_seconds() - start;
                (score(case, &result, cut), seconds)
            })
            .collect()
    };
    let given = |case: &Case| {
        let (width, height) = case.truth.dimensions();
        GridSize::Cells { width, height }
    };
    let found = run(false, &|case| restore(&case.picture, GridSize::Unknown).unwrap());
    report("pixgen_art, unknown scale", &found);
    let is_odd = |case: &Case| [case.truth.width(), case.truth.height()].iter().any(|edge| !edge.is_multiple_of(8));
    let odd: Vec<_> = cases.iter().zip(&found).filter(|(case, _)| is_odd(case)).map(|(_, row)| *row).collect();
    if !odd.is_empty() {
        report(&format!("the same, {} sprites with an edge that is no multiple of 8", odd.len()), &odd);
    }
    let told = run(false, &|case| restore(&case.picture, given(case)).unwrap());
    report("pixgen_art, size given", &told);
    let cut = run(true, &|case| cut_out(restore(&case.picture, GridSize::Unknown).unwrap()));
    report("pixgen_art, unknown scale, background removed", &cut);
    let cut_told = run(true, &|case| cut_out(restore(&case.picture, given(case)).unwrap()));
    report("pixgen_art, size given, background removed", &cut_told);
    let whole = run(false, &|case| {
        let (width, height) = case.truth.dimensions();
        imageops::resize(&case.picture, width, height, imageops::FilterType::Nearest)
    });
    report("nearest of the image crate, size given", &whole);
    if let Some(file) = &options.sheet {
        sheet(file, &cases);
    }
    if let Some(python) = &options.python {
        peers::peers(python, &cases, &peers::Own { found: &found, told: &told, cut: &cut, cut_told: &cut_told });
    }
    if options.list {
        for ((case, (found, _)), (told, _)) in cases.iter().zip(&found).zip(&told) {
            if !found.exact || told.all < 0.95 {
                for size in [GridSize::Unknown, given(case)] {
                    let grid = Grid::detect(&case.picture, size).unwrap();
                    println!(
                        "{} {:?} {} -> {}x{} ({:.2}x{:.2} at {:.1},{:.1} drift {:.1},{:.1}) {:?} {:.2} conf {:.3} noise {:.4}; given {:.3}",
                        case.name,
                        case.truth.dimensions(),
                        case.note,
                        grid.x.cells,
                        grid.y.cells,
                        grid.x.pitch_px,
                        grid.y.pitch_px,
                        grid.x.origin_px,
                        grid.y.origin_px,
                        grid.x.drift_px(),
                        grid.y.drift_px(),
                        grid.kernel,
                        grid.blur_cells,
                        grid.confidence,
                        grid.noise,
                        told.all
                    );
                }
            }
        }
    }
}
