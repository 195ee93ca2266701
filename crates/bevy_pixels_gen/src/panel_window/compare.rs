//! Comparing: several jobs that differ in one thing, and their sprites in the world next to each other.

use bevy::asset::RenderAssetUsages;
use bevy::camera::Camera;
use bevy::image::ImageSampler;
use bevy::picking::Pickable;
use bevy::prelude::*;
use bevy_egui::EguiContexts;
use pixgen_api::{JobId, JobState, Pixels, Request};

use super::GenPanel;
use super::gather::view_of;
use crate::generate::{GenJobs, GenerationCancelled, GenerationDone, GenerationFailed, gen_path};
use crate::panel::{ComparedRequest, ComparedView, ComparisonView, SpriteView};

/// Room between two sprites in the world, in world units: sprite pixels, as Bevy draws them.
const GAP: f32 = 8.0;
/// How far in front of the target they stand.
const IN_FRONT: f32 = 500.0;

/// What is being compared.
#[derive(Debug)]
pub(super) struct Comparison {
    cells: Vec<Cell>,
    /// They stand in the world.
    pub(super) in_world: bool,
}

#[derive(Debug)]
struct Cell {
    label: String,
    job: JobId,
    request: Request,
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    Done(Box<SpriteView>),
    Failed(String),
    Cancelled,
}

impl Comparison {
    pub(super) fn start(requests: Vec<ComparedRequest>, jobs: &mut GenJobs) -> Self {
        let cell = |ComparedRequest { label, request }| {
            let job = jobs.submit(request.clone(), None);
            Cell { label, job, request, end: None }
        };
        Self { cells: requests.into_iter().map(cell).collect(), in_world: false }
    }

    /// Stops what is not finished.
    pub(super) fn cancel(&self, jobs: &GenJobs) {
        for cell in self.cells.iter().filter(|cell| cell.end.is_none()) {
            jobs.cancel(cell.job);
        }
    }

    fn end(&mut self, job: JobId, end: impl FnOnce(&Request) -> End) {
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.job == job) {
            cell.end = Some(end(&cell.request));
        }
    }

    /// As the panel shows it.
    pub(super) fn view(&self, jobs: &GenJobs, shown: Option<&str>) -> ComparisonView {
        let first = self.cells.first().map(|cell| &cell.request);
        ComparisonView {
            prompt: first.map(|request| request.prompt.clone()).unwrap_or_default(),
            seed: first.and_then(|request| request.seed).unwrap_or_default(),
            cells: self.cells.iter().map(|cell| cell.view(jobs, shown)).collect(),
            in_world: self.in_world,
        }
    }
}

impl Cell {
    fn sprite(&self) -> Option<&SpriteView> {
        if let Some(End::Done(sprite)) = &self.end { Some(sprite) } else { None }
    }

    fn view(&self, jobs: &GenJobs, shown: Option<&str>) -> ComparedView {
        let record = jobs.records().iter().find(|record| record.id == self.job);
        let progress = record.map_or(0.0, |record| record.step as f32 / record.steps.max(1) as f32);
        let (state, error) = match &self.end {
            Some(End::Done(_)) => (JobState::Done, None),
            Some(End::Failed(error)) => (JobState::Failed, Some(error.clone())),
            Some(End::Cancelled) => (JobState::Cancelled, None),
            None => (record.map_or(JobState::Queued, |record| record.state), None),
        };
        let sprite = self.sprite().map(|sprite| {
            let is_applied = Some(sprite.hash.as_str()) == shown;
            SpriteView { is_applied, ..sprite.clone() }
        });
        ComparedView { label: self.label.clone(), state, progress, sprite, error }
    }
}

/// Notes what came of the jobs.
pub(super) fn follow(
    mut panel: ResMut<GenPanel>,
    mut done: MessageReader<GenerationDone>,
    mut failed: MessageReader<GenerationFailed>,
    mut cancelled: MessageReader<GenerationCancelled>,
) {
    let Some(comparison) = &mut panel.bypass_change_detection().comparison else {
        done.clear();
        failed.clear();
        cancelled.clear();
        return;
    };
    for GenerationDone { job, images, .. } in done.read() {
        if let Some(image) = images.first() {
            comparison.end(*job, |request| End::Done(Box::new(view_of(image, request))));
        }
    }
    for GenerationFailed { job, error, .. } in failed.read() {
        comparison.end(*job, |_| End::Failed(error.clone()));
    }
    for GenerationCancelled { job } in cancelled.read() {
        comparison.end(*job, |_| End::Cancelled);
    }
}

