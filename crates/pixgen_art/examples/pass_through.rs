//! Whether drawn sprites pass through unchanged, and whether every preset leaves its own results alone.
//!
//! `cargo run --release -p pixgen_art --example pass_through -- [FOLDER] [--every N] [--presets-only]`
//!
//! FOLDER holds sprites (PNG, searched through; `assets/` without it). `--every N` runs the presets on each Nth picture, of
//! whatever kind: first as they are, then on the result at scale 1. `--presets-only` leaves out how sprites pass through, which takes longest.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, missing_docs)]

#[path = "common/pngs.rs"]
mod pngs;

use std::path::Path;

use image::RgbaImage;
use pixgen_api::{PixelArt, Scale};
use pixgen_art::alpha::binary_alpha;
use pixgen_art::presets::presets;
use pixgen_art::{Metrics, fix};
use pngs::pngs;

fn main() {
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut every = 1;
    let mut is_presets_only = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--every" => every = arguments.next().unwrap().parse().unwrap(),
            "--presets-only" => is_presets_only = true,
            path => folder = path.into(),
        }
    }
    let mut paths = Vec::new();
    pngs(&folder, &mut paths);
    let at_one = |options: &PixelArt| PixelArt { scale: Scale::Factor(1.0), ..options.clone() };
    let (mut sprites, mut other, mut hidden, mut known, mut detected) = (0, 0, 0, 0, 0);
    let (mut checks, mut unstable) = (0, 0);
    for (index, path) in paths.iter().enumerate() {
        let image: RgbaImage = image::open(path).unwrap().to_rgba8();
        if index % every == 0 {
            for preset in presets() {
                let once = fix(&image, &preset.options).unwrap();
                checks += 1;
                if fix(&once, &at_one(&preset.options)).unwrap() != once {
                    unstable += 1;
                    println!("not idempotent: {} {}", preset.name, path.display());
                }
            }
        }
        let metrics = Metrics::of(&image);
        if !image.pixels().all(|pixel| matches!(pixel.0[3], 0 | 255)) || metrics.colors > 256 {
            other += 1;
            continue;
        }
        sprites += 1;
        if !is_presets_only {
            // Colours under full transparency are erased; no visible pixel is meant by that.
            let visible = binary_alpha(&image, 128);
            hidden += usize::from(visible != image);
            if fix(&image, &at_one(&PixelArt::default())).unwrap() == visible {
                known += 1;
            } else {
                println!("changed at scale 1: {}", path.display());
            }
            let found = fix(&image, &PixelArt::default()).unwrap();
            if found == visible {
                detected += 1;
            } else {
                let (before, after) = (image.dimensions(), found.dimensions());
                println!("changed, scale detected: {} {before:?} to {after:?}", path.display());
            }
        }
    }
    println!("{sprites} sprites of at most 256 colours with 1-bit alpha ({other} others left out)");
    if !is_presets_only {
        println!("unchanged at scale 1: {known}; with the scale detected: {detected}; {hidden} had hidden colours");
    }
    println!("fix(fix(x)) == fix(x): {} of {checks} (pictures times presets)", checks - unstable);
}
