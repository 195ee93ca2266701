//! What was drawn in this session: a click puts a sprite into the world.

use std::collections::HashSet;

use egui::Ui;

use super::grid::grid_ui;
use super::look;
use super::{JobsView, PanelAction, PanelState};

/// Undo, redo, and the grid of results. A sprite that was made twice is shown once.
pub(super) fn candidates_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    look::section(ui, "Results", |ui| history_buttons(ui, view, actions));
    if view.candidates.is_empty() {
        look::hint(ui, "Sprites appear here. Click one to put it into the world; nothing is ever lost.");
        return;
    }
    let mut known = HashSet::new();
    let sprites: Vec<_> = view.candidates.iter().filter(|sprite| known.insert(&sprite.hash)).collect();
    grid_ui(ui, "results", &sprites, state, actions);
}

/// Undo and redo, from the right.
pub(super) fn history_buttons(ui: &mut Ui, view: &JobsView, actions: &mut Vec<PanelAction>) {
    let button = |ui: &mut Ui, enabled, text: &str, keys: &str| {
        let response = ui.add_enabled(enabled, egui::Button::new(text).small());
        response.on_hover_text(keys).clicked()
    };
    if button(ui, view.can_redo, "Redo", "Ctrl+Shift+Z: make the last undone change again") {
        actions.push(PanelAction::Redo);
    }
    if button(ui, view.can_undo, "Undo", "Ctrl+Z: take the last change of a sprite back") {
        actions.push(PanelAction::Undo);
    }
}
