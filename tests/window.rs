//! The whole way through a real window: X events type a prompt, and the pixels on the screen change.
//!
//! Runs the `playtest` example under Xvfb with a software rasteriser (needs `xvfb`, `xdotool` and a Vulkan driver such
//! as lavapipe), uses it with `xdotool` as a person would, and reads the screen. With `UPDATE_SNAPSHOTS=1` the
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

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
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
const PROMPT: (u32, u32) = (160, 285);
/// On the button that lets the next click in the world choose the target.
const PICK: (u32, u32) = (222, 146);
/// On the potion, which floats up and down a little.
const POTION: (u32, u32) = (680, 462);
/// On the button at the bottom of the panel.
const START: (u32, u32) = (187, 662);
/// On the tabs.
const COMPARE: (u32, u32) = (194, 64);
const HISTORY: (u32, u32) = (306, 64);
/// On the list of what can be compared, and on its fourth entry: the numbers of steps.
const AXIS: (u32, u32) = (187, 346);
const STEPS: (u32, u32) = (80, 439);
/// On the buttons that show the compared sprites in the world, and that end the comparison.
const IN_THE_WORLD: (u32, u32) = (263, 453);
const END: (u32, u32) = (336, 453);
/// Columns that the panel covers.
const PANEL_WIDTH: u32 = 372;

/// The upper left corner of a sprite on the screen, between these columns.
fn find(screen: &RgbaImage, sprite: &RgbaImage, columns: Range<u32>) -> Option<(u32, u32)> {
    let opaque: Vec<_> = sprite.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 0).collect();
    // A few pixels of it rule nearly every place out.
    let some: Vec<_> = opaque.iter().step_by((opaque.len() / 12).max(1)).collect();
    let is_like = |(left, top): (u32, u32)| {
        let equal = some.iter().filter(|(x, y, pixel)| {
            let there = screen.get_pixel(left + x * ZOOM + ZOOM / 2, top + y * ZOOM + ZOOM / 2);
            (0..3).all(|channel| there.0[channel].abs_diff(pixel.0[channel]) <= 3)
        });
        equal.count() * 3 >= some.len() * 2
    };
    let (width, height) = (sprite.width() * ZOOM, sprite.height() * ZOOM);
    let corners = (0..SCREEN.1 - height).flat_map(|y| (columns.start..columns.end - width).map(move |x| (x, y)));
    let mut likely = corners.filter(|corner| is_like(*corner));
    likely.find(|corner| shown(screen, sprite, *corner, ZOOM) > 0.9)
}

/// What was drawn so far.
fn history() -> BTreeSet<PathBuf> {
    let files = fs::read_dir(root().join("target/playtest/.pixgen/history"));
    let files = files.into_iter().flatten().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "png")).collect()
}

/// Where sprites stand in the world, as far as they do.
fn places(screen: &Screen, sprites: &[RgbaImage]) -> Vec<(u32, u32)> {
    let shot = screen.shot();
    sprites.iter().filter_map(|sprite| find(&shot, sprite, PANEL_WIDTH..SCREEN.0)).collect()
}

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
    // The noun is typed, cut, and put behind the rest from the clipboard.
    screen.xdotool(&["type", "--delay", "60", "dragon"]);
    screen.with_ctrl("a");
    screen.with_ctrl("x");
    screen.xdotool(&["type", "--delay", "60", "a red "]);
    screen.with_ctrl("v");
    screen.click(START);
    until("the new file", &screen, || sprite(&file) != baked);
    let png = fs::read(&file).unwrap();
    let says = |words: &str| png.windows(words.len()).any(|part| part == words.as_bytes());
    assert!(says("a red dragon"), "what was cut and pasted is not in the prompt");
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
            screen.click(START);
            clicked = Some(Instant::now());
        }
        sprite(&potion) != baked_potion
    });
    assert_eq!(sprite(&file), new, "the hero stays what it was");
    let new_potion = sprite(&potion);
    until("the new potion in the world", &screen, || {
        find(&screen.shot(), &new_potion, PANEL_WIDTH..SCREEN.0).is_some()
    });
    std::thread::sleep(Duration::from_secs(2));
    let picked = screen.shot();

    // One prompt and one seed with three numbers of steps, side by side in the world.
    let before_comparing = history();
    screen.click(COMPARE);
    screen.click(PROMPT);
    screen.with_ctrl("a");
    screen.xdotool(&["type", "--delay", "60", "a purple slime"]);
    screen.click(AXIS);
    screen.click(STEPS);
    screen.click(START);
    until("three more sprites", &screen, || history().len() >= before_comparing.len() + 3);
    let compared: Vec<RgbaImage> = history().difference(&before_comparing).map(|file| sprite(file)).collect();
    std::thread::sleep(Duration::from_secs(1));
    assert!(places(&screen, &compared).len() < 3, "not unasked");
    screen.click(IN_THE_WORLD);
    until("the compared sprites in the world", &screen, || places(&screen, &compared).len() == 3);
    let rows: HashSet<u32> = places(&screen, &compared).into_iter().map(|(_, y)| y).collect();
    assert_eq!(rows.len(), 1, "next to each other");
    std::thread::sleep(Duration::from_secs(1));
    let comparing = screen.shot();
    screen.click(END);
    until("the end of the comparison", &screen, || places(&screen, &compared).is_empty());

    // The history shows them too, crisp: two screen pixels for each of theirs.
    screen.click(HISTORY);
    until("the history", &screen, || {
        let shot = screen.shot();
        compared.iter().all(|sprite| find(&shot, sprite, 0..PANEL_WIDTH).is_some())
    });

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
        picked.save(images.join("playtest-pick.png")).unwrap();
        comparing.save(images.join("playtest-compare.png")).unwrap();
    }
}
