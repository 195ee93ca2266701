//! What holds for packed sheets: every frame is found where the description says, and nowhere over another.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Random, golden, knight, with_noise};
use image::{Rgba, RgbaImage, imageops};
use pixgen_api::{Anchor, SheetError, SheetTag};
use pixgen_art::sheet::{
    AnchorFrames, Frame, Layout, Motion, PackError, PackOptions, PackedSheet, Sheet, anchored_frames, joint_palette,
    pack, restore_frames,
};
use pixgen_art::{Metrics, scale, transform};
use proptest::prelude::*;

const LAYOUTS: [Layout; 6] =
    [Layout::Grid, Layout::Columns(3), Layout::Columns(0), Layout::Strip, Layout::Column, Layout::Tight];

/// The knight in four poses: standing, up, turned over, up.
fn walk() -> Vec<RgbaImage> {
    let up = |by: i64| {
        let mut moved = RgbaImage::new(32, 32);
        imageops::replace(&mut moved, &knight(), 0, -by);
        moved
    };
    vec![knight(), up(2), transform::mirror(&knight()), up(1)]
}

/// Any frames: of any size, drawn in part, some of them equal.
fn frames() -> impl Strategy<Value = Vec<RgbaImage>> {
    let frame = (1u32..14, 1u32..14, 0u64..5, any::<u64>()).prop_map(|(width, height, density, seed)| {
        let mut random = Random(seed);
        RgbaImage::from_fn(width, height, |_, _| {
            if random.below(5) < density { Rgba([random.byte(), random.byte(), 9, 255]) } else { Rgba([0; 4]) }
        })
    });
    (proptest::collection::vec(frame, 1..20), any::<bool>()).prop_map(|(mut frames, repeat)| {
        if repeat {
            frames.push(frames[0].clone());
        }
        frames
    })
}

fn options() -> impl Strategy<Value = PackOptions> {
    (0..LAYOUTS.len(), 0u32..4, 0u32..4, 0u32..3).prop_map(|(layout, padding_px, margin_px, extrude_px)| PackOptions {
        layout: LAYOUTS[layout],
        padding_px,
        margin_px,
        extrude_px,
    })
}

/// How far two stretches lie apart; negative where they overlap.
fn gap(a: (u32, u32), b: (u32, u32)) -> i64 {
    let (a, b) = ((i64::from(a.0), i64::from(a.0 + a.1)), (i64::from(b.0), i64::from(b.0 + b.1)));
    (b.0 - a.1).max(a.0 - b.1)
}

