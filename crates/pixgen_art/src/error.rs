//! What can be asked of an image that cannot be done.

use thiserror::Error;

/// Longest edge of an image that this crate makes, in pixels: what graphics cards take as a texture.
pub const MAX_EDGE_PX: u32 = 16_384;

/// Why an image could not be made.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ArtError {
    /// The result would be larger than a texture may be.
    #[error(
        "the image would be {width_px}×{height_px} px, at most {MAX_EDGE_PX}×{MAX_EDGE_PX} px are made: \
         use a smaller factor or margin"
    )]
    TooLarge {
        /// Columns asked for.
        width_px: u64,
        /// Rows asked for.
        height_px: u64,
    },
    /// A grid was found on another image.
    #[error(
        "the grid was found on a picture of {}×{} px, this one has {}×{} px: find the grid of this picture",
        grid_px[0], grid_px[1], image_px[0], image_px[1]
    )]
    OtherImage {
        /// Columns and rows of the grid's picture.
        grid_px: [usize; 2],
        /// Columns and rows of the image given.
        image_px: [u32; 2],
    },
    /// An option is out of its range.
    #[error(transparent)]
    Options(#[from] pixgen_api::RequestError),
    /// A sprite cannot have more pixels than its picture.
    #[error(
        "the sprite should have {}×{} px, the picture has {}×{} px only: ask for a smaller sprite", 
        sprite_px[0], sprite_px[1], picture_px[0], picture_px[1]
    )]
    LargerThanPicture {
        /// Columns and rows asked for.
        sprite_px: [u32; 2],
        /// Columns and rows of the picture.
        picture_px: [u32; 2],
    },
    /// There is no palette of this name.
    #[error("there is no palette named {name:?}; use one of: {known}")]
    UnknownPalette {
        /// The name asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// A palette file cannot be opened.
    #[error("the palette file {path} cannot be read: {reason}")]
    PaletteRead {
        /// The file.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// A palette file is broken.
    #[error("the palette file {path} is not valid: {source}")]
    PaletteFile {
        /// The file.
        path: String,
        /// Where and how.
        source: crate::palette::format::PaletteError,
    },
    /// Two palettes of different lengths cannot be exchanged.
    #[error("{from} colours cannot be exchanged for {to}: give both palettes the same number of colours")]
    SwapLengths {
        /// Colours to replace.
        from: usize,
        /// Colours to replace them with.
        to: usize,
    },
    /// Images that belong together have different sizes.
    #[error(
        "image {index} has {}×{} px, the first one has {}×{}: bring all of them to one size",
        found_px[0], found_px[1], expected_px[0], expected_px[1]
    )]
    OtherSize {
        /// Which image, counted from 0.
        index: usize,
        /// Its columns and rows.
        found_px: [u32; 2],
        /// Columns and rows of the first one.
        expected_px: [u32; 2],
    },
    /// There are more images than can be compared with each other.
    #[error("there are {found} images, at most {most} are compared with each other: use fewer at a time")]
    TooMany {
        /// Images found.
        found: usize,
        /// Most images that are compared.
        most: usize,
    },
    /// No grid of the size asked for fits the picture.
    #[error(
        "the picture of {}×{} px cannot have {asked}: expected {expected}",
        image_px[0], image_px[1]
    )]
    Grid {
        /// Columns and rows of the picture.
        image_px: [u32; 2],
        /// What was asked for.
        asked: String,
        /// What can be asked for.
        expected: &'static str,
    },
    /// An image cannot be enlarged to nothing.
    #[error("the scale factor is 0, expected 1 or more: use 1 to keep the size")]
    ZeroFactor,
}

/// Checks the size of a result before it is allocated.
pub(crate) fn checked_size(width_px: u64, height_px: u64) -> Result<(u32, u32), ArtError> {
    let edge = |px: u64| u32::try_from(px).ok().filter(|px| *px <= MAX_EDGE_PX);
    match (edge(width_px), edge(height_px)) {
        (Some(width_px), Some(height_px)) => Ok((width_px, height_px)),
        _ => Err(ArtError::TooLarge { width_px, height_px }),
    }
}
