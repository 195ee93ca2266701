//! Draws the embedded model's contact sheet: a row a prompt of `models/sprite-tiny/prompts.txt`, a column a seed.
//!
//! `cargo run -p pixgen_engine --example contact_sheet -- OUT.png`

#![allow(
    clippy::print_stderr,
    clippy::panic,
    clippy::expect_used,
    reason = "a tool for the people who train the model"
)]

use std::path::Path;

use image::{Rgba, RgbaImage, imageops};
use pixgen_api::{DevicePreference, EventKind, Kind, Request};
use pixgen_engine::{Engine, EngineConfig};

const SEEDS: u32 = 8;
const SPRITE_PX: u32 = 32;
const GAP_PX: u32 = 1;
const ZOOM: u32 = 2;
const BACKGROUND: Rgba<u8> = Rgba([70, 74, 90, 255]);

fn main() {
    let out = std::env::args().nth(1).expect("usage: contact_sheet OUT.png");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny/prompts.txt");
    let list = std::fs::read_to_string(&list).expect("the list of prompts is part of the repository");
    let work = std::env::temp_dir().join(format!("pixgen-contact-sheet-{}", std::process::id()));
    let engine = Engine::start(EngineConfig::sdxl(DevicePreference::Auto, &work, &work)).expect("a thread");

    let rows: Vec<_> = list.lines().filter_map(|line| line.split_once(", ")).collect();
    let cell = SPRITE_PX + 2 * GAP_PX;
    let mut sheet = RgbaImage::from_pixel(SEEDS * cell, rows.len() as u32 * cell, BACKGROUND);
    for (row, (kind, prompt)) in rows.into_iter().enumerate() {
        let kind: Kind = kind.parse().expect("a kind");
        engine.submit(Request { seed: Some(0), count: SEEDS, size_px: SPRITE_PX, ..Request::new(kind, prompt) });
        let images = loop {
            match engine.events().recv().expect("the engine lives").kind {
                EventKind::Done(images) => break images,
                EventKind::Failed(error) => panic!("{kind}, {prompt}: {error}"),
                _ => {}
            }
        };
        for (column, image) in images.into_iter().enumerate() {
            let sprite = RgbaImage::from_raw(SPRITE_PX, SPRITE_PX, image.pixels.rgba.to_vec()).expect("its own size");
            let (x, y) = (column as u32 * cell + GAP_PX, row as u32 * cell + GAP_PX);
            imageops::overlay(&mut sheet, &sprite, x.into(), y.into());
        }
        eprintln!("{kind}, {prompt}");
    }
    let (width, height) = (sheet.width() * ZOOM, sheet.height() * ZOOM);
    imageops::resize(&sheet, width, height, imageops::FilterType::Nearest).save(&out).expect("a writable file");
    let _ = std::fs::remove_dir_all(work);
}
