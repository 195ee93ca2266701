//! Spacing, colours and small parts that the whole panel shares. All colours come from the user's egui style.

use egui::{
    Color32, CornerRadius, Frame, Label, Margin, Response, RichText, Stroke, Ui, UiBuilder, Vec2, WidgetInfo,
    WidgetType, vec2,
};

/// Size of labels and hints, in points: the style's small text is hard to read on a screen at 1×.
const HINT_PT: f32 = 11.0;
/// Room between groups of controls, in points.
const SECTION_GAP_PT: f32 = 10.0;

/// Sets the panel's spacing in `ui` and nowhere else.
pub(super) fn spacing(ui: &mut Ui) {
    let spacing = ui.spacing_mut();
    // A bar with room of its own: egui's floating one would lie over the buttons at the right edge.
    spacing.scroll = egui::style::ScrollStyle::thin();
    spacing.item_spacing = vec2(8.0, 6.0);
    spacing.button_padding = vec2(8.0, 3.0);
    spacing.interact_size.y = 24.0;
    spacing.combo_height = 320.0;
}

/// A part of the panel whose widgets keep their identity whatever appears above them: without it, a message that pops
/// up would take the keyboard away from the field in which somebody types.
pub(super) fn stable(ui: &mut Ui, name: impl std::hash::Hash, contents: impl FnOnce(&mut Ui)) {
    let id = ui.id().with(name);
    ui.scope_builder(UiBuilder::new().id(id), contents);
}

/// Starts a section: some room, a bold title, and what stands at its right end.
pub(super) fn section(ui: &mut Ui, title: &str, at_right: impl FnOnce(&mut Ui)) {
    ui.add_space(SECTION_GAP_PT - ui.spacing().item_spacing.y);
    ui.horizontal(|ui| {
        ui.label(RichText::new(title).strong());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), at_right);
    });
}

/// A control under its name, as wide as the place allows. The control is found by that name by a screen reader.
pub(super) fn field(ui: &mut Ui, name: &str, control: impl FnOnce(&mut Ui) -> Response) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let label = ui.label(RichText::new(name).size(HINT_PT));
        control(ui).labelled_by(label.id);
    });
}

/// Two fields side by side.
pub(super) fn two_columns(ui: &mut Ui, contents: impl FnOnce(&mut Ui, &mut Ui)) {
    ui.columns_const(|[left, right]| contents(left, right));
}

/// A sentence in small letters that stands back, though not as far as disabled text.
pub(super) fn hint(ui: &mut Ui, text: impl Into<String>) -> Response {
    let color = ui.visuals().weak_text_color().lerp_to_gamma(ui.visuals().text_color(), 0.5);
    ui.add(Label::new(RichText::new(text).size(HINT_PT).color(color)).wrap())
}

/// A sentence in small letters of the warning colour.
pub(super) fn warning(ui: &mut Ui, text: impl Into<String>) -> Response {
    ui.add(Label::new(RichText::new(text).size(HINT_PT).color(ui.visuals().warn_fg_color)).wrap())
}

/// One line that ends in "…" where the place ends; the whole text shows on hover.
pub(super) fn one_line(ui: &mut Ui, text: impl Into<egui::WidgetText>) -> Response {
    ui.add(Label::new(text).truncate())
}

/// A group of things that belong together.
pub(super) fn card(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    let fill = ui.visuals().faint_bg_color;
    let stroke = ui.visuals().widgets.noninteractive.bg_stroke;
    boxed(ui, fill, stroke, contents);
}

/// An error that stays until it is dismissed; returns whether it was. `dismiss_name` tells several apart.
#[must_use]
pub(super) fn error_box(ui: &mut Ui, text: &str, dismiss_name: &str) -> bool {
    let color = ui.visuals().error_fg_color;
    let mut dismissed = false;
    boxed(ui, color.gamma_multiply(0.12), Stroke::new(1.0, color.gamma_multiply(0.6)), |ui| {
        ui.add(Label::new(RichText::new(sentence(text)).color(ui.visuals().strong_text_color())).wrap());
        dismissed = named(ui.small_button("Dismiss"), WidgetType::Button, dismiss_name).clicked();
    });
    dismissed
}

fn boxed(ui: &mut Ui, fill: Color32, stroke: Stroke, contents: impl FnOnce(&mut Ui)) {
    let frame =
        Frame::new().fill(fill).stroke(stroke).corner_radius(CornerRadius::same(6)).inner_margin(Margin::same(8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        contents(ui);
    });
}

/// Errors begin in lower case, so that they fit into one another; on their own they are sentences.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?', '"', ':', ')']) || text.is_empty() { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// Gives a widget the name that a screen reader says where its own text is a symbol or is not unique.
pub(super) fn named(response: Response, kind: WidgetType, name: &str) -> Response {
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::labeled(kind, enabled, name));
    response
}

/// A text field's name, kept beside its text.
pub(super) fn named_text(response: Response, name: &str) -> Response {
    response.ctx.accesskit_node_builder(response.id, |node| node.set_label(name));
    response
}

/// A checkbox whose text stands elsewhere.
pub(super) fn named_checkbox(ui: &mut Ui, checked: &mut bool, name: &str) -> Response {
    let response = ui.checkbox(checked, "");
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::selected(WidgetType::Checkbox, enabled, *checked, name));
    response.on_hover_text(name)
}

/// A square button with one symbol, its name on hover and for screen readers.
pub(super) fn icon_button(ui: &mut Ui, icon: &str, name: &str) -> Response {
    let edge = ui.spacing().interact_size.y;
    ui.scope(|ui| {
        ui.spacing_mut().button_padding = Vec2::ZERO;
        let button = egui::Button::new(RichText::new(icon).size(14.0)).min_size(Vec2::splat(edge));
        named(ui.add(button), WidgetType::Button, name).on_hover_text(name)
    })
    .inner
}

/// "3 s", "2 min 5 s".
pub(super) fn duration(secs: f32) -> String {
    let secs = secs.max(0.0).ceil() as u64;
    if secs < 60 { format!("{secs} s") } else { format!("{} min {} s", secs / 60, secs % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!([0.2, 59.0, 60.0, 125.4, -3.0].map(duration), ["1 s", "59 s", "1 min 0 s", "2 min 6 s", "0 s"]);
    }

    #[test]
    fn errors_become_sentences() {
        assert_eq!(sentence("the prompt is empty: write one"), "The prompt is empty: write one.");
        assert_eq!(sentence("use \"a b\""), "Use \"a b\"");
        assert_eq!(sentence(""), "");
    }
}
