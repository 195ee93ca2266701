//! What a recipe may name, and what is written beside it: nothing outside the game is read, nothing that a person has
//! saved is lost, and what was drawn is not drawn again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bevy::asset::io::memory::Dir;
use bevy::prelude::*;
use bevy_pixels_gen::SpriteSheet;
use bevy_pixels_gen::generate::GenJobs;
use bevy_pixels_gen::generate::engine::Provenance;
use bevy_pixels_gen::pixgen_api::{GenPath, Kind, Request};
use bevy_pixels_gen::recipe::BakeState;
use image::{Rgba, RgbaImage};

use crate::log;
use crate::world::World;

const KNIGHT: &str = "(prompt: \"a red knight\", kind: character, size_px: 16, seed: 1)";

fn slow(step_ms: u64) -> World {
    World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(step_ms))
}

fn frames(world: &mut World, count: usize) {
    (0..count).for_each(|_| world.frame());
}

/// Waits until a recipe's sprite is what it should be, and gives the recipe as it was loaded.
#[track_caller]
fn in_state(world: &mut World, sheet: &Handle<SpriteSheet>, state: BakeState) -> SpriteSheet {
    world.until("the state", |world| world.asset(sheet).filter(|sheet| sheet.bake == state).cloned())
}

/// Loads a recipe and waits until it is drawn.
#[track_caller]
fn drawn(world: &mut World, path: &str) -> Handle<SpriteSheet> {
    let sheet = world.load(path);
    in_state(world, &sheet, BakeState::Fresh);
    sheet
}

fn finished(world: &World) -> usize {
    world.app.world().resource::<GenJobs>().finished().count()
}

#[test]
fn a_recipe_reads_no_file_outside_the_game() {
    let mut world = World::with_fake();
    let secret = world.folder.path().join("secret.png");
    RgbaImage::new(16, 16).save(&secret).unwrap();
    let absolute = secret.display().to_string();
    // For each kind of file one way out; the engine's own tests try every way for every kind.
    for (index, (field, expected)) in [
        (format!("init_image: \"{absolute}\""), "init_image"),
        ("init_image: \"../../secret.png\"".to_owned(), "leads out of the game's assets"),
        (format!("init_image: \"hero/ok.png\", mask: \"{absolute}\""), "mask"),
        ("loras: [(path: \"C:\\\\loras\\\\x.safetensors\")]".to_owned(), "names a drive"),
        ("vae: \"\\\\\\\\server\\\\share\\\\x.safetensors\"".to_owned(), "on another computer"),
        ("model: file(\"/etc/passwd\")".to_owned(), "is absolute"),
        ("model: folder(\"../../models\")".to_owned(), "leads out"),
        ("pixel_art: (palette: file(\"/etc/passwd\"))".to_owned(), "palette"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("hero/out{index}.sprite.ron");
        world.write(&format!("assets/{name}"), format!("(prompt: \"a knight\", size_px: 16, {field})"));
        let _sheet: Handle<SpriteSheet> = world.load(&name);
        let error = world.panel_says(&name);
        assert!(error.contains(expected) && error.contains("put the file beside the recipe"), "{field}: {error}");
        assert!(log::complains(&[&name, expected]), "{field} is not in the log");
    }
    frames(&mut world, 20);
    assert!(world.app.world().resource::<GenJobs>().records().is_empty(), "nothing is drawn with any of them");
    assert!(!world.folder.path().join(".pixgen/inputs").exists(), "nothing was read");
}

#[test]
fn a_recipe_names_files_from_where_it_lies_and_its_png_says_the_same_on_every_computer() {
    let mut world = World::with_fake();
    world.write("assets/hero/x", "");
    RgbaImage::from_pixel(16, 16, Rgba([0, 90, 0, 255])).save(world.folder.path().join("assets/hero/ref.png")).unwrap();
    world.write("assets/palettes/two.hex", "ff0000\n00ff00\n");
    let recipe = "(prompt: \"a knight\", size_px: 16, init_image: \"ref.png\", pixel_art: (palette: \
                  file(\"../palettes/two.hex\")))";
    world.write("assets/hero/a.sprite.ron", recipe);
    drawn(&mut world, "hero/a.sprite.ron");
    let png = fs::read(world.folder.path().join("assets/hero/a.png")).unwrap();
    let request = Provenance::request_of(&png).unwrap().unwrap();
    assert_eq!(request.init_image.as_deref(), Some(Path::new("ref.png")), "no folder of this computer");
    let text = String::from_utf8_lossy(&png).into_owned();
    assert!(!text.contains(&world.folder.path().display().to_string()));
}

#[test]
fn a_picture_that_a_recipe_names_is_part_of_it() {
    let mut world = slow(5);
    let init = |world: &World, value: u8| {
        world.write("assets/x", "");
        RgbaImage::from_pixel(16, 16, Rgba([value, 90, 0, 255]))
            .save(world.folder.path().join("assets/ref.png"))
            .unwrap();
    };
    init(&world, 10);
    world.write("assets/a.sprite.ron", "(prompt: \"a knight\", size_px: 16, seed: 1, init_image: \"ref.png\")");
    let sheet = drawn(&mut world, "a.sprite.ron");
    frames(&mut world, 30);
    assert_eq!(finished(&world), 1);
    // While the game runs.
    init(&world, 200);
    world.until("another sprite", |world| (finished(world) == 2).then_some(()));
    in_state(&mut world, &sheet, BakeState::Fresh);
    // And between two runs of it.
    let folder = world.close();
    let mut world = World::with_fake_in(folder, Duration::from_millis(5));
    let sheet = drawn(&mut world, "a.sprite.ron");
    frames(&mut world, 20);
    assert_eq!(finished(&world), 0, "nothing has changed");
    drop(sheet);
    let folder = world.close();
    RgbaImage::from_pixel(16, 16, Rgba([77, 9, 0, 255])).save(folder.path().join("assets/ref.png")).unwrap();
    let mut world = World::with_fake_in(folder, Duration::from_millis(40));
    let sheet: Handle<SpriteSheet> = world.load("a.sprite.ron");
    in_state(&mut world, &sheet, BakeState::Stale);
    in_state(&mut world, &sheet, BakeState::Fresh);
}

#[test]
fn what_a_person_saves_while_the_sprite_is_drawn_stays() {
    for (source, folder) in [("", "assets"), ("gen://", "gen")] {
        let mut world = slow(100);
        world.write(&format!("{folder}/a.sprite.ron"), KNIGHT);
        let sheet: Handle<SpriteSheet> = world.load(&format!("{source}a.sprite.ron"));
        in_state(&mut world, &sheet, BakeState::Missing);
        world.until("the last step", |world| {
            let jobs = world.app.world().resource::<GenJobs>();
            jobs.records().iter().any(|record| record.step + 1 >= record.steps && record.steps > 0).then_some(())
        });
        // Right before the sprite is there, and before anybody looks at the folder again.
        let theirs = RgbaImage::from_pixel(16, 16, Rgba([1, 2, 3, 255]));
        let file = world.folder.path().join(folder).join("a.png");
        theirs.save(&file).unwrap();
        in_state(&mut world, &sheet, BakeState::ByHand);
        frames(&mut world, 60);
        assert_eq!(image::open(&file).unwrap().to_rgba8(), theirs);
        assert_eq!(world.pixels(&world.asset(&sheet).unwrap().image.clone()), theirs.into_raw());
    }
}

#[test]
fn one_file_on_two_ways_is_drawn_once() {
    // `gen://` lies among the assets, as it does by default.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("assets")).unwrap();
    fs::create_dir_all(folder.path().join("gen")).unwrap();
    let link = folder.path().join("assets/gen");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("gen"), link).unwrap();
    #[cfg(not(unix))]
    return;
    let mut world = World::with_fake_in(folder, Duration::from_millis(30));
    world.write("gen/a.sprite.ron", KNIGHT);
    let both = ["gen://a.sprite.ron", "gen/a.sprite.ron"].map(|path| world.load::<SpriteSheet>(path));
    for sheet in &both {
        in_state(&mut world, sheet, BakeState::Fresh);
    }
    frames(&mut world, 40);
    assert_eq!(finished(&world), 1);
    assert!(world.app.world().resource::<GenJobs>().records().is_empty());
}

