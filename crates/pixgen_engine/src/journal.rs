//! The queue on disk: one small file per job that has not ended, so that a restart finds what was still to be done.
//!
//! A thread of its own writes, in the order in which it is told: a slow disk keeps nobody waiting who asks for a job. What
//! was asked for is on the disk as soon as what was asked for before it is, usually within some hundredths of a second;
//! in any case before it is begun, which the engine's thread waits for, and before the engine is dropped. A program that
//! is killed sooner forgets it.
//!
//! A job's file is removed after the job has ended. Each is written whole or not at all; one that cannot be read costs its
//! own job and no other. A program that is killed by the very job that it draws must not be killed again at every start:
//! a job that was begun [`MAX_STARTS`] times without an end is given up.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
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

/// The handle to the folder of waiting jobs and to the thread that writes there. Dropping it waits until all is written.
#[derive(Debug)]
pub(crate) struct Journal {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// Is told what came of writing.
type Told = Box<dyn FnOnce(Result<(), EngineError>) + Send>;

/// What the thread is told to do.
enum Order {
    Write { order: u64, entry: Box<Entry>, told: Told },
    Remove(u64),
}

/// A job that waits on disk, behind its place in the order.
pub(crate) type Waiting = (u64, Entry);

/// Something that is being written.
#[must_use]
pub(crate) struct Writing(Receiver<Result<(), EngineError>>);

impl Writing {
    /// Waits until it is on the disk.
    pub(crate) fn wait(self) -> Result<(), EngineError> {
        self.0.recv().unwrap_or_else(|_| Err(no_thread()))
    }
}

impl Journal {
    /// Opens the folder and reads the jobs in it, in their order. `None` when another program uses it.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or the operating system refuses a thread.
    pub(crate) fn open(folder: PathBuf) -> Result<Option<(Self, Vec<Waiting>)>, EngineError> {
        let Some((folder, jobs)) = Folder::open(folder)? else { return Ok(None) };
        let (orders, inbox) = crossbeam_channel::unbounded();
        let thread = std::thread::Builder::new()
            .name("pixgen-journal".to_owned())
            .spawn(move || folder.work(&inbox))
            .map_err(|source| io_error("starting", "the thread that writes the queue", source))?;
        Ok(Some((Self { orders: Some(orders), thread: Some(thread) }, jobs)))
    }

    /// Has a job written down, or what has changed about it; `told` hears of it on the thread that writes.
    pub(crate) fn write(&self, order: u64, entry: &Entry, told: impl FnOnce(Result<(), EngineError>) + Send + 'static) {
        // One that will be asked for again anyway is not written down.
        if entry.is_passing {
            return told(Ok(()));
        }
        self.send(Order::Write { order, entry: Box::new(entry.clone()), told: Box::new(told) });
    }

    /// The same for one who may wait until it is there.
    pub(crate) fn begin_to_write(&self, order: u64, entry: &Entry) -> Writing {
        let (sender, written) = crossbeam_channel::bounded(1);
        self.write(order, entry, move |result| {
            // Whoever asked may not care.
            let _ = sender.send(result);
        });
        Writing(written)
    }

    /// The job has ended.
    pub(crate) fn remove(&self, order: u64) {
        self.send(Order::Remove(order));
    }

    fn send(&self, order: Order) {
        // Nobody is told: the caller may hold the lock that the one who is told would take.
        if let Some(Err(_)) = self.orders.as_ref().map(|orders| orders.send(order)) {
            tracing::warn!("{}: waiting jobs will not survive the end of the program", no_thread());
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has cost what it was about; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn no_thread() -> EngineError {
    io_error("writing", "the queue", io::Error::other("the thread that writes it has ended with an internal error"))
}

/// The folder of waiting jobs; it belongs to one engine at a time.
struct Folder {
    folder: PathBuf,
    /// Released by the system when the program ends, however it ends.
    _lock: File,
}

impl Folder {
    fn open(folder: PathBuf) -> Result<Option<(Self, Vec<Waiting>)>, EngineError> {
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

    /// Writes until the handle is dropped.
    fn work(self, orders: &Receiver<Order>) {
        for order in orders {
            match order {
                Order::Write { order, entry, told } => told(self.write(order, &entry)),
                Order::Remove(order) => self.remove(order),
            }
        }
    }

    fn file(&self, order: u64) -> PathBuf {
        file_in(&self.folder, order)
    }

    fn write(&self, order: u64, entry: &Entry) -> Result<(), EngineError> {
        let path = self.file(order);
        let text = ron::to_string(entry).map_err(|error| io_error("writing", &path, io::Error::other(error)))?;
        write_whole(&path, text.as_bytes())
    }

    fn remove(&self, order: u64) {
        let path = self.file(order);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{} cannot be removed ({error}): the job would run again after a restart", path.display());
        }
    }
}

fn file_in(folder: &Path, order: u64) -> PathBuf {
    folder.join(format!("{order:020}.{EXTENSION}"))
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
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("queue");
        let (journal, jobs) = Journal::open(folder.clone()).unwrap().unwrap();
        assert!(jobs.is_empty());
        for (order, prompt) in [(11, "third"), (2, "first"), (9, "second"), (5, "gone")] {
            journal.begin_to_write(order, &entry(prompt)).wait().unwrap();
            assert!(file_in(&folder, order).is_file());
        }
        journal.begin_to_write(6, &Entry { is_passing: true, ..entry("passing") }).wait().unwrap();
        journal.remove(5);
        journal.remove(77);
        assert!(Journal::open(folder.clone()).unwrap().is_none(), "one engine at a time");
        drop(journal);
        fs::write(file_in(&folder, 3), "(request: (prompt: \"half").unwrap();
        // No number of ours: the next job would have none.
        fs::copy(file_in(&folder, 2), file_in(&folder, u64::MAX)).unwrap();
        let (_journal, jobs) = Journal::open(folder).unwrap().unwrap();
        let expected = [(2, "first"), (9, "second"), (11, "third")]
            .map(|(order, prompt)| (order, Entry { restored: true, ..entry(prompt) }));
        assert_eq!(jobs, expected);
    }

    #[test]
    fn what_was_told_is_written_before_the_handle_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("queue");
        let (journal, _) = Journal::open(folder.clone()).unwrap().unwrap();
        (0..40).for_each(|order| journal.write(order, &entry("x"), |_| ()));
        (0..40).step_by(2).for_each(|order| journal.remove(order));
        drop(journal);
        let (_journal, jobs) = Journal::open(folder).unwrap().unwrap();
        assert!(jobs.iter().map(|(order, _)| *order).eq((1..40).step_by(2)));
    }
}
