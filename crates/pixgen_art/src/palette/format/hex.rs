//! Lospec's `.hex`: six hexadecimal digits a line, with or without `#`; empty lines and comments after `;`.

use super::{PaletteError, colors_of, hex_color, lines};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    colors_of(lines(bytes), "six hexadecimal digits such as ff8800", |line| {
        if line.is_empty() || line.starts_with(';') {
            return Some(None);
        }
        hex_color(line.strip_prefix('#').unwrap_or(line)).map(Some)
    })
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    colors.iter().map(|[r, g, b]| format!("{r:02x}{g:02x}{b:02x}\n")).collect::<String>().into_bytes()
}
