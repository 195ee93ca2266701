//! A `.sprite.ron` becomes a sprite, and another one when it is edited, under the same handles.

use std::time::{Duration, Instant};

use bevy::asset::LoadState;
use bevy::prelude::*;
use bevy_pixels_gen::SpriteSheet;
use bevy_pixels_gen::generate::engine::{Bake, Provenance, bake_of, recipe_hash};
use bevy_pixels_gen::generate::{GenJobs, SpriteGenerated};
use bevy_pixels_gen::pixgen_api::{JobState, Kind, Request, baked_file};
use bevy_pixels_gen::recipe::{BakeState, RecipeBaked};

use crate::log;
use crate::world::{FRAME, World};

const RED: &str = "(prompt: \"a red knight\", kind: character, size_px: 16, seed: 1)";
const BLUE: &str = "(prompt: \"a blue knight\", kind: character, size_px: 32, seed: 1)";

/// The handles of a recipe and of its parts.
struct Knight {
    path: &'static str,
    sheet: Handle<SpriteSheet>,
    image: Handle<Image>,
    layout: Handle<TextureAtlasLayout>,
}

impl Knight {
    /// Loads a recipe and waits for its first pixels.
    fn load(world: &mut World, path: &'static str) -> Self {
        let sheet: Handle<SpriteSheet> = world.load(path);
        let (image, layout) =
            world.until("the recipe", |world| world.asset(&sheet).map(|s| (s.image.clone(), s.layout.clone())));
        Self { path, sheet, image, layout }
    }

    fn bake(&self, world: &World) -> BakeState {
        world.asset(&self.sheet).unwrap().bake
    }

    /// Waits until the sprite is the right one.
    #[track_caller]
    fn fresh(&self, world: &mut World) {
        world.until("a fresh bake", |world| (self.bake(world) == BakeState::Fresh).then_some(()));
    }

    #[track_caller]
    fn keeps_its_handles(&self, world: &World) {
        let sheet = world.asset(&self.sheet).unwrap();
        assert_eq!((sheet.image.id(), sheet.layout.id()), (self.image.id(), self.layout.id()));
        assert_eq!(world.load::<Image>(&format!("{}#image", self.path)).id(), self.image.id());
        assert_eq!(world.load::<TextureAtlasLayout>(&format!("{}#layout", self.path)).id(), self.layout.id());
    }

    fn size(&self, world: &World) -> UVec2 {
        world.image(&self.image).unwrap().size()
    }
}

fn no_jobs(world: &World) -> bool {
    world.app.world().resource::<GenJobs>().records().iter().all(|record| record.state == JobState::Failed)
}

fn frames(world: &mut World, count: usize) {
    (0..count).for_each(|_| world.frame());
}

/// The default source and `gen://`, whose reader has placeholders of its own.
const PLACES: [(&str, &str, &str); 2] = [
    ("sprites/knight.sprite.ron", "assets/sprites/knight.sprite.ron", "assets/sprites/knight.png"),
    ("gen://hero/knight.sprite.ron", "gen/hero/knight.sprite.ron", "gen/hero/knight.png"),
];

#[test]
fn a_missing_sprite_is_a_placeholder_and_then_itself_and_is_not_drawn_twice() {
    for (path, recipe, baked) in PLACES {
        let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(40));
        world.write(recipe, RED);
        let knight = Knight::load(&mut world, path);
        assert_eq!(knight.bake(&world), BakeState::Missing, "{path}");
        assert_eq!(knight.size(&world), UVec2::splat(16), "the placeholder has the recipe's size");
        let placeholder = world.pixels(&knight.image);

        knight.fresh(&mut world);
        knight.keeps_its_handles(&world);
        let drawn = world.pixels(&knight.image);
        assert_ne!(drawn, placeholder);
        let png = image::open(world.folder.path().join(baked)).unwrap().to_rgba8();
        assert_eq!(png.as_raw(), &drawn, "what is on the screen is what is on the disk");
        let told = world.app.world_mut().resource_mut::<Messages<RecipeBaked>>().drain().collect::<Vec<_>>();
        assert!(matches!(&told[..], [told] if told.result.is_ok() && told.recipe == path.into()), "{told:?}");

        // The next start finds it.
        let mut world = World::with_fake_in(world.close(), Duration::from_millis(40));
        let knight = Knight::load(&mut world, path);
        assert_eq!((knight.bake(&world), world.pixels(&knight.image)), (BakeState::Fresh, drawn));
        frames(&mut world, 30);
        assert!(no_jobs(&world) && world.seen().modified.is_empty(), "nothing is drawn or loaded again");
    }
}

