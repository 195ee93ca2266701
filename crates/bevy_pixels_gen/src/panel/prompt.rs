//! The prompt, with more or less weight for its words, and what to keep out of the picture.

use egui::text::CCursor;
use egui::text_edit::{TextEditOutput, TextEditState};
use egui::{Align, Grid, Key, Layout, Modifiers, RichText, TextEdit, Ui};

use super::PanelState;
use super::emphasis::{self, emphasize};
use super::look;

/// The prompt under its name and the buttons for weights.
pub(super) fn prompt_ui(ui: &mut Ui, state: &mut PanelState) {
    ui.spacing_mut().item_spacing.y = 2.0;
    let mut by_button = None;
    let label = ui
        .horizontal(|ui| {
            let label = look::field_name(ui, "Prompt");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                look::small_icon_button(ui, "?", "How to write prompts", help);
                if look::small_icon_button(ui, "−", "Less of the selected words (Ctrl+Down)", |_| {}).clicked() {
                    by_button = Some(false);
                }
                if look::small_icon_button(ui, "+", "More of the selected words (Ctrl+Up)", |_| {}).clicked() {
                    by_button = Some(true);
                }
            });
            label
        })
        .inner;
    let id = ui.id().with("prompt");
    let by_key = if ui.memory(|memory| memory.has_focus(id)) { weight_key(ui) } else { None };
    let output = TextEdit::multiline(&mut state.request.prompt)
        .id(id)
        .hint_text("What should the sprite show?\na green potion in a round flask")
        .desired_rows(3)
        .desired_width(f32::INFINITY)
        .show(ui);
    if let Some(range) = output.cursor_range {
        state.prompt_selection = range.as_sorted_char_range();
    }
    if let Some(up) = by_button.or(by_key) {
        change_weight(ui, state, &output, up);
    }
    output.response.response.clone().labelled_by(label.id);
}

/// What the picture should not show: one line that grows.
pub(super) fn negative_ui(ui: &mut Ui, state: &mut PanelState) {
    look::field(ui, "Keep out of the picture", |ui| {
        ui.add(
            TextEdit::multiline(&mut state.request.negative_prompt)
                .hint_text("blurry, text, border")
                .desired_rows(1)
                .desired_width(f32::INFINITY),
        )
    });
}

/// The keys that other tools use for weights, taken before the text field moves its cursor by them.
fn weight_key(ui: &Ui) -> Option<bool> {
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, key));
    if pressed(Key::ArrowUp) {
        Some(true)
    } else if pressed(Key::ArrowDown) {
        Some(false)
    } else {
        None
    }
}

fn change_weight(ui: &Ui, state: &mut PanelState, output: &TextEditOutput, up: bool) {
    let changed = emphasize(&state.request.prompt, state.prompt_selection.clone(), up);
    let Some((text, selection)) = changed else { return };
    state.request.prompt = text;
    state.prompt_selection = selection.clone();
    let mut edit: TextEditState = output.state.clone();
    let range = egui::text::CCursorRange::two(CCursor::new(selection.start), CCursor::new(selection.end));
    edit.cursor.set_char_range(Some(range));
    edit.store(ui.ctx(), output.response.id);
    output.response.request_focus();
}

fn help(ui: &mut Ui) {
    ui.set_max_width(280.0);
    ui.label("Say what the sprite shows, the most important things first. Brackets give words more or less weight:");
    Grid::new("weights").num_columns(2).spacing([12.0, 2.0]).show(ui, |ui| {
        for (written, means) in emphasis::HELP {
            ui.label(RichText::new(*written).monospace());
            ui.label(*means);
            ui.end_row();
        }
    });
    ui.label("Ctrl+Up and Ctrl+Down, or + and −, do it for the selected words.");
}
