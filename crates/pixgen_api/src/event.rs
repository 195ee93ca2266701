//! What is reported while a job runs, and how it is stopped.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The number of a job, unique within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl JobId {
    /// A number that no other job of this process has.
    #[must_use]
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// Waiting for its turn.
    Queued,
    /// Being drawn.
    Running,
    /// Begun, and halted between two steps until the queue goes on.
    Paused,
    /// All images are there.
    Done,
    /// Ended with an error.
    Failed,
    /// Ended by the user.
    Cancelled,
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The job it happened to.
    pub job: JobId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// The job waits behind `ahead` others.
    Queued {
        /// Jobs that run first.
        ahead: usize,
    },
    /// The job's turn has come; the model is loaded if it was not.
    Started,
    /// One denoising step of one image is done.
    Step {
        /// Image of the job, from 0.
        image: u32,
        /// Steps done, from 1.
        step: u32,
        /// Steps of each image.
        steps: u32,
        /// How long the rest of the job will take, from the steps so far; `None` before there is anything to go by.
        remaining: Option<Duration>,
    },
    /// The job halts between two steps: the queue was paused.
    Paused,
    /// The job goes on after a pause.
    Resumed,
    /// A first idea of the image that is being drawn.
    Preview(Pixels),
    /// Something the user should know, though the job goes on.
    Warning(String),
    /// One image is finished and stored; more may follow.
    Image(Generated),
    /// All images are finished and stored.
    Done(Vec<Generated>),
    /// The job ended with an error: a sentence that says what to do.
    Failed(String),
    /// The job was cancelled.
    Cancelled,
}

/// An image in memory: 8-bit sRGB with straight alpha, rows from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Columns.
    pub width_px: u32,
    /// Rows.
    pub height_px: u32,
    /// `4 · width_px · height_px` bytes.
    pub rgba: Arc<[u8]>,
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({}×{})", self.width_px, self.height_px)
    }
}

/// A finished sprite in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// SHA-256 of the PNG file in hexadecimal: the sprite's name in the history.
    pub hash: String,
    /// The PNG file in the history.
    pub file: PathBuf,
    /// The seed that drew it.
    pub seed: u64,
    /// Frames in the picture, from left to right, all of one size; 1 for a still.
    pub frames: u32,
    /// The sprite.
    pub pixels: Pixels,
}

/// The user has had enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// The one way in which work reports progress and learns that it is to stop.
pub trait Progress {
    /// Takes a report; `Break` ends the work at the next step.
    fn report(&self, event: EventKind) -> ControlFlow<Cancelled>;
}

impl<F: Fn(EventKind) -> ControlFlow<Cancelled>> Progress for F {
    fn report(&self, event: EventKind) -> ControlFlow<Cancelled> {
        self(event)
    }
}
