//! Everything that a request can ask for, drawn by the embedded model.

#![cfg(feature = "embedded_model")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use candle_core::Tensor;
use image::{Rgba, RgbaImage};
use pixgen_api::{Animation, DevicePreference, EventKind, Generated, Kind, LoraRef, Motion, Pixels, Request, Seamless};
use pixgen_art::tile::Seams;
use pixgen_engine::{Engine, EngineConfig, InputRole, Provenance};

mod common;
use common::{done, events_of, failed};

fn engine(folder: &Path) -> Engine {
    Engine::start(EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("gen"))).unwrap()
}

fn knight() -> Request {
    Request { seed: Some(11), ..Request::new(Kind::Character, "a knight with a red cape") }
}

fn image_of(pixels: &Pixels) -> RgbaImage {
    RgbaImage::from_raw(pixels.width_px, pixels.height_px, pixels.rgba.to_vec()).unwrap()
}

/// Mean difference of the channels of two pictures, transparent pixels black, 0 to 255.
fn difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let seen = |Rgba([r, g, b, a]): &Rgba<u8>| [*r, *g, *b].map(|c| f64::from(c) * f64::from(*a) / 255.0);
    let sum: f64 = a
        .pixels()
        .zip(b.pixels())
        .map(|(a, b)| seen(a).iter().zip(seen(b)).map(|(a, b)| (a - b).abs()).sum::<f64>())
        .sum();
    sum / (f64::from(a.width() * a.height()) * 3.0)
}

#[test]
fn a_variation_stays_near_its_picture_and_a_mask_keeps_the_rest_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let first = done(&engine, knight()).remove(0);
    let vary = |strength, seed| {
        let request =
            Request { init_image: Some(first.file.clone()), strength: Some(strength), seed: Some(seed), ..knight() };
        difference(&image_of(&done(&engine, request).remove(0).pixels), &image_of(&first.pixels))
    };
    let (near, far) = (vary(0.25, 99), vary(1.0, 99));
    println!("mean difference at strength 0.25: {near:.2}, at 1: {far:.2}");
    assert!(near > 0.0 && near < far * 0.75, "{near} and {far}");

    let mask = folder.path().join("mask.png");
    let white = |x: u32| if x >= 16 { Rgba([255; 4]) } else { Rgba([0, 0, 0, 255]) };
    RgbaImage::from_fn(32, 32, |x, _| white(x)).save(&mask).unwrap();
    let mut request = Request {
        init_image: Some(first.file.clone()),
        mask: Some(mask),
        strength: Some(1.0),
        seed: Some(5),
        ..knight()
    };
    // Nothing else may touch the pixels that stay.
    (request.pixel_art.colors, request.pixel_art.specks_px) = (None, 0);
    let repainted = image_of(&done(&engine, request).remove(0).pixels);
    let before = image_of(&first.pixels);
    let same = |range: std::ops::Range<u32>| {
        let mut columns = range.flat_map(|x| (0..32).map(move |y| (x, y)));
        columns.all(|(x, y)| repainted.get_pixel(x, y) == before.get_pixel(x, y))
    };
    assert!(same(0..16), "what is black in the mask stays");
    assert!(!same(16..32), "what is white is painted");
}

#[test]
fn a_seamless_floor_meets_itself() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let seams = |seamless| {
        let request = Request { seamless, count: 4, seed: Some(1), ..Request::new(Kind::Tile, "grass") };
        let worst = |image: &Generated| {
            let seams = Seams::of(&image_of(&image.pixels));
            seams.columns_z.max(seams.rows_z)
        };
        done(&engine, request).iter().map(worst).sum::<f32>() / 4.0
    };
    let (plain, seamless) = (seams(Seamless::OFF), seams(Seamless::BOTH));
    println!("seam measure: {plain:.2} plain, {seamless:.2} seamless");
    assert!(seamless < plain, "{seamless} against {plain}");
}

