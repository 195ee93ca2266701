//! Palette files: one format a file, told apart by their first bytes and, where those say little, by their extension.

mod act;
mod ase;
mod aseprite;
mod gpl;
mod hex;
mod jasc;
mod paint_net;
mod png;
mod riff;

use std::borrow::Cow;

use thiserror::Error;

/// Most colours that a palette file may hold: more is a picture or a broken length.
pub const MAX_FILE_COLORS: usize = 4096;

/// Largest palette file that is read: pictures and Aseprite files hold more than their palette.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Largest text file that is read: 256 bytes for each of [`MAX_FILE_COLORS`] lines.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// A kind of palette file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One `rrggbb` a line (Lospec's `.hex`).
    Hex,
    /// GIMP's `.gpl`.
    Gpl,
    /// Paint Shop Pro's `.pal`, text.
    Jasc,
    /// Microsoft's `.pal`, RIFF.
    Riff,
    /// Adobe's colour table, `.act`.
    Act,
    /// Adobe Swatch Exchange, `.ase`.
    Ase,
    /// Aseprite's own file, `.aseprite` or `.ase`: its palette.
    Aseprite,
    /// The colours of a picture, in reading order.
    Png,
    /// Paint.NET's `.txt`, one `AARRGGBB` a line.
    PaintNet,
}

/// Why a palette file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PaletteError {
    /// A line of a text file.
    #[error("line {line}: found {found}, expected {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What stands there, quoted and cut after 40 characters, or that it is the end of the file.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A place in a binary file.
    #[error("byte {offset}: found {found}, expected {expected}")]
    Byte {
        /// Where, from 0.
        offset: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// No colour, in a binary file or to be written; a text file without one is a [`PaletteError::Line`].
    #[error("the palette holds no colour, expected 1 to {MAX_FILE_COLORS}")]
    Empty,
    /// More colours than a palette has.
    #[error("the palette holds more than {MAX_FILE_COLORS} colours: if it is a picture, reduce its colours first")]
    TooMany,
    /// More colours than a format has room for.
    #[error("{colors} colours do not fit into .{extension}, which holds {most}: write another format, such as .gpl")]
    NoRoom {
        /// Colours to be written.
        colors: usize,
        /// Colours that fit.
        most: usize,
        /// The format's extension.
        extension: &'static str,
    },
    /// A file of a size that no palette has.
    #[error("the palette file has {bytes} bytes, at most {most} are read: is it a palette?")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// Bytes of the largest file of this format that is read.
        most: usize,
    },
    /// Neither the first bytes nor the extension say what the file is.
    #[error(
        "unknown kind of palette file (extension {extension:?}), expected hex, gpl, pal, act, ase, aseprite, png or txt"
    )]
    Unknown {
        /// The extension given.
        extension: String,
    },
}

impl Format {
    /// Every format, in the order in which front ends list them.
    pub const ALL: [Self; 9] =
        [Self::Hex, Self::Gpl, Self::Jasc, Self::Riff, Self::Act, Self::Ase, Self::Aseprite, Self::Png, Self::PaintNet];

