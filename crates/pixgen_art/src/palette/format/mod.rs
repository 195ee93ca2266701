//! Palette files: one format a file, told apart by their first bytes and, where those say nothing, by their extension.

mod act;
mod ase;
mod aseprite;
mod gpl;
mod hex;
mod jasc;
mod paint_net;
mod png;
mod riff;

use thiserror::Error;

/// Most colours that a palette file may hold: more is a picture or a broken length.
pub const MAX_FILE_COLORS: usize = 4096;

/// Largest palette file that is read.
pub(crate) const MAX_FILE_BYTES: usize = 16 << 20;

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
    #[error("line {line}: found {found:?}, expected {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What stands there, cut after 40 characters.
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
    /// The file holds no colour.
    #[error("the palette file holds no colour")]
    Empty,
    /// More colours than a palette has.
    #[error("the palette file holds more than {MAX_FILE_COLORS} colours: is it a picture?")]
    TooMany,
    /// A file of a size that no palette has.
    #[error("the palette file has {bytes} bytes, at most {MAX_FILE_BYTES} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
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

    /// The format of a file: magic bytes first (`.ase` is two formats, `.pal` too), then the extension.
    ///
    /// # Errors
    /// When neither says anything.
    pub fn detect(bytes: &[u8], extension: &str) -> Result<Self, PaletteError> {
        let extension = extension.trim_start_matches('.').to_ascii_lowercase();
        let start = |magic: &[u8]| bytes.starts_with(magic);
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        match extension.as_str() {
            _ if start(b"\x89PNG\r\n\x1a\n") => Ok(Self::Png),
            _ if start(b"RIFF") => Ok(Self::Riff),
            _ if text.starts_with(b"JASC-PAL") => Ok(Self::Jasc),
            _ if text.starts_with(b"GIMP Palette") => Ok(Self::Gpl),
            _ if start(b"ASEF") => Ok(Self::Ase),
            _ if bytes.get(4..6) == Some(&[0xE0, 0xA5]) => Ok(Self::Aseprite),
            "hex" => Ok(Self::Hex),
            "gpl" => Ok(Self::Gpl),
            "pal" => Ok(Self::Jasc),
            "act" => Ok(Self::Act),
            "ase" => Ok(Self::Ase),
            "aseprite" => Ok(Self::Aseprite),
            "png" => Ok(Self::Png),
            "txt" => Ok(Self::PaintNet),
            _ => Err(PaletteError::Unknown { extension }),
        }
    }

    /// The colours of a file, in its order, repeated ones once.
    ///
    /// # Errors
    /// Where the file differs from its format, or holds no colour.
    pub fn parse(self, bytes: &[u8]) -> Result<Vec<[u8; 3]>, PaletteError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(PaletteError::TooLarge { bytes: bytes.len() });
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
        match colors.len() {
            0 => Err(PaletteError::Empty),
            count if count > MAX_FILE_COLORS => Err(PaletteError::TooMany),
            _ => Ok(colors),
        }
    }

    /// The colours as a file. `.act` has room for 256; what is more is left out.
    #[must_use]
    pub fn write(self, colors: &[[u8; 3]]) -> Vec<u8> {
        match self {
            Self::Hex => hex::write(colors),
            Self::Gpl => gpl::write(colors),
            Self::Jasc => jasc::write(colors),
            Self::Riff => riff::write(colors),
            Self::Act => act::write(colors),
            Self::Ase => ase::write(colors),
            Self::Aseprite => aseprite::write(colors),
            Self::Png => png::write(colors),
            Self::PaintNet => paint_net::write(colors),
        }
    }
}

/// The lines of a text file with their numbers; bytes that are no UTF-8 become `�`.
fn lines(bytes: &[u8]) -> Vec<(usize, String)> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    text.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned())).collect()
}

/// The error for a line.
fn line_error(line: usize, found: &str, expected: &'static str) -> PaletteError {
    PaletteError::Line { line, found: found.chars().take(40).collect(), expected }
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

/// Reads a binary file from front to back.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    fn take(&mut self, count: usize, expected: &'static str) -> Result<&'a [u8], PaletteError> {
        let part = self.offset.checked_add(count).and_then(|end| self.bytes.get(self.offset..end));
        match part {
            Some(part) => {
                self.offset += count;
                Ok(part)
            }
            None => Err(self.error("the end of the file".to_owned(), expected)),
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

    fn error(&self, found: String, expected: &'static str) -> PaletteError {
        PaletteError::Byte { offset: self.offset, found, expected }
    }
}
