//! The panel: prompt in, sprites out.
//!
//! [`panel_ui`] is a function from data to wishes: it draws a [`JobsView`] into any [`egui::Ui`], keeps what the
//! user types in a [`PanelState`], and returns [`PanelAction`]s. It knows no Bevy type, owns no job,
//! starts no thread and never waits, so it fits into a window, a dock or a test.

mod candidates;
mod form;
mod jobs;
mod look;
mod more;
mod state;
mod target;
mod thumbnails;
mod view;

use egui::{Key, Modifiers, ScrollArea, Ui};

pub use state::PanelState;
pub use view::{CandidateView, JobView, JobsView, ModelView, PanelAction, TargetView};

/// The narrowest place in which nothing is cut off, in points.
pub const MIN_WIDTH_PT: f32 = 290.0;

/// Draws the panel and returns what the user asked for. Made for a width of about 320 points, at least
/// [`MIN_WIDTH_PT`]; scrolls by itself. Draw it at one place of the screen only.
///
/// egui may run several passes for one frame: add up the actions of all passes and apply each once.
pub fn panel_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView) -> Vec<PanelAction> {
    let mut actions = Vec::new();
    state.thumbnails.begin_pass();
    keyboard(ui, view, &mut actions);
    ui.scope(|ui| {
        look::spacing(ui);
        ScrollArea::vertical().id_salt("pixels_gen_panel").auto_shrink([false, true]).show(ui, |ui| {
            message(ui, view, &mut actions);
            look::stable(ui, "target", |ui| target::target_ui(ui, state, view, &mut actions));
            look::stable(ui, "form", |ui| form::form_ui(ui, state, view, &mut actions));
            look::stable(ui, "jobs", |ui| jobs::jobs_ui(ui, state, view, &mut actions));
            look::stable(ui, "candidates", |ui| candidates::candidates_ui(ui, state, view, &mut actions));
            if !view.model.name.is_empty() {
                ui.add_space(4.0);
                look::hint(ui, format!("Model: {}", view.model.name));
            }
        });
    });
    state.thumbnails.end_pass();
    actions
}

/// Undo and redo while no text is edited, where they belong to the text; Escape ends picking.
fn keyboard(ui: &Ui, view: &JobsView, actions: &mut Vec<PanelAction>) {
    if !ui.ctx().text_edit_focused() {
        let pressed = |modifiers, key| ui.input_mut(|input| input.consume_key(modifiers, key));
        // egui ignores an extra Shift, so the longer shortcut comes first.
        let redo = pressed(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z) || pressed(Modifiers::COMMAND, Key::Y);
        let undo = pressed(Modifiers::COMMAND, Key::Z);
        if redo && view.can_redo {
            actions.push(PanelAction::Redo);
        }
        if undo && view.can_undo {
            actions.push(PanelAction::Undo);
        }
    }
    if view.picking && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
        actions.push(PanelAction::Pick(false));
    }
}

/// The last error.
fn message(ui: &mut Ui, view: &JobsView, actions: &mut Vec<PanelAction>) {
    if let Some(message) = &view.message
        && look::error_box(ui, message, "Dismiss")
    {
        actions.push(PanelAction::DismissMessage);
    }
}
