//! The engine's handle: what front ends call. The work is done by [`worker`](crate::worker) on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use pixgen_api::{DevicePreference, Event, EventKind, JobId, Priority, Request};

use crate::journal::{Entry, Journal, MAX_STARTS};
use crate::loaded::Slot;
use crate::queue::{CancelledJob, Job, JobStatus, Queue};
use crate::worker::Worker;
use crate::{EngineConfig, EngineError, InMemory, JobOptions, Preflight, Store, Weights, files};

/// Most jobs that may wait: above it somebody's loop asks without end, and each takes memory.
const MAX_JOBS: usize = 10_000;

/// The handle to the inference thread. Dropping it cancels what runs and waits for the thread to end: a step at most, or
/// the rest of loading a model, which cannot be interrupted.
///
/// With [`EngineConfig::keep_queue`], jobs that wait or run when the engine is dropped, or when the program is killed, go
/// on when it starts again: with the same seed, after the images that are finished. A thread writes them down, so that no
/// call here waits for a disk: a job is safe some hundredths of a second after it was asked for, or after those that were
/// asked for before it, and in any case before it is begun.
pub struct Engine {
    store: Store,
    device: DevicePreference,
    queue: Arc<Queue>,
    journal: Option<Arc<Journal>>,
    next_order: AtomicU64,
    event_sender: Sender<Event>,
    events: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the inference thread. No model is loaded before the first job.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let EngineConfig {
            store,
            device,
            loader,
            hashes,
            cpu_threads,
            fresh_seed,
            unload_after,
            keep_queue,
            start_paused,
            ..
        } = config;
        store.sweep();
        let (event_sender, events) = crossbeam_channel::unbounded();
        let queue = Arc::new(Queue::default());
        queue.set_paused(start_paused);
        let (journal, kept) = if keep_queue { open_journal(&store) } else { (None, Vec::new()) };
        let threads = cpu_threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1)
        });
        let no_thread = |source| files::io_error("starting", "the inference thread", source);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("pixgen-cpu-{index}"))
            .build()
            .map_err(|e| no_thread(std::io::Error::other(e)))?;
        let mut engine = Self {
            store: store.clone(),
            device,
            queue: Arc::clone(&queue),
            journal: journal.clone(),
            next_order: AtomicU64::new(kept.last().map_or(0, |(order, _)| order.saturating_add(1))),
            event_sender: event_sender.clone(),
            events,
            thread: None,
        };
        for (order, entry) in kept {
            engine.take_up(order, entry);
        }
        let worker = Worker {
            queue,
            journal,
            events: event_sender,
            store,
            fresh_seed,
            unload_after,
            slot: Slot::new(loader),
            hashes,
        };
        let thread = std::thread::Builder::new()
            .name("pixgen-inference".to_owned())
            .spawn(move || worker.run(&pool))
            .map_err(no_thread)?;
        engine.thread = Some(thread);
        Ok(engine)
    }

    /// Puts a job of an earlier run into the queue.
    fn take_up(&self, order: u64, entry: Entry) {
        let id = JobId::fresh();
        if entry.starts >= MAX_STARTS {
            self.forget(order);
            return self.refuse(id, &EngineError::GaveUp { starts: entry.starts });
        }
        self.enqueue(Job { id, entry, order, cancelled: Arc::default() }, false);
    }

    /// Queues a request. Everything that happens to it comes out of [`events`](Self::events), an error too.
    pub fn submit(&self, request: Request) -> JobId {
        let id = JobId::fresh();
        self.submit_as(id, request);
        id
    }

    /// The same for a caller that had to name the job before it could reach the engine.
    pub fn submit_as(&self, id: JobId, request: Request) {
        self.submit_with(id, request, JobOptions::default());
    }

    /// The same with a priority and a note.
    pub fn submit_with(&self, id: JobId, request: Request, options: JobOptions) {
        // What no model could draw is not even written down.
        let refused = match request.validate() {
            Err(error) => Some(error.into()),
            Ok(()) if self.queue.len() >= MAX_JOBS => Some(EngineError::QueueFull { most: MAX_JOBS }),
            Ok(()) => None,
        };
        if let Some(error) = refused {
            return self.refuse(id, &error);
        }
        let JobOptions { priority, tag, recipe, is_passing } = options;
        let entry = Entry {
            request,
            priority,
            tag,
            written: recipe,
            recipe: None,
            finished: Vec::new(),
            starts: 0,
            restored: false,
            is_passing,
        };
        let order = self.next_order.fetch_add(1, Ordering::Relaxed);
        self.enqueue(Job { id, entry, order, cancelled: Arc::default() }, true);
    }

    /// Puts a job where it will be drawn, if there is anybody who will; `is_new` has it written down.
    fn enqueue(&self, job: Job, is_new: bool) {
        let (id, order) = (job.id, job.order);
        let is_queued = self.queue.push(job, |job, ahead| {
            self.send(id, EventKind::Queued { ahead });
            if is_new {
                self.keep(job, "the job");
            }
        });
        if !is_queued {
            self.forget(order);
            self.refuse(id, &EngineError::Stopped);
        }
    }

    /// Has a job written down for the next start. Nobody waits for the disk here; where it fails, the job says so.
    fn keep(&self, job: &Job, what: &'static str) {
        let Some(journal) = &self.journal else { return };
        let (id, queue, events) = (job.id, Arc::clone(&self.queue), self.event_sender.clone());
        journal.write(job.order, &job.entry, move |written| {
            let Err(error) = written else { return };
            let warning = EventKind::Warning(format!("{what} would not survive a restart: {error}"));
            // The engine holds the other end until everything is written.
            queue.unless_ended(id, || _ = events.send(Event { job: id, kind: warning }));
        });
    }

    /// Ends a job that never enters the queue.
    fn refuse(&self, id: JobId, error: &EngineError) {
        self.send(id, EventKind::Queued { ahead: self.queue.len() });
        self.send(id, EventKind::Failed(error.to_string()));
    }

    /// Moves a waiting job before or behind others. Running, ended and unknown jobs are left alone.
    pub fn set_priority(&self, job: JobId, priority: Priority) {
        self.queue.set_priority(job, priority, |moved| self.keep(moved, "the new priority"));
    }

    /// Cancels a job: one that waits at once, one that runs at its next step. Unknown and ended jobs are left alone.
    pub fn cancel(&self, job: JobId) {
        if let CancelledJob::Waiting = self.queue.cancel(job, |order| self.forget(order)) {
            self.send(job, EventKind::Cancelled);
        }
    }

    /// Cancels everything that waits or runs.
    pub fn cancel_all(&self) {
        // From the end: a job that waits must not become the running one in between.
        for job in self.queue.jobs().iter().rev() {
            self.cancel(job.id);
        }
    }

    /// Halts: no job begins, and the one that runs stands still before its next step.
    pub fn pause(&self) {
        self.queue.set_paused(true);
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.queue.set_paused(false);
    }

    /// Whether the queue is halted.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.queue.is_paused()
    }

    /// Jobs that have not ended: the running one, then those that wait, in the order in which they will run. Right after
    /// a start these are the jobs of the run before.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobStatus> {
        self.queue.jobs()
    }

    /// How many jobs have not ended.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Lets the model go, after the running job if there is one. The next job loads it again.
    pub fn unload(&self) {
        self.queue.request_unload();
    }

    /// The model that is in memory.
    #[must_use]
    pub fn loaded(&self) -> Option<Weights> {
        self.in_memory().map(|loaded| loaded.weights)
    }

    /// The same, and which of its parts have to come back to a graphics card for the next job.
    #[must_use]
    pub fn in_memory(&self) -> Option<InMemory> {
        self.queue.loaded()
    }

    /// Whether a request can be drawn here, with a sentence for every reason why not. Nothing is loaded.
    #[must_use]
    pub fn preflight(&self, request: &Request) -> Preflight {
        Preflight::of(request, self.device, self.in_memory().as_ref())
    }

    /// What happens to all jobs, in order. There is one stream: whoever takes an event has it.
    #[must_use]
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// The history and the accepted sprites.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn forget(&self, order: u64) {
        if let Some(journal) = &self.journal {
            journal.remove(order);
        }
    }

    fn send(&self, job: JobId, kind: EventKind) {
        // Both ends of the channel live in self.
        let _ = self.event_sender.send(Event { job, kind });
    }
}

/// The jobs of an earlier run. A queue that cannot be kept must not keep anybody from drawing.
fn open_journal(store: &Store) -> (Option<Arc<Journal>>, Vec<(u64, Entry)>) {
    match store.ignore_in_git().and_then(|()| Journal::open(store.queue_dir())) {
        Ok(Some((journal, kept))) => (Some(Arc::new(journal)), kept),
        Ok(None) => {
            tracing::warn!("another program works on this queue: jobs of this one do not survive a restart");
            (None, Vec::new())
        }
        Err(error) => {
            tracing::warn!("jobs do not survive a restart: {error}");
            (None, Vec::new())
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic in there was already reported as a failed job.
            let _ = thread.join();
        }
    }
}
