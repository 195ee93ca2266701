//! What `--json` prints: one event a line on stdout, for programs.
//!
//! Fields are only ever added; a reader should skip events and fields that it does not know. There is no time in them,
//! so that the same command with the same seed prints the same lines.
//!
//! JSON is Unicode, and paths need not be: one that is not has U+FFFD in the place of what cannot be said, and its bytes
//! in hexadecimal in a field of their own, `path_hex`.

use std::path::Path;

use pixgen_art::Metrics;
use serde::{Serialize, Serializer};

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
    /// A part of a download is there. One event a file, and in between about one a second.
    #[cfg_attr(not(feature = "download"), expect(dead_code, reason = "there is nothing to tell of"))]
    Download {
        /// The file that is on its way, as the repository names it.
        file: &'a str,
        /// Bytes of all files that are there, those of an earlier run among them.
        done_bytes: u64,
        /// Bytes of all files.
        total_bytes: u64,
    },
    /// One thing of what was asked for: a line of a list.
    Listed {
        /// What it is.
        kind: Listed,
        /// The name that other commands take: a path for what has no other.
        name: &'a str,
        /// What there is to say about it; which fields there are depends on `kind` alone.
        values: serde_json::Value,
    },
    /// A file is written and whole.
    File {
        /// Where it is, as it would be printed without `--json`.
        #[serde(flatten)]
        path: PathText<'a>,
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
        #[serde(flatten)]
        path: PathText<'a>,
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
            path: PathText(path),
            colors: metrics.colors,
            alpha_levels: metrics.alpha_levels,
            opaque_ratio: metrics.opaque_ratio,
            orphan_ratio: metrics.orphan_ratio,
        }
    }
}

/// A path as fields: `path`, and `path_hex` where the first one does not say all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathText<'a>(pub(crate) &'a Path);

impl Serialize for PathText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;

        let text = self.0.to_string_lossy();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &text)?;
        if self.0.to_str().is_none() {
            let bytes = self.0.as_os_str().as_encoded_bytes();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            map.serialize_entry("path_hex", &hex)?;
        }
        map.end()
    }
}

/// What a line of a list is, and with it which values it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Listed {
    /// A model: `origin` (embedded, folder or added), `path`, `sizes_px`, and `error` where it cannot be used.
    Model,
    /// An adapter in the LoRA folder: `path`.
    Lora,
    /// A palette: `colors` (as #rrggbb), `origin`.
    Palette,
    /// A style: `about`, `options`, `is_own`.
    Style,
    /// A setting: `value` (null where it is not set), `origin`, `environment`, `flag`, `about`.
    Setting,
    /// The configuration file: `path`, `exists`.
    ConfigFile,
    /// A picture: `path`, its size and measures, `texts` (what it says by keyword), `request`, `recipe` (the same as a
    /// `*.sprite.ron`).
    Picture,
    /// A page of a manual or a script: `text`.
    Text,
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
    /// A model that was downloaded.
    #[cfg_attr(not(feature = "download"), expect(dead_code, reason = "there is none"))]
    Model,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_no_text_says_so_and_is_there_whole() {
        let event = |path| {
            let (seed, width_px, height_px) = (None, None, None);
            let report = Report::File { path: PathText(path), role: Role::Sprite, seed, width_px, height_px };
            serde_json::to_string(&report).unwrap()
        };
        assert_eq!(event(Path::new("a/ü.png")), r#"{"event":"file","path":"a/ü.png","role":"sprite"}"#);
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            let path = Path::new(std::ffi::OsStr::from_bytes(b"a/\xff.png"));
            let expected =
                "{\"event\":\"file\",\"path\":\"a/\u{fffd}.png\",\"path_hex\":\"612fff2e706e67\",\"role\":\"sprite\"}";
            assert_eq!(event(path), expected);
        }
    }
}
