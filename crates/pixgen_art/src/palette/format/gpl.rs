//! GIMP's `.gpl`: a head line, optional `Name:`, `Columns:` and comments, then `r g b name` a line.

use super::{PaletteError, colors_of, decimal_color, line_error, lines};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut lines = lines(bytes);
    let (number, head) = lines.next().unwrap_or_default();
    if head != "GIMP Palette" {
        return Err(line_error(number, &head, "\"GIMP Palette\""));
    }
    colors_of(lines, "three numbers from 0 to 255 and a name", |line| {
        let is_head = ["Name:", "Columns:", "Channels:"].iter().any(|key| line.starts_with(key));
        if line.is_empty() || line.starts_with('#') || is_head {
            return Some(None);
        }
        decimal_color(line).map(Some)
    })
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let lines: String = colors.iter().map(|[r, g, b]| format!("{r:3} {g:3} {b:3}\t{r:02x}{g:02x}{b:02x}\n")).collect();
    format!("GIMP Palette\nName: palette\nColumns: 8\n#\n{lines}").into_bytes()
}
