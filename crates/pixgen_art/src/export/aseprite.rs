//! Aseprite's JSON, as File > Export Sprite Sheet writes it (`app/doc_exporter.cpp`): frames as array or as hash, tags,
//! and the pivots as a slice, which is where Aseprite keeps them.

use pixgen_api::{PlayDirection, SheetFrame, SheetTag};

use super::ExportError;
use super::json::{Entry, Fields, field, meta, numbers, placed, write};
use crate::sheet::PackedSheet;

/// The colour with which Aseprite draws tags and slices that have none of their own.
const NO_COLOR: &str = "#000000ff";

/// Frames as a list, each with its name in `filename`.
pub(super) fn write_array(sheet: &PackedSheet) -> Result<Vec<u8>, ExportError> {
    let frame = |frame: &SheetFrame| {
        let mut fields = vec![field("filename", frame.name.as_str())];
        fields.extend(placed(frame));
        Fields(fields)
    };
    let frames = Entry::List(sheet.data.frames.iter().map(frame).collect());
    write(vec![("frames".to_owned(), frames), ("meta".to_owned(), meta_of(sheet))])
}

/// Frames by name.
pub(super) fn write_hash(sheet: &PackedSheet) -> Result<Vec<u8>, ExportError> {
    let frame = |frame: &SheetFrame| (frame.name.clone(), Entry::Fields(Fields(placed(frame))));
    let frames = Entry::Fields(Fields(sheet.data.frames.iter().map(frame).collect()));
    write(vec![("frames".to_owned(), frames), ("meta".to_owned(), meta_of(sheet))])
}

fn meta_of(sheet: &PackedSheet) -> Entry {
    let mut fields = meta(&sheet.data);
    fields.push(("frameTags".to_owned(), Entry::List(sheet.data.tags.iter().map(tag).collect())));
    let layer = [field("name", "Layer 1"), field("opacity", 255), field("blendMode", "normal")];
    fields.push(("layers".to_owned(), Entry::List(vec![Fields(layer.into())])));
    fields.push(("slices".to_owned(), Entry::List(vec![pivots(&sheet.data.frames)])));
    Entry::Fields(Fields(fields))
}

fn tag(tag: &SheetTag) -> Fields {
    let direction = match tag.direction {
        PlayDirection::Forward => "forward",
        PlayDirection::Reverse => "reverse",
        PlayDirection::PingPong => "pingpong",
        PlayDirection::PingPongReverse => "pingpong_reverse",
    };
    let mut fields = vec![
        field("name", tag.name.as_str()),
        field("from", tag.first),
        field("to", tag.last),
        field("direction", direction),
        field("color", NO_COLOR),
    ];
    if tag.repeat > 0 {
        // A string in Aseprite's files.
        fields.push(field("repeat", tag.repeat.to_string()));
    }
    Fields(fields)
}

/// A slice over the whole frame with a key for every frame whose pivot is not that of the frame before. Aseprite's
/// pivots are whole pixels.
fn pivots(frames: &[SheetFrame]) -> Fields {
    let mut keys = Vec::new();
    let mut last = None;
    for (index, frame) in frames.iter().enumerate() {
        let [x, y] = frame.pivot_px.map(|at| at.floor() as i64);
        let [w, h] = frame.source_px;
        if last != Some(([x, y], [w, h])) {
            last = Some(([x, y], [w, h]));
            keys.push(Fields(vec![
                field("frame", index),
                numbers("bounds", &[("x", 0), ("y", 0), ("w", w), ("h", h)]),
                numbers("pivot", &[("x", x), ("y", y)]),
            ]));
        }
    }
    Fields(vec![field("name", "pivot"), field("color", NO_COLOR), ("keys".to_owned(), Entry::List(keys))])
}
