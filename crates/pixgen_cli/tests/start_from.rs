//! Adapters, and sprites that begin with a picture: drawn with the embedded model, small and with few steps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::{paths, picture, run, stderr, stdout};
use image::{Rgba, RgbaImage};
use pixgen_engine::Provenance;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// An attention layer of the embedded model, with the length of its rows and columns.
const LAYER: &str = "mid_block.attentions.0.transformer_blocks.0.attn1.to_v";
const CHANNELS: usize = 192;
const RANK: usize = 2;

/// An adapter for that layer, as PEFT writes it.
fn write_lora(path: &Path) {
    let numbers = |count: usize, scale: f32| -> Vec<u8> {
        (0..count).flat_map(|at| (((at * 37 % 101) as f32 / 50.0 - 1.0) * scale).to_le_bytes()).collect()
    };
    let (down, up) = (numbers(RANK * CHANNELS, 0.5), numbers(CHANNELS * RANK, 0.5));
    let view = |shape: [usize; 2], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
    let tensors = [
        (format!("unet.{LAYER}.lora_A.weight"), view([RANK, CHANNELS], &down)),
        (format!("unet.{LAYER}.lora_B.weight"), view([CHANNELS, RANK], &up)),
    ];
    safetensors::serialize_to_file(tensors, None, path).unwrap();
}

fn draw(folder: &Path, more: &[&str]) -> RgbaImage {
    let line = ["generate", "item", "a red potion", "--size=16", "--seed=3"];
    let steps = if more.iter().any(|word| word.starts_with("--steps")) { None } else { Some("--steps=3") };
    let line: Vec<_> = line.iter().chain(more).copied().chain(steps).collect();
    let mut command = common::command(folder, &line);
    let output = command.env("DGX_PIXELS_LORAS_DIR", "loras").output().unwrap();
    assert!(output.status.success(), "{more:?}: {}", stderr(&output));
    picture(&folder.join(stdout(&output).trim_end()))
}

/// Share of the pixels that differ.
fn difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let differ = a.pixels().zip(b.pixels()).filter(|(a, b)| a != b).count();
    differ as f64 / f64::from(a.width() * a.height())
}

#[test]
fn a_lora_changes_the_picture_by_its_weight() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("loras")).unwrap();
    write_lora(&folder.path().join("loras/bent.safetensors"));
    let plain = draw(folder.path(), &[]);
    let bent = draw(folder.path(), &["--lora", "bent:0.8"]);
    assert!(difference(&plain, &bent) > 0.05, "{}", difference(&plain, &bent));
    assert_eq!(draw(folder.path(), &["--lora", "bent:0"]), plain, "without weight it changes nothing");
    assert_eq!(draw(folder.path(), &["--lora", "loras/bent.safetensors:0.8"]), bent, "named by its path");
    let stronger = draw(folder.path(), &["--lora", "bent:0.4", "--lora", "bent:0.8"]);
    assert!(stronger != bent, "two of them add up");
    // The sprite says which file it was drawn with, and draws itself again.
    let output = folder.path().join("output/a-red-potion-2.png");
    let request = Provenance::request_of(&std::fs::read(&output).unwrap()).unwrap().unwrap();
    assert_eq!(request.loras[0].weight, 0.8);
    let again = paths(folder.path(), &["generate", "--recipe", "output/a-red-potion-2.png", "--output=again.png"]);
    assert_eq!(picture(&folder.path().join(&again[0])), bent);
}

#[test]
fn an_unknown_lora_and_one_for_another_model_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let loras = folder.path().join("loras");
    std::fs::create_dir(&loras).unwrap();
    write_lora(&loras.join("bent.safetensors"));
    std::fs::write(loras.join("empty.safetensors"), "").unwrap();
    for (lora, expected, exit) in
        [("bend", "did you mean \"bent\"?", 2), ("bent:x", "bent:x", 2), ("empty", "empty.safetensors", 2)]
    {
        let line = ["generate", "item", "key", "--size=16", "--steps=1", "--lora", lora];
        let output = common::command(folder.path(), &line).env("DGX_PIXELS_LORAS_DIR", &loras).output().unwrap();
        assert!(stderr(&output).contains(expected), "{lora}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(exit), "{lora}: {}", stderr(&output));
    }
}

/// A blue square on a green ground.
fn square(folder: &Path) -> RgbaImage {
    let image = RgbaImage::from_fn(16, 16, |x, y| match (x, y) {
        (4..12, 4..12) => Rgba([40, 60, 200, 255]),
        _ => Rgba([60, 160, 60, 255]),
    });
    image.save(folder.join("square.png")).unwrap();
    image
}

/// Mean difference of the channels, 0 to 255.
fn distance(a: &RgbaImage, b: &RgbaImage) -> f64 {
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[test]
fn strength_says_how_far_a_sprite_leaves_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let square = square(folder.path());
    let draw = |strength: &str| draw(folder.path(), &["--steps=8", "--from=square.png", "--strength", strength]);
    let [little, some, all] = ["0.15", "0.35", "1"].map(|strength| distance(&draw(strength), &square));
    assert!(little < some && 2.0 * little < all, "{little}, {some}, {all}");
    assert!(little < 30.0, "it is still the picture: {little}");
}

#[test]
fn outside_the_mask_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    square(folder.path());
    let is_inside = |x: u32, y: u32| (5..11).contains(&x) && (5..11).contains(&y);
    let mask = RgbaImage::from_fn(16, 16, |x, y| Rgba(if is_inside(x, y) { [255; 4] } else { [0, 0, 0, 255] }));
    mask.save(folder.path().join("mask.png")).unwrap();
    let keep = ["--from=square.png", "--strength=1", "--background=keep", "--anchor=keep", "--colors=256"];
    let painted = draw(folder.path(), &[&keep[..], &["--mask=mask.png"]].concat());
    let square = picture(&folder.path().join("square.png"));
    let mut changed = 0;
    for (x, y, pixel) in painted.enumerate_pixels() {
        if is_inside(x, y) {
            changed += u32::from(pixel != square.get_pixel(x, y));
        } else {
            assert_eq!(pixel, square.get_pixel(x, y), "({x}, {y}) is outside");
        }
    }
    assert!(changed > 18, "{changed} of 36 pixels inside are drawn anew");
    // A mask of another shape is refused before anything is drawn.
    RgbaImage::new(16, 8).save(folder.path().join("flat.png")).unwrap();
    let line = ["generate", "item", "key", "--size=16", "--steps=1", "--from=square.png", "--mask=flat.png"];
    let output = run(folder.path(), &line);
    assert!(!output.status.success() && stderr(&output).contains("16"), "{}", stderr(&output));
}
