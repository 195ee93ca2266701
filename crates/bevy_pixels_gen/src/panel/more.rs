//! What most requests leave as it is: how the picture is denoised, and how it is cut out.

use egui::{Response, Ui};
use pixgen_api::{Anchor, Background, MAX_GUIDANCE_SCALE, MAX_STEPS, Request, SchedulerKind};

use super::ModelView;
use super::fields::{choice, optional};
use super::look::{self, field, two_columns};

/// The collapsible part of the form.
pub(super) fn more_ui(ui: &mut Ui, request: &mut Request, model: &ModelView) {
    look::heading(ui, "more", "Steps and cut-out", &summary(request, model), |ui| {
        two_columns(ui, |left, right| {
            field(left, "Steps", |ui| {
                optional(ui, &mut request.steps, model.default_steps, (1..=MAX_STEPS, 0.2), "steps")
            });
            field(right, "Guidance", |ui| {
                let value = &mut request.guidance_scale;
                optional(ui, value, model.default_guidance_scale, (1.0..=MAX_GUIDANCE_SCALE, 0.05), "guidance")
            });
        });
        field(ui, "Scheduler", |ui| scheduler(ui, &mut request.scheduler, model.default_scheduler));
        two_columns(ui, |left, right| {
            field(left, "Background", |ui| background(ui, &mut request.pixel_art.background));
            field(right, "Place in the frame", |ui| anchor(ui, &mut request.pixel_art.anchor));
        });
    });
}

/// What differs from the model's defaults, or the number of steps.
fn summary(request: &Request, model: &ModelView) -> String {
    let mut parts = vec![format!("{} steps", request.steps.unwrap_or(model.default_steps))];
    parts.extend(request.guidance_scale.map(|scale| format!("guidance {scale}")));
    parts.extend(request.scheduler.map(|scheduler| scheduler.name().to_owned()));
    parts.join(", ")
}

fn scheduler(ui: &mut Ui, value: &mut Option<SchedulerKind>, default: SchedulerKind) -> Response {
    let mut choices = vec![(None, format!("{} (default)", default.name()))];
    choices.extend(SchedulerKind::ALL.map(|scheduler| (Some(scheduler), scheduler.name().to_owned())));
    choice(ui, "scheduler", value, &choices)
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
