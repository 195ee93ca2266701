//! Tilesets of Tiled: the `.tsx` file of a sheet packed as a grid
//! (`doc.mapeditor.org/en/stable/reference/tmx-map-format`).

use std::fmt::Write;

use pixgen_api::{SheetFrame, SpriteSheet};

use super::ExportError;
use crate::sheet::PackedSheet;

/// The version of the format that is written.
const TSX_VERSION: &str = "1.10";

/// The tileset. A frame's name becomes the property `name` of its tile, a tag the animation of its first tile.
pub(super) fn write(sheet: &PackedSheet, name: &str) -> Result<Vec<u8>, ExportError> {
    let grid = Grid::of(&sheet.data)?;
    tileset(&sheet.data, &grid, name).map(String::into_bytes).map_err(ExportError::encode)
}

fn tileset(sheet: &SpriteSheet, grid: &Grid, name: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let Grid { tile, margin, spacing, columns } = grid;
    writeln!(
        text,
        "<tileset version=\"{TSX_VERSION}\" name=\"{}\" tilewidth=\"{}\" tileheight=\"{}\" spacing=\"{spacing}\" \
         margin=\"{margin}\" tilecount=\"{}\" columns=\"{columns}\">",
        escaped(name),
        tile[0],
        tile[1],
        sheet.frames.len(),
    )?;
    let [width, height] = sheet.size_px;
    writeln!(text, " <image source=\"{}\" width=\"{width}\" height=\"{height}\"/>", escaped(&sheet.image))?;
    for (id, frame) in sheet.frames.iter().enumerate() {
        writeln!(text, " <tile id=\"{id}\">")?;
        writeln!(text, "  <properties>")?;
        writeln!(text, "   <property name=\"name\" value=\"{}\"/>", escaped(&frame.name))?;
        writeln!(text, "  </properties>")?;
        // A tile has one animation: the first tag that begins with it.
        if let Some(tag) = sheet.tags.iter().find(|tag| tag.order().first() == Some(&id) && tag.last > tag.first) {
            writeln!(text, "  <animation>")?;
            for index in tag.order() {
                let duration = sheet.frames.get(index).map_or(0, |frame| frame.duration_ms);
                writeln!(text, "   <frame tileid=\"{index}\" duration=\"{duration}\"/>")?;
            }
            writeln!(text, "  </animation>")?;
        }
        writeln!(text, " </tile>")?;
    }
    text.push_str("</tileset>\n");
    Ok(text)
}

/// The four numbers by which Tiled cuts an image.
struct Grid {
    tile: [u32; 2],
    margin: u32,
    spacing: u32,
    columns: u32,
}

impl Grid {
    /// Finds the numbers of a sheet whose frames are a grid.
    fn of(sheet: &SpriteSheet) -> Result<Self, ExportError> {
        let no_grid = |reason: String| ExportError::NoGrid { reason };
        let first = sheet.frames.first().ok_or_else(|| no_grid("there are no frames".to_owned()))?;
        let start = first.rect_px;
        let tile = [start.width, start.height];
        if let Some(frame) = sheet.frames.iter().find(|frame| frame.is_trimmed()) {
            return Err(no_grid(format!("\"{}\" has lost its transparent margins", frame.name)));
        }
        let size = |frame: &SheetFrame| [frame.rect_px.width, frame.rect_px.height];
        if let Some(frame) = sheet.frames.iter().find(|frame| size(frame) != tile) {
            return Err(no_grid(format!("\"{}\" has another size than \"{}\"", frame.name, first.name)));
        }
        let columns = sheet.frames.iter().take_while(|frame| frame.rect_px.y == start.y).count() as u32;
        // The step to the next column, or, in one column, to the next row.
        let next = if columns > 1 {
            sheet.frames.get(1).map(|frame| frame.rect_px.x.checked_sub(start.x))
        } else {
            sheet.frames.get(1).map(|frame| frame.rect_px.y.checked_sub(start.y))
        };
        let edge = if columns > 1 { tile[0] } else { tile[1] };
        let spacing = match next {
            None => 0,
            Some(pitch) => pitch
                .and_then(|pitch| pitch.checked_sub(edge))
                .ok_or_else(|| no_grid("the second frame does not follow the first".to_owned()))?,
        };
        let grid = Self { tile, margin: start.x, spacing, columns };
        grid.check(sheet)?;
        Ok(grid)
    }

    fn check(&self, sheet: &SpriteSheet) -> Result<(), ExportError> {
        let no_grid = |reason: String| Err(ExportError::NoGrid { reason });
        let at = |count: u32, edge: u32| {
            u64::from(self.margin) + u64::from(count) * (u64::from(edge) + u64::from(self.spacing))
        };
        for (frame, index) in sheet.frames.iter().zip(0..) {
            let rect = frame.rect_px;
            let expected = [at(index % self.columns, self.tile[0]), at(index / self.columns, self.tile[1])];
            if [u64::from(rect.x), u64::from(rect.y)] != expected {
                let [x, y] = expected;
                return no_grid(format!("\"{}\" lies at ({}, {}), expected ({x}, {y})", frame.name, rect.x, rect.y));
            }
        }
        // Tiled counts tiles for as long as one more fits, whatever `columns` says.
        if at(self.columns, self.tile[0]) + u64::from(self.tile[0]) <= sheet.size_px[0].into() {
            return no_grid("one more column fits into the margin on the right".to_owned());
        }
        Ok(())
    }
}

/// Text for an attribute. What XML 1.0 cannot hold becomes a space.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{FFFE}' | '\u{FFFF}' => escaped.push(' '),
            char if char.is_control() => escaped.push(' '),
            char => escaped.push(char),
        }
    }
    escaped
}