#[test]
fn a_recipe_beside_which_nothing_can_be_written_is_drawn_once_and_remembered() {
    let source = Dir::default();
    source.insert_asset_text(Path::new("a.sprite.ron"), KNIGHT);
    source.insert_asset_text(Path::new("b.sprite.ron"), &KNIGHT.replace("red", "blue"));
    let mut world = World::with_source(tempfile::tempdir().unwrap(), "readonly", source.clone());
    let image = |world: &World, sheet: &Handle<SpriteSheet>| world.pixels(&world.asset(sheet).unwrap().image);
    let sheet = drawn(&mut world, "readonly://a.sprite.ron");
    let error = world.panel_says("cannot be put beside its recipe");
    assert!(error.contains("dgx-pixels bake"), "{error}");
    let red = image(&world, &sheet);
    let other = drawn(&mut world, "readonly://b.sprite.ron");
    assert_ne!(image(&world, &other), red);
    assert_eq!(log::count(&["readonly://", "cannot be put beside its recipe"]), 1, "said once");
    assert_eq!(finished(&world), 2);
    drop((sheet, other));

    let mut world = World::with_source(world.close(), "readonly", source.clone());
    let sheet = drawn(&mut world, "readonly://a.sprite.ron");
    assert_eq!(image(&world, &sheet), red);
    frames(&mut world, 20);
    assert_eq!((finished(&world), world.app.world().resource::<GenJobs>().error()), (0, None));
    assert_eq!(log::count(&["readonly://", "cannot be put beside its recipe"]), 1, "and not at every start");
    drop(sheet);

    // Another recipe is another sprite.
    source.insert_asset_text(Path::new("a.sprite.ron"), &KNIGHT.replace("seed: 1", "seed: 2"));
    let mut world = World::with_source(world.close(), "readonly", source);
    drawn(&mut world, "readonly://a.sprite.ron");
    assert_eq!(finished(&world), 1);
}

