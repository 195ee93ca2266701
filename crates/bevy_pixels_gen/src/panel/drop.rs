//! A PNG that is dropped onto the panel gives its settings back.

use egui::{Align2, Color32, FontId, Id, LayerId, Order, Ui};

use super::PanelAction;

/// Takes the files that were dropped in this frame; only the first pass of a frame sees them.
pub(super) fn take_dropped_files(ui: &Ui, actions: &mut Vec<PanelAction>) {
    let files = ui.input_mut(|input| std::mem::take(&mut input.raw.dropped_files));
    actions.extend(files.into_iter().filter_map(|file| file.path).map(PanelAction::ReadSettings));
}

/// Says what dropping does, while a file is held over the window.
pub(super) fn hint_ui(ui: &Ui) {
    if ui.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let rect = ui.clip_rect();
    let painter = ui.ctx().layer_painter(LayerId::new(Order::Foreground, Id::new("pixels_gen_drop")));
    painter.rect_filled(rect, 6.0, Color32::from_black_alpha(190));
    let text = "Drop the PNG to get its settings back";
    painter.text(rect.center(), Align2::CENTER_CENTER, text, FontId::proportional(15.0), Color32::WHITE);
}
