//! Every export, opened again by a reader of another hand: what it says must lead back to the frames.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Cursor;
use std::path::Path;

use common::{
    animations::{apng_frames, gif_frames},
    knight,
    tiles::bricks,
};
use image::{Rgba, RgbaImage, imageops};
use pixgen_api::{Anchor, PlayDirection, SheetTag, SpriteSheet};
use pixgen_art::export::{ExportError, ExportOptions, SheetFormat, export};
use pixgen_art::sheet::{Layout, PackOptions, PackedSheet, Sheet, pack};
use serde_json::Value;

/// The knight at four heights, with durations of their own, pivots and tags of every direction.
fn animation() -> Sheet {
    let images = [0i64, 2, 4, 1].map(|by| {
        let mut moved = RgbaImage::new(32, 32);
        imageops::replace(&mut moved, &knight(), by - 1, -by);
        moved
    });
    let mut sheet = Sheet::animation("walk <\"&'>", images, Anchor::Feet);
    for (frame, duration_ms) in sheet.frames.iter_mut().zip([100, 45, 45, 1210]) {
        frame.duration_ms = duration_ms;
    }
    sheet.frames[2].pivot_px = [8.0, 24.0];
    let tag =
        |name: &str, first, last, direction, repeat| SheetTag { name: name.into(), first, last, direction, repeat };
    sheet.tags = vec![
        tag("walk", 0, 3, PlayDirection::PingPong, 0),
        tag("turn", 1, 2, PlayDirection::Reverse, 3),
        tag("hop", 1, 3, PlayDirection::Forward, 1),
    ];
    sheet
}

fn packed(layout: Layout) -> PackedSheet {
    let options = PackOptions { layout, padding_px: 2, margin_px: 1, extrude_px: 1 };
    pack(&animation(), "sheets/walk.png", &options).unwrap()
}

fn text(sheet: &PackedSheet, format: SheetFormat) -> String {
    String::from_utf8(export(sheet, format, &ExportOptions::default()).unwrap()).unwrap()
}

/// The uncut frame at the rectangles that Aseprite's words describe.
fn cut(sheet: &RgbaImage, frame: &aseprite::Frame) -> RgbaImage {
    let (rect, place) = (frame.frame, frame.sprite_source_size);
    assert_eq!((rect.w, rect.h), (place.w, place.h));
    let pixels = imageops::crop_imm(sheet, rect.x, rect.y, rect.w, rect.h).to_image();
    let mut whole = RgbaImage::new(frame.source_size.w, frame.source_size.h);
    imageops::replace(&mut whole, &pixels, place.x.into(), place.y.into());
    whole
}

/// Checks what both of Aseprite's layouts and TexturePacker say about frames.
fn check_frames(frames: &[aseprite::Frame], sheet: &PackedSheet, layout: Layout) {
    let drawn = animation();
    assert_eq!(frames.len(), drawn.frames.len());
    for (found, drawn) in frames.iter().zip(&drawn.frames) {
        assert_eq!((found.filename.as_str(), found.duration), (drawn.name.as_str(), drawn.duration_ms));
        assert!(cut(&sheet.image, found) == drawn.image, "{}", drawn.name);
        assert_eq!((found.rotated, found.trimmed), (false, layout == Layout::Tight));
    }
}

#[test]
fn aseprite_reads_the_array() {
    for layout in [Layout::Grid, Layout::Tight] {
        let sheet = packed(layout);
        let text = text(&sheet, SheetFormat::AsepriteArray);
        // The crate knows no ping-pong backwards, but all that is here.
        let read: aseprite::SpritesheetData = serde_json::from_str(&text).unwrap();
        check_frames(&read.frames, &sheet, layout);
        check_meta(&read.meta, &sheet);
        check_slices(&serde_json::from_str(&text).unwrap());
    }
}

#[test]
fn aseprite_reads_the_hash_and_frames_stay_in_their_order() {
    let sheet = packed(Layout::Tight);
    let text = text(&sheet, SheetFormat::AsepriteHash);
    let read: Value = serde_json::from_str(&text).unwrap();
    check_frames(&frames_by_name(&text, &read), &sheet, Layout::Tight);
    check_meta(&serde_json::from_value(read["meta"].clone()).unwrap(), &sheet);
    check_slices(&read);
}

/// The frames of a hash in the order of the file, each in the words of the array.
fn frames_by_name(text: &str, read: &Value) -> Vec<aseprite::Frame> {
    let frames = read["frames"].as_object().unwrap();
    let mut named: Vec<_> = frames.iter().collect();
    named.sort_by_key(|(name, _)| text.find(&serde_json::to_string(name).unwrap()).unwrap());
    let frame = |(name, frame): (&String, &Value)| {
        let mut frame = frame.clone();
        frame["filename"] = name.clone().into();
        serde_json::from_value(frame).unwrap()
    };
    named.into_iter().map(frame).collect()
}

