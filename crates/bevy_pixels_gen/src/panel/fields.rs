//! Small controls that several parts of the form use.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use egui::emath::Numeric;
use egui::{Align, ComboBox, DragValue, Key, Response, TextEdit, Ui, Vec2};

use super::look;

/// A list of choices with their texts, as wide as its place.
pub(super) fn choice<T: Clone + PartialEq>(ui: &mut Ui, id: &str, value: &mut T, choices: &[(T, String)]) -> Response {
    let selected = choices.iter().find(|(choice, _)| choice == value).map_or("", |(_, text)| text);
    let combo = ComboBox::from_id_salt(id).selected_text(selected).width(ui.available_width()).truncate();
    let shown = combo.show_ui(ui, |ui| {
        for (choice, text) in choices {
            ui.selectable_value(value, choice.clone(), text);
        }
    });
    shown.response
}

/// A number field as wide as its place.
pub(super) fn number(ui: &mut Ui, drag: DragValue<'_>) -> Response {
    let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
    ui.add_sized(size, drag)
}

/// A number that the model decides until the user does; a button gives it back to the model.
pub(super) fn optional<T: Numeric>(
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

/// A share from 0 to 1 as a slider, and in percent.
pub(super) fn percent(ui: &mut Ui, value: &mut f32, least: f32, name: &str) -> Response {
    ui.horizontal(|ui| {
        let size = Vec2::new(52.0, ui.spacing().interact_size.y);
        ui.spacing_mut().slider_width = (ui.available_width() - size.x - ui.spacing().item_spacing.x).max(40.0);
        let (range, mut shown) = (least * 100.0..=100.0, *value * 100.0);
        let slider = ui.add(egui::Slider::new(&mut shown, range.clone()).show_value(false));
        let number = DragValue::new(&mut shown).range(range).max_decimals(0).suffix(" %");
        let number = look::named_number(ui.add_sized(size, number), &format!("{name} in percent"));
        if slider.changed() || number.changed() {
            *value = (shown / 100.0).clamp(least, 1.0);
        }
        slider
    })
    .inner
}

/// A field for the path of a file that is not in a list; gives the path when Enter ends it.
pub(super) fn path_field(ui: &mut Ui, text: &mut String, name: &str, hint: &str) -> Option<PathBuf> {
    let edit = TextEdit::singleline(text).hint_text(hint).vertical_align(Align::Center);
    let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
    let response = look::named_text(ui.add_sized(size, edit), name);
    let is_done = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    // Paths that are copied from file managers come in quotes.
    let path = text.trim().trim_matches(['"', '\'']).trim().to_owned();
    if !is_done || path.is_empty() {
        return None;
    }
    text.clear();
    Some(PathBuf::from(path))
}
