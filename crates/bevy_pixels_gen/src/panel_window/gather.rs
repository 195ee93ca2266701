//! Copies what the panel shows out of the jobs and the world.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bevy::prelude::*;
use pixgen_api::{GenPath, JobId, JobState, ModelRef, Pixels, Priority, Request, recipe_file};
use pixgen_engine::{ModelInfo, RecipeFolders, Store};

use super::GenPanel;
use super::look_up::recover;
use super::task::Background;
use crate::generate::{Finished, GenJobs, JobRecord, gen_path};
use crate::panel::{JobView, JobsView, ModelView, SpriteView, TargetView};

/// The finished sprites, made anew only when there are others.
#[derive(Debug, Default)]
pub(super) struct Results {
    key: (usize, Option<String>),
    sprites: Vec<SpriteView>,
}

impl Results {
    /// Whether there are others than before.
    fn update(&mut self, jobs: &GenJobs) -> bool {
        let key = (jobs.finished().count(), jobs.finished().next().map(|newest| newest.generated.hash.clone()));
        if key == self.key {
            return false;
        }
        self.key = key;
        self.sprites = jobs.finished().map(sprite).collect();
        true
    }

    fn get(&self, shown: Option<&str>) -> Vec<SpriteView> {
        mark_applied(self.sprites.clone(), shown)
    }
}

fn mark_applied(mut sprites: Vec<SpriteView>, shown: Option<&str>) -> Vec<SpriteView> {
    for sprite in &mut sprites {
        sprite.is_applied = Some(sprite.hash.as_str()) == shown;
    }
    sprites
}

/// A finished sprite as the panel shows it.
fn sprite(finished: &Finished) -> SpriteView {
    view_of(&finished.generated, &finished.request)
}

/// A sprite and the job that it came from as the panel shows it.
pub(super) fn view_of(generated: &pixgen_api::Generated, request: &Request) -> SpriteView {
    let request = Request { seed: Some(generated.seed), count: 1, ..request.clone() };
    SpriteView {
        hash: generated.hash.clone(),
        file: generated.file.clone(),
        pixels: generated.pixels.clone(),
        size_px: [generated.pixels.width_px, generated.pixels.height_px],
        request: Some(Arc::new(request)),
        left_out: Vec::new(),
        is_applied: false,
    }
}

/// How the chosen target was drawn, read from its file when another is chosen or its image changes.
#[derive(Debug, Default)]
pub(super) struct TargetFile {
    /// Of which target that was read, or is being read.
    path: Option<GenPath>,
    found: FoundTarget,
    reading: Background<FoundTarget>,
}

/// What was found out about a target.
#[derive(Debug, Default)]
struct FoundTarget {
    path: Option<GenPath>,
    request: Option<Arc<Request>>,
    left_out: Vec<String>,
    file: Option<PathBuf>,
    recipe: Option<String>,
}

impl TargetFile {
    pub(super) fn forget(&mut self) {
        self.path = None;
    }

    /// What is known of the target by now; `named` are the files that the user has named.
    fn update(&mut self, path: &GenPath, jobs: &GenJobs, named: impl FnOnce() -> Vec<PathBuf>) -> Option<&FoundTarget> {
        let is_reading = self.reading.is_busy();
        if let Some(found) = self.reading.take() {
            self.found = found;
        }
        // One look after the other: pictures that change in every frame would let none come to its end.
        if self.path.as_ref() != Some(path) && !is_reading {
            self.path = Some(path.clone());
            // The history's copy stays when the sprite is replaced.
            let store = jobs.engine().store().clone();
            let in_history = jobs.shown(path).map(|hash| store.history_dir().join(format!("{hash}.png")));
            let beside = path.file_in(&jobs.folder_of(path));
            // A recipe names its files from where it lies.
            let folders = jobs.folders_of(&beside).with_named(named());
            let path = path.clone();
            self.reading.start(move || FoundTarget::read(path, in_history, beside, &folders, &store));
        }
        (self.found.path.as_ref() == Some(path)).then_some(&self.found)
    }
}