fn check_meta(meta: &aseprite::Metadata, sheet: &PackedSheet) {
    assert_eq!((meta.size.w, meta.size.h), sheet.image.dimensions());
    assert_eq!((meta.image.as_deref(), meta.scale.as_str()), (Some("sheets/walk.png"), "1"));
    let tags = meta.frame_tags.as_ref().unwrap();
    let found: Vec<_> = tags.iter().map(|tag| (tag.name.as_str(), tag.from, tag.to, tag.direction)).collect();
    use aseprite::Direction::{Forward, Pingpong, Reverse};
    assert_eq!(found, [("walk", 0, 3, Pingpong), ("turn", 1, 2, Reverse), ("hop", 1, 3, Forward)]);
}

/// Pivots stand where Aseprite keeps them, with a key where they change; repeats are strings.
fn check_slices(read: &Value) {
    let keys = read["meta"]["slices"][0]["keys"].as_array().unwrap();
    let found: Vec<_> = keys.iter().map(|key| (&key["frame"], &key["pivot"]["x"], &key["pivot"]["y"])).collect();
    assert_eq!(
        found,
        [(&0.into(), &16.into(), &31.into()), (&2.into(), &8.into(), &24.into()), (&3.into(), &16.into(), &31.into())]
    );
    let repeats: Vec<_> = read["meta"]["frameTags"].as_array().unwrap().iter().map(|tag| tag.get("repeat")).collect();
    assert_eq!(repeats, [None, Some(&"3".into()), Some(&"1".into())]);
}

#[test]
fn texture_packer_has_pivots_and_animations() {
    let sheet = packed(Layout::Tight);
    let text = text(&sheet, SheetFormat::TexturePacker);
    let read: Value = serde_json::from_str(&text).unwrap();
    check_frames(&frames_by_name(&text, &read), &sheet, Layout::Tight);
    let name = |index: usize| animation().frames[index].name.clone();
    for field in ["pivot", "anchor"] {
        assert_eq!(read["frames"][name(0)][field], serde_json::json!({ "x": 0.5, "y": 31.0 / 32.0 }));
        assert_eq!(read["frames"][name(2)][field], serde_json::json!({ "x": 0.25, "y": 0.75 }));
    }
    let names = |order: &[usize]| Value::from(order.iter().map(|index| name(*index)).collect::<Vec<_>>());
    assert_eq!(read["animations"]["walk"], names(&[0, 1, 2, 3, 2, 1]));
    assert_eq!(read["animations"]["turn"], names(&[2, 1]));
    assert_eq!(read["meta"]["image"], "sheets/walk.png");
    assert_eq!(read["meta"]["size"], serde_json::json!({ "w": sheet.image.width(), "h": sheet.image.height() }));
}

#[test]
fn ron_is_read_back_whole() {
    for layout in [Layout::Strip, Layout::Tight] {
        let sheet = packed(layout);
        let text = text(&sheet, SheetFormat::Ron);
        let read: SpriteSheet = ron::from_str(&text).unwrap();
        assert_eq!(read, sheet.data);
        assert!(PackedSheet::new(sheet.image.clone(), read).unwrap() == sheet);
        assert_eq!(text.lines().filter(|line| line.contains("rect_px")).count(), 4, "a frame takes a line:\n{text}");
    }
}

/// Tiled's own library reads the tileset.
fn tiled(bytes: Vec<u8>) -> tiled::Tileset {
    let reader = move |_: &Path| -> std::io::Result<_> { Ok(Cursor::new(bytes.clone())) };
    tiled::Loader::with_reader(reader).load_tsx_tileset("/level/tiles.tsx").unwrap()
}

