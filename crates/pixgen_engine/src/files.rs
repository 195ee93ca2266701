//! Files that are written whole or not at all, and named by their content.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::EngineError;

/// How temporary files begin and end.
const TEMPORARY: (&str, &str) = (".pixgen-", ".tmp");
/// A temporary file that old belongs to a program that was killed while it wrote.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// Writes beside `path` and renames: `path` holds its old content or all of the new one, whenever the program is killed
/// and, as the data is on the disk before the name is, when the power fails.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let failed = |source| io_error("writing", path, source);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!("{}{}-{number}{}", TEMPORARY.0, std::process::id(), TEMPORARY.1));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
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

/// The content of a file of at most `max_bytes`.
pub(crate) fn read_up_to(path: &Path, max_bytes: u64) -> Result<Vec<u8>, EngineError> {
    let length = fs::metadata(path).map_err(|source| io_error("reading", path, source))?.len();
    if length > max_bytes {
        let reason = io::Error::other(format!("it has {length} bytes, at most {max_bytes} are read"));
        return Err(io_error("reading", path, reason));
    }
    read(path)
}

/// The content of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, EngineError> {
    fs::read(path).map_err(|source| io_error("reading", path, source))
}

pub(crate) fn io_error(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> EngineError {
    EngineError::Io { action, path: path.into(), source }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file in hexadecimal, however large it is.
pub(crate) fn hash_of_file(path: &Path) -> Result<String, EngineError> {
    let failed = |source| io_error("reading", path, source);
    let mut hasher = Sha256::new();
    io::copy(&mut fs::File::open(path).map_err(failed)?, &mut hasher).map_err(failed)?;
    Ok(hex(&hasher.finalize()))
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
        assert_eq!(hash_of_file(&path).unwrap(), hash_of(b"abc"));
        assert!(is_hash(&hash_of(b"abc")) && !is_hash("../x"));
        assert!(read_up_to(&path, 2).unwrap_err().to_string().contains("3 bytes"));
    }
}
