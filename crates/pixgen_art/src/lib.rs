//! Pixel-art image processing: restoring, palettes, backgrounds, dithering, outlines, scaling, tiles,
//! sheets and their export.
//!
//! Everything here runs on the CPU and gives the same bytes for the same input. [`fix`] leaves its
//! own output unchanged: `fix(fix(x)) == fix(x)`. Images are 8-bit sRGB with straight alpha, rows from
//! the top. [`fix`] is the whole way from a decoded picture to a sprite; the modules hold its steps.

pub mod alpha;
pub mod background;
pub mod clean;
pub mod dither;
pub mod downscale;
mod error;
pub mod export;
pub mod frame;
mod metrics;
mod oklab;
pub mod outline;
pub mod palette;
mod pipeline;
pub mod presets;
pub mod restore;
pub mod scale;
mod seen;
pub mod sheet;
pub mod tile;
pub mod transform;

pub use error::{ArtError, MAX_EDGE_PX};
pub use metrics::{MetricRow, Metrics};
pub use oklab::delta_e;
pub use palette::{MERGE_DELTA_E, Palette, merge_noise, reduce_colors};
pub use pipeline::{Finished, Pipeline, fix};

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
