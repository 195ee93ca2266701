//! Which jobs wait, which one runs, and whether anything may run at all: shared by the engine's handle and its thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pixgen_api::{JobId, JobState, Priority, Request};

use crate::InMemory;
use crate::journal::Entry;

/// A job that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// What survives a restart.
    pub(crate) entry: Entry,
    /// The place among jobs of the same priority.
    pub(crate) order: u64,
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// A job that waits or runs, as front ends see it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobStatus {
    /// Its number.
    pub id: JobId,
    /// What it was asked for.
    pub request: Request,
    /// Its priority.
    pub priority: Priority,
    /// What the front end wrote on it.
    pub tag: Option<String>,
    /// [`JobState::Queued`], [`JobState::Running`] or [`JobState::Paused`].
    pub state: JobState,
    /// Whether an earlier run of the program was asked for it.
    pub restored: bool,
    /// Images of it that an earlier run has finished. They are reported again, before those that are drawn now.
    pub finished_before: u32,
}

impl Job {
    fn status(&self, state: JobState) -> JobStatus {
        JobStatus {
            id: self.id,
            request: self.entry.request.clone(),
            priority: self.entry.priority,
            tag: self.entry.tag.clone(),
            state,
            restored: self.entry.restored,
            // The queue's copy of a job stays as it was when its turn came.
            finished_before: if self.entry.restored { self.entry.finished.len() as u32 } else { 0 },
        }
    }
}

#[derive(Default)]
struct State {
    /// The next one first.
    waiting: Vec<Job>,
    running: Option<Job>,
    paused: bool,
    /// Whether the running job stands still because of it.
    halted: bool,
    unload: bool,
    closed: bool,
    /// Whether there is nobody any more who draws.
    stopped: bool,
    loaded: Option<InMemory>,
}

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// What the engine's thread is to do.
pub(crate) enum Next {
    /// Draw this.
    Job(Box<Job>),
    /// Let the model go.
    Unload,
    /// End.
    Close,
}

/// What became of a job that was to be cancelled.
pub(crate) enum CancelledJob {
    /// It waited and is out of the queue.
    Waiting,
    /// It runs, and will end at its next step.
    Running,
    /// There is no such job.
    Unknown,
}

impl Queue {
    /// It is only data: a thread that panicked while it held the lock left it usable.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in its place, and calls `told` with it and how many come before it, while nobody can take it yet: what is
    /// said of a job is said in order. False when nobody will ever take it.
    pub(crate) fn push(&self, job: Job, told: impl FnOnce(&Job, usize)) -> bool {
        let mut state = self.lock();
        if state.stopped {
            return false;
        }
        let place = place_of(&state.waiting, &job);
        told(&job, place + usize::from(state.running.is_some()));
        state.waiting.insert(place, job);
        self.changed.notify_all();
        true
    }

    /// Moves a waiting job; `kept` is called with what is to be kept of it, while nobody can begin or cancel it.
    pub(crate) fn set_priority(&self, id: JobId, priority: Priority, kept: impl FnOnce(&Job)) {
        let mut state = self.lock();
        let Some(position) = state.waiting.iter().position(|job| job.id == id) else { return };
        let mut job = state.waiting.remove(position);
        job.entry.priority = priority;
        kept(&job);
        let place = place_of(&state.waiting, &job);
        state.waiting.insert(place, job);
    }

    /// Cancels a job; `forgotten` is called with its order while nobody can write anything down about it.
    pub(crate) fn cancel(&self, id: JobId, forgotten: impl FnOnce(u64)) -> CancelledJob {
        let mut state = self.lock();
        if let Some(position) = state.waiting.iter().position(|job| job.id == id) {
            let job = state.waiting.remove(position);
            forgotten(job.order);
            return CancelledJob::Waiting;
        }
        match state.running.as_ref().filter(|job| job.id == id) {
            Some(job) => {
                job.cancelled.store(true, Ordering::Relaxed);
                forgotten(job.order);
                self.changed.notify_all();
                CancelledJob::Running
            }
            None => CancelledJob::Unknown,
        }
    }