#[derive(Resource, Default)]
struct Told(Vec<Entity>);

#[test]
fn the_recipes_of_the_examples_are_baked() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/recipes");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(baked) = baked_file(&path) else { continue };
        let recipe = Request::from_recipe(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(bake_of(&std::fs::read(baked).unwrap(), &recipe).unwrap(), Bake::Fresh, "{}", path.display());
        found += 1;
    }
    assert!(found > 0);
}

#[test]
fn an_edit_draws_anew_under_the_same_handles_and_keeps_the_old_pixels_meanwhile() {
    for (path, recipe, baked) in PLACES {
        let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(60));
        world.write(recipe, RED);
        let knight = Knight::load(&mut world, path);
        knight.fresh(&mut world);
        let red = world.pixels(&knight.image);
        let sprite = Sprite { image: knight.image.clone(), ..default() };
        let entity = world.app.world_mut().spawn(sprite).id();
        world.app.init_resource::<Told>();
        world.app.add_observer(|told: On<SpriteGenerated>, mut all: ResMut<Told>| all.0.push(told.entity));
        frames(&mut world, 30);
        world.seen().modified.clear();

        world.write(recipe, BLUE);
        world.until("the edit to be noticed", |world| (knight.bake(world) == BakeState::Stale).then_some(()));
        assert_eq!(world.pixels(&knight.image), red, "{path}: the old pixels stay until the new ones are there");
        knight.fresh(&mut world);
        knight.keeps_its_handles(&world);
        let blue = world.pixels(&knight.image);
        assert_ne!(blue, red);
        assert_eq!(knight.size(&world), UVec2::splat(32));
        assert_eq!(world.asset(&knight.layout).unwrap().size, UVec2::splat(32), "the atlas follows");
        assert_eq!(world.app.world().resource::<Told>().0, [entity]);
        frames(&mut world, 30);
        let modified = world.seen().modified.len();
        assert_eq!(modified, 2, "once for the edit (old pixels, read again) and once for the sprite");

        // The way back, by hand on the disk: what was drawn for the old text is in the history, but drawn again it is.
        world.write(recipe, format!("// the first one\n{RED}"));
        world.until("the way back", |world| (world.pixels(&knight.image) == red).then_some(()));
        assert_eq!(image::open(world.folder.path().join(baked)).unwrap().width(), 16);
        knight.keeps_its_handles(&world);
    }
}

/// As a change of branch does it, or an editor that removes and writes.
#[test]
fn a_recipe_that_was_gone_for_a_while_is_followed_again() {
    for (path, recipe, _) in PLACES {
        let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(20));
        world.write(recipe, RED);
        let knight = Knight::load(&mut world, path);
        knight.fresh(&mut world);
        std::fs::remove_file(world.folder.path().join(recipe)).unwrap();
        // Longer than from one look at the files to the next.
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(300));
            frames(&mut world, 10);
        }
        world.write(recipe, BLUE);
        world.until("the recipe's return", |world| (knight.size(world) == UVec2::splat(32)).then_some(()));
        knight.keeps_its_handles(&world);
    }
}

