//! Paint Shop Pro's `.pal`: `JASC-PAL`, version, number of colours, then `r g b` a line.

use super::{MAX_FILE_COLORS, PaletteError, decimal_color, line_error, lines};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let lines: Vec<_> = lines(bytes).into_iter().filter(|(_, line)| !line.is_empty()).collect();
    let line = |index: usize| lines.get(index).map_or((index + 1, ""), |(number, line)| (*number, line.as_str()));
    for (index, expected, said) in [(0, "JASC-PAL", "\"JASC-PAL\""), (1, "0100", "the version \"0100\"")] {
        let (number, found) = line(index);
        if found != expected {
            return Err(line_error(number, found, said));
        }
    }
    let (number, found) = line(2);
    let count: usize = found.parse().map_err(|_| line_error(number, found, "the number of colours"))?;
    if count > MAX_FILE_COLORS {
        return Err(PaletteError::TooMany);
    }
    (3..3 + count)
        .map(|index| {
            let (number, found) = line(index);
            decimal_color(found).ok_or_else(|| line_error(number, found, "three numbers from 0 to 255"))
        })
        .collect()
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let lines: String = colors.iter().map(|[r, g, b]| format!("{r} {g} {b}\r\n")).collect();
    format!("JASC-PAL\r\n0100\r\n{}\r\n{lines}", colors.len()).into_bytes()
}
