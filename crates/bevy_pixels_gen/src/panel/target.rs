//! Which sprite in the world is being changed.

use egui::{Align, Color32, ComboBox, Key, Layout, Rect, RichText, TextEdit, Ui, Vec2, WidgetType};
use pixgen_api::{GenPath, Request};

use super::look;
use super::thumbnails::{ThumbnailKey, Thumbnails, paint_checkerboard};
use super::{JobsView, PanelAction, PanelState, TargetView};

/// Edge of the target's picture, in points: a 32 px sprite at twice its size.
const PICTURE_PT: f32 = 64.0;
/// Edge of a picture in the list, in points.
const LIST_PICTURE_PT: f32 = 32.0;

/// The target with its picture, a list of what the world offers, picking, and a path for what does not exist yet.
pub(super) fn target_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    look::card(ui, |ui| {
        ui.horizontal(|ui| {
            let (_, rect) = ui.allocate_space(Vec2::splat(PICTURE_PT));
            paint_checkerboard(ui.painter(), rect, ui.visuals().dark_mode);
            if let Some(target) = current(state, view) {
                picture(ui, &mut state.thumbnails, rect, target);
            }
            ui.vertical(|ui| {
                look::field(ui, "Sprite to change", |ui| list(ui, state, view, actions));
                pick_button(ui, view, actions);
            });
        });
        path_field(ui, state, view, actions);
        if let Some(target) = current(state, view) {
            again(ui, state, view, target, actions);
            of_recipe(ui, target);
        }
    });
}

/// What can be done with a sprite that is there: draw it again in its place, or something like it.
fn again(ui: &mut Ui, state: &mut PanelState, view: &JobsView, target: &TargetView, actions: &mut Vec<PanelAction>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let width = ((ui.available_width() - 8.0) / 3.0).floor();
        let size = Vec2::new(width, ui.spacing().interact_size.y);
        let mut button = |enabled: bool, text: &str, help: &str, unable: &str| {
            let shown = ui.add_enabled_ui(enabled, |ui| ui.add_sized(size, egui::Button::new(text))).inner;
            shown.on_hover_text(help).on_disabled_hover_text(unable).clicked()
        };
        let unknown = "No model drew this sprite: its file says nothing of a prompt";
        let blocked = view.blocked.as_deref().unwrap_or(unknown);
        let request = target.request.as_deref();
        let can_draw = request.is_some() && view.blocked.is_none();
        if button(can_draw, "Redraw", "Draw it again in its place: its own settings, a new seed", blocked)
            && let Some(request) = request
        {
            let request = Box::new(Request { seed: None, count: 1, ..request.clone() });
            actions.push(PanelAction::Generate { request, target: Some(target.path.clone()) });
            tell_left_out(&target.left_out, actions);
        }
        if button(target.file.is_some(), "Vary…", "Draw something like it", "Its picture is not there yet")
            && let Some(file) = &target.file
        {
            state.vary(file.clone(), request);
            tell_left_out(&target.left_out, actions);
        }
        if button(request.is_some(), "Use settings", "Put its prompt, settings and seed into the form", unknown)
            && let Some(request) = request
        {
            state.use_settings(request.clone());
            state.tab = super::PanelTab::Draw;
            tell_left_out(&target.left_out, actions);
        }
    });
}

/// Says which files of a sprite are not used with the rest of its settings.
pub(super) fn tell_left_out(left_out: &[String], actions: &mut Vec<PanelAction>) {
    if !left_out.is_empty() {
        actions.push(PanelAction::Tell(left_out.join("; ")));
    }
}

/// What becomes of the recipe that a sprite comes from.
fn of_recipe(ui: &mut Ui, target: &TargetView) {
    if let Some(recipe) = &target.recipe {
        look::hint(ui, format!("It comes from {recipe}: what you accept is written into that, and undone with it."));
    }
}

/// What the world knows about the chosen target.
fn current<'a>(state: &PanelState, view: &'a JobsView) -> Option<&'a TargetView> {
    view.targets.iter().find(|target| Some(&target.path) == state.target.as_ref())
}

fn picture(ui: &Ui, thumbnails: &mut Thumbnails, rect: Rect, target: &TargetView) {
    if let Some(pixels) = &target.current {
        thumbnails.paint(ui, rect, ThumbnailKey::Target(target.path.clone()), pixels);
    }
}

