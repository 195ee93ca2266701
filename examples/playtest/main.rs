//! A small room to try the generator in: `cargo run --example playtest`.
//!
//! Walk with the arrow keys or WASD. F10 shows and hides the panel: choose a sprite from the list or click it in
//! the world, type a prompt, press Generate, and the sprite changes while the game goes on.
//!
//! The room works on a copy of `assets/gen` in `target/playtest`, so the baked sprites stay as they are. Without a
//! display or a graphics adapter, or with `--headless`, the same world runs without a window: it generates one sprite,
//! shows that it arrived in the world, and says where the PNG is.
//!
//! `cargo run --example playtest -- --model PATH` draws with another model than the embedded one: a `.safetensors` file or a
//! folder in diffusers layout.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever started it")]

mod room;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bevy::app::{PanicHandlerPlugin, ScheduleRunnerPlugin};
use bevy::asset::AssetPlugin;
use bevy::asset::io::file::FileAssetReader;
use bevy::image::ImagePlugin;
use bevy::prelude::*;
use bevy::window::WindowResolution;
use bevy_egui::EguiPlugin;
use bevy_egui::input::egui_wants_any_keyboard_input;
use bevy_pixels_gen::generate::{GenerateSprite, GenerationDone, GenerationFailed};
use bevy_pixels_gen::pixgen_api::{GenPath, Kind, ModelRef, Request};
use bevy_pixels_gen::{GenPanel, PixelsGenPlugin};

const WINDOW_PX: UVec2 = UVec2::new(1280, 720);

fn main() -> AppExit {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\nusage: playtest [--model PATH] [--headless]");
            return AppExit::error();
        }
    };
    match graphics(&options) {
        Ok(mut app) => app.run(),
        Err(reason) => {
            println!("No window: {reason}. Running the world headless.");
            headless(options).run()
        }
    }
}

/// What was asked for on the command line.
#[derive(Resource, Clone, Default)]
struct Options {
    model: ModelRef,
    headless: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--headless" => options.headless = true,
                "--model" => {
                    let path = arguments.next().ok_or("--model needs the path of a model")?;
                    options.model = ModelRef::at(path);
                }
                other => return Err(format!("there is no option {other}")),
            }
        }
        Ok(options)
    }
}

/// The game in a window, or why there cannot be one.
fn graphics(options: &Options) -> Result<App, String> {
    if options.headless {
        return Err("none was wanted".to_owned());
    }
    // wgpu and winit answer a missing adapter or display with a panic; asking first keeps the answer to one line.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = bevy::tasks::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    adapter.map_err(|_| "there is no graphics adapter".to_owned())?;

    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let app = catch_unwind(AssertUnwindSafe(|| windowed(options.clone())));
    std::panic::set_hook(hook);
    app.map_err(|_| "there is no display".to_owned())
}

fn windowed(options: Options) -> App {
    let mut app = App::new();
    app.add_plugins((
        PixelsGenPlugin { open: true, ..room::plugin("playtest") },
        // The panic hook belongs to `graphics` while the window is tried out.
        DefaultPlugins.build().disable::<PanicHandlerPlugin>().set(WindowPlugin {
            primary_window: Some(Window {
                title: "playtest".into(),
                resolution: WindowResolution::new(WINDOW_PX.x, WINDOW_PX.y),
                ..default()
            }),
            ..default()
        }),
        EguiPlugin::default(),
    ))
    .insert_resource(options)
    .insert_resource(ClearColor(Color::srgb_u8(24, 22, 30)))
    .add_systems(Startup, room::camera)
    .add_systems(Update, room::walk.run_if(not(egui_wants_any_keyboard_input)))
    .add_systems(Update, first_target);
    room::add_to(&mut app);
    app
}

fn headless(options: Options) -> App {
    let mut app = App::new();
    app.add_plugins((
        room::plugin("playtest"),
        MinimalPlugins.set(ScheduleRunnerPlugin::run_loop(Duration::from_secs_f64(1.0 / 60.0))),
        AssetPlugin::default(),
        ImagePlugin::default(),
    ))
    .insert_resource(options)
    .init_resource::<Frames>()
    .add_systems(First, Frames::note)
    .add_systems(Update, (ask_for_a_sprite, report).chain());
    room::add_to(&mut app);
    app
}

