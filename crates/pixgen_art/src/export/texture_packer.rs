//! TexturePacker's "JSON (Hash)" (`codeandweb.com/texturepacker/documentation`), with the `anchor` and the `animations`
//! that its exporter for PixiJS adds.

use pixgen_api::SheetFrame;

use super::ExportError;
use super::json::{self, Entry, Fields, field, meta, numbers, placed};
use crate::sheet::PackedSheet;

/// Frames by name, pivots as shares of the uncut frame, tags as lists of names.
pub(super) fn write(sheet: &PackedSheet) -> Result<Vec<u8>, ExportError> {
    let frame = |frame: &SheetFrame| {
        let [x, y] = frame.pivot_share();
        let mut fields = placed(frame);
        // One point under two names: TexturePacker's own, and the one that PixiJS reads.
        fields.extend(["pivot", "anchor"].map(|name| numbers(name, &[("x", x), ("y", y)])));
        (frame.name.clone(), Entry::Fields(Fields(fields)))
    };
    let frames = Fields(sheet.data.frames.iter().map(frame).collect());
    let names = |order: Vec<usize>| -> Vec<&str> {
        order.into_iter().filter_map(|index| Some(sheet.data.frames.get(index)?.name.as_str())).collect()
    };
    let animations = Fields(sheet.data.tags.iter().map(|tag| field(&tag.name, names(tag.order()))).collect());
    let entry = |name: &str, fields| (name.to_owned(), Entry::Fields(fields));
    let meta = Fields(meta(&sheet.data));
    json::write(vec![entry("frames", frames), entry("animations", animations), entry("meta", meta)])
}