proptest! {
    #[test]
    fn every_frame_is_found_where_the_description_says(images in frames(), options in options()) {
        let packed = pack(&Sheet::animation("any", images.clone(), Anchor::Center), "any.png", &options).unwrap();
        prop_assert_eq!(packed.data.validate(), Ok(()));
        for (index, image) in images.iter().enumerate() {
            prop_assert!(packed.frame(index).unwrap() == *image, "frame {}", index);
        }
        prop_assert!(packed.frame(images.len()).is_none());
    }

    #[test]
    fn frames_keep_their_distance(images in frames(), options in options()) {
        let packed = pack(&Sheet::animation("any", images, Anchor::Center), "any.png", &options).unwrap();
        let rects: Vec<_> = packed.data.frames.iter().map(|frame| frame.rect_px).collect();
        let least = i64::from(2 * options.extrude_px + options.padding_px);
        let edge = options.margin_px + options.extrude_px;
        for (index, a) in rects.iter().enumerate() {
            prop_assert!(a.x >= edge && a.y >= edge);
            prop_assert!(a.x + a.width + edge <= packed.image.width() && a.y + a.height + edge <= packed.image.height());
            for b in &rects[..index] {
                let apart = gap((a.x, a.width), (b.x, b.width)).max(gap((a.y, a.height), (b.y, b.height)));
                let is_shared = a == b && options.layout == Layout::Tight;
                prop_assert!(is_shared || apart >= least, "{:?} {:?} {}", a, b, apart);
            }
        }
    }

    #[test]
    fn rims_are_repeated_outwards_and_the_rest_is_free(images in frames(), options in options()) {
        let packed = pack(&Sheet::animation("any", images, Anchor::Center), "any.png", &options).unwrap();
        let mut expected = RgbaImage::new(packed.image.width(), packed.image.height());
        let extrude = i64::from(options.extrude_px);
        for frame in &packed.data.frames {
            let rect = frame.rect_px;
            for y in -extrude..i64::from(rect.height) + extrude {
                for x in -extrude..i64::from(rect.width) + extrude {
                    let inside = |at: i64, length: u32| at.clamp(0, i64::from(length) - 1) as u32;
                    let from = (rect.x + inside(x, rect.width), rect.y + inside(y, rect.height));
                    let to = ((i64::from(rect.x) + x) as u32, (i64::from(rect.y) + y) as u32);
                    expected.put_pixel(to.0, to.1, *packed.image.get_pixel(from.0, from.1));
                }
            }
        }
        prop_assert!(packed.image == expected);
    }

    #[test]
    fn tight_sheets_waste_little(seed in any::<u64>(), count in 12usize..40) {
        let mut random = Random(seed);
        let image = |_| {
            let (width, height) = (4 + random.below(20) as u32, 4 + random.below(20) as u32);
            RgbaImage::from_fn(width, height, |_, _| Rgba([random.byte(), random.byte(), random.byte(), 255]))
        };
        let images: Vec<_> = (0..count).map(image).collect();
        let drawn: u32 = images.iter().map(|image| image.width() * image.height()).sum();
        let options = PackOptions { layout: Layout::Tight, ..PackOptions::default() };
        let packed = pack(&Sheet::animation("any", images, Anchor::Keep), "any.png", &options).unwrap();
        let share = f64::from(drawn) / f64::from(packed.image.width() * packed.image.height());
        prop_assert!(share > 0.75, "{} of the sheet is drawn", share);
    }
}

#[test]
fn layouts_look_as_they_did() {
    let frames = walk();
    let sheet = Sheet::animation("walk", frames.iter().cycle().take(6).cloned(), Anchor::Feet);
    for (name, options) in [
        ("grid", PackOptions::default()),
        ("strip", PackOptions { layout: Layout::Strip, padding_px: 2, margin_px: 1, ..PackOptions::default() }),
        ("tight", PackOptions { layout: Layout::Tight, padding_px: 1, ..PackOptions::default() }),
    ] {
        golden::check(&format!("sheet/{name}"), &pack(&sheet, "walk.png", &options).unwrap().image);
    }
    let tiles = [(0, 0), (4, 2), (9, 5), (0, 4)].map(|at| common::tiles::bricks(16, 16, at));
    let options = PackOptions { extrude_px: 2, padding_px: 1, margin_px: 1, ..PackOptions::default() };
    let packed = pack(&Sheet::animation("brick", tiles, Anchor::Keep), "brick.png", &options).unwrap();
    golden::check("sheet/extruded", &packed.image);
}

#[test]
fn equal_frames_lie_in_a_tight_sheet_once() {
    let sheet = Sheet::animation("walk", walk().into_iter().chain(walk()), Anchor::Feet);
    let options = PackOptions { layout: Layout::Tight, ..PackOptions::default() };
    let packed = pack(&sheet, "walk.png", &options).unwrap();
    for index in 0..4 {
        assert_eq!(packed.data.frames[index].rect_px, packed.data.frames[index + 4].rect_px);
    }
    // The figure without its margins has 16×26 px, and of the four poses only the mirrored one has other pixels.
    assert_eq!(packed.data.size_px, [32, 26]);
    assert!(packed.data.frames[1].is_trimmed());
    assert_eq!(packed.data.frames[1].offset_px, [8, 2]);
    assert_eq!(packed.data.frames[1].pivot_px, [16.0, 31.0]);
}

