//! Files that recipes name: saved while a sprite is drawn, as large as a LoRA is, and found by the game and the command
//! line in the same places.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bevy::prelude::*;
use bevy_pixels_gen::SpriteSheet;
use bevy_pixels_gen::generate::GenJobs;
use bevy_pixels_gen::generate::engine::{
    Bake, Engine, EngineConfig, FakeBackend, HashCache, JobOptions, RecipeFolders, bake_with,
};
use bevy_pixels_gen::pixgen_api::{DevicePreference, EventKind, JobId, Request};
use bevy_pixels_gen::recipe::{BakeState, RecipeBaked};
use image::{Rgba, RgbaImage};

use crate::log;
use crate::world::World;

fn is_fresh(world: &World, sheet: &Handle<SpriteSheet>) -> bool {
    world.asset(sheet).is_some_and(|sheet| sheet.bake == BakeState::Fresh)
}

/// How often something was drawn.
fn drawn(world: &World) -> usize {
    world.app.world().resource::<GenJobs>().finished().count()
}

/// As an editor that saves, or a version control system, right before the sprite is put beside its recipe.
#[test]
fn a_file_that_is_touched_while_its_sprite_is_drawn_keeps_nothing_from_its_place() {
    const RECIPE: &str = "(prompt: \"a red knight\", size_px: 16, seed: 1, init_image: \"ref.png\")";
    type Touch = fn(&World);
    let touches: [(&str, Touch); 3] = [
        ("a comment", |world| world.write("assets/a.sprite.ron", format!("// better\n{RECIPE}"))),
        ("the picture, saved as it was", |world| {
            let file = world.folder.path().join("assets/ref.png");
            let content = fs::read(&file).unwrap();
            fs::write(file, content).unwrap();
        }),
        ("both", |world| {
            world.write("assets/a.sprite.ron", format!("{RECIPE}\n// later\n"));
            fs::File::options()
                .append(true)
                .open(world.folder.path().join("assets/ref.png"))
                .and_then(|file| file.set_modified(std::time::SystemTime::now()))
                .unwrap();
        }),
    ];
    for (what, touch) in touches {
        // Drawn within the time between two looks at the files.
        let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(30));
        world.write("assets/a.sprite.ron", RECIPE);
        let picture = world.folder.path().join("assets/ref.png");
        RgbaImage::from_pixel(16, 16, Rgba([9, 90, 9, 255])).save(&picture).unwrap();
        let sheet: Handle<SpriteSheet> = world.load("a.sprite.ron");
        world.until("the job", |world| {
            let is_begun = |jobs: &GenJobs| jobs.records().iter().any(|record| record.step > 0);
            is_begun(world.app.world().resource::<GenJobs>()).then_some(())
        });
        touch(&world);
        world.until(what, |world| is_fresh(world, &sheet).then_some(()));
        assert!(world.folder.path().join("assets/a.png").is_file());
        assert_eq!(drawn(&world), 1, "{what}: it is not drawn twice");
        let told = world.app.world_mut().resource_mut::<Messages<RecipeBaked>>().drain().collect::<Vec<_>>();
        assert!(matches!(&told[..], [told] if told.result.is_ok()), "{what}: {told:?}");
        assert_eq!(world.app.world().resource::<GenJobs>().error(), None);
    }
}

#[test]
fn an_edit_that_counts_while_its_sprite_is_put_beside_it_is_drawn() {
    let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(30));
    world.write("assets/a.sprite.ron", "(prompt: \"a red knight\", size_px: 16, seed: 1)");
    let sheet: Handle<SpriteSheet> = world.load("a.sprite.ron");
    world.until("the job", |world| {
        let jobs = world.app.world().resource::<GenJobs>();
        jobs.records().iter().any(|record| record.step > 2).then_some(())
    });
    world.write("assets/a.sprite.ron", "(prompt: \"a blue knight\", size_px: 32, seed: 1)");
    world.until("the edited one", |world| {
        (is_fresh(world, &sheet) && world.asset(&sheet).unwrap().cell_px == UVec2::splat(32)).then_some(())
    });
}

