//! The inference thread: a queue of jobs, one model, one event stream.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use pixgen_api::{Background, Cancelled, DevicePreference, Event, EventKind, Generated, JobId, ModelRef, Request};

use crate::{Backend, BackendLoader, Drawing, EngineError, Plan, Provenance, Store, fingerprint, recipe_hash, sdxl};

/// How an engine is set up.
pub struct EngineConfig {
    /// History and accepted sprites.
    pub store: Store,
    /// Loads models: [`EngineConfig::sdxl`] sets the real one.
    pub loader: BackendLoader,
    /// Threads for CPU inference; `None` means all cores but one, so that the game keeps its frame rate.
    pub cpu_threads: Option<usize>,
    /// Draws a seed for requests that name none.
    pub fresh_seed: Box<dyn FnMut() -> u64 + Send>,
}

impl std::fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConfig").field("store", &self.store).field("cpu_threads", &self.cpu_threads).finish()
    }
}

impl EngineConfig {
    /// SDXL on `device`, with its history below `data_dir` and accepted sprites in `gen_dir`.
    #[must_use]
    pub fn sdxl(device: DevicePreference, data_dir: impl Into<PathBuf>, gen_dir: impl Into<PathBuf>) -> Self {
        Self {
            store: Store::new(&data_dir.into(), &gen_dir.into()),
            loader: sdxl::loader(device),
            cpu_threads: None,
            fresh_seed: Box::new(random_seed),
        }
    }

    /// The same with another loader, for tests.
    #[must_use]
    pub fn with_loader(self, loader: BackendLoader) -> Self {
        Self { loader, ..self }
    }
}

/// A seed of 32 bits: as much as people can read out to each other, and as much as torch's CPU generator uses.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library's randomly keyed hasher is the one source of entropy that needs no dependency.
    RandomState::new().hash_one(std::time::SystemTime::now()) & 0xffff_ffff
}

struct Job {
    id: JobId,
    request: Request,
    cancelled: Arc<AtomicBool>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    running: Option<(JobId, Arc<AtomicBool>)>,
}

/// The handle to the inference thread. Dropping it cancels what runs and waits for the thread to end: a step at most, or
/// the rest of loading a model, which cannot be interrupted.
pub struct Engine {
    store: Store,
    queue: Arc<Mutex<Queue>>,
    /// `None` only while the engine is being dropped: closing the channel is what ends the thread.
    wake: Option<Sender<()>>,
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
        let (wake, woken) = crossbeam_channel::unbounded();
        let (event_sender, events) = crossbeam_channel::unbounded();
        let queue = Arc::new(Mutex::new(Queue::default()));
        let store = config.store.clone();
        let worker = Worker {
            queue: Arc::clone(&queue),
            events: event_sender.clone(),
            store: config.store,
            loader: config.loader,
            fresh_seed: config.fresh_seed,
            loaded: None,
        };
        let threads = config.cpu_threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1)
        });
        let no_thread =
            |source| EngineError::Io { action: "starting", path: PathBuf::from("the inference thread"), source };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("pixgen-cpu-{index}"))
            .build()
            .map_err(|e| no_thread(std::io::Error::other(e)))?;
        let thread = std::thread::Builder::new()
            .name("pixgen-inference".to_owned())
            .spawn(move || worker.run(&woken, &pool))
            .map_err(no_thread)?;
        Ok(Self { store, queue, wake: Some(wake), event_sender, events, thread: Some(thread) })
    }

    /// Queues a request. Everything that happens to it comes out of [`events`](Self::events), an error too.
    pub fn submit(&self, request: Request) -> JobId {
        let id = JobId::fresh();
        self.submit_as(id, request);
        id
    }

    /// The same for a caller that had to name the job before it could reach the engine.
    pub fn submit_as(&self, id: JobId, request: Request) {
        let mut queue = lock(&self.queue);
        let ahead = queue.waiting.len() + usize::from(queue.running.is_some());
        self.send(id, EventKind::Queued { ahead });
        queue.waiting.push_back(Job { id, request, cancelled: Arc::default() });
        drop(queue);
        if let Some(wake) = &self.wake {
            // The thread ends only when this sender is dropped.
            let _ = wake.send(());
        }
    }

    /// Cancels a job: one that waits at once, one that runs at its next step. Unknown and ended jobs are left alone.
    pub fn cancel(&self, job: JobId) {
        let mut queue = lock(&self.queue);
        if let Some(position) = queue.waiting.iter().position(|waiting| waiting.id == job) {
            queue.waiting.remove(position);
            self.send(job, EventKind::Cancelled);
        } else if let Some((running, cancelled)) = &queue.running
            && *running == job
        {
            cancelled.store(true, Ordering::Relaxed);
        }
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

    fn send(&self, job: JobId, kind: EventKind) {
        // Both ends of the channel live in self.
        let _ = self.event_sender.send(Event { job, kind });
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.waiting.clear();
        if let Some((_, cancelled)) = &queue.running {
            cancelled.store(true, Ordering::Relaxed);
        }
        drop(queue);
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there was already reported as a failed job.
            let _ = thread.join();
        }
    }
}