#[test]
fn an_animation_is_one_figure_in_one_palette_on_one_ground() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let animation = |motion| Some(Animation { frames: 4, motion, ..Animation::default() });
    let job = engine.submit(Request { animation: animation(Motion::Idle), ..knight() });
    let events = events_of(&engine, job);
    let Some(EventKind::Done(images)) = events.last() else { panic!("{events:?}") };
    let [strip] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((strip.frames, strip.pixels.width_px, strip.pixels.height_px), (4, 128, 32));
    let preview = events.iter().find_map(|e| if let EventKind::Preview(p) = e { Some(p) } else { None }).unwrap();
    assert_eq!(preview.width_px, 4 * preview.height_px);
    let strip_image = image_of(&strip.pixels);
    let frames: Vec<RgbaImage> =
        (0..4).map(|frame| image::imageops::crop_imm(&strip_image, frame * 32, 0, 32, 32).to_image()).collect();
    let colors: BTreeSet<[u8; 4]> = strip_image.pixels().filter(|p| p.0[3] > 0).map(|p| p.0).collect();
    assert!(colors.len() <= 16, "{} colours over all frames", colors.len());
    let feet = |frame| pixgen_art::frame::bounding_box(frame).map(|drawn| drawn.top_px + drawn.height_px).unwrap();
    let ground: BTreeSet<u32> = frames.iter().map(feet).collect();
    assert!(ground.len() == 1 && ground.iter().all(|row| *row >= 31), "all feet stand on one row: {ground:?}");
    // One figure: frames are nearer to each other than two knights of different seeds, and none is a copy.
    let other = image_of(&done(&engine, Request { seed: Some(77), ..knight() }).remove(0).pixels);
    let stranger = difference(&frames[0], &other);
    let neighbours: Vec<f64> = (0..4).map(|frame| difference(&frames[frame], &frames[(frame + 1) % 4])).collect();
    println!("frames differ by {neighbours:.2?}, another knight by {stranger:.2}");
    assert!(neighbours.iter().all(|difference| *difference > 0.0 && *difference < stranger * 0.7));
    let png = fs::read(&strip.file).unwrap();
    let again = Provenance::request_of(&png).unwrap().unwrap();
    assert_eq!(again.animation.as_ref().map(|animation| animation.frames), Some(4));
    assert_eq!(done(&engine, again)[0].pixels, strip.pixels, "the provenance draws the same strip");
    let walk = done(&engine, Request { animation: animation(Motion::Walk), ..knight() }).remove(0);
    assert_ne!(walk.hash, strip.hash);
    if let Some(folder) = std::env::var_os("PIXGEN_TEST_PICTURES") {
        strip_image.save(Path::new(&folder).join("idle.png")).unwrap();
        image_of(&walk.pixels).save(Path::new(&folder).join("walk.png")).unwrap();
    }
}

/// A LoRA for one layer of the embedded model; `scale` is that of its numbers.
fn lora(path: &Path, channels: usize, scale: f32) {
    let device = candle_core::Device::Cpu;
    let tensor = |rows: usize, columns: usize| {
        let values: Vec<f32> = (0..rows * columns).map(|i| ((i * 7919 % 1000) as f32 / 500.0 - 1.0) * scale).collect();
        Tensor::from_vec(values, (rows, columns), &device).unwrap()
    };
    let module = "lora_unet_mid_block_attentions_0_proj_in";
    let tensors = HashMap::from([
        (format!("{module}.lora_down.weight"), tensor(4, channels)),
        (format!("{module}.lora_up.weight"), tensor(channels, 4)),
    ]);
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn a_lora_changes_the_sprite_is_named_in_it_and_leaves_no_trace_behind() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let path = folder.path().join("style.safetensors");
    lora(&path, 192, 0.4);
    let with = |weight| Request { loras: vec![LoraRef { path: path.clone(), weight }], ..knight() };
    let plain = done(&engine, knight()).remove(0);
    let strong = done(&engine, with(1.0)).remove(0);
    let weak = done(&engine, with(0.3)).remove(0);
    let after = done(&engine, knight()).remove(0);
    assert_eq!(plain.hash, after.hash, "it is taken out to the bit");
    let [far, near] = [&strong, &weak].map(|image| difference(&image_of(&image.pixels), &image_of(&plain.pixels)));
    println!("a LoRA at 1 changes the sprite by {far:.2}, at 0.3 by {near:.2}");
    assert!(far > near && near > 0.0, "{far} {near}");
    let recovered = Provenance::recover(&fs::read(&strong.file).unwrap()).unwrap().unwrap();
    assert_eq!(recovered.request.loras[0].path, path);
    assert_eq!((recovered.inputs[0].role, recovered.inputs[0].sha256.len()), (InputRole::Lora, 64));

    // Trained once more, under the same name, while its older self is merged.
    assert_eq!(done(&engine, with(1.0))[0].hash, strong.hash);
    lora(&path, 192, 0.7);
    let retrained = done(&engine, with(1.0)).remove(0);
    assert_ne!(retrained.pixels, strong.pixels);
    let now = Provenance::recover(&fs::read(&retrained.file).unwrap()).unwrap().unwrap();
    assert_ne!(now.inputs[0].sha256, recovered.inputs[0].sha256);

    let foreign = folder.path().join("foreign.safetensors");
    lora(&foreign, 640, 0.4);
    let message = failed(&engine, Request { loras: vec![LoraRef { path: foreign, weight: 1.0 }], ..knight() });
    assert!(message.contains("foreign.safetensors") && message.contains("another model"), "{message}");
    assert_eq!(done(&engine, knight())[0].hash, plain.hash, "a LoRA that does not fit changes nothing");
}

#[test]
fn clip_skip_and_a_folder_given_as_a_file_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let plain = done(&engine, knight()).remove(0);
    let skipped = done(&engine, Request { clip_skip: 1, ..knight() }).remove(0);
    assert_ne!(plain.hash, skipped.hash);
    let message = failed(&engine, Request { clip_skip: 10, ..knight() });
    assert!(message.contains("clip_skip"), "{message}");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprite-tiny");
    let from_disk = done(&engine, Request { model: pixgen_api::ModelRef::File(model.clone()), ..knight() }).remove(0);
    // The folder is read with emphasis and long prompts; this prompt has neither.
    assert_eq!(from_disk.pixels, plain.pixels);
    let vae = model.join("vae");
    let with_vae = done(&engine, Request { vae: Some(vae), ..knight() }).remove(0);
    assert_eq!(with_vae.pixels, plain.pixels, "its own autoencoder, given by hand");
}