impl FoundTarget {
    fn read(
        path: GenPath,
        in_history: Option<PathBuf>,
        beside: PathBuf,
        folders: &RecipeFolders,
        store: &Store,
    ) -> Self {
        let recipe = recipe_file(&beside).filter(|recipe| recipe.is_file());
        let name = recipe.as_ref().and_then(|recipe| recipe.file_name());
        let recipe = name.map(|name| name.to_string_lossy().into_owned());
        let file = in_history.unwrap_or(beside);
        let recovered = recover(&file, folders, store).ok();
        let (request, left_out) = recovered.map(|found| (Arc::new(found.request), found.notes)).unzip();
        let left_out = left_out.unwrap_or_default();
        Self { path: Some(path), request, left_out, file: Some(file).filter(|file| file.is_file()), recipe }
    }
}

/// Copies what the panel shows out of the world.
pub(super) fn gather(
    mut panel: ResMut<GenPanel>,
    mut jobs: ResMut<GenJobs>,
    sprites: Query<(&Sprite, Option<&Name>)>,
    images: Res<Assets<Image>>,
) {
    let panel = panel.bypass_change_detection();
    let jobs = jobs.bypass_change_detection();
    match panel.look_up.take_settings(&mut panel.state) {
        Some(Ok(note)) => panel.note = Some(note),
        Some(Err(error)) => jobs.set_error(Some(error)),
        None => {}
    }
    if panel.results.update(jobs) {
        panel.look_up.history_changed();
    }
    let (model, blocked) = model_view(&mut panel.reading_model, jobs, &panel.state.request.model);
    let targets = targets(panel, jobs, &sprites, &images);
    let (can_undo, can_redo) = jobs.can_undo_redo();
    let shown = panel.state.target.as_ref().and_then(|path| jobs.shown(path)).map(str::to_owned);
    let shown = shown.as_deref();
    let store = jobs.engine().store();
    let named = panel.named_files();
    let mut history = panel.look_up.history(store, || jobs.folders_of(&store.history_dir()).with_named(named));
    history.sprites = mark_applied(history.sprites, shown);
    let request = &panel.state.request;
    let (refusals, warnings) = panel.look_up.preflight(request, panel.device, jobs.engine().in_memory());
    let now = Instant::now();
    panel.view = JobsView {
        jobs: ordered(jobs, now),
        paused: jobs.engine().is_paused(),
        candidates: panel.results.get(shown),
        history,
        comparison: panel.comparison.as_ref().map(|comparison| comparison.view(jobs, shown)),
        targets,
        picking: panel.picking,
        can_undo,
        can_redo,
        messages: jobs.errors().map(str::to_owned).collect(),
        note: panel.note.clone(),
        blocked,
        refusals,
        warnings,
        model,
        library: panel.library.view(),
        palette_file: panel.library.palette_file(&request.pixel_art.palette),
        init_image: panel.look_up.init_image(request.init_image.as_deref()),
    };
}

/// What the chosen model can do, and why nothing can be drawn with it.
fn model_view(
    reading: &mut Background<(ModelRef, Result<ModelInfo, String>)>,
    jobs: &mut GenJobs,
    model: &ModelRef,
) -> (ModelView, Option<String>) {
    if let Some((model, info)) = reading.take() {
        jobs.know_model(model, info);
    }
    let info = match (jobs.model_if_known(model), model) {
        (Some(info), _) => info,
        // It is a part of the program.
        (None, ModelRef::Embedded) => jobs.model(model),
        (None, ModelRef::Folder(_) | ModelRef::File(_)) => {
            if !reading.is_busy() {
                let model = model.clone();
                reading.start(move || {
                    let info = ModelInfo::read(&model).map_err(|error| error.to_string());
                    (model, info)
                });
            }
            Err("the model is being looked at")
        }
    };
    match info {
        Ok(info) => {
            let native_sizes_px = info.native_sizes.iter().map(|native| native.sprite_px).collect();
            let view = ModelView {
                name: info.name.clone(),
                native_sizes_px,
                max_size_px: pixgen_api::MAX_SIZE_PX,
                default_steps: info.steps,
                default_guidance_scale: info.guidance_scale,
                default_scheduler: info.scheduler,
            };
            (view, None)
        }
        Err(error) => (ModelView::default(), Some(error.to_owned())),
    }
}

