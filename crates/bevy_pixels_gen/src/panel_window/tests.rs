//! What the panel asks for reaches the engine, and what came of it is what the panel shows next. No window, a fake model.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bevy::asset::AssetPlugin;
use bevy::camera::NormalizedRenderTarget;
use bevy::image::ImagePlugin;
use bevy::picking::backend::HitData;
use bevy::picking::pointer::{Location, PointerId};
use pixgen_api::{GenPath, JobState, Kind, Request};
use pixgen_engine::Provenance;

use super::*;
#[path = "../../../../tests/copy_folder.rs"]
mod copy_folder;
use crate::generate::{EngineConfig, FakeBackend};
use crate::panel::{ComparedRequest, HistorySearch};

/// A game with one sprite, and the panel's systems without egui.
struct Game {
    app: App,
    folder: tempfile::TempDir,
}

impl Game {
    fn new() -> Self {
        Self::with_step(Duration::from_millis(2))
    }

    /// With a model whose denoising steps take `step` each.
    fn with_step(step: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugin = PixelsGenPlugin {
            gen_dir: folder.path().join("gen"),
            data_dir: folder.path().join(".pixgen"),
            device: DevicePreference::Cpu,
            model_dirs: vec![folder.path().join("models")],
            ..default()
        };
        let mut app = App::new();
        let config = EngineConfig::sdxl(plugin.device, plugin.resolved_data_dir(), plugin.resolved_gen_dir())
            .with_loader(FakeBackend::loader(step));
        let assets = folder.path().join("assets").to_str().unwrap().to_owned();
        app.insert_resource(GenPanel::new(&plugin))
            .insert_resource(GenJobs::start(config).unwrap())
            .add_plugins((
                plugin,
                MinimalPlugins,
                AssetPlugin { file_path: assets, ..default() },
                ImagePlugin::default(),
            ))
            .add_observer(pick::pick_target)
            .add_observer(compare::take_clicked)
            .add_systems(PreUpdate, apply_actions.in_set(PixelsGenSystems::ReceiveEvents))
            .add_systems(Update, (forget_changed_images, compare::follow, compare::place, gather::gather).chain());
        app.finish();
        app.cleanup();
        app.world_mut().resource_mut::<GenPanel>().open = true;
        let assets = app.world().resource::<AssetServer>().clone();
        let sprite = Sprite::from_image(assets.load("gen://hero.png"));
        app.world_mut().spawn((Name::new("Hero"), sprite, Transform::default()));
        let mut game = Self { app, folder };
        game.panel().state.target = Some(hero());
        game
    }

