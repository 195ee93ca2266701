//! Files that are written whole or not at all, and named by their content.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::EngineError;

/// How temporary files begin and end.
const TEMPORARY: (&str, &str) = (".pixgen-", ".tmp");
/// A temporary file that old belongs to a program that was killed while it wrote.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);
/// Largest file of a sprite, or of what somebody put in its place, that is read.
const MAX_SPRITE_BYTES: u64 = 256 << 20;
/// Largest file of weights that is hashed: twice the largest checkpoint of SDXL in f64.
const MAX_WEIGHTS_BYTES: u64 = 64 << 30;
/// Bytes that are hashed at once.
const HASHED_AT_ONCE: usize = 1 << 20;

/// Writes beside `path` and renames: `path` holds its old content or all of the new one, whenever the program is killed
/// and, as the data is on the disk before the name is, when the power fails.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    write_whole_if(path, bytes, || true).map(|_| ())
}

/// The same, unless `may` says no when all is ready and only the name is missing. Returns whether it was written.
pub(crate) fn write_whole_if(path: &Path, bytes: &[u8], may: impl FnOnce() -> bool) -> Result<bool, EngineError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let failed = |source| io_error("writing", path, source);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!("{}{}-{number}{}", TEMPORARY.0, std::process::id(), TEMPORARY.1));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()))
        .and_then(|()| if may() { fs::rename(&temporary, path).map(|()| true) } else { Ok(false) });
    if !matches!(written, Ok(true)) {
        // The folder may be unwritable or the disk full; what is left over is only a temporary file.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

/// Removes what programs that were killed have left half-written in a folder. A folder that cannot be read is left alone.
pub(crate) fn sweep(folder: &Path) {
    let now = SystemTime::now();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if !(name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)) {
            continue;
        }
        // Another program may be writing right now.
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| now.duration_since(at).ok());
        if age.is_some_and(|age| age > ABANDONED_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Refuses everything but files: a pipe would keep its reader waiting for ever, and a device never ends.
pub(crate) fn check_is_file(path: &Path, data: &fs::Metadata) -> Result<(), EngineError> {
    if data.is_file() {
        return Ok(());
    }
    let found = if data.is_dir() { "a folder" } else { "a pipe or a device" };
    Err(EngineError::NoFile { path: path.to_owned(), found })
}

/// Opens a file of at most `max_bytes`; the second value is how many it has. 0 is what files of the system such as those
/// in `/proc` say, which may give text without end: nothing is read of them.
pub(crate) fn open_up_to(path: &Path, max_bytes: u64) -> Result<(fs::File, u64), EngineError> {
    let failed = |source| io_error("reading", path, source);
    // Before it is opened, which is where a pipe waits.
    check_is_file(path, &fs::metadata(path).map_err(failed)?)?;
    let file = fs::File::open(path).map_err(failed)?;
    let data = file.metadata().map_err(failed)?;
    check_is_file(path, &data)?;
    if data.len() > max_bytes { Err(too_large(path, data.len(), max_bytes)) } else { Ok((file, data.len())) }
}

fn too_large(path: &Path, found_bytes: u64, max_bytes: u64) -> EngineError {
    let reason = io::Error::other(format!("it has {found_bytes} bytes or more, at most {max_bytes} are read"));
    io_error("reading", path, reason)
}

/// The content of a file of at most `max_bytes`.
pub(crate) fn read_up_to(path: &Path, max_bytes: u64) -> Result<Vec<u8>, EngineError> {
    let (file, length) = open_up_to(path, max_bytes)?;
    let mut bytes = Vec::new();
    if length > 0 {
        // It may grow while it is read.
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| io_error("reading", path, e))?;
    }
    let found_bytes = bytes.len() as u64;
    if found_bytes > max_bytes { Err(too_large(path, found_bytes, max_bytes)) } else { Ok(bytes) }
}

/// The content of a sprite's file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, EngineError> {
    read_up_to(path, MAX_SPRITE_BYTES)
}

pub(crate) fn io_error(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> EngineError {
    EngineError::Io { action, path: path.into(), source }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file of weights in hexadecimal. `stop` is asked again and again: gigabytes take a while.
pub(crate) fn hash_of_file(path: &Path, stop: &dyn Fn() -> bool) -> Result<String, EngineError> {
    let (file, length) = open_up_to(path, MAX_WEIGHTS_BYTES)?;
    let mut file = file.take(length);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASHED_AT_ONCE];
    loop {
        if stop() {
            return Err(EngineError::Cancelled);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(io_error("reading", path, source)),
        }
    }
}

/// Whether a text is what [`hash_of`] gives.
pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_temporary_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age_s: u64| {
            let path = folder.path().join(name);
            fs::write(&path, "x").unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).unwrap();
        };
        file(".pixgen-1-0.tmp", 3600);
        file(".pixgen-2-0.tmp", 1);
        file("sprite.png", 3600);
        sweep(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".pixgen-2-0.tmp", "sprite.png"]);
        sweep(&folder.path().join("no such folder"));
    }

    #[test]
    fn a_file_is_hashed_like_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"abc").unwrap();
        assert_eq!(hash_of_file(&path, &|| false).unwrap(), hash_of(b"abc"));
        assert!(matches!(hash_of_file(&path, &|| true), Err(EngineError::Cancelled)));
        assert!(is_hash(&hash_of(b"abc")) && !is_hash("../x"));
        assert!(read_up_to(&path, 2).unwrap_err().to_string().contains("3 bytes"));
    }
}
