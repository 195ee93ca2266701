//! The jobs of this game: what was asked for, how far it is, what came of it, and the way back.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bevy::prelude::*;
use pixgen_api::{Event, EventKind, GenPath, Generated, JobId, JobState, ModelRef, Pixels, Priority, Request};
use pixgen_engine::{Engine, EngineConfig, EngineError, JobOptions, ModelInfo, RecipeFolders};

use super::errors::Errors;
use super::ledger::{By, Changed, Ledger, Put, PutDone, Reply};

/// Finished sprites that stay at hand without a look into the history.
const MAX_FINISHED: usize = 128;
/// Failed jobs that stay on the list until somebody has read them.
const MAX_FAILED: usize = 16;

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
    /// Time until it is done as the engine says it, which knows of pauses and of what an earlier run has drawn.
    left: Option<Duration>,
    /// When it began to pass.
    left_since: Instant,
    /// Images that an earlier run of the game has finished and shown.
    finished_before: u32,
    /// A first idea of the image.
    pub preview: Option<Pixels>,
    /// What the user should know though it goes on.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Why its first image could not be put into the game, while others are still drawn.
    apply_error: Option<String>,
    /// Whether its first image is on its way to its file.
    is_applying: bool,
    /// Its images, where all are drawn and only that is waited for.
    drawn: Option<Vec<Generated>>,
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
            left: None,
            left_since: Instant::now(),
            finished_before: 0,
            preview: None,
            warnings: Vec::new(),
            error: None,
            apply_error: None,
            is_applying: false,
            drawn: None,
        }
    }

    /// Time until it is done, from the pace of the steps so far. It stands still while the job is paused.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let passes = self.state != JobState::Paused;
        let passed = if passes { now.saturating_duration_since(self.left_since) } else { Duration::ZERO };
        Some(self.left?.saturating_sub(passed))
    }

    /// Notes how long it will take from now on.
    fn set_remaining(&mut self, left: Option<Duration>) {
        (self.left, self.left_since) = (left, Instant::now());
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

/// What a frame's events came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Started { job: JobId, target: Option<GenPath> },
    Progress { job: JobId, image: u32, step: u32, steps: u32 },
    Done { job: JobId, target: Option<GenPath>, images: Vec<Generated> },
    Failed { job: JobId, target: Option<GenPath>, error: String },
    Cancelled { job: JobId },
}

