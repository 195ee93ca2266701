//! The panel inside a Bevy game: a window over it, opened with a key.
//!
//! Everything the panel shows is copied out of [`GenJobs`] and the world before it is drawn, and everything it wants
//! is applied once a frame afterwards, however many passes egui ran. Files are read on Bevy's IO tasks.

mod compare;
mod gather;
mod library;
mod look_up;
mod pick;
mod task;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use bevy::input::InputPlugin;
use bevy::platform::collections::HashMap;
use bevy::prelude::*;
use bevy_egui::input::EguiWantsInput;
use bevy_egui::{EguiContexts, EguiPlugin, EguiPrimaryContextPass};
use pixgen_api::{DevicePreference, ModelRef, Pixels};
use pixgen_engine::{ModelInfo, input_files};

use crate::generate::GenJobs;
use crate::panel::{JobsView, MIN_WIDTH_PT, PanelAction, PanelState, panel_ui};
use crate::{PixelsGenPlugin, PixelsGenSystems};
use compare::Comparison;
use library::Library;
use look_up::LookUp;
use task::Background;

/// Least height of the panel, in points.
const MIN_HEIGHT_PT: f32 = 240.0;

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
    device: DevicePreference,
    /// The model that the game has configured.
    model: ModelRef,
    view: JobsView,
    actions: Vec<PanelAction>,
    /// Copies of the sprites that are shown, each made once until its image changes.
    pixels: HashMap<AssetId<Image>, Pixels>,
    note: Option<String>,
    results: gather::Results,
    target: gather::TargetFile,
    library: Library,
    look_up: LookUp,
    reading_model: Background<(ModelRef, Result<ModelInfo, String>)>,
    comparison: Option<Comparison>,
}

impl GenPanel {
    fn new(plugin: &PixelsGenPlugin) -> Self {
        let mut state = PanelState::default();
        state.request.model = plugin.model.clone();
        Self {
            open: plugin.open,
            picking: false,
            state,
            toggle_key: plugin.toggle_key,
            device: plugin.device,
            model: plugin.model.clone(),
            view: JobsView::default(),
            actions: Vec::new(),
            pixels: HashMap::default(),
            note: None,
            results: gather::Results::default(),
            target: gather::TargetFile::default(),
            library: Library::new(plugin),
            look_up: LookUp::default(),
            reading_model: Background::default(),
            comparison: None,
        }
    }

    /// Files outside of the game that the user has named, in its configuration or in the form: what a picture brings along
    /// may name them, too.
    fn named_files(&self) -> Vec<PathBuf> {
        let models = [&self.model, &self.state.request.model].into_iter().filter_map(|model| match model {
            ModelRef::Embedded => None,
            ModelRef::Folder(path) | ModelRef::File(path) => Some(path.clone()),
        });
        models.chain(input_files(&self.state.request)).collect()
    }

    /// Ends what makes no sense without the panel, and frees what only it needs.
    fn on_close(&mut self) {
        self.picking = false;
        self.state.free_textures();
        self.pixels.clear();
    }
}

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
    app.insert_resource(GenPanel::new(plugin))
        .add_systems(
            PreUpdate,
            (
                toggle.after(bevy::input::InputSystems),
                (apply_actions, pick::mark_pickable).chain().in_set(PixelsGenSystems::ReceiveEvents),
                (compare::follow, compare::place).chain().after(PixelsGenSystems::ReceiveEvents),
                forget_changed_images,
            )
                .run_if(resource_exists::<GenJobs>),
        )
        .add_systems(
            EguiPrimaryContextPass,
            (gather::gather, draw, compare::label)
                .chain()
                .run_if(resource_exists::<GenJobs>.and_then(|panel: Res<GenPanel>| panel.open)),
        )
        .add_observer(pick::pick_target)
        .add_observer(compare::take_clicked);
}

fn toggle(keys: Res<ButtonInput<KeyCode>>, egui: Res<EguiWantsInput>, mut panel: ResMut<GenPanel>) {
    // What is typed into a field is text.
    let is_ours = !egui.wants_keyboard_input() || !may_edit_text(panel.toggle_key);
    if is_ours && keys.just_pressed(panel.toggle_key) {
        panel.open = !panel.open;
        if !panel.open {
            panel.on_close();
        }
    }
}

