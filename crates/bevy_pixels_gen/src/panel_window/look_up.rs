//! What is read from the disk for the panel: the history, settings of PNGs, the picture to begin with, preflight.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pixgen_api::{DevicePreference, ModelRef, Pixels, Request};
use pixgen_engine::{HistoryQuery, InMemory, Preflight, RecipeFolders, Recovered, Store, input_files};

use super::task::Background;
use crate::panel::{FileView, HistorySearch, HistoryView, PanelState, SpriteView};
use crate::stamp::{Stamp, stamp};

/// Most bytes of a PNG that is asked for its settings.
const MAX_PNG_BYTES: u64 = 64 << 20;
/// Largest edge of a picture that is shown, in pixels.
const MAX_PICTURE_PX: u32 = 8192;
/// Most memory that decoding it may take.
const MAX_PICTURE_BYTES: u64 = 512 << 20;

/// Time between two looks at files that may have changed.
const LOOK_AGAIN: Duration = Duration::from_millis(1500);

type Read = (PathBuf, Result<Recovered, String>);

/// What is being read and what was read last.
#[derive(Debug, Default)]
pub(super) struct LookUp {
    search: Option<HistorySearch>,
    is_stale: bool,
    history: HistoryView,
    searching: Background<HistoryView>,
    settings: Background<Read>,
    picture: Option<Picture>,
    /// `None` where it is as it was.
    reading_picture: Background<Option<Picture>>,
    picture_at: Option<Instant>,
    checked: Option<(Request, Option<InMemory>)>,
    checked_at: Option<Instant>,
    checking: Background<Preflight>,
    preflight: (Vec<String>, Vec<String>),
}

/// A picture as it was when its file had that stamp.
#[derive(Debug)]
struct Picture {
    stamp: Stamp,
    view: FileView<Pixels>,
}

impl Picture {
    /// Reads a picture, unless its file is as it was `before`.
    fn read(path: PathBuf, before: Option<Stamp>) -> Option<Self> {
        // First: what is written while it is read has another one afterwards.
        let stamp = stamp(&path);
        if before == Some(stamp) {
            return None;
        }
        Some(Self { stamp, view: FileView { content: read_picture(&path), path } })
    }
}

/// Whether it is time for another look after one at that time.
fn is_due(at: Option<Instant>) -> bool {
    at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN)
}

impl LookUp {
    /// Wants something else from the history.
    pub(super) fn search(&mut self, search: HistorySearch) {
        self.search = Some(search);
        self.is_stale = true;
    }

    /// Something was drawn: the history is no longer what was found in it.
    pub(super) fn history_changed(&mut self) {
        self.is_stale = true;
    }

    /// What was found in the history by now; `folders` are where the files lie that its sprites may name.
    pub(super) fn history(&mut self, store: &Store, folders: impl FnOnce() -> RecipeFolders) -> HistoryView {
        if let Some(found) = self.searching.take() {
            self.history = found;
        }
        if self.is_stale
            && !self.searching.is_busy()
            && let Some(search) = self.search.clone()
        {
            self.is_stale = false;
            let (store, folders) = (store.clone(), folders());
            self.searching.start(move || find(&store, &folders, search));
        }
        HistoryView { searching: self.searching.is_busy(), ..self.history.clone() }
    }

    /// Reads how a PNG was drawn; `folders` are where the files lie that it may name.
    pub(super) fn read_settings(&mut self, file: PathBuf, folders: RecipeFolders, store: Store) {
        self.settings.start(move || {
            let recovered = recover(&file, &folders, &store);
            (file, recovered)
        });
    }

    /// Puts what was read into the form: a note for the user, or why it could not be.
    pub(super) fn take_settings(&mut self, state: &mut PanelState) -> Option<Result<String, String>> {
        let (file, recovered) = self.settings.take()?;
        Some(recovered.map(|recovered| {
            state.use_settings(recovered.request);
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut note = format!("the settings of {name} are in the form");
            for sentence in recovered.notes {
                note.push_str(&format!("; {sentence}"));
            }
            note
        }))
    }

    /// The picture that the request begins with.
    pub(super) fn init_image(&mut self, path: Option<&Path>) -> Option<FileView<Pixels>> {
        if let Some(Some(picture)) = self.reading_picture.take() {
            self.picture = Some(picture);
        }
        let path = path?;
        let known = self.picture.as_ref().filter(|picture| picture.view.path == path);
        if (known.is_none() || is_due(self.picture_at)) && !self.reading_picture.is_busy() {
            self.picture_at = Some(Instant::now());
            let (path, before) = (path.to_owned(), known.map(|picture| picture.stamp));
            self.reading_picture.start(move || Picture::read(path, before));
        }
        known.map(|picture| picture.view.clone())
    }

