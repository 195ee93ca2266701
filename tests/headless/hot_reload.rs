//! A generated sprite arrives in the running world under the same handle, watcher off.

use std::time::{Duration, Instant};

use bevy::image::ImageSampler;
use bevy::prelude::*;
use bevy_pixels_gen::generate::{GenJobs, GenerateSpriteExt, SpriteGenerated};
use bevy_pixels_gen::pixgen_api::{GenPath, Kind, Request};

use crate::world::World;

const PATH: &str = "gen://hero/knight.png";

fn request(seed: u64) -> Request {
    Request { size_px: 16, steps: Some(1), seed: Some(seed), ..Request::new(Kind::Item, "a blue potion") }
}

#[test]
fn twenty_sprites_replace_each_other_under_one_handle() {
    let mut world = World::new();
    let (entity, handle) = world.spawn(PATH);
    let placeholder = world.pixels(&handle);
    assert_eq!(placeholder.len(), 32 * 32 * 4, "the placeholder has the default size");

    let mut waits = Vec::new();
    let mut before = placeholder;
    for seed in 0..20 {
        world.wish(request(seed), "hero/knight");
        let done = world.success();
        let (start, mut frames) = (Instant::now(), 0);
        while world.pixels(&handle) == before {
            assert!(start.elapsed() < Duration::from_secs(5), "the new pixels of {done:?} did not come");
            world.frame();
            frames += 1;
        }
        waits.push((frames, start.elapsed()));
        before = world.pixels(&handle);
        assert_eq!(before.as_slice(), &done.images[0].pixels.rgba[..], "what is on the screen is what was drawn");
        assert_eq!(world.app.world().get::<Sprite>(entity).unwrap().image.id(), handle.id());
        // Whatever else comes would come within a few frames.
        (0..6).for_each(|_| world.frame());
        let modified = std::mem::take(&mut world.seen().modified);
        assert_eq!(modified, [handle.id()], "exactly one change of exactly this image");
    }
    waits.sort();
    eprintln!("frames and time from GenerationDone to the new pixels: {waits:?}");
    assert!(waits[waits.len() / 2].0 <= 2, "median of {waits:?}");
    assert!(waits.iter().all(|(_, time)| *time < Duration::from_millis(100)), "{waits:?}");
}

#[test]
fn generated_images_are_sampled_nearest_whatever_the_game_does() {
    let mut world = World::with_fake();
    let (_, handle) = world.spawn(PATH);
    let nearest = |image: Image| match image.sampler {
        ImageSampler::Descriptor(sampler) => {
            sampler.as_wgpu().mag_filter == bevy::image::ImageFilterMode::Nearest.into()
        }
        ImageSampler::Default => false,
    };
    assert!(nearest(world.image(&handle).unwrap()), "the placeholder");
    world.wish(Request { size_px: 16, ..request(1) }, "hero/knight");
    world.success();
    world.until("the sprite", |world| (world.image(&handle)?.size() == UVec2::splat(16)).then_some(()));
    assert!(nearest(world.image(&handle).unwrap()), "the sprite");
}

#[test]
fn undo_and_redo_change_the_world_and_the_file() {
    let mut world = World::with_fake();
    let (_, handle) = world.spawn(PATH);
    let path = GenPath::parse(PATH).unwrap();
    let placeholder = world.pixels(&handle);
    let mut sprites = Vec::new();
    for seed in [1, 2] {
        world.wish(request(seed), PATH);
        sprites.push(world.success().images.remove(0));
    }
    let file = world.folder.path().join("gen/hero/knight.png");
    let shows = |world: &mut World, expected: &[u8]| {
        world.until("the pixels", |world| (world.pixels(&handle) == expected).then_some(()));
    };
    let change = |world: &mut World, undo: bool| {
        let mut jobs = world.app.world_mut().resource_mut::<GenJobs>();
        if undo { jobs.undo() } else { jobs.redo() }
    };
    let possible = |world: &World| world.app.world().resource::<GenJobs>().can_undo_redo();
    shows(&mut world, &sprites[1].pixels.rgba);
    assert_eq!(possible(&world), (true, false));
    change(&mut world, true);
    shows(&mut world, &sprites[0].pixels.rgba);
    change(&mut world, true);
    shows(&mut world, &placeholder);
    assert!(!file.exists(), "before the first sprite there was no file");
    assert_eq!(possible(&world), (false, true), "there is nothing further back");
    change(&mut world, true);
    (0..3).for_each(|_| change(&mut world, false));
    shows(&mut world, &sprites[1].pixels.rgba);
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&sprites[1].file).unwrap());
    assert_eq!(world.app.world().resource::<GenJobs>().shown(&path), Some(sprites[1].hash.as_str()));
}

#[derive(Resource, Default)]
struct Told(Vec<(Entity, String)>);

#[test]
fn game_code_gets_a_job_number_and_the_entity_is_told() {
    let mut world = World::with_fake();
    world.app.init_resource::<Told>();
    let (entity, _) = world.spawn(PATH);
    world.spawn("gen://other.png");
    world.app.add_observer(|event: On<SpriteGenerated>, mut told: ResMut<Told>| {
        told.0.push((event.entity, event.path.to_string()));
    });
    let target = Some(GenPath::parse(PATH).unwrap());
    let job = world.app.world_mut().commands().generate_sprite(request(3), target);
    world.app.world_mut().flush();
    assert_eq!(world.success().job, job);
    world.frame();
    assert_eq!(world.app.world().resource::<Told>().0, [(entity, "hero/knight.png".to_owned())]);
}