    fn panel(&mut self) -> Mut<'_, GenPanel> {
        self.app.world_mut().resource_mut::<GenPanel>()
    }

    fn ask(&mut self, action: PanelAction) {
        self.panel().actions.push(action);
    }

    /// Frames until the view shows something; fails after half a minute.
    #[track_caller]
    fn until<T>(&mut self, what: &str, mut ready: impl FnMut(&JobsView) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            self.app.update();
            if let Some(value) = ready(&self.panel().view) {
                return value;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn draw(&mut self, prompt: &str, seed: u64) -> crate::panel::SpriteView {
        let request = Box::new(request(prompt, seed));
        self.ask(PanelAction::Generate { request, target: Some(hero()) });
        self.until(prompt, |view| view.candidates.first().filter(|sprite| sprite.title() == prompt).cloned())
    }

    /// A click as Bevy's picking tells of it.
    fn click(&mut self, entity: Entity, button: PointerButton) {
        let target = NormalizedRenderTarget::None { width: 100, height: 100 };
        let location = Location { target, position: Vec2::ZERO };
        let hit = HitData::new(Entity::PLACEHOLDER, 0.0, None, None);
        let click = Click { button, hit, duration: Duration::from_millis(50), count: 1 };
        self.app.world_mut().trigger(Pointer::new(PointerId::Mouse, location, click, entity));
    }

    fn compared_in_the_world(&mut self) -> usize {
        self.app.world_mut().query::<&compare::ComparedSprite>().iter(self.app.world()).count()
    }
}

fn hero() -> GenPath {
    GenPath::parse("hero.png").unwrap()
}

fn request(prompt: &str, seed: u64) -> Request {
    Request { seed: Some(seed), ..Request::new(Kind::Character, prompt) }
}

#[test]
fn a_drawn_sprite_can_be_drawn_again_and_varied() {
    let mut game = Game::new();
    let sprite = game.draw("a knight", 7);
    assert_eq!(sprite.seed(), Some(7));
    let (drawn_by, file) = game.until("how the hero was drawn", |view| {
        let target = view.targets.iter().find(|target| target.path == hero())?;
        Some((target.request.clone()?, target.file.clone()?))
    });
    assert_eq!((drawn_by.prompt.as_str(), drawn_by.seed), ("a knight", Some(7)));
    assert!(
        file.starts_with(game.folder.path().join(".pixgen")),
        "the history's copy, which stays: {}",
        file.display()
    );
    game.panel().state.request.init_image = Some(file.clone());
    let shown = game.until("the picture to begin with", |view| view.init_image.clone());
    assert_eq!((shown.path, shown.content.map(|pixels| pixels.width_px)), (file, Ok(32)));
}

#[test]
fn the_history_is_searched_and_kept_up_to_date() {
    let mut game = Game::new();
    game.draw("a red knight", 1);
    game.draw("a blue key", 2);
    let search = |words: &str, limit| HistorySearch { words: words.into(), kind: None, limit };
    game.ask(PanelAction::SearchHistory(search("RED", 10)));
    let found = game.until("the red one", |view| Some(view.history.clone()).filter(|found| found.sprites.len() == 1));
    assert_eq!((found.sprites[0].title(), found.has_more, found.error), ("a red knight", false, None));
    game.ask(PanelAction::SearchHistory(search("", 1)));
    game.until("a page", |view| (view.history.has_more && view.history.sprites.len() == 1).then_some(()));
    game.ask(PanelAction::SearchHistory(search("", 10)));
    game.until("both", |view| (view.history.sprites.len() == 2).then_some(()));
    game.draw("a green duck", 3);
    game.until("the new one without being asked", |view| (view.history.sprites.len() == 3).then_some(()));
}

#[test]
fn a_png_gives_its_settings_back() {
    let mut game = Game::new();
    let sprite = game.draw("a knight", 7);
    game.panel().state.request = request("something else", 1);
    game.ask(PanelAction::ReadSettings(sprite.file));
    let note = game.until("the note", |view| view.note.clone());
    assert!(note.contains("are in the form"), "{note}");
    let form = game.panel().state.request.clone();
    assert_eq!((form.prompt.as_str(), form.seed), ("a knight", Some(7)));
    game.ask(PanelAction::DismissNote);
    game.ask(PanelAction::ReadSettings("nowhere.png".into()));
    let error = game.until("the error", |view| view.messages.first().cloned());
    assert!(error.contains("nowhere.png"), "{error}");
    assert_eq!(game.panel().view.note, None);
}

/// A PNG that says to be drawn so, without any of the files being there.
fn png_of(request: &Request) -> Vec<u8> {
    let provenance = Provenance {
        request: request.clone(),
        model: "m".to_owned(),
        native_size_px: 16,
        inputs: Vec::new(),
        recipe: None,
    };
    provenance.encode(&image::RgbaImage::new(16, 16)).unwrap()
}

#[test]
fn a_strangers_png_opens_nothing_outside_the_game() {
    let mut game = Game::new();
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    // They are there, and could be opened.
    image::RgbaImage::new(16, 16).save(at("secret.png")).unwrap();
    for name in ["secret.hex", "secret.safetensors"] {
        std::fs::write(at(name), "ff0000\n").unwrap();
    }
    let lora = |path: PathBuf| pixgen_api::LoraRef { path, weight: 1.0 };
    let models = game.folder.path().join("models");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::write(models.join("ours.safetensors"), "").unwrap();
    let mut strange = Request {
        model: ModelRef::File("\\\\server\\share\\m.safetensors".into()),
        vae: Some(at("secret.safetensors")),
        init_image: Some(at("secret.png")),
        loras: vec![lora(at("secret.safetensors")), lora(models.join("ours.safetensors"))],
        ..request("a stranger", 7)
    };
    strange.pixel_art.palette = pixgen_api::PaletteSource::File(at("secret.hex"));
    std::fs::write(at("dropped.png"), png_of(&strange)).unwrap();
    let names = ["model", "vae", "init_image", "LoRA", "palette", "share", "secret.png", "choose it by hand"];
    let is_clean = |request: &Request| {
        assert_eq!((request.prompt.as_str(), &request.model), ("a stranger", &ModelRef::Embedded));
        assert_eq!(input_files(request), [models.join("ours.safetensors")]);
    };
    // Dropped onto the panel.
    game.ask(PanelAction::ReadSettings(at("dropped.png")));
    let note = game.until("the note", |view| view.note.clone());
    assert!(names.iter().all(|name| note.contains(name)), "{note}");
    is_clean(&game.panel().state.request);
    // As the sprite of the game that is chosen.
    std::fs::create_dir_all(game.folder.path().join("gen")).unwrap();
    std::fs::write(game.folder.path().join("gen/hero.png"), png_of(&strange)).unwrap();
    game.panel().target.forget();
    let target = game.until("the target", |view| {
        let target = view.targets.iter().find(|target| target.path == hero())?;
        target.request.is_some().then(|| target.clone())
    });
    is_clean(target.request.as_ref().unwrap());
    assert!(names.iter().all(|name| target.left_out.join("; ").contains(name)), "{:?}", target.left_out);
    // And in the history, where it goes when something else takes its place.
    game.draw("a knight", 7);
    let search = HistorySearch { words: "stranger".into(), kind: None, limit: 9 };
    // It comes there with the new one's file, which another thread writes.
    let until = Instant::now() + Duration::from_secs(30);
    let found = loop {
        game.panel().view.history.sprites.clear();
        game.ask(PanelAction::SearchHistory(search.clone()));
        (0..50).for_each(|_| game.until("a frame", |_| Some(())));
        if let Some(found) = game.panel().view.history.sprites.first().cloned() {
            break found;
        }
        assert!(Instant::now() < until, "waited in vain for the old one");
        std::thread::sleep(Duration::from_millis(20));
    };
    is_clean(found.request.as_ref().unwrap());
    assert_eq!(found.left_out, target.left_out);
    game.ask(PanelAction::Tell("what was left out".to_owned()));
    assert_eq!(game.until("the message", |view| view.messages.first().cloned()), "what was left out");
    // What the user has named may be named by a picture, too.
    game.panel().state.request.init_image = Some(at("secret.png"));
    game.ask(PanelAction::ReadSettings(at("dropped.png")));
    game.until("the init image", |view| {
        let note = view.note.as_ref()?;
        (!note.contains("init_image")).then_some(())
    });
    assert_eq!(game.panel().state.request.init_image, Some(at("secret.png")));
}

#[test]
fn a_comparison_is_drawn_shown_in_the_world_and_ended() {
    let mut game = Game::new();
    let compared = |steps: u32| {
        let request = Request { steps: Some(steps), ..request("a knight", 7) };
        ComparedRequest { label: format!("{steps} steps"), request }
    };
    game.ask(PanelAction::Compare(vec![compared(3), compared(5)]));
    game.until("both", |view| {
        let cells = &view.comparison.as_ref()?.cells;
        cells.iter().all(|cell| cell.state == JobState::Done && cell.sprite.is_some()).then_some(())
    });
    let view = game.panel().view.comparison.clone().unwrap();
    assert_eq!((view.prompt.as_str(), view.seed, view.in_world), ("a knight", 7, false));
    assert_eq!(view.cells.iter().map(|cell| cell.label.as_str()).collect::<Vec<_>>(), ["3 steps", "5 steps"]);
    assert_eq!(game.compared_in_the_world(), 0);
    game.ask(PanelAction::ShowComparison(true));
    game.until("the row", |view| view.comparison.as_ref().filter(|comparison| comparison.in_world).map(|_| ()));
    game.app.update();
    let mut places = game.app.world_mut().query_filtered::<&Transform, With<compare::ComparedSprite>>();
    let places: Vec<_> = places.iter(game.app.world()).map(|place| place.translation).collect();
    assert_eq!(places.len(), 2);
    assert!((places[0].x - places[1].x).abs() >= 32.0, "next to each other: {places:?}");
    let mut compared = game.app.world_mut().query_filtered::<Entity, With<compare::ComparedSprite>>();
    let compared = compared.iter(game.app.world()).next().unwrap();
    for button in [PointerButton::Secondary, PointerButton::Middle] {
        game.click(compared, button);
        (0..20).for_each(|_| game.until("a frame", |_| Some(())));
        assert!(!game.folder.path().join("gen/hero.png").exists(), "{button:?} belongs to the game");
    }
    game.click(compared, PointerButton::Primary);
    let hero = game.folder.path().join("gen/hero.png");
    game.until("the one that was clicked", |_| hero.is_file().then_some(()));
    game.panel().open = false;
    game.app.update();
    game.app.update();
    assert_eq!(game.compared_in_the_world(), 0, "not without the panel");
    game.panel().open = true;
    game.app.update();
    game.app.update();
    assert_eq!(game.compared_in_the_world(), 2);
    game.ask(PanelAction::EndComparison);
    game.until("the end", |view| view.comparison.is_none().then_some(()));
    game.app.update();
    assert_eq!(game.compared_in_the_world(), 0);
}

#[test]
fn only_the_main_button_picks_a_target() {
    let mut game = Game::new();
    let mut sprites = game.app.world_mut().query_filtered::<Entity, With<Sprite>>();
    let sprite = sprites.single(game.app.world()).unwrap();
    game.panel().state.target = None;
    game.ask(PanelAction::Pick(true));
    game.until("picking", |view| view.picking.then_some(()));
    game.click(sprite, PointerButton::Secondary);
    assert_eq!((game.panel().state.target.clone(), game.panel().picking), (None, true));
    game.click(sprite, PointerButton::Primary);
    assert_eq!((game.panel().state.target.clone(), game.panel().picking), (Some(hero()), false));
}

#[test]
fn the_queue_is_paused_ordered_and_cancelled() {
    let mut game = Game::new();
    game.ask(PanelAction::Pause(true));
    game.until("the pause", |view| view.paused.then_some(()));
    for prompt in ["first", "second", "third"] {
        game.ask(PanelAction::Generate { request: Box::new(request(prompt, 1)), target: None });
    }
    let third = game.until("three jobs", |view| (view.jobs.len() == 3).then(|| view.jobs[2].id));
    game.ask(PanelAction::Prioritize(third, pixgen_api::Priority::High));
    game.until("another order", |view| (view.jobs[0].id == third).then_some(()));
    game.ask(PanelAction::Cancel(third));
    game.until("two jobs", |view| (view.jobs.len() == 2).then_some(()));
    game.ask(PanelAction::Pause(false));
    game.until("the rest", |view| (view.jobs.is_empty() && view.candidates.len() == 2).then_some(()));
}

#[test]
fn a_pause_does_not_count_towards_the_time_that_is_left() {
    let mut game = Game::with_step(Duration::from_millis(20));
    let request = Request { steps: Some(60), ..request("a knight", 1) };
    game.ask(PanelAction::Generate { request: Box::new(request), target: None });
    game.until("a pace", |view| view.jobs.first().filter(|job| job.step >= 3).map(|_| ()));
    game.ask(PanelAction::Pause(true));
    let paused = game.until("the pause", |view| view.jobs.first().filter(|job| job.state == JobState::Paused).cloned());
    std::thread::sleep(Duration::from_secs(3));
    game.ask(PanelAction::Pause(false));
    let goes_on = |view: &JobsView| view.jobs.first().filter(|job| job.step > paused.step).and_then(|job| job.eta_secs);
    let left = game.until("the time that is left", goes_on);
    // 57 steps of a fiftieth of a second; with the pause among them it would be half a minute and more.
    assert!((0.2..10.0).contains(&left), "{left} s, paused at step {}", paused.step);
}

#[test]
fn a_model_is_looked_at_without_a_frame_that_waits() {
    let mut game = Game::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny");
    game.panel().state.request.model = ModelRef::Folder(folder);
    let mut said = Vec::new();
    let name = game.until("the model", |view| {
        said.extend(view.blocked.clone());
        Some(view.model.name.clone()).filter(|name| view.blocked.is_none() && name.contains("tiny"))
    });
    assert!(said.iter().all(|said| said == "the model is being looked at"), "{name}: {said:?}");
    game.panel().state.request.model = ModelRef::Folder("nowhere".into());
    let error = game.until("the error", |view| view.blocked.clone().filter(|said| said.contains("nowhere")));
    assert!(error.contains("does not exist"), "{error}");
}

#[test]
fn preflight_and_library_say_what_is_there() {
    let mut game = Game::new();
    std::fs::create_dir_all(game.folder.path().join("models")).unwrap();
    std::fs::write(game.folder.path().join("models/broken.safetensors"), "no model").unwrap();
    game.ask(PanelAction::SearchLibrary);
    let unusable = game.until("the library", |view| {
        (!view.library.searching).then(|| view.library.unusable.clone()).filter(|unusable| !unusable.is_empty())
    });
    assert!(unusable[0].contains("broken.safetensors"), "{unusable:?}");
    assert_eq!(game.panel().view.library.palettes.len(), 9);
    let mut request = request("a knight", 1);
    request.loras = vec!["nowhere.safetensors".parse().unwrap()];
    game.panel().state.request = request;
    let refusals = game.until("preflight", |view| Some(view.refusals.clone()).filter(|found| !found.is_empty()));
    assert!(refusals[0].contains("nowhere.safetensors"), "{refusals:?}");
}

#[test]
fn what_preflight_refuses_is_looked_at_again() {
    let mut game = Game::new();
    let picture = game.folder.path().join("start.png");
    game.panel().state.request = Request { init_image: Some(picture.clone()), ..request("a knight", 1) };
    let refusals = game.until("preflight", |view| Some(view.refusals.clone()).filter(|found| !found.is_empty()));
    assert!(refusals[0].contains("start.png"), "{refusals:?}");
    image::RgbaImage::new(32, 32).save(&picture).unwrap();
    game.until("nothing to refuse", |view| view.refusals.is_empty().then_some(()));
}

#[test]
fn the_picture_to_begin_with_is_shown_as_it_is_now() {
    let mut game = Game::new();
    let picture = game.folder.path().join("start.png");
    let first = |view: &JobsView| Some(view.init_image.as_ref()?.content.as_ref().ok()?.rgba[0]);
    game.panel().state.request = Request { init_image: Some(picture.clone()), ..request("a knight", 1) };
    game.until("no picture", |view| view.init_image.as_ref().filter(|picture| picture.content.is_err()).map(|_| ()));
    for red in [1, 201] {
        image::RgbaImage::from_pixel(32, 32, image::Rgba([red, 2, 3, 255])).save(&picture).unwrap();
        game.until("the picture", |view| first(view).filter(|shown| *shown == red));
    }
}

#[test]
fn a_model_that_was_refused_is_read_again_when_the_user_looks_again() {
    let mut game = Game::new();
    let model = game.folder.path().join("models/late");
    game.panel().state.request.model = ModelRef::Folder(model.clone());
    game.until("the error", |view| view.blocked.clone().filter(|said| said.contains("does not exist")));
    let tiny = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny");
    copy_folder::copy_folder(&tiny, &model);
    game.ask(PanelAction::SearchLibrary);
    game.until("the model", |view| view.blocked.is_none().then_some(()));
    assert_ne!(game.panel().view.model.name, "", "it was read");
}

#[test]
fn a_sprite_of_a_recipe_is_a_target_with_its_files_at_their_places() {
    let mut game = Game::new();
    let assets = game.folder.path().join("assets");
    std::fs::create_dir_all(assets.join("items")).unwrap();
    std::fs::write(assets.join("items/two.hex"), "ff0000\n00ff00\n").unwrap();
    let recipe = "(prompt: \"a key\", size_px: 16, pixel_art: (palette: file(\"two.hex\")))";
    std::fs::write(assets.join("items/key.sprite.ron"), recipe).unwrap();
    let server = game.app.world().resource::<AssetServer>().clone();
    game.app.world_mut().spawn(Sprite::from_image(server.load("items/key.sprite.ron#image")));
    let key = GenPath::parse("assets://items/key.png").unwrap();
    game.panel().state.target = Some(key.clone());
    let png = assets.join("items/key.png");
    game.until("its PNG", |_| png.is_file().then_some(()));
    let palette = pixgen_api::PaletteSource::File(assets.join("items/two.hex"));
    let target = game.until("how it was drawn", |view| {
        let target = view.targets.iter().find(|target| target.path == key)?;
        target.request.is_some().then(|| target.clone())
    });
    assert_eq!(target.request.unwrap().pixel_art.palette, palette);
    assert_eq!(target.recipe.as_deref(), Some("key.sprite.ron"));
    // The same from the PNG itself.
    game.ask(PanelAction::ReadSettings(png));
    game.until("the note", |view| view.note.clone());
    assert_eq!(game.panel().state.request.pixel_art.palette, palette);
}
