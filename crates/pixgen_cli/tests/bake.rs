//! `dgx-pixels bake`: recipes and their sprites stay together.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{paths, picture, run, stderr, stdout};
use image::RgbaImage;
use pixgen_api::{Kind, Request};
use pixgen_engine::{Provenance, recipe_hash};

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn missing_and_stale_sprites_are_drawn_and_others_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    write(game, "assets/hero/key.sprite.ron", r#"(prompt: "a golden key", size_px: 16, steps: 2, seed: 3)"#);
    write(game, "assets/slime.sprite.ron", r#"(prompt: "a slime", kind: monster, size_px: 16, steps: 2)"#);
    write(game, "assets/mine.sprite.ron", r#"(prompt: "a book", size_px: 16)"#);
    RgbaImage::new(4, 4).save(game.join("assets/mine.png")).unwrap();

    let check = run(game, &["bake", "assets", "--check"]);
    assert_eq!(check.status.code(), Some(3));
    assert_eq!(stdout(&check), "assets/hero/key.sprite.ron\nassets/slime.sprite.ron\n");
    assert!(stderr(&check).contains("its sprite is missing"), "{}", stderr(&check));

    let bake = run(game, &["bake"]);
    assert_eq!(stdout(&bake), "assets/hero/key.png\nassets/slime.png\n", "{}", stderr(&bake));
    assert!(stderr(&bake).contains("assets/mine.sprite.ron: its picture was not drawn by this program, and stays"));
    assert_eq!(picture(&game.join("assets/hero/key.png")).dimensions(), (16, 16));
    let check = run(game, &["bake", "assets", "--check"]);
    assert!(check.status.success() && check.stdout.is_empty() && check.stderr.is_empty(), "{}", stderr(&check));
    assert!(paths(game, &["bake"]).is_empty());

    // An edit, a broken recipe, a damaged sprite.
    write(game, "assets/slime.sprite.ron", r#"(prompt: "a red slime", kind: monster, size_px: 16, steps: 2)"#);
    write(game, "assets/typo.sprite.ron", r#"(promt: "x")"#);
    write(game, "assets/hero/key.png", "half");
    let check = run(game, &["bake", "assets", "--check"]);
    assert_eq!(stdout(&check).lines().count(), 3);
    for expected in ["was edited after", "did you mean `prompt`?", "its sprite is damaged"] {
        assert!(stderr(&check).contains(expected), "{}", stderr(&check));
    }
    let bake = run(game, &["bake"]);
    assert_eq!((bake.status.code(), stdout(&bake).lines().count()), (Some(4), 2), "{}", stderr(&bake));
    assert!(paths(game, &["bake", "assets/hero", "--check"]).is_empty());
}

#[test]
fn two_thousand_recipes_are_checked_in_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    for number in 0..2_000 {
        let recipe = Request { seed: Some(number), size_px: 32, ..Request::new(Kind::Item, format!("thing {number}")) };
        let stem = format!("assets/{:02}/thing-{number}", number % 40);
        write(game, &format!("{stem}.sprite.ron"), &format!("(prompt: \"thing {number}\", seed: {number})"));
        let sprite = RgbaImage::from_fn(32, 32, |x, y| image::Rgba([(x * y) as u8, x as u8, number as u8, 255]));
        let provenance = Provenance {
            request: Request { steps: Some(8), ..recipe.clone() },
            model: "m".into(),
            native_size_px: 32,
            inputs: Vec::new(),
            recipe: Some(recipe_hash(&recipe).unwrap()),
        };
        std::fs::write(game.join(format!("{stem}.png")), provenance.encode(&sprite).unwrap()).unwrap();
    }
    let started = Instant::now();
    let check = run(game, &["bake", "assets", "--check"]);
    let took = started.elapsed();
    assert!(check.status.success() && check.stdout.is_empty() && check.stderr.is_empty(), "{}", stderr(&check));
    println!("2,000 recipes checked in {} ms", took.as_millis());
    assert!(took < Duration::from_secs(2), "{took:?}");

    write(game, "assets/07/thing-1007.sprite.ron", "(prompt: \"thing 1007\", seed: 1008)");
    let check = run(game, &["bake", "assets", "--check"]);
    assert_eq!(check.status.code(), Some(3));
    assert_eq!(stdout(&check), "assets/07/thing-1007.sprite.ron\n");
}
