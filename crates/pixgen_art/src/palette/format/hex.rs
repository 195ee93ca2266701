//! Lospec's `.hex`: six hexadecimal digits a line, with or without `#`.

use super::{PaletteError, hex_color, line_error, lines};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let filled = lines(bytes).into_iter().filter(|(_, line)| !line.is_empty() && !line.starts_with(';'));
    filled
        .map(|(number, line)| {
            hex_color(line.trim_start_matches('#'))
                .ok_or_else(|| line_error(number, &line, "six hexadecimal digits such as ff8800"))
        })
        .collect()
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    colors.iter().map(|[r, g, b]| format!("{r:02x}{g:02x}{b:02x}\n")).collect::<String>().into_bytes()
}