    /// The running job first, then those that wait in their order.
    pub(crate) fn jobs(&self) -> Vec<JobStatus> {
        let state = self.lock();
        let running = if state.halted { JobState::Paused } else { JobState::Running };
        let running = state.running.iter().map(|job| job.status(running));
        running.chain(state.waiting.iter().map(|job| job.status(JobState::Queued))).collect()
    }

    /// Jobs that wait or run.
    pub(crate) fn len(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + usize::from(state.running.is_some())
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.lock().paused = paused;
        self.changed.notify_all();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    pub(crate) fn request_unload(&self) {
        self.lock().unload = true;
        self.changed.notify_all();
    }

    pub(crate) fn set_loaded(&self, loaded: Option<InMemory>) {
        self.lock().loaded = loaded;
    }

    pub(crate) fn loaded(&self) -> Option<InMemory> {
        self.lock().loaded.clone()
    }

    /// Ends everything: what runs at its next step, and the thread after it. The user has cancelled nothing.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Has something written down about the running job, unless the user has cancelled it: it must not come back.
    pub(crate) fn unless_cancelled<T>(&self, job: &Job, write: impl FnOnce() -> T) -> Option<T> {
        let _state = self.lock();
        (!job.cancelled.load(Ordering::Relaxed)).then(write)
    }

    /// Says something of a job, unless it has ended: what is said of a job ends with its end.
    pub(crate) fn unless_ended(&self, id: JobId, say: impl FnOnce()) {
        let state = self.lock();
        if state.running.iter().chain(&state.waiting).any(|job| job.id == id) {
            say();
        }
    }

    /// Nobody draws any more; returns the jobs that have not ended.
    pub(crate) fn stop(&self) -> Vec<Job> {
        let mut state = self.lock();
        state.stopped = true;
        state.loaded = None;
        state.halted = false;
        state.running.take().into_iter().chain(std::mem::take(&mut state.waiting)).collect()
    }

    /// Whether the engine is being dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for something to do. A model that nobody has asked for during `idle` is let go.
    pub(crate) fn next(&self, idle: Option<Duration>) -> Next {
        let since = Instant::now();
        let mut state = self.lock();
        loop {
            if state.closed {
                return Next::Close;
            }
            if std::mem::take(&mut state.unload) && state.loaded.is_some() {
                return Next::Unload;
            }
            if !state.paused && !state.waiting.is_empty() {
                let job = state.waiting.remove(0);
                state.running = Some(job.clone());
                return Next::Job(Box::new(job));
            }
            let left = idle.filter(|_| state.loaded.is_some()).map(|idle| idle.saturating_sub(since.elapsed()));
            state = match left {
                Some(Duration::ZERO) => return Next::Unload,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// The running job has ended; `told` is called while nobody can take the next one.
    pub(crate) fn ended(&self, told: impl FnOnce()) {
        let mut state = self.lock();
        state.running = None;
        state.halted = false;
        told();
    }

    /// Stands still while the queue is paused and the running job is not cancelled. Returns how long, or `None` when
    /// there was nothing to wait for; `told` is called when the wait begins.
    pub(crate) fn halt(&self, cancelled: &AtomicBool, told: impl FnOnce()) -> Option<Duration> {
        let mut state = self.lock();
        let must_wait = |state: &State| state.paused && !state.closed && !cancelled.load(Ordering::Relaxed);
        if !must_wait(&state) {
            return None;
        }
        let since = Instant::now();
        state.halted = true;
        told();
        while must_wait(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.halted = false;
        Some(since.elapsed())
    }
}

/// Behind all jobs of the same or a higher priority that were asked for earlier.
fn place_of(waiting: &[Job], job: &Job) -> usize {
    let before = |other: &Job| {
        let (theirs, ours) = (other.entry.priority, job.entry.priority);
        theirs > ours || (theirs == ours && other.order < job.order)
    };
    waiting.iter().position(|other| !before(other)).unwrap_or(waiting.len())
}