    /// Has preflight look again at once: files may have changed.
    pub(super) fn check_again(&mut self) {
        self.checked = None;
    }

    /// Refusals and warnings for a request as it stands; of the one before while this one is being looked at. While
    /// something is refused it is looked at again and again: files come and memory gets free without a word.
    pub(super) fn preflight(
        &mut self,
        request: &Request,
        device: DevicePreference,
        loaded: Option<InMemory>,
    ) -> (Vec<String>, Vec<String>) {
        if let Some(found) = self.checking.take() {
            self.preflight = (found.refusals, found.warnings);
        }
        // The form names faults of the request itself.
        if request.validate().is_err() {
            self.preflight = (Vec::new(), Vec::new());
            self.checked = None;
            return self.preflight.clone();
        }
        let key = (request.clone(), loaded);
        let may_be_mended = !self.preflight.0.is_empty() && is_due(self.checked_at);
        if (self.checked.as_ref() != Some(&key) || may_be_mended) && !self.checking.is_busy() {
            (self.checked, self.checked_at) = (Some(key.clone()), Some(Instant::now()));
            self.checking.start(move || Preflight::of(&key.0, device, key.1.as_ref()));
        }
        self.preflight.clone()
    }
}

fn find(store: &Store, folders: &RecipeFolders, search: HistorySearch) -> HistoryView {
    let HistorySearch { words, kind, limit } = search;
    let query = HistoryQuery { words, kind, skip: 0, limit: Some(limit.saturating_add(1)) };
    match store.history(&query) {
        Err(error) => HistoryView { error: Some(error.to_string()), ..HistoryView::default() },
        Ok(entries) => {
            let has_more = entries.len() > limit;
            let sprites = entries.into_iter().take(limit).filter_map(|entry| {
                let (request, left_out) = entry.request.map_or((None, Vec::new()), |request| {
                    // Of most sprites the file need not be read again: they name none.
                    let names_files = request.model != ModelRef::Embedded || !input_files(&request).is_empty();
                    if !names_files {
                        return (Some(request), Vec::new());
                    }
                    // As it stands it may name anything.
                    match recover(&entry.file, folders, store) {
                        Ok(found) => (Some(found.request), found.notes),
                        Err(reason) => (None, vec![reason]),
                    }
                });
                Some(SpriteView {
                    pixels: store.thumbnail(&entry.hash).ok()?,
                    hash: entry.hash,
                    file: entry.file,
                    size_px: [entry.width_px, entry.height_px],
                    request: request.map(Arc::new),
                    left_out,
                    is_applied: false,
                })
            });
            HistoryView { sprites: sprites.collect(), has_more, ..HistoryView::default() }
        }
    }
}

/// How a PNG was drawn, with the files that it may name; its notes are all that could not be taken over.
pub(super) fn recover(file: &Path, folders: &RecipeFolders, store: &Store) -> Result<Recovered, String> {
    let named = |reason: String| format!("{}: {reason}", file.display());
    let data = std::fs::metadata(file).map_err(|e| named(e.to_string()))?;
    if !data.is_file() {
        return Err(named("it is no file".to_owned()));
    }
    if data.len() > MAX_PNG_BYTES {
        return Err(named("the file is too large for a picture that was generated".to_owned()));
    }
    let png = std::fs::read(file).map_err(|e| named(e.to_string()))?;
    let recovered = store.recover(&png, folders).map_err(|e| named(e.to_string()))?;
    recovered.ok_or_else(|| {
        named("it does not say how it was drawn; drop a PNG that this panel or another generator has saved".to_owned())
    })
}

/// Decodes a picture within limits.
pub(super) fn read_picture(path: &Path) -> Result<Pixels, String> {
    let named = |reason: String| format!("{}: {reason}; choose another picture", path.display());
    let reader = image::ImageReader::open(path).and_then(image::ImageReader::with_guessed_format);
    let mut reader = reader.map_err(|e| named(e.to_string()))?;
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_PICTURE_PX), Some(MAX_PICTURE_PX));
    limits.max_alloc = Some(MAX_PICTURE_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| named(e.to_string()))?.to_rgba8();
    Ok(Pixels { width_px: image.width(), height_px: image.height(), rgba: image.into_raw().into() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_picture_without_settings_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plain.png");
        image::RgbaImage::new(2, 2).save(&file).unwrap();
        let store = Store::new(folder.path(), folder.path());
        let recover = |file: &Path| recover(file, &RecipeFolders::of_file(file, &[], &[]), &store);
        assert!(recover(&file).unwrap_err().contains("does not say how it was drawn; drop a PNG"));
        std::fs::write(&file, "no picture").unwrap();
        assert!(recover(&file).unwrap_err().contains("plain.png"));
        assert!(read_picture(&file).unwrap_err().contains("choose another picture"));
    }
}
