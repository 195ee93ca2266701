//! What a user of `bevy_pixels_gen` can ask for, and what is reported back.
//!
//! Plain serde types and no algorithm. The panel, recipes, the command line and game code all fill
//! the same [`Request`]; the engine answers all of them with the same [`Event`]s. A user-visible
//! option, its default and its documentation are written here and nowhere else.

mod animation;
mod device;
mod event;
mod gen_path;
mod kind;
mod limits;
mod model;
mod pixel_art;
mod priority;
mod recipe;
mod request;
mod seamless;
mod sheet;

pub use animation::{Animation, Motion};
pub use device::DevicePreference;
pub use event::{Cancelled, Event, EventKind, Generated, JobId, JobState, Pixels, Progress};
pub use gen_path::{GenPath, GenPathError};
pub use kind::{Anchor, Kind};
pub use limits::{
    MAX_ANIMATION_FRAMES, MAX_CLIP_SKIP, MAX_COLORS, MAX_COUNT, MAX_GUIDANCE_SCALE, MAX_LORA_WEIGHT, MAX_LORAS,
    MAX_PROMPT_CHARS, MAX_SCALE, MAX_SIZE_PX, MAX_SPECK_PX, MAX_STEPS, MIN_ANIMATION_FRAMES, MIN_COLORS, MIN_FRAME_MS,
    MIN_SIZE_PX, MIN_STRENGTH,
};
pub use model::{LoraRef, ModelRef};
pub use pixel_art::{
    Background, Dither, Downscale, HexColor, OutlineEdit, OutlineSide, PaletteSource, PixelArt, Scale, Symmetry,
};
pub use priority::Priority;
pub use recipe::{MAX_RECIPE_BYTES, RECIPE_EXTENSION, RecipeError, baked_file, recipe_file};
pub use request::{Request, RequestError, SchedulerKind};
pub use seamless::Seamless;
pub use sheet::{MAX_FRAME_MS, MAX_FRAMES, PlayDirection, SheetError, SheetFrame, SheetRect, SheetTag, SpriteSheet};
