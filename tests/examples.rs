//! Every example in a real window: it comes up, shows what its head comment says, and complains of nothing.
//!
//! The windows stand on Xvfb and are drawn by a software rasteriser, as in `window.rs`. The playtest is tested there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod copy_folder;
#[allow(dead_code, reason = "the playtest's test uses the rest")]
mod screen;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use copy_folder::copy_folder;
use image::RgbaImage;

use screen::{Game, SCREEN, Screen, root, shown, sprite, until};

/// One after the other: they share the processor with a software rasteriser and a model.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy of the game's assets, which an example may change.
fn game_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&root().join("assets"), &folder.path().join("assets"));
    folder
}

/// Upper left corner on the screen of a sprite of 32 px, `zoom` times enlarged, whose middle is `at` from the world's.
fn corner(at: (i32, i32), zoom: u32) -> (u32, u32) {
    let half = 16 * zoom as i32;
    let x = SCREEN.0 as i32 / 2 + at.0 - half;
    let y = SCREEN.1 as i32 / 2 - at.1 - half;
    (x as u32, y as u32)
}

/// Share of an area of the screen that is not its background.
fn drawn_on(screen: &RgbaImage, (left, top): (u32, u32), (width, height): (u32, u32)) -> f32 {
    let background = *screen.get_pixel(SCREEN.0 - 3, SCREEN.1 - 3);
    let drawn = (left..left + width)
        .flat_map(|x| (top..top + height).map(move |y| (x, y)))
        .filter(|(x, y)| *screen.get_pixel(*x, *y) != background)
        .count();
    drawn as f32 / (width * height) as f32
}

/// Keeps a picture of the screen for people to look at.
fn keep(screen: &Screen, name: &str) {
    if std::env::var_os("KEEP_SCREENSHOTS").is_some() {
        let folder = root().join("target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        screen.shot().save(folder.join(name)).unwrap();
    }
}

#[test]
fn minimal() {
    let (_turn, screen, folder) = (alone(), Screen::start(), game_folder());
    let mut game = Game::start("minimal", &screen, folder.path());
    let knight = sprite(&root().join("assets/gen/hero/knight.png"));
    until("the knight", &screen, || shown(&screen.shot(), &knight, corner((0, 0), 8), 8) > 0.99);
    assert!(drawn_on(&screen.shot(), (20, 20), (300, 400)) < 0.01, "the panel is closed");
    let window = screen.xdotool(&["search", "--name", "."]);
    screen.xdotool(&["windowfocus", window.lines().next().unwrap_or_default()]);
    std::thread::sleep(Duration::from_secs(1));
    screen.xdotool(&["key", "F10"]);
    until("the panel", &screen, || drawn_on(&screen.shot(), (20, 20), (300, 400)) > 0.9);
    keep(&screen, "minimal.png");
    game.is_well();
    let lines = fs::read_to_string(root().join("examples/minimal.rs")).unwrap();
    let code = lines.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    assert!(code <= 20, "the minimal example has {code} lines of code");
}

#[test]
fn recipe() {
    let (_turn, screen, folder) = (alone(), Screen::start(), game_folder());
    let mut game = Game::start("recipe", &screen, folder.path());
    let file = folder.path().join("assets/recipes/potion.png");
    let baked = sprite(&file);
    let at = corner((0, 0), 8);
    until("the potion", &screen, || shown(&screen.shot(), &baked, at, 8) > 0.99);
    keep(&screen, "recipe-before.png");
    game.is_well();

    let recipe = folder.path().join("assets/recipes/potion.sprite.ron");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("blue potion", "red potion")).unwrap();
    until("the new potion's file", &screen, || sprite(&file) != baked);
    let new = sprite(&file);
    until("the new potion on the screen", &screen, || shown(&screen.shot(), &new, at, 8) > 0.99);
    keep(&screen, "recipe-after.png");
    game.is_well();
}

#[test]
fn from_code() {
    let (_turn, screen, folder) = (alone(), Screen::start(), game_folder());
    let mut game = Game::start("from_code", &screen, folder.path());
    let file = folder.path().join("target/from_code/gen/loot/0.png");
    until("the loot's file", &screen, || file.is_file());
    let loot = sprite(&file);
    until("the loot", &screen, || shown(&screen.shot(), &loot, corner((-400, 200), 4), 4) > 0.99);
    let window = screen.xdotool(&["search", "--name", "."]);
    screen.xdotool(&["windowfocus", window.lines().next().unwrap_or_default()]);
    std::thread::sleep(Duration::from_secs(1));
    screen.xdotool(&["key", "space"]);
    let second = folder.path().join("target/from_code/gen/loot/1.png");
    until("the second piece", &screen, || second.is_file());
    let loot = sprite(&second);
    until("the second piece", &screen, || shown(&screen.shot(), &loot, corner((-240, 200), 4), 4) > 0.99);
    // Asked for and stopped at once: it never comes.
    screen.xdotool(&["key", "space"]);
    std::thread::sleep(Duration::from_millis(300));
    screen.xdotool(&["key", "BackSpace"]);
    std::thread::sleep(Duration::from_secs(6));
    assert!(!folder.path().join("target/from_code/gen/loot/2.png").exists(), "the third piece was stopped");
    keep(&screen, "from_code.png");
    game.is_well();
}

#[test]
fn with_inspector() {
    let (_turn, screen, folder) = (alone(), Screen::start(), game_folder());
    let mut game = Game::start("with_inspector", &screen, folder.path());
    until("the panel", &screen, || drawn_on(&screen.shot(), (20, 20), (300, 400)) > 0.9);
    std::thread::sleep(Duration::from_secs(3));
    keep(&screen, "with_inspector.png");
    // Left to itself egui puts the world inspector where ours is not.
    for (what, left) in [("the world inspector", 400), ("the generator's status", 910)] {
        let drawn = drawn_on(&screen.shot(), (left, 20), (160, 100));
        assert!(drawn > 0.9, "{what} covers {drawn} of its place");
    }
    game.is_well();
}