#[test]
fn the_png_alone_follows_its_recipe_and_a_sprite_put_there_by_hand_stays() {
    let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(60));
    world.write("gen/a.sprite.ron", RED);
    let (_, plain) = world.spawn("gen://a.png");
    assert_eq!(world.image(&plain).unwrap().size(), UVec2::splat(16), "the placeholder has the recipe's size");
    let placeholder = world.pixels(&plain);
    let knight = Knight::load(&mut world, "gen://a.sprite.ron");
    knight.fresh(&mut world);
    world.until("the plain sprite", |world| (world.pixels(&plain) != placeholder).then_some(()));
    assert_eq!(world.pixels(&plain), world.pixels(&knight.image));

    world.seen().done.clear();
    // As the panel does it: another sprite for the same file.
    let other = Request { seed: Some(9), size_px: 16, ..Request::new(Kind::Item, "a green knight") };
    world.wish(other, "a.png");
    let green = world.success().images.remove(0).pixels.rgba;
    world.until("the other sprite", |world| (world.pixels(&knight.image)[..] == green[..]).then_some(()));
    frames(&mut world, 60);
    let jobs = world.app.world().resource::<GenJobs>();
    assert!(no_jobs(&world), "{:?} {:?}", jobs.records(), knight.bake(&world));
    assert_eq!(world.pixels(&plain)[..], green[..], "the recipe does not take it away");
    // An edit of the recipe counts again.
    world.write("gen/a.sprite.ron", BLUE);
    world.until("the edit", |world| (knight.size(world) == UVec2::splat(32)).then_some(()));
    knight.keeps_its_handles(&world);
}

#[test]
fn comments_and_layout_draw_nothing() {
    let mut world = World::with_fake();
    world.write("assets/a.sprite.ron", RED);
    let knight = Knight::load(&mut world, "a.sprite.ron");
    knight.fresh(&mut world);
    frames(&mut world, 30);
    let drawn = world.app.world().resource::<GenJobs>().finished().count();
    world.write("assets/a.sprite.ron", format!("// better\n{}", RED.replace(", ", ",\n    ")));
    frames(&mut world, 60);
    assert_eq!(knight.bake(&world), BakeState::Fresh);
    assert_eq!(world.app.world().resource::<GenJobs>().finished().count(), drawn);
}

#[test]
fn a_part_alone_keeps_its_recipe_alive() {
    let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(60));
    world.write("assets/a.sprite.ron", RED);
    let image: Handle<Image> = world.load("a.sprite.ron#image");
    world.until("the placeholder", |world| world.image(&image).map(|_| ()));
    let placeholder = world.pixels(&image);
    world.until("the sprite", |world| (world.pixels(&image) != placeholder).then_some(()));
    let red = world.pixels(&image);
    frames(&mut world, 60);
    world.write("assets/a.sprite.ron", BLUE);
    world.until("the edited sprite", |world| (world.pixels(&image) != red).then_some(()));
    assert_eq!(world.image(&image).unwrap().size(), UVec2::splat(32));
}

#[test]
fn what_nobody_uses_any_more_is_let_go() {
    let mut world = World::with_fake();
    for name in ["a", "b"] {
        world.write(&format!("assets/{name}.sprite.ron"), RED);
    }
    let images = |world: &World| world.app.world().resource::<Assets<Image>>().len();
    let before = images(&world);
    let image: Handle<Image> = world.load("a.sprite.ron#image");
    let whole = Knight::load(&mut world, "b.sprite.ron");
    let loaded = |world: &World| world.app.world().resource::<Assets<SpriteSheet>>().len();
    whole.fresh(&mut world);
    frames(&mut world, 60);
    assert_eq!(loaded(&world), 2, "the part keeps its recipe");
    drop(whole);
    world.until("the recipe to go", |world| (loaded(world) == 1).then_some(()));
    drop(image);
    world.until("the other one to go", |world| (loaded(world) == 0).then_some(()));
    world.until("their pictures to go", |world| (images(world) == before).then_some(()));
}

#[test]
fn an_edit_while_it_is_drawn_draws_only_what_counts() {
    let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(300));
    world.write("assets/a.sprite.ron", RED);
    let knight = Knight::load(&mut world, "a.sprite.ron");
    world.until("the job", |world| (!no_jobs(world)).then_some(()));
    world.write("assets/a.sprite.ron", BLUE);
    knight.fresh(&mut world);
    let jobs = world.app.world().resource::<GenJobs>();
    let prompts: Vec<_> = jobs.finished().map(|finished| finished.request.prompt.as_str()).collect();
    assert_eq!(prompts, ["a blue knight"], "the red one was cancelled");
    knight.keeps_its_handles(&world);
}

