//! The bar at the bottom, which is always in sight: the button that starts, and what stands in its way.

use egui::{Button, Rect, RichText, Ui, UiBuilder, Vec2, WidgetType};
use pixgen_api::RequestError;

use super::look;
use super::target::{path_error, take_typed_path};
use super::{JobsView, PanelAction, PanelState, PanelTab, compare};

/// Room over the button, in points.
const MARGIN_PT: f32 = 6.0;
/// Sentences about one request that are shown at once.
const MAX_SENTENCES: usize = 3;

/// What stands in the way of a request.
#[derive(Debug)]
pub(super) struct Obstacle {
    pub(super) sentence: String,
    /// Something is wrong, rather than not yet filled in.
    pub(super) is_fault: bool,
}

impl Obstacle {
    pub(super) fn fault(reason: &str) -> Self {
        Self { sentence: look::sentence(reason), is_fault: true }
    }

    pub(super) fn not_yet(reason: &str) -> Self {
        Self { sentence: look::sentence(reason), is_fault: false }
    }
}

/// Shows the Generate or Compare button at the bottom of `whole`, and returns what it leaves. The history has none.
///
/// The bar is as high as its contents were in the frame before, and takes no room from its parent: a window that is as
/// high as its contents would grow with every sentence that comes and goes.
pub(super) fn bar_ui(
    ui: &mut Ui,
    whole: Rect,
    state: &mut PanelState,
    view: &JobsView,
    by_keyboard: bool,
    actions: &mut Vec<PanelAction>,
) -> Rect {
    if state.tab == PanelTab::History {
        return whole;
    }
    let (rest, bar) = whole.split_top_bottom_at_y((whole.bottom() - state.bar_height_pt).max(whole.top()));
    let place = bar.with_min_y(bar.top() + MARGIN_PT);
    let mut child = ui.new_child(UiBuilder::new().id_salt("bar").max_rect(place));
    ui.painter().hline(bar.x_range(), bar.top(), ui.visuals().widgets.noninteractive.bg_stroke);
    match state.tab {
        PanelTab::Draw => draw_button(&mut child, state, view, by_keyboard, actions),
        PanelTab::Compare => compare::compare_button(&mut child, state, view, by_keyboard, actions),
        PanelTab::History => {}
    }
    let height_pt = child.min_rect().height() + MARGIN_PT;
    if (height_pt - state.bar_height_pt).abs() > 0.5 {
        state.bar_height_pt = height_pt;
        ui.ctx().request_repaint();
    }
    rest
}

fn draw_button(
    ui: &mut Ui,
    state: &mut PanelState,
    view: &JobsView,
    by_keyboard: bool,
    actions: &mut Vec<PanelAction>,
) {
    let what = if state.request.init_image.is_some() { "variation" } else { "image" };
    let text = match (state.request.count, what) {
        (0 | 1, "image") => "Generate".to_owned(),
        (0 | 1, _) => "Generate a variation".to_owned(),
        (count, _) => format!("Generate {count} {what}s"),
    };
    if start_button(ui, &text, &obstacles(state, view), &view.warnings, by_keyboard) {
        take_typed_path(state, actions);
        actions.push(PanelAction::Generate { request: Box::new(state.request.clone()), target: state.target.clone() });
    }
}

/// The large button and, over it, why it cannot be pressed or what should be known before. Returns whether to start.
pub(super) fn start_button(
    ui: &mut Ui,
    text: &str,
    obstacles: &[Obstacle],
    warnings: &[String],
    by_keyboard: bool,
) -> bool {
    ui.spacing_mut().item_spacing.y = 4.0;
    for obstacle in obstacles.iter().take(MAX_SENTENCES) {
        if obstacle.is_fault {
            look::warning(ui, &obstacle.sentence);
        } else {
            look::hint(ui, &obstacle.sentence);
        }
    }
    if obstacles.is_empty() {
        for warning in warnings.iter().take(MAX_SENTENCES) {
            look::warning(ui, look::sentence(warning));
        }
    }
    let selection = ui.visuals().selection;
    let label = RichText::new(text).size(16.0).strong().color(selection.stroke.color);
    let button = Button::new(label).fill(selection.bg_fill);
    let size = Vec2::new(ui.available_width(), 36.0);
    let shown = ui.add_enabled_ui(obstacles.is_empty(), |ui| ui.add_sized(size, button)).inner;
    let response = look::named(shown, WidgetType::Button, text);
    let response = match obstacles.first() {
        Some(obstacle) => response.on_disabled_hover_text(&obstacle.sentence),
        None => response.on_hover_text("Ctrl+Enter"),
    };
    obstacles.is_empty() && (response.clicked() || by_keyboard)
}

/// Why the request cannot be run; empty if it can.
pub(super) fn obstacles(state: &PanelState, view: &JobsView) -> Vec<Obstacle> {
    if let Some(reason) = &view.blocked {
        return vec![Obstacle::fault(reason)];
    }
    if let Err(error) = state.request.validate() {
        let is_fault = error != RequestError::EmptyPrompt;
        return vec![Obstacle { sentence: look::sentence(&error.to_string()), is_fault }];
    }
    if let Some(sentence) = path_error(state) {
        return vec![Obstacle { sentence, is_fault: true }];
    }
    let (size_px, max_size_px) = (state.request.size_px, view.model.max_size_px);
    if size_px > max_size_px {
        let reason =
            format!("the size is {size_px} px, this model draws at most {max_size_px} px: choose a smaller size");
        return vec![Obstacle::fault(&reason)];
    }
    view.refusals.iter().map(|reason| Obstacle::fault(reason)).collect()
}
