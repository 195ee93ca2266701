//! Sheets for other programs: Aseprite and TexturePacker JSON, Tiled tilesets, our own RON, GIF and APNG.

mod apng;
mod aseprite;
mod gif;
mod json;
mod preview;
mod ron;
mod texture_packer;
mod tiled;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::ArtError;
use crate::sheet::PackedSheet;

/// What a sheet can be written as. The image itself is stored as PNG beside the descriptions; GIF and APNG hold the
/// frames themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SheetFormat {
    /// Our own description, [`SpriteSheet`](pixgen_api::SpriteSheet) in RON, which the Bevy plugin loads.
    Ron,
    /// Aseprite's "array": frames as a list.
    AsepriteArray,
    /// Aseprite's "hash": frames by name.
    AsepriteHash,
    /// TexturePacker's "JSON (Hash)", with what PixiJS and Phaser read of it.
    TexturePacker,
    /// A tileset of Tiled, with tags as animated tiles; for sheets packed as a grid.
    Tiled,
    /// An animation to look at, with at most 256 colours and without half transparency.
    Gif,
    /// An animation to look at, with every colour and transparency there is.
    Apng,
}

impl SheetFormat {
    /// Every format, in the order in which front ends list them.
    pub const ALL: [Self; 7] =
        [Self::Ron, Self::AsepriteArray, Self::AsepriteHash, Self::TexturePacker, Self::Tiled, Self::Gif, Self::Apng];

    /// The lower-case word for this format, as users type it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ron => "ron",
            Self::AsepriteArray => "aseprite-array",
            Self::AsepriteHash => "aseprite-hash",
            Self::TexturePacker => "texture-packer",
            Self::Tiled => "tiled",
            Self::Gif => "gif",
            Self::Apng => "apng",
        }
    }

    /// What such files end with, without the first dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ron => "sheet.ron",
            Self::AsepriteArray | Self::AsepriteHash | Self::TexturePacker => "json",
            Self::Tiled => "tsx",
            Self::Gif => "gif",
            Self::Apng => "apng",
        }
    }
}

impl fmt::Display for SheetFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for SheetFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.word().eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.word()).collect();
            format!("\"{text}\" is no format for sheets; use one of: {}", known.join(", "))
        })
    }
}

/// What can be chosen for an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// Name of a tileset.
    pub name: String,
    /// The tag that GIF and APNG show; `None` shows all frames in their order, for ever.
    pub tag: Option<String>,
    /// How many pixels GIF and APNG draw for each pixel along each axis: 1 and more.
    pub scale: u32,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { name: "tiles".to_owned(), tag: None, scale: 1 }
    }
}

/// Writes a sheet: the bytes of the file.
///
/// # Errors
/// When the format cannot hold the sheet: what it has and what the format takes is said.
pub fn export(sheet: &PackedSheet, format: SheetFormat, options: &ExportOptions) -> Result<Vec<u8>, ExportError> {
    match format {
        SheetFormat::Ron => ron::write(sheet),
        SheetFormat::AsepriteArray => aseprite::write_array(sheet),
        SheetFormat::AsepriteHash => aseprite::write_hash(sheet),
        SheetFormat::TexturePacker => texture_packer::write(sheet),
        SheetFormat::Tiled => tiled::write(sheet, &options.name),
        SheetFormat::Gif => gif::write(&preview::Preview::of(sheet, options)?),
        SheetFormat::Apng => apng::write(&preview::Preview::of(sheet, options)?),
    }
}

/// Why a sheet cannot be written in a format.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is no such tag.
    #[error("the sheet has no tag \"{found}\"; it has: {known}")]
    NoSuchTag {
        /// The name asked for.
        found: String,
        /// The names there are.
        known: String,
    },
    /// A frame of the sheet lies outside its image.
    #[error("frame {index} does not lie in the sheet's image: the description belongs to another image")]
    NoSuchFrame {
        /// Which frame, counted from 0.
        index: usize,
    },
    /// A GIF has one byte per pixel.
    #[error(
        "the frames have {found} colours (with transparency), a GIF holds 256: give them a joint palette of at most 255, \
         or write an APNG"
    )]
    TooManyColors {
        /// Colours found, transparency among them.
        found: usize,
    },
    /// The animation would take too much memory.
    #[error(
        "the animation has {found} pixels in all its frames, at most {most} are written: use a smaller scale or a tag"
    )]
    TooManyPixels {
        /// Pixels of all frames, enlarged.
        found: u64,
        /// Most pixels that are written.
        most: u64,
    },
    /// In a GIF a pixel is there or it is not.
    #[error("frame {frame} has a pixel with alpha {alpha}, a GIF knows 0 and 255: make alpha binary, or write an APNG")]
    HalfTransparent {
        /// Which frame of those shown, counted from 0.
        frame: usize,
        /// The alpha found.
        alpha: u8,
    },
    /// A GIF counts hundredths of a second in 16 bits.
    #[error("frame {frame} is shown for {found_ms} ms, a GIF holds at most 655350: write an APNG")]
    TooLong {
        /// Which frame of those shown, counted from 0.
        frame: usize,
        /// Its duration.
        found_ms: u32,
    },
    /// Tiled cuts its tiles by numbers alone.
    #[error("the frames are no grid that Tiled can cut ({reason}): pack them with the layout Grid or Columns")]
    NoGrid {
        /// What is in the way.
        reason: String,
    },
    /// The frames differ in size or are enlarged too much.
    #[error(transparent)]
    Art(#[from] ArtError),
    /// A writer refused.
    #[error("the file could not be written: {0}")]
    Encode(String),
}

impl ExportError {
    /// For the writers' own errors, which name no frame and have no remedy of ours.
    fn encode(error: impl fmt::Display) -> Self {
        Self::Encode(error.to_string())
    }
}
