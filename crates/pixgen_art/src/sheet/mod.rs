//! Sheets: the frames of an animation or of a set in one image, and what is known about each of them.

mod joint;
mod motion;
mod pack;
mod skyline;

use image::{RgbaImage, imageops};
use pixgen_api::{Anchor, MAX_FRAMES, SheetError, SheetTag, SpriteSheet};
use thiserror::Error;

pub use self::joint::{AnchorFrames, anchored_frames, joint_palette, on_one_grid, restore_frames};
pub use self::motion::Motion;
pub use self::pack::{Layout, PackOptions, pack};
use crate::ArtError;

/// How long a frame is shown if nobody says otherwise: ten frames a second, as Aseprite's new files have it.
pub const DEFAULT_FRAME_MS: u32 = 100;

/// One picture of an animation.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its name, which no other frame of the sheet has.
    pub name: String,
    /// Its pixels.
    pub image: RgbaImage,
    /// How long it is shown, 1 to [`MAX_FRAME_MS`](pixgen_api::MAX_FRAME_MS).
    pub duration_ms: u32,
    /// The point that stands at the sprite's position, in pixels from the upper left corner.
    pub pivot_px: [f32; 2],
}

/// Frames in their order, and the animations made of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// The frames, in the order in which tags count them from 0.
    pub frames: Vec<Frame>,
    /// Named animations.
    pub tags: Vec<SheetTag>,
}

impl Sheet {
    /// A sheet of images that are named `name 0`, `name 1` …, each shown for [`DEFAULT_FRAME_MS`], with the pivot where
    /// the anchor puts the figure and one tag over all of them.
    #[must_use]
    pub fn animation(name: &str, images: impl IntoIterator<Item = RgbaImage>, anchor: Anchor) -> Self {
        let frames: Vec<_> = images
            .into_iter()
            .enumerate()
            .map(|(index, image)| Frame {
                name: format!("{name} {index}"),
                pivot_px: pivot_of(image.dimensions(), anchor),
                image,
                duration_ms: DEFAULT_FRAME_MS,
            })
            .collect();
        let last = frames.len().checked_sub(1);
        let tag = last.map(|last| SheetTag { name: name.to_owned(), last, ..SheetTag::default() });
        Self { frames, tags: tag.into_iter().collect() }
    }

    /// Puts the frames and tags of another sheet behind these: the animations of one figure in one image.
    pub fn append(&mut self, other: Self) {
        let before = self.frames.len();
        self.frames.extend(other.frames);
        self.tags.extend(other.tags.into_iter().map(|tag| SheetTag {
            first: tag.first.saturating_add(before),
            last: tag.last.saturating_add(before),
            ..tag
        }));
    }

    /// The frames' images.
    pub fn images(&self) -> impl Iterator<Item = &RgbaImage> {
        self.frames.iter().map(|frame| &frame.image)
    }
}

/// Where a frame's figure stands, by the anchor that put it there: the middle, or the middle of the line under the feet
/// (the lowest row of the frame is free, see [`Anchor::Feet`]).
#[must_use]
pub fn pivot_of((width_px, height_px): (u32, u32), anchor: Anchor) -> [f32; 2] {
    let middle = width_px as f32 / 2.0;
    match anchor {
        Anchor::Keep | Anchor::Center => [middle, height_px as f32 / 2.0],
        Anchor::Feet => [middle, height_px.saturating_sub(1) as f32],
    }
}

/// A sheet's image with its description.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedSheet {
    /// All frames in one image.
    pub image: RgbaImage,
    /// Where they lie in it, how long they are shown, where they stand.
    pub data: SpriteSheet,
}

impl PackedSheet {
    /// A sheet of an image and a description that somebody else wrote.
    ///
    /// # Errors
    /// When the description is not valid or belongs to an image of another size.
    pub fn new(image: RgbaImage, data: SpriteSheet) -> Result<Self, PackError> {
        data.validate()?;
        let (found_px, expected_px) = ([image.width(), image.height()], data.size_px);
        if found_px != expected_px {
            return Err(PackError::OtherImage { found_px, expected_px });
        }
        // What describes a small image can still ask for frames of any size.
        for frame in &data.frames {
            crate::error::checked_size(frame.source_px[0].into(), frame.source_px[1].into())?;
        }
        Ok(Self { image, data })
    }

    /// A frame as it was before packing, with its transparent margins; `None` if there is none with that index, or its
    /// rectangle leaves the image.
    #[must_use]
    pub fn frame(&self, index: usize) -> Option<RgbaImage> {
        let frame = self.data.frames.get(index)?;
        let rect = frame.rect_px;
        let fits = |start: u32, length: u32, end: u32| start.checked_add(length).is_some_and(|last| last <= end);
        if !fits(rect.x, rect.width, self.image.width()) || !fits(rect.y, rect.height, self.image.height()) {
            return None;
        }
        let (width, height) = crate::error::checked_size(frame.source_px[0].into(), frame.source_px[1].into()).ok()?;
        let mut whole = RgbaImage::new(width, height);
        let pixels = imageops::crop_imm(&self.image, rect.x, rect.y, rect.width, rect.height).to_image();
        imageops::replace(&mut whole, &pixels, frame.offset_px[0].into(), frame.offset_px[1].into());
        Some(whole)
    }
}

/// Why frames could not be packed.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PackError {
    /// A name, duration, pivot or tag is wrong, or there are no or too many frames.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The image would be too large.
    #[error(transparent)]
    Art(#[from] ArtError),
    /// A frame has no pixels.
    #[error("frame \"{name}\" has {}×{} px: give every frame at least one pixel", size_px[0], size_px[1])]
    EmptyFrame {
        /// The frame's name.
        name: String,
        /// Its columns and rows.
        size_px: [u32; 2],
    },
    /// Image and description do not belong together.
    #[error(
        "the image has {}×{} px, the description says {}×{}: it belongs to another image",
        found_px[0], found_px[1], expected_px[0], expected_px[1]
    )]
    OtherImage {
        /// Columns and rows of the image.
        found_px: [u32; 2],
        /// Columns and rows in the description.
        expected_px: [u32; 2],
    },
}

/// Checks the number of frames before anything is allocated for them.
fn checked_count(frames: usize) -> Result<(), PackError> {
    if (1..=MAX_FRAMES).contains(&frames) { Ok(()) } else { Err(SheetError::FrameCount { found: frames }.into()) }
}