/// The recipe's text, and what stands beside it.
fn on_disk(world: &World, folder: &str) -> (String, Vec<u8>) {
    let at = |name: &str| world.folder.path().join(folder).join(name);
    (fs::read_to_string(at("a.sprite.ron")).unwrap(), fs::read(at("a.png")).unwrap())
}

#[test]
fn what_is_accepted_for_a_recipe_is_written_into_it_and_undone_with_it() {
    let text = "// The hero.\n(\n    prompt: \"a red knight\", // for now\n    kind: character,\n    size_px: 16,\n    \
                seed: 1,\n)\n";
    for (source, folder, target) in [("", "assets", "assets://a.png"), ("gen://", "gen", "gen://a.png")] {
        let mut world = slow(5);
        world.write(&format!("{folder}/a.sprite.ron"), text);
        let path = format!("{source}a.sprite.ron");
        let sheet = drawn(&mut world, &path);
        let before = on_disk(&world, folder);
        assert_eq!(before.0, text);

        let other = Request { seed: Some(9), size_px: 16, ..Request::new(Kind::Character, "a \"blue\" knight") };
        world.wish(other, target);
        let blue = world.success().images.remove(0);
        world.until("the new sprite under the recipe's handle", |world| {
            let sheet = world.asset(&sheet)?;
            (sheet.bake == BakeState::Fresh && world.image(&sheet.image)?.data? == blue.pixels.rgba[..]).then_some(())
        });
        let after = on_disk(&world, folder);
        assert!(
            after.0.starts_with("// The hero.\n(\n    prompt: \"a \\\"blue\\\" knight\", // for now\n"),
            "{}",
            after.0
        );
        assert!(after.0.contains("    seed: 9,\n"), "{}", after.0);
        assert_eq!(after.1, fs::read(&blue.file).unwrap());
        frames(&mut world, 40);
        assert_eq!(finished(&world), 2, "nothing is drawn over it");

        world.app.world_mut().resource_mut::<GenJobs>().undo();
        world.until("the way back", |world| (on_disk(world, folder) == before).then_some(()));
        in_state(&mut world, &sheet, BakeState::Fresh);
        world.app.world_mut().resource_mut::<GenJobs>().redo();
        world.until("the way forth", |world| (on_disk(world, folder) == after).then_some(()));
        frames(&mut world, 40);
        assert_eq!(finished(&world), 2);

        // The next start keeps it.
        drop(sheet);
        let mut world = World::with_fake_in(world.close(), Duration::from_millis(5));
        let sheet = drawn(&mut world, &path);
        assert_eq!(world.pixels(&world.asset(&sheet).unwrap().image.clone())[..], blue.pixels.rgba[..]);
        frames(&mut world, 30);
        assert_eq!(finished(&world), 0);
    }
}

#[test]
fn a_recipe_that_cannot_say_what_was_accepted_is_left_alone_and_the_panel_says_so() {
    let mut world = slow(5);
    world.write("assets/a.sprite.ron", KNIGHT);
    let sheet = drawn(&mut world, "a.sprite.ron");
    let elsewhere = world.folder.path().join("elsewhere.png");
    RgbaImage::from_pixel(16, 16, Rgba([9, 90, 0, 255])).save(&elsewhere).unwrap();
    let variation = Request { init_image: Some(elsewhere), size_px: 16, ..Request::new(Kind::Character, "a knight") };
    world.wish(variation, "assets://a.png");
    world.success();
    let error = world.panel_says("lies in none of them");
    assert!(error.contains("the next start draws what the recipe asks for"), "{error}");
    assert_eq!(fs::read_to_string(world.folder.path().join("assets/a.sprite.ron")).unwrap(), KNIGHT);
    frames(&mut world, 40);
    assert_eq!(finished(&world), 2, "in this run it stays");
    drop(sheet);
}

/// The frames of a game in which a disk is slow: nothing of what is put into the game is written by the main thread.
#[test]
fn accepting_does_not_wait_for_the_disk() {
    let mut world = World::with_fake();
    let (_, handle) = world.spawn("gen://hero.png");
    let mut hashes = Vec::new();
    for seed in 0..4 {
        world.wish(Request { seed: Some(seed), size_px: 16, ..Request::new(Kind::Character, "a hero") }, "hero");
        hashes.push(world.success().images.remove(0));
    }
    let path = GenPath::parse("hero").unwrap();
    let mut jobs = world.app.world_mut().resource_mut::<GenJobs>();
    // All at once: the order is kept.
    for image in &hashes {
        jobs.apply(&image.hash, &path);
    }
    jobs.undo();
    jobs.undo();
    jobs.redo();
    world.until("the third", |world| (world.pixels(&handle) == hashes[2].pixels.rgba[..]).then_some(()));
    frames(&mut world, 10);
    let jobs = world.app.world().resource::<GenJobs>();
    assert_eq!((jobs.shown(&path), jobs.can_undo_redo()), (Some(hashes[2].hash.as_str()), (true, true)));
}
