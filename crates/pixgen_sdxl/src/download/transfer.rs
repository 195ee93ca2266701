//! One file from the server to the disk: in pieces if it must be, and only under its name once its hash is right.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::DownloadProgress;
use super::hub::{Hash, Hub, HubFile};
use crate::Error;

const BUFFER_BYTES: usize = 1 << 18;
/// Breaks in a row, without a byte between them, after which the caller is told.
const BREAKS: u32 = 4;
/// The first pause after a break; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// The observer is not called more often, but for the beginning and the end of a file.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// How far all files are, and who wants to know.
pub(super) struct Progress<'a> {
    done_bytes: u64,
    total_bytes: u64,
    observe: &'a mut dyn FnMut(&DownloadProgress) -> ControlFlow<()>,
    reported: Option<Instant>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(total_bytes: u64, observe: &'a mut dyn FnMut(&DownloadProgress) -> ControlFlow<()>) -> Self {
        Self { done_bytes: 0, total_bytes, observe, reported: None }
    }

    /// `here` bytes of `file` are on the disk, besides the files before it.
    fn report(&mut self, file: &str, here: u64, always: bool) -> Result<(), Error> {
        if !always && self.reported.is_some_and(|at| at.elapsed() < REPORT_EVERY) {
            return Ok(());
        }
        self.reported = Some(Instant::now());
        let progress = DownloadProgress {
            file: file.to_owned(),
            done_bytes: self.done_bytes + here,
            total_bytes: self.total_bytes,
        };
        match (self.observe)(&progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// Brings `file` into `folder`, unless it is there.
pub(super) fn fetch(
    hub: &Hub,
    commit: &str,
    file: &HubFile,
    folder: &Path,
    progress: &mut Progress<'_>,
) -> Result<(), Error> {
    let path = folder.join(&file.path);
    let disk = |reason: io::Error| Error::Download {
        file: file.path.clone(),
        reason: format!("{} cannot be written ({reason}): check its permissions and the disk", path.display()),
    };
    // Only a file with the right hash ever got this name.
    if fs::metadata(&path).is_ok_and(|found| found.len() == file.size) {
        progress.report(&file.path, file.size, true)?;
        progress.done_bytes += file.size;
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(disk)?;
    }
    let part = PathBuf::from(format!("{}.part", path.display()));
    let mut transfer = Transfer { hub, commit, file, part: &part, progress };
    let mut resumed = transfer.length().map_err(disk)? > 0;
    loop {
        transfer.complete()?;
        if hash_of(&part, &file.hash, file.size).map_err(disk)? == file.hash {
            break;
        }
        fs::remove_file(&part).map_err(disk)?;
        // The first part may be from a time when the file was another one.
        if !resumed {
            return Err(Error::Download {
                file: file.path.clone(),
                reason:
                    "what arrived has another hash than the server lists, and was removed: try again; if that does \
                         not help, the server or something on the way to it changes files"
                        .to_owned(),
            });
        }
        resumed = false;
    }
    fs::rename(&part, &path).map_err(disk)?;
    progress.done_bytes += file.size;
    Ok(())
}

struct Transfer<'a, 'b> {
    hub: &'a Hub,
    commit: &'a str,
    file: &'a HubFile,
    part: &'a Path,
    progress: &'a mut Progress<'b>,
}

/// Why a piece ended early.
enum Broken {
    /// The connection: it may be taken up again.
    Connection(String),
    Final(Error),
}

impl Transfer<'_, '_> {
    fn length(&self) -> io::Result<u64> {
        match fs::metadata(self.part) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn error(&self, reason: String) -> Error {
        Error::Download { file: self.file.path.clone(), reason }
    }

    fn disk(&self, reason: &io::Error) -> Error {
        self.error(format!("{} cannot be written ({reason}): check the disk", self.part.display()))
    }

    /// Transfers what is missing, over as many connections as it takes.
    fn complete(&mut self) -> Result<(), Error> {
        let mut breaks = 0;
        loop {
            let before = self.length().map_err(|reason| self.disk(&reason))?;
            self.progress.report(&self.file.path, before.min(self.file.size), true)?;
            if before == self.file.size && self.part.exists() {
                return Ok(());
            }
            let reason = match self.piece(before) {
                Ok(()) => return self.progress.report(&self.file.path, self.file.size, true),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Connection(reason)) => reason,
            };
            let after = self.length().map_err(|reason| self.disk(&reason))?;
            breaks = if after > before { 1 } else { breaks + 1 };
            if breaks >= BREAKS {
                let size = self.file.size;
                return Err(self.error(format!(
                    "the connection broke {BREAKS} times in a row ({reason}); {after} of {size} bytes are on the disk: \
                     try again, and the download goes on from there"
                )));
            }
            tracing::debug!(%reason, after, "a download broke off");
            sleep(PAUSE * 2u32.pow(breaks - 1));
        }
    }

    /// One connection that gives everything from byte `begin` on, or breaks.
    fn piece(&mut self, begin: u64) -> Result<(), Broken> {
        // A part that is longer than the file is of no use.
        let begin = if begin > self.file.size { 0 } else { begin };
        let response = self
            .hub
            .get_file(self.commit, self.file, begin)
            .map_err(|reason| Broken::Connection(reason.to_string()))?;
        let status = response.status().as_u16();
        let continues = response
            .headers()
            .get("content-range")
            .and_then(|range| range.to_str().ok())
            .is_some_and(|range| range.starts_with(&format!("bytes {begin}-")));
        let begin = match status {
            206 if continues => begin,
            // The server gives the whole file: it may not know of ranges.
            200 => 0,
            206 | 416 => {
                // It does not give what was asked for: the next piece begins anew.
                fs::remove_file(self.part).map_err(|reason| Broken::Final(self.disk(&reason)))?;
                return Err(Broken::Connection("the server gave another range than was asked for".to_owned()));
            }
            429 | 500..=599 => return Err(Broken::Connection(format!("the server answers with the status {status}"))),
            _ => return Err(Broken::Final(self.error(self.hub.refusal(status)))),
        };
        let open = |begin: u64| -> io::Result<File> {
            let file = OpenOptions::new().create(true).append(true).open(self.part)?;
            file.set_len(begin)?;
            Ok(file)
        };
        let mut target = open(begin).map_err(|reason| Broken::Final(self.disk(&reason)))?;
        // No more than what is missing, whatever the server sends.
        let mut body = response.into_body().into_reader().take(self.file.size - begin);
        let (mut here, mut buffer) = (begin, vec![0; BUFFER_BYTES]);
        while here < self.file.size {
            let count = match body.read(&mut buffer) {
                Ok(0) => return Err(Broken::Connection("the server ended early".to_owned())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Connection(error.to_string())),
            };
            target.write_all(&buffer[..count]).map_err(|reason| Broken::Final(self.disk(&reason)))?;
            here += count as u64;
            self.progress.report(&self.file.path, here, false).map_err(Broken::Final)?;
        }
        target.sync_all().map_err(|reason| Broken::Final(self.disk(&reason)))
    }
}

/// The hash of a file, of the kind that `like` is.
fn hash_of(path: &Path, like: &Hash, size: u64) -> io::Result<Hash> {
    fn digest<D: Digest>(mut digest: D, path: &Path) -> io::Result<String> {
        let (mut file, mut buffer) = (File::open(path)?, vec![0; BUFFER_BYTES]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => digest.update(&buffer[..count]),
            }
        }
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
    Ok(match like {
        Hash::Sha256(_) => Hash::Sha256(digest(Sha256::new(), path)?),
        Hash::Git(_) => Hash::Git(digest(Sha1::new_with_prefix(format!("blob {size}\0")), path)?),
    })
}
