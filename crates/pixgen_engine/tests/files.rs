//! The history, the models to choose from, and everything that is said of a request before it runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use pixgen_api::{Animation, DevicePreference, GenPath, Kind, ModelRef, PixelArt, Request};
use pixgen_engine::{Catalog, HistoryQuery, Preflight, Provenance, RecipeFolders, THUMBNAIL_PX};

mod common;
use common::{done, engine, failed, request};

const STEP: Duration = Duration::ZERO;

fn query(words: &str) -> HistoryQuery {
    HistoryQuery { words: words.to_owned(), ..HistoryQuery::default() }
}

#[test]
fn the_history_lists_the_newest_first_and_finds_words_of_the_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let store = engine.store();
    assert_eq!(store.history(&query("")).unwrap(), []);
    let mut hashes = Vec::new();
    for prompt in ["a blue potion", "a RED potion", "un épée bleue"] {
        let kind = if prompt.contains("RED") { Kind::Prop } else { Kind::Item };
        let request = Request { kind, seed: Some(7), ..request(prompt) };
        hashes.push(done(&engine, request).remove(0).hash);
        std::thread::sleep(Duration::from_millis(15));
    }
    let found = |query: &HistoryQuery| -> Vec<usize> {
        let entries = store.history(query).unwrap();
        entries.iter().map(|entry| hashes.iter().position(|hash| *hash == entry.hash).unwrap()).collect()
    };
    assert_eq!(found(&query("")), [2, 1, 0]);
    assert_eq!(found(&query("potion")), [1, 0]);
    assert_eq!(found(&query("Potion red")), [1]);
    assert_eq!(found(&query("ÉPÉE")), [2]);
    assert_eq!(found(&query("dragon")), [0; 0]);
    assert_eq!(found(&HistoryQuery { kind: Some(Kind::Prop), ..query("") }), [1]);
    assert_eq!(found(&HistoryQuery { skip: 1, limit: Some(1), ..query("") }), [1]);

    // What is drawn once more is the newest, and is not there twice.
    let first = store.history(&query("blue")).unwrap().remove(0);
    std::thread::sleep(Duration::from_millis(15));
    done(&engine, Request { seed: Some(7), ..request("a blue potion") });
    assert_eq!(found(&query("")), [0, 2, 1]);
    assert_eq!((first.width_px, first.height_px), (32, 32));
}

#[test]
fn half_files_foreign_files_and_hand_painted_pictures_do_not_disturb_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let store = engine.store();
    let [coin, key] =
        ["a coin", "a key"].map(|prompt| done(&engine, Request { seed: Some(7), ..request(prompt) }).remove(0));
    // A file that the power failure left short, under its full name; and all that may lie around.
    let png = fs::read(&coin.file).unwrap();
    fs::write(&coin.file, &png[..png.len() / 2]).unwrap();
    for name in ["notes.txt", "x.png", ".pixgen-1-1.tmp", "0123.png"] {
        fs::write(store.history_dir().join(name), "x").unwrap();
    }
    let listed: Vec<_> = store.history(&query("")).unwrap().into_iter().map(|entry| entry.hash).collect();
    assert_eq!(listed, std::slice::from_ref(&key.hash));
    assert!(store.sprite(&coin.hash).is_err());
    // Drawing it again mends it.
    assert_eq!(done(&engine, Request { seed: Some(7), ..request("a coin") })[0].hash, coin.hash);
    assert_eq!(store.history(&query("")).unwrap().len(), 2);

    let target = GenPath::parse("key.png").unwrap();
    fs::create_dir_all(store.gen_dir()).unwrap();
    let painted = image::RgbaImage::from_pixel(7, 5, image::Rgba([1, 2, 3, 255]));
    painted.save(target.file_in(store.gen_dir())).unwrap();
    let previous = store.accept(&key.hash, &target).unwrap().unwrap();
    let entries = store.history(&query("")).unwrap();
    let by_hand = entries.iter().find(|entry| entry.hash == previous).unwrap();
    assert_eq!((by_hand.width_px, by_hand.height_px, by_hand.request.is_none()), (7, 5, true));
    assert_eq!(store.sprite(&previous).unwrap().rgba[..], painted.as_raw()[..]);
    assert!(store.sprite("../key").unwrap_err().to_string().contains("no sprite ../key"));
}

#[test]
fn thumbnails_are_small_and_of_animations_the_first_frame() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let small = done(&engine, request("a coin")).remove(0);
    assert_eq!(engine.store().thumbnail(&small.hash).unwrap(), small.pixels);
    let large = Request { size_px: 512, animation: Some(Animation::default()), ..request("a large coin") };
    let large = done(&engine, large).remove(0);
    assert_eq!((large.frames, large.pixels.width_px, large.pixels.height_px), (4, 2048, 512));
    for _ in 0..2 {
        let thumbnail = engine.store().thumbnail(&large.hash).unwrap();
        assert_eq!((thumbnail.width_px, thumbnail.height_px), (THUMBNAIL_PX, THUMBNAIL_PX));
        // 16 px of each sprite pixel, of which every fourth is taken: blocks of four.
        let at = |image: &pixgen_api::Pixels, x: u32, y: u32| {
            let start = ((y * image.width_px + x) * 4) as usize;
            image.rgba[start..start + 4].to_vec()
        };
        assert!((0..128).all(|y| (0..128).all(|x| at(&thumbnail, x, y) == at(&large.pixels, x * 4, y * 4))));
    }
    assert_eq!(fs::read_dir(folder.path().join(".pixgen/thumbnails")).unwrap().count(), 1);
}