/// The queue is only data: a thread that panicked while it held the lock left it usable.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Loaded {
    model: ModelRef,
    backend: Box<dyn Backend>,
    fingerprint: String,
}

struct Worker {
    queue: Arc<Mutex<Queue>>,
    events: Sender<Event>,
    store: Store,
    loader: BackendLoader,
    fresh_seed: Box<dyn FnMut() -> u64 + Send>,
    loaded: Option<Loaded>,
}

impl Worker {
    fn run(mut self, woken: &Receiver<()>, pool: &rayon::ThreadPool) {
        while woken.recv().is_ok() {
            let Some(job) = self.take() else { continue };
            let outcome = pool.install(|| catch_unwind(AssertUnwindSafe(|| self.draw(&job))));
            lock(&self.queue).running = None;
            let kind = match outcome {
                Ok(Ok(images)) => EventKind::Done(images),
                Ok(Err(EngineError::Cancelled)) => EventKind::Cancelled,
                Ok(Err(error)) => EventKind::Failed(error.to_string()),
                Err(panic) => {
                    // Whatever state the model was left in, the next job gets a fresh one.
                    self.loaded = None;
                    EventKind::Failed(EngineError::Panicked(panic_text(panic.as_ref())).to_string())
                }
            };
            if self.events.send(Event { job: job.id, kind }).is_err() {
                return;
            }
        }
    }

    fn take(&self) -> Option<Job> {
        let mut queue = lock(&self.queue);
        let job = queue.waiting.pop_front()?;
        queue.running = Some((job.id, Arc::clone(&job.cancelled)));
        Some(job)
    }

    fn draw(&mut self, job: &Job) -> Result<Vec<Generated>, EngineError> {
        let go_on = || if job.cancelled.load(Ordering::Relaxed) { Err(EngineError::Cancelled) } else { Ok(()) };
        let report = |kind| {
            let heard = self.events.send(Event { job: job.id, kind });
            heard.map_err(|_| EngineError::Cancelled).and_then(|()| go_on())
        };
        let progress =
            |kind| if report(kind).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(Cancelled) };
        // What no model could draw is refused before gigabytes are loaded for it.
        job.request.validate()?;
        report(EventKind::Started)?;
        let loaded = load(&mut self.loaded, &mut self.loader, &job.request.model)?;
        go_on()?;
        let plan = Plan::new(&job.request, loaded.backend.info(), (self.fresh_seed)())?;
        for warning in &plan.warnings {
            report(EventKind::Warning(warning.clone()))?;
        }
        let mut images = Vec::new();
        let mut warned = false;
        for image in 0..job.request.count {
            let drawing = Drawing { plan: &plan, image, seed: plan.image_seed(image) };
            let painted = loaded.backend.draw(drawing, &progress)?;
            go_on()?; // Nothing of a cancelled job is stored or shown.
            let mut options = plan.fix.clone();
            if loaded.backend.paints_alpha() && options.background == Background::Remove {
                options.background = Background::Auto; // The model's own alpha cuts it out.
            }
            let sprite = pixgen_art::fix(&painted, &options)?;
            let wants_cut = matches!(options.background, Background::Remove | Background::KeyColor(_));
            if wants_cut && !loaded.backend.paints_alpha() && is_opaque(&sprite) && !warned {
                warned = true;
                let name = &loaded.backend.info().name;
                report(EventKind::Warning(format!(
                    "{name} paints no transparency and its picture has no even background, which stays: ask for a \
                     plain background in the prompt, or choose an opaque background"
                )))?;
            }
            let sprite = pixgen_art::scale::enlarge(&sprite, plan.enlarge)
                .map_err(|e| EngineError::Png { path: "the new sprite".to_owned(), reason: e.to_string() })?;
            let provenance = Provenance {
                recipe: Some(recipe_hash(&job.request)?),
                ..Provenance::of(&plan, image, loaded.fingerprint.clone())
            };
            let generated = self.store.save(&sprite, &provenance)?;
            report(EventKind::Image(generated.clone()))?;
            images.push(generated);
        }
        Ok(images)
    }
}

/// Whether every pixel is opaque.
fn is_opaque(image: &image::RgbaImage) -> bool {
    image.pixels().all(|pixel| pixel.0[3] == u8::MAX)
}

/// The model for a job: the one that is loaded, or the one that is loaded in its place.
fn load<'a>(
    slot: &'a mut Option<Loaded>,
    loader: &mut BackendLoader,
    model: &ModelRef,
) -> Result<&'a mut Loaded, EngineError> {
    // Two models never stand in memory together: the old one goes first.
    let kept = slot.take().filter(|loaded| loaded.model == *model);
    let loaded = match kept {
        Some(loaded) => loaded,
        None => {
            let backend = loader(model)?;
            let fingerprint = fingerprint::of(model, backend.info())?;
            Loaded { model: model.clone(), backend, fingerprint }
        }
    };
    Ok(slot.insert(loaded))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