fn title(target: &TargetView) -> String {
    match &target.name {
        Some(name) => format!("{name} ({})", target.path),
        None => target.path.to_string(),
    }
}

/// The list of the world's sprites.
fn list(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) -> egui::Response {
    let selected = match (&state.target, current(state, view)) {
        (_, Some(target)) => target.name.clone().unwrap_or_else(|| target.path.to_string()),
        (Some(path), None) => path.to_string(),
        (None, None) => "none: only collect results".to_owned(),
    };
    let combo = ComboBox::from_id_salt("target").selected_text(selected).width(ui.available_width()).truncate();
    let shown = combo.show_ui(ui, |ui| {
        ui.set_min_width(240.0);
        if view.targets.is_empty() {
            look::hint(ui, "No sprite in the world comes from gen:// or a recipe yet. Type a path below to make one.");
        }
        if ui.selectable_label(state.target.is_none(), "none: only collect results").clicked() {
            state.target = None;
        }
        for target in &view.targets {
            ui.horizontal(|ui| {
                let (_, rect) = ui.allocate_space(Vec2::splat(LIST_PICTURE_PT));
                picture(ui, &mut state.thumbnails, rect, target);
                let is_chosen = state.target.as_ref() == Some(&target.path);
                let line = ui.with_layout(Layout::left_to_right(Align::Center).with_cross_justify(true), |ui| {
                    ui.selectable_label(is_chosen, title(target))
                });
                if line.inner.clicked() {
                    state.target = Some(target.path.clone());
                    actions.push(PanelAction::SelectTarget(target.path.clone()));
                }
            });
        }
    });
    let hover = state.target.as_ref().map_or("Where results go", |path| path.as_str()).to_owned();
    shown.response.on_hover_text(hover)
}

/// Choosing by a click in the world.
fn pick_button(ui: &mut Ui, view: &JobsView, actions: &mut Vec<PanelAction>) {
    let text = if view.picking { "Click a sprite… (Esc)" } else { "Pick in the world" };
    let button = egui::Button::selectable(view.picking, text).frame_when_inactive(true);
    let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
    let response = ui.add_sized(size, button).on_hover_text("Click a sprite in the game to change it");
    response.widget_info(|| egui::WidgetInfo::selected(WidgetType::Button, true, view.picking, "Pick in the world"));
    if response.clicked() {
        actions.push(PanelAction::Pick(!view.picking));
    }
}

/// A path for a sprite that no entity shows yet.
fn path_field(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    let error = path_error(state);
    let response = ui
        .horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.label(RichText::new("gen://").monospace().color(ui.visuals().weak_text_color()));
            let color: Option<Color32> = error.is_some().then(|| ui.visuals().error_fg_color);
            let edit = TextEdit::singleline(&mut state.path_text)
                .hint_text("or a new path: hero/knight.png")
                .text_color_opt(color)
                .vertical_align(Align::Center);
            let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
            look::named_text(ui.add_sized(size, edit), "Path of a new sprite")
        })
        .inner;
    // Enter and leaving the field both mean "this one": nobody should lose a path by clicking Generate.
    if response.lost_focus() && !ui.input(|input| input.key_pressed(Key::Escape)) {
        take_typed_path(state, actions);
    }
    if let Some(error) = error {
        look::warning(ui, error);
    } else if state.target.is_some() && current(state, view).is_none() {
        look::hint(ui, "No entity shows this sprite yet; the file is written all the same.");
    }
}

/// Makes the path in the field the target, if it is one.
pub(super) fn take_typed_path(state: &mut PanelState, actions: &mut Vec<PanelAction>) {
    if let Ok(path) = GenPath::parse(&state.path_text) {
        state.path_text.clear();
        state.target = Some(path.clone());
        actions.push(PanelAction::SelectTarget(path));
    }
}

/// Why the text in the path field names no sprite; `None` if it does or is empty.
pub(super) fn path_error(state: &PanelState) -> Option<String> {
    let is_empty = state.path_text.trim().is_empty();
    GenPath::parse(&state.path_text).err().filter(|_| !is_empty).map(|error| look::sentence(&error.to_string()))
}
