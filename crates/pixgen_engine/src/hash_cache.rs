//! Hashes of the files that requests name, each taken once: by path, length and date. Those of large files outlive the
//! program.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pixgen_api::Request;

use crate::files::{hash_of, hash_of_file, io_error, is_hash, read_up_to, write_whole};
use crate::inputs::named;
use crate::picture::MAX_FILE_BYTES;
use crate::provenance::{Input, InputRole};
use crate::{EngineError, fingerprint};

/// Files up to this size are hashed in some hundredths of a second: no note on the disk is worth it.
const SMALL_BYTES: u64 = 4 << 20;
/// How often one who waits for another thread's hash asks whether it is still wanted.
const PATIENCE: Duration = Duration::from_millis(20);
/// A file that was written less than this ago may be written again within the tick of its file system's clock, and would
/// look the same: its hash is not noted on the disk.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Largest note on the disk.
const MAX_NOTE_BYTES: u64 = 16 << 10;

/// Hashes of files that were read before. Copies share what they know. While one thread reads a large file, those that
/// ask for another one do not wait.
#[derive(Clone, Debug, Default)]
pub struct HashCache(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Where hashes of large files are noted, if anywhere.
    folder: Option<PathBuf>,
    known: Mutex<HashMap<(PathBuf, How), State>>,
    changed: Condvar,
}

/// How a file is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum How {
    /// All of it, however large.
    Weights,
    /// Parts of it ([`fingerprint`]); of a folder, the files in it.
    Parts,
    /// All of it, up to the size of a picture.
    Picture,
}

impl How {
    fn of(role: InputRole) -> Self {
        match role {
            InputRole::Lora => Self::Weights,
            InputRole::Vae => Self::Parts,
            InputRole::InitImage | InputRole::Mask | InputRole::Palette => Self::Picture,
        }
    }

    /// Whether a file that looks like this as long as it does is the same file. Small ones that were just written may be
    /// written again within a tick of the clock; a folder does not show what is written to the files in it.
    fn tells_by_stamp(self, path: &Path, stamp: Stamp) -> bool {
        match self {
            Self::Weights => true,
            Self::Parts => !path.is_dir(),
            Self::Picture => stamp.is_settled(),
        }
    }
}

#[derive(Debug)]
enum State {
    /// A thread is reading it.
    Busy,
    /// Its hash when it looked so.
    Known(Stamp, String),
}

/// How a file looks without being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, EngineError> {
        let data = fs::metadata(path).map_err(|source| io_error("reading", path, source))?;
        Ok(Self { length: data.len(), modified: data.modified().ok() })
    }

    /// As words of a note; `None` for a date that tells nothing.
    fn words(self) -> Option<String> {
        let since = self.modified?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{} {}.{:09}", self.length, since.as_secs(), since.subsec_nanos()))
    }

    /// Whether whatever is written to the file from now on gives it another date.
    fn is_settled(self) -> bool {
        self.modified.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|age| age > SETTLED_AFTER)
    }
}