#[test]
fn tiled_cuts_the_tiles_where_they_lie() {
    for (layout, columns) in [(Layout::Grid, 2), (Layout::Columns(3), 3), (Layout::Strip, 4), (Layout::Column, 1)] {
        let sheet = packed(layout);
        let options = ExportOptions { name: "floor & \"wall\"".into(), ..ExportOptions::default() };
        let tileset = tiled(export(&sheet, SheetFormat::Tiled, &options).unwrap());
        assert_eq!(tileset.name, options.name);
        assert_eq!((tileset.tile_width, tileset.tile_height), (32, 32));
        assert_eq!((tileset.columns, tileset.tilecount), (columns, 4), "{layout:?}");
        let image = tileset.image.as_ref().unwrap();
        assert!(image.source.ends_with("sheets/walk.png"));
        assert_eq!((image.width as u32, image.height as u32), sheet.image.dimensions());
        for (id, frame) in (0..).zip(&animation().frames) {
            // Tiled's rule: margin, then tile and spacing, row by row.
            let at = |index: u32, edge: u32| tileset.margin + index * (edge + tileset.spacing);
            let (x, y) = (at(id % columns, 32), at(id / columns, 32));
            assert!(imageops::crop_imm(&sheet.image, x, y, 32, 32).to_image() == frame.image, "{layout:?} {id}");
            let tile = tileset.get_tile(id).unwrap();
            assert_eq!(tile.properties["name"], tiled::PropertyValue::StringValue(frame.name.clone()));
        }
        let shown = |id: u32| -> Option<Vec<(u32, u32)>> {
            Some(
                tileset.get_tile(id)?.animation.as_ref()?.iter().map(|frame| (frame.tile_id, frame.duration)).collect(),
            )
        };
        assert_eq!(shown(0).unwrap(), [(0, 100), (1, 45), (2, 45), (3, 1210), (2, 45), (1, 45)]);
        assert_eq!(shown(1).unwrap(), [(1, 45), (2, 45), (3, 1210)]);
        assert_eq!(shown(2).unwrap(), [(2, 45), (1, 45)]);
        assert_eq!(shown(3), None);
    }
}

#[test]
fn what_tiled_cannot_cut_is_refused() {
    let refused = |sheet: &PackedSheet, expected: &str| {
        let error = export(sheet, SheetFormat::Tiled, &ExportOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("layout Grid"), "{error}");
    };
    let pack = |images: Vec<RgbaImage>, options: &PackOptions| {
        pack(&Sheet::animation("tile", images, Anchor::Keep), "a.png", options).unwrap()
    };
    refused(&packed(Layout::Tight), "0\" has lost its transparent margins");
    let mixed = vec![bricks(8, 8, (0, 0)), bricks(8, 7, (0, 0))];
    refused(&pack(mixed, &PackOptions::default()), "\"tile 1\" has another size than \"tile 0\"");
    let wide = PackOptions { margin_px: 9, ..PackOptions::default() };
    refused(&pack(vec![bricks(8, 8, (0, 0)); 4], &wide), "one more column fits");
    let mut moved = packed(Layout::Strip);
    moved.data.frames[2].rect_px.x += 1;
    refused(&moved, "expected (74, 2)");
}

#[test]
fn a_gif_shows_the_frames_exactly() {
    let sheet = packed(Layout::Tight);
    let drawn = animation();
    let show = |tag: Option<&str>, scale| {
        let options = ExportOptions { tag: tag.map(str::to_owned), scale, ..ExportOptions::default() };
        gif_frames(&export(&sheet, SheetFormat::Gif, &options).unwrap())
    };
    for (tag, order, repeat) in [
        (None, vec![0, 1, 2, 3], gif::Repeat::Infinite),
        (Some("walk"), vec![0, 1, 2, 3, 2, 1], gif::Repeat::Infinite),
        // Three times shown is two times repeated; once shown is not repeated.
        (Some("turn"), vec![2, 1], gif::Repeat::Finite(2)),
        (Some("hop"), vec![1, 2, 3], gif::Repeat::Finite(0)),
    ] {
        for scale in [1, 3] {
            let (frames, found) = show(tag, scale);
            assert_eq!((frames.len(), found), (order.len(), repeat));
            for ((found, _), index) in frames.iter().zip(&order) {
                let expected = pixgen_art::scale::enlarge(&drawn.frames[*index].image, scale).unwrap();
                assert!(*found == expected, "{tag:?} frame {index} at scale {scale}");
            }
        }
    }
    // 100, 45, 45 and 1210 ms in hundredths: what rounding takes from one the next one gets.
    let delays: Vec<_> = show(None, 1).0.iter().map(|(_, delay)| *delay).collect();
    assert_eq!(delays, [10, 5, 4, 121]);
}

#[test]
fn an_opaque_gif_needs_no_transparency_and_may_have_256_colours() {
    let ramp = |shift: u8| RgbaImage::from_fn(16, 16, |x, y| Rgba([(16 * x + y) as u8, shift, 9, 255]));
    let pack_all = |images: Vec<RgbaImage>| {
        pack(&Sheet::animation("ramp", images, Anchor::Keep), "a.png", &PackOptions::default()).unwrap()
    };
    let gif = |images: Vec<RgbaImage>| export(&pack_all(images), SheetFormat::Gif, &ExportOptions::default());
    let turned = imageops::rotate180(&ramp(3));
    let (frames, _) = gif_frames(&gif(vec![ramp(3), turned.clone()]).unwrap());
    assert!(frames[0].0 == ramp(3) && frames[1].0 == turned);
    assert!(matches!(gif(vec![ramp(3), ramp(4)]), Err(ExportError::TooManyColors { found: 512 })));
    let mut hole = ramp(3);
    hole.put_pixel(0, 0, Rgba([0; 4]));
    assert!(matches!(gif(vec![ramp(3), hole]), Err(ExportError::TooManyColors { found: 257 })));
    let glass = RgbaImage::from_pixel(2, 2, Rgba([9, 9, 9, 90]));
    let error = gif(vec![RgbaImage::new(2, 2), glass]).unwrap_err().to_string();
    assert!(error.contains("frame 1 has a pixel with alpha 90"), "{error}");
}

