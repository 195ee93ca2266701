//! Paint.NET's `.txt`: `AARRGGBB` a line, comments after `;`. Fully transparent entries are no colours.

use super::{PaletteError, colors_of, hex_color, lines};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    colors_of(lines(bytes), "six or eight hexadecimal digits such as ff8800 or ffff8800", |line| {
        let entry = line.split(';').next().unwrap_or_default().trim();
        if entry.is_empty() {
            return Some(None);
        }
        let digits = entry.strip_prefix('#').unwrap_or(entry);
        let (alpha, color) = match digits.len() {
            8 if digits.is_ascii() => digits.split_at(2),
            _ => ("ff", digits),
        };
        let color = hex_color(color)?;
        let alpha = u8::from_str_radix(alpha, 16).ok()?;
        Some((alpha > 0).then_some(color))
    })
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let lines: String = colors.iter().map(|[r, g, b]| format!("FF{r:02X}{g:02X}{b:02X}\n")).collect();
    format!("; Paint.NET palette\n{lines}").into_bytes()
}
