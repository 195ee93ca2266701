//! What to draw: prompt, kind and numbers, and under headings what is changed less often.

use egui::{Align, ComboBox, DragValue, Response, TextEdit, Ui, Vec2};
use pixgen_api::{Kind, MAX_COUNT};

use super::fields::number;
use super::look::{self, field, two_columns};
use super::{JobsView, ModelView, PanelAction, PanelState, init_image, models, more, palette, prompt};

/// Multiples of the native sizes that are offered: larger ones are native sprites with large pixels anyway.
const SIZE_MULTIPLES: [u32; 4] = [1, 2, 3, 4];

/// The form.
pub(super) fn form_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    ui.add_space(2.0);
    ui.vertical(|ui| prompt::prompt_ui(ui, state));
    prompt::negative_ui(ui, state);
    look::stable(ui, "init image", |ui| init_image::init_image_ui(ui, state, view));
    look::stable(ui, "numbers", |ui| {
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
        ui.add_space(2.0);
        palette::palette_ui(ui, state, view);
        models::models_ui(ui, state, view, actions);
        more::more_ui(ui, &mut state.request, &view.model);
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
    let combo = ComboBox::from_id_salt("size").selected_text(text(*size_px)).width(ui.available_width()).truncate();
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
            let newest = view.candidates.first().and_then(|candidate| candidate.seed());
            state.request.seed = if is_locked { None } else { newest.or_else(|| Some(state.throw_dice())) };
        }
        if look::icon_button(ui, "🎲", "Roll a seed").clicked() {
            state.request.seed = Some(state.throw_dice());
        }
        response
    })
    .inner
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