#[test]
fn a_sprite_is_drawn_again_though_the_picture_that_it_began_with_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let init = folder.path().join("init.png");
    image::RgbaImage::from_pixel(16, 16, image::Rgba([0, 90, 0, 255])).save(&init).unwrap();
    let variation = Request { init_image: Some(init.clone()), ..request("a coin") };
    let first = done(&engine, variation).remove(0);
    image::RgbaImage::from_pixel(16, 16, image::Rgba([200, 0, 0, 255])).save(&init).unwrap();
    let png = fs::read(&first.file).unwrap();
    let folders = RecipeFolders::of_file(&first.file, &[folder.path()], &[]);
    let recovered = engine.store().recover(&png, &folders).unwrap().unwrap();
    assert_ne!(recovered.request.init_image, Some(init.clone()));
    assert!(recovered.notes.is_empty());
    // So it does where that picture is none that a PNG may have opened.
    image::RgbaImage::from_pixel(16, 16, image::Rgba([0, 90, 0, 255])).save(&init).unwrap();
    let strangers = RecipeFolders::of_file(&first.file, &[&folder.path().join("gen")], &[]);
    let elsewhere = engine.store().recover(&png, &strangers).unwrap().unwrap();
    assert_eq!(elsewhere.request, recovered.request);
    assert!(elsewhere.notes.is_empty(), "{:?}", elsewhere.notes);
    let again = done(&engine, recovered.request).remove(0);
    assert_eq!(again.pixels, first.pixels);
    assert_eq!(recovered.inputs[0].name, "init.png");
    fs::remove_dir_all(folder.path().join(".pixgen/inputs")).unwrap();
    let elsewhere = engine.store().recover(&png, &strangers).unwrap().unwrap();
    assert_eq!(elsewhere.request.init_image, None);
    assert!(elsewhere.notes[0].contains("init.png\" that the picture names is absolute"), "{:?}", elsewhere.notes);
    image::RgbaImage::from_pixel(16, 16, image::Rgba([200, 0, 0, 255])).save(&init).unwrap();
    let recovered = engine.store().recover(&png, &folders).unwrap().unwrap();
    assert!(recovered.notes[0].contains("init.png is not the picture"), "{:?}", recovered.notes);
}

fn save(path: &Path, tensors: &[(&str, &[usize])]) {
    let zeros = |shape: &&[usize]| Tensor::zeros(*shape, DType::F16, &Device::Cpu).unwrap();
    let tensors: HashMap<_, _> = tensors.iter().map(|(name, shape)| ((*name).to_owned(), zeros(shape))).collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

const LORA: [(&str, &[usize]); 2] = [
    ("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", &[2, 192]),
    ("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", &[192, 2]),
];
/// The names that tell an SDXL base model from all others.
const SDXL: [(&str, &[usize]); 4] = [
    ("model.diffusion_model.input_blocks.0.0.weight", &[4, 4, 3, 3]),
    ("model.diffusion_model.label_emb.0.0.weight", &[8, 2816]),
    ("conditioner.embedders.0.transformer.text_model.final_layer_norm.weight", &[8]),
    ("first_stage_model.decoder.conv_in.weight", &[4]),
];

#[test]
fn models_and_loras_are_found_and_told_from_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("checkpoints/loras")).unwrap();
    fs::create_dir_all(at("sdxl-folder/unet")).unwrap();
    fs::create_dir_all(at(".hidden")).unwrap();
    fs::write(at("sdxl-folder/model_index.json"), "{}").unwrap();
    save(&at("sdxl-folder/unet/diffusion_pytorch_model.safetensors"), &LORA);
    save(&at("checkpoints/my-model.safetensors"), &SDXL);
    save(&at("checkpoints/loras/pixel.safetensors"), &LORA);
    save(&at(".hidden/other.safetensors"), &LORA);
    save(&at("flux.safetensors"), &[("double_blocks.0.img_attn.qkv.weight", &[4, 4])]);
    fs::write(at("page.safetensors"), "<!doctype html><html>").unwrap();
    fs::write(at("read.me"), "x").unwrap();
    let catalog = Catalog::scan(&[folder.path().to_owned(), at("checkpoints"), at("no such folder")]);
    let models: Vec<_> = catalog.models.iter().map(|entry| (entry.name.as_str(), entry.model.clone())).collect();
    let expected = [
        ("sprite-tiny", ModelRef::Embedded),
        ("my-model", ModelRef::File(at("checkpoints/my-model.safetensors"))),
        ("sdxl-folder", ModelRef::Folder(at("sdxl-folder"))),
    ];
    assert_eq!(models, expected);
    assert!(catalog.models[0].fingerprint().unwrap().starts_with("sprite-tiny "));
    let [pixel] = catalog.loras.as_slice() else { panic!("{:?}", catalog.loras) };
    assert_eq!((pixel.name.as_str(), pixel.sha256().unwrap().len()), ("pixel", 64));
    assert_eq!(pixel.info().unwrap().rank, Some(2));
    let reasons: Vec<_> = catalog.unusable.iter().map(|file| file.reason.as_str()).collect();
    assert!(reasons.len() == 2 && reasons[0].contains("FLUX") && reasons[1].contains("web page"), "{reasons:?}");
}