#[test]
fn a_mistake_keeps_the_sprite_and_says_what_to_do_until_it_is_mended() {
    let mut world = World::with_fake();
    world.write("assets/a.sprite.ron", RED);
    let knight = Knight::load(&mut world, "a.sprite.ron");
    knight.fresh(&mut world);
    let red = world.pixels(&knight.image);
    let long = format!("(prompt: \"{}\")", "a".repeat(100_000));
    for (text, expected) in [
        ("(promt: \"a knight\")", "no field `promt`: did you mean `prompt`?"),
        ("(prompt: \"a knight\", kind: karacter)", "no choice `karacter`: did you mean `character`?"),
        ("(prompt: \"a knight\", size_px: 100000)", "size_px is 100000, expected 8 to 512"),
        ("(prompt: \"a knight\", size_px: 99999999999)", "this number is too large"),
        (&long, "the prompt has 100000 characters"),
        ("<html>", "line 1"),
    ] {
        world.write("assets/a.sprite.ron", text);
        let error = world.until(expected, |world| {
            let jobs = world.app.world().resource::<GenJobs>();
            jobs.error().filter(|error| error.contains(expected)).map(str::to_owned)
        });
        assert!(error.starts_with("a.sprite.ron: "), "{error}");
        assert!(log::complains(&[expected]), "the log says nothing of {expected}");
        assert_eq!(world.pixels(&knight.image), red);
    }
    // Drawn for exactly this text already: the error goes, the sprite stays.
    world.write("assets/a.sprite.ron", RED);
    world.until("the error to go", |world| world.app.world().resource::<GenJobs>().error().is_none().then_some(()));
    world.write("assets/a.sprite.ron", BLUE);
    world.until("the mended recipe's sprite", |world| (world.pixels(&knight.image) != red).then_some(()));
    knight.keeps_its_handles(&world);
}

#[test]
fn a_recipe_that_was_wrong_from_the_start_is_mended_while_the_game_runs() {
    let mut world = World::with_fake();
    world.write("assets/a.sprite.ron", "(promt: \"a knight\")");
    let sheet: Handle<SpriteSheet> = world.load("a.sprite.ron");
    world.until("the error", |world| world.app.world().resource::<GenJobs>().error().map(|_| ()));
    world.until("Bevy's word on it", |world| {
        matches!(world.app.world().resource::<AssetServer>().load_state(&sheet), LoadState::Failed(_)).then_some(())
    });
    world.write("assets/a.sprite.ron", RED);
    world.until("the sprite", |world| world.asset(&sheet).is_some_and(|s| s.bake == BakeState::Fresh).then_some(()));
}

#[test]
fn one_broken_recipe_does_not_hide_another() {
    let mut world = World::with_fake();
    let names = ["a.sprite.ron", "b.sprite.ron"];
    let wrong = |world: &World| {
        let jobs = world.app.world().resource::<GenJobs>();
        names.map(|name| jobs.errors().any(|error| error.starts_with(name) && error.contains("`promt`")))
    };
    let mut sheets: Vec<Handle<SpriteSheet>> = Vec::new();
    for name in names {
        world.write(&format!("assets/{name}"), "(promt: \"a knight\")");
        sheets.push(world.load(name));
    }
    world.until("both errors", |world| (wrong(world) == [true, true]).then_some(()));
    world.write("assets/b.sprite.ron", RED);
    world.until("one error", |world| (wrong(world) == [true, false]).then_some(()));
    world.write("assets/a.sprite.ron", BLUE);
    world.until("no error", |world| world.app.world().resource::<GenJobs>().error().is_none().then_some(()));
}

