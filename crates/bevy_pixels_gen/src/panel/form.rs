//! What to draw: prompt, kind, numbers, and the button that starts it.

use std::ops::RangeInclusive;

use egui::emath::Numeric;
use egui::{Align, Button, ComboBox, DragValue, Key, Modifiers, Response, RichText, TextEdit, Ui, Vec2, WidgetType};
use pixgen_api::{Kind, MAX_COUNT, MAX_GUIDANCE_SCALE, MAX_STEPS, RequestError};

use super::look::{self, field, two_columns};
use super::target::{path_error, take_typed_path};
use super::{JobsView, ModelView, PanelAction, PanelState, more};

/// Multiples of the native sizes that are offered: larger ones are native sprites with large pixels anyway.
const SIZE_MULTIPLES: [u32; 4] = [1, 2, 3, 4];

/// The form and its Generate button.
pub(super) fn form_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    // Taken from the input before the text fields see it, or it would also break the line.
    let by_keyboard = is_shortcut_ours(ui) && ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Enter));
    if by_keyboard {
        take_typed_path(state, actions);
    }
    ui.add_space(4.0);
    prompt(ui, state);
    two_columns(ui, |left, right| {
        field(left, "Kind", |ui| kind(ui, &mut state.request.kind));
        field(right, "Size", |ui| size(ui, &mut state.request.size_px, &view.model));
    });
    two_columns(ui, |left, right| {
        field(left, "Images", |ui| {
            number(ui, DragValue::new(&mut state.request.count).range(1..=MAX_COUNT).speed(0.1))
        });
        field(right, "Seed", |ui| seed(ui, state, view));
    });
    two_columns(ui, |left, right| {
        field(left, "Steps", |ui| {
            optional(ui, &mut state.request.steps, view.model.default_steps, (1..=MAX_STEPS, 0.2), "steps")
        });
        field(right, "Guidance", |ui| {
            let value = &mut state.request.guidance_scale;
            optional(ui, value, view.model.default_guidance_scale, (1.0..=MAX_GUIDANCE_SCALE, 0.05), "guidance")
        });
    });
    more::more_ui(ui, &mut state.request, &view.model);
    generate(ui, state, view, by_keyboard, actions);
}

/// Whether Ctrl+Enter is meant for the panel: one of its fields has the keyboard, or no field at all has and the
/// pointer is over the panel.
fn is_shortcut_ours(ui: &Ui) -> bool {
    match ui.memory(|memory| memory.focused()) {
        Some(focused) => ui.ctx().read_response(focused).is_some_and(|response| response.layer_id == ui.layer_id()),
        None => ui.rect_contains_pointer(ui.clip_rect()),
    }
}

fn prompt(ui: &mut Ui, state: &mut PanelState) {
    field(ui, "Prompt", |ui| {
        ui.add(
            TextEdit::multiline(&mut state.request.prompt)
                .hint_text("What should the sprite show?\na green potion in a round flask")
                .desired_rows(3)
                .desired_width(f32::INFINITY),
        )
    });
}

fn kind(ui: &mut Ui, kind: &mut Kind) -> Response {
    let combo = ComboBox::from_id_salt("kind").selected_text(kind.word()).width(ui.available_width());
    let shown = combo.show_ui(ui, |ui| {
        for choice in Kind::ALL {
            ui.selectable_value(kind, choice, choice.word());
        }
    });
    shown.response
}

fn size(ui: &mut Ui, size_px: &mut u32, model: &ModelView) -> Response {
    let sizes = offered_sizes(model);
    let text = |px: u32| match sizes.iter().find(|(size, _)| *size == px) {
        Some((_, 1)) => format!("{px} px"),
        Some((_, times)) => format!("{px} px ({times} × {})", px / times),
        None => format!("{px} px (not native)"),
    };
    let combo = ComboBox::from_id_salt("size").selected_text(text(*size_px)).width(ui.available_width());
    let shown = combo.show_ui(ui, |ui| {
        for (choice, _) in &sizes {
            ui.selectable_value(size_px, *choice, text(*choice));
        }
    });
    shown.response
}

/// Sizes in pixels with the multiple of a native size that they are, ascending.
fn offered_sizes(model: &ModelView) -> Vec<(u32, u32)> {
    let products = model
        .native_sizes_px
        .iter()
        .flat_map(|native| SIZE_MULTIPLES.map(|times| (native.saturating_mul(times), times)));
    let mut sizes: Vec<_> = products.filter(|(size, _)| *size <= model.max_size_px).collect();
    // Of two ways to the same size the smaller multiple is drawn better.
    sizes.sort_unstable();
    sizes.dedup_by_key(|(size, _)| *size);
    sizes
}

/// A number field as wide as its place.
pub(super) fn number(ui: &mut Ui, drag: DragValue<'_>) -> Response {
    let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
    ui.add_sized(size, drag)
}

