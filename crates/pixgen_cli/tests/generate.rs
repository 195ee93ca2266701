//! `dgx-pixels generate` as a user runs it: the real binary in an empty folder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;

use common::{alphas, colors, names, paths, picture, run, stderr, stdout, words};

#[test]
fn the_line_of_the_design_draws_a_knight() {
    let folder = tempfile::tempdir().unwrap();
    let line = words(r#"dgx-pixels generate character "medieval knight""#);
    let line: Vec<_> = line.iter().map(String::as_str).collect();
    assert_eq!(paths(folder.path(), &line), [Path::new("output/medieval-knight.png")]);
    let knight = picture(&folder.path().join("output/medieval-knight.png"));
    assert_eq!(knight.dimensions(), (32, 32));
    assert!((3..=16).contains(&colors(&knight).len()), "{:?}", colors(&knight));
    assert_eq!(alphas(&knight).into_iter().collect::<Vec<_>>(), [0, 255]);
    // It stands on its feet, with one free row below.
    assert!((0..32).all(|x| knight.get_pixel(x, 31).0[3] == 0) && (0..32).any(|x| knight.get_pixel(x, 30).0[3] > 0));
    assert_eq!(names(folder.path()), ["output"]);
}

#[test]
fn a_sprite_is_written_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    for expected in ["medieval-knight.png", "medieval-knight-2.png", "medieval-knight-3.png"] {
        let written =
            paths(folder.path(), &["generate", "character", "medieval knight", "--size", "16", "--steps", "2"]);
        assert_eq!(written, [Path::new("output").join(expected)]);
    }
    assert_eq!(names(&folder.path().join("output")).len(), 3, "nothing but the sprites is left");
}

#[test]
fn options_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let base = ["generate", "item", "a red potion", "--seed", "3", "--steps", "2"];
    let draw = |more: &[&str]| {
        let size = if more.contains(&"--size=48") { "--quiet" } else { "--size=16" };
        let arguments: Vec<_> = base.iter().chain(more).copied().chain([size]).collect();
        let written = paths(folder.path(), &arguments);
        picture(&folder.path().join(&written[0]))
    };
    let plain = draw(&[]);
    assert_eq!(draw(&[]), plain, "the same seed is the same sprite");
    assert!(colors(&draw(&["--colors", "4"])).len() <= 4);
    let game_boy = colors(&draw(&["--palette", "gameboy"]));
    let greens = [[0x0f, 0x38, 0x0f], [0x30, 0x62, 0x30], [0x8b, 0xac, 0x0f], [0x9b, 0xbc, 0x0f]];
    assert!(game_boy.iter().all(|color| greens.contains(color)), "{game_boy:?}");
    assert_eq!(alphas(&draw(&["--background", "keep"])).into_iter().collect::<Vec<_>>(), [255]);
    assert!(colors(&draw(&["--outline", "#ff00ff"])).contains(&[255, 0, 255]));
    let large = draw(&["--output", "large.png", "--size=48"]);
    assert_eq!((large.dimensions(), large.get_pixel(0, 0)), ((48, 48), large.get_pixel(2, 2)));
}

#[test]
fn a_size_that_is_not_native_is_drawn_smaller_and_enlarged() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["generate", "item", "a key", "--size", "64", "--steps", "1"]);
    assert!(stderr(&output).contains("warning: sprite-tiny draws 32 px natively"), "{}", stderr(&output));
    let png = std::fs::read(folder.path().join("output/a-key.png")).unwrap();
    let text = String::from_utf8_lossy(&png);
    let native = text.find("pixgen_native_size_px").map(|at| &text[at..at + 40]);
    assert!(native.is_some_and(|native| native.contains("32")), "{native:?}");
}

#[test]
fn a_sprite_says_how_to_draw_it_again() {
    let folder = tempfile::tempdir().unwrap();
    paths(folder.path(), &["generate", "weapon", "a sword", "--size=16", "--steps=2", "--output=a.png"]);
    let info = run(folder.path(), &["info", "a.png"]);
    assert!(stderr(&info).contains("DigitalSourceType"), "{}", stderr(&info));
    std::fs::write(folder.path().join("b.sprite.ron"), &info.stdout).unwrap();
    assert_eq!(paths(folder.path(), &["generate", "--recipe=b.sprite.ron"]), [Path::new("output/b.png")]);
    assert_eq!(picture(&folder.path().join("a.png")), picture(&folder.path().join("output/b.png")));
    // The sprite itself is a recipe too, and one that can be changed.
    assert_eq!(paths(folder.path(), &["generate", "--recipe=a.png", "--colors=3"]), [Path::new("output/a.png")]);
    assert!(colors(&picture(&folder.path().join("output/a.png"))).len() <= 3);
}

#[test]
fn several_sprites_count_their_seeds_up() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["generate", "item", "a key", "--size=16", "--steps=1", "--count=3", "--seed=7", "--output=keys"];
    let output = run(folder.path(), &line);
    assert_eq!(stdout(&output), "keys/a-key.png\nkeys/a-key-2.png\nkeys/a-key-3.png\n");
    assert!(stderr(&output).contains("seed 7\n") && stderr(&output).contains("seed 9\n"), "{}", stderr(&output));
}

#[test]
fn nothing_but_paths_and_no_colour_goes_into_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["generate", "item", "a key", "--size=16", "--steps=1", "--preview"];
    let output = run(folder.path(), &line);
    assert_eq!(stdout(&output), "output/a-key.png\n");
    assert!(stderr(&output).contains("--preview shows nothing: stdout is no terminal"), "{}", stderr(&output));
    assert!(!stderr(&output).contains('\x1b'));
    let quiet = run(folder.path(), &[&line[..5], &["--quiet"]].concat());
    assert_eq!(stderr(&quiet), "");
    let colored = run(folder.path(), &["generate", "item", " ", "--color=always"]);
    assert!(stderr(&colored).starts_with("\x1b[31;1merror:\x1b[0m"));
}