#[test]
fn every_reason_against_a_request_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    save(&at("lora.safetensors"), &LORA);
    save(&at("model.safetensors"), &SDXL);
    fs::write(at("text.png"), "no picture").unwrap();
    let check = |request: Request, expected: &[&str]| {
        let found = Preflight::of(&request, DevicePreference::Cpu, None);
        assert_eq!(found.is_fine(), expected.is_empty(), "{:?}", found.refusals);
        assert_eq!(found.refusals.len(), expected.len(), "{:?}", found.refusals);
        for (refusal, expected) in found.refusals.iter().zip(expected) {
            assert!(refusal.contains(expected), "{refusal}");
        }
        found
    };
    let fine = check(request("a coin"), &[]);
    let plan = fine.plan.unwrap();
    assert_eq!((plan.native_size_px, plan.enlarge), (32, 1));
    // 32 MiB of half-precision numbers take twice as much in f32.
    assert!((50 << 20..80 << 20).contains(&fine.memory.weights_bytes), "{:?}", fine.memory);
    let enlarged = check(Request { size_px: 64, ..request("a coin") }, &[]);
    assert!(enlarged.warnings[0].contains("enlarged 2 times"), "{:?}", enlarged.warnings);
    check(Request { size_px: 40, ..request("a coin") }, &["use 16 px or 32 px"]);
    let missing = Request {
        loras: vec!["no.safetensors".parse().unwrap()],
        init_image: Some(at("no.png")),
        vae: Some(at("no-vae")),
        ..request("")
    };
    let reasons = ["prompt is empty", "LoRA no.safetensors does not", "autoencoder (vae)", "no.png does not exist"];
    check(missing, &reasons);
    let file = |name: &str| ModelRef::File(at(name));
    check(Request { model: file("lora.safetensors"), ..request("x") }, &["is a LoRA, no model"]);
    check(Request { model: file("no.safetensors"), ..request("x") }, &["no.safetensors does not exist"]);
    check(Request { model: ModelRef::Folder(at("no")), ..request("x") }, &["no does not exist"]);
    let swapped = vec![at("model.safetensors").display().to_string().parse().unwrap()];
    check(Request { loras: swapped, ..request("x") }, &["is a whole model, no LoRA"]);
    check(Request { init_image: Some(at("text.png")), ..request("x") }, &["it is no PNG"]);
    let model = check(Request { model: file("model.safetensors"), size_px: 128, ..request("x") }, &[]);
    assert!(model.memory.work_bytes > 3 << 30, "{:?}", model.memory);
}

#[test]
fn absurd_pictures_fail_the_job_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let path = folder.path().join("picture.png");
    let with = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        failed(&engine, Request { init_image: Some(path.clone()), ..request("x") })
    };
    // A header that promises 30,000 × 30,000 pixels, with the right checksum, and nothing behind it.
    let mut header = Vec::new();
    let mut encoder = png::Encoder::new(&mut header, 30_000, 30_000);
    encoder.set_color(png::ColorType::Rgba);
    drop(encoder.write_header().unwrap());
    assert!(with(&header).contains("larger than 8192×8192 px"));
    assert!(Provenance::recover(&header).unwrap_err().to_string().contains("no readable PNG"));
    assert!(with(b"").contains("picture.png"));
    assert!(with(b"<html></html>").contains("it is no PNG"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let message = failed(&engine, Request { init_image: Some(path), ..request("x") });
    assert!(message.contains("picture.png"), "{message}");
    // A mask of another shape.
    let [init, mask] = ["init.png", "mask.png"].map(|name| folder.path().join(name));
    image::RgbaImage::new(16, 16).save(&init).unwrap();
    image::RgbaImage::new(16, 8).save(&mask).unwrap();
    let message = failed(&engine, Request { init_image: Some(init), mask: Some(mask), ..request("x") });
    assert!(message.contains("the mask is 16×8 px"), "{message}");
    let plain = Request { pixel_art: PixelArt::default(), ..request("a coin") };
    assert_eq!(done(&engine, plain).len(), 1);
}
