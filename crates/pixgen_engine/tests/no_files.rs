//! Devices that never end and pipes into which nobody writes, named as files: a sentence, and the engine goes on.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pixgen_api::{DevicePreference, ModelRef, PaletteSource, PixelArt, Request};
use pixgen_engine::{Bake, Catalog, Preflight, Provenance, RecipeFolders, bake_of};

mod common;
use common::{done, engine, failed, request};

fn pipe(path: &Path) -> PathBuf {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    path.to_owned()
}

#[test]
fn what_is_no_file_fails_the_job_with_a_sentence_and_the_next_one_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), Duration::ZERO);
    let picture = folder.path().join("picture.png");
    image::RgbaImage::new(16, 16).save(&picture).unwrap();
    for path in [PathBuf::from("/dev/zero"), pipe(&folder.path().join("pipe.gpl"))] {
        let name = path.display().to_string();
        let of_palette = PixelArt { palette: PaletteSource::File(path.clone()), ..PixelArt::default() };
        let requests = [
            Request { loras: vec![name.parse().unwrap()], ..request("x") },
            Request { vae: Some(path.clone()), ..request("x") },
            Request { init_image: Some(path.clone()), ..request("x") },
            Request { init_image: Some(picture.clone()), mask: Some(path.clone()), ..request("x") },
        ];
        for request in requests {
            let message = failed(&engine, request.clone());
            assert!(message.contains(&name) && message.contains("a pipe or a device"), "{message}");
            let refusals = Preflight::of(&request, DevicePreference::Cpu, None).refusals;
            assert!(refusals.iter().any(|refusal| refusal.contains("a pipe or a device")), "{refusals:?}");
        }
        let message = failed(&engine, Request { pixel_art: of_palette, ..request("x") });
        assert!(message.contains(&name) && message.contains("a pipe or a device"), "{message}");
        let model = Request { model: ModelRef::File(path), ..request("x") };
        assert!(!Preflight::of(&model, DevicePreference::Cpu, None).is_fine());
    }
    assert_eq!(done(&engine, request("a coin")).len(), 1);
}

#[test]
fn a_pipe_among_models_is_listed_as_unusable() {
    let folder = tempfile::tempdir().unwrap();
    pipe(&folder.path().join("model.safetensors"));
    let catalog = Catalog::scan(&[folder.path().to_owned()]);
    assert!(catalog.unusable[0].reason.contains("a pipe or a device"), "{:?}", catalog.unusable);
}

#[test]
fn the_way_back_of_a_sprite_does_not_wait_for_a_pipe_and_asks_for_nothing_absurd() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), Duration::ZERO);
    let init = folder.path().join("init.png");
    image::RgbaImage::from_pixel(16, 16, image::Rgba([0, 90, 0, 255])).save(&init).unwrap();
    let sprite = done(&engine, Request { init_image: Some(init.clone()), ..request("a coin") }).remove(0);
    fs::remove_file(&init).unwrap();
    pipe(&init);
    let folders = RecipeFolders::of_file(&sprite.file, &[folder.path()], &[]);
    let recovered = engine.store().recover(&fs::read(&sprite.file).unwrap(), &folders).unwrap().unwrap();
    assert_ne!(recovered.request.init_image, Some(init), "the copy takes its place");
    assert!(recovered.notes.is_empty());

    let absurd = Provenance {
        request: Request { size_px: 1_000_000, ..request("a coin") },
        model: "m".to_owned(),
        native_size_px: 16,
        inputs: Vec::new(),
        recipe: None,
    };
    let png = absurd.encode(&image::RgbaImage::new(2, 2)).unwrap();
    let error = engine.store().recover(&png, &folders).unwrap_err().to_string();
    assert!(error.contains("size_px is 1000000"), "{error}");
    assert_eq!(bake_of(&png, &request("a coin")).unwrap(), Bake::Stale);
}
