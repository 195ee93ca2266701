//! `dgx-pixels generate-tileset`: tiles that all fit to each other, reopened by readers of other hands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{alphas, assert_snapshot, colors, names, paths, picture, run, stderr, stdout, words};
use image::{RgbaImage, imageops};
use pixgen_api::SpriteSheet;
use pixgen_art::tile::{SEAMLESS_Z, check_pairs};
use pixgen_engine::Provenance;

/// The tiles as Tiled itself finds them in the picture.
fn tiles(tsx: &Path) -> Vec<RgbaImage> {
    let set = tiled::Loader::new().load_tsx_tileset(tsx).unwrap();
    let source = set.image.as_ref().unwrap();
    let packed = picture(&source.source);
    assert_eq!((source.width, source.height), (packed.width() as i32, packed.height() as i32));
    let tile = |id: u32| {
        let (x, y) = (id % set.columns * set.tile_width, id / set.columns * set.tile_height);
        imageops::crop_imm(&packed, x, y, set.tile_width, set.tile_height).to_image()
    };
    (0..set.tilecount).map(tile).collect()
}

/// With a seed of its own, whatever that is.
#[test]
fn the_line_of_the_design_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        words(r#"dgx-pixels generate-tileset --prompt "stone dungeon floor" --size 32 --seamless --variations 8"#);
    let output = run(folder.path(), &line.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", stderr(&output));
    let stem = "output/stone-dungeon-floor";
    assert_eq!(stdout(&output), format!("{stem}.png\n{stem}.sheet.ron\n{stem}.tsx\n"));
    assert!(stderr(&output).contains("64 pairs on both axes"), "{}", stderr(&output));
    let packed = picture(&folder.path().join(format!("{stem}.png")));
    assert_eq!((packed.dimensions(), alphas(&packed)), ((128, 64), BTreeSet::from([255])));
}

#[test]
fn the_line_of_the_design_draws_eight_tiles_that_all_fit() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        words(r#"dgx-pixels generate-tileset --prompt "stone dungeon floor" --size 32 --seamless --variations 8"#);
    let mut line: Vec<_> = line.iter().map(String::as_str).collect();
    line.extend(["--seed", "1"]);
    let output = run(folder.path(), &line);
    assert!(output.status.success(), "{}", stderr(&output));
    let stem = "output/stone-dungeon-floor";
    assert_eq!(stdout(&output), format!("{stem}.png\n{stem}.sheet.ron\n{stem}.tsx\n"));
    assert!(
        stderr(&output).contains("64 pairs on both axes: the steepest seam has a z-score of"),
        "{}",
        stderr(&output)
    );

    let packed = picture(&folder.path().join(format!("{stem}.png")));
    assert_eq!(packed.dimensions(), (128, 64));
    assert_eq!(alphas(&packed), BTreeSet::from([255]));
    assert!((3..=16).contains(&colors(&packed).len()), "one joint palette: {}", colors(&packed).len());

    let tiles = tiles(&folder.path().join(format!("{stem}.tsx")));
    assert_eq!((tiles.len(), tiles[0].dimensions()), (8, (32, 32)));
    let pairs = check_pairs(&tiles).unwrap();
    assert_eq!(pairs.len(), 64);
    for pair in &pairs {
        let seams = pair.seams;
        assert!(seams.columns_z <= SEAMLESS_Z && seams.rows_z <= SEAMLESS_Z, "{pair:?}");
    }
    for (index, tile) in tiles.iter().enumerate() {
        assert!(tiles[..index].iter().all(|other| other != tile), "tile {index} is there twice");
        // What meets a neighbour is the same on all of them.
        assert!((0..32).all(|at| tile.get_pixel(at, 0) == tiles[0].get_pixel(at, 0)));
        assert!((0..32).all(|at| tile.get_pixel(31, at) == tiles[0].get_pixel(31, at)));
    }
    // The variations differ where they may: a quarter of the inside at least, on average.
    let differing = |tile: &RgbaImage| tile.pixels().zip(tiles[0].pixels()).filter(|(a, b)| a != b).count();
    let mean = tiles[1..].iter().map(differing).sum::<usize>() / 7;
    assert!(mean > 26 * 26 / 4, "{mean} pixels differ");

    let text = std::fs::read_to_string(folder.path().join(format!("{stem}.sheet.ron"))).unwrap();
    // The plugin's test `released` loads this file.
    assert_snapshot("stone-dungeon-floor.sheet.ron", &text);
    let sheet: SpriteSheet = ron::from_str(&text).unwrap();
    assert_eq!((sheet.validate(), sheet.frames.len()), (Ok(()), 8));
    assert_eq!((sheet.image.as_str(), sheet.size_px), ("stone-dungeon-floor.png", [128, 64]));
    let png = std::fs::read(folder.path().join(format!("{stem}.png"))).unwrap();
    assert_eq!(Provenance::request_of(&png).unwrap().unwrap().prompt, "stone dungeon floor");

    // Again: the same tiles under another name, whose sidecars name their own picture.
    assert_eq!(paths(folder.path(), &line)[2], Path::new("output/stone-dungeon-floor-2.tsx"));
    assert_eq!(self::tiles(&folder.path().join("output/stone-dungeon-floor-2.tsx")), tiles);
}

#[test]
fn layouts_and_the_random_floor() {
    let folder = tempfile::tempdir().unwrap();
    let base = ["generate-tileset", "--prompt=grass", "--steps=2", "--variations=3", "--seed=4"];
    let draw = |more: &[&str]| paths(folder.path(), &base.iter().chain(more).copied().collect::<Vec<_>>());
    let strip = draw(&["--size=16", "--layout=strip", "--output=strip", "--floor=10"]);
    assert_eq!(names(&folder.path().join("strip")), ["grass-floor.png", "grass.png", "grass.sheet.ron", "grass.tsx"]);
    assert_eq!(picture(&folder.path().join("strip/grass.png")).dimensions(), (48, 16));
    assert_eq!(strip.len(), 4);
    let tiles = tiles(&folder.path().join("strip/grass.tsx"));
    let floor = picture(&folder.path().join("strip/grass-floor.png"));
    assert_eq!(floor.dimensions(), (160, 160));
    let mut seen = [0; 3];
    for place in 0..100 {
        let tile = imageops::crop_imm(&floor, place % 10 * 16, place / 10 * 16, 16, 16).to_image();
        seen[tiles.iter().position(|known| *known == tile).unwrap()] += 1;
    }
    assert!(seen.iter().all(|count| *count >= 10), "{seen:?}");

    draw(&["--size=16", "--layout=single", "--output=single"]);
    assert_eq!(names(&folder.path().join("single")).len(), 9);
    assert_eq!(picture(&folder.path().join("single/grass-2.png")), tiles[1]);
    // A size that is drawn enlarged is joined before it is enlarged.
    draw(&["--size=48", "--output=large"]);
    assert_eq!(picture(&folder.path().join("large/grass.png")).dimensions(), (96, 96));
}

#[test]
fn without_circular_padding_the_seam_is_seen_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let line = [
        "generate-tileset",
        "--prompt=a wooden door in a wall",
        "--size=16",
        "--steps=2",
        "--seed=1",
        "--seamless=none",
        "--tries=1",
    ];
    let output = run(folder.path(), &line);
    let seams = stderr(&output);
    assert!(seams.contains("seed 1: its seam has a z-score of ") && seams.contains(", above 2.0"), "{seams}");
    assert!(seams.contains("was mended from a z-score of"), "{seams}");
    let wrong = run(folder.path(), &["generate-tileset", "--prompt=x", "--variations=0"]);
    assert!(stderr(&wrong).contains("variations is 0, expected 1 to 64"));
}
