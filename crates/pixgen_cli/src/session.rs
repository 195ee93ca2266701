//! An engine at work: one request after the other, ended by Ctrl-C within a step.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use crossbeam_channel::RecvTimeoutError;
use pixgen_api::{DevicePreference, EventKind, Generated, JobId, ModelRef, Request};
use pixgen_engine::{Engine, EngineConfig, EngineError, JobOptions, ModelInfo, Plan, Preflight};

use crate::config::{Places, Settings};
use crate::exit::{Interrupted, OrUsage, usage};
use crate::interrupt;

/// How often Ctrl-C is looked for while the engine is silent.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An engine with a working folder of its own.
#[derive(Debug)]
pub(crate) struct Session {
    engine: Engine,
    /// Goes with the session.
    _work: tempfile::TempDir,
}

/// What a session works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionConfig<'a> {
    /// Where to draw.
    pub(crate) device: DevicePreference,
    /// Whether linear layers compute with numbers of eight bits.
    pub(crate) fp8_linear: bool,
    /// Sessions that draw at the same time; they share the processor's cores.
    pub(crate) sessions: usize,
    /// Where the working folder is made; `None` takes the system's temporary folder.
    pub(crate) work_in: Option<&'a Path>,
}

impl<'a> SessionConfig<'a> {
    /// As the settings say.
    ///
    /// # Errors
    /// When one of them says what there is not.
    pub(crate) fn of(settings: &Settings, sessions: usize, work_in: Option<&'a Path>) -> anyhow::Result<Self> {
        Ok(Self { device: settings.device()?, fp8_linear: settings.fp8_linear()?, sessions, work_in })
    }
}

impl Session {
    /// Starts an engine. The model is loaded with the first request.
    ///
    /// # Errors
    /// When no working folder can be made, or the system refuses a thread.
    pub(crate) fn start(config: SessionConfig<'_>) -> anyhow::Result<Self> {
        let work = match config.work_in {
            Some(folder) => tempfile::tempdir_in(folder),
            None => tempfile::tempdir(),
        };
        let work = work.context("making a working folder")?;
        // The command line has no history to keep: the engine works in a folder of its own, and sprites are taken out
        // of it.
        let engine = EngineConfig::sdxl(config.device, work.path(), work.path());
        let mut engine = engine.with_fp8_linear(config.fp8_linear);
        // The working folder goes; what is known of large files stays.
        engine.hashes = Places::find()?.hash_cache();
        // There is no game to spare a core for.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        engine.cpu_threads = Some((cores / config.sessions.max(1)).max(1));
        Ok(Self { engine: Engine::start(engine)?, _work: work })
    }

    /// Draws a request. `observe` is told everything that happens on the way.
    ///
    /// # Errors
    /// [`Interrupted`] after Ctrl-C, else the sentence with which the engine refused or gave up.
    pub(crate) fn draw(
        &self,
        request: Request,
        observe: &mut dyn FnMut(&EventKind) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Generated>> {
        self.draw_recipe(request, None, observe)
    }

    /// The same for a recipe, whose paths and hash go into the PNG: `request` is `recipe` with its files at their places.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw).
    pub(crate) fn draw_recipe(
        &self,
        request: Request,
        recipe: Option<Request>,
        observe: &mut dyn FnMut(&EventKind) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Generated>> {
        interrupt::check()?;
        let job = JobId::fresh();
        self.engine.submit_with(job, request, JobOptions { recipe, ..JobOptions::default() });
        let mut is_cancelled = false;
        loop {
            if interrupt::requested() && !is_cancelled {
                self.engine.cancel(job);
                is_cancelled = true;
            }
            let event = match self.engine.events().recv_timeout(LOOK_EVERY) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the engine stopped unexpectedly")),
            };
            if event.job != job {
                continue;
            }
            if let Err(error) = observe(&event.kind) {
                // What cannot be written need not be drawn.
                self.engine.cancel(job);
                return Err(error);
            }
            match event.kind {
                EventKind::Done(images) => return Ok(images),
                EventKind::Failed(error) => return Err(anyhow!(error)),
                EventKind::Cancelled => return Err(Interrupted.into()),
                _ => {}
            }
        }
    }
}

/// What a model says about itself.
///
/// # Errors
/// When it is not there.
pub(crate) fn model_info(model: &ModelRef) -> anyhow::Result<ModelInfo> {
    ModelInfo::read(model).map_err(|error| match error {
        EngineError::NoEmbeddedModel => usage(format!(
            "{error}; `dgx-pixels models download OWNER/NAME` brings one, and --model or DGX_PIXELS_MODEL names it"
        )),
        error => usage(error.to_string()),
    })
}

/// What a request means for its model, before anything is loaded: mistakes are the user's to mend.
///
/// # Errors
/// When the model is not there, or cannot draw the size.
pub(crate) fn plan(request: &Request) -> anyhow::Result<(ModelInfo, Plan)> {
    let info = model_info(&request.model)?;
    let plan = Plan::new(request, &info, 0).or_usage()?;
    Ok((info, plan))
}

/// The same, and a look at every file that the request names: what they are, and whether they can be read.
///
/// # Errors
/// With everything that stands against the drawing.
pub(crate) fn preflight(request: &Request, device: DevicePreference) -> anyhow::Result<(ModelInfo, Plan)> {
    let planned = plan(request)?;
    let found = Preflight::of(request, device, None);
    if found.is_fine() { Ok(planned) } else { Err(usage(found.refusals.join("; "))) }
}

/// The PNG that the engine stored, whole with its provenance.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn stored_png(generated: &Generated) -> anyhow::Result<Vec<u8>> {
    std::fs::read(&generated.file).with_context(|| format!("reading {}", generated.file.display()))
}