/// The panel starts with the hero as its target.
fn first_target(mut panel: ResMut<GenPanel>, options: Res<Options>, mut done: Local<bool>) {
    if !*done {
        *done = true;
        panel.state.target = GenPath::parse("hero/knight.png").ok();
        panel.state.request.kind = Kind::Character;
        panel.state.request.model = options.model.clone();
    }
}

// --- Without a window -----------------------------------------------------------------------------------------

/// Frames at rest before the sprite is asked for: two seconds.
const AT_REST: usize = 120;

/// When frames began.
#[derive(Resource, Default)]
struct Frames {
    starts: Vec<Instant>,
    /// How many had begun when the sprite was asked for, and the handle of the picture that it is to replace.
    asked: Option<(usize, Handle<Image>)>,
}

impl Frames {
    fn note(mut frames: ResMut<Self>) {
        frames.starts.push(Instant::now());
    }

    /// Median, 99th percentile and longest interval in milliseconds.
    fn pace(starts: &[Instant]) -> String {
        let mut intervals: Vec<f64> =
            starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1000.0).collect();
        intervals.sort_by(f64::total_cmp);
        let at = |share: f64| intervals.get((intervals.len().saturating_sub(1) as f64 * share) as usize);
        let [median, p99, longest] = [0.5, 0.99, 1.0].map(|share| at(share).copied().unwrap_or_default());
        format!("median {median:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms of {} frames", intervals.len())
    }
}

fn potion(model: &ModelRef) -> (Request, GenPath) {
    let request =
        Request { seed: Some(1), model: model.clone(), ..Request::new(Kind::Item, "a green potion in a round flask") };
    #[expect(clippy::unwrap_used, reason = "a literal")]
    (request, GenPath::parse("items/potion.png").unwrap())
}

fn ask_for_a_sprite(
    mut wishes: MessageWriter<GenerateSprite>,
    mut frames: ResMut<Frames>,
    options: Res<Options>,
    assets: Res<AssetServer>,
) {
    if frames.asked.is_some() || frames.starts.len() < AT_REST {
        return;
    }
    let (request, target) = potion(&options.model);
    let Some(handle) = assets.get_handle::<Image>(target.asset_path()) else { return };
    println!("At rest: {}", Frames::pace(&frames.starts[AT_REST / 4..]));
    println!("Generating \"{}\" into gen://{target}, asset {} …", request.prompt, handle.id());
    frames.asked = Some((frames.starts.len(), handle));
    wishes.write(GenerateSprite { request, target: Some(target) });
}

#[allow(clippy::too_many_arguments, reason = "it looks at everything that may happen")]
fn report(
    mut done: MessageReader<GenerationDone>,
    mut failed: MessageReader<GenerationFailed>,
    mut changes: MessageReader<AssetEvent<Image>>,
    mut waiting: Local<Option<PathBuf>>,
    frames: Res<Frames>,
    options: Res<Options>,
    images: Res<Assets<Image>>,
    mut exit: MessageWriter<AppExit>,
) {
    for failure in failed.read() {
        eprintln!("The sprite failed: {}", failure.error);
        exit.write(AppExit::error());
    }
    if let Some(done) = done.read().next() {
        *waiting = done.images.first().map(|image| image.file.clone());
    }
    let (_, target) = potion(&options.model);
    let Some((asked, handle)) = &frames.asked else { return };
    for change in changes.read() {
        // The handle from before the generation: what shows the sprite keeps it.
        if let AssetEvent::Modified { id } = change
            && handle.id() == *id
            && let Some(file) = waiting.take()
        {
            let shown = FileAssetReader::get_base_path().join("target/playtest/gen").join(target.as_str());
            let size = images.get(*id).map(Image::size).unwrap_or_default();
            println!(
                "The sprite arrived in the world after {:.1} s, asset {id}, {} × {} px: {}",
                frames.starts[asked - 1].elapsed().as_secs_f64(),
                size.x,
                size.y,
                shown.display()
            );
            println!("Meanwhile: {}", Frames::pace(&frames.starts[asked - 1..]));
            println!("Its history entry, with prompt and seed in the PNG: {}", file.display());
            exit.write(AppExit::Success);
        }
    }
}