#[test]
fn what_cannot_be_drawn_is_said_once_and_tried_again_after_an_edit() {
    let mut world = World::with_fake();
    world.write("assets/a.sprite.ron", "(prompt: \"fail\", size_px: 16)");
    let knight = Knight::load(&mut world, "a.sprite.ron");
    let error = world.until("the error", |world| world.app.world().resource::<GenJobs>().error().map(str::to_owned));
    assert!(error.starts_with("a.sprite.ron was not drawn: ") && error.contains("asked to fail"), "{error}");
    frames(&mut world, 60);
    let jobs = world.app.world().resource::<GenJobs>();
    assert_eq!(jobs.records().len(), 1, "not tried over and over");
    assert_eq!(knight.bake(&world), BakeState::Missing);
    world.write("assets/a.sprite.ron", RED);
    knight.fresh(&mut world);
    assert_eq!(world.app.world().resource::<GenJobs>().error(), None);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_the_placeholder_stays() {
    let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(60));
    world.write("assets/a.sprite.ron", RED);
    // A folder where the PNG should be: stops even root, whom permissions do not.
    let knight = Knight::load(&mut world, "a.sprite.ron");
    std::fs::create_dir(world.folder.path().join("assets/a.png")).unwrap();
    let error = world.until("the error", |world| world.app.world().resource::<GenJobs>().error().map(str::to_owned));
    assert!(error.contains("a.sprite.ron") && error.contains("a.png"), "{error}");
    assert_eq!(knight.size(&world), UVec2::splat(16));
    std::fs::remove_dir(world.folder.path().join("assets/a.png")).unwrap();
    world.write("assets/a.sprite.ron", BLUE);
    knight.fresh(&mut world);
}

#[test]
fn a_picture_that_somebody_painted_is_not_replaced_and_can_have_many_cells() {
    let mut world = World::with_fake();
    world.write("assets/a.sprite.ron", RED);
    let strip = image::RgbaImage::from_fn(64, 16, |x, _| image::Rgba([x as u8, 0, 0, 255]));
    strip.save(world.folder.path().join("assets/a.png")).unwrap();
    let knight = Knight::load(&mut world, "a.sprite.ron");
    assert_eq!(knight.bake(&world), BakeState::ByHand);
    let sheet = world.asset(&knight.sheet).unwrap();
    assert_eq!((sheet.cell_px, sheet.cells), (UVec2::splat(16), 4));
    assert_eq!(world.asset(&knight.layout).unwrap().textures.len(), 4);
    let sprite = sheet.sprite(3);
    assert_eq!(sprite.texture_atlas.map(|atlas| (atlas.layout.id(), atlas.index)), Some((knight.layout.id(), 3)));
    frames(&mut world, 60);
    assert!(no_jobs(&world));
    assert_eq!(world.pixels(&knight.image), strip.into_raw());

    // Painting on is seen at once, though nothing watches the folder.
    let wider = image::RgbaImage::from_pixel(80, 16, image::Rgba([9, 9, 9, 255]));
    wider.save(world.folder.path().join("assets/a.png")).unwrap();
    world.until("the painting", |world| (knight.size(world) == UVec2::new(80, 16)).then_some(()));
    assert_eq!(world.asset(&knight.layout).unwrap().textures.len(), 5);
    knight.keeps_its_handles(&world);
}

#[test]
fn a_png_that_claims_to_be_huge_or_is_broken_is_an_error_and_costs_no_memory() {
    let mut world = World::with_fake();
    for (name, bytes, expected) in
        [("huge", huge_png(), "30000 × 30000"), ("broken", b"<html>".to_vec(), "broken.png beside the recipe")]
    {
        world.write(&format!("assets/{name}.sprite.ron"), RED);
        world.write(&format!("assets/{name}.png"), bytes);
        let sheet: Handle<SpriteSheet> = world.load(&format!("{name}.sprite.ron"));
        let error =
            world.until("the error", |world| match world.app.world().resource::<AssetServer>().load_state(&sheet) {
                LoadState::Failed(error) => Some(error.to_string()),
                LoadState::NotLoaded | LoadState::Loading | LoadState::Loaded => None,
            });
        assert!(error.contains(expected) && error.contains("delete it"), "{error}");
        world.until("the panel's error", |world| {
            let jobs = world.app.world().resource::<GenJobs>();
            jobs.error().filter(|error| error.contains(expected)).map(str::to_owned)
        });
        assert!(log::complains(&[expected]), "the log says nothing of {expected}");
    }
}

/// A well-formed PNG of a hundred bytes whose header announces 3.6 GB of pixels.
pub(crate) fn huge_png() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend_from_slice(&30_000_u32.to_be_bytes());
    png.extend_from_slice(&30_000_u32.to_be_bytes());
    png.extend_from_slice(&[8, 6, 0, 0, 0, 0x7a, 0x2b, 0x1c, 0x0d]);
    png.extend_from_slice(b"\0\0\0\0IEND\xae\x42\x60\x82");
    png
}

