//! The panel: prompt in, sprites out.
//!
//! [`panel_ui`] is a function from data to wishes: it draws a [`JobsView`] into any [`egui::Ui`], keeps what the
//! user types in a [`PanelState`], and returns [`PanelAction`]s. It knows no Bevy type, owns no job, reads no file,
//! starts no thread and never waits, so it fits into a window, a dock or a test.

mod bar;
mod candidates;
mod compare;
mod compare_results;
mod drop;
mod emphasis;
mod fields;
mod form;
mod grid;
mod history;
mod init_image;
mod jobs;
mod look;
mod models;
mod more;
mod palette;
mod prompt;
mod state;
mod target;
mod thumbnails;
mod view;

use egui::{Key, Modifiers, ScrollArea, Ui, UiBuilder};

pub use state::{PanelState, PanelTab};
pub use view::{
    ComparedRequest, ComparedView, ComparisonView, FileView, HistorySearch, HistoryView, JobView, JobsView,
    LibraryView, LoraChoice, ModelChoice, ModelView, PaletteChoice, PanelAction, SpriteView, TargetView,
};

/// The narrowest place in which nothing is cut off, in points.
pub const MIN_WIDTH_PT: f32 = 300.0;

/// Draws the panel and returns what the user asked for. Made for a width of about 340 points, at least
/// [`MIN_WIDTH_PT`]; scrolls by itself. Draw it at one place of the screen only.
///
/// egui may run several passes for one frame: add up the actions of all passes and apply each once.
pub fn panel_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView) -> Vec<PanelAction> {
    let mut actions = Vec::new();
    state.thumbnails.begin_pass();
    keyboard(ui, view, &mut actions);
    drop::take_dropped_files(ui, &mut actions);
    // Taken from the input before the text fields see it, or it would also break the line.
    let by_keyboard = is_shortcut_ours(ui) && ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Enter));
    ui.scope(|ui| {
        look::spacing(ui);
        tabs(ui, state);
        let whole = ui.available_rect_before_wrap();
        ui.advance_cursor_after_rect(whole);
        let rest = bar::bar_ui(ui, whole, state, view, by_keyboard, &mut actions);
        let mut scrolled = ui.new_child(UiBuilder::new().id_salt("scrolled").max_rect(rest));
        let salt = ("pixels_gen_panel", state.tab as u8);
        ScrollArea::vertical().id_salt(salt).auto_shrink([false, false]).show(&mut scrolled, |ui| {
            messages(ui, view, &mut actions);
            look::stable(ui, "target", |ui| target::target_ui(ui, state, view, &mut actions));
            match state.tab {
                PanelTab::Draw => {
                    look::stable(ui, "form", |ui| form::form_ui(ui, state, view, &mut actions));
                    look::stable(ui, "jobs", |ui| jobs::jobs_ui(ui, state, view, &mut actions));
                    look::stable(ui, "candidates", |ui| candidates::candidates_ui(ui, state, view, &mut actions));
                }
                PanelTab::Compare => {
                    look::stable(ui, "compare", |ui| compare::compare_ui(ui, state, view));
                    let results = |ui: &mut Ui| compare_results::results_ui(ui, state, view, &mut actions);
                    look::stable(ui, "compared", results);
                    look::stable(ui, "jobs", |ui| jobs::jobs_ui(ui, state, view, &mut actions));
                }
                PanelTab::History => {
                    look::stable(ui, "history", |ui| history::history_ui(ui, state, view, &mut actions));
                }
            }
            ui.add_space(8.0);
        });
        drop::hint_ui(ui);
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

/// Whether Ctrl+Enter is meant for the panel: one of its fields has the keyboard, or no field at all has and the
/// pointer is over the panel.
fn is_shortcut_ours(ui: &Ui) -> bool {
    match ui.memory(|memory| memory.focused()) {
        Some(focused) => ui.ctx().read_response(focused).is_some_and(|response| response.layer_id == ui.layer_id()),
        None => ui.rect_contains_pointer(ui.clip_rect()),
    }
}

fn tabs(ui: &mut Ui, state: &mut PanelState) {
    let before = state.tab;
    let tabs = [
        (PanelTab::Draw, "Draw", "Draw sprites from a prompt"),
        (PanelTab::Compare, "Compare", "Draw one sprite with several models, LoRAs or settings"),
        (PanelTab::History, "History", "Find what was drawn before"),
    ];
    look::choice_row(ui, &mut state.tab, &tabs);
    if state.tab != before {
        // What was drawn meanwhile is there when the history is opened again.
        state.history_is_asked = false;
    }
    ui.add_space(2.0);
}

/// Errors that are shown at a time: the form must stay in sight.
const MAX_SHOWN_MESSAGES: usize = 3;

/// The errors and the last note.
fn messages(ui: &mut Ui, view: &JobsView, actions: &mut Vec<PanelAction>) {
    for (index, message) in view.messages.iter().take(MAX_SHOWN_MESSAGES).enumerate() {
        let name = if index == 0 { "Dismiss".to_owned() } else { format!("Dismiss error {}", index + 1) };
        if look::error_box(ui, message, &name) {
            actions.push(PanelAction::DismissMessage(message.clone()));
        }
    }
    match view.messages.len().saturating_sub(MAX_SHOWN_MESSAGES) {
        0 => {}
        1 => _ = look::hint(ui, "and one more error"),
        more => _ = look::hint(ui, format!("and {more} more errors")),
    }
    if let Some(note) = &view.note
        && look::note_box(ui, note, "Dismiss the note")
    {
        actions.push(PanelAction::DismissNote);
    }
}
