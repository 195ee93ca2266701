//! Whether drawn sprites pass through unchanged, and whether every preset leaves its own results alone.
//!
//! `cargo run --release -p pixgen_art --example pass_through -- [FOLDER] [--every N] [--presets-only] [--threads N]`
//!
//! FOLDER holds sprites (PNG, searched through; `assets/` without it). `--every N` runs the presets on each Nth picture, of
//! whatever kind: first as they are, then on the result at scale 1. `--presets-only` leaves out how sprites pass through, which takes longest.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::panic, missing_docs)]

#[path = "common/pngs.rs"]
mod pngs;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::RgbaImage;
use pixgen_api::{PixelArt, Scale};
use pixgen_art::alpha::binary_alpha;
use pixgen_art::presets::presets;
use pixgen_art::{Metrics, fix};
use pngs::pngs;

/// What is counted over pictures.
#[derive(Clone, Copy, Default)]
struct Counts {
    sprites: usize,
    other: usize,
    hidden: usize,
    known: usize,
    detected: usize,
    checks: usize,
    unstable: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        let Self { sprites, other: left_out, hidden, known, detected, checks, unstable } = other;
        self.sprites += sprites;
        self.other += left_out;
        self.hidden += hidden;
        self.known += known;
        self.detected += detected;
        self.checks += checks;
        self.unstable += unstable;
    }
}

fn main() {
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let (mut every, mut threads, mut is_presets_only) = (1, 1, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().unwrap().parse().unwrap();
        match argument.as_str() {
            "--every" => every = number(),
            "--threads" => threads = number(),
            "--presets-only" => is_presets_only = true,
            path => folder = path.into(),
        }
    }
    let mut paths = Vec::new();
    pngs(&folder, &mut paths);
    let next = AtomicUsize::new(0);
    // Each thread takes the next picture that none has.
    let work = || {
        let mut counts = Counts::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { return counts };
            counts.add(check(path, index.is_multiple_of(every), !is_presets_only));
            if index % 500 == 499 {
                eprintln!("{} of {} pictures", index + 1, paths.len());
            }
        }
    };
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            counts.add(worker.join().unwrap());
        }
    });
    let Counts { sprites, other, hidden, known, detected, checks, unstable } = counts;
    println!("{sprites} sprites of at most 256 colours with 1-bit alpha ({other} others left out)");
    if !is_presets_only {
        println!("unchanged at scale 1: {known}; with the scale detected: {detected}; {hidden} had hidden colours");
    }
    println!("fix(fix(x)) == fix(x): {} of {checks} (pictures times presets)", checks - unstable);
}

/// One picture: its presets, and how it passes through if that is asked and it is a sprite.
fn check(path: &Path, has_presets: bool, has_default: bool) -> Counts {
    let at_one = |options: &PixelArt| PixelArt { scale: Scale::Factor(1.0), ..options.clone() };
    let image: RgbaImage = image::open(path).unwrap().to_rgba8();
    let mut counts = Counts::default();
    if has_presets {
        for preset in presets() {
            let once = fix(&image, &preset.options).unwrap();
            counts.checks += 1;
            if fix(&once, &at_one(&preset.options)).unwrap() != once {
                counts.unstable += 1;
                println!("not idempotent: {} {}", preset.name, path.display());
            }
        }
    }
    if !image.pixels().all(|pixel| matches!(pixel.0[3], 0 | 255)) || Metrics::of(&image).colors > 256 {
        counts.other = 1;
        return counts;
    }
    counts.sprites = 1;
    if has_default {
        // Colours under full transparency are erased; no visible pixel is meant by that.
        let visible = binary_alpha(&image, 128);
        counts.hidden = usize::from(visible != image);
        if fix(&image, &at_one(&PixelArt::default())).unwrap() == visible {
            counts.known = 1;
        } else {
            println!("changed at scale 1: {}", path.display());
        }
        let found = fix(&image, &PixelArt::default()).unwrap();
        if found == visible {
            counts.detected = 1;
        } else {
            let (before, after) = (image.dimensions(), found.dimensions());
            println!("changed, scale detected: {} {before:?} to {after:?}", path.display());
        }
    }
    counts
}