#[test]
fn what_cannot_be_packed_says_why() {
    let packs = |images: Vec<RgbaImage>, options: &PackOptions| -> Result<PackedSheet, PackError> {
        pack(&Sheet::animation("any", images, Anchor::Keep), "any.png", options)
    };
    let dot = || RgbaImage::from_pixel(1, 1, Rgba([9, 9, 9, 255]));
    let default = PackOptions::default();
    assert!(matches!(packs(vec![], &default), Err(PackError::Sheet(SheetError::FrameCount { found: 0 }))));
    let error = packs(vec![dot(), RgbaImage::new(3, 0)], &default).unwrap_err().to_string();
    assert!(error.contains("frame \"any 1\" has 3×0 px"), "{error}");
    assert!(matches!(packs(vec![dot(); 4097], &default), Err(PackError::Sheet(SheetError::FrameCount { .. }))));
    for layout in LAYOUTS {
        for px in [20_000, u32::MAX] {
            let options = [
                PackOptions { layout, padding_px: px, ..default },
                PackOptions { layout, margin_px: px, ..default },
                PackOptions { layout, extrude_px: px, ..default },
            ];
            // Padding lies between frames: 36 of them have some in every layout.
            let images: Vec<_> = (1..=36).map(|edge| RgbaImage::from_pixel(edge, 1, Rgba([9, 9, 9, 255]))).collect();
            for options in options {
                let error = packs(images.clone(), &options).unwrap_err().to_string();
                assert!(error.contains("at most 16384×16384 px"), "{options:?}: {error}");
            }
        }
    }
    let mut sheet = Sheet::animation("any", [dot()], Anchor::Keep);
    sheet.tags.push(SheetTag { name: "run".into(), first: 0, last: 3, ..SheetTag::default() });
    let error = pack(&sheet, "any.png", &default).unwrap_err().to_string();
    assert!(error.contains("tag \"run\" has the frames 0 to 3, the sheet has 0 to 0"), "{error}");
    let error = pack(&Sheet::animation("any", [dot()], Anchor::Keep), "../any.png", &default).unwrap_err().to_string();
    assert!(error.contains("\"../any.png\" is no path below"), "{error}");
}

#[test]
fn a_description_of_another_image_is_refused() {
    let packed = pack(&Sheet::animation("any", walk(), Anchor::Feet), "any.png", &PackOptions::default()).unwrap();
    let error = PackedSheet::new(RgbaImage::new(64, 63), packed.data.clone()).unwrap_err().to_string();
    assert!(error.contains("64×63 px, the description says 64×64"), "{error}");
    let mut huge = packed.data;
    huge.frames[0].source_px = [1 << 20, 32];
    assert!(PackedSheet::new(packed.image.clone(), huge.clone()).is_err());
    assert!(PackedSheet { image: packed.image, data: huge }.frame(0).is_none(), "nothing of that size is allocated");
}

#[test]
fn a_joint_palette_takes_the_flicker_out() {
    let mut random = Random(11);
    let noisy: Vec<_> = walk().iter().map(|frame| with_noise(frame, 6, &mut random)).collect();
    let alone: Vec<_> = noisy.iter().map(|frame| pixgen_art::reduce_colors(frame, 8)).collect();
    let joint = joint_palette(&noisy, 8);
    let flicker = |frames: &[RgbaImage]| Metrics::of_frames(frames).unwrap().motion.unwrap().flicker;
    assert!(flicker(&walk()) < 0.02, "drawn frames: {}", flicker(&walk()));
    assert!(flicker(&noisy) > 0.3 && flicker(&alone) > 0.1, "{} {}", flicker(&noisy), flicker(&alone));
    assert!(flicker(&joint) < 0.03, "{}", flicker(&joint));
    assert_eq!(Metrics::of_frames(&joint).unwrap().colors, 8);
    golden::check("sheet/joint_palette", &strip(&joint));
}

