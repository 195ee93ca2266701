//! A virtual screen, and the examples on it: Xvfb shows them, `xdotool` uses them, and the screen's pixels are read.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use image::{Rgba, RgbaImage};

pub(crate) const SCREEN: (u32, u32) = (1280, 720);

/// A virtual screen whose content is a file.
pub(crate) struct Screen {
    server: Child,
    display: String,
    folder: tempfile::TempDir,
}

impl Screen {
    pub(crate) fn start() -> Self {
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
    pub(crate) fn shot(&self) -> RgbaImage {
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

    pub(crate) fn xdotool(&self, arguments: &[&str]) -> String {
        let output = Command::new("xdotool").env("DISPLAY", &self.display).args(arguments).output();
        let output = output.expect("xdotool is missing: apt-get install xdotool");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A letter while Ctrl is held, with time for a frame in between: a slow one would see the letter without the key.
    pub(crate) fn with_ctrl(&self, letter: &str) {
        let pause = || std::thread::sleep(Duration::from_millis(400));
        pause();
        for arguments in [["keydown", "ctrl"], ["key", letter], ["keyup", "ctrl"]] {
            self.xdotool(&arguments);
            pause();
        }
    }

    pub(crate) fn click(&self, (x, y): (u32, u32)) {
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

/// A running example.
pub(crate) struct Game {
    process: Child,
    log: Arc<Mutex<String>>,
}

impl Game {
    /// Builds an example as the tests are built, and starts it on the screen over the game folder `root`.
    pub(crate) fn start(example: &str, screen: &Screen, root: &Path) -> Self {
        let built = Command::new(env!("CARGO"))
            .current_dir(self::root())
            .args(["build", "--workspace", "--features", "bevy_pixels_gen/window_tests", "--example", example])
            .status()
            .unwrap();
        assert!(built.success());
        // Beside this test: …/debug/deps/window-… and …/debug/examples/playtest
        let this = std::env::current_exe().unwrap();
        let game = this.parent().unwrap().parent().unwrap().join("examples").join(example);
        let mut process = Command::new(game)
            .env("DISPLAY", &screen.display)
            .env("BEVY_ASSET_ROOT", root)
            .env("WGPU_BACKEND", "vulkan")
            .env("NO_COLOR", "1")
            .env_remove("WAYLAND_DISPLAY")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut errors, copy) = (process.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = errors.read(&mut chunk) {
                let text = String::from_utf8_lossy(&chunk[..length]);
                eprint!("{text}");
                copy.lock().unwrap().push_str(&text);
            }
        });
        Self { process, log }
    }

    /// Fails if the game has ended or complained.
    #[track_caller]
    pub(crate) fn is_well(&mut self) {
        assert_eq!(self.process.try_wait().unwrap(), None, "the game has ended");
        let log = self.log.lock().unwrap();
        for complaint in ["panicked", "ERROR", "WARN bevy_pixels_gen"] {
            assert!(!log.contains(complaint), "the game's log says {complaint}:\n{log}");
        }
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Waits until `ready`, for a minute and a half at most: a software rasteriser on two busy cores takes its time.
#[track_caller]
pub(crate) fn until(what: &str, screen: &Screen, mut ready: impl FnMut() -> bool) {
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

/// Share of a sprite's opaque pixels that the screen shows at `corner`, enlarged `zoom` times, 0 to 1.
pub(crate) fn shown(screen: &RgbaImage, sprite: &RgbaImage, corner: (u32, u32), zoom: u32) -> f32 {
    let (mut opaque, mut equal) = (0u32, 0u32);
    for (x, y, pixel) in sprite.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[3] > 0) {
        let on_screen = screen.get_pixel(corner.0 + x * zoom + zoom / 2, corner.1 + y * zoom + zoom / 2);
        let near = (0..3).all(|channel| on_screen.0[channel].abs_diff(pixel.0[channel]) <= 3);
        opaque += 1;
        equal += u32::from(near);
    }
    equal as f32 / opaque as f32
}

pub(crate) fn sprite(path: &Path) -> RgbaImage {
    image::open(path).unwrap().to_rgba8()
}
