//! Sprites in rows, crisp on a checkerboard: results, the history, comparisons. A click puts one into the world.

use egui::{Color32, Id, Rect, Response, RichText, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, WidgetType};
use pixgen_api::GenPath;

use super::look;
use super::state::longer_edge;
use super::target::tell_left_out;
use super::thumbnails::{ThumbnailKey, Thumbnails, paint_checkerboard};
use super::{PanelAction, PanelState, PanelTab, SpriteView};

/// Room between two sprites, in points.
pub(super) const GAP_PT: f32 = 8.0;
/// Smallest edge of a sprite's place, in points: a 32 px sprite at twice its size.
const SMALL_PT: f32 = 64.0;
/// The same where a sprite is larger than that.
const LARGE_PT: f32 = 128.0;

/// How many places lie side by side, and their edge in points.
pub(super) fn layout(ui: &Ui, least_pt: f32) -> (usize, f32) {
    let columns = ((ui.available_width() + GAP_PT) / (least_pt + GAP_PT)).floor().max(1.0);
    // Floored, so that rounding never pushes the last column into the next row.
    let edge_pt = ((ui.available_width() + GAP_PT) / columns - GAP_PT).floor().max(8.0);
    (columns as usize, edge_pt)
}

/// The sprites in rows. `place` tells grids apart that show the same sprite.
pub(super) fn grid_ui(
    ui: &mut Ui,
    place: &str,
    sprites: &[&SpriteView],
    state: &mut PanelState,
    actions: &mut Vec<PanelAction>,
) {
    let largest_px = sprites.iter().map(|sprite| longer_edge(&sprite.pixels)).max().unwrap_or(0);
    let (columns, edge_pt) = layout(ui, if largest_px as f32 > SMALL_PT { LARGE_PT } else { SMALL_PT });
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(GAP_PT);
        for row in sprites.chunks(columns) {
            ui.horizontal(|ui| {
                for sprite in row {
                    cell_ui(ui, place, sprite, edge_pt, state, actions);
                }
            });
        }
    });
}

/// One sprite with all that can be done with it; framed while it is the one in the world.
pub(super) fn cell_ui(
    ui: &mut Ui,
    place: &str,
    sprite: &SpriteView,
    edge_pt: f32,
    state: &mut PanelState,
    actions: &mut Vec<PanelAction>,
) {
    let response = picture(ui, &mut state.thumbnails, place, sprite, edge_pt);
    menu(&response, state, sprite, actions);
    react(&response, state.target.as_ref(), sprite, actions);
}

fn picture(ui: &mut Ui, thumbnails: &mut Thumbnails, place: &str, sprite: &SpriteView, edge_pt: f32) -> Response {
    let (_, rect) = ui.allocate_space(Vec2::splat(edge_pt));
    // Named after the sprite and not the place: when a new result moves all others on between press and
    // release of the button, the one that was pressed is taken.
    let id = Id::new("pixels_gen_sprite").with(place).with(&sprite.hash);
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, sprite.is_applied, sprite.name()));
    if ui.is_rect_visible(rect) {
        paint_checkerboard(ui.painter(), rect, ui.visuals().dark_mode);
        thumbnails.paint(ui, rect, ThumbnailKey::Sprite(sprite.hash.clone()), &sprite.pixels);
        frame(ui, rect, &response, sprite.is_applied);
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

fn react(response: &Response, target: Option<&GenPath>, sprite: &SpriteView, actions: &mut Vec<PanelAction>) {
    response.clone().on_hover_ui(|ui| {
        ui.set_max_width(260.0);
        ui.label(RichText::new(look::shortened(sprite.title(), 160)).strong());
        look::hint(ui, facts(sprite));
        match target {
            Some(target) if sprite.is_applied => look::hint(ui, format!("This is {target} now.")),
            Some(target) => look::hint(ui, format!("Click: make it {target}.")),
            None => look::warning(ui, "Choose a sprite to change first, at the top of the panel."),
        };
        look::hint(ui, "Right click: use its settings, make variations, copy.");
    });
    if let (true, Some(target)) = (response.clicked(), target) {
        actions.push(PanelAction::Apply { hash: sprite.hash.clone(), target: target.clone() });
    }
}

/// "item, 32 × 32 px, seed 7, Euler, 8 steps".
fn facts(sprite: &SpriteView) -> String {
    let [width, height] = sprite.size_px;
    let mut facts = vec![format!("{width} × {height} px")];
    if let Some(request) = &sprite.request {
        facts.insert(0, request.kind.word().to_owned());
        facts.extend(request.seed.map(|seed| format!("seed {seed}")));
        facts.extend(request.scheduler.map(|scheduler| scheduler.name().to_owned()));
        facts.extend(request.steps.map(|steps| format!("{steps} steps")));
        facts.extend(request.loras.iter().map(|lora| format!("{} {}", lora.name(), lora.weight)));
    }
    facts.join(", ")
}

/// Going on from a sprite.
fn menu(response: &Response, state: &mut PanelState, sprite: &SpriteView, actions: &mut Vec<PanelAction>) {
    response.context_menu(|ui| {
        if let Some(request) = &sprite.request {
            if ui.button("Use its prompt").clicked() {
                state.request.prompt.clone_from(&request.prompt);
                state.request.kind = request.kind;
                state.tab = PanelTab::Draw;
            }
            if ui.button("Use its settings and seed").clicked() {
                state.use_settings(request.as_ref().clone());
                state.tab = PanelTab::Draw;
                tell_left_out(&sprite.left_out, actions);
            }
            if ui.button("Use its seed").clicked() {
                state.request.seed = request.seed;
            }
        }
        if ui.button("Make variations").clicked() {
            state.vary(sprite.file.clone(), sprite.request.as_deref());
            tell_left_out(&sprite.left_out, actions);
        }
        ui.separator();
        if sprite.request.is_some() && ui.button("Copy its prompt").clicked() {
            ui.ctx().copy_text(sprite.title().to_owned());
        }
        if ui.button("Copy the path of its PNG").clicked() {
            ui.ctx().copy_text(sprite.file.display().to_string());
        }
    });
}
