//! What draws: the model, and the LoRAs on it with their weights.

use egui::{Align, ComboBox, DragValue, Label, Layout, Response, RichText, Ui, Vec2};
use pixgen_api::{LoraRef, MAX_LORA_WEIGHT, MAX_LORAS, ModelRef, Request};

use super::fields::path_field;
use super::look::{self, field};
use super::{JobsView, LibraryView, PanelAction, PanelState};

/// Weights that the number can be dragged to; larger ones can be typed.
const DRAG_SPEED: f64 = 0.01;

/// Model and LoRAs, under their heading.
pub(super) fn models_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView, actions: &mut Vec<PanelAction>) {
    let library = &view.library;
    let summary = summary(&state.request, library);
    look::heading(ui, "model", "Model and LoRAs", &summary, |ui| {
        field(ui, "Model", |ui| model(ui, &mut state.request.model, library));
        let hint = "or a path: sdxl.safetensors, a folder";
        if let Some(path) = path_field(ui, &mut state.model_text, "Path of a model", hint) {
            state.request.model = ModelRef::at(path);
        }
        loras(ui, &mut state.request.loras, library);
        if state.request.loras.len() < MAX_LORAS {
            field(ui, "Add a LoRA", |ui| add_lora(ui, &mut state.request.loras, library));
            let hint = "or a path: style.safetensors";
            if let Some(path) = path_field(ui, &mut state.lora_text, "Path of a LoRA", hint) {
                add(&mut state.request.loras, path);
            }
        }
        library_ui(ui, library, actions);
    });
}

/// The model's name, and how many LoRAs there are.
fn summary(request: &Request, library: &LibraryView) -> String {
    let model = model_name(&request.model, library);
    match request.loras.len() {
        0 => model,
        1 => format!("{model} + 1 LoRA"),
        count => format!("{model} + {count} LoRAs"),
    }
}

/// What the list calls a model.
pub(super) fn model_name(model: &ModelRef, library: &LibraryView) -> String {
    let known = library.models.iter().find(|choice| choice.model == *model);
    known
        .map_or_else(|| model.path().map_or_else(|| "embedded".to_owned(), look::file_name), |known| known.name.clone())
}

fn model(ui: &mut Ui, value: &mut ModelRef, library: &LibraryView) -> Response {
    let name = model_name(value, library);
    let combo = ComboBox::from_id_salt("model").selected_text(&name).width(ui.available_width()).truncate();
    let shown = combo.show_ui(ui, |ui| {
        ui.set_min_width(260.0);
        if library.models.iter().all(|choice| choice.model != *value) {
            let _ = ui.selectable_label(true, &name);
        }
        for choice in &library.models {
            let response = ui.selectable_value(value, choice.model.clone(), line(&choice.name, &choice.note));
            if let Some(path) = choice.model.path() {
                response.on_hover_text(path.display().to_string());
            }
        }
    });
    shown.response
}

fn line(name: &str, note: &str) -> String {
    if note.is_empty() { name.to_owned() } else { format!("{name} · {note}") }
}

/// One line for each LoRA: what it is, its weight, and the way out.
fn loras(ui: &mut Ui, loras: &mut Vec<LoraRef>, library: &LibraryView) {
    let mut gone = None;
    for (index, lora) in loras.iter_mut().enumerate() {
        let name = lora_name(lora, library);
        let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            if look::icon_button(ui, "✖", &format!("Remove {name}")).clicked() {
                gone = Some(index);
            }
            let weight = DragValue::new(&mut lora.weight).range(-MAX_LORA_WEIGHT..=MAX_LORA_WEIGHT).speed(DRAG_SPEED);
            let response = ui.add_sized(Vec2::new(56.0, size.y), weight.fixed_decimals(2));
            look::named_number(response, &format!("Weight of {name}"));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let label = Label::new(RichText::new(&name)).truncate();
                ui.add(label).on_hover_text(lora.path.display().to_string());
            });
        });
    }
    if let Some(index) = gone {
        loras.remove(index);
    }
}

/// What the list calls a LoRA.
pub(super) fn lora_name(lora: &LoraRef, library: &LibraryView) -> String {
    let known = library.loras.iter().find(|choice| choice.path == lora.path);
    known.map_or_else(|| lora.name(), |known| known.name.clone())
}

fn add_lora(ui: &mut Ui, loras: &mut Vec<LoraRef>, library: &LibraryView) -> Response {
    let free: Vec<_> =
        library.loras.iter().filter(|choice| loras.iter().all(|lora| lora.path != choice.path)).collect();
    let text = match (library.loras.is_empty(), free.is_empty()) {
        (true, _) => "none was found",
        (false, true) => "all are in use",
        (false, false) => "choose one",
    };
    let combo = ComboBox::from_id_salt("lora").selected_text(text).width(ui.available_width()).truncate();
    let shown = combo.show_ui(ui, |ui| {
        ui.set_min_width(260.0);
        if free.is_empty() {
            look::hint(ui, "Put .safetensors files into one of the folders below, then look again.");
        }
        for choice in free {
            let response = ui.selectable_label(false, line(&choice.name, &choice.note));
            if response.on_hover_text(choice.path.display().to_string()).clicked() {
                add(loras, choice.path.clone());
            }
        }
    });
    shown.response
}

fn add(loras: &mut Vec<LoraRef>, path: std::path::PathBuf) {
    if loras.iter().all(|lora| lora.path != path) {
        loras.push(LoraRef { path, weight: 1.0 });
    }
}

/// Where models and LoRAs are looked for, and what was found there that is none.
fn library_ui(ui: &mut Ui, library: &LibraryView, actions: &mut Vec<PanelAction>) {
    ui.horizontal(|ui| {
        let text = if library.searching { "Looking…" } else { "Look again" };
        let button = ui.add_enabled(!library.searching, egui::Button::new(text).small());
        if button.on_hover_text("Search the folders for models and LoRAs").clicked() {
            actions.push(PanelAction::SearchLibrary);
        }
        let folders = library.folders.join(", ");
        look::hint(ui, if folders.is_empty() { "No folder is searched.".to_owned() } else { format!("in {folders}") });
    });
    if !library.unusable.is_empty() {
        let count = library.unusable.len();
        let text =
            if count == 1 { "1 file cannot be used".to_owned() } else { format!("{count} files cannot be used") };
        look::hint(ui, text).on_hover_ui(|ui| {
            ui.set_max_width(360.0);
            for reason in &library.unusable {
                look::hint(ui, look::sentence(reason));
            }
        });
    }
}
