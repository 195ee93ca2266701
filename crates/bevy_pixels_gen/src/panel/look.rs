//! Spacing, colours and small parts that the whole panel shares. All colours come from the user's egui style.

use egui::{
    Color32, CornerRadius, Frame, Label, Margin, Rect, Response, RichText, Stroke, Ui, UiBuilder, Vec2, WidgetInfo,
    WidgetType, vec2,
};

/// Size of labels and hints, in points: the style's small text is hard to read on a screen at 1×.
pub(super) const HINT_PT: f32 = 11.0;
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
        let label = field_name(ui, name);
        control(ui).labelled_by(label.id);
    });
}

/// The name over a control.
pub(super) fn field_name(ui: &mut Ui, name: &str) -> Response {
    ui.label(RichText::new(name).size(HINT_PT))
}

/// A part of the form that opens by a click on its heading. Closed, it says at its right end what is set in it.
pub(super) fn heading(ui: &mut Ui, id: &str, title: &str, summary: &str, contents: impl FnOnce(&mut Ui)) {
    let right = ui.max_rect().right();
    let header = egui::CollapsingHeader::new(title).id_salt(id).show_unindented(ui, contents);
    let title = header.header_response.rect;
    let place = Rect::from_min_max(title.right_top() + vec2(12.0, 0.0), egui::pos2(right, title.bottom()));
    if place.width() < 24.0 {
        return;
    }
    let mut job = egui::text::LayoutJob::simple_singleline(
        summary.to_owned(),
        egui::FontId::proportional(HINT_PT),
        hint_color(ui),
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(place.width());
    let galley = ui.painter().layout_job(job);
    let at = egui::Align2::RIGHT_CENTER.align_size_within_rect(galley.size(), place);
    ui.painter().galley(at.min, galley, hint_color(ui));
}

/// Choices side by side, all of one width.
pub(super) fn choice_row<T: Copy + PartialEq>(ui: &mut Ui, value: &mut T, choices: &[(T, &str, &str)]) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let count = choices.len().max(1) as f32;
        let width = ((ui.available_width() - (count - 1.0) * 4.0) / count).floor();
        let size = Vec2::new(width, ui.spacing().interact_size.y);
        for (choice, text, help) in choices {
            let is_chosen = value == choice;
            let button = egui::Button::selectable(is_chosen, *text).frame_when_inactive(true);
            if ui.add_sized(size, button).on_hover_text(*help).clicked() {
                *value = *choice;
            }
        }
    });
}

/// One line: something at the right end, and what fills the rest.
pub(super) fn split(ui: &mut Ui, right: impl FnOnce(&mut Ui), left: impl FnOnce(&mut Ui)) {
    let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        right(ui);
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), left);
    });
}

/// Two fields side by side.
pub(super) fn two_columns(ui: &mut Ui, contents: impl FnOnce(&mut Ui, &mut Ui)) {
    ui.columns_const(|[left, right]| contents(left, right));
}

/// A sentence in small letters that stands back, though not as far as disabled text.
pub(super) fn hint(ui: &mut Ui, text: impl Into<String>) -> Response {
    let color = hint_color(ui);
    ui.add(Label::new(RichText::new(text).size(HINT_PT).color(color)).wrap())
}

fn hint_color(ui: &Ui) -> Color32 {
    ui.visuals().weak_text_color().lerp_to_gamma(ui.visuals().text_color(), 0.5)
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

/// Something good to know that stays until it was read; returns whether it was.
#[must_use]
pub(super) fn note_box(ui: &mut Ui, text: &str, dismiss_name: &str) -> bool {
    let color = ui.visuals().hyperlink_color;
    let mut dismissed = false;
    boxed(ui, color.gamma_multiply(0.10), Stroke::new(1.0, color.gamma_multiply(0.5)), |ui| {
        ui.add(Label::new(RichText::new(sentence(text)).color(ui.visuals().strong_text_color())).wrap());
        dismissed = named(ui.small_button("OK"), WidgetType::Button, dismiss_name).clicked();
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
    // Paths and names of fields stay what they are.
    let is_name = text.split_whitespace().next().is_some_and(|word| word.contains(['/', '\\', '_', '.']));
    let upper = |first: char| if is_name { first.to_string() } else { first.to_uppercase().to_string() };
    let first = chars.next().map(upper).unwrap_or_default();
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

/// A number's name, kept beside its value.
pub(super) fn named_number(response: Response, name: &str) -> Response {
    response.ctx.accesskit_node_builder(response.id, |node| node.set_label(name));
    response.on_hover_text(name)
}

/// A list's name, where no text stands over it; `chosen` is what it shows.
pub(super) fn named_combo(response: Response, name: &str, chosen: &str) -> Response {
    response.ctx.accesskit_node_builder(response.id, |node| {
        node.set_label(name);
        node.set_value(chosen);
    });
    response.on_hover_text(name)
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

/// The same, small enough for the line of a field's name, with more to say on hover.
pub(super) fn small_icon_button(ui: &mut Ui, icon: &str, name: &str, more: impl FnOnce(&mut Ui)) -> Response {
    ui.scope(|ui| {
        ui.spacing_mut().button_padding = Vec2::ZERO;
        ui.spacing_mut().interact_size.y = 16.0;
        let button = egui::Button::new(RichText::new(icon).size(HINT_PT)).min_size(vec2(18.0, 16.0));
        named(ui.add(button), WidgetType::Button, name).on_hover_ui(|ui| {
            ui.label(name);
            more(ui);
        })
    })
    .inner
}

/// The last part of a path, or all of it where there is none.
pub(super) fn file_name(path: &std::path::Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The first characters of a text, on one line.
pub(super) fn shortened(text: &str, max_chars: usize) -> String {
    let mut short: String = text.chars().take(max_chars).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    if text.chars().nth(max_chars).is_some() {
        short.push('…');
    }
    short
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
    fn long_texts_are_shortened_by_characters() {
        assert_eq!(shortened(&"ü".repeat(41), 40), format!("{}…", "ü".repeat(40)));
        assert_eq!(shortened("a\nduck", 40), "a duck");
    }

    #[test]
    fn errors_become_sentences() {
        assert_eq!(sentence("the prompt is empty: write one"), "The prompt is empty: write one.");
        assert_eq!(sentence("use \"a b\""), "Use \"a b\"");
        assert_eq!(sentence("size_px is 7"), "size_px is 7.");
        assert_eq!(sentence(""), "");
    }
}
