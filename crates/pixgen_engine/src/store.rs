//! The history of everything that was drawn, and the sprites that the game uses.
//!
//! Nothing is ever overwritten: a sprite is stored under the hash of its file, and whatever a newly
//! accepted sprite replaces is put into the history first. Files are written beside their place
//! and renamed, so that a reader sees the old file or the new one and never half of one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use image::RgbaImage;
use pixgen_api::{GenPath, Generated};

use crate::backend::pixels;
use crate::files::{hash_of, io_error, is_hash, read, read_up_to, sweep, write_whole, write_whole_if};
use crate::history::Index;
use crate::{EngineError, HashCache, Provenance};

/// The history folder and the folder of accepted sprites.
#[derive(Clone, Debug)]
pub struct Store {
    data_dir: PathBuf,
    gen_dir: PathBuf,
    /// What was read of the history, shared by all copies of this store.
    index: Arc<Mutex<Index>>,
}

impl Store {
    /// A store with its history below `data_dir` (usually `.pixgen`) and accepted sprites in `gen_dir`
    /// (usually `assets/gen`). Folders are made when something is written.
    #[must_use]
    pub fn new(data_dir: &Path, gen_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), gen_dir: gen_dir.to_owned(), index: Arc::default() }
    }

    /// The same history with another folder of accepted sprites.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> Self {
        Self { gen_dir: folder.to_owned(), ..self.clone() }
    }

    /// The folder of the history and all that belongs to it.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The folder of everything that was ever drawn, one PNG each, named by its SHA-256.
    #[must_use]
    pub fn history_dir(&self) -> PathBuf {
        self.data_dir.join("history")
    }

    /// Pictures that jobs began with, named by their SHA-256: with them a sprite can be drawn again when the file that
    /// its request names has changed.
    pub(crate) fn inputs_dir(&self) -> PathBuf {
        self.data_dir.join("inputs")
    }

    /// Waiting jobs.
    pub(crate) fn queue_dir(&self) -> PathBuf {
        self.data_dir.join("queue")
    }

    /// Which sprites of the history were drawn for recipes beside which nothing can be written.
    fn bakes_dir(&self) -> PathBuf {
        self.data_dir.join("bakes")
    }

    /// Hashes of large files.
    fn hashes_dir(&self) -> PathBuf {
        self.data_dir.join("hashes")
    }

    /// What is known of the hashes of files that requests name; those of large files are kept with the history.
    #[must_use]
    pub fn hash_cache(&self) -> HashCache {
        HashCache::in_folder(self.hashes_dir())
    }

    /// Small pictures of large sprites of the history.
    pub(crate) fn thumbnails_dir(&self) -> PathBuf {
        self.data_dir.join("thumbnails")
    }

    pub(crate) fn index(&self) -> std::sync::MutexGuard<'_, Index> {
        // It is only a cache: a thread that panicked while it held the lock left nothing wrong in it.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what programs that were killed left half-written.
    pub(crate) fn sweep(&self) {
        let folders = [
            self.history_dir(),
            self.inputs_dir(),
            self.queue_dir(),
            self.thumbnails_dir(),
            self.bakes_dir(),
            self.hashes_dir(),
        ];
        for folder in folders {
            sweep(&folder);
        }
        sweep(&self.data_dir);
    }

    /// The folder of accepted sprites.
    #[must_use]
    pub fn gen_dir(&self) -> &Path {
        &self.gen_dir
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
            frames: provenance.request.frames(),
            pixels: pixels(sprite),
        })
    }

    /// Makes a sprite of the history the one that the game shows at `path`.
    ///
    /// Returns the hash of the sprite that stood there before, which is in the history from now on.
    ///
    /// # Errors
    /// When the history has no such sprite or its file is damaged, or a file cannot be read or written.
    pub fn accept(&self, hash: &str, path: &GenPath) -> Result<Option<String>, EngineError> {
        self.accept_if(hash, path, || true)
    }

    /// The same for a place that somebody else may write to as well: `may` is asked when all is ready, right before the
    /// file is replaced.
    ///
    /// # Errors
    /// As for `accept`, and when `may` says no.
    pub fn accept_if(
        &self,
        hash: &str,
        path: &GenPath,
        may: impl FnOnce() -> bool,
    ) -> Result<Option<String>, EngineError> {
        let png = self.png_of(hash)?;
        let file = path.file_in(&self.gen_dir);
        let previous = self.keep_file(&file)?;
        if write_whole_if(&file, &png, may)? { Ok(previous) } else { Err(EngineError::ChangedMeanwhile { file }) }
    }

    /// Remembers which sprite of the history was drawn for a recipe ([`bake_key`](crate::bake_key)): for recipes beside
    /// which nothing can be written.
    ///
    /// # Errors
    /// When that cannot be written down either.
    pub fn remember_bake(&self, key: &str, hash: &str) -> Result<(), EngineError> {
        self.ignore_in_git()?;
        write_whole(&self.bakes_dir().join(key), hash.as_bytes())
    }

    /// The sprite that was drawn for a recipe, with its hash, where it is remembered and still in the history.
    #[must_use]
    pub fn remembered_bake(&self, key: &str) -> Option<(String, Vec<u8>)> {
        let hash = String::from_utf8(read_up_to(&self.bakes_dir().join(key), 64).ok()?).ok()?;
        let png = self.png_of(&hash).ok()?;
        Some((hash, png))
    }

    /// Writes a text of the game whole or not at all, unless it is not `before` any more.
    ///
    /// # Errors
    /// When it cannot be written, or is another one by now.
    pub fn replace_text(file: &Path, before: &str, after: &str) -> Result<(), EngineError> {
        // A link stays a link: what it names is written.
        let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let file = real.as_path();
        let permissions = fs::metadata(file).map_err(|source| io_error("reading", file, source))?.permissions();
        if permissions.readonly() {
            return Err(io_error("writing", file, std::io::ErrorKind::PermissionDenied.into()));
        }
        let is_as_before =
            || read_up_to(file, after.len().max(before.len()) as u64).is_ok_and(|now| now == before.as_bytes());
        if write_whole_if(file, after.as_bytes(), is_as_before)? {
            // The new file has the rights of the old one, where the system lets that be set.
            let _ = fs::set_permissions(file, permissions);
            Ok(())
        } else {
            Err(EngineError::ChangedMeanwhile { file: file.to_owned() })
        }
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
            fs::remove_file(&target).map_err(|source| io_error("removing", target, source))?;
        }
        Ok(stood)
    }

    pub(crate) fn file_of(&self, hash: &str) -> PathBuf {
        self.history_dir().join(format!("{hash}.png"))
    }

    /// The file of a sprite of the history, whole.
    pub(crate) fn png_of(&self, hash: &str) -> Result<Vec<u8>, EngineError> {
        let file = self.file_of(hash);
        if !is_hash(hash) || !file.is_file() {
            return Err(EngineError::UnknownSprite { hash: hash.to_owned(), history: self.history_dir() });
        }
        let png = read(&file)?;
        if hash_of(&png).eq_ignore_ascii_case(hash) { Ok(png) } else { Err(EngineError::DamagedSprite { file }) }
    }

    /// Puts a file of the game into the history; `None` when there is no such file.
    fn keep_file(&self, file: &Path) -> Result<Option<String>, EngineError> {
        match read(file) {
            Ok(bytes) => self.keep(&bytes).map(Some),
            Err(EngineError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep(&self, png: &[u8]) -> Result<String, EngineError> {
        self.keep_in(&self.history_dir(), png, "png")
    }

    /// Keeps a picture that a job begins with; returns its hash.
    pub(crate) fn keep_input(&self, bytes: &[u8]) -> Result<String, EngineError> {
        self.keep_in(&self.inputs_dir(), bytes, "png")
    }

    /// A picture that a job began with, if it is still there and whole.
    pub(crate) fn input(&self, hash: &str) -> Option<PathBuf> {
        let file = self.inputs_dir().join(format!("{hash}.png"));
        (is_hash(hash) && is_whole(&file, hash)).then_some(file)
    }

    fn keep_in(&self, folder: &Path, bytes: &[u8], extension: &str) -> Result<String, EngineError> {
        let hash = hash_of(bytes);
        let file = folder.join(format!("{hash}.{extension}"));
        if is_whole(&file, &hash) {
            // What is drawn once more comes first in the history again. Where that fails, it stays where it was.
            let _ = fs::File::options().append(true).open(&file).and_then(|f| f.set_modified(SystemTime::now()));
        } else {
            self.ignore_in_git()?;
            write_whole(&file, bytes)?;
        }
        Ok(hash)
    }

    /// History and queue are large and belong to one machine: version control has no business in them.
    pub(crate) fn ignore_in_git(&self) -> Result<(), EngineError> {
        let ignore = self.data_dir.join(".gitignore");
        if ignore.exists() { Ok(()) } else { write_whole(&ignore, b"*\n") }
    }
}

/// Whether a file is there with exactly the content that its name says.
fn is_whole(file: &Path, hash: &str) -> bool {
    read(file).is_ok_and(|bytes| hash_of(&bytes) == hash)
}

#[cfg(test)]
mod tests {
    use pixgen_api::{Kind, Request};

    use super::*;

    fn sprite(value: u8) -> RgbaImage {
        RgbaImage::from_pixel(2, 2, image::Rgba([value, 0, 0, 255]))
    }

    fn provenance() -> Provenance {
        Provenance {
            request: Request::new(Kind::Item, "x"),
            model: "m".to_owned(),
            native_size_px: 2,
            inputs: Vec::new(),
            recipe: None,
        }
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
    fn a_file_that_somebody_saves_in_between_stays_and_a_bake_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join(".pixgen"), folder.path());
        let path = GenPath::parse("a.png").unwrap();
        let new = store.save(&sprite(7), &provenance()).unwrap();
        let theirs = folder.path().join("a.png");
        let saved = || fs::write(&theirs, "theirs").is_err();
        let error = store.accept_if(&new.hash, &path, saved).unwrap_err();
        assert!(matches!(error, EngineError::ChangedMeanwhile { .. }), "{error}");
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
        assert!(matches!(Store::replace_text(&theirs, "ours", "new"), Err(EngineError::ChangedMeanwhile { .. })));
        Store::replace_text(&theirs, "theirs", "new").unwrap();
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "new");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "the file and the history, nothing half-written");

        let key = crate::bake_key(&Request::new(Kind::Item, "x"), &[]).unwrap();
        assert_eq!(store.remembered_bake(&key), None);
        store.remember_bake(&key, &new.hash).unwrap();
        assert_eq!(store.remembered_bake(&key).unwrap().0, new.hash);
        fs::remove_file(&new.file).unwrap();
        assert_eq!(store.remembered_bake(&key), None, "the history has lost it");
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
    fn a_damaged_sprite_is_not_put_into_the_game() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), &folder.path().join("gen"));
        let [new, other] = [1, 2].map(|value| store.save(&sprite(value), &provenance()).unwrap());
        fs::copy(&other.file, &new.file).unwrap();
        let error = store.accept(&new.hash, &GenPath::parse("a.png").unwrap()).unwrap_err().to_string();
        assert!(error.contains(&new.hash) && error.contains("generate the sprite again"), "{error}");
        assert!(matches!(store.sprite(&new.hash), Err(EngineError::DamagedSprite { .. })));
        assert!(!folder.path().join("gen/a.png").exists());
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
