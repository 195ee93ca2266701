//! How an engine is set up.

use std::path::PathBuf;
use std::time::Duration;

use pixgen_api::{DevicePreference, Priority, Request};

use crate::sdxl::{self, SdxlOptions};
use crate::{BackendLoader, HashCache, Store};

/// How long a model that nobody asks for stays in memory.
const UNLOAD_AFTER: Duration = Duration::from_secs(600);

/// How an engine is set up.
pub struct EngineConfig {
    /// History and accepted sprites.
    pub store: Store,
    /// Where models run; [`EngineConfig::loader`] was made for it.
    pub device: DevicePreference,
    /// Loads models: [`EngineConfig::sdxl`] sets the real one.
    pub loader: BackendLoader,
    /// Hashes of files that requests name: those that were read in another run need not be read again.
    pub hashes: HashCache,
    /// Threads for CPU inference; `None` means all cores but one, so that the game keeps its frame rate.
    pub cpu_threads: Option<usize>,
    /// Draws a seed for requests that name none.
    pub fresh_seed: Box<dyn FnMut() -> u64 + Send>,
    /// After this long without a job the model is let go; `None` keeps it. Ten minutes at first.
    pub unload_after: Option<Duration>,
    /// Whether waiting jobs are kept on disk and go on when the program starts again. Off at first: a program that runs
    /// once and ends has no use for the jobs of another run.
    pub keep_queue: bool,
    /// Whether the queue begins paused: for front ends that ask before they go on with the jobs of an earlier run.
    pub start_paused: bool,
    /// What [`EngineConfig::loader`] was made with.
    options: SdxlOptions,
}

impl std::fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConfig")
            .field("store", &self.store)
            .field("device", &self.device)
            .field("cpu_threads", &self.cpu_threads)
            .field("unload_after", &self.unload_after)
            .field("keep_queue", &self.keep_queue)
            .finish_non_exhaustive()
    }
}

impl EngineConfig {
    /// SDXL on `device`, with its history below `data_dir` and accepted sprites in `gen_dir`.
    #[must_use]
    pub fn sdxl(device: DevicePreference, data_dir: impl Into<PathBuf>, gen_dir: impl Into<PathBuf>) -> Self {
        let store = Store::new(&data_dir.into(), &gen_dir.into());
        Self {
            hashes: store.hash_cache(),
            store,
            device,
            loader: sdxl::loader(device, SdxlOptions::default()),
            cpu_threads: None,
            fresh_seed: Box::new(random_seed),
            unload_after: Some(UNLOAD_AFTER),
            keep_queue: false,
            start_paused: false,
            options: SdxlOptions::default(),
        }
    }

    /// The same with another loader, for tests.
    #[must_use]
    pub fn with_loader(self, loader: BackendLoader) -> Self {
        Self { loader, ..self }
    }

    /// The same with the real loader again, which lets the device rest for so long after each step of a picture: a game
    /// on the same graphics card has it for itself meanwhile. Pictures take that much longer.
    #[must_use]
    pub fn with_step_pause(self, pause: Duration) -> Self {
        let options = SdxlOptions { step_pause: pause, ..self.options };
        self.with_options(options)
    }

    /// The same with the real loader again, which has half of the products computed with numbers of eight bits where the
    /// graphics card can ([`pixgen_sdxl::LoadOptions::fp8_linear`]): pictures come sooner, are a little different and take
    /// more memory.
    #[must_use]
    pub fn with_fp8_linear(self, on: bool) -> Self {
        let options = SdxlOptions { fp8_linear: on, ..self.options };
        self.with_options(options)
    }

    fn with_options(self, options: SdxlOptions) -> Self {
        Self { options, loader: sdxl::loader(self.device, options), ..self }
    }

    /// The same with a queue that survives a restart.
    #[must_use]
    pub fn with_kept_queue(self) -> Self {
        Self { keep_queue: true, ..self }
    }
}

/// What a job is besides its request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobOptions {
    /// Which of the waiting jobs comes first.
    pub priority: Priority,
    /// A note of the front end, as where the sprite is to go; it survives a restart with the job.
    pub tag: Option<String>,
    /// The recipe as it is written, where the request has its files at their places on this computer: what the PNG says
    /// of how it was drawn has the recipe's own paths, and its hash.
    pub recipe: Option<Request>,
    /// Whether the job is not worth keeping for the next start of the program: it will be asked for again.
    pub is_passing: bool,
}

/// A seed of 32 bits: as much as people can read out to each other, and as much as torch's CPU generator uses.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's randomly keyed hasher is the one source of entropy that needs no dependency.
    RandomState::new().hash_one(std::time::SystemTime::now()) & 0xffff_ffff
}
