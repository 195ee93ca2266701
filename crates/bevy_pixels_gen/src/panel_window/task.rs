//! Work that would keep a frame waiting.

use bevy::tasks::{IoTaskPool, Task, TaskPool, block_on, poll_once};

/// At most one piece of work, done on Bevy's threads for files; its result is fetched when it is there.
#[derive(Debug)]
pub(super) struct Background<T>(Option<Task<T>>);

impl<T> Default for Background<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + 'static> Background<T> {
    /// Begins; what was begun before is dropped.
    pub(super) fn start(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        self.0 = Some(IoTaskPool::get_or_init(TaskPool::default).spawn(async move { work() }));
    }

    /// Whether it is at work.
    pub(super) fn is_busy(&self) -> bool {
        self.0.is_some()
    }

    /// The result, once.
    pub(super) fn take(&mut self) -> Option<T> {
        let result = block_on(poll_once(self.0.as_mut()?))?;
        self.0 = None;
        Some(result)
    }
}
