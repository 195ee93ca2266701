//! Everything that was ever drawn, with a search.

use egui::{Align, ComboBox, TextEdit, Ui, Vec2};
use pixgen_api::Kind;

use super::candidates::history_buttons;
use super::grid::grid_ui;
use super::look;
use super::state::HISTORY_PAGE;
use super::{HistorySearch, JobsView, PanelAction, PanelState};

/// Search field, kind, and the grid of what was found.
pub(super) fn history_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    look::section(ui, "Everything drawn so far", |ui| history_buttons(ui, view, actions));
    let mut is_new = search_ui(ui, state);
    if is_new {
        state.history_limit = HISTORY_PAGE;
    }
    let history = &view.history;
    if let Some(error) = &history.error {
        look::warning(ui, look::sentence(error));
    } else if history.sprites.is_empty() {
        look::hint(ui, nothing(state, history.searching));
    }
    let sprites: Vec<_> = history.sprites.iter().collect();
    grid_ui(ui, "history", &sprites, state, actions);
    if history.has_more {
        ui.vertical_centered(|ui| {
            if ui.add_enabled(!history.searching, egui::Button::new("Show more")).clicked() {
                state.history_limit = state.history_limit.saturating_add(HISTORY_PAGE);
                is_new = true;
            }
        });
    }
    if is_new || !std::mem::replace(&mut state.history_is_asked, true) {
        state.history_is_asked = true;
        let (words, kind, limit) = (state.history_words.clone(), state.history_kind, state.history_limit);
        actions.push(PanelAction::SearchHistory(HistorySearch { words, kind, limit }));
    }
}

fn nothing(state: &PanelState, searching: bool) -> &'static str {
    let is_filtered = !state.history_words.trim().is_empty() || state.history_kind.is_some();
    match (searching, is_filtered) {
        (true, _) => "Looking…",
        (false, true) => "No prompt has all of these words. Try fewer, or all kinds.",
        (false, false) => "Nothing was drawn yet.",
    }
}

/// Returns whether something else is looked for now.
fn search_ui(ui: &mut Ui, state: &mut PanelState) -> bool {
    let before = state.history_kind;
    let mut is_new = false;
    ui.horizontal(|ui| {
        let height = ui.spacing().interact_size.y;
        let kind_width = 110.0;
        let width = ui.available_width() - kind_width - ui.spacing().item_spacing.x;
        let edit = TextEdit::singleline(&mut state.history_words)
            .hint_text("words of the prompt")
            .vertical_align(Align::Center);
        let response = look::named_text(ui.add_sized(Vec2::new(width, height), edit), "Search the history");
        is_new = response.changed();
        let text = state.history_kind.map_or("all kinds", Kind::word);
        let combo = ComboBox::from_id_salt("history kind").selected_text(text).width(kind_width - 8.0);
        let shown = combo.show_ui(ui, |ui| {
            ui.selectable_value(&mut state.history_kind, None, "all kinds");
            for kind in Kind::ALL {
                ui.selectable_value(&mut state.history_kind, Some(kind), kind.word());
            }
        });
        look::named_combo(shown.response, "Kind in the history", text);
    });
    is_new || state.history_kind != before
}
