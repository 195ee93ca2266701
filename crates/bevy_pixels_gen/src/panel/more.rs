//! What most requests leave as it is.

use egui::{CollapsingHeader, ComboBox, DragValue, Response, TextEdit, Ui};
use pixgen_api::{Anchor, Background, Request, SchedulerKind};

use super::ModelView;
use super::form::number;
use super::look::{field, two_columns};

/// The collapsible part of the form.
pub(super) fn more_ui(ui: &mut Ui, request: &mut Request, model: &ModelView) {
    CollapsingHeader::new("More").id_salt("more").show_unindented(ui, |ui| {
        field(ui, "Keep out of the picture", |ui| {
            ui.add(
                TextEdit::multiline(&mut request.negative_prompt)
                    .hint_text("blurry, text, border")
                    .desired_rows(2)
                    .desired_width(f32::INFINITY),
            )
        });
        two_columns(ui, |left, right| {
            field(left, "Scheduler", |ui| scheduler(ui, &mut request.scheduler, model.default_scheduler));
            field(right, "Colours", |ui| colors(ui, &mut request.pixel_art.colors));
        });
        two_columns(ui, |left, right| {
            field(left, "Background", |ui| background(ui, &mut request.pixel_art.background));
            field(right, "Place in the frame", |ui| anchor(ui, &mut request.pixel_art.anchor));
        });
    });
}

/// A list of choices with their texts, as wide as its place.
fn choice<T: Copy + PartialEq>(ui: &mut Ui, id: &str, value: &mut T, choices: &[(T, String)]) -> Response {
    let selected = choices.iter().find(|(choice, _)| choice == value).map_or("", |(_, text)| text);
    let combo = ComboBox::from_id_salt(id).selected_text(selected).width(ui.available_width()).truncate();
    let shown = combo.show_ui(ui, |ui| {
        for (choice, text) in choices {
            ui.selectable_value(value, *choice, text);
        }
    });
    shown.response
}

fn scheduler(ui: &mut Ui, value: &mut Option<SchedulerKind>, default: SchedulerKind) -> Response {
    let mut choices = vec![(None, format!("{} (default)", default.name()))];
    choices.extend(SchedulerKind::ALL.map(|scheduler| (Some(scheduler), scheduler.name().to_owned())));
    choice(ui, "scheduler", value, &choices)
}

/// The most colours, or all of them.
fn colors(ui: &mut Ui, value: &mut Option<u32>) -> Response {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let mut is_limited = value.is_some();
        let limit = super::look::named_checkbox(ui, &mut is_limited, "Limit colours");
        if limit.changed() {
            *value = if is_limited { Request::default().pixel_art.colors } else { None };
        }
        match value {
            Some(colors) => number(ui, DragValue::new(colors).range(2..=256).speed(0.1).prefix("at most ")),
            None => ui.label("all"),
        }
    })
    .inner
}

fn background(ui: &mut Ui, value: &mut Background) -> Response {
    let choices = [(Background::Auto, "by kind"), (Background::Keep, "opaque"), (Background::Remove, "cut out")];
    choice(ui, "background", value, &choices.map(|(choice, text)| (choice, text.to_owned())))
}

fn anchor(ui: &mut Ui, value: &mut Option<Anchor>) -> Response {
    let choices = [
        (None, "by kind"),
        (Some(Anchor::Keep), "as drawn"),
        (Some(Anchor::Center), "centred"),
        (Some(Anchor::Feet), "on its feet"),
    ];
    choice(ui, "anchor", value, &choices.map(|(choice, text)| (choice, text.to_owned())))
}
