//! What is known about a sprite sheet: the file `*.sheet.ron` beside its image.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest duration of one frame, in milliseconds: one hour.
pub const MAX_FRAME_MS: u32 = 3_600_000;

/// Most frames of one sheet.
pub const MAX_FRAMES: usize = 4096;

/// A sheet of frames: where each lies in the image, how long it is shown, and the animations made of them.
///
/// A file `*.sheet.ron` is this type in RON. [`SpriteSheet::validate`] checks a file that somebody wrote by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpriteSheet {
    /// The image, as a path with `/` relative to the folder of this file.
    pub image: String,
    /// Columns and rows of the image.
    pub size_px: [u32; 2],
    /// The frames, in the order in which tags count them from 0.
    pub frames: Vec<SheetFrame>,
    /// Named animations; a sheet without any is one animation of all frames.
    #[serde(default)]
    pub tags: Vec<SheetTag>,
}

/// One frame of a sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetFrame {
    /// Its name, which no other frame of the sheet has.
    pub name: String,
    /// Where its pixels lie in the image.
    pub rect_px: SheetRect,
    /// Columns and rows of the frame before transparent margins were cut off; the same for all frames of an animation.
    pub source_px: [u32; 2],
    /// Where the pixels lie in the frame before it was cut: column and row of their upper left corner.
    #[serde(default)]
    pub offset_px: [u32; 2],
    /// How long it is shown, 1 to [`MAX_FRAME_MS`].
    pub duration_ms: u32,
    /// The point that stands at the sprite's position, in pixels from the upper left corner of the uncut frame. Halves
    /// are the middle of a pixel; it may lie outside.
    pub pivot_px: [f32; 2],
}

impl SheetFrame {
    /// Whether transparent margins were cut off.
    #[must_use]
    pub fn is_trimmed(&self) -> bool {
        [self.rect_px.width, self.rect_px.height] != self.source_px
    }

    /// The pivot as shares of the uncut frame, 0 to 1 from the upper left corner; the middle of a frame without pixels.
    #[must_use]
    pub fn pivot_share(&self) -> [f32; 2] {
        let share = |at: f32, whole: u32| if whole == 0 { 0.5 } else { at / whole as f32 };
        [share(self.pivot_px[0], self.source_px[0]), share(self.pivot_px[1], self.source_px[1])]
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetRect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A named animation: a run of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetTag {
    /// Its name, which no other tag of the sheet has: `walk`, `idle`.
    pub name: String,
    /// Its first frame.
    pub first: usize,
    /// Its last frame, which belongs to it.
    pub last: usize,
    /// In which order its frames are shown.
    #[serde(default)]
    pub direction: PlayDirection,
    /// How many times it is played, 0 for ever.
    #[serde(default)]
    pub repeat: u32,
}

impl SheetTag {
    /// The frames of one round, in the order in which they are shown. There and back shows the two ends once.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let forward = self.first..=self.last;
        let back = self.first + 1..self.last;
        match self.direction {
            PlayDirection::Forward => forward.collect(),
            PlayDirection::Reverse => forward.rev().collect(),
            PlayDirection::PingPong => forward.chain(back.rev()).collect(),
            PlayDirection::PingPongReverse => forward.rev().chain(back).collect(),
        }
    }
}

/// In which order the frames of a tag are shown, with Aseprite's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayDirection {
    /// First to last.
    #[default]
    Forward,
    /// Last to first.
    Reverse,
    /// First to last and back.
    PingPong,
    /// Last to first and back.
    PingPongReverse,
}

impl SpriteSheet {
    /// Checks that every frame lies in the image, that every tag has its frames, and that names are names.
    ///
    /// # Errors
    /// The first thing that is wrong, with what was found and what is expected.
    pub fn validate(&self) -> Result<(), SheetError> {
        let leaves = self.image.split('/').any(|part| matches!(part, "" | "." | ".."));
        if leaves || self.image.contains(['\\', ':']) {
            return Err(SheetError::BadImagePath { path: self.image.clone() });
        }
        if self.frames.is_empty() || self.frames.len() > MAX_FRAMES {
            return Err(SheetError::FrameCount { found: self.frames.len() });
        }
        for (index, frame) in self.frames.iter().enumerate() {
            self.validate_frame(index, frame)?;
        }
        for (index, tag) in self.tags.iter().enumerate() {
            if tag.first > tag.last || tag.last >= self.frames.len() {
                let (first, last) = (tag.first, tag.last);
                return Err(SheetError::TagRange { name: tag.name.clone(), first, last, frames: self.frames.len() });
            }
            if self.tags[..index].iter().any(|other| other.name == tag.name) {
                return Err(SheetError::RepeatedName { name: tag.name.clone() });
            }
        }
        Ok(())
    }