/// Frames until all sprites are there, in milliseconds.
struct StartUp {
    first: f64,
    longest: f64,
    /// That no more than one frame in a hundred takes longer than.
    most: f64,
    all_there: f64,
}

fn start_up(world: &mut World, count: usize, shown: BakeState) -> StartUp {
    let start = Instant::now();
    let sheets: Vec<Handle<SpriteSheet>> = (0..count).map(|i| world.load(&format!("many/{i}.sprite.ron"))).collect();
    for sheet in &sheets {
        // What a game does with its handles in the first frame.
        world.app.world_mut().spawn((Sprite::default(), Name::new(format!("{:?}", sheet.id()))));
    }
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let mut taken = Vec::new();
    let mut frame = start;
    let is_there =
        |world: &World| sheets.iter().all(|sheet| world.asset(sheet).is_some_and(|sheet| sheet.bake == shown));
    while taken.is_empty() || !is_there(world) {
        assert!(start.elapsed() < Duration::from_secs(30), "waited 30 s for all recipes");
        world.app.update();
        taken.push(ms(frame.elapsed()));
        // At 60 Hz, as a game.
        std::thread::sleep(FRAME.saturating_sub(frame.elapsed()));
        frame = Instant::now();
    }
    let (first, all_there) = (taken[0], ms(start.elapsed()));
    taken.sort_by(f64::total_cmp);
    StartUp { first, longest: taken[taken.len() - 1], most: taken[(taken.len() - 1) * 99 / 100], all_there }
}

#[test]
fn five_hundred_recipes_stall_no_frame() {
    const COUNT: usize = 500;
    let mut best = [[f64::MAX; 2]; 3];
    let recipe = |i: usize| format!("(prompt: \"knight {i}\", kind: character, size_px: 32, seed: {i})");
    let painted = image::RgbaImage::from_pixel(32, 32, image::Rgba([1, 2, 3, 255]));
    for round in 0..5 {
        // Nothing is baked: 500 placeholders, 500 jobs that wait.
        let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_secs(1));
        for i in 0..COUNT {
            world.write(&format!("assets/many/{i}.sprite.ron"), recipe(i));
        }
        frames(&mut world, 5); // the world itself has started
        let missing = start_up(&mut world, COUNT, BakeState::Missing);

        // Everything is baked: each PNG says what it was drawn for.
        let folder = world.close();
        for i in 0..COUNT {
            let request =
                Request { size_px: 32, seed: Some(i as u64), ..Request::new(Kind::Character, format!("knight {i}")) };
            let hash = recipe_hash(&request).unwrap();
            let drawn =
                Provenance { request, model: "m".into(), native_size_px: 32, inputs: Vec::new(), recipe: Some(hash) };
            std::fs::write(folder.path().join(format!("assets/many/{i}.png")), drawn.encode(&painted).unwrap())
                .unwrap();
        }
        let mut world = World::with_fake_in(folder, Duration::from_secs(1));
        frames(&mut world, 5);
        let baked = start_up(&mut world, COUNT, BakeState::Fresh);

        // Everything is painted by hand.
        let folder = world.close();
        for i in 0..COUNT {
            painted.save(folder.path().join(format!("assets/many/{i}.png"))).unwrap();
        }
        let mut world = World::with_fake_in(folder, Duration::from_secs(1));
        frames(&mut world, 5);
        let by_hand = start_up(&mut world, COUNT, BakeState::ByHand);
        let kinds = [("missing", missing), ("baked", baked), ("painted by hand", by_hand)];
        for (best, (what, found)) in best.iter_mut().zip(kinds) {
            eprintln!(
                "{round}: {COUNT} {what}: frames: first {:.1} ms, longest {:.1}, 99 of 100 under {:.1}; all there after {:.0}",
                found.first, found.longest, found.most, found.all_there
            );
            *best = [best[0].min(found.first), best[1].min(found.longest)];
        }
    }
    // The best of five: other programs on the machine are no fault of ours.
    let is_short = |frame: &f64| *frame < 2.0 * FRAME.as_secs_f64() * 1000.0;
    assert!(
        best.iter().flatten().all(is_short),
        "first and longest frames of {best:?} ms, expected under two of 60 Hz"
    );
}