fn targets(
    panel: &mut GenPanel,
    jobs: &GenJobs,
    sprites: &Query<(&Sprite, Option<&Name>)>,
    images: &Assets<Image>,
) -> Vec<TargetView> {
    let mut targets = BTreeMap::new();
    for (sprite, name) in sprites {
        let Some(path) = gen_path(sprite) else { continue };
        let target = targets.entry(path.clone()).or_insert_with(|| {
            let id = sprite.image.id();
            let current = panel.pixels.get(&id).cloned().or_else(|| images.get(id).and_then(pixels));
            if let Some(current) = &current {
                panel.pixels.insert(id, current.clone());
            }
            let left_out = Vec::new();
            TargetView { path, current, name: None, request: None, left_out, file: None, recipe: None }
        });
        target.name = target.name.take().or_else(|| name.map(|name| name.as_str().to_owned()));
    }
    if let Some(chosen) = panel.state.target.as_ref().and_then(|path| targets.get_mut(path)) {
        let named = panel.named_files();
        if let Some(found) = panel.target.update(&chosen.path, jobs, || named) {
            (chosen.request, chosen.file) = (found.request.clone(), found.file.clone());
            (chosen.left_out, chosen.recipe) = (found.left_out.clone(), found.recipe.clone());
        }
    }
    targets.into_values().collect()
}

/// The sprite as the panel can show it. Images that live on the GPU alone have no pixels here.
fn pixels(image: &Image) -> Option<Pixels> {
    let size = image.size();
    let data = image.data.as_ref()?;
    let is_rgba = data.len() == (size.x * size.y * 4) as usize;
    is_rgba.then(|| Pixels { width_px: size.x, height_px: size.y, rgba: data.as_slice().into() })
}

/// The jobs in the order in which they run; those that have failed first.
fn ordered(jobs: &GenJobs, now: Instant) -> Vec<JobView> {
    if jobs.records().is_empty() {
        return Vec::new();
    }
    let queue: Vec<(JobId, Priority)> = jobs.engine().jobs().iter().map(|job| (job.id, job.priority)).collect();
    let place = |id: JobId| queue.iter().position(|(queued, _)| *queued == id);
    let mut views: Vec<_> = jobs.records().iter().map(|record| (place(record.id), job_view(record, now))).collect();
    views.sort_by_key(|(place, _)| *place);
    let priority = |place: Option<usize>| place.and_then(|place| queue.get(place)).map(|(_, priority)| *priority);
    views.into_iter().map(|(at, view)| JobView { priority: priority(at).unwrap_or_default(), ..view }).collect()
}

fn job_view(record: &JobRecord, now: Instant) -> JobView {
    JobView {
        id: record.id,
        state: record.state,
        priority: Priority::default(),
        prompt: record.request.prompt.clone(),
        target: record.target.clone(),
        image: record.image,
        step: record.step,
        steps: record.steps,
        images_done: record.images_done,
        count: record.request.count,
        elapsed_secs: record.started.map_or(0.0, |started| (now - started).as_secs_f32()),
        eta_secs: record.remaining(now).filter(|_| record.state == JobState::Running).map(|left| left.as_secs_f32()),
        preview: record.preview.clone(),
        error: record.error.clone(),
        warnings: record.warnings.clone(),
    }
}
