//! The panel inside a Bevy game: a window over it, opened with a key.
//!
//! Everything the panel shows is copied out of [`GenJobs`] and the world before it is drawn, and everything it wants
//! is applied once a frame afterwards, however many passes egui ran.

use std::collections::BTreeMap;
use std::time::Instant;

use bevy::input::InputPlugin;
use bevy::picking::Pickable;
use bevy::platform::collections::HashMap;
use bevy::prelude::*;
use bevy_egui::{EguiContexts, EguiPlugin, EguiPrimaryContextPass};
use pixgen_api::{JobState, Pixels};

use crate::generate::{GenJobs, gen_path};
use crate::panel::{
    CandidateView, JobView, JobsView, MIN_WIDTH_PT, ModelView, PanelAction, PanelState, TargetView, panel_ui,
};
use crate::{PixelsGenPlugin, PixelsGenSystems};

/// The panel of a running game.
#[derive(Resource, Debug)]
pub struct GenPanel {
    /// Whether it is shown.
    pub open: bool,
    /// Whether the next click on a sprite in the world makes it the target.
    pub picking: bool,
    /// What the user has typed and chosen.
    pub state: PanelState,
    toggle_key: KeyCode,
    view: JobsView,
    actions: Vec<PanelAction>,
    /// Copies of the sprites that are shown, each made once until its image changes.
    pixels: HashMap<AssetId<Image>, Pixels>,
}

impl GenPanel {
    /// Ends what makes no sense without the panel, and frees what only it needs.
    fn on_close(&mut self) {
        self.picking = false;
        self.state.free_textures();
        self.pixels.clear();
    }
}

/// Marks sprites that are pickable only because the panel is choosing a target.
#[derive(Component)]
struct PickableForPanel;

/// Adds the panel, if the game has egui.
pub(crate) fn add_to(plugin: &PixelsGenPlugin, app: &mut App) {
    if !app.is_plugin_added::<InputPlugin>() {
        return; // A server or a test: there is nobody to use a panel.
    }
    if !app.is_plugin_added::<EguiPlugin>() {
        warn!(
            "the panel is off: add `bevy_egui::EguiPlugin::default()` to the game to have it (or build \
             bevy_pixels_gen without the feature `panel`)"
        );
        return;
    }
    let mut state = PanelState::default();
    state.request.model = plugin.model.clone();
    app.insert_resource(GenPanel {
        open: plugin.open,
        picking: false,
        state,
        toggle_key: plugin.toggle_key,
        view: JobsView::default(),
        actions: Vec::new(),
        pixels: HashMap::default(),
    })
    .add_systems(
        PreUpdate,
        (
            toggle.after(bevy::input::InputSystems),
            (apply_actions, mark_pickable).chain().in_set(PixelsGenSystems::ReceiveEvents),
            forget_changed_images,
        )
            .run_if(resource_exists::<GenJobs>),
    )
    .add_systems(
        EguiPrimaryContextPass,
        (gather, draw).chain().run_if(resource_exists::<GenJobs>.and_then(|panel: Res<GenPanel>| panel.open)),
    )
    .add_observer(pick_target);
}

fn toggle(keys: Res<ButtonInput<KeyCode>>, mut panel: ResMut<GenPanel>) {
    if keys.just_pressed(panel.toggle_key) {
        panel.open = !panel.open;
        if !panel.open {
            panel.on_close();
        }
    }
}

/// Does what the panel asked for in the frame before.
fn apply_actions(mut panel: ResMut<GenPanel>, mut jobs: ResMut<GenJobs>) {
    if panel.actions.is_empty() {
        return;
    }
    for action in std::mem::take(&mut panel.actions) {
        let result = match action {
            PanelAction::Generate { request, target } => {
                jobs.submit(request, target);
                Ok(())
            }
            PanelAction::Cancel(job) => {
                jobs.cancel(job);
                Ok(())
            }
            PanelAction::ForgetJob(job) => {
                jobs.forget(job);
                Ok(())
            }
            PanelAction::Apply { hash, target } => jobs.apply(&hash, &target),
            PanelAction::Undo => jobs.undo().map(|_| ()),
            PanelAction::Redo => jobs.redo().map(|_| ()),
            PanelAction::Pick(on) => {
                panel.picking = on;
                Ok(())
            }
            PanelAction::SelectTarget(_) => Ok(()), // the state has it already
            PanelAction::DismissMessage => {
                jobs.set_error(None);
                Ok(())
            }
        };
        if let Err(error) = result {
            jobs.set_error(Some(error.to_string()));
        }
    }
}