/// The generator's jobs, its finished sprites, and undo. Nothing here waits for a model, nor for a disk but
/// [`model`](Self::model) at its first call. A job that is asked for
/// is noted on the disk by a thread of the engine's, usually within some hundredths of a second, and survives the end of the
/// program from then on; a game that ends in an orderly way loses none.
///
/// It owns a thread, which reflection cannot make or copy: inspectors read [`GenStatus`](super::GenStatus) instead.
#[derive(Resource, Debug)]
pub struct GenJobs {
    engine: Engine,
    records: Vec<JobRecord>,
    finished: VecDeque<Finished>,
    /// Hash of what each sprite shows, as far as it was set here.
    shown: HashMap<GenPath, String>,
    /// Puts sprites into the game and takes them back.
    ledger: Ledger,
    can_undo_redo: (bool, bool),
    /// Of the default asset source.
    assets_dir: PathBuf,
    model_dirs: Vec<PathBuf>,
    replaced: Vec<GenPath>,
    put: Vec<PutDone>,
    errors: Errors,
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
            let target = job.tag.and_then(|tag| GenPath::parse(&tag).ok());
            let finished_before = job.finished_before;
            records.push(JobRecord { finished_before, ..JobRecord::new(job.id, job.request, target) });
        }
        let ledger = Ledger::start(engine.store().clone())?;
        Ok(Self {
            engine,
            records,
            finished: VecDeque::new(),
            shown: HashMap::new(),
            ledger,
            can_undo_redo: (false, false),
            assets_dir: PathBuf::from("assets"),
            model_dirs: Vec::new(),
            replaced: Vec::new(),
            put: Vec::new(),
            errors: Errors::default(),
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
        self.submit_with(id, request, target, JobOptions { priority, tag, ..JobOptions::default() });
        id
    }

    /// Has a recipe drawn when nothing else is to be done: `request` is the recipe with its files at their places. Where
    /// it goes is the caller's business. It is asked for again at the next start, if it is still used.
    pub(crate) fn submit_recipe(&mut self, recipe: Request, request: Request) -> JobId {
        let id = JobId::fresh();
        let options = JobOptions { priority: Priority::Low, tag: None, recipe: Some(recipe), is_passing: true };
        self.submit_with(id, request, None, options);
        id
    }

    /// Has a recipe's sprite put beside it. What comes of it is found in [`take_put`](Self::take_put).
    pub(crate) fn put(&self, put: Put) {
        self.ledger.put(put);
    }

    /// Whether there is anything for [`take_put`](Self::take_put) to do.
    pub(crate) fn has_put(&self) -> bool {
        !self.put.is_empty()
    }

    /// What came of all that was put beside recipes since the last call.
    pub(crate) fn take_put(&mut self) -> Vec<PutDone> {
        std::mem::take(&mut self.put)
    }

    /// Where the game's other assets and its models lie.
    pub(crate) fn know_folders(&mut self, assets: PathBuf, models: Vec<PathBuf>) {
        (self.assets_dir, self.model_dirs) = (assets.clone(), models.clone());
        self.ledger.know_folders(assets, models);
    }

    /// Where the files lie that the PNG `file` may name: among the game's assets, its generated sprites and its models,
    /// and with the history.
    #[cfg_attr(not(feature = "panel"), expect(dead_code, reason = "only the panel asks"))]
    pub(crate) fn folders_of(&self, file: &Path) -> RecipeFolders {
        let gen_dir = self.gen_dir();
        let roots = [self.assets_dir.as_path(), gen_dir.as_path()];
        let folders = if roots.iter().any(|root| file.starts_with(root)) {
            RecipeFolders::of_file(file, &roots, &self.model_dirs)
        } else {
            // One from elsewhere names what lies in this game.
            RecipeFolders::new(&self.assets_dir, Path::new(""), &self.model_dirs)
        };
        let data_dir = self.engine.store().data_dir().to_owned();
        folders.with_named([gen_dir, data_dir])
    }

    /// The folder in which the file of a sprite lies.
    #[cfg_attr(not(feature = "panel"), expect(dead_code, reason = "only the panel looks into it"))]
    pub(crate) fn folder_of(&self, path: &GenPath) -> PathBuf {
        if path.is_in_assets() { self.assets_dir.clone() } else { self.gen_dir() }
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

    /// Makes a finished sprite the one that the game shows at `path`, some frames later. The way back is
    /// [`undo`](Self::undo). Where it cannot be written, [`error`](Self::error) says so and the game keeps the sprite it
    /// had. Where a recipe stands beside it, what was drawn is written into that, too.
    pub fn apply(&mut self, hash: &str, path: &GenPath) {
        self.ledger.apply(hash, path, By::User);
    }

    /// Takes the last change of a sprite back, and of its recipe, if there was one; some frames later, as
    /// [`apply`](Self::apply).
    pub fn undo(&mut self) {
        self.ledger.undo();
    }

    /// Makes the last change that was taken back again, if there was one; some frames later, as [`apply`](Self::apply).
    pub fn redo(&mut self) {
        self.ledger.redo();
    }

    /// Whether [`undo`](Self::undo) and [`redo`](Self::redo) would do something.
    #[must_use]
    pub fn can_undo_redo(&self) -> (bool, bool) {
        self.can_undo_redo
    }

    /// Hash of the sprite that was put to `path` in this run, if any.
    #[must_use]
    pub fn shown(&self, path: &GenPath) -> Option<&str> {
        self.shown.get(path).map(String::as_str)
    }

    /// The last error that no message told of.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.errors.iter().next()
    }

    /// All of them that nobody has put away and that are not mended, the newest first.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.errors.iter()
    }

    /// Notes an error for the user to see, in place of the one that was noted here before; `None`: all were seen.
    pub fn set_error(&mut self, error: Option<String>) {
        match error {
            Some(error) => self.errors.set("", Some(error)),
            None => self.errors = Errors::default(),
        }
    }

    /// Notes what is wrong with a file, or that nothing is any more.
    pub(crate) fn set_error_of(&mut self, origin: &str, error: Option<String>) {
        self.errors.set(origin, error);
    }

    /// Puts one of the errors away.
    pub fn dismiss_error(&mut self, error: &str) {
        self.errors.dismiss(error);
    }

    /// What a model can do, read once, as is why it cannot be used; weights are not loaded for it.
    ///
    /// # Errors
    /// Why there is no such model, in words.
    pub fn model(&mut self, model: &ModelRef) -> Result<&ModelInfo, &str> {
        let info =
            self.models.entry(model.clone()).or_insert_with(|| ModelInfo::read(model).map_err(|e| e.to_string()));
        info.as_ref().map_err(String::as_str)
    }

    /// The same, where it was read already.
    #[cfg_attr(not(feature = "panel"), expect(dead_code, reason = "only the panel does without"))]
    pub(crate) fn model_if_known(&self, model: &ModelRef) -> Option<Result<&ModelInfo, &str>> {
        Some(self.models.get(model)?.as_ref().map_err(String::as_str))
    }

    /// Takes in what was read elsewhere of a model.
    #[cfg_attr(not(feature = "panel"), expect(dead_code, reason = "only the panel reads elsewhere"))]
    pub(crate) fn know_model(&mut self, model: ModelRef, info: Result<ModelInfo, String>) {
        self.models.insert(model, info);
    }

    /// Forgets why models could not be read: their files may be there, or whole, by now.
    #[cfg_attr(not(feature = "panel"), expect(dead_code, reason = "only the panel looks again"))]
    pub(crate) fn forget_refused_models(&mut self) {
        self.models.retain(|_, info| info.is_ok());
    }

    /// The engine, to pause it, to order its queue, to look into its history. Submit jobs here and not there, or nobody
    /// follows them.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The folder behind `gen://`.
    #[must_use]
    pub fn gen_dir(&self) -> PathBuf {
        self.engine.store().gen_dir().to_owned()
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
        !self.engine.events().is_empty() || self.ledger.has_replies()
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
        while let Some(reply) = self.ledger.take_reply() {
            match reply {
                Reply::Put(put) => self.put.push(put),
                Reply::Changed(changed) => self.follow_change(changed, outcomes),
            }
        }
    }

    /// Takes in what came of a change of the game's files.
    fn follow_change(&mut self, changed: Changed, outcomes: &mut Vec<Outcome>) {
        let Changed { job, shows, is_new, error, note, can_undo_redo } = changed;
        self.can_undo_redo = can_undo_redo;
        if let Some((path, hash)) = shows {
            match hash {
                Some(hash) => self.shown.insert(path.clone(), hash),
                None => self.shown.remove(&path),
            };
            if is_new {
                self.replaced.push(path);
            }
        }
        for said in [&error, &note].into_iter().flatten() {
            warn!("{said}");
            self.errors.set(said, Some(said.clone()));
        }
        let Some(position) = self.records.iter().position(|record| job == Some(record.id)) else { return };
        let record = &mut self.records[position];
        (record.is_applying, record.apply_error) = (false, error);
        self.end_if_done(position, outcomes);
    }

    /// Ends a job whose images are all drawn, and whose first one is where it belongs.
    fn end_if_done(&mut self, position: usize, outcomes: &mut Vec<Outcome>) {
        let record = &self.records[position];
        if record.is_applying || record.drawn.is_none() {
            return;
        }
        let JobRecord { id: job, target, drawn, apply_error, .. } = self.records.remove(position);
        outcomes.push(match apply_error {
            Some(error) => Outcome::Failed { job, target, error },
            None => Outcome::Done { job, target, images: drawn.unwrap_or_default() },
        });
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
            EventKind::Step { image, step, steps, remaining } => {
                record.set_remaining(remaining);
                (record.image, record.step, record.steps) = (image, step, steps);
                outcomes.push(Outcome::Progress { job, image, step, steps });
            }
            EventKind::Paused => {
                record.set_remaining(record.remaining(Instant::now()));
                record.state = JobState::Paused;
            }
            EventKind::Resumed => {
                record.set_remaining(record.remaining(Instant::now()));
                record.state = JobState::Running;
            }
            EventKind::Preview(preview) => record.preview = Some(preview),
            EventKind::Warning(warning) => {
                warn!("job {job}: {warning}");
                record.warnings.push(warning);
            }
            EventKind::Image(generated) => {
                record.images_done += 1;
                record.preview = None;
                let request = record.request.clone();
                // A series shows its first image at once, any other job with it the only one.
                if let Some(target) = record.target.as_ref().filter(|_| record.images_done == 1) {
                    record.is_applying = true;
                    let by = if record.finished_before > 0 { By::EarlierRun(job) } else { By::Job(job) };
                    self.ledger.apply(&generated.hash, target, by);
                }
                self.finished.push_front(Finished { generated, request });
                self.finished.truncate(MAX_FINISHED);
            }
            EventKind::Done(images) => {
                record.drawn = Some(images);
                self.end_if_done(position, outcomes);
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
}
