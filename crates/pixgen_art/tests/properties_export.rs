//! What holds of every sheet in every format, whatever its frames: what is written is read back, every frame lies where
//! its file says, and previews show the frames.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Cursor;
use std::path::Path;

use common::Random;
use common::animations::{apng_frames, gif_frames};
use common::any::{blocks, config};
use image::{Rgba, RgbaImage, imageops};
use pixgen_api::{Anchor, PlayDirection, SheetTag, SpriteSheet};
use pixgen_art::export::{ExportOptions, SheetFormat, export};
use pixgen_art::scale::enlarge;
use pixgen_art::sheet::{Layout, PackOptions, PackedSheet, Sheet, pack};
use proptest::prelude::*;
use serde_json::Value;

const LAYOUTS: [Layout; 5] = [Layout::Grid, Layout::Columns(3), Layout::Strip, Layout::Column, Layout::Tight];

const DIRECTIONS: [PlayDirection; 4] =
    [PlayDirection::Forward, PlayDirection::Reverse, PlayDirection::PingPong, PlayDirection::PingPongReverse];

/// Up to nine frames of one size, one of them often empty, with names that need escapes, durations and tags.
fn sheet() -> impl Strategy<Value = Sheet> {
    (1u32..12, 1u32..12, 1usize..10, "[ -~äß…]{1,6}", any::<u64>()).prop_map(|(width, height, count, name, seed)| {
        let mut random = Random(seed);
        let images: Vec<RgbaImage> = (0..count)
            .map(|_| {
                let clear = random.below(5);
                blocks(width, height, 1 + random.below(3) as u32, random.next(), |own| match own.below(4) < clear {
                    true => Rgba([0; 4]),
                    false => Rgba([own.below(4) as u8 * 80, own.below(4) as u8 * 80, 9, 255]),
                })
            })
            .collect();
        let mut sheet = Sheet::animation(&name, images, Anchor::Feet);
        for frame in &mut sheet.frames {
            frame.duration_ms = 20 + random.below(2000) as u32;
            frame.pivot_px = [random.below(40) as f32 / 2.0, random.below(40) as f32 / 2.0];
        }
        sheet.tags = (0..random.below(4))
            .map(|index| {
                let first = random.below(count as u64) as usize;
                SheetTag {
                    name: format!("{name}{index}"),
                    first,
                    last: first + random.below((count - first) as u64) as usize,
                    direction: DIRECTIONS[random.below(4) as usize],
                    repeat: random.below(4) as u32,
                }
            })
            .collect();
        sheet
    })
}

fn packed() -> impl Strategy<Value = (Sheet, PackedSheet, Layout)> {
    (sheet(), 0..LAYOUTS.len(), 0u32..3, 0u32..3, 0u32..3).prop_map(
        |(sheet, layout, padding_px, margin_px, extrude_px)| {
            let options = PackOptions { layout: LAYOUTS[layout], padding_px, margin_px, extrude_px };
            let packed = pack(&sheet, "art/any.png", &options).unwrap();
            (sheet, packed, LAYOUTS[layout])
        },
    )
}

fn text(sheet: &PackedSheet, format: SheetFormat) -> String {
    String::from_utf8(export(sheet, format, &ExportOptions::default()).unwrap()).unwrap()
}

/// Four numbers of a JSON object.
fn numbers<const N: usize>(value: &Value, names: [&str; N]) -> [u32; N] {
    names.map(|name| value[name].as_u64().unwrap() as u32)
}

/// The uncut frame that a JSON file describes; its rectangle must lie in the sheet.
fn cut(sheet: &RgbaImage, frame: &Value) -> RgbaImage {
    let [x, y, w, h] = numbers(&frame["frame"], ["x", "y", "w", "h"]);
    assert!(x + w <= sheet.width() && y + h <= sheet.height(), "({x}, {y}) {w}×{h} leaves {:?}", sheet.dimensions());
    let [left, top, width, height] = numbers(&frame["spriteSourceSize"], ["x", "y", "w", "h"]);
    assert_eq!((w, h), (width, height));
    let [width, height] = numbers(&frame["sourceSize"], ["w", "h"]);
    let mut whole = RgbaImage::new(width, height);
    imageops::replace(&mut whole, &imageops::crop_imm(sheet, x, y, w, h).to_image(), left.into(), top.into());
    whole
}

