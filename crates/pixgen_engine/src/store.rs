//! The history of everything that was drawn, and the sprites that the game uses.
//!
//! Nothing is ever overwritten: a sprite is stored under the hash of its file, and whatever a newly
//! accepted sprite replaces is put into the history first. Files are written beside their place
//! and renamed, so that a reader sees the old file or the new one and never half of one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use image::RgbaImage;
use pixgen_api::{GenPath, Generated};
use sha2::{Digest, Sha256};

use crate::backend::pixels;
use crate::{EngineError, Provenance};

static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// The history folder and the folder of accepted sprites.
#[derive(Clone, Debug)]
pub struct Store {
    history: PathBuf,
    gen_dir: PathBuf,
}

impl Store {
    /// A store with its history below `data_dir` (usually `.pixgen`) and accepted sprites in `gen_dir`
    /// (usually `assets/gen`). Folders are made when something is written.
    #[must_use]
    pub fn new(data_dir: &Path, gen_dir: &Path) -> Self {
        Self { history: data_dir.join("history"), gen_dir: gen_dir.to_owned() }
    }

    /// The folder of accepted sprites.
    #[must_use]
    pub fn gen_dir(&self) -> &Path {
        &self.gen_dir
    }

    /// The same history with another folder of accepted sprites.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> Self {
        Self { history: self.history.clone(), gen_dir: folder.to_owned() }
    }

    /// Puts a new sprite into the history.
    ///
    /// # Errors
    /// When the sprite cannot be encoded or written.
    pub fn save(&self, sprite: &RgbaImage, provenance: &Provenance) -> Result<Generated, EngineError> {
        let png = provenance.encode(sprite)?;
        let hash = self.keep(&png)?;
        Ok(Generated {
            file: self.file_of(&hash),
            hash,
            seed: provenance.request.seed.unwrap_or_default(),
            pixels: pixels(sprite),
        })
    }

    /// Makes a sprite of the history the one that the game shows at `path`.
    ///
    /// Returns the hash of the sprite that stood there before, which is in the history from now on.
    ///
    /// # Errors
    /// When the history has no such sprite, or a file cannot be read or written.
    pub fn accept(&self, hash: &str, path: &GenPath) -> Result<Option<String>, EngineError> {
        let source = self.file_of(hash);
        if !is_hash(hash) || !source.is_file() {
            return Err(EngineError::UnknownSprite { hash: hash.to_owned(), history: self.history.clone() });
        }
        let png = read(&source)?;
        let target = path.file_in(&self.gen_dir);
        let previous = self.keep_file(&target)?;
        write_whole(&target, &png)?;
        Ok(previous)
    }

    /// Takes an [`accept`](Self::accept) back: `previous` is what it returned. Where nothing stood before, the file is
    /// removed.
    ///
    /// Returns the hash of what stood there until now, which is in the history too: somebody may have painted on it.
    ///
    /// # Errors
    /// As for `accept`.
    pub fn restore(&self, path: &GenPath, previous: Option<&str>) -> Result<Option<String>, EngineError> {
        if let Some(hash) = previous {
            return self.accept(hash, path);
        }
        let target = path.file_in(&self.gen_dir);
        let stood = self.keep_file(&target)?;
        if stood.is_some() {
            fs::remove_file(&target).map_err(|source| EngineError::Io { action: "removing", path: target, source })?;
        }
        Ok(stood)
    }

    fn file_of(&self, hash: &str) -> PathBuf {
        self.history.join(format!("{hash}.png"))
    }

    /// Puts a file of the game into the history; `None` when there is no such file.
    fn keep_file(&self, file: &Path) -> Result<Option<String>, EngineError> {
        match fs::read(file) {
            Ok(bytes) => self.keep(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(EngineError::Io { action: "reading", path: file.to_owned(), source }),
        }
    }

    fn keep(&self, png: &[u8]) -> Result<String, EngineError> {
        let hash = hex(&Sha256::digest(png));
        let file = self.file_of(&hash);
        if !file.is_file() {
            self.ignore_in_git()?;
            write_whole(&file, png)?;
        }
        Ok(hash)
    }

    /// The history is large and belongs to one machine: version control has no business in it.
    fn ignore_in_git(&self) -> Result<(), EngineError> {
        let Some(data_dir) = self.history.parent() else { return Ok(()) };
        let ignore = data_dir.join(".gitignore");
        if ignore.exists() { Ok(()) } else { write_whole(&ignore, b"*\n") }
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, EngineError> {
    fs::read(path).map_err(|source| EngineError::Io { action: "reading", path: path.to_owned(), source })
}

/// Writes beside `path` and renames: `path` holds its old content or all of the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let failed = |source| EngineError::Io { action: "writing", path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".pixgen-{}-{number}.tmp", std::process::id()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The folder may be unwritable or the disk full; what is left over is only a temporary file.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use pixgen_api::{Kind, Request};

    use super::*;

    fn sprite(value: u8) -> RgbaImage {
        RgbaImage::from_pixel(2, 2, image::Rgba([value, 0, 0, 255]))
    }

    fn provenance() -> Provenance {
        Provenance { request: Request::new(Kind::Item, "x"), model: "m".to_owned(), native_size_px: 2, recipe: None }
    }

    #[test]
    fn accepting_keeps_what_stood_there_and_restoring_brings_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join(".pixgen"), &folder.path().join("gen"));
        let path = GenPath::parse("a/b.png").unwrap();
        let drawn_by_hand = b"not even a png".to_vec();
        fs::create_dir_all(folder.path().join("gen/a")).unwrap();
        fs::write(folder.path().join("gen/a/b.png"), &drawn_by_hand).unwrap();

        let new = store.save(&sprite(1), &provenance()).unwrap();
        let previous = store.accept(&new.hash, &path).unwrap();
        assert_eq!(fs::read(folder.path().join("gen/a/b.png")).unwrap(), fs::read(&new.file).unwrap());
        store.restore(&path, previous.as_deref()).unwrap();
        assert_eq!(fs::read(folder.path().join("gen/a/b.png")).unwrap(), drawn_by_hand);
        assert_eq!(fs::read_to_string(folder.path().join(".pixgen/.gitignore")).unwrap(), "*\n");
    }

    #[test]
    fn restoring_nothing_removes_the_file_and_no_temporary_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join(".pixgen"), &folder.path().join("gen"));
        let path = GenPath::parse("new.png").unwrap();
        let new = store.save(&sprite(2), &provenance()).unwrap();
        assert_eq!(store.accept(&new.hash, &path).unwrap(), None);
        let painted_over = b"the artist's own work".to_vec();
        fs::write(folder.path().join("gen/new.png"), &painted_over).unwrap();
        let stood = store.restore(&path, None).unwrap().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("gen")).unwrap().count(), 0);
        assert_eq!(store.restore(&path, None).unwrap(), None, "nothing stands there any more");
        store.restore(&path, Some(&stood)).unwrap();
        assert_eq!(fs::read(folder.path().join("gen/new.png")).unwrap(), painted_over);
    }

    #[test]
    fn the_same_sprite_is_stored_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), folder.path());
        let first = store.save(&sprite(3), &provenance()).unwrap();
        assert_eq!(store.save(&sprite(3), &provenance()).unwrap(), first);
        assert_ne!(store.save(&sprite(4), &provenance()).unwrap().hash, first.hash);
    }

    #[test]
    fn a_hash_is_no_way_to_read_other_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.png"), b"x").unwrap();
        let store = Store::new(folder.path(), folder.path());
        let error = store.accept("../secret", &GenPath::parse("a.png").unwrap()).unwrap_err();
        assert!(error.to_string().contains("no sprite ../secret"), "{error}");
    }
}
