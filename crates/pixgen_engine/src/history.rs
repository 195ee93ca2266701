//! Looking into the history: newest first, by words of the prompt, with thumbnails.
//!
//! The PNG files themselves are the record, so nothing else can disagree with them: a file counts when its name is the
//! hash of its content, which a file that was cut off never satisfies. What was read once is remembered; the second
//! look asks the folder for names and dates only. Nothing is ever deleted here.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use image::RgbaImage;
use pixgen_api::{Kind, Pixels, Request};

use crate::backend::pixels;
use crate::files::{hash_of, io_error, is_hash, read, write_whole};
use crate::picture::{decode, encode};
use crate::{EngineError, Provenance, Store};

/// Largest edge of a thumbnail, in pixels. A sprite up to this size is its own thumbnail.
pub const THUMBNAIL_PX: u32 = 128;

/// What to look for in the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Words that must all occur in the prompt, large or small; empty finds everything.
    pub words: String,
    /// Only sprites of this kind.
    pub kind: Option<Kind>,
    /// How many of the newest are left out: for pages.
    pub skip: usize,
    /// At most so many; `None` gives all.
    pub limit: Option<usize>,
}

/// A sprite of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// SHA-256 of the file.
    pub hash: String,
    /// The PNG.
    pub file: PathBuf,
    /// When it was drawn last.
    pub drawn: SystemTime,
    /// Columns, of all frames together.
    pub width_px: u32,
    /// Rows.
    pub height_px: u32,
    /// The request that drew it; `None` for a picture that somebody painted and that a generated one replaced.
    pub request: Option<Request>,
}

/// What was read of the history's files.
#[derive(Debug, Default)]
pub(crate) struct Index {
    files: HashMap<String, (SystemTime, Option<Arc<Known>>)>,
}

/// What never changes about a file that is named by its content.
#[derive(Debug)]
struct Known {
    width_px: u32,
    height_px: u32,
    request: Option<Request>,
    /// The prompt in small letters.
    prompt: String,
}

impl Known {
    /// `None` for what is no picture or not whole.
    fn read(png: &[u8], hash: &str) -> Option<Self> {
        if hash_of(png) != hash {
            tracing::warn!("{hash}.png in the history is damaged and left out");
            return None;
        }
        let (width_px, height_px) = Provenance::size_of(png).ok()?;
        let request = Provenance::request_of(png).ok().flatten();
        let prompt = request.as_ref().map(|request| request.prompt.to_lowercase()).unwrap_or_default();
        Some(Self { width_px, height_px, request, prompt })
    }
}

impl Store {
    /// Sprites of the history, the one that was drawn last first.
    ///
    /// # Errors
    /// When the folder cannot be read. A history that does not exist yet is empty.
    pub fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, EngineError> {
        let folder = self.history_dir();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(io_error("reading", folder, source)),
        };
        let mut dated: Vec<(SystemTime, String)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let hash = name.strip_suffix(".png").filter(|hash| is_hash(hash))?.to_owned();
                Some((entry.metadata().ok()?.modified().ok()?, hash))
            })
            .collect();
        // By hash where the clock cannot tell: the order is the same every time.
        dated.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let words: Vec<String> = query.words.split_whitespace().map(str::to_lowercase).collect();
        let found = dated.into_iter().filter_map(|(drawn, hash)| {
            let known = self.known(&hash, drawn)?;
            let fits = words.iter().all(|word| known.prompt.contains(word))
                && query.kind.is_none_or(|kind| known.request.as_ref().is_some_and(|request| request.kind == kind));
            fits.then(|| HistoryEntry {
                file: self.file_of(&hash),
                hash,
                drawn,
                width_px: known.width_px,
                height_px: known.height_px,
                request: known.request.clone(),
            })
        });
        Ok(found.skip(query.skip).take(query.limit.unwrap_or(usize::MAX)).collect())
    }

    fn known(&self, hash: &str, dated: SystemTime) -> Option<Arc<Known>> {
        if let Some((then, known)) = self.index().files.get(hash)
            && *then == dated
        {
            return known.clone();
        }
        let known = read(&self.file_of(hash)).ok().and_then(|png| Known::read(&png, hash)).map(Arc::new);
        self.index().files.insert(hash.to_owned(), (dated, known.clone()));
        known
    }

    /// A sprite of the history, whole.
    ///
    /// # Errors
    /// When the history has no such sprite, or its file is damaged.
    pub fn sprite(&self, hash: &str) -> Result<Pixels, EngineError> {
        Ok(pixels(&self.picture(hash)?))
    }

    fn picture(&self, hash: &str) -> Result<RgbaImage, EngineError> {
        decode(&self.png_of(hash)?, &self.file_of(hash).display().to_string())
    }

    /// A picture of a sprite of at most [`THUMBNAIL_PX`] along each edge: the sprite itself when it is that small, else
    /// every second, third … pixel of it, of an animation the first frame. A thumbnail is made once and kept.
    ///
    /// # Errors
    /// As [`Store::sprite`]. A thumbnail that cannot be kept is no error.
    pub fn thumbnail(&self, hash: &str) -> Result<Pixels, EngineError> {
        let kept = self.thumbnails_dir().join(format!("{hash}.png"));
        if is_hash(hash)
            && let Ok(bytes) = read(&kept)
            && let Ok(image) = decode(&bytes, &kept.display().to_string())
        {
            return Ok(pixels(&image));
        }
        let sprite = self.picture(hash)?;
        if sprite.width().max(sprite.height()) <= THUMBNAIL_PX {
            return Ok(pixels(&sprite));
        }
        let frames = read(&self.file_of(hash)).ok().and_then(|png| Provenance::request_of(&png).ok().flatten());
        let frames = frames.map_or(1, |request| request.frames()).max(1);
        let width_px = if sprite.width() % frames == 0 { sprite.width() / frames } else { sprite.width() };
        let step = width_px.max(sprite.height()).div_ceil(THUMBNAIL_PX);
        let small = RgbaImage::from_fn(width_px.div_ceil(step), sprite.height().div_ceil(step), |x, y| {
            // The middle of each block: what an enlarged sprite shows is its own pixel.
            let at = |position: u32, edge: u32| (position * step + step / 2).min(edge - 1);
            *sprite.get_pixel(at(x, width_px), at(y, sprite.height()))
        });
        if let Err(error) = encode(&small).and_then(|png| write_whole(&kept, &png)) {
            tracing::debug!("a thumbnail is not kept: {error}");
        }
        Ok(pixels(&small))
    }
}
