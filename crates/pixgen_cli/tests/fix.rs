//! `dgx-pixels fix`: pictures become pixel art, whatever they were.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::path::{Path, PathBuf};

use common::{colors, names, paths, picture, run, stderr};
use image::RgbaImage;
use image::imageops::{FilterType, resize};

fn sprite(name: &str) -> RgbaImage {
    picture(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/gen").join(name))
}

#[test]
fn an_enlarged_sprite_comes_back_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let apple = sprite("items/apple.png");
    let (width, height) = apple.dimensions();
    resize(&apple, width * 6, height * 6, FilterType::Nearest).save(folder.path().join("big.png")).unwrap();
    apple.save(folder.path().join("true.png")).unwrap();
    let written = paths(folder.path(), &["fix", "big.png", "true.png", "--before-after=sheet.png"]);
    assert_eq!(written, ["output/big.png", "output/true.png", "sheet.png"].map(PathBuf::from));
    let plain = |image: &RgbaImage| image.pixels().map(|p| if p.0[3] == 0 { [0; 4] } else { p.0 }).collect::<Vec<_>>();
    for name in ["output/big.png", "output/true.png"] {
        let fixed = picture(&folder.path().join(name));
        assert_eq!((fixed.dimensions(), plain(&fixed)), (apple.dimensions(), plain(&apple)), "{name}");
    }
}

#[test]
fn a_folder_of_pictures_keeps_its_order_and_one_palette_serves_all() {
    let folder = tempfile::tempdir().unwrap();
    for (name, place) in [("items/apple.png", "in/apple.png"), ("items/potion.png", "in/deep/potion.png")] {
        let path = folder.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let sprite = sprite(name);
        resize(&sprite, 128, 128, FilterType::Triangle).save(path).unwrap();
    }
    std::fs::write(folder.path().join("in/broken.png"), "<html>").unwrap();
    let line = ["fix", "in", "--target=32", "--joint", "--colors=8", "--output=out"];
    let output = run(folder.path(), &line);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("failed: in/broken.png: "), "{}", stderr(&output));
    assert_eq!(names(&folder.path().join("out")), ["apple.png", "deep"]);
    let both = ["out/apple.png", "out/deep/potion.png"].map(|name| picture(&folder.path().join(name)));
    assert!(both.iter().all(|image| image.dimensions() == (32, 32)));
    let all: std::collections::BTreeSet<_> = both.iter().flat_map(colors).collect();
    assert!((2..=8).contains(&all.len()), "{}", all.len());
}

#[test]
fn pictures_of_other_kinds_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let red = RgbaImage::from_fn(64, 64, |x, y| {
        if (16..48).contains(&x) && (16..48).contains(&y) {
            image::Rgba([200, 30, 30, 255])
        } else {
            image::Rgba([250; 4])
        }
    });
    let rgb: Vec<u8> = red.pixels().flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2]]).collect();
    let mut webp = Vec::new();
    image_webp::WebPEncoder::new(&mut webp).encode(&rgb, 64, 64, image_webp::ColorType::Rgb8).unwrap();
    std::fs::write(folder.path().join("a.webp"), webp).unwrap();
    let mut gif_bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut gif_bytes, 64, 64, &[250, 250, 250, 200, 30, 30]).unwrap();
    let indices: Vec<u8> = red.pixels().map(|pixel| u8::from(pixel.0[1] == 30)).collect();
    encoder.write_frame(&gif::Frame::from_indexed_pixels(64, 64, indices, None)).unwrap();
    drop(encoder);
    std::fs::write(folder.path().join("b.gif"), gif_bytes).unwrap();
    std::fs::write(folder.path().join("c.jpg"), include_bytes!("red-square.jpg")).unwrap();
    let written = paths(folder.path(), &["fix", ".", "--target=16", "--remove-background", "--colors=4"]);
    assert_eq!(written.len(), 3);
    for path in written {
        let fixed = picture(&folder.path().join(&path));
        assert_eq!(fixed.dimensions(), (16, 16));
        let (inside, outside) = (fixed.get_pixel(8, 8).0, fixed.get_pixel(1, 1).0);
        assert!(inside[0] > 180 && inside[1] < 60 && inside[3] == 255 && outside[3] == 0, "{}", path.display());
    }
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("no.png"), "<html>").unwrap();
    RgbaImage::new(8, 8).save(folder.path().join("a.png")).unwrap();
    for (line, expected) in [
        ("fix nowhere.png", "nowhere.png: No such file"),
        ("fix empty", "there is no picture in there"),
        ("fix no.png", "no picture that can be read: expected PNG, JPEG, WebP or GIF"),
        ("fix a.png --target=0", "expected 32 or 48x32"),
        ("fix a.png --scale=0.5", "scale.factor is 0.5, expected 1 to 256"),
        ("fix a.png --preset=sprite-17", "did you mean \"sprite-16\"?"),
        ("fix a.png a.png --output=x.png", "--output is one PNG for several pictures"),
    ] {
        let output = run(folder.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(stderr(&output).contains(expected), "{line}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(2), "{line}");
    }
}

/// Large pictures become small sprites one by one: all of them decoded at once would not fit into the memory that the
/// system gives here.
#[cfg(target_os = "linux")]
#[test]
fn a_joint_palette_takes_the_memory_of_sprites_not_of_pictures() {
    const PICTURES: u32 = 24;
    const EDGE_PX: u32 = 2_500;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    let path = |number: u32| folder.path().join(format!("in/{number:02}.png"));
    for number in 0..PICTURES {
        if number >= 4 {
            std::fs::copy(path(number % 4), path(number)).unwrap();
            continue;
        }
        let shade = number as u8 * 60;
        let mut large = RgbaImage::from_pixel(EDGE_PX, EDGE_PX, image::Rgba([20, 40, shade, 255]));
        for (x, y) in (750..1_250).flat_map(|x| (750..1_250).map(move |y| (x, y))) {
            large.put_pixel(x, y, image::Rgba([200, shade, 30, 255]));
        }
        large.save(path(number)).unwrap();
    }
    let most_kib = 480_000;
    assert!(PICTURES * (EDGE_PX * EDGE_PX * 4 / 1024) > most_kib + most_kib / 5);
    let line = format!(
        "ulimit -v {most_kib}; exec {} fix in --target=16 --downscale=center --joint --colors=6 --output=out",
        env!("CARGO_BIN_EXE_dgx-pixels")
    );
    let mut shell = std::process::Command::new("bash");
    let output = shell.args(["-c", &line]).current_dir(folder.path()).env("MALLOC_ARENA_MAX", "1").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let sprites = names(&folder.path().join("out"));
    assert_eq!(sprites.len(), PICTURES as usize);
    let all: std::collections::BTreeSet<_> =
        sprites.iter().flat_map(|name| colors(&picture(&folder.path().join("out").join(name)))).collect();
    assert!((3..=6).contains(&all.len()), "{}", all.len());
}