/// A number that the model decides until the user does; a button gives it back to the model.
fn optional<T: Numeric>(
    ui: &mut Ui,
    value: &mut Option<T>,
    default: T,
    (range, speed): (RangeInclusive<T>, f64),
    name: &str,
) -> Response {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let edge = ui.spacing().interact_size.y;
        let is_set = value.is_some();
        let mut shown = value.unwrap_or(default);
        let suffix = if is_set { "" } else { " (default)" };
        let drag = DragValue::new(&mut shown).range(range).speed(speed).suffix(suffix);
        let drag = if T::INTEGRAL { drag } else { drag.max_decimals(1) };
        let width = ui.available_width() - if is_set { edge + 4.0 } else { 0.0 };
        let response = ui.add_sized(Vec2::new(width, edge), drag);
        if response.changed() {
            *value = Some(shown);
        }
        if is_set && look::icon_button(ui, "↺", &format!("Use the model's {name}")).clicked() {
            *value = None;
        }
        response
    })
    .inner
}

/// The seed: empty means a new one for each job.
fn seed(ui: &mut Ui, state: &mut PanelState, view: &JobsView) -> Response {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let edge = ui.spacing().interact_size.y;
        // The request is the truth; the text only differs from it while it is no number.
        if state.seed_text.parse().ok() != state.request.seed {
            state.seed_text = state.request.seed.map(|seed| seed.to_string()).unwrap_or_default();
        }
        let width = ui.available_width() - 2.0 * (edge + 4.0);
        let edit = TextEdit::singleline(&mut state.seed_text).hint_text("random").vertical_align(Align::Center);
        let response = ui.add_sized(Vec2::new(width, edge), edit);
        if response.changed() {
            state.seed_text.retain(|c| c.is_ascii_digit());
            while state.seed_text.parse::<u64>().is_err() && state.seed_text.pop().is_some() {}
            state.request.seed = state.seed_text.parse().ok();
        }
        let is_locked = state.request.seed.is_some();
        let (icon, name) = if is_locked { ("🔒", "Unlock seed") } else { ("🔓", "Lock seed") };
        if look::icon_button(ui, icon, name).clicked() {
            // What one wants to keep is the seed of the sprite that just came out.
            let newest = view.candidates.first().map(|candidate| candidate.generated.seed);
            state.request.seed = if is_locked { None } else { newest.or_else(|| Some(state.throw_dice())) };
        }
        if look::icon_button(ui, "🎲", "Roll a seed").clicked() {
            state.request.seed = Some(state.throw_dice());
        }
        response
    })
    .inner
}

/// Why the request cannot be run; `None` if it can.
fn obstacle(state: &PanelState, view: &JobsView) -> Option<Obstacle> {
    if let Some(reason) = &view.blocked {
        return Some(Obstacle { sentence: look::sentence(reason), is_fault: true });
    }
    if let Err(error) = state.request.validate() {
        let is_fault = error != RequestError::EmptyPrompt;
        return Some(Obstacle { sentence: look::sentence(&error.to_string()), is_fault });
    }
    if let Some(sentence) = path_error(state) {
        return Some(Obstacle { sentence, is_fault: true });
    }
    let (size_px, max_size_px) = (state.request.size_px, view.model.max_size_px);
    (size_px > max_size_px).then(|| Obstacle {
        sentence: format!(
            "The size is {size_px} px, this model draws at most {max_size_px} px: choose a smaller size."
        ),
        is_fault: true,
    })
}

struct Obstacle {
    sentence: String,
    /// Something is wrong, rather than not yet filled in.
    is_fault: bool,
}

fn generate(ui: &mut Ui, state: &PanelState, view: &JobsView, by_keyboard: bool, actions: &mut Vec<PanelAction>) {
    let obstacle = obstacle(state, view);
    let text = match state.request.count {
        0 | 1 => "Generate".to_owned(),
        count => format!("Generate {count} images"),
    };
    let selection = ui.visuals().selection;
    let button =
        Button::new(RichText::new(&text).size(16.0).strong().color(selection.stroke.color)).fill(selection.bg_fill);
    ui.add_space(2.0);
    let size = Vec2::new(ui.available_width(), 36.0);
    let shown = ui.add_enabled_ui(obstacle.is_none(), |ui| ui.add_sized(size, button)).inner;
    let mut response = look::named(shown, WidgetType::Button, &text);
    response = match &obstacle {
        Some(obstacle) => response.on_disabled_hover_text(&obstacle.sentence),
        None => response.on_hover_text("Ctrl+Enter"),
    };
    match obstacle {
        Some(Obstacle { sentence, is_fault: true }) => _ = look::warning(ui, sentence),
        Some(Obstacle { sentence, is_fault: false }) => _ = look::hint(ui, sentence),
        None if response.clicked() || by_keyboard => {
            actions.push(PanelAction::Generate { request: state.request.clone(), target: state.target.clone() });
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_sizes_and_their_multiples_are_offered_once() {
        let model = ModelView { native_sizes_px: vec![16, 32], max_size_px: 96, ..ModelView::default() };
        assert_eq!(offered_sizes(&model), [(16, 1), (32, 1), (48, 3), (64, 2), (96, 3)]);
    }
}
