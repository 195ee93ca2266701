//! The engine with the model that is compiled in.

#![cfg(feature = "embedded_model")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use pixgen_api::{DevicePreference, EventKind, Generated, Kind, Pixels, Request};
use pixgen_engine::{Engine, EngineConfig};

/// Events of a request, and its images.
fn draw(request: Request) -> (Vec<EventKind>, Vec<Generated>) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(EngineConfig::sdxl(DevicePreference::Cpu, folder.path(), folder.path())).unwrap();
    engine.submit(request);
    let mut events = Vec::new();
    loop {
        match engine.events().recv_timeout(Duration::from_secs(60)).unwrap().kind {
            EventKind::Done(images) => return (events, images),
            EventKind::Failed(error) => panic!("{error}"),
            event => events.push(event),
        }
    }
}

fn colors(pixels: &Pixels) -> usize {
    let opaque = pixels.rgba.chunks_exact(4).filter(|pixel| pixel[3] > 0);
    opaque.collect::<std::collections::HashSet<_>>().len()
}

#[test]
fn a_character_is_cut_out_has_few_colours_and_stands_on_its_feet() {
    // Of seeds 1 to 4 this is the one whose figure leaves a row free; one that fills the frame stays where it is.
    let (events, images) = draw(Request { seed: Some(4), ..Request::new(Kind::Character, "a red warrior") });
    let pixels = &images[0].pixels;
    assert_eq!((pixels.width_px, pixels.height_px), (32, 32));
    assert!(pixels.rgba.chunks_exact(4).all(|pixel| pixel[3] == 255 || pixel == [0; 4]), "hard alpha");
    assert!((2..=16).contains(&colors(pixels)), "{} colours", colors(pixels));
    let row_is_empty = |y: usize| pixels.rgba[y * 128..(y + 1) * 128].chunks_exact(4).all(|pixel| pixel[3] == 0);
    assert!(row_is_empty(31) && !row_is_empty(30), "the feet stand one pixel above the lower edge");
    let previews = events.iter().filter(|event| matches!(event, EventKind::Preview(preview) if preview.width_px == 16));
    assert_eq!(previews.count(), 8, "a preview of the latent's size after every step");
}

#[test]
fn a_tile_fills_its_square() {
    let (_, images) = draw(Request { seed: Some(4), size_px: 16, ..Request::new(Kind::Tile, "a grass floor") });
    assert!(images[0].pixels.rgba.chunks_exact(4).all(|pixel| pixel[3] == 255));
}

#[test]
fn a_prompt_that_is_too_long_is_drawn_with_a_warning() {
    let prompt = "a very long sword ".repeat(20);
    let (events, images) = draw(Request { steps: Some(1), size_px: 16, ..Request::new(Kind::Weapon, prompt) });
    assert_eq!(images.len(), 1);
    assert!(events.iter().any(|event| matches!(event, EventKind::Warning(text) if text.contains("too long"))));
}
