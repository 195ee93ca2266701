//! Finished sprites: a click puts one into the world.

use std::collections::HashSet;

use egui::{Color32, Id, Rect, Response, RichText, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, WidgetType};
use pixgen_api::GenPath;

use super::look;
use super::thumbnails::{ThumbnailKey, Thumbnails, paint_checkerboard};
use super::{CandidateView, JobsView, PanelAction, PanelState};

/// Room between two sprites, in points.
const GAP_PT: f32 = 8.0;
/// Smallest edge of a sprite's place, in points: a 32 px sprite at twice its size.
const SMALL_PT: f32 = 64.0;
/// The same where a sprite is larger than that.
const LARGE_PT: f32 = 128.0;

/// Undo, redo, and the grid of results. A sprite that was made twice is shown once.
pub(super) fn candidates_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    look::section(ui, "Results", |ui| history_buttons(ui, view, actions));
    if view.candidates.is_empty() {
        look::hint(ui, "Sprites appear here. Click one to put it into the world; nothing is ever lost.");
        return;
    }
    let largest_px = view.candidates.iter().map(|candidate| candidate.generated.pixels.width_px).max().unwrap_or(0);
    let least_pt = if largest_px as f32 > SMALL_PT { LARGE_PT } else { SMALL_PT };
    let columns = ((ui.available_width() + GAP_PT) / (least_pt + GAP_PT)).floor().max(1.0);
    // Floored, so that rounding never pushes the last column into the next row.
    let edge_pt = ((ui.available_width() + GAP_PT) / columns - GAP_PT).floor().max(8.0);
    let mut known = HashSet::new();
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(GAP_PT);
        for row in view.candidates.chunks(columns as usize) {
            ui.horizontal(|ui| {
                for candidate in row {
                    if !known.insert(&candidate.generated.hash) {
                        continue;
                    }
                    let response = cell(ui, &mut state.thumbnails, candidate, edge_pt);
                    reuse_menu(&response, state, candidate);
                    react(&response, state.target.as_ref(), candidate, actions);
                }
            });
        }
    });
}

fn history_buttons(ui: &mut Ui, view: &JobsView, actions: &mut Vec<PanelAction>) {
    // From the right.
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

/// One sprite; framed while it is the one in the world.
fn cell(ui: &mut Ui, thumbnails: &mut Thumbnails, candidate: &CandidateView, edge_pt: f32) -> Response {
    let (_, rect) = ui.allocate_space(Vec2::splat(edge_pt));
    // Named after the sprite and not the place: when a new result moves all others on between press and
    // release of the button, the one that was pressed is taken.
    let response = ui.interact(rect, Id::new("pixels_gen_candidate").with(&candidate.generated.hash), Sense::click());
    let name = format!("{} (seed {})", candidate.prompt, candidate.generated.seed);
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, candidate.is_applied, &name));
    if ui.is_rect_visible(rect) {
        paint_checkerboard(ui.painter(), rect, ui.visuals().dark_mode);
        let key = ThumbnailKey::Candidate(candidate.generated.hash.clone());
        thumbnails.paint(ui, rect, key, &candidate.generated.pixels);
        frame(ui, rect, &response, candidate.is_applied);
    }
    response
}

fn frame(ui: &Ui, rect: Rect, response: &Response, is_applied: bool) {
    let visuals = ui.visuals();
    let stroke = if is_applied {
        Stroke::new(2.0, visuals.selection.stroke.color)
    } else if response.has_focus() || response.hovered() {
        Stroke::new(1.0, visuals.widgets.hovered.fg_stroke.color)
    } else {
        Stroke::new(1.0, Color32::TRANSPARENT)
    };
    ui.painter().rect_stroke(rect, 2.0, stroke, StrokeKind::Outside);
}

fn react(response: &Response, target: Option<&GenPath>, candidate: &CandidateView, actions: &mut Vec<PanelAction>) {
    let generated = &candidate.generated;
    response.clone().on_hover_ui(|ui| {
        ui.set_max_width(260.0);
        ui.label(RichText::new(&candidate.prompt).strong());
        let size = format!("{} × {} px", generated.pixels.width_px, generated.pixels.height_px);
        ui.label(format!("{}, {size}, seed {}", candidate.kind, generated.seed));
        match target {
            Some(target) if candidate.is_applied => look::hint(ui, format!("This is {target} now.")),
            Some(target) => look::hint(ui, format!("Click: make it {target}.")),
            None => look::warning(ui, "Choose a sprite to change first, at the top of the panel."),
        };
        look::hint(ui, "Right click: use its prompt or seed again.");
    });
    if let (true, Some(target)) = (response.clicked(), target) {
        actions.push(PanelAction::Apply { hash: generated.hash.clone(), target: target.clone() });
    }
}

/// Going on from a result.
fn reuse_menu(response: &Response, state: &mut PanelState, candidate: &CandidateView) {
    response.context_menu(|ui| {
        let prompt = ui.button("Use its prompt").clicked();
        let both = ui.button("Use its prompt and seed").clicked();
        if prompt || both {
            state.request.prompt.clone_from(&candidate.prompt);
            state.request.kind = candidate.kind;
        }
        if both {
            state.request.seed = Some(candidate.generated.seed);
        }
    });
}