/// Bevy's sprite picking looks only at sprites with `Pickable`; a game that uses none must be pickable too.
fn mark_pickable(
    panel: Res<GenPanel>,
    sprites: Query<(Entity, &Sprite), Without<Pickable>>,
    marked: Query<Entity, With<PickableForPanel>>,
    mut commands: Commands,
) {
    if panel.picking {
        for (entity, _) in sprites.iter().filter(|(_, sprite)| gen_path(sprite).is_some()) {
            commands.entity(entity).insert((Pickable::default(), PickableForPanel));
        }
    } else {
        for entity in &marked {
            commands.entity(entity).remove::<(Pickable, PickableForPanel)>();
        }
    }
}

fn forget_changed_images(mut panel: ResMut<GenPanel>, mut events: MessageReader<AssetEvent<Image>>) {
    for event in events.read() {
        if let AssetEvent::Modified { id } | AssetEvent::Removed { id } = event {
            panel.bypass_change_detection().pixels.remove(id);
        }
    }
}

/// A click on a sprite in the world makes it the target, while the panel is choosing one.
fn pick_target(click: On<Pointer<Click>>, mut panel: ResMut<GenPanel>, sprites: Query<&Sprite>) {
    if !panel.picking {
        return;
    }
    if let Some(path) = sprites.get(click.event().entity).ok().and_then(gen_path) {
        panel.state.target = Some(path);
        // At once: the click goes on to the parents, and only the sprite that was hit is meant.
        panel.picking = false;
    }
}

/// Copies what the panel shows out of the world.
fn gather(
    mut panel: ResMut<GenPanel>,
    mut jobs: ResMut<GenJobs>,
    sprites: Query<(&Sprite, Option<&Name>)>,
    images: Res<Assets<Image>>,
) {
    let now = Instant::now();
    let model = panel.state.request.model.clone();
    let (model, blocked) = match jobs.bypass_change_detection().model(&model) {
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
    };
    let mut targets = BTreeMap::new();
    for (sprite, name) in &sprites {
        let Some(path) = gen_path(sprite) else { continue };
        let target = targets.entry(path.clone()).or_insert_with(|| {
            let id = sprite.image.id();
            let current = panel.pixels.get(&id).cloned().or_else(|| images.get(id).and_then(pixels));
            if let Some(current) = &current {
                panel.pixels.insert(id, current.clone());
            }
            TargetView { path, current, name: None }
        });
        target.name = target.name.take().or_else(|| name.map(|name| name.as_str().to_owned()));
    }
    let (can_undo, can_redo) = jobs.can_undo_redo();
    let target = panel.state.target.clone();
    let shown = target.as_ref().and_then(|path| jobs.shown(path)).map(str::to_owned);
    let candidates = jobs.finished().map(|finished| CandidateView {
        generated: finished.generated.clone(),
        prompt: finished.request.prompt.clone(),
        kind: finished.request.kind,
        is_applied: Some(finished.generated.hash.as_str()) == shown.as_deref(),
    });
    let view = JobsView {
        jobs: jobs.records().iter().map(|record| job_view(record, now)).collect(),
        candidates: candidates.collect(),
        targets: targets.into_values().collect(),
        picking: panel.picking,
        can_undo,
        can_redo,
        message: jobs.error().map(str::to_owned),
        blocked,
        model,
    };
    panel.view = view;
}

fn job_view(record: &crate::generate::JobRecord, now: Instant) -> JobView {
    JobView {
        id: record.id,
        state: record.state,
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

/// The sprite as the panel can show it. Images that live on the GPU alone have no pixels here.
fn pixels(image: &Image) -> Option<Pixels> {
    let size = image.size();
    let data = image.data.as_ref()?;
    let is_rgba = data.len() == (size.x * size.y * 4) as usize;
    is_rgba.then(|| Pixels { width_px: size.x, height_px: size.y, rgba: data.as_slice().into() })
}

fn draw(mut contexts: EguiContexts, mut panel: ResMut<GenPanel>) -> Result {
    let context = contexts.ctx_mut()?;
    let panel = panel.bypass_change_detection();
    let GenPanel { open, state, view, actions, .. } = &mut *panel;
    egui::Window::new("Pixels")
        .id(egui::Id::new("bevy_pixels_gen panel"))
        .open(open)
        .default_pos([12.0, 12.0])
        .default_width(336.0)
        .min_width(MIN_WIDTH_PT)
        .default_height(640.0)
        .show(context, |ui| actions.extend(panel_ui(ui, state, view)));
    if !panel.open {
        panel.on_close(); // by the window's own cross
    }
    Ok(())
}