    fn validate_frame(&self, index: usize, frame: &SheetFrame) -> Result<(), SheetError> {
        let ends = |start: u32, length: u32| u64::from(start) + u64::from(length);
        let SheetRect { x, y, width, height } = frame.rect_px;
        let (right, bottom) = (ends(x, width), ends(y, height));
        if right > self.size_px[0].into() || bottom > self.size_px[1].into() {
            let name = frame.name.clone();
            return Err(SheetError::OutsideImage {
                name,
                rect: [x.into(), y.into(), right, bottom],
                size: self.size_px,
            });
        }
        let (right, bottom) = (ends(frame.offset_px[0], width), ends(frame.offset_px[1], height));
        if right > frame.source_px[0].into() || bottom > frame.source_px[1].into() {
            return Err(SheetError::OutsideFrame {
                name: frame.name.clone(),
                end: [right, bottom],
                size: frame.source_px,
            });
        }
        if !(1..=MAX_FRAME_MS).contains(&frame.duration_ms) {
            return Err(SheetError::Duration { name: frame.name.clone(), found_ms: frame.duration_ms });
        }
        if !frame.pivot_px.iter().all(|at| at.is_finite()) {
            return Err(SheetError::Pivot { name: frame.name.clone() });
        }
        if self.frames[..index].iter().any(|other| other.name == frame.name) {
            return Err(SheetError::RepeatedName { name: frame.name.clone() });
        }
        Ok(())
    }

    /// The tag of that name.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&SheetTag> {
        self.tags.iter().find(|tag| tag.name == name)
    }
}