/// Whether a key types or edits text: all but those that no text field knows.
fn may_edit_text(key: KeyCode) -> bool {
    use KeyCode::*;
    let is_function_key = matches!(key, F1 | F2 | F3 | F4 | F5 | F6 | F7 | F8 | F9 | F10 | F11 | F12)
        || matches!(key, F13 | F14 | F15 | F16 | F17 | F18 | F19 | F20 | F21 | F22 | F23 | F24)
        || matches!(key, F25 | F26 | F27 | F28 | F29 | F30 | F31 | F32 | F33 | F34 | F35);
    !is_function_key && !matches!(key, Pause | ScrollLock | PrintScreen | Insert)
}

/// Does what the panel asked for in the frame before.
fn apply_actions(mut panel: ResMut<GenPanel>, mut jobs: ResMut<GenJobs>) {
    if panel.actions.is_empty() {
        return;
    }
    for action in std::mem::take(&mut panel.actions) {
        apply(&mut panel, &mut jobs, action);
    }
}

fn apply(panel: &mut GenPanel, jobs: &mut GenJobs, action: PanelAction) {
    match action {
        PanelAction::Generate { request, target } => _ = jobs.submit(*request, target),
        PanelAction::Cancel(job) => jobs.cancel(job),
        PanelAction::ForgetJob(job) => jobs.forget(job),
        PanelAction::Apply { hash, target } => jobs.apply(&hash, &target),
        PanelAction::Undo => jobs.undo(),
        PanelAction::Redo => jobs.redo(),
        PanelAction::Pick(on) => panel.picking = on,
        PanelAction::SelectTarget(_) => {} // the state has it already
        PanelAction::Tell(text) => {
            warn!("{text}");
            jobs.set_error(Some(text));
        }
        PanelAction::DismissMessage(text) => jobs.dismiss_error(&text),
        PanelAction::DismissNote => panel.note = None,
        PanelAction::Pause(true) => jobs.engine().pause(),
        PanelAction::Pause(false) => jobs.engine().resume(),
        PanelAction::Prioritize(job, priority) => jobs.engine().set_priority(job, priority),
        PanelAction::SearchHistory(search) => panel.look_up.search(search),
        PanelAction::ReadSettings(file) => {
            let folders = jobs.folders_of(&file).with_named(panel.named_files());
            panel.look_up.read_settings(file, folders, jobs.engine().store().clone());
        }
        PanelAction::SearchLibrary => {
            panel.library.search();
            jobs.forget_refused_models();
            // What is being read now was begun before.
            panel.reading_model = Background::default();
            panel.look_up.check_again();
        }
        PanelAction::Compare(requests) => {
            if let Some(before) = panel.comparison.take() {
                before.cancel(jobs);
            }
            panel.comparison = Some(Comparison::start(requests, jobs));
        }
        PanelAction::ShowComparison(on) => {
            if let Some(comparison) = &mut panel.comparison {
                comparison.in_world = on;
            }
        }
        PanelAction::EndComparison => {
            if let Some(before) = panel.comparison.take() {
                before.cancel(jobs);
            }
        }
    }
}

fn forget_changed_images(mut panel: ResMut<GenPanel>, mut events: MessageReader<AssetEvent<Image>>) {
    for event in events.read() {
        if let AssetEvent::Modified { id } | AssetEvent::Removed { id } = event {
            let panel = panel.bypass_change_detection();
            panel.pixels.remove(id);
            panel.target.forget();
        }
    }
}

fn draw(mut contexts: EguiContexts, mut panel: ResMut<GenPanel>) -> Result {
    let context = contexts.ctx_mut()?;
    let panel = panel.bypass_change_detection();
    // Whole on the screen, with the button at its bottom.
    let height = (context.content_rect().height() - 90.0).clamp(MIN_HEIGHT_PT, 640.0);
    let GenPanel { open, state, view, actions, .. } = &mut *panel;
    egui::Window::new("Pixels")
        .id(egui::Id::new("bevy_pixels_gen panel"))
        .open(open)
        .default_pos([12.0, 12.0])
        .default_width(344.0)
        .min_width(MIN_WIDTH_PT)
        .default_height(height)
        .min_height(MIN_HEIGHT_PT)
        .show(context, |ui| actions.extend(panel_ui(ui, state, view)));
    if !panel.open {
        panel.on_close(); // by the window's own cross
    }
    Ok(())
}