impl HashCache {
    /// A cache that keeps the hashes of large files in `folder`, which is made when there is one to keep.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self(Arc::new(Shared { folder: Some(folder), ..Shared::default() }))
    }

    /// The files that a request names besides its model, as they are now; those that cannot be read are left out.
    /// `stop` is asked again and again while a large file is read.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when `stop` says so.
    pub fn inputs_of(&self, request: &Request, stop: &dyn Fn() -> bool) -> Result<Vec<Input>, EngineError> {
        let mut inputs = Vec::new();
        for (role, path) in named(request) {
            match self.hash(role, path, stop) {
                Ok(sha256) => inputs.push(Input::new(role, path, sha256)),
                Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                Err(_) => {}
            }
        }
        Ok(inputs)
    }

    /// Whether [`inputs_of`](Self::inputs_of) has no large file to read.
    #[must_use]
    pub fn is_quick(&self, request: &Request) -> bool {
        let mut weights = named(request).into_iter().filter(|(role, _)| How::of(*role) == How::Weights);
        weights.all(|(_, path)| {
            // One that is not there is soon found missing.
            let Ok(stamp) = Stamp::of(path) else { return true };
            let key = (path.to_owned(), How::Weights);
            let is_known = matches!(self.lock().get(&key), Some(State::Known(at, _)) if *at == stamp);
            stamp.length <= SMALL_BYTES || is_known || self.noted(path, stamp).is_some()
        })
    }

    /// SHA-256 of a file for this use of it, in hexadecimal.
    pub(crate) fn hash(&self, role: InputRole, path: &Path, stop: &dyn Fn() -> bool) -> Result<String, EngineError> {
        let how = How::of(role);
        let stamp = Stamp::of(path)?;
        let key = (path.to_owned(), how);
        let mut known = self.lock();
        loop {
            match known.get(&key) {
                Some(State::Known(at, hash)) if *at == stamp => return Ok(hash.clone()),
                Some(State::Known(..)) | None => break,
                Some(State::Busy) if stop() => return Err(EngineError::Cancelled),
                Some(State::Busy) => {
                    let waited = self.0.changed.wait_timeout(known, PATIENCE);
                    known = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        known.insert(key.clone(), State::Busy);
        drop(known);
        let mut busy = Busy { cache: self, key, result: None };
        let is_sure = how.tells_by_stamp(path, stamp);
        let hash = match how {
            How::Weights => self.hash_of_weights(path, stamp, stop)?,
            How::Parts => fingerprint::of_path(path)?,
            How::Picture => hash_of(&read_up_to(path, MAX_FILE_BYTES)?),
        };
        // What was written to in between has no one hash.
        if is_sure && Stamp::of(path).is_ok_and(|now| now == stamp) {
            busy.result = Some((stamp, hash.clone()));
        }
        Ok(hash)
    }

    fn hash_of_weights(&self, path: &Path, stamp: Stamp, stop: &dyn Fn() -> bool) -> Result<String, EngineError> {
        if let Some(hash) = self.noted(path, stamp) {
            return Ok(hash);
        }
        let is_settled = stamp.is_settled();
        let hash = hash_of_file(path, stop)?;
        // What was written to in between has no one hash.
        if is_settled && stamp.length > SMALL_BYTES && Stamp::of(path).is_ok_and(|now| now == stamp) {
            self.note(path, stamp, &hash);
        }
        Ok(hash)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(PathBuf, How), State>> {
        // Every change of the map is a single step.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The note on a file, and the file's path as it stands in the note.
    fn note_of(&self, path: &Path) -> Option<(PathBuf, String)> {
        let path = std::path::absolute(path).ok()?.to_string_lossy().into_owned();
        Some((self.0.folder.as_ref()?.join(hash_of(path.as_bytes())), path))
    }

    /// The hash of a file that looks as it did when that was noted.
    fn noted(&self, path: &Path, stamp: Stamp) -> Option<String> {
        let (note, path) = self.note_of(path)?;
        let text = String::from_utf8(read_up_to(&note, MAX_NOTE_BYTES).ok()?).ok()?;
        let hash = text.lines().next()?.strip_prefix(&stamp.words()?)?.trim();
        (is_hash(hash) && text.lines().nth(1) == Some(&path)).then(|| hash.to_owned())
    }

    /// Without the note the file is only read again.
    fn note(&self, path: &Path, stamp: Stamp, hash: &str) {
        let (Some((note, path)), Some(stamp)) = (self.note_of(path), stamp.words()) else { return };
        if let Err(error) = write_whole(&note, format!("{stamp} {hash}\n{path}\n").as_bytes()) {
            tracing::debug!("{path} will be read again at the next start: {error}");
        }
    }
}

/// A file that this thread reads; however that ends, those who wait for it are told.
struct Busy<'a> {
    cache: &'a HashCache,
    key: (PathBuf, How),
    result: Option<(Stamp, String)>,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut known = self.cache.lock();
        match self.result.take() {
            Some((stamp, hash)) => known.insert(self.key.clone(), State::Known(stamp, hash)),
            None => known.remove(&self.key),
        };
        drop(known);
        self.cache.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use pixgen_api::{Kind, LoraRef};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// A file of weights, written some time ago.
    fn weights(path: &Path, first: u8, written: SystemTime) {
        let mut bytes = vec![7; SMALL_BYTES as usize + 1];
        bytes[0] = first;
        fs::write(path, bytes).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
    }

    fn with_lora(path: &Path) -> Request {
        Request { loras: vec![LoraRef { path: path.to_owned(), weight: 1.0 }], ..Request::new(Kind::Item, "x") }
    }

    fn hash(cache: &HashCache, path: &Path) -> String {
        cache.inputs_of(&with_lora(path), &|| false).unwrap().remove(0).sha256
    }

    #[test]
    fn a_large_file_is_read_once_and_for_all_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, notes) = (folder.path().join("a.safetensors"), folder.path().join("hashes"));
        let cache = || HashCache::in_folder(notes.clone());
        let yesterday = SystemTime::now() - DAY;
        weights(&file, 1, yesterday);
        assert!(!cache().is_quick(&with_lora(&file)));
        let first = hash(&cache(), &file);
        assert_eq!(first, hash_of(&fs::read(&file).unwrap()));
        // A later run of the program does not read it: it could not know that this is another content.
        weights(&file, 2, yesterday);
        assert!(cache().is_quick(&with_lora(&file)));
        assert_eq!(hash(&cache(), &file), first);
        weights(&file, 2, yesterday + Duration::from_nanos(100_000));
        assert!(!cache().is_quick(&with_lora(&file)));
        let second = hash(&cache(), &file);
        assert_ne!(second, first);
        // The note of one file is not taken for another, and a damaged one for none.
        let other = folder.path().join("b.safetensors");
        fs::copy(&file, &other).unwrap();
        let note = cache().note_of(&file).unwrap().0;
        fs::copy(&note, cache().note_of(&other).unwrap().0).unwrap();
        assert!(!cache().is_quick(&with_lora(&other)));
        fs::write(&note, "12 13").unwrap();
        assert_eq!(hash(&cache(), &file), second);
        // Nor is anything noted of a file that may still be written to.
        fs::remove_dir_all(&notes).unwrap();
        weights(&file, 3, SystemTime::now());
        hash(&cache(), &file);
        assert!(!notes.exists());
    }

    #[test]
    fn nobody_waits_for_anothers_file_and_a_file_is_read_by_one_thread() {
        let folder = tempfile::tempdir().unwrap();
        let (large, small) = (folder.path().join("large.safetensors"), folder.path().join("small.safetensors"));
        // Sparse: takes no room, and seconds to read.
        fs::File::create(&large).unwrap().set_len(32 << 30).unwrap();
        fs::write(&small, "abc").unwrap();
        let cache = HashCache::default();
        let asked = AtomicUsize::new(0);
        // Ends at the thousandth question, which is after a thousand MiB.
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 1000;
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| cache.inputs_of(&with_lora(&large), &stop));
            while asked.load(Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            let start = Instant::now();
            assert_eq!(hash(&cache, &small), hash_of(b"abc"));
            assert!(!reader.is_finished() && start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
            // One who asks for the same file waits without reading, and hears that it is not wanted any more.
            let second = AtomicUsize::new(0);
            let heard = cache.inputs_of(&with_lora(&large), &|| second.fetch_add(1, Ordering::Relaxed) >= 3);
            assert!(matches!(heard, Err(EngineError::Cancelled)), "{heard:?}");
            assert!(!reader.is_finished(), "{:?}", start.elapsed());
            asked.store(1000, Ordering::Relaxed);
            assert!(matches!(reader.join().unwrap(), Err(EngineError::Cancelled)));
        });
        assert!(cache.lock().values().all(|state| !matches!(state, State::Busy)));
    }
}
