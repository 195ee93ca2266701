//! A small room to try the generator in: `cargo run --example playtest`.
//!
//! Walk with the arrow keys or WASD. F10 shows and hides the panel: choose a sprite from the list or click it in
//! the world, type a prompt, press Generate, and the sprite changes while the game goes on.
//!
//! The room works on a copy of `assets/gen` in `target/playtest`, so the baked sprites stay as they are. Without a
//! display or a graphics adapter the same world runs headless: it generates one sprite, shows that it arrived in the
//! world, and says where the PNG is. `cargo run --example playtest -- MODEL SIZE` does so with a model of one's own (a
//! folder or a file) and a sprite of SIZE pixels.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever started it")]

mod headless;
mod room;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bevy::app::PanicHandlerPlugin;
use bevy::prelude::*;
use bevy::window::WindowResolution;
use bevy_egui::EguiPlugin;
use bevy_egui::input::egui_wants_any_keyboard_input;
use bevy_pixels_gen::pixgen_api::{GenPath, Kind};
use bevy_pixels_gen::{GenPanel, PixelsGenPlugin};

const WINDOW_PX: UVec2 = UVec2::new(1280, 720);

fn main() -> AppExit {
    let arguments = std::env::args().skip(1);
    let window = if arguments.len() == 0 { graphics() } else { Err("a model was named".to_owned()) };
    let reason = match window {
        Ok(mut app) => return app.run(),
        Err(reason) => reason,
    };
    println!("No window: {reason}. Running the world headless.");
    match headless::app(arguments) {
        Ok(mut app) => app.run(),
        Err(error) => {
            eprintln!("{error}");
            AppExit::error()
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

/// The panel starts with the hero as its target.
fn first_target(mut panel: ResMut<GenPanel>, mut done: Local<bool>) {
    if !*done {
        *done = true;
        panel.state.target = GenPath::parse("hero/knight.png").ok();
        panel.state.request.kind = Kind::Character;
    }
}