    /// The usual extension, without a dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Gpl => "gpl",
            Self::Jasc | Self::Riff => "pal",
            Self::Act => "act",
            Self::Ase => "ase",
            Self::Aseprite => "aseprite",
            Self::Png => "png",
            Self::PaintNet => "txt",
        }
    }

    /// Whether a file is read line by line.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Hex | Self::Gpl | Self::Jasc | Self::PaintNet)
    }

    /// The format of a file: first bytes that no other kind of file begins with, then the extension (`.ase` is two
    /// formats, `.pal` too), then shorter marks.
    ///
    /// A colour table (`.act`) has no mark at all, and its colours may look like one. So a few bytes decide only where
    /// the extension does not say something else.
    ///
    /// # Errors
    /// When neither says anything.
    pub fn detect(bytes: &[u8], extension: &str) -> Result<Self, PaletteError> {
        let extension = extension.trim_start_matches('.').to_ascii_lowercase();
        let start = |magic: &[u8]| bytes.starts_with(magic);
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        match extension.as_str() {
            _ if start(b"\x89PNG\r\n\x1a\n") => Ok(Self::Png),
            _ if start(b"RIFF") && bytes.get(8..12) == Some(b"PAL ") => Ok(Self::Riff),
            _ if text.starts_with(b"JASC-PAL") => Ok(Self::Jasc),
            _ if text.starts_with(b"GIMP Palette") => Ok(Self::Gpl),
            _ if start(b"ASEF\0\x01\0\0") => Ok(Self::Ase),
            _ if aseprite::is_marked_throughout(bytes) => Ok(Self::Aseprite),
            "hex" => Ok(Self::Hex),
            "gpl" => Ok(Self::Gpl),
            "pal" if start(b"RIFF") => Ok(Self::Riff),
            "pal" => Ok(Self::Jasc),
            "act" => Ok(Self::Act),
            "ase" if aseprite::is_marked(bytes) => Ok(Self::Aseprite),
            "ase" => Ok(Self::Ase),
            "aseprite" => Ok(Self::Aseprite),
            "png" => Ok(Self::Png),
            "txt" => Ok(Self::PaintNet),
            _ if start(b"RIFF") => Ok(Self::Riff),
            _ if start(b"ASEF") => Ok(Self::Ase),
            _ if aseprite::is_marked(bytes) => Ok(Self::Aseprite),
            _ => Err(PaletteError::Unknown { extension }),
        }
    }

    /// The colours of a file, in its order, repeated ones once: 1 to [`MAX_FILE_COLORS`].
    ///
    /// # Errors
    /// Where the file differs from its format, holds no colour, or is too large to be a palette.
    pub fn parse(self, bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
        let most = if self.is_text() { MAX_TEXT_BYTES } else { MAX_FILE_BYTES };
        if bytes.len() > most {
            return Err(PaletteError::TooLarge { bytes: bytes.len(), most });
        }
        let colors = match self {
            Self::Hex => hex::parse(bytes),
            Self::Gpl => gpl::parse(bytes),
            Self::Jasc => jasc::parse(bytes),
            Self::Riff => riff::parse(bytes),
            Self::Act => act::parse(bytes),
            Self::Ase => ase::parse(bytes),
            Self::Aseprite => aseprite::parse(bytes),
            Self::Png => png::parse(bytes),
            Self::PaintNet => paint_net::parse(bytes),
        }?;
        let mut seen = std::collections::HashSet::new();
        let colors: Vec<_> = colors.into_iter().filter(|color| seen.insert(*color)).collect();
        check_count(colors.len())?;
        Ok(colors)
    }

    /// The colours as a file that [`Format::parse`] reads: in their order, repeated ones too.
    ///
    /// # Errors
    /// When there is no colour, more than [`MAX_FILE_COLORS`], or more than the format has room for (`.act`: 256).
    pub fn write(self, colors: &[[u8; 3]]) -> Result<Vec<u8>, PaletteError> {
        check_count(colors.len())?;
        match self {
            Self::Hex => Ok(hex::write(colors)),
            Self::Gpl => Ok(gpl::write(colors)),
            Self::Jasc => Ok(jasc::write(colors)),
            Self::Riff => Ok(riff::write(colors)),
            Self::Act => act::write(colors),
            Self::Ase => Ok(ase::write(colors)),
            Self::Aseprite => Ok(aseprite::write(colors)),
            Self::Png => png::write(colors),
            Self::PaintNet => Ok(paint_net::write(colors)),
        }
    }
}

/// Refuses what is no palette.
fn check_count(colors: usize) -> Result<(), PaletteError> {
    match colors {
        0 => Err(PaletteError::Empty),
        count if count > MAX_FILE_COLORS => Err(PaletteError::TooMany),
        _ => Ok(()),
    }
}

/// What some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What stands behind the last line.
const END: &str = "the end of the file";

