//! Letters of 8×8 pixels for labels on pictures.

use font8x8::UnicodeFonts;
use image::{Rgba, RgbaImage};

/// Columns of a letter.
pub(crate) const LETTER_PX: u32 = 8;
/// Rows of a line with the space below it.
pub(crate) const LINE_PX: u32 = 10;

/// Writes a line of text with its upper left corner at `(x, y)`; what does not fit is cut off.
pub(crate) fn write(image: &mut RgbaImage, x: u32, y: u32, text: &str, color: Rgba<u8>) {
    for (index, letter) in (0u32..).zip(text.chars()) {
        let left = x.saturating_add(index.saturating_mul(LETTER_PX));
        for (row, bits) in (0u32..).zip(glyph(letter)) {
            for column in (0..LETTER_PX).filter(|column| bits >> column & 1 == 1) {
                if let Some(pixel) = image.get_pixel_mut_checked(left.saturating_add(column), y.saturating_add(row)) {
                    *pixel = color;
                }
            }
        }
    }
}

/// Rows of a letter, the lowest bit on the left; a letter that the font does not have is a box.
fn glyph(letter: char) -> [u8; 8] {
    const BOX: [u8; 8] = [0x7e, 0x42, 0x42, 0x42, 0x42, 0x42, 0x7e, 0];
    let found = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
    found.or_else(|| font8x8::GREEK_FONTS.get(letter)).unwrap_or(BOX)
}

/// Text in lines of at most `width` letters, broken between words, at most `lines` of them; `…` where more follows.
pub(crate) fn wrapped(text: &str, width: usize, lines: usize) -> Vec<String> {
    let width = width.max(1);
    let mut result: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let fits_behind = result.last().is_some_and(|line| line.chars().count() + 1 + word.len() <= width);
            if fits_behind && let Some(line) = result.last_mut() {
                line.push(' ');
                line.extend(&word);
                break;
            }
            let rest = word.split_off(word.len().min(width));
            result.push(word.iter().collect());
            if rest.is_empty() {
                break;
            }
            word = rest;
        }
    }
    if result.len() > lines {
        result.truncate(lines);
        if let Some(last) = result.last_mut() {
            while last.chars().count() + 2 > width && last.pop().is_some() {}
            last.push_str("..");
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_and_never_longer() {
        assert_eq!(wrapped("a red dragon", 8, 9), ["a red", "dragon"]);
        assert_eq!(wrapped("incomprehensible", 8, 9), ["incompre", "hensible"]);
        assert_eq!(wrapped("one two three four", 5, 2), ["one", "two.."]);
        assert_eq!(wrapped("", 5, 2), [""; 0]);
    }

    #[test]
    fn letters_are_drawn_and_cut_at_the_edge() {
        let mut image = RgbaImage::new(12, 8);
        write(&mut image, 0, 0, "II", Rgba([255; 4]));
        let drawn = |columns: std::ops::Range<u32>| {
            columns.flat_map(|x| (0..8).map(move |y| (x, y))).filter(|(x, y)| image.get_pixel(*x, *y).0[3] > 0).count()
        };
        assert!(drawn(0..8) > 10 && drawn(8..12) > 0);
    }
}