#[test]
fn short_and_long_frames_of_a_gif() {
    let mut sheet = packed(Layout::Grid);
    let mut gif = |durations: [u32; 4]| {
        for (frame, duration_ms) in sheet.data.frames.iter_mut().zip(durations) {
            frame.duration_ms = duration_ms;
        }
        export(&sheet, SheetFormat::Gif, &ExportOptions::default())
    };
    let delays = |bytes: &[u8]| gif_frames(bytes).0.iter().map(|(_, delay)| *delay).collect::<Vec<_>>();
    // Below 20 ms browsers slow a frame down: it gets 20, and the next longer one gives them back.
    assert_eq!(delays(&gif([5, 5, 100, 33]).unwrap()), [2, 2, 7, 3]);
    assert_eq!(delays(&gif([655_350, 100, 100, 100]).unwrap()), [65_535, 10, 10, 10]);
    let error = gif([100, 655_360, 100, 100]).unwrap_err().to_string();
    assert!(error.contains("frame 1 is shown for 655360 ms"), "{error}");
}

#[test]
fn an_apng_shows_the_frames_exactly_with_half_transparency() {
    let mut sheet = animation();
    for (x, y, pixel) in sheet.frames[1].image.enumerate_pixels_mut() {
        *pixel = Rgba([(8 * x) as u8, (8 * y) as u8, (x * y) as u8, (4 * x + 4 * y) as u8]);
    }
    let packed = pack(&sheet, "walk.png", &PackOptions { layout: Layout::Tight, ..PackOptions::default() }).unwrap();
    let options = ExportOptions { tag: Some("walk".into()), scale: 2, ..ExportOptions::default() };
    let bytes = export(&packed, SheetFormat::Apng, &options).unwrap();
    let frames = apng_frames(&bytes);
    let order = [0, 1, 2, 3, 2, 1];
    assert_eq!(frames.len(), order.len());
    for ((found, duration_ms), index) in frames.iter().zip(order) {
        let expected = pixgen_art::scale::enlarge(&sheet.frames[index].image, 2).unwrap();
        assert_eq!(*duration_ms, sheet.frames[index].duration_ms);
        // Colours under full transparency are kept in the file, but not by every reader.
        let same = found.pixels().zip(expected.pixels()).all(|(a, b)| a == b || (a.0[3] == 0 && b.0[3] == 0));
        assert!(same && found.dimensions() == expected.dimensions(), "frame {index}");
    }
    let plays = |tag: &str| {
        let options = ExportOptions { tag: Some(tag.into()), ..ExportOptions::default() };
        let bytes = export(&packed, SheetFormat::Apng, &options).unwrap();
        let reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        reader.info().animation_control().unwrap().num_plays
    };
    assert_eq!((plays("walk"), plays("turn"), plays("hop")), (0, 3, 1));
}

#[test]
fn previews_that_cannot_be_say_why() {
    let sheet = packed(Layout::Grid);
    let error = |sheet: &PackedSheet, tag: Option<&str>, scale| {
        let options = ExportOptions { tag: tag.map(str::to_owned), scale, ..ExportOptions::default() };
        export(sheet, SheetFormat::Apng, &options).unwrap_err().to_string()
    };
    assert_eq!(error(&sheet, Some("run"), 1), "the sheet has no tag \"run\"; it has: walk, turn, hop");
    assert!(error(&sheet, None, 0).contains("scale factor is 0"));
    assert!(error(&sheet, None, u32::MAX).contains("at most 268435456 are written"));
    assert!(error(&sheet, Some("walk"), 210).contains("270950400 pixels"), "{}", error(&sheet, Some("walk"), 210));
    let mut other = packed(Layout::Grid);
    other.data.frames[1].source_px = [33, 32];
    assert!(error(&other, None, 1).contains("image 1 has 33×32 px"));
    other.data.frames[1].rect_px.x = 4000;
    assert!(error(&other, None, 1).contains("frame 1 does not lie in the sheet's image"));
}

#[test]
fn formats_are_read_by_their_words() {
    for format in SheetFormat::ALL {
        assert_eq!(format.word().to_uppercase().parse::<SheetFormat>(), Ok(format));
        assert!(!format.extension().starts_with('.'));
    }
    let error = "xml".parse::<SheetFormat>().unwrap_err();
    assert!(error.contains("xml") && error.contains("texture-packer"), "{error}");
}
