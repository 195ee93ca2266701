//! The jobs of this game: what was asked for, how far it is, what came of it, and the way back.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bevy::prelude::*;
use pixgen_api::{Event, EventKind, GenPath, Generated, JobId, JobState, ModelRef, Pixels, Priority, Request};
use pixgen_engine::{Engine, EngineConfig, EngineError, JobOptions, ModelInfo, Store};

/// Finished sprites that stay at hand without a look into the history.
const MAX_FINISHED: usize = 128;
/// Failed jobs that stay on the list until somebody has read them.
const MAX_FAILED: usize = 16;
/// Changes that can be taken back.
const MAX_UNDO: usize = 100;

/// What marks a recipe's job in a queue that survives a restart; other jobs carry their target. No `GenPath` looks like
/// it.
const RECIPE_TAG: &str = "recipe:";

/// A job that waits, runs or has failed. Finished and cancelled jobs are forgotten at once.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its number.
    pub id: JobId,
    /// What it draws.
    pub request: Request,
    /// The sprite that gets its first image.
    pub target: Option<GenPath>,
    /// `Queued`, `Running` or `Failed`.
    pub state: JobState,
    /// Image that is being drawn, from 0.
    pub image: u32,
    /// Steps of it that are done.
    pub step: u32,
    /// Steps of each image; 0 while the model is loading.
    pub steps: u32,
    /// Images that are finished.
    pub images_done: u32,
    /// When it started to run.
    pub started: Option<Instant>,
    /// When its first step was done: loading the model does not count towards the pace.
    first_step: Option<Instant>,
    /// A first idea of the image.
    pub preview: Option<Pixels>,
    /// What the user should know though it goes on.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Why its first image could not be put into the game, while others are still drawn.
    apply_error: Option<String>,
}

impl JobRecord {
    fn new(id: JobId, request: Request, target: Option<GenPath>) -> Self {
        Self {
            id,
            request,
            target,
            state: JobState::Queued,
            image: 0,
            step: 0,
            steps: 0,
            images_done: 0,
            started: None,
            first_step: None,
            preview: None,
            warnings: Vec::new(),
            error: None,
            apply_error: None,
        }
    }

    /// Time until it is done, from the pace of the steps so far.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let done = self.image * self.steps + self.step;
        // The first step is where the clock starts, so it takes two to know a pace.
        let paced = done.checked_sub(1).filter(|steps| *steps > 0)?;
        let left = (self.request.count * self.steps).saturating_sub(done);
        Some((now - self.first_step?) / paced * left)
    }
}

/// A finished sprite.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The sprite.
    pub generated: Generated,
    /// What was asked for.
    pub request: Request,
}

#[derive(Clone, Debug)]
struct Change {
    path: GenPath,
    before: Option<String>,
    after: String,
}

/// Takes the last change off its stack when the store has done it. One that failed stays, to be tried again, unless the
/// history has lost its sprite: that would stand in the way of all older ones for ever.
fn settle<T>(stack: &mut Vec<Change>, result: Result<T, EngineError>) -> Result<Option<(Change, T)>, EngineError> {
    match result {
        Ok(value) => Ok(stack.pop().map(|change| (change, value))),
        Err(error) => {
            if matches!(error, EngineError::UnknownSprite { .. } | EngineError::DamagedSprite { .. }) {
                stack.pop();
            }
            Err(error)
        }
    }
}

/// What a frame's events came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Started { job: JobId, target: Option<GenPath> },
    Progress { job: JobId, image: u32, step: u32, steps: u32 },
    Done { job: JobId, target: Option<GenPath>, images: Vec<Generated> },
    Failed { job: JobId, target: Option<GenPath>, error: String },
    Cancelled { job: JobId },
}

/// The generator's jobs, its finished sprites, and undo. Everything here returns at once.
///
/// It owns a thread, which reflection cannot make or copy: inspectors read [`GenStatus`](super::GenStatus) instead.
#[derive(Resource, Debug)]
pub struct GenJobs {
    engine: Engine,
    records: Vec<JobRecord>,
    finished: VecDeque<Finished>,
    /// Hash of what each sprite shows, as far as it was set here.
    shown: HashMap<GenPath, String>,
    undo: Vec<Change>,
    redo: Vec<Change>,
    replaced: Vec<GenPath>,
    error: Option<String>,
    models: HashMap<ModelRef, Result<ModelInfo, String>>,
}

