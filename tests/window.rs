//! The whole way through a real window: X events type a prompt, and the pixels on the screen change.
//!
//! Runs the `playtest` example under Xvfb with a software rasteriser (needs `xvfb`, `xdotool` and a Vulkan driver such as
//! lavapipe), uses it with `xdotool` as a person would, and reads the screen. With `UPDATE_SNAPSHOTS=1` the
//! screenshots become the README's pictures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "the tests of the examples use the rest")]
#[path = "screen.rs"]
mod screen;

use std::time::{Duration, Instant};

use image::RgbaImage;

use screen::{Game, SCREEN, Screen, root, shown, sprite, until};

/// Screen pixels for one sprite pixel, as in the example.
const ZOOM: u32 = 2;
/// Upper left corner of the hero on the screen before it walks.
const HERO: (u32, u32) = (776, 360);
/// A piece of floor without anything to click.
const FLOOR: (u32, u32) = (900, 500);
/// Inside the prompt's text field.
const PROMPT: (u32, u32) = (160, 240);
/// On the button that lets the next click in the world choose the target.
const PICK: (u32, u32) = (222, 119);
/// On the potion, which floats up and down a little.
const POTION: (u32, u32) = (680, 462);
/// On the Generate button.
const GENERATE: (u32, u32) = (187, 435);

#[test]
fn a_prompt_typed_into_the_window_changes_the_sprite_on_the_screen() {
    let screen = Screen::start();
    let _game = Game::start("playtest", &screen, &root());
    let file = root().join("target/playtest/gen/hero/knight.png");
    let baked = sprite(&root().join("assets/gen/hero/knight.png"));
    until("the room with the hero", &screen, || shown(&screen.shot(), &baked, HERO, ZOOM) > 0.9);
    let window = screen.xdotool(&["search", "--name", "playtest"]);
    screen.xdotool(&["windowfocus", window.lines().next().unwrap_or_default()]);
    std::thread::sleep(Duration::from_secs(1));
    let before = screen.shot();

    screen.click(PROMPT);
    screen.xdotool(&["type", "--delay", "60", "a red dragon"]);
    std::thread::sleep(Duration::from_millis(500));
    screen.click(GENERATE);
    until("the new file", &screen, || sprite(&file) != baked);
    let new = sprite(&file);
    assert!(shown(&before, &new, HERO, ZOOM) < 0.5, "the new sprite looks like the old one");
    until("the new sprite on the screen", &screen, || shown(&screen.shot(), &new, HERO, ZOOM) > 0.9);
    // The changed sprite's glow has to fade before the picture is taken.
    std::thread::sleep(Duration::from_secs(2));
    let after = screen.shot();
    assert!(shown(&after, &baked, HERO, ZOOM) < 0.5, "the old sprite is still there");

    // Another target, picked in the world.
    let potion = root().join("target/playtest/gen/items/potion.png");
    let baked_potion = sprite(&potion);
    // A monster may stand in front of it and be picked in its place; by the next time it has walked on.
    let mut clicked: Option<Instant> = None;
    until("a new potion", &screen, || {
        if clicked.is_none_or(|clicked| clicked.elapsed() > Duration::from_secs(20)) {
            screen.click(PICK);
            screen.click(POTION);
            screen.click(GENERATE);
            clicked = Some(Instant::now());
        }
        sprite(&potion) != baked_potion
    });
    assert_eq!(sprite(&file), new, "the hero stays what it was");

    // The keyboard belongs to the game again once the world is clicked: the hero walks away.
    screen.click(FLOOR);
    screen.xdotool(&["keydown", "Right"]);
    std::thread::sleep(Duration::from_secs(1));
    screen.xdotool(&["keyup", "Right"]);
    until("the hero to have walked away", &screen, || shown(&screen.shot(), &new, HERO, ZOOM) < 0.5);

    // F10 hides the panel.
    let panel_pixels = |shot: &RgbaImage| {
        let background = *shot.get_pixel(SCREEN.0 - 4, 4);
        (20..300)
            .flat_map(|x| (20..600).map(move |y| (x, y)))
            .filter(|(x, y)| *shot.get_pixel(*x, *y) != background)
            .count()
    };
    let open = panel_pixels(&screen.shot());
    screen.xdotool(&["key", "F10"]);
    until("the panel to close", &screen, || panel_pixels(&screen.shot()) * 4 < open);

    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let images = root().join("docs/images");
        before.save(images.join("playtest-before.png")).unwrap();
        after.save(images.join("playtest.png")).unwrap();
    }
}
