//! Keys and dropped files reach the panel through Bevy and bevy_egui, as from a window; nothing is drawn.

use std::time::Duration;

use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::settings::{RenderCreation, WgpuSettings};
use bevy::window::{FileDragAndDrop, PrimaryWindow};
use bevy::winit::WinitPlugin;
use bevy_egui::EguiPlugin;
use bevy_egui::input::EguiWantsInput;
use bevy_pixels_gen::generate::{EngineConfig, FakeBackend, GenJobs};
use bevy_pixels_gen::pixgen_api::{DevicePreference, Kind, Request};
use bevy_pixels_gen::{GenPanel, PixelsGenPlugin};

/// A whole game but for a display and a graphics card.
struct Game {
    app: App,
    window: Entity,
    folder: tempfile::TempDir,
}

impl Game {
    fn new(toggle_key: KeyCode) -> Self {
        crate::log::begin();
        let folder = tempfile::tempdir().unwrap();
        let (data_dir, gen_dir) = (folder.path().join(".pixgen"), folder.path().join("gen"));
        let config = EngineConfig::sdxl(DevicePreference::Cpu, &data_dir, &gen_dir)
            .with_loader(FakeBackend::loader(Duration::from_millis(1)));
        let no_card = WgpuSettings { backends: None, ..default() };
        let render = RenderPlugin { render_creation: RenderCreation::Automatic(Box::new(no_card)), ..default() };
        let mut app = App::new();
        app.insert_resource(GenJobs::start(config).unwrap())
            .add_plugins((
                PixelsGenPlugin { data_dir, gen_dir, toggle_key, device: DevicePreference::Cpu, ..default() },
                DefaultPlugins.set(render).disable::<WinitPlugin>().disable::<LogPlugin>(),
                EguiPlugin::default(),
            ))
            .add_systems(Startup, |mut commands: Commands| _ = commands.spawn(Camera2d));
        app.finish();
        app.cleanup();
        let window = app.world_mut().query_filtered::<Entity, With<PrimaryWindow>>().single(app.world()).unwrap();
        let mut game = Self { app, window, folder };
        game.frames(3);
        game
    }

    fn frames(&mut self, count: usize) {
        (0..count).for_each(|_| self.app.update());
    }

    fn press(&mut self, key_code: KeyCode, logical_key: Key) {
        for state in [ButtonState::Pressed, ButtonState::Released] {
            let (logical_key, window) = (logical_key.clone(), self.window);
            let key = KeyboardInput { key_code, logical_key, state, text: None, repeat: false, window };
            self.app.world_mut().write_message(key);
            self.frames(1);
        }
    }

    fn panel(&mut self) -> Mut<'_, GenPanel> {
        self.app.world_mut().resource_mut::<GenPanel>()
    }
}

#[test]
fn the_key_that_the_game_has_chosen_opens_and_closes_the_panel_and_f10_does_not() {
    let mut game = Game::new(KeyCode::F9);
    assert!(!game.panel().open);
    game.press(KeyCode::F10, Key::F10);
    assert!(!game.panel().open);
    game.press(KeyCode::F9, Key::F9);
    assert!(game.panel().open);
    game.press(KeyCode::F9, Key::F9);
    assert!(!game.panel().open);
    let mut game = Game::new(PixelsGenPlugin::default().toggle_key);
    game.press(KeyCode::F10, Key::F10);
    assert!(game.panel().open, "the key that the README names");
}

#[test]
fn a_key_that_types_text_is_left_to_the_prompt_while_it_is_written() {
    for (key, logical_key, closes) in [(KeyCode::KeyP, Key::Character("p".into()), false), (KeyCode::F9, Key::F9, true)]
    {
        let mut game = Game::new(key);
        game.press(key, logical_key.clone());
        assert!(game.panel().open);
        // Tab goes from field to field.
        for _ in 0..20 {
            game.press(KeyCode::Tab, Key::Tab);
            if game.app.world().resource::<EguiWantsInput>().wants_keyboard_input() {
                break;
            }
        }
        assert!(game.app.world().resource::<EguiWantsInput>().wants_keyboard_input(), "a field has the keyboard");
        game.press(key, logical_key);
        assert_eq!(game.panel().open, !closes, "{key:?}");
    }
}

#[test]
fn a_png_that_is_dropped_onto_the_window_gives_its_settings_back() {
    let mut game = Game::new(KeyCode::F10);
    let file = game.folder.path().join("knight.png");
    let provenance = bevy_pixels_gen::generate::engine::Provenance {
        request: Request { seed: Some(77), ..Request::new(Kind::Item, "a knight") },
        model: "m".to_owned(),
        native_size_px: 16,
        inputs: Vec::new(),
        recipe: None,
    };
    std::fs::write(&file, provenance.encode(&image::RgbaImage::new(16, 16)).unwrap()).unwrap();
    game.panel().open = true;
    game.frames(3);
    let window = game.window;
    game.app.world_mut().write_message(FileDragAndDrop::HoveredFile { window, path_buf: file.clone() });
    game.frames(2);
    game.app.world_mut().write_message(FileDragAndDrop::DroppedFile { window, path_buf: file });
    for _ in 0..500 {
        game.frames(1);
        if game.panel().state.request.seed == Some(77) {
            assert_eq!(game.panel().state.request.prompt, "a knight");
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it did not arrive");
}