impl GenJobs {
    /// Starts an engine for this game.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let engine = Engine::start(config)?;
        let mut records = Vec::new();
        for job in engine.jobs().into_iter().filter(|job| job.restored) {
            if job.tag.as_deref() == Some(RECIPE_TAG) {
                engine.cancel(job.id); // The recipe asks again itself, if it is still used.
            } else {
                let target = job.tag.and_then(|tag| GenPath::parse(&tag).ok());
                records.push(JobRecord::new(job.id, job.request, target));
            }
        }
        Ok(Self {
            engine,
            records,
            finished: VecDeque::new(),
            shown: HashMap::new(),
            undo: Vec::new(),
            redo: Vec::new(),
            replaced: Vec::new(),
            error: None,
            models: HashMap::new(),
        })
    }

    /// Has a sprite drawn into `target`; `None` only fills the history.
    pub fn submit(&mut self, request: Request, target: Option<GenPath>) -> JobId {
        let id = JobId::fresh();
        self.submit_as(id, request, target);
        id
    }

    /// The same, in its turn among waiting jobs of more or less urgency.
    pub fn submit_at(&mut self, priority: Priority, request: Request, target: Option<GenPath>) -> JobId {
        let id = JobId::fresh();
        let tag = target.as_ref().map(GenPath::to_string);
        self.submit_with(id, request, target, JobOptions { priority, tag });
        id
    }

    /// Has a recipe drawn when nothing else is to be done. Where it goes is the caller's business.
    pub(crate) fn submit_recipe(&mut self, request: Request) -> JobId {
        let id = JobId::fresh();
        let options = JobOptions { priority: Priority::Low, tag: Some(RECIPE_TAG.to_owned()) };
        self.submit_with(id, request, None, options);
        id
    }

    fn submit_with(&mut self, id: JobId, request: Request, target: Option<GenPath>, options: JobOptions) {
        self.records.push(JobRecord::new(id, request.clone(), target));
        self.engine.submit_with(id, request, options);
    }

    pub(super) fn submit_as(&mut self, id: JobId, request: Request, target: Option<GenPath>) {
        let tag = target.as_ref().map(GenPath::to_string);
        self.submit_with(id, request, target, JobOptions { tag, ..JobOptions::default() });
    }

    /// Stops a job; one that has ended is left alone.
    pub fn cancel(&self, job: JobId) {
        self.engine.cancel(job);
    }

    /// Takes a failed job off the list.
    pub fn forget(&mut self, job: JobId) {
        self.records.retain(|record| record.id != job || record.state != JobState::Failed);
    }

    /// Jobs that wait, run or have failed, oldest first.
    #[must_use]
    pub fn records(&self) -> &[JobRecord] {
        &self.records
    }

    /// Finished sprites, newest first.
    pub fn finished(&self) -> impl Iterator<Item = &Finished> {
        self.finished.iter()
    }

    /// Makes a finished sprite the one that the game shows at `path`. The way back is [`undo`](Self::undo).
    ///
    /// # Errors
    /// When a file cannot be read or written; the game then keeps the sprite it had.
    pub fn apply(&mut self, hash: &str, path: &GenPath) -> Result<(), EngineError> {
        let before = self.engine.store().accept(hash, path)?;
        if before.as_deref() == Some(hash) {
            self.shown.insert(path.clone(), hash.to_owned());
            return Ok(()); // It is there already: nothing to take back.
        }
        if self.undo.len() == MAX_UNDO {
            self.undo.remove(0);
        }
        self.undo.push(Change { path: path.clone(), before, after: hash.to_owned() });
        self.redo.clear();
        self.now_shows(path, Some(hash));
        Ok(())
    }

    /// Takes the last change of a sprite back. Returns whether there was one.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn undo(&mut self) -> Result<bool, EngineError> {
        let Some(change) = self.undo.last() else { return Ok(false) };
        let stood = self.engine.store().restore(&change.path, change.before.as_deref());
        let Some((mut change, stood)) = settle(&mut self.undo, stood)? else { return Ok(false) };
        // What stood there may have been painted on since: redo brings that back, not the older version.
        change.after = stood.unwrap_or(change.after);
        self.now_shows(&change.path, change.before.as_deref());
        self.redo.push(change);
        Ok(true)
    }

    /// Makes the last change that was taken back again. Returns whether there was one.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn redo(&mut self) -> Result<bool, EngineError> {
        let Some(change) = self.redo.last() else { return Ok(false) };
        let before = self.engine.store().accept(&change.after, &change.path);
        let Some((mut change, before)) = settle(&mut self.redo, before)? else { return Ok(false) };
        change.before = before;
        self.now_shows(&change.path, Some(&change.after));
        self.undo.push(change);
        Ok(true)
    }

    /// Whether [`undo`](Self::undo) and [`redo`](Self::redo) would do something.
    #[must_use]
    pub fn can_undo_redo(&self) -> (bool, bool) {
        (!self.undo.is_empty(), !self.redo.is_empty())
    }

    /// Hash of the sprite that was put to `path` in this run, if any.
    #[must_use]
    pub fn shown(&self, path: &GenPath) -> Option<&str> {
        self.shown.get(path).map(String::as_str)
    }

    /// The last error that no message told of.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Notes an error for the user to see, or that it was seen.
    pub fn set_error(&mut self, error: Option<String>) {
        self.error = error;
    }

    /// What a model can do, read once; weights are not loaded for it.
    ///
    /// # Errors
    /// Why there is no such model, in words.
    pub fn model(&mut self, model: &ModelRef) -> Result<&ModelInfo, &str> {
        let info =
            self.models.entry(model.clone()).or_insert_with(|| ModelInfo::read(model).map_err(|e| e.to_string()));
        info.as_ref().map_err(String::as_str)
    }

    /// The engine, to pause it, to order its queue, to look into its history. Submit jobs here and not there, or nobody
    /// follows them.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The history together with another folder of accepted sprites: that of recipes outside `gen://`.
    pub(crate) fn store_in(&self, folder: &Path) -> Store {
        self.engine.store().in_folder(folder)
    }

    /// The folder behind `gen://`.
    #[must_use]
    pub fn gen_dir(&self) -> PathBuf {
        self.engine.store().gen_dir().to_owned()
    }

    fn now_shows(&mut self, path: &GenPath, hash: Option<&str>) {
        match hash {
            Some(hash) => self.shown.insert(path.clone(), hash.to_owned()),
            None => self.shown.remove(path),
        };
        self.replaced.push(path.clone());
    }

    /// The sprites that were replaced since the last call, each once.
    pub(super) fn take_replaced(&mut self) -> Vec<GenPath> {
        let mut replaced = std::mem::take(&mut self.replaced);
        replaced.sort();
        replaced.dedup();
        replaced
    }

    /// Whether there is anything for [`receive`](Self::receive) to do.
    pub(super) fn has_events(&self) -> bool {
        !self.engine.events().is_empty()
    }

    /// Whether there is anything for [`take_replaced`](Self::take_replaced) to do.
    pub(super) fn has_replaced(&self) -> bool {
        !self.replaced.is_empty()
    }

    /// Takes the engine's events and puts what they came to into `outcomes`.
    pub(super) fn receive(&mut self, outcomes: &mut Vec<Outcome>) {
        while let Ok(Event { job, kind }) = self.engine.events().try_recv() {
            let Some(position) = self.records.iter().position(|record| record.id == job) else { continue };
            self.follow(position, job, kind, outcomes);
        }
    }

    fn follow(&mut self, position: usize, job: JobId, kind: EventKind, outcomes: &mut Vec<Outcome>) {
        let record = &mut self.records[position];
        match kind {
            EventKind::Queued { .. } => {}
            EventKind::Started => {
                record.state = JobState::Running;
                record.started = Some(Instant::now());
                outcomes.push(Outcome::Started { job, target: record.target.clone() });
            }
            EventKind::Step { image, step, steps, .. } => {
                record.first_step.get_or_insert_with(Instant::now);
                (record.image, record.step, record.steps) = (image, step, steps);
                outcomes.push(Outcome::Progress { job, image, step, steps });
            }
            EventKind::Paused => record.state = JobState::Paused,
            EventKind::Resumed => record.state = JobState::Running,
            EventKind::Preview(preview) => record.preview = Some(preview),
            EventKind::Warning(warning) => {
                warn!("job {job}: {warning}");
                record.warnings.push(warning);
            }
            EventKind::Image(generated) => {
                record.images_done += 1;
                record.preview = None;
                let request = record.request.clone();
                // A series shows its first image at once; a single one is shown when its job is done.
                let early = record.images_done == 1 && request.count > 1;
                let target = record.target.clone().filter(|_| early);
                let hash = generated.hash.clone();
                self.finished.push_front(Finished { generated, request });
                self.finished.truncate(MAX_FINISHED);
                if let Some(target) = target {
                    let error = self.apply_or_note(&hash, &target);
                    self.records[position].apply_error = error;
                }
            }
            EventKind::Done(images) => {
                let mut record = self.records.remove(position);
                if let (Some(target), [image]) = (&record.target, images.as_slice()) {
                    record.apply_error = self.apply_or_note(&image.hash, target);
                }
                outcomes.push(match record.apply_error {
                    Some(error) => Outcome::Failed { job, target: record.target, error },
                    None => Outcome::Done { job, target: record.target, images },
                });
            }
            EventKind::Failed(error) => {
                record.state = JobState::Failed;
                record.preview = None;
                record.error = Some(error.clone());
                outcomes.push(Outcome::Failed { job, target: record.target.clone(), error });
                self.forget_oldest_failures();
            }
            EventKind::Cancelled => {
                self.records.remove(position);
                outcomes.push(Outcome::Cancelled { job });
            }
        }
    }

    /// A game that asks in a loop for what cannot be drawn must not pile up records.
    fn forget_oldest_failures(&mut self) {
        let failed = self.records.iter().filter(|record| record.state == JobState::Failed).count();
        let mut surplus = failed.saturating_sub(MAX_FAILED);
        self.records.retain(|record| {
            let goes = surplus > 0 && record.state == JobState::Failed;
            surplus -= usize::from(goes);
            !goes
        });
    }

    fn apply_or_note(&mut self, hash: &str, target: &GenPath) -> Option<String> {
        let error = self.apply(hash, target).err()?.to_string();
        self.error = Some(error.clone());
        Some(error)
    }
}