/// The order in which a sheet shows frames: its tag's, or all.
fn order(sheet: &Sheet, tag: Option<&SheetTag>) -> Vec<usize> {
    tag.map_or_else(|| (0..sheet.frames.len()).collect(), SheetTag::order)
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn our_own_description_is_read_back_whole((sheet, packed, _) in packed()) {
        let read = SpriteSheet::from_file(text(&packed, SheetFormat::Ron).as_bytes()).unwrap();
        prop_assert_eq!(&read, &packed.data);
        let read = PackedSheet::new(packed.image.clone(), read).unwrap();
        for (index, frame) in sheet.frames.iter().enumerate() {
            prop_assert!(read.frame(index).unwrap() == frame.image, "frame {}", index);
        }
        prop_assert_eq!(&read.data.tags, &sheet.tags);
    }

    #[test]
    fn json_leads_back_to_every_frame((sheet, packed, _) in packed()) {
        let array: Value = serde_json::from_str(&text(&packed, SheetFormat::AsepriteArray)).unwrap();
        let hash: Value = serde_json::from_str(&text(&packed, SheetFormat::AsepriteHash)).unwrap();
        let texture_packer: Value = serde_json::from_str(&text(&packed, SheetFormat::TexturePacker)).unwrap();
        prop_assert_eq!(array["frames"].as_array().unwrap().len(), sheet.frames.len());
        for (index, frame) in sheet.frames.iter().enumerate() {
            let found = [&array["frames"][index], &hash["frames"][&frame.name], &texture_packer["frames"][&frame.name]];
            for found in found {
                prop_assert!(cut(&packed.image, found) == frame.image, "{}", frame.name);
                prop_assert_eq!(&found["rotated"], &Value::Bool(false));
            }
            prop_assert_eq!(found[0]["filename"].as_str(), Some(frame.name.as_str()));
            for found in &found[..2] {
                prop_assert_eq!(found["duration"].as_u64(), Some(frame.duration_ms.into()));
            }
            let size = [frame.image.width(), frame.image.height()];
            for (axis, name) in ["x", "y"].into_iter().enumerate() {
                let pivot = found[2]["pivot"][name].as_f64().unwrap() * f64::from(size[axis]);
                prop_assert!((pivot - f64::from(frame.pivot_px[axis])).abs() < 1e-3, "{}", pivot);
            }
        }
        for read in [&array, &hash, &texture_packer] {
            let meta = &read["meta"];
            prop_assert_eq!(numbers(&meta["size"], ["w", "h"]), [packed.image.width(), packed.image.height()]);
            prop_assert_eq!(&meta["image"], "art/any.png");
        }
        for read in [&array, &hash] {
            let tags = read["meta"]["frameTags"].as_array().unwrap();
            prop_assert_eq!(tags.len(), sheet.tags.len());
            for (found, tag) in tags.iter().zip(&sheet.tags) {
                prop_assert_eq!(found["name"].as_str(), Some(tag.name.as_str()));
                prop_assert_eq!(numbers(found, ["from", "to"]), [tag.first as u32, tag.last as u32]);
            }
        }
        for tag in &sheet.tags {
            let names: Vec<_> = tag.order().into_iter().map(|index| sheet.frames[index].name.clone()).collect();
            prop_assert_eq!(&texture_packer["animations"][&tag.name], &Value::from(names));
        }
    }

    #[test]
    fn tiled_finds_the_tiles_or_says_why_not((sheet, packed, layout) in packed(), name in "[ -~ä]{1,8}") {
        let options = ExportOptions { name: name.clone(), ..ExportOptions::default() };
        let bytes = match export(&packed, SheetFormat::Tiled, &options) {
            Ok(bytes) => bytes,
            Err(error) => {
                // Cut margins, or room for one more column beside the last.
                prop_assert!(error.to_string().contains("layout Grid"), "{}", error);
                return Ok(());
            }
        };
        let reader = move |_: &Path| -> std::io::Result<_> { Ok(Cursor::new(bytes.clone())) };
        let tileset = tiled::Loader::with_reader(reader).load_tsx_tileset("/level/tiles.tsx").unwrap();
        prop_assert_eq!(tileset.name, name);
        prop_assert_eq!(tileset.tilecount as usize, sheet.frames.len());
        let (width, height) = (tileset.tile_width, tileset.tile_height);
        for (id, frame) in (0..).zip(&sheet.frames) {
            let at = |index: u32, edge: u32| tileset.margin + index * (edge + tileset.spacing);
            let (x, y) = (at(id % tileset.columns, width), at(id / tileset.columns, height));
            prop_assert!(x + width <= packed.image.width() && y + height <= packed.image.height());
            let tile = imageops::crop_imm(&packed.image, x, y, width, height).to_image();
            prop_assert!(tile == frame.image, "{:?} {}", layout, id);
        }
    }

    #[test]
    fn previews_show_the_frames((sheet, packed, _) in packed(), scale in 1u32..4) {
        for tag in std::iter::once(None).chain(sheet.tags.iter().map(Some)) {
            let options = ExportOptions { tag: tag.map(|tag| tag.name.clone()), scale, ..ExportOptions::default() };
            let (gif, _) = gif_frames(&export(&packed, SheetFormat::Gif, &options).unwrap());
            let apng = export(&packed, SheetFormat::Apng, &options).unwrap();
            let order = order(&sheet, tag);
            prop_assert_eq!(gif.len(), order.len());
            let (mut shown_ms, mut wanted_ms) = (0u32, 0u32);
            for ((found, delay), index) in gif.iter().zip(&order) {
                prop_assert!(*found == enlarge(&sheet.frames[*index].image, scale).unwrap(), "GIF, frame {}", index);
                shown_ms += u32::from(*delay) * 10;
                wanted_ms += sheet.frames[*index].duration_ms;
                prop_assert!(shown_ms.abs_diff(wanted_ms) <= 20, "{} of {} ms", shown_ms, wanted_ms);
            }
            let apng = apng_frames(&apng);
            prop_assert_eq!(apng.len(), order.len());
            for ((found, duration_ms), index) in apng.iter().zip(&order) {
                prop_assert!(*found == enlarge(&sheet.frames[*index].image, scale).unwrap(), "APNG, frame {}", index);
                prop_assert_eq!(*duration_ms, sheet.frames[*index].duration_ms);
            }
        }
    }
}
