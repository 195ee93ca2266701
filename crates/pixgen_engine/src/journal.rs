//! The queue on disk: one small file per job that has not ended, so that a restart finds what was still to be done.
//!
//! A file is written before the job can start and removed after it has ended. Each is written whole or not at all; one
//! that cannot be read costs its own job and no other. A program that is killed by the very job that it draws must not
//! be killed again at every start: a job that was begun [`MAX_STARTS`] times without an end is given up.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pixgen_api::{Priority, Request};
use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::files::{io_error, read_up_to, write_whole};

/// How often a job may be begun.
pub(crate) const MAX_STARTS: u32 = 5;
/// Largest file of a job: far above what a request with the longest prompts takes.
const MAX_ENTRY_BYTES: u64 = 1 << 20;
const EXTENSION: &str = "job.ron";
/// Largest number of a job that is read back.
const MAX_ORDER: u64 = u64::MAX / 2;

/// What survives of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// What was asked for; once the job has begun, with its seed.
    pub(crate) request: Request,
    #[serde(default)]
    pub(crate) priority: Priority,
    /// What the front end wrote on it.
    #[serde(default)]
    pub(crate) tag: Option<String>,
    /// The recipe as it is written, where the request names its files in other words.
    #[serde(default)]
    pub(crate) written: Option<Request>,
    /// Hash of what was asked for, before the seed was settled; `None` until the job has begun.
    #[serde(default)]
    pub(crate) recipe: Option<String>,
    /// Hashes of the images that are finished, in their order.
    #[serde(default)]
    pub(crate) finished: Vec<String>,
    /// How often it was begun.
    #[serde(default)]
    pub(crate) starts: u32,
    /// Whether it was read from disk.
    #[serde(skip)]
    pub(crate) restored: bool,
    /// Whether it is not to survive a restart.
    #[serde(skip)]
    pub(crate) is_passing: bool,
}

/// The folder of waiting jobs; it belongs to one engine at a time.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    /// Released by the system when the program ends, however it ends.
    _lock: File,
}

/// A job that waits on disk, behind its place in the order.
pub(crate) type Waiting = (u64, Entry);

impl Journal {
    /// Opens the folder and reads the jobs in it, in their order. `None` when another program uses it.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn open(folder: PathBuf) -> Result<Option<(Self, Vec<Waiting>)>, EngineError> {
        let failed = |action: &'static str| {
            let folder = folder.clone();
            move |source| io_error(action, folder, source)
        };
        fs::create_dir_all(&folder).map_err(failed("making"))?;
        let lock = File::create(folder.join("lock")).map_err(failed("locking"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(source)) => return Err(failed("locking")(source)),
        }
        let mut jobs = Vec::new();
        for file in fs::read_dir(&folder).map_err(failed("reading"))? {
            let path = file.map_err(failed("reading"))?.path();
            let Some(order) = order_of(&path) else { continue };
            match read_entry(&path) {
                Ok(entry) => jobs.push((order, Entry { restored: true, ..entry })),
                Err(error) => tracing::warn!("a waiting job cannot be read and is left where it is: {error}"),
            }
        }
        jobs.sort_by_key(|(order, _)| *order);
        Ok(Some((Self { folder, _lock: lock }, jobs)))
    }

    fn file(&self, order: u64) -> PathBuf {
        self.folder.join(format!("{order:020}.{EXTENSION}"))
    }

    /// Writes a job down, or what has changed about it; not one that will be asked for again anyway.
    pub(crate) fn write(&self, order: u64, entry: &Entry) -> Result<(), EngineError> {
        if entry.is_passing {
            return Ok(());
        }
        let path = self.file(order);
        let text = ron::to_string(entry).map_err(|error| io_error("writing", &path, io::Error::other(error)))?;
        write_whole(&path, text.as_bytes())
    }

    /// The job has ended.
    pub(crate) fn remove(&self, order: u64) {
        let path = self.file(order);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{} cannot be removed ({error}): the job would run again after a restart", path.display());
        }
    }
}

/// `None` for files that are none of ours, and for numbers behind which there would be no room for new jobs.
fn order_of(path: &Path) -> Option<u64> {
    let order = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok()?;
    (order <= MAX_ORDER).then_some(order)
}

fn read_entry(path: &Path) -> Result<Entry, EngineError> {
    let bytes = read_up_to(path, MAX_ENTRY_BYTES)?;
    ron::de::from_bytes(&bytes).map_err(|error| io_error("reading", path, io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use pixgen_api::Kind;

    use super::*;

    fn entry(prompt: &str) -> Entry {
        Entry {
            request: Request::new(Kind::Item, prompt),
            priority: Priority::High,
            tag: Some("items/key.png".to_owned()),
            written: Some(Request::new(Kind::Item, "as written")),
            recipe: Some("cd".to_owned()),
            finished: vec!["ab".to_owned()],
            starts: 1,
            restored: false,
            is_passing: false,
        }
    }

    #[test]
    fn jobs_come_back_in_order_and_a_damaged_one_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, jobs) = Journal::open(folder.path().join("queue")).unwrap().unwrap();
        assert!(jobs.is_empty());
        for (order, prompt) in [(11, "third"), (2, "first"), (9, "second"), (5, "gone")] {
            journal.write(order, &entry(prompt)).unwrap();
        }
        journal.write(6, &Entry { is_passing: true, ..entry("passing") }).unwrap();
        journal.remove(5);
        journal.remove(77);
        fs::write(journal.file(3), "(request: (prompt: \"half").unwrap();
        assert!(Journal::open(folder.path().join("queue")).unwrap().is_none(), "one engine at a time");
        // No number of ours: the next job would have none.
        fs::copy(journal.file(2), journal.file(u64::MAX)).unwrap();
        drop(journal);
        let (_journal, jobs) = Journal::open(folder.path().join("queue")).unwrap().unwrap();
        let expected = [(2, "first"), (9, "second"), (11, "third")]
            .map(|(order, prompt)| (order, Entry { restored: true, ..entry(prompt) }));
        assert_eq!(jobs, expected);
    }
}
