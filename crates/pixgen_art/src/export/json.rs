//! What Aseprite's and TexturePacker's JSON have in common: the one took it over from the other.

use pixgen_api::{SheetFrame, SpriteSheet};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::ExportError;

/// Who wrote the file.
pub(super) const APP: &str = "https://github.com/raibid-labs/bevy_pixels_gen";

/// Fields of an object, in the order in which they are written: readers by name need none, people do.
pub(super) struct Fields(pub(super) Vec<(String, Entry)>);

/// A value of a field.
pub(super) enum Entry {
    /// Other fields.
    Fields(Fields),
    /// Objects one below the other.
    List(Vec<Fields>),
    /// Anything small.
    Value(Value),
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, entry) in &self.0 {
            map.serialize_entry(name, entry)?;
        }
        map.end()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fields(fields) => fields.serialize(serializer),
            Self::List(list) => list.serialize(serializer),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

/// A field with a small value.
pub(super) fn field(name: &str, value: impl Into<Value>) -> (String, Entry) {
    (name.to_owned(), Entry::Value(value.into()))
}

/// A field with numbers by name.
pub(super) fn numbers<N: Into<Value> + Copy>(name: &str, numbers: &[(&str, N)]) -> (String, Entry) {
    let fields = numbers.iter().map(|(name, number)| field(name, *number)).collect();
    (name.to_owned(), Entry::Fields(Fields(fields)))
}

/// Where a frame lies, in the words of both formats.
pub(super) fn placed(frame: &SheetFrame) -> Vec<(String, Entry)> {
    let rect = frame.rect_px;
    let [x, y] = frame.offset_px;
    vec![
        numbers("frame", &[("x", rect.x), ("y", rect.y), ("w", rect.width), ("h", rect.height)]),
        field("rotated", false),
        field("trimmed", frame.is_trimmed()),
        numbers("spriteSourceSize", &[("x", x), ("y", y), ("w", rect.width), ("h", rect.height)]),
        numbers("sourceSize", &[("w", frame.source_px[0]), ("h", frame.source_px[1])]),
        field("duration", frame.duration_ms),
    ]
}

/// What both formats say about the image.
pub(super) fn meta(sheet: &SpriteSheet) -> Vec<(String, Entry)> {
    vec![
        field("app", APP),
        field("version", env!("CARGO_PKG_VERSION")),
        field("image", sheet.image.as_str()),
        field("format", "RGBA8888"),
        numbers("size", &[("w", sheet.size_px[0]), ("h", sheet.size_px[1])]),
        // A string in both formats.
        field("scale", "1"),
    ]
}

/// The file.
pub(super) fn write(root: Vec<(String, Entry)>) -> Result<Vec<u8>, ExportError> {
    let mut text = serde_json::to_vec_pretty(&Fields(root)).map_err(ExportError::encode)?;
    text.push(b'\n');
    Ok(text)
}
