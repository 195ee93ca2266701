//! Overlays and inspectors can read how the generator is doing; game code can follow and stop a job.

use std::time::Duration;

use bevy::diagnostic::{DiagnosticPath, DiagnosticsStore};
use bevy::prelude::*;
use bevy::reflect::TypeRegistry;
use bevy_pixels_gen::SpriteSheet;
use bevy_pixels_gen::generate::{
    GenJobs, GenStatus, GenerateSpriteExt, GenerationCancelled, GenerationProgress, GenerationStarted, MEMORY,
    QUEUE_LENGTH, STEP_TIME,
};
use bevy_pixels_gen::pixgen_api::{GenPath, Kind, Request};
use bevy_pixels_gen::recipe::BakeState;

use crate::world::World;

fn slow_world() -> World {
    World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(50))
}

fn potion() -> Request {
    Request { size_px: 16, ..Request::new(Kind::Item, "a potion") }
}

fn value(world: &World, path: &DiagnosticPath) -> Option<f64> {
    world.app.world().resource::<DiagnosticsStore>().get(path)?.smoothed()
}

#[test]
fn diagnostics_and_status_follow_the_jobs() {
    let mut world = slow_world();
    for name in ["a", "b", "c"] {
        world.wish(potion(), name);
    }
    let status = |world: &World| world.app.world().resource::<GenStatus>().clone();
    let seen = world.until("a running job", |world| Some(status(world)).filter(|status| status.step > 1));
    assert_eq!((seen.waiting, seen.running.as_deref(), seen.steps), (2, Some("a potion"), 4));
    assert!(value(&world, &QUEUE_LENGTH).unwrap() > 0.0);
    // From frame to frame: on a busy machine a late frame makes the next step look short.
    assert!(value(&world, &STEP_TIME).is_some_and(|ms| (20.0..500.0).contains(&ms)), "{:?}", value(&world, &STEP_TIME));
    if cfg!(target_os = "linux") {
        assert!(value(&world, &MEMORY).unwrap() > 1.0);
    }
    world.until("the end", |world| (world.seen().done.len() == 3).then_some(()));
    world.frame();
    assert_eq!(status(&world), GenStatus::default());

    world.wish(Request { prompt: "fail".into(), ..potion() }, "a");
    world.until("the failure", |world| (status(world).failed == 1).then_some(()));
}

#[test]
fn public_state_can_be_inspected() {
    let world = World::with_fake();
    let registry = world.app.world().resource::<AppTypeRegistry>().read();
    let registry: &TypeRegistry = &registry;
    fn has<D: bevy::reflect::TypeData, T: 'static>(registry: &TypeRegistry) -> bool {
        registry.get_type_data::<D>(std::any::TypeId::of::<T>()).is_some()
    }
    assert!(has::<ReflectResource, GenStatus>(registry));
    assert!(has::<bevy::asset::ReflectAsset, SpriteSheet>(registry));
    assert!(has::<bevy::asset::ReflectHandle, Handle<SpriteSheet>>(registry));
    assert!(has::<ReflectDefault, BakeState>(registry));
}

#[test]
fn a_job_is_announced_and_can_be_stopped_by_commands() {
    let mut world = slow_world();
    let jobs = [(); 2].map(|()| {
        let job = world.app.world_mut().commands().generate_sprite(potion(), None);
        world.app.world_mut().flush();
        job
    });
    let started = world.until("the first job's turn", |world| {
        world.app.world_mut().resource_mut::<Messages<GenerationStarted>>().drain().next()
    });
    assert_eq!((started.job, started.target), (jobs[0], None));
    for job in jobs {
        world.app.world_mut().commands().cancel_generation(job);
    }
    world.app.world_mut().flush();
    let mut cancelled = Vec::new();
    world.until("both to be cancelled", |world| {
        cancelled.extend(world.app.world_mut().resource_mut::<Messages<GenerationCancelled>>().drain().map(|c| c.job));
        (cancelled.len() == 2).then_some(())
    });
    cancelled.sort();
    assert_eq!(cancelled, jobs);
    assert!(world.seen().done.is_empty());
}

