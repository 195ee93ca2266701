//! The restoration benchmark on the sprites in `assets/`, which everybody has, with floors that may not be fallen below.
//!
//! It is the benchmark's own generator and score (`examples/restore_bench`), without JPEG, which the tests are not built
//! with. The floors lie a little below what was found; the figures of the whole set are in the README.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, unreachable_pub)]

#[path = "../examples/restore_bench/cases.rs"]
mod cases;
#[allow(dead_code, reason = "the benchmark uses more of it")]
#[path = "../examples/restore_bench/degrade.rs"]
mod degrade;
#[path = "../examples/common/pngs.rs"]
mod pngs;
#[path = "../examples/restore_bench/score.rs"]
mod score;

use std::path::Path;

use cases::cases;
use degrade::Case;
use image::RgbaImage;
use pixgen_art::background::{BackgroundOptions, despill, remove_background};
use pixgen_art::restore::{GridSize, restore};
use score::score;

/// Per cent over all cases.
#[derive(Debug)]
struct Shares {
    exact: f32,
    right: f32,
    drawn: f32,
    alpha: f32,
    iou: f32,
}

fn shares(cases: &[Case], cut: bool, tool: impl Fn(&Case) -> RgbaImage) -> Shares {
    let cases: Vec<_> = cases.iter().filter(|case| !cut || case.background.is_some()).collect();
    let scores: Vec<_> = cases.iter().map(|case| score(case, &tool(case), cut)).collect();
    let mean = |values: Vec<f32>| 100.0 * values.iter().sum::<f32>() / values.len().max(1) as f32;
    assert!(scores.iter().all(|score| score.colors_ratio > 0.0 && (score.within_one || !score.exact)));
    Shares {
        exact: mean(scores.iter().map(|score| f32::from(u8::from(score.exact))).collect()),
        right: mean(scores.iter().map(|score| score.all).collect()),
        drawn: mean(scores.iter().map(|score| score.drawn).collect()),
        alpha: mean(scores.iter().filter_map(|score| score.alpha).collect()),
        iou: mean(scores.iter().filter_map(|score| score.iou).collect()),
    }
}

fn cut_out(sprite: RgbaImage) -> RgbaImage {
    let cut = remove_background(&sprite, &BackgroundOptions::default());
    if cut == sprite { cut } else { despill(&sprite, &cut) }
}

#[test]
fn spoiled_sprites_come_back() {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/gen"), 7, 60);
    assert_eq!(cases.len(), 60);
    let given = |case: &Case| {
        let (width, height) = case.truth.dimensions();
        GridSize::Cells { width, height }
    };
    let unknown = shares(&cases, false, |case| restore(&case.picture, GridSize::Unknown).unwrap());
    let told = shares(&cases, false, |case| restore(&case.picture, given(case)).unwrap());
    let cut = shares(&cases, true, |case| cut_out(restore(&case.picture, given(case)).unwrap()));
    println!("unknown scale: {unknown:?}\nsize given: {told:?}\nbackground removed: {cut:?}");
    assert!(unknown.exact >= 85.0 && unknown.right >= 88.0, "{unknown:?}");
    assert!(told.exact == 100.0 && told.right >= 95.0 && told.drawn >= 90.0, "{told:?}");
    assert!(cut.alpha >= 98.0 && cut.iou >= 97.0, "{cut:?}");
}