/// The lines of a text file with their numbers, trimmed; bytes that are no UTF-8 become `�`. One at a time, so that a
/// file of line ends only costs no memory.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    lines.map(|(index, line)| (index + 1, String::from_utf8_lossy(line.trim_ascii())))
}

/// The colours of lines. `color` reads one: `Some(None)` where a line rightly holds no colour, such as a comment.
fn colors_of<'a>(
    lines: impl Iterator<Item = (usize, Cow<'a, str>)>,
    expected: &'static str,
    color: impl Fn(&str) -> Option<Option<[u8; 3]>>,
) -> Result<Vec<[u8; 3]>, PaletteError> {
    let mut colors = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut last = 1;
    for (number, line) in lines {
        last = number;
        let read = color(&line).ok_or_else(|| line_error(number, &line, expected))?;
        let Some(read) = read.filter(|read| seen.insert(*read)) else { continue };
        if colors.len() == MAX_FILE_COLORS {
            return Err(line_error(number, &line, "at most 4096 different colours: is it a palette?"));
        }
        colors.push(read);
    }
    if colors.is_empty() {
        return Err(PaletteError::Line { line: last, found: END.to_owned(), expected });
    }
    Ok(colors)
}

/// The error for a line.
fn line_error(line: usize, found: &str, expected: &'static str) -> PaletteError {
    let found: String = found.chars().take(40).collect();
    PaletteError::Line { line, found: format!("{found:?}"), expected }
}

/// `rrggbb` as a colour.
fn hex_color(text: &str) -> Option<[u8; 3]> {
    if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let value = u32::from_str_radix(text, 16).ok()?;
    let [_, r, g, b] = value.to_be_bytes();
    Some([r, g, b])
}

/// Three decimal numbers as a colour; what follows them is not looked at.
fn decimal_color(text: &str) -> Option<[u8; 3]> {
    let mut numbers = text.split_whitespace().map(str::parse::<u8>);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
}

/// What is expected of a count in a file.
const AT_MOST: &str = "at most 4096 colours";

/// Reads a binary file, or a part of one, from front to back.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    /// Where the part begins in the file.
    start: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, start: 0 }
    }

    /// The next bytes as a part with a reader of its own, whose errors name their place in the file.
    fn part(&mut self, count: usize, expected: &'static str) -> Result<Self, PaletteError> {
        let start = self.start + self.offset;
        Ok(Self { bytes: self.take(count, expected)?, offset: 0, start })
    }

    fn take(&mut self, count: usize, expected: &'static str) -> Result<&'a [u8], PaletteError> {
        let part = self.offset.checked_add(count).and_then(|end| self.bytes.get(self.offset..end));
        match part {
            Some(part) => {
                self.offset += count;
                Ok(part)
            }
            None => Err(self.error(END.to_owned(), expected)),
        }
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], PaletteError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, expected)?);
        Ok(array)
    }

    fn u16_le(&mut self, expected: &'static str) -> Result<u16, PaletteError> {
        Ok(u16::from_le_bytes(self.array(expected)?))
    }

    fn u32_le(&mut self, expected: &'static str) -> Result<u32, PaletteError> {
        Ok(u32::from_le_bytes(self.array(expected)?))
    }

    fn u16_be(&mut self, expected: &'static str) -> Result<u16, PaletteError> {
        Ok(u16::from_be_bytes(self.array(expected)?))
    }

    fn u32_be(&mut self, expected: &'static str) -> Result<u32, PaletteError> {
        Ok(u32::from_be_bytes(self.array(expected)?))
    }

    fn is_at_end(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    /// The error for what comes next.
    fn error(&self, found: String, expected: &'static str) -> PaletteError {
        self.error_before(0, found, expected)
    }

    /// The error for what was read last but `count` bytes.
    fn error_before(&self, count: usize, found: String, expected: &'static str) -> PaletteError {
        PaletteError::Byte { offset: self.start + self.offset.saturating_sub(count), found, expected }
    }
}
