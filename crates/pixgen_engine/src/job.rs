//! One job, from its request to the stored sprites.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use image::RgbaImage;
use pixgen_api::{Cancelled, Event, EventKind, Generated, JobId};

use crate::finish::{Finished, finish, keep_unmasked};
use crate::inputs::Inputs;
use crate::journal::{Journal, Writing};
use crate::loaded::{Loaded, Slot};
use crate::pace::Pace;
use crate::picture::{fit_square, flattened};
use crate::queue::{Job, Queue};
use crate::recipe_folders::take_paths;
use crate::{Drawing, EngineError, HashCache, Plan, Provenance, Store, Weights, recipe_hash};

/// What a picture with transparency stands on for a model that knows none: what prompts ask for as background.
const GROUND: [u8; 3] = [255; 3];

/// Events that may wait to be taken before previews are left out.
const MAX_PENDING: usize = 64;

/// What a job runs with.
pub(crate) struct Tools<'a> {
    pub(crate) queue: &'a Queue,
    pub(crate) journal: Option<&'a Journal>,
    pub(crate) events: &'a Sender<Event>,
    pub(crate) store: &'a Store,
    pub(crate) hashes: &'a HashCache,
}

/// Draws what of a job is not drawn yet.
pub(crate) fn draw(
    job: &mut Job,
    tools: Tools<'_>,
    slot: &mut Slot,
    fresh_seed: &mut dyn FnMut() -> u64,
) -> Result<Vec<Generated>, EngineError> {
    let Tools { queue, journal, events, store, hashes } = tools;
    let reporter = Reporter::new(job, queue, events);
    // What no model could draw is refused before gigabytes are loaded for it.
    job.entry.request.validate()?;
    job.entry.starts = job.entry.starts.saturating_add(1);
    keep_in_mind(job, queue, journal);
    reporter.report(EventKind::Started)?;
    let inputs = Inputs::read(&job.entry.request, store, hashes, &|| reporter.check().is_err())?;
    let loaded = slot.load(&Weights::of(&job.entry.request))?;
    queue.set_loaded(Some(loaded.in_memory()));
    reporter.go_on()?;
    let plan = Plan::new(&job.entry.request, loaded.backend.info(), fresh_seed())?;
    for warning in &plan.warnings {
        reporter.report(EventKind::Warning(warning.clone()))?;
    }
    // The recipe is what was asked for; seed and defaults are this drawing's. A job that goes on has its seed already.
    let recipe = match &job.entry.recipe {
        Some(recipe) => recipe.clone(),
        None => recipe_hash(job.entry.written.as_ref().unwrap_or(&job.entry.request))?,
    };
    job.entry.recipe = Some(recipe.clone());
    // The seed is settled: after a restart the rest is drawn with it.
    job.entry.request.seed = Some(plan.seed);
    let mut images = drawn_before(job, store);
    job.entry.finished.truncate(images.len());
    keep_in_mind(job, queue, journal);
    for generated in &images {
        reporter.report(EventKind::Image(generated.clone()))?;
    }
    // Loading the model tells nothing about how long drawing takes.
    reporter.pace.replace(Pace::new());
    let canvas = Canvas::new(&inputs, &plan, loaded.backend.paints_alpha());
    for image in images.len() as u32..plan.request.count {
        let Finished { sprite, background_stays } = draw_one(loaded, &canvas, &plan, image, &reporter)?;
        if background_stays && !reporter.told_of_background.replace(true) {
            reporter.report(EventKind::Warning(format!(
                "{} paints no transparency and its picture has no even background, which stays: ask for a plain \
                 background in the prompt, or choose an opaque background",
                loaded.backend.info().name
            )))?;
        }
        let mut provenance = Provenance::of(&plan, image, loaded.fingerprint.clone(), inputs.described.clone());
        provenance.recipe = Some(recipe.clone());
        if let Some(written) = &job.entry.written {
            take_paths(&mut provenance.request, written);
        }
        let generated = store.save(&sprite, &provenance)?;
        job.entry.finished.push(generated.hash.clone());
        // It gets on: what interrupts it now is another matter.
        job.entry.starts = 1;
        keep_in_mind(job, queue, journal);
        images.push(generated.clone());
        reporter.report(EventKind::Image(generated))?;
    }
    Ok(images)
}

