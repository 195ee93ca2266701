//! What drawn sprites measure: the ranges that the documentation of `Metrics`, `Motion` and seam repair gives.
//!
//! `cargo run --release -p pixgen_art --example measure_set -- FOLDER`, with one folder of PNGs per kind in FOLDER and
//! `sequences.json`, which lists animations: `{"name": ["kind/frame-0.png", …], …}`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{RgbaImage, imageops};
use pixgen_art::sheet::{Motion, joint_palette};
use pixgen_art::tile::{Seams, repair_seams};
use pixgen_art::{Metrics, reduce_colors};

/// Overlays for other sprites, no sprites of their own.
const LEFT_OUT: &str = "equipment";

fn main() {
    let Some(folder) = std::env::args().nth(1).map(PathBuf::from) else {
        println!("give the folder of sprites: measure_set FOLDER");
        return;
    };
    sprites(&folder);
    tiles(&folder);
    animations(&folder);
}

/// The PNGs of a folder, in order of their names.
fn pngs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "png")).collect();
    paths.sort();
    paths
}

fn open(path: &Path) -> RgbaImage {
    image::open(path).unwrap().to_rgba8()
}

/// Prints the middle and the ends of a distribution.
fn show(name: &str, mut values: Vec<f32>) {
    values.sort_by(f32::total_cmp);
    let at = |percent: usize| values.get(values.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0.0);
    let (count, low, middle, high, higher) = (values.len(), at(5), at(50), at(90), at(95));
    println!("{name:<44} n {count:>5}   5 % {low:>7.3}   median {middle:>7.3}   90 % {high:>7.3}   95 % {higher:>7.3}");
}

/// Every fifth sprite of every kind.
fn sprites(folder: &Path) {
    let mut kinds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    kinds.retain(|kind| kind.is_dir() && !kind.ends_with(LEFT_OUT));
    kinds.sort();
    let paths = kinds.iter().flat_map(|kind| pngs(kind).into_iter().step_by(5));
    let metrics: Vec<_> = paths.map(|path| Metrics::of(&open(&path))).collect();
    let of = |measure: fn(&Metrics) -> f32| metrics.iter().map(measure).collect();
    show("colours", of(|metrics| metrics.colors as f32));
    show("alpha levels", of(|metrics| metrics.alpha_levels as f32));
    show("drawn", of(|metrics| metrics.opaque_ratio));
    show("orphans", of(|metrics| metrics.orphan_ratio));
    show("outline completeness", of(|metrics| metrics.outline_completeness));
}

/// Opaque floor tiles: whole, and three quarters of each cut out, which cuts through what is drawn.
fn tiles(folder: &Path) {
    let tiles: Vec<_> = pngs(&folder.join("tile-floor"))
        .iter()
        .map(|path| open(path))
        .filter(|tile| tile.width().min(tile.height()) >= 32 && tile.width().max(tile.height()) <= 64)
        .filter(|tile| tile.pixels().all(|pixel| pixel.0[3] == u8::MAX))
        .collect();
    let seamless = tiles.iter().filter(|tile| Seams::of(tile).is_seamless()).count();
    let (mut seen, mut mended, mut partly) = (0, 0, 0);
    for tile in &tiles {
        let cut = imageops::crop_imm(tile, 3, 2, tile.width() * 3 / 4, tile.height() * 3 / 4).to_image();
        let repair = repair_seams(&cut);
        let is_mended = repair.after.is_seamless();
        seen += u32::from(!repair.before.is_seamless());
        mended += u32::from(!repair.before.is_seamless() && is_mended);
        partly += u32::from(!is_mended && repair.tile != cut);
    }
    println!(
        "{} floor tiles, {seamless} of them seamless; cut, {seen} have a seam: {mended} mended, {partly} in part",
        tiles.len()
    );
}

/// Animations of at least three different frames, as drawn, noisy, and in few colours.
fn animations(folder: &Path) {
    let Ok(text) = std::fs::read_to_string(folder.join("sequences.json")) else { return };
    let sequences: BTreeMap<String, Vec<PathBuf>> = serde_json::from_str(&text).unwrap();
    let mut state = 1u64;
    let mut noisy = |frame: &RgbaImage| {
        let mut noisy = frame.clone();
        for channel in noisy.pixels_mut().filter(|pixel| pixel.0[3] > 0).flat_map(|pixel| &mut pixel.0[..3]) {
            // Knuth's linear congruential generator; its upper bits are good enough for noise of ±8 levels.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let moved = i32::from(*channel) + ((state >> 33) % 17) as i32 - 8;
            *channel = moved.clamp(0, 255) as u8;
        }
        noisy
    };
    let mut found: [Vec<Motion>; 4] = Default::default();
    for paths in sequences.values() {
        let mut names = paths.clone();
        names.sort();
        names.dedup();
        let frames: Vec<_> = paths.iter().map(|path| open(&folder.join(path))).collect();
        let Ok(motion) = Motion::of(&frames) else { continue };
        if names.len() < 3 || frames[0].height() > 128 || motion.step == 0.0 {
            continue;
        }
        let spoiled: Vec<_> = frames.iter().map(&mut noisy).collect();
        let alone: Vec<_> = spoiled.iter().map(|frame| reduce_colors(frame, 12)).collect();
        let joint = joint_palette(&spoiled, 12);
        found[0].push(motion);
        for (index, frames) in [spoiled, alone, joint].iter().enumerate() {
            found[index + 1].push(Motion::of(frames).unwrap());
        }
    }
    let names = ["as drawn", "with noise of ±8 levels", "noise, 12 colours each", "noise, 12 joint colours"];
    for (name, motions) in names.iter().zip(&found) {
        show(&format!("flicker, {name}"), motions.iter().map(|motion| motion.flicker).collect());
    }
    show("loop ratio", found[0].iter().map(|motion| motion.loop_ratio).collect());
}
