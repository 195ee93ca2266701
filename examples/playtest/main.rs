//! A small room to try the generator in: `cargo run --example playtest`.
//!
//! Walk with the arrow keys or WASD. F10 shows and hides the panel: choose a sprite from the list or click it in
//! the world, type a prompt, press Generate, and the sprite changes while the game goes on.
//!
//! The room works on a copy of `assets/gen` in `target/playtest`, so the baked sprites stay as they are. Without a
//! display or a graphics adapter the same world runs headless: it generates one sprite, shows that it arrived in the
//! world, and says where the PNG is.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever started it")]

mod room;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use bevy::app::{PanicHandlerPlugin, ScheduleRunnerPlugin};
use bevy::asset::AssetPlugin;
use bevy::asset::io::file::FileAssetReader;
use bevy::image::ImagePlugin;
use bevy::prelude::*;
use bevy::window::WindowResolution;
use bevy_egui::EguiPlugin;
use bevy_egui::input::egui_wants_any_keyboard_input;
use bevy_pixels_gen::generate::{GenerateSprite, GenerationDone, GenerationFailed};
use bevy_pixels_gen::pixgen_api::{GenPath, Kind, Request};
use bevy_pixels_gen::{GenPanel, PixelsGenPlugin};

const WINDOW_PX: UVec2 = UVec2::new(1280, 720);

fn main() -> AppExit {
    match graphics() {
        Ok(mut app) => app.run(),
        Err(reason) => {
            println!("No window: {reason}. Running the world headless.");
            headless().run()
        }
    }
}

/// The game in a window, or why there cannot be one.
fn graphics() -> Result<App, String> {
    // wgpu and winit answer a missing adapter or display with a panic; asking first keeps the answer to one line.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = bevy::tasks::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    adapter.map_err(|_| "there is no graphics adapter".to_owned())?;

    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let app = catch_unwind(AssertUnwindSafe(windowed));
    std::panic::set_hook(hook);
    app.map_err(|_| "there is no display".to_owned())
}

fn windowed() -> App {
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
    .insert_resource(ClearColor(Color::srgb_u8(24, 22, 30)))
    .add_systems(Startup, room::camera)
    .add_systems(Update, room::walk.run_if(not(egui_wants_any_keyboard_input)))
    .add_systems(Update, first_target);
    room::add_to(&mut app);
    app
}

fn headless() -> App {
    let mut app = App::new();
    app.add_plugins((
        room::plugin("playtest"),
        MinimalPlugins.set(ScheduleRunnerPlugin::run_loop(Duration::from_secs_f64(1.0 / 60.0))),
        AssetPlugin::default(),
        ImagePlugin::default(),
    ))
    .add_systems(Startup, ask_for_a_sprite)
    .add_systems(Update, report);
    room::add_to(&mut app);
    app
}

/// The panel starts with the hero as its target.
fn first_target(mut panel: ResMut<GenPanel>, mut done: Local<bool>) {
    if !*done {
        *done = true;
        panel.state.target = GenPath::parse("hero/knight.png").ok();
        panel.state.request.kind = Kind::Character;
    }
}

// --- Without a window -----------------------------------------------------------------------------------------

fn potion() -> (Request, GenPath) {
    let request = Request { seed: Some(1), ..Request::new(Kind::Item, "a green potion in a round flask") };
    #[expect(clippy::unwrap_used, reason = "a literal")]
    (request, GenPath::parse("items/potion.png").unwrap())
}

fn ask_for_a_sprite(mut wishes: MessageWriter<GenerateSprite>) {
    let (request, target) = potion();
    println!("Generating \"{}\" into gen://{target} …", request.prompt);
    wishes.write(GenerateSprite { request, target: Some(target) });
}

fn report(
    mut done: MessageReader<GenerationDone>,
    mut failed: MessageReader<GenerationFailed>,
    mut changes: MessageReader<AssetEvent<Image>>,
    mut waiting: Local<Option<PathBuf>>,
    assets: Res<AssetServer>,
    time: Res<Time>,
    mut exit: MessageWriter<AppExit>,
) {
    for failure in failed.read() {
        eprintln!("The sprite failed: {}", failure.error);
        exit.write(AppExit::error());
    }
    if let Some(done) = done.read().next() {
        *waiting = done.images.first().map(|image| image.file.clone());
    }
    let (_, target) = potion();
    let ours = assets.get_handle::<Image>(target.asset_path());
    for change in changes.read() {
        if let AssetEvent::Modified { id } = change
            && ours.as_ref().is_some_and(|handle| handle.id() == *id)
            && let Some(file) = waiting.take()
        {
            let shown = FileAssetReader::get_base_path().join("target/playtest/gen").join(target.as_str());
            println!("The sprite arrived in the world after {:.1} s: {}", time.elapsed_secs(), shown.display());
            println!("Its history entry, with prompt and seed in the PNG: {}", file.display());
            exit.write(AppExit::Success);
        }
    }
}
