//! What a user of `bevy_pixels_gen` can ask for, and what is reported back.
//!
//! Plain serde types and no algorithm. The panel, recipes, the command line and game code all fill
//! the same [`Request`]; the engine answers all of them with the same [`Event`]s. A user-visible
//! option, its default and its documentation are written here and nowhere else.

mod device;
mod event;
mod gen_path;
mod kind;
mod limits;
mod pixel_art;
mod request;
mod sheet;

pub use device::DevicePreference;
pub use event::{Cancelled, Event, EventKind, Generated, JobId, JobState, Pixels, Progress};
pub use gen_path::{GenPath, GenPathError};
pub use kind::{Anchor, Kind};
pub use limits::{
    MAX_COLORS, MAX_COUNT, MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARS, MAX_SCALE, MAX_SIZE_PX, MAX_SPECK_PX, MAX_STEPS,
    MIN_COLORS, MIN_SIZE_PX,
};
pub use pixel_art::{
    Background, Dither, Downscale, HexColor, OutlineEdit, OutlineSide, PaletteSource, PixelArt, Scale, Symmetry,
};
pub use request::{ModelRef, Request, RequestError, SchedulerKind};
pub use sheet::{
    MAX_FRAME_MS, MAX_FRAMES, PlayDirection, SheetError, SheetFrame, SheetRect, SheetTag, SpriteSheet,
};
