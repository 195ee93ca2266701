//! What `--json` prints: one event a line on stdout, for programs.
//!
//! Fields are only ever added; a reader should skip events and fields that it does not know. There is no time in them,
//! so that the same command with the same seed prints the same lines.

use std::path::Path;

use pixgen_art::Metrics;
use serde::Serialize;

/// One line of `--json`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Report<'a> {
    /// Work on something begins; loading a model may come first.
    Started {
        /// What: a prompt, a recipe, a file.
        item: &'a str,
    },
    /// One denoising step is done.
    Step {
        /// What is drawn.
        item: &'a str,
        /// Which image of it, from 0.
        image: u32,
        /// Steps done, from 1.
        step: u32,
        /// Steps of each image.
        steps: u32,
    },
    /// The user should know, though the work goes on.
    Warning {
        /// A sentence.
        text: &'a str,
    },
    /// Something that was measured or decided.
    Note {
        /// A sentence.
        text: &'a str,
    },
    /// A file is written and whole.
    File {
        /// Where it is, as it would be printed without `--json`.
        path: &'a Path,
        /// What it is: sprite, tileset, animation, sheet, sidecar …
        role: Role,
        /// The seed, where one drew it.
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
        /// Columns, of a picture.
        #[serde(skip_serializing_if = "Option::is_none")]
        width_px: Option<u32>,
        /// Rows, of a picture.
        #[serde(skip_serializing_if = "Option::is_none")]
        height_px: Option<u32>,
    },
    /// What was measured of a picture that was just written.
    Measured {
        /// The picture.
        path: &'a Path,
        /// Distinct colours.
        colors: usize,
        /// Distinct alpha values.
        alpha_levels: usize,
        /// Share of the pixels that are drawn.
        opaque_ratio: f32,
        /// Share of the drawn pixels that stand alone.
        orphan_ratio: f32,
    },
    /// Something failed; other work goes on.
    Failed {
        /// What: a prompt, a recipe, a file.
        item: &'a str,
        /// Why, with what to do.
        error: &'a str,
    },
    /// The program ends with an error.
    Error {
        /// Why, with what to do.
        error: &'a str,
        /// The exit code.
        exit: u8,
    },
}

impl<'a> Report<'a> {
    /// The measurements of a picture.
    pub(crate) fn measured(path: &'a Path, metrics: &Metrics) -> Self {
        Self::Measured {
            path,
            colors: metrics.colors,
            alpha_levels: metrics.alpha_levels,
            opaque_ratio: metrics.opaque_ratio,
            orphan_ratio: metrics.orphan_ratio,
        }
    }
}

/// What a written file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// One sprite.
    Sprite,
    /// The packed tiles.
    Tileset,
    /// The frames of an animation in one picture.
    Sheet,
    /// A description beside a picture.
    Sidecar,
    /// An animated picture to look at.
    Preview,
    /// Many sprites on one picture, to look at.
    ContactSheet,
    /// A table.
    Table,
    /// The lines of a batch that failed.
    Failures,
}
