//! The picture that a variation begins with.

use egui::{Ui, Vec2};
use pixgen_api::{MIN_STRENGTH, Request};

use super::fields::percent;
use super::look;
use super::thumbnails::{ThumbnailKey, paint_checkerboard};
use super::{JobsView, PanelState};

/// Edge of the picture, in points.
const PICTURE_PT: f32 = 64.0;

/// The picture, how far the result may leave it, and the way back to drawing from nothing. Nothing where there is none.
pub(super) fn init_image_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView) {
    let Some(path) = state.request.init_image.clone() else { return };
    let file = view.init_image.as_ref().filter(|file| file.path == path);
    let mut is_done = false;
    look::card(ui, |ui| {
        ui.horizontal_top(|ui| {
            let (_, rect) = ui.allocate_space(Vec2::splat(PICTURE_PT));
            paint_checkerboard(ui.painter(), rect, ui.visuals().dark_mode);
            if let Some(pixels) = file.and_then(|file| file.content.as_ref().ok()) {
                state.thumbnails.paint(ui, rect, ThumbnailKey::File(path.clone()), pixels);
            }
            ui.vertical(|ui| {
                look::split(
                    ui,
                    |ui| is_done = look::icon_button(ui, "✖", "Draw from nothing again").clicked(),
                    |ui| _ = look::one_line(ui, "Variations of this").on_hover_text(path.display().to_string()),
                );
                let mut strength = state.request.strength.unwrap_or(Request::DEFAULT_STRENGTH);
                look::field(ui, "How much may change", |ui| {
                    percent(ui, &mut strength, MIN_STRENGTH, "How much may change")
                });
                state.request.strength = Some(strength);
            });
        });
        if let Some(Err(error)) = file.map(|file| &file.content) {
            look::warning(ui, look::sentence(error));
        }
    });
    if is_done {
        (state.request.init_image, state.request.strength, state.request.mask) = (None, None, None);
    }
}