#[test]
fn every_step_of_every_image_is_told_to_the_game() {
    let mut world = World::with_fake_in(tempfile::tempdir().unwrap(), Duration::from_millis(5));
    let job = world.app.world_mut().commands().generate_sprite(Request { count: 2, ..potion() }, None);
    world.app.world_mut().flush();
    let mut told = Vec::new();
    world.until("the end", |world| {
        told.extend(world.app.world_mut().resource_mut::<Messages<GenerationProgress>>().drain());
        (!world.seen().done.is_empty()).then_some(())
    });
    assert!(told.iter().all(|progress| progress.job == job && progress.steps == 4), "{told:?}");
    let told: Vec<_> = told.iter().map(|progress| (progress.image, progress.step)).collect();
    let all: Vec<_> = (0..2).flat_map(|image| (1..=4).map(move |step| (image, step))).collect();
    assert_eq!(told, all);
}

#[test]
fn jobs_that_waited_go_on_after_a_restart_and_reach_their_sprites() {
    let mut world = World::with_kept_queue(tempfile::tempdir().unwrap(), Duration::from_millis(200));
    world.write("assets/a.sprite.ron", "(prompt: \"a knight\", size_px: 16)");
    let _recipe: Handle<SpriteSheet> = world.load("a.sprite.ron");
    for name in ["a", "b"] {
        world.wish(Request { seed: Some(1), ..potion() }, name);
    }
    world.until("all three jobs", |world| (world.app.world().resource::<GenJobs>().records().len() == 3).then_some(()));

    let mut world = World::with_kept_queue(world.close(), Duration::from_millis(1));
    let records = world.app.world().resource::<GenJobs>().records();
    let mut targets: Vec<_> = records.iter().filter_map(|record| record.target.clone()).collect();
    targets.sort();
    assert_eq!(targets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a.png", "b.png"]);
    assert_eq!(records.len(), 2, "the recipe is not used any more and asks for nothing");
    world.until("both", |world| (world.seen().done.len() == 2).then_some(()));
    assert!(world.folder.path().join("gen/a.png").is_file() && world.folder.path().join("gen/b.png").is_file());
    assert!(world.app.world().resource::<GenJobs>().records().is_empty());
    assert!(!world.folder.path().join("assets/a.png").exists());
}

#[test]
fn what_an_earlier_run_has_finished_is_not_put_over_what_was_painted_since() {
    let sprite = |world: &World| world.folder.path().join("gen/a.png");
    let mut painted = Vec::new();
    let picture = image::RgbaImage::from_pixel(16, 16, image::Rgba([1, 2, 3, 255]));
    picture.write_to(&mut std::io::Cursor::new(&mut painted), image::ImageFormat::Png).unwrap();
    // Painted after the first image was shown; there before it was drawn, and that run was killed before it was shown;
    // not there at all.
    for (case, stays) in [("painted", true), ("older", false), ("none", false)] {
        let step = Duration::from_millis(150);
        let mut world = World::with_kept_queue(tempfile::tempdir().unwrap(), step);
        world.wish(Request { seed: Some(1), count: 3, ..potion() }, "a");
        let shown =
            |world: &World| world.app.world().resource::<GenJobs>().shown(&GenPath::parse("a").unwrap()).is_some();
        world.until("the first image", |world| shown(world).then_some(()));
        let first = std::fs::read(sprite(&world)).unwrap();
        match case {
            "painted" => world.write("gen/a.png", &painted),
            "older" => {
                world.write("gen/a.png", &painted);
                let file = std::fs::File::options().write(true).open(sprite(&world)).unwrap();
                file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
            }
            _ => std::fs::remove_file(sprite(&world)).unwrap(),
        }
        let mut world = World::with_kept_queue(world.close(), step);
        let left = world.until("a step of the second image", |world| {
            let record = world.app.world().resource::<GenJobs>().records().first()?;
            (record.image >= 1 && record.step >= 1).then(|| record.remaining(std::time::Instant::now()))
        });
        world.until("the end", |world| (world.seen().done.len() == 1).then_some(()));
        assert_eq!(std::fs::read(sprite(&world)).unwrap() == painted, stays, "{case}");
        assert!(stays || std::fs::read(sprite(&world)).unwrap() == first, "{case}");
        // Up to seven steps: what an earlier run has drawn tells nothing of this one's pace.
        assert!(left.is_some_and(|left| left > Duration::from_millis(150)), "{case}: {left:?}");
    }
}
