//! `dgx-pixels generate-animation`: frames of one figure, reopened by readers of other hands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{alphas, assert_snapshot, colors, names, paths, picture, run, stderr, stdout, words};
use image::{RgbaImage, imageops};
use pixgen_api::SpriteSheet;
use pixgen_art::Metrics;

fn frames(sheet: &RgbaImage, size: u32) -> Vec<RgbaImage> {
    (0..sheet.width() / size).map(|frame| imageops::crop_imm(sheet, frame * size, 0, size, size).to_image()).collect()
}

/// The last row with a drawn pixel.
fn feet(frame: &RgbaImage) -> Option<u32> {
    (0..frame.height()).rev().find(|y| (0..frame.width()).any(|x| frame.get_pixel(x, *y).0[3] > 0))
}

/// With a seed of its own, whatever that is.
#[test]
fn the_line_of_the_design_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let line = words(
        r#"dgx-pixels generate-animation --prompt "fantasy knight character" --frames 4 --type idle --output ./assets/characters/knight/"#,
    );
    let output = run(folder.path(), &line.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 4);
    let sheet = picture(&folder.path().join("assets/characters/knight/fantasy-knight-character.png"));
    assert_eq!((sheet.dimensions(), alphas(&sheet)), ((128, 32), BTreeSet::from([0, 255])));
}

#[test]
fn the_line_of_the_design_draws_a_breathing_knight() {
    let folder = tempfile::tempdir().unwrap();
    let line = words(
        r#"dgx-pixels generate-animation --prompt "fantasy knight character" --frames 4 --type idle --output ./assets/characters/knight/"#,
    );
    let mut line: Vec<_> = line.iter().map(String::as_str).collect();
    line.extend(["--seed", "1"]);
    let output = run(folder.path(), &line);
    assert!(output.status.success(), "{}", stderr(&output));
    let files = ["png", "sheet.ron", "json", "gif"].map(|extension| format!("fantasy-knight-character.{extension}"));
    let printed: Vec<_> = stdout(&output).lines().map(|line| Path::new(line).to_owned()).collect();
    assert_eq!(printed, files.clone().map(|file| Path::new("./assets/characters/knight/").join(file)));
    let out = folder.path().join("assets/characters/knight");
    assert_eq!(names(&out).len(), 4);

    let sheet = picture(&out.join(&files[0]));
    assert_eq!(sheet.dimensions(), (128, 32));
    assert_eq!(alphas(&sheet), BTreeSet::from([0, 255]));
    assert!((3..=16).contains(&colors(&sheet).len()), "one joint palette: {}", colors(&sheet).len());
    let frames = frames(&sheet, 32);
    assert!(frames.iter().all(|frame| feet(frame) == Some(30)), "{:?}", frames.iter().map(feet).collect::<Vec<_>>());
    // They move, and they are one character: what is drawn in the first is mostly drawn in the others.
    assert!(frames[1..].iter().any(|frame| *frame != frames[0]));
    let drawn = |frame: &RgbaImage| frame.pixels().map(|pixel| pixel.0[3] > 0).collect::<Vec<_>>();
    for frame in &frames[1..] {
        let pairs: Vec<_> = drawn(&frames[0]).into_iter().zip(drawn(frame)).collect();
        let both = pairs.iter().filter(|(a, b)| *a && *b).count();
        let any = pairs.iter().filter(|(a, b)| *a || *b).count();
        assert!(both * 10 >= any * 7, "{both} of {any}");
    }
    // It breathes, and what does not move is still.
    let motion = Metrics::of_frames(&frames).unwrap().motion.unwrap();
    assert!(motion.flicker <= 0.02 && motion.step > 0.02 && motion.loop_ratio < 2.0, "{motion:?}");
    let said = format!("flicker {:.3} (calm up to 0.05), loop {:.2}", motion.flicker, motion.loop_ratio);
    assert!(stderr(&output).contains(&said) && !stderr(&output).contains("warning"), "{}", stderr(&output));

    let text = std::fs::read_to_string(out.join(&files[1])).unwrap();
    // The plugin's test `released` loads this file.
    assert_snapshot(&files[1], &text);
    let data: SpriteSheet = ron::from_str(&text).unwrap();
    assert_eq!((data.validate(), data.frames.len(), data.image.as_str()), (Ok(()), 4, files[0].as_str()));
    let tag = data.tag("idle").unwrap();
    assert_eq!((tag.first, tag.last, data.frames[0].duration_ms), (0, 3, 150));

    // Aseprite's JSON by the crate of the ggez project.
    let json = std::fs::read_to_string(out.join(&files[2])).unwrap();
    let aseprite: aseprite::SpritesheetData = serde_json::from_str(&json).unwrap();
    assert_eq!(aseprite.frames.len(), 4);
    for (index, frame) in (0..).zip(&aseprite.frames) {
        assert_eq!((frame.frame.x, frame.frame.w, frame.frame.h, frame.duration), (32 * index, 32, 32, 150));
    }
    assert_eq!(aseprite.meta.image.as_deref(), Some(files[0].as_str()));
    let tags = aseprite.meta.frame_tags.unwrap();
    assert_eq!((tags[0].name.as_str(), tags[0].from, tags[0].to), ("idle", 0, 3));

    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut reader = options.read_info(std::fs::File::open(out.join(&files[3])).unwrap()).unwrap();
    assert_eq!((reader.width(), reader.height()), (128, 128));
    let mut shown = 0;
    while let Some(frame) = reader.read_next_frame().unwrap() {
        assert_eq!(frame.delay, 15);
        shown += 1;
    }
    assert_eq!(shown, 4);
}

#[test]
fn other_motions_and_numbers_of_frames() {
    let folder = tempfile::tempdir().unwrap();
    let base = ["generate-animation", "--prompt=a green slime", "--kind=monster", "--size=16", "--steps=2", "--seed=2"];
    for (motion, frames) in [("walk", 6), ("attack", 2), ("jumping up and down", 3)] {
        let (motion, count) = (format!("--type={motion}"), format!("--frames={frames}"));
        let line: Vec<_> = base.iter().copied().chain([motion.as_str(), count.as_str()]).collect();
        let written = paths(folder.path(), &line);
        assert_eq!(picture(&folder.path().join(&written[0])).dimensions(), (16 * frames, 16), "{motion}");
    }
    let sheet = std::fs::read_to_string(folder.path().join("output/a-green-slime-3.sheet.ron")).unwrap();
    assert!(sheet.contains("jumping up and down"), "{sheet}");
    let wrong = run(folder.path(), &[&base[..], &["--frames=1"]].concat());
    assert!(stderr(&wrong).contains("animation.frames is 1, expected 2 to 16"), "{}", stderr(&wrong));
    assert_eq!(wrong.status.code(), Some(2));
}
