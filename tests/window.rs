//! The whole way through a real window: X events type a prompt, and the pixels on the screen change.
//!
//! Runs the `playtest` example under Xvfb with a software rasteriser (needs `xvfb`, `xdotool` and a Vulkan driver such as
//! lavapipe), uses it with `xdotool` as a person would, and reads the screen. With `UPDATE_SNAPSHOTS=1` the
//! screenshots become the README's pictures.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::{Rgba, RgbaImage};

const SCREEN: (u32, u32) = (1280, 720);
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

/// A virtual screen whose content is a file.
struct Screen {
    server: Child,
    display: String,
    folder: tempfile::TempDir,
}

impl Screen {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", &format!("{}x{}x24", SCREEN.0, SCREEN.1), "-nolisten", "tcp"])
            .args(["-fbdir", folder.path().to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is missing: apt-get install xvfb");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { server, display: format!(":{}", line.trim()), folder }
    }

    /// What is on the screen: Xvfb keeps it in a file in the X window dump format.
    fn shot(&self) -> RgbaImage {
        let dump = fs::read(self.folder.path().join("Xvfb_screen0")).unwrap();
        let field = |index: usize| u32::from_be_bytes(dump[index * 4..index * 4 + 4].try_into().unwrap());
        let (header, width, height) = (field(0), field(4), field(5));
        let (bits, line, colors) = (field(11), field(12), field(19));
        assert_eq!((width, height, bits), (SCREEN.0, SCREEN.1, 32));
        let start = (header + colors * 12) as usize;
        RgbaImage::from_fn(width, height, |x, y| {
            let at = start + (y * line + x * 4) as usize;
            Rgba([dump[at + 2], dump[at + 1], dump[at], 255])
        })
    }

    fn xdotool(&self, arguments: &[&str]) -> String {
        let output = Command::new("xdotool").env("DISPLAY", &self.display).args(arguments).output();
        let output = output.expect("xdotool is missing: apt-get install xdotool");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn click(&self, (x, y): (u32, u32)) {
        self.xdotool(&["mousemove", &x.to_string(), &y.to_string()]);
        // One frame sees the pointer there before the button goes down.
        std::thread::sleep(Duration::from_millis(300));
        self.xdotool(&["mousedown", "1"]);
        std::thread::sleep(Duration::from_millis(150));
        self.xdotool(&["mouseup", "1"]);
        std::thread::sleep(Duration::from_millis(300));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

struct Game(Child);

impl Drop for Game {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn start_game(screen: &Screen) -> Game {
    let built = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["build", "--package", "bevy_pixels_gen", "--features", "window_tests", "--example", "playtest"])
        .status()
        .unwrap();
    assert!(built.success());
    // Beside this test: …/debug/deps/window-… and …/debug/examples/playtest
    let this = std::env::current_exe().unwrap();
    let game = this.parent().unwrap().parent().unwrap().join("examples/playtest");
    let child = Command::new(game)
        .env("DISPLAY", &screen.display)
        .env("BEVY_ASSET_ROOT", root())
        .env("WGPU_BACKEND", "vulkan")
        .env_remove("WAYLAND_DISPLAY")
        .spawn()
        .unwrap();
    Game(child)
}

/// Waits until `ready`, for a minute and a half at most: a software rasteriser on two busy cores takes its time.
#[track_caller]
fn until(what: &str, screen: &Screen, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        if start.elapsed() > Duration::from_secs(90) {
            let failed = root().join("target/window-test-failed.png");
            fs::create_dir_all(failed.parent().unwrap()).unwrap();
            screen.shot().save(&failed).unwrap();
            panic!("waited 90 s for {what}; the screen is in {}", failed.display());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Share of a sprite's opaque pixels that the screen shows at `corner`, 0 to 1.
fn shown(screen: &RgbaImage, sprite: &RgbaImage, corner: (u32, u32)) -> f32 {
    let (mut opaque, mut equal) = (0u32, 0u32);
    for (x, y, pixel) in sprite.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 0) {
        let on_screen = screen.get_pixel(corner.0 + x * ZOOM + ZOOM / 2, corner.1 + y * ZOOM + ZOOM / 2);
        let near = (0..3).all(|channel| on_screen.0[channel].abs_diff(pixel.0[channel]) <= 3);
        opaque += 1;
        equal += u32::from(near);
    }
    equal as f32 / opaque as f32
}

fn sprite(path: &Path) -> RgbaImage {
    image::open(path).unwrap().to_rgba8()
}

#[test]
fn a_prompt_typed_into_the_window_changes_the_sprite_on_the_screen() {
    let screen = Screen::start();
    let _game = start_game(&screen);
    let file = root().join("target/playtest/gen/hero/knight.png");
    let baked = sprite(&root().join("assets/gen/hero/knight.png"));
    until("the room with the hero", &screen, || shown(&screen.shot(), &baked, HERO) > 0.9);
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
    assert!(shown(&before, &new, HERO) < 0.5, "the new sprite looks like the old one");
    until("the new sprite on the screen", &screen, || shown(&screen.shot(), &new, HERO) > 0.9);
    // The changed sprite's glow has to fade before the picture is taken.
    std::thread::sleep(Duration::from_secs(2));
    let after = screen.shot();
    assert!(shown(&after, &baked, HERO) < 0.5, "the old sprite is still there");

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
    until("the hero to have walked away", &screen, || shown(&screen.shot(), &new, HERO) < 0.5);

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