#[test]
fn feet_stand_on_one_line_or_the_jump_stays() {
    let jump: Vec<_> = [0i64, 3, 4, 3]
        .iter()
        .map(|by| {
            let mut moved = RgbaImage::new(32, 40);
            imageops::replace(&mut moved, &knight(), 5, 6 - by);
            moved
        })
        .collect();
    for (name, how) in [("together", AnchorFrames::Together), ("each", AnchorFrames::Each)] {
        let frames = anchored_frames(&jump, Anchor::Feet, how).unwrap();
        golden::check(&format!("sheet/anchored_{name}"), &strip(&frames));
    }
    let together = anchored_frames(&jump, Anchor::Feet, AnchorFrames::Together).unwrap();
    assert_eq!(Motion::of(&together).unwrap(), Motion::of(&jump).unwrap(), "one shift changes no motion");
    let each = anchored_frames(&jump, Anchor::Feet, AnchorFrames::Each).unwrap();
    assert_eq!(Motion::of(&each).unwrap(), Motion::default(), "the jump is gone");
}

#[test]
fn painted_frames_come_back_on_one_grid() {
    let mut random = Random(21);
    let painted: Vec<_> = walk()
        .iter()
        .map(|frame| with_noise(&scale::enlarge(frame, 6).unwrap(), 3, &mut random))
        .map(|frame| imageops::resize(&frame, 200, 200, imageops::FilterType::Triangle))
        .collect();
    let frames = restore_frames(&painted, pixgen_art::restore::GridSize::Unknown).unwrap();
    for (index, (found, drawn)) in frames.iter().zip(walk()).enumerate() {
        assert_eq!(found.dimensions(), (32, 32));
        let right = found.pixels().zip(drawn.pixels()).filter(|(found, drawn)| {
            let rgb = |pixel: &Rgba<u8>| [pixel.0[0], pixel.0[1], pixel.0[2]];
            found.0[3] == drawn.0[3] && (drawn.0[3] == 0 || pixgen_art::delta_e(rgb(found), rgb(drawn)) < 0.05)
        });
        assert!(right.count() >= 32 * 32 * 97 / 100, "frame {index}");
    }
    assert_eq!(restore_frames(&[], pixgen_art::restore::GridSize::Unknown), Ok(vec![]));
    assert!(restore_frames(&[painted[0].clone(), knight()], pixgen_art::restore::GridSize::Unknown).is_err());
    golden::check("sheet/restored", &strip(&frames));
}

/// Frames side by side.
fn strip(frames: &[RgbaImage]) -> RgbaImage {
    let options = PackOptions { layout: Layout::Strip, padding_px: 1, ..PackOptions::default() };
    pack(&Sheet::animation("frame", frames.to_vec(), Anchor::Keep), "frame.png", &options).unwrap().image
}

#[test]
fn animations_share_a_sheet_under_their_tags() {
    let mut sheet = Sheet::animation("walk", walk(), Anchor::Feet);
    sheet.append(Sheet::animation("idle", [knight(), knight()], Anchor::Feet));
    let packed = pack(&sheet, "knight.png", &PackOptions::default()).unwrap();
    assert_eq!(packed.data.tag("walk").unwrap().order(), [0, 1, 2, 3]);
    assert_eq!(packed.data.tag("idle").unwrap().order(), [4, 5]);
    assert_eq!(packed.data.frames[5].name, "idle 1");
    assert!(packed.data.tag("run").is_none());
}

#[test]
fn frames_can_be_named_and_timed_one_by_one() {
    let frame =
        |name: &str, duration_ms| Frame { name: name.into(), image: knight(), duration_ms, pivot_px: [3.5, -2.0] };
    let sheet = Sheet { frames: vec![frame("stand", 400), frame("blink", 60)], tags: vec![] };
    let packed = pack(&sheet, "knight.png", &PackOptions::default()).unwrap();
    let found: Vec<_> = packed.data.frames.iter().map(|f| (f.name.as_str(), f.duration_ms, f.pivot_px)).collect();
    assert_eq!(found, [("stand", 400, [3.5, -2.0]), ("blink", 60, [3.5, -2.0])]);
    let twice = Sheet { frames: vec![frame("stand", 1), frame("stand", 1)], tags: vec![] };
    assert!(pack(&twice, "knight.png", &PackOptions::default()).is_err());
}
