//! How well fake pixel art is restored, by this crate and by others on the same pictures.
//!
//! `cargo run --release -p pixgen_art --example restore_bench -- [FOLDER] [--seed N] [--count N] [--python PYTHON] [--sheet FILE] [--list]`
//!
//! FOLDER holds sprites (PNG, searched through); without it the sprites of the repository's `assets/` are used. With
//! `--python`, `peers.py` beside this file runs the tools it can import (unfake, proper-pixel-art, Pillow).
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, missing_docs, unreachable_pub)]

mod degrade;
mod score;

use std::path::{Path, PathBuf};
use std::time::Instant;

use degrade::{Case, Random, degrade};
use image::RgbaImage;
use pixgen_art::restore::{Grid, GridSize};
use score::{Score, score};

struct Options {
    folder: PathBuf,
    seed: u64,
    count: usize,
    list: bool,
}

fn options() -> Options {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut options = Options { folder: assets, seed: 1, count: 120, list: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--seed" => options.seed = value().parse().unwrap(),
            "--count" => options.count = value().parse().unwrap(),
            "--list" => options.list = true,
            folder => options.folder = folder.into(),
        }
    }
    options
}

/// Every PNG below a folder, in order.
fn pngs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pngs(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "png") {
            found.push(path);
        }
    }
    found.sort();
}

/// The cases of a seed: sprites of 12 to 96 pixels with at least four colours, drawn from the whole folder.
fn cases(options: &Options) -> Vec<Case> {
    let mut paths = Vec::new();
    pngs(&options.folder, &mut paths);
    let mut random = Random(options.seed.wrapping_mul(0x5DEE_CE66_D1CE_4E5B));
    let mut cases = Vec::new();
    let mut tries = 0;
    while cases.len() < options.count && tries < 40 * options.count {
        tries += 1;
        let path = &paths[random.below(paths.len())];
        let sprite = image::open(path).unwrap().to_rgba8();
        let colors = sprite.pixels().filter(|p| p.0[3] >= 128).map(|p| p.0).collect::<std::collections::HashSet<_>>();
        let edge = sprite.width().min(sprite.height())..=sprite.width().max(sprite.height());
        if *edge.start() < 12 || *edge.end() > 96 || colors.len() < 4 {
            continue;
        }
        let name = path.strip_prefix(&options.folder).unwrap_or(path).display().to_string();
        cases.push(degrade(&name, &sprite, &mut random));
    }
    cases
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
    let time = rows.iter().map(|(_, t)| t).sum::<f64>() / f64::from(count);
    println!(
        "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {given:.1} | {:.1} | {:.1} | {:.2} | {:.3} |",
        share(&|s| f32::from(u8::from(s.exact))),
        share(&|s| f32::from(u8::from(s.within_one))),
        share(&|s| s.all),
        share(&|s| s.drawn),
        over(&|s| s.alpha),
        over(&|s| s.iou),
        ratios.get(ratios.len() / 2).copied().unwrap_or(0.0),
        time
    );
}

fn main() {
    let options = options();
    let cases = cases(&options);
    println!("{} pictures of {}, seed {}\n", cases.len(), options.folder.display(), options.seed);
    println!("| tool | exact | ±1 | right | right, drawn | right, size exact | alpha | IoU | colours | s |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let run = |tool: &dyn Fn(&Case) -> RgbaImage| -> Vec<(Score, f64)> {
        cases
            .iter()
            .map(|case| {
                let start = Instant::now();
                let result = tool(case);
                (score(case, &result, false), start.elapsed().as_secs_f64())
            })
            .collect()
    };
    let unknown = run(&|case| Grid::detect(&case.picture, GridSize::Unknown).invert(&case.picture));
    report("unknown scale", &unknown);
    let given = run(&|case| {
        let (width, height) = case.truth.dimensions();
        Grid::detect(&case.picture, GridSize::Cells { width, height }).invert(&case.picture)
    });
    report("size given", &given);
    if options.list {
        for ((case, (found, _)), (told, _)) in cases.iter().zip(&unknown).zip(&given) {
            if !found.exact || told.all < 0.95 {
                let grid = Grid::detect(&case.picture, GridSize::Unknown);
                println!(
                    "{} {:?} {} -> {}x{} ({:.2}x{:.2}) {:?} {:.2} conf {:.3} noise {:.4}; given {:.3}",
                    case.name,
                    case.truth.dimensions(),
                    case.note,
                    grid.x.cells,
                    grid.y.cells,
                    grid.x.pitch_px,
                    grid.y.pitch_px,
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
