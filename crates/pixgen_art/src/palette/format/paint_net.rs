//! Paint.NET's `.txt`: `AARRGGBB` a line, comments after `;`. Fully transparent entries are no colours.

use super::{PaletteError, hex_color, line_error, lines};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut colors = Vec::new();
    for (number, line) in lines(bytes) {
        let entry = line.split(';').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let digits = entry.trim_start_matches('#');
        let error = || line_error(number, &line, "six or eight hexadecimal digits such as ff8800 or ffff8800");
        let (alpha, color) = match digits.len() {
            8 if digits.is_ascii() => digits.split_at(2),
            _ => ("ff", digits),
        };
        let color = hex_color(color).ok_or_else(error)?;
        let alpha = u8::from_str_radix(alpha, 16).map_err(|_| error())?;
        if alpha > 0 {
            colors.push(color);
        }
    }
    Ok(colors)
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let lines: String = colors.iter().map(|[r, g, b]| format!("FF{r:02X}{g:02X}{b:02X}\n")).collect();
    format!("; Paint.NET palette\n{lines}").into_bytes()
}
