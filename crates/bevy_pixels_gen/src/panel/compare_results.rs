//! The compared sprites side by side.

use egui::{Align, Layout, ProgressBar, RichText, Ui, UiBuilder, Vec2, WidgetType};
use pixgen_api::JobState;

use super::grid::{GAP_PT, cell_ui, layout};
use super::look;
use super::thumbnails::paint_checkerboard;
use super::{ComparedView, JobsView, PanelAction, PanelState};

/// Smallest edge of a sprite's place, in points: three of them side by side in a panel of usual width.
const LEAST_PT: f32 = 96.0;

/// The comparison, if there is one.
pub(super) fn results_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    let Some(comparison) = &view.comparison else {
        look::section(ui, "Side by side", |_| ());
        look::hint(ui, "The sprites appear here next to each other. Click one to put it into the world.");
        return;
    };
    look::section(ui, "Side by side", |ui| {
        if ui.small_button("Clear").on_hover_text("The sprites stay in the history").clicked() {
            actions.push(PanelAction::EndComparison);
        }
        let any = comparison.cells.iter().any(|cell| cell.sprite.is_some());
        let button = egui::Button::selectable(comparison.in_world, "In the world").small().frame_when_inactive(true);
        let response = ui.add_enabled(any, button).on_hover_text("Show them in the world next to each other");
        if response.clicked() {
            actions.push(PanelAction::ShowComparison(!comparison.in_world));
        }
    });
    look::hint(ui, format!("{}, seed {}", look::shortened(&comparison.prompt, 60), comparison.seed));
    let (columns, edge_pt) = layout(ui, LEAST_PT);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = Vec2::new(GAP_PT, GAP_PT);
        for (row, cells) in comparison.cells.chunks(columns).enumerate() {
            ui.horizontal_top(|ui| {
                for (column, cell) in cells.iter().enumerate() {
                    let place = format!("compared {}", row * columns + column);
                    let size = Vec2::new(edge_pt, edge_pt + 18.0);
                    let (id, rect) = ui.allocate_space(size);
                    let builder = UiBuilder::new().max_rect(rect).id_salt(id).layout(Layout::top_down(Align::Min));
                    ui.scope_builder(builder, |ui| one(ui, &place, cell, edge_pt, state, actions));
                }
            });
        }
    });
    for (label, error) in comparison.cells.iter().filter_map(|cell| Some((&cell.label, cell.error.as_ref()?))) {
        look::warning(ui, format!("{label}: {}", look::sentence(error)));
    }
}

/// A label, and under it the sprite or how far it is.
fn one(
    ui: &mut Ui,
    place: &str,
    cell: &ComparedView,
    edge_pt: f32,
    state: &mut PanelState,
    actions: &mut Vec<PanelAction>,
) {
    ui.spacing_mut().item_spacing.y = 2.0;
    ui.set_width(edge_pt);
    look::one_line(ui, RichText::new(&cell.label).strong().size(look::HINT_PT));
    if let Some(sprite) = &cell.sprite {
        cell_ui(ui, place, sprite, edge_pt, state, actions);
        return;
    }
    let (_, rect) = ui.allocate_space(Vec2::splat(edge_pt));
    paint_checkerboard(ui.painter(), rect, ui.visuals().dark_mode);
    let middle = egui::Rect::from_center_size(rect.center(), Vec2::new(edge_pt - 16.0, 36.0));
    ui.scope_builder(UiBuilder::new().max_rect(middle), |ui| {
        ui.vertical_centered(|ui| {
            ui.label(RichText::new(state_text(cell)).size(look::HINT_PT).strong());
            if matches!(cell.state, JobState::Running | JobState::Paused) {
                let bar = ui.add(
                    ProgressBar::new(cell.progress)
                        .desired_width(edge_pt - 32.0)
                        .desired_height(6.0)
                        .corner_radius(3.0),
                );
                look::named(bar, WidgetType::ProgressIndicator, &format!("Progress of {}", cell.label));
            }
        });
    });
}

fn state_text(cell: &ComparedView) -> &'static str {
    match cell.state {
        JobState::Queued => "waiting",
        JobState::Running => "drawing…",
        JobState::Paused => "paused",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}