/// What is wrong with a sheet's description.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SheetError {
    /// The image's path leaves the folder.
    #[error(
        "the image \"{path}\" is no path below the sheet's folder: write it with /, without .. and not from the root"
    )]
    BadImagePath {
        /// The path found.
        path: String,
    },
    /// No frames, or too many.
    #[error("the sheet has {found} frames, expected 1 to {MAX_FRAMES}")]
    FrameCount {
        /// Frames found.
        found: usize,
    },
    /// A frame leaves the image.
    #[error(
        "frame \"{name}\" reaches from ({}, {}) to ({}, {}), the image has {}×{} px: the sheet belongs to another image",
        rect[0], rect[1], rect[2], rect[3], size[0], size[1]
    )]
    OutsideImage {
        /// The frame's name.
        name: String,
        /// Left, top, right and bottom; the last two are the first column and row behind it.
        rect: [u64; 4],
        /// Columns and rows of the image.
        size: [u32; 2],
    },
    /// The pixels leave the uncut frame.
    #[error("the pixels of frame \"{name}\" end at ({}, {}), its source_px are {}×{}", end[0], end[1], size[0], size[1])]
    OutsideFrame {
        /// The frame's name.
        name: String,
        /// The first column and row behind the pixels.
        end: [u64; 2],
        /// Columns and rows of the uncut frame.
        size: [u32; 2],
    },
    /// A frame is shown for no time, or for too long.
    #[error("frame \"{name}\" has duration_ms {found_ms}, expected 1 to {MAX_FRAME_MS}")]
    Duration {
        /// The frame's name.
        name: String,
        /// The duration found.
        found_ms: u32,
    },
    /// A pivot is no point.
    #[error("the pivot of frame \"{name}\" is not a number: write pixels from the frame's upper left corner")]
    Pivot {
        /// The frame's name.
        name: String,
    },
    /// Two frames or two tags have the same name.
    #[error("the name \"{name}\" is there twice: give every frame and every tag a name of its own")]
    RepeatedName {
        /// The name.
        name: String,
    },
    /// A tag has frames that the sheet has not.
    #[error("tag \"{name}\" has the frames {first} to {last}, the sheet has 0 to {}", frames.saturating_sub(1))]
    TagRange {
        /// The tag's name.
        name: String,
        /// Its first frame.
        first: usize,
        /// Its last frame.
        last: usize,
        /// Frames of the sheet.
        frames: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> SpriteSheet {
        let frame = |index: u32| SheetFrame {
            name: format!("walk {index}"),
            rect_px: SheetRect { x: 16 * index, y: 0, width: 16, height: 14 },
            source_px: [16, 16],
            offset_px: [0, 2],
            duration_ms: 120,
            pivot_px: [8.0, 15.0],
        };
        let tag = SheetTag { name: "walk".into(), first: 0, last: 2, ..SheetTag::default() };
        SpriteSheet {
            image: "hero.png".into(),
            size_px: [48, 14],
            frames: (0..3).map(frame).collect(),
            tags: vec![tag],
        }
    }

    #[test]
    fn a_sheet_survives_ron_and_a_short_one_is_read() {
        let text = ron::to_string(&sheet()).unwrap();
        assert_eq!(ron::from_str::<SpriteSheet>(&text).unwrap(), sheet());
        let short = r#"(image: "a.png", size_px: (8, 8), frames: [(name: "a", rect_px: (x: 0, y: 0, width: 8, height: 8),
            source_px: (8, 8), duration_ms: 100, pivot_px: (4, 4))])"#;
        let read: SpriteSheet = ron::from_str(short).unwrap();
        assert_eq!(read.validate(), Ok(()));
        assert_eq!((read.frames[0].offset_px, read.frames[0].pivot_share()), ([0, 0], [0.5, 0.5]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |change: fn(&mut SpriteSheet), expected: &str| {
            let mut sheet = sheet();
            change(&mut sheet);
            let error = sheet.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        assert_eq!(sheet().validate(), Ok(()));
        for path in ["", "../a.png", "/a.png", "a//b.png", "c:a.png", "a\\b.png"] {
            let sheet = SpriteSheet { image: path.into(), ..sheet() };
            assert!(matches!(sheet.validate(), Err(SheetError::BadImagePath { .. })), "{path}");
        }
        check(|sheet| sheet.frames.clear(), "0 frames, expected 1 to 4096");
        check(|sheet| sheet.frames[1].rect_px.x = u32::MAX, "frame \"walk 1\" reaches from (4294967295, 0)");
        check(
            |sheet| sheet.size_px = [40, 14],
            "frame \"walk 2\" reaches from (32, 0) to (48, 14), the image has 40×14 px",
        );
        check(|sheet| sheet.frames[0].offset_px = [0, 3], "end at (16, 17), its source_px are 16×16");
        check(|sheet| sheet.frames[2].duration_ms = 0, "duration_ms 0, expected 1 to 3600000");
        check(|sheet| sheet.frames[2].pivot_px[0] = f32::NAN, "pivot of frame \"walk 2\"");
        check(|sheet| sheet.frames[2].name = "walk 0".into(), "\"walk 0\" is there twice");
        check(|sheet| sheet.tags[0].last = 3, "frames 0 to 3, the sheet has 0 to 2");
        check(|sheet| sheet.tags.push(sheet.tags[0].clone()), "\"walk\" is there twice");
    }

    #[test]
    fn there_and_back_shows_the_ends_once() {
        let order = |direction, first, last| SheetTag { first, last, direction, ..SheetTag::default() }.order();
        assert_eq!(order(PlayDirection::Forward, 1, 3), [1, 2, 3]);
        assert_eq!(order(PlayDirection::Reverse, 1, 3), [3, 2, 1]);
        assert_eq!(order(PlayDirection::PingPong, 1, 4), [1, 2, 3, 4, 3, 2]);
        assert_eq!(order(PlayDirection::PingPongReverse, 1, 4), [4, 3, 2, 1, 2, 3]);
        assert_eq!(order(PlayDirection::PingPong, 2, 2), [2]);
        assert_eq!(order(PlayDirection::PingPong, 2, 3), [2, 3]);
    }
}
