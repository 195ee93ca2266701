//! The first sprite of a process: model loading included, in the profile that `cargo run` uses.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "other tests look into the log")]
#[path = "headless/log.rs"]
mod log;
#[allow(dead_code, reason = "the headless tests use the rest")]
#[path = "headless/world.rs"]
mod world;

use std::time::{Duration, Instant};

use bevy_pixels_gen::pixgen_api::{Kind, Request};

use world::World;

#[test]
fn a_sprite_of_32_px_in_8_steps_is_in_the_world_within_3_seconds() {
    let mut world = World::new();
    let (_, handle) = world.spawn("gen://potion.png");
    let placeholder = world.pixels(&handle);

    let request = Request { steps: Some(8), seed: Some(1), ..Request::new(Kind::Item, "a blue potion") };
    assert_eq!(request.size_px, 32);
    let start = Instant::now();
    world.wish(request, "potion");
    world.until("the sprite", |world| {
        let failed = &world.seen().failed;
        assert!(failed.is_empty(), "{failed:?}");
        (world.pixels(&handle) != placeholder).then_some(())
    });
    let elapsed = start.elapsed();
    eprintln!("from the request to the pixels: {elapsed:?}");
    assert!(elapsed < Duration::from_secs(3), "the first sprite took {elapsed:?}, expected 3 s at most");
}