/// Bevy has few threads for files, on two cores a single one.
#[test]
fn a_large_lora_keeps_no_other_asset_waiting_nor_the_end_of_the_game() {
    let mut world = World::with_fake();
    let lora =
        |name: &str| format!("(prompt: \"a knight\", size_px: 16, seed: 1, loras: [(path: \"{name}\", weight: 1.0)])");
    for name in ["a", "b"] {
        world.write(&format!("assets/{name}.sprite.ron"), lora("large.safetensors"));
    }
    // Sparse: takes no room, and many seconds to read.
    let large = fs::File::create(world.folder.path().join("assets/large.safetensors")).unwrap();
    large.set_len(48 << 30).unwrap();
    world.write("assets/small.safetensors", "small");
    world.write("assets/c.sprite.ron", lora("small.safetensors"));
    let with_large = ["a.sprite.ron", "b.sprite.ron"].map(|path| world.load::<SpriteSheet>(path));
    for _ in 0..10 {
        world.frame();
    }
    let start = Instant::now();
    let small: Handle<SpriteSheet> = world.load("c.sprite.ron");
    world.until("the small one", |world| world.asset(&small).map(|_| ()));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(with_large.iter().all(|sheet| world.asset(sheet).is_none()), "it was large enough");
    let start = Instant::now();
    drop(world);
    let readers = || {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        tasks
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
            .any(|name| name.trim() == "pixgen-hashes")
    };
    while readers() {
        assert!(start.elapsed() < Duration::from_secs(5), "it reads on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What `dgx-pixels bake` does with a recipe: its folder of all assets is the nearest one called `assets`.
fn as_on_the_command_line(game: &Path, file: &Path) -> (Request, Request) {
    let recipe = Request::from_recipe(&fs::read(file).unwrap()).unwrap();
    let folders = RecipeFolders::of_file(file, &[&game.join("assets")], &[game.join("models")]);
    let placed = folders.resolve(&recipe).unwrap();
    (recipe, placed)
}

#[test]
fn a_recipe_below_gen_means_the_same_to_the_game_and_to_the_command_line() {
    let palette = |prompt: &str| {
        format!("(prompt: \"{prompt}\", size_px: 16, seed: 1, pixel_art: (palette: file(\"shared/two.hex\")))")
    };
    let mut world = World::with_gen_in_assets(tempfile::tempdir().unwrap(), Duration::from_millis(1));
    let game = world.folder.path().to_owned();
    world.write("assets/shared/two.hex", "ff0000\n00ff00\n");
    world.write("assets/gen/hero/by_game.sprite.ron", palette("a knight"));
    world.write("assets/gen/hero/by_command.sprite.ron", palette("a key"));
    // Baked by the game.
    let sheet: Handle<SpriteSheet> = world.load("gen://hero/by_game.sprite.ron");
    world.until("the sprite", |world| is_fresh(world, &sheet).then_some(()));
    let (recipe, placed) = as_on_the_command_line(&game, &game.join("assets/gen/hero/by_game.sprite.ron"));
    let inputs = HashCache::default().inputs_of(&placed, &|| false).unwrap();
    assert_eq!(inputs.len(), 1);
    let png = fs::read(game.join("assets/gen/hero/by_game.png")).unwrap();
    assert_eq!(bake_with(&png, &recipe, &placed, &inputs).unwrap(), Bake::Fresh);
    // Baked on the command line.
    let (recipe, placed) = as_on_the_command_line(&game, &game.join("assets/gen/hero/by_command.sprite.ron"));
    let work = tempfile::tempdir().unwrap();
    let config = EngineConfig::sdxl(DevicePreference::Cpu, work.path(), work.path());
    let engine = Engine::start(config.with_loader(FakeBackend::loader(Duration::ZERO))).unwrap();
    engine.submit_with(JobId::fresh(), placed, JobOptions { recipe: Some(recipe), ..JobOptions::default() });
    let images = engine.events().iter().find_map(|event| match event.kind {
        EventKind::Done(images) => Some(images),
        EventKind::Failed(error) => panic!("{error}"),
        _ => None,
    });
    fs::copy(&images.unwrap()[0].file, game.join("assets/gen/hero/by_command.png")).unwrap();
    let before = drawn(&world);
    let sheet: Handle<SpriteSheet> = world.load("gen://hero/by_command.sprite.ron");
    world.until("the command's", |world| world.asset(&sheet).map(|_| ()));
    assert!(is_fresh(&world, &sheet));
    assert_eq!(drawn(&world), before);
    assert!(!log::complains(&["by_command"]));
}
