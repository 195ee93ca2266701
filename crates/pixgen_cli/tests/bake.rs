//! `dgx-pixels bake`: recipes and their sprites stay together.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;
use std::process::Stdio;

use common::{command, paths, picture, run, stderr, stdout, wait_until, write};
use image::RgbaImage;
use pixgen_api::Request;
use pixgen_engine::Provenance;

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
    let key = std::fs::read(game.join("assets/hero/key.png")).unwrap();
    std::fs::write(game.join("assets/hero/key.png"), &key[..20]).unwrap();
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
fn a_picture_by_hand_stays_whatever_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    write(game, "assets/photo.sprite.ron", r#"(prompt: "a red square", size_px: 16, steps: 1)"#);
    let photo = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/red-square.jpg")).unwrap();
    std::fs::write(game.join("assets/photo.png"), &photo).unwrap();
    let bake = run(game, &["bake"]);
    assert!(bake.status.success() && bake.stdout.is_empty(), "{}", stderr(&bake));
    assert!(stderr(&bake).contains("its picture was not drawn by this program, and stays"), "{}", stderr(&bake));
    assert_eq!(std::fs::read(game.join("assets/photo.png")).unwrap(), photo);
    assert_eq!(paths(game, &["bake", "--force"]), [Path::new("assets/photo.png")]);
    assert_eq!(picture(&game.join("assets/photo.png")).dimensions(), (16, 16));
}

#[test]
fn a_picture_that_is_saved_while_bake_draws_stays() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    write(game, "assets/a.sprite.ron", r#"(prompt: "a key", size_px: 16, steps: 1)"#);
    write(game, "assets/z.sprite.ron", r#"(prompt: "a book", size_px: 32, steps: 60)"#);
    let mut bake = command(game, &["bake"]).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| game.join("assets/a.png").exists());
    let mine = RgbaImage::from_pixel(4, 4, image::Rgba([1, 2, 3, 255]));
    mine.save(game.join("assets/z.png")).unwrap();
    assert!(bake.try_wait().unwrap().is_none(), "it was still drawing");
    let output = bake.wait_with_output().unwrap();
    assert!(output.status.success() && stderr(&output).contains("z.sprite.ron: its picture"), "{}", stderr(&output));
    assert_eq!(picture(&game.join("assets/z.png")), mine);
}

/// A LoRA of many gigabytes; sparse, so that it takes no room.
fn large_lora(game: &Path, length: u64) {
    let file = std::fs::File::create(game.join("assets/large.safetensors")).unwrap();
    file.set_len(length).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(86_400)).unwrap();
    let recipe = r#"(prompt: "a key", size_px: 16, steps: 1, loras: [(path: "large.safetensors", weight: 0.0)])"#;
    write(game, "assets/key.sprite.ron", recipe);
}

#[cfg(unix)]
#[test]
fn ctrl_c_is_heard_while_a_large_lora_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    std::fs::create_dir(game.join("assets")).unwrap();
    large_lora(game, 60 << 30);
    // Only a sprite that is there has its files looked at.
    sprite_of_the_recipe(game);
    let mut check = command(game, &["bake", "--check"]).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(check.try_wait().unwrap().is_none(), "it was still reading");
    let since = std::time::Instant::now();
    common::send("INT", check.id());
    let status = check.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(since.elapsed() < std::time::Duration::from_secs(3), "{:?}", since.elapsed());
}

#[test]
fn a_large_lora_is_read_once_and_known_again() {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path();
    std::fs::create_dir(game.join("assets")).unwrap();
    large_lora(game, 64 << 20);
    sprite_of_the_recipe(game);
    run(game, &["bake", "--check"]);
    let notes = game.with_extension("home").join(".cache/dgx-pixels/hashes");
    let note = std::fs::read_dir(&notes).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&note).unwrap();
    assert!(text.contains("large.safetensors"), "{text}");
    // It is not written again, and what it says is believed.
    let written = std::fs::metadata(&note).unwrap().modified().unwrap();
    run(game, &["bake", "--check"]);
    assert_eq!(std::fs::metadata(&note).unwrap().modified().unwrap(), written);
    std::fs::remove_dir_all(game.with_extension("home")).unwrap();
}

/// A sprite that was drawn for the recipe, as its PNG says.
fn sprite_of_the_recipe(game: &Path) {
    let request = Request::from_recipe(&std::fs::read(game.join("assets/key.sprite.ron")).unwrap()).unwrap();
    let recipe = Some(pixgen_engine::recipe_hash(&request).unwrap());
    let model = "m".to_owned();
    let provenance = Provenance { request, model, native_size_px: 16, inputs: Vec::new(), recipe };
    std::fs::write(game.join("assets/key.png"), provenance.encode(&RgbaImage::new(16, 16)).unwrap()).unwrap();
}