/// One of the compared sprites in the world.
#[derive(Component, Clone, Debug)]
pub(super) struct ComparedSprite {
    job: JobId,
    hash: String,
    label: String,
    height: f32,
}

/// Puts finished sprites in a row over the target, and takes away what is no longer compared.
pub(super) fn place(
    panel: Res<GenPanel>,
    standing: Query<(Entity, &ComparedSprite)>,
    sprites: Query<(&Sprite, &GlobalTransform), Without<ComparedSprite>>,
    mut images: ResMut<Assets<Image>>,
    mut commands: Commands,
) {
    let comparison = panel.comparison.as_ref().filter(|comparison| comparison.in_world && panel.open);
    let cells = comparison.map_or(&[][..], |comparison| &comparison.cells);
    for (entity, compared) in &standing {
        if cells.iter().all(|cell| cell.job != compared.job) {
            commands.entity(entity).despawn();
        }
    }
    let is_new = |cell: &&Cell| cell.sprite().is_some() && standing.iter().all(|(_, there)| there.job != cell.job);
    if !cells.iter().any(|cell| is_new(&cell)) {
        return;
    }
    let target = panel.state.target.as_ref();
    let at = sprites.iter().find(|(sprite, _)| target.is_some() && gen_path(sprite).as_ref() == target);
    let at = at.map_or(Vec3::ZERO, |(_, transform)| transform.translation());
    let sizes = cells.iter().filter_map(|cell| cell.sprite()).map(|sprite| sprite.size_px);
    let edge = sizes.flatten().max().unwrap_or(32) as f32;
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| is_new(cell)) {
        let Some((sprite, image)) = cell.sprite().and_then(|sprite| Some((sprite, image(&sprite.pixels)?))) else {
            continue;
        };
        let x = (index as f32 - (cells.len() - 1) as f32 / 2.0) * (edge + GAP);
        let position = at + Vec3::new(x.round(), edge + 2.0 * GAP, IN_FRONT);
        commands.spawn((
            Name::new(format!("Compared: {}", cell.label)),
            ComparedSprite {
                job: cell.job,
                hash: sprite.hash.clone(),
                label: cell.label.clone(),
                height: sprite.size_px[1] as f32,
            },
            Sprite::from_image(images.add(image)),
            Transform::from_translation(position),
            Pickable::default(),
        ));
    }
}

fn image(pixels: &Pixels) -> Option<Image> {
    let buffer = image::RgbaImage::from_raw(pixels.width_px, pixels.height_px, pixels.rgba.to_vec())?;
    let mut image = Image::from_dynamic(buffer.into(), true, RenderAssetUsages::default());
    image.sampler = ImageSampler::nearest();
    Some(image)
}

/// A click with the main button on one of them makes it the target's picture.
pub(super) fn take_clicked(
    click: On<Pointer<Click>>,
    compared: Query<&ComparedSprite>,
    panel: Res<GenPanel>,
    mut jobs: ResMut<GenJobs>,
) {
    // The others belong to the game: they move its camera or its units.
    if click.button != PointerButton::Primary {
        return;
    }
    let (Ok(compared), Some(target)) = (compared.get(click.event().entity), &panel.state.target) else { return };
    jobs.apply(&compared.hash, target);
}

/// Writes under each of them what is special about it.
pub(super) fn label(
    mut contexts: EguiContexts,
    compared: Query<(&ComparedSprite, &GlobalTransform)>,
    cameras: Query<(&Camera, &GlobalTransform)>,
) -> Result {
    if compared.is_empty() {
        return Ok(());
    }
    let context = contexts.ctx_mut()?;
    let Some((camera, eye)) = cameras.iter().find(|(camera, _)| camera.is_active) else { return Ok(()) };
    let painter = context.layer_painter(egui::LayerId::background());
    for (compared, transform) in &compared {
        let foot = transform.translation() - Vec3::Y * (compared.height / 2.0 + 1.0);
        let Ok(at) = camera.world_to_viewport(eye, foot) else { continue };
        let font = egui::FontId::proportional(12.0);
        let galley = painter.layout_no_wrap(compared.label.clone(), font, egui::Color32::WHITE);
        let place =
            egui::Rect::from_center_size(egui::pos2(at.x, at.y + 8.0), galley.size()).expand2(egui::vec2(4.0, 1.0));
        painter.rect_filled(place, 3.0, egui::Color32::from_black_alpha(200));
        painter.galley(place.center() - galley.size() / 2.0, galley, egui::Color32::WHITE);
    }
    Ok(())
}
