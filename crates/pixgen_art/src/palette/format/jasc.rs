//! Paint Shop Pro's `.pal`: `JASC-PAL`, version, number of colours, then `r g b` a line.

use std::borrow::Cow;

use super::{END, MAX_FILE_COLORS, PaletteError, decimal_color, line_error, lines};

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut lines = lines(bytes);
    let mut last = 1;
    // The next line that is not empty; behind the last one, its number.
    let mut next = || {
        for (number, line) in lines.by_ref() {
            last = number;
            if !line.is_empty() {
                return (number, Some(line));
            }
        }
        (last, None)
    };
    for (expected, said) in [("JASC-PAL", "\"JASC-PAL\""), ("0100", "the version \"0100\"")] {
        let line = next();
        if line.1.as_deref() != Some(expected) {
            return Err(error(line, said));
        }
    }
    let line = next();
    let count = line.1.as_deref().and_then(|line| line.parse::<usize>().ok());
    let Some(count) = count.filter(|count| (1..=MAX_FILE_COLORS).contains(count)) else {
        return Err(error(line, "the number of colours, 1 to 4096"));
    };
    let mut colors = Vec::with_capacity(count);
    for _ in 0..count {
        let line = next();
        let Some(color) = line.1.as_deref().and_then(decimal_color) else {
            return Err(error(line, "three numbers from 0 to 255, as often as the third line says"));
        };
        colors.push(color);
    }
    match next() {
        (_, None) => Ok(colors),
        line => Err(error(line, "the end of the file: the third line says that there are no more colours")),
    }
}

fn error((number, line): (usize, Option<Cow<'_, str>>), expected: &'static str) -> PaletteError {
    match line {
        Some(line) => line_error(number, &line, expected),
        None => PaletteError::Line { line: number, found: END.to_owned(), expected },
    }
}

pub(super) fn write(colors: &[[u8; 3]]) -> Vec<u8> {
    let lines: String = colors.iter().map(|[r, g, b]| format!("{r} {g} {b}\r\n")).collect();
    format!("JASC-PAL\r\n0100\r\n{}\r\n{lines}", colors.len()).into_bytes()
}
