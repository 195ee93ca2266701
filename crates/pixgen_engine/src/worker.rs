//! The engine's thread: takes one job after another, and outlives everything that happens in them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::Sender;
use pixgen_api::{Event, EventKind};

use crate::job::Tools;
use crate::journal::Journal;
use crate::loaded::Slot;
use crate::queue::{Job, Next, Queue};
use crate::{EngineError, HashCache, Store, job};

/// What the thread owns.
pub(crate) struct Worker {
    pub(crate) queue: Arc<Queue>,
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) events: Sender<Event>,
    pub(crate) store: Store,
    pub(crate) fresh_seed: Box<dyn FnMut() -> u64 + Send>,
    pub(crate) unload_after: Option<Duration>,
    pub(crate) slot: Slot,
    pub(crate) hashes: HashCache,
}

impl Worker {
    /// Works until the engine is dropped. Models compute in `pool` and nowhere else.
    ///
    /// Should this thread ever end otherwise, nobody waits in vain: all jobs fail, and later ones are refused.
    pub(crate) fn run(mut self, pool: &rayon::ThreadPool) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work_until_closed(pool))) else { return };
        tracing::error!("the inference thread ends: {}", panic_text(panic.as_ref()));
        for job in self.queue.stop() {
            if let Some(journal) = &self.journal {
                journal.remove(job.order);
            }
            let _ = self.events.send(Event { job: job.id, kind: EventKind::Failed(EngineError::Stopped.to_string()) });
        }
    }

    fn work_until_closed(&mut self, pool: &rayon::ThreadPool) {
        loop {
            match self.queue.next(self.unload_after) {
                Next::Close => return,
                Next::Unload => pool.install(|| self.unload()),
                Next::Job(job) => pool.install(|| self.work(*job)),
            }
        }
    }

    fn unload(&mut self) {
        self.slot.unload();
        self.queue.set_loaded(None);
    }

    fn work(&mut self, mut job: Job) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let tools = Tools {
                queue: &self.queue,
                journal: self.journal.as_deref(),
                events: &self.events,
                store: &self.store,
                hashes: &self.hashes,
            };
            job::draw(&mut job, tools, &mut self.slot, &mut self.fresh_seed)
        }));
        let kind = match outcome {
            Ok(Ok(images)) => EventKind::Done(images),
            Ok(Err(EngineError::Cancelled)) => EventKind::Cancelled,
            Ok(Err(error)) => {
                if matches!(error, EngineError::OutOfMemory { .. }) {
                    self.slot.unload();
                }
                EventKind::Failed(error.to_string())
            }
            Err(panic) => {
                // Whatever state the model was left in, the next job gets a fresh one.
                self.slot.unload();
                EventKind::Failed(EngineError::Panicked(panic_text(panic.as_ref())).to_string())
            }
        };
        self.queue.set_loaded(self.slot.loaded());
        // A job that ends because the engine is dropped has not ended for the user: it goes on after a restart.
        let by_user = job.cancelled.load(Ordering::Relaxed);
        let interrupted = kind == EventKind::Cancelled && !by_user && self.queue.is_closed();
        if let Some(journal) = self.journal.as_deref().filter(|_| !interrupted) {
            journal.remove(job.order);
        } else if let Some(journal) = self.journal.as_deref() {
            // It was not the job's fault.
            job.entry.starts = job.entry.starts.saturating_sub(1);
            if let Err(error) = journal.begin_to_write(job.order, &job.entry).wait() {
                tracing::warn!("{error}");
            }
        }
        self.queue.ended(|| {
            // The engine holds the other end until this thread has ended.
            let _ = self.events.send(Event { job: job.id, kind });
        });
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