/// Paints one picture of a job and makes a sprite of it.
fn draw_one(
    loaded: &mut Loaded,
    canvas: &Canvas,
    plan: &Plan,
    image: u32,
    reporter: &Reporter<'_>,
) -> Result<Finished, EngineError> {
    let Canvas { init, mask, lora_hashes } = canvas;
    let progress = |kind| match reporter.report(with_rest(kind, plan.request.count, reporter)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(Cancelled),
    };
    let seed = plan.image_seed(image);
    let drawing = Drawing { plan, image, seed, init_image: init.as_ref(), mask: mask.as_ref(), lora_hashes };
    let mut painted = loaded.backend.draw(drawing, &progress)?;
    reporter.go_on()?; // Nothing of a cancelled job is stored or shown.
    if let (Some(init), Some(mask)) = (init, mask) {
        painted.iter_mut().for_each(|frame| keep_unmasked(frame, init, mask));
    }
    finish(&painted, plan, loaded.backend.paints_alpha())
}

/// What a model is given besides the plan.
struct Canvas {
    init: Option<RgbaImage>,
    mask: Option<RgbaImage>,
    lora_hashes: Vec<String>,
}

impl Canvas {
    fn new(inputs: &Inputs, plan: &Plan, paints_alpha: bool) -> Self {
        let square = |image: &RgbaImage| fit_square(image, plan.image_px);
        let on_ground = |image: RgbaImage| if paints_alpha { image } else { flattened(&image, GROUND) };
        Self {
            init: inputs.init_image.as_ref().map(|image| on_ground(square(image))),
            mask: inputs.mask.as_ref().map(square),
            lora_hashes: inputs.lora_hashes(),
        }
    }
}

/// Adds to a step how long the rest of the job will take.
fn with_rest(kind: EventKind, count: u32, reporter: &Reporter<'_>) -> EventKind {
    let EventKind::Step { image, step, steps, .. } = kind else { return kind };
    let left = count.saturating_sub(image).saturating_mul(steps).saturating_sub(step);
    let remaining = Some(reporter.pace.borrow_mut().step(left));
    EventKind::Step { image, step, steps, remaining }
}

/// Images that an earlier run of the program finished, as long as the history has them whole.
fn drawn_before(job: &Job, store: &Store) -> Vec<Generated> {
    let request = &job.entry.request;
    let count = request.count as usize;
    let generated = |(image, hash): (usize, &String)| {
        let pixels = store.sprite(hash).ok()?;
        let seed = request.seed.unwrap_or_default().wrapping_add(image as u64);
        Some(Generated { hash: hash.clone(), file: store.file_of(hash), seed, frames: request.frames(), pixels })
    };
    job.entry.finished.iter().take(count).enumerate().map_while(generated).collect()
}

/// Writes down how far a job is, and waits until that, and all that was to be written before it, is on the disk. Where it
/// fails, it only costs after a restart.
fn keep_in_mind(job: &Job, queue: &Queue, journal: Option<&Journal>) {
    let Some(journal) = journal else { return };
    // Nobody else waits with us: the queue is open again while the disk works.
    let writing = queue.unless_cancelled(job, || journal.begin_to_write(job.order, &job.entry));
    if let Some(Err(error)) = writing.map(Writing::wait) {
        tracing::warn!("a job that is interrupted now would begin anew: {error}");
    }
}

/// Says what happens to a job, and learns whether it goes on.
struct Reporter<'a> {
    id: JobId,
    cancelled: Arc<AtomicBool>,
    queue: &'a Queue,
    events: &'a Sender<Event>,
    pace: RefCell<Pace>,
    told_of_background: Cell<bool>,
}

impl<'a> Reporter<'a> {
    fn new(job: &Job, queue: &'a Queue, events: &'a Sender<Event>) -> Self {
        Self {
            id: job.id,
            cancelled: Arc::clone(&job.cancelled),
            queue,
            events,
            pace: RefCell::new(Pace::new()),
            told_of_background: Cell::new(false),
        }
    }

    fn report(&self, kind: EventKind) -> Result<(), EngineError> {
        let may_halt = matches!(kind, EventKind::Step { .. });
        self.send(kind);
        if may_halt { self.go_on() } else { self.check() }
    }

    /// Stands still as long as the queue is paused.
    fn go_on(&self) -> Result<(), EngineError> {
        if let Some(halted) = self.queue.halt(&self.cancelled, || self.send(EventKind::Paused)) {
            self.pace.borrow_mut().pause(halted);
            if self.check().is_ok() {
                self.send(EventKind::Resumed);
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), EngineError> {
        let ends = self.cancelled.load(Ordering::Relaxed) || self.queue.is_closed();
        if ends { Err(EngineError::Cancelled) } else { Ok(()) }
    }

    fn send(&self, kind: EventKind) {
        // Nobody looks at the moment: pictures of what has passed would only fill the memory.
        if matches!(kind, EventKind::Preview(_)) && self.events.len() > MAX_PENDING {
            return;
        }
        // The engine holds the other end until this thread has ended.
        let _ = self.events.send(Event { job: self.id, kind });
    }
}
