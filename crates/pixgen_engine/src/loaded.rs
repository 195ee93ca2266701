//! The one model that is in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::worker::panic_text;
use crate::{Backend, BackendLoader, EngineError, InMemory, Weights, fingerprint};

/// A place for one model.
pub(crate) struct Slot {
    loader: BackendLoader,
    loaded: Option<Loaded>,
}

/// A model in memory.
pub(crate) struct Loaded {
    weights: Weights,
    pub(crate) backend: Box<dyn Backend>,
    /// Its name and the fingerprint of its files.
    pub(crate) fingerprint: String,
}

impl Loaded {
    pub(crate) fn in_memory(&self) -> InMemory {
        InMemory { weights: self.weights.clone(), memory: self.backend.memory_use() }
    }
}

impl Slot {
    pub(crate) fn new(loader: BackendLoader) -> Self {
        Self { loader, loaded: None }
    }

    /// The model that is in memory.
    pub(crate) fn loaded(&self) -> Option<InMemory> {
        self.loaded.as_ref().map(Loaded::in_memory)
    }

    /// A model that panics while it is let go is gone all the same.
    pub(crate) fn unload(&mut self) {
        let loaded = self.loaded.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(loaded))) {
            tracing::error!("letting the model go failed: {}", panic_text(panic.as_ref()));
        }
    }

    /// The model for a job: the one that is loaded, or the one that is loaded in its place.
    pub(crate) fn load(&mut self, weights: &Weights) -> Result<&mut Loaded, EngineError> {
        // Two models never stand in memory together: the old one goes first.
        let kept = self.loaded.take().filter(|loaded| loaded.weights == *weights);
        let loaded = match kept {
            Some(loaded) => loaded,
            None => {
                let backend = (self.loader)(weights)?;
                let fingerprint = fingerprint::of(&weights.model, backend.info())?;
                Loaded { weights: weights.clone(), backend, fingerprint }
            }
        };
        Ok(self.loaded.insert(loaded))
    }
}
