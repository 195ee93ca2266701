//! Drawing one sprite in several ways: what differs is chosen here, everything else is what the form says.

use std::path::PathBuf;

use egui::{Response, ScrollArea, TextEdit, Ui};
use pixgen_api::{LoraRef, ModelRef, PaletteSource, Request, SchedulerKind};

use super::bar::{Obstacle, obstacles, start_button};
use super::look::{self, field};
use super::models::{lora_name, model_name};
use super::target::take_typed_path;
use super::{ComparedRequest, JobsView, LibraryView, PanelAction, PanelState, prompt};

/// Most sprites of one comparison: more do not fit beside each other.
pub(super) const MAX_COMPARED: usize = 9;
/// Height of the list of choices before it scrolls, in points.
const LIST_PT: f32 = 168.0;

/// What differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Axis {
    #[default]
    Models,
    Loras,
    Schedulers,
    Steps,
    Guidance,
    Palettes,
}

impl Axis {
    const ALL: [Self; 6] = [Self::Models, Self::Loras, Self::Schedulers, Self::Steps, Self::Guidance, Self::Palettes];

    fn name(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Loras => "LoRAs",
            Self::Schedulers => "schedulers",
            Self::Steps => "numbers of steps",
            Self::Guidance => "guidance scales",
            Self::Palettes => "palettes",
        }
    }
}

/// What was chosen for each axis.
#[derive(Debug)]
pub(super) struct CompareForm {
    axis: Axis,
    models: Vec<ModelRef>,
    /// `None` is "no LoRA".
    loras: Vec<Option<PathBuf>>,
    schedulers: Vec<SchedulerKind>,
    palettes: Vec<PaletteSource>,
    steps: String,
    guidance: String,
}

impl Default for CompareForm {
    fn default() -> Self {
        Self {
            axis: Axis::default(),
            models: Vec::new(),
            loras: vec![None],
            schedulers: vec![SchedulerKind::Euler, SchedulerKind::Dpmpp2m],
            palettes: vec![PaletteSource::Own],
            steps: "4, 8, 16".to_owned(),
            guidance: "2, 4, 8".to_owned(),
        }
    }
}

/// The prompt and what differs.
pub(super) fn compare_ui(ui: &mut Ui, state: &mut PanelState, view: &JobsView) {
    ui.add_space(2.0);
    ui.vertical(|ui| prompt::prompt_ui(ui, state));
    let PanelState { compare: form, request, .. } = state;
    field(ui, "What differs", |ui| axis(ui, &mut form.axis));
    let library = &view.library;
    match form.axis {
        Axis::Models => {
            let models = library.models.iter().map(|model| (model.model.clone(), model.name.clone()));
            checks(ui, &mut form.models, &models.collect::<Vec<_>>());
            if library.models.len() < 2 {
                look::hint(ui, "Add models to the folders that the tab Draw names, and they are listed here.");
            }
        }
        Axis::Loras => {
            let loras = library.loras.iter().map(|lora| (Some(lora.path.clone()), lora.name.clone()));
            checks(
                ui,
                &mut form.loras,
                &std::iter::once((None, "no LoRA".to_owned())).chain(loras).collect::<Vec<_>>(),
            );
            if library.loras.is_empty() {
                look::hint(ui, "Add LoRAs to the folders that the tab Draw names, and they are listed here.");
            }
        }
        Axis::Schedulers => {
            let all = SchedulerKind::ALL.map(|scheduler| (scheduler, scheduler.name().to_owned()));
            checks(ui, &mut form.schedulers, &all);
        }
        Axis::Palettes => {
            let own = [PaletteSource::Own, PaletteSource::Auto].map(|own| (own.clone(), super::palette::name(&own)));
            let named = library.palettes.iter().map(|p| (PaletteSource::Named(p.name.clone()), p.name.clone()));
            checks(ui, &mut form.palettes, &own.into_iter().chain(named).collect::<Vec<_>>());
        }
        Axis::Steps => field(ui, "Numbers of steps", |ui| numbers(ui, &mut form.steps)),
        Axis::Guidance => field(ui, "Guidance scales", |ui| numbers(ui, &mut form.guidance)),
    }
    let seed = request.seed.map_or("one seed by chance".to_owned(), |seed| format!("the seed {seed}"));
    look::hint(ui, format!("All of them get {seed}, and everything else as in the tab Draw."));
}

fn axis(ui: &mut Ui, axis: &mut Axis) -> Response {
    super::fields::choice(ui, "axis", axis, &Axis::ALL.map(|axis| (axis, axis.name().to_owned())))
}

fn numbers(ui: &mut Ui, text: &mut String) -> Response {
    ui.add(TextEdit::singleline(text).desired_width(f32::INFINITY).hint_text("8, 16, 30"))
}

/// A list of what can be compared. The order of the choices is that of the list.
fn checks<T: Clone + PartialEq>(ui: &mut Ui, chosen: &mut Vec<T>, choices: &[(T, String)]) {
    // What is no longer offered is not compared either.
    chosen.retain(|value| choices.iter().any(|(choice, _)| choice == value));
    look::card(ui, |ui| {
        ScrollArea::vertical().id_salt("choices").max_height(LIST_PT).auto_shrink([false, true]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for (choice, name) in choices {
                let mut is_chosen = chosen.contains(choice);
                if ui.checkbox(&mut is_chosen, name).changed() {
                    if is_chosen {
                        chosen.push(choice.clone());
                    } else {
                        chosen.retain(|value| value != choice);
                    }
                }
            }
        });
    });
}

/// The button that starts the comparison.
pub(super) fn compare_button(
    ui: &mut Ui,
    state: &mut PanelState,
    view: &JobsView,
    by_keyboard: bool,
    actions: &mut Vec<PanelAction>,
) {
    let variants = variants(&state.compare, &state.request, &view.library);
    let obstacles = obstacles_to(&variants, state, view);
    let text = match &variants {
        Ok(variants) if variants.len() > 1 => format!("Compare {}", variants.len()),
        _ => "Compare".to_owned(),
    };
    if start_button(ui, &text, &obstacles, &[], by_keyboard)
        && let Ok(mut variants) = variants
    {
        take_typed_path(state, actions);
        let seed = state.request.seed.unwrap_or_else(|| state.throw_dice());
        for variant in &mut variants {
            (variant.request.seed, variant.request.count) = (Some(seed), 1);
        }
        actions.push(PanelAction::Compare(variants));
    }
}

fn obstacles_to(variants: &Result<Vec<ComparedRequest>, String>, state: &PanelState, view: &JobsView) -> Vec<Obstacle> {
    let by_the_form = obstacles(state, view);
    // Another model than the form's may be fine where that is not, so only its other faults count.
    if !by_the_form.is_empty() && (view.refusals.is_empty() || view.blocked.is_some()) {
        return by_the_form;
    }
    let variants = match variants {
        Ok(variants) => variants,
        Err(reason) => return vec![Obstacle::fault(reason)],
    };
    if variants.len() < 2 {
        return vec![Obstacle::not_yet("choose at least two to compare")];
    }
    if variants.len() > MAX_COMPARED {
        let reason = format!("{} are chosen, at most {MAX_COMPARED} are compared: choose fewer", variants.len());
        return vec![Obstacle::fault(&reason)];
    }
    let invalid = variants.iter().find_map(|variant| variant.request.validate().err());
    invalid.map(|error| Obstacle::fault(&error.to_string())).into_iter().collect()
}

/// The requests that the choices come to, or what is wrong with them. Seed and number of images are the form's.
fn variants(form: &CompareForm, base: &Request, library: &LibraryView) -> Result<Vec<ComparedRequest>, String> {
    let with = |label: String, change: &dyn Fn(&mut Request)| {
        let mut request = base.clone();
        change(&mut request);
        ComparedRequest { label, request }
    };
    Ok(match form.axis {
        Axis::Models => {
            let listed = library.models.iter().filter(|model| form.models.contains(&model.model));
            let model = |model: &ModelRef| with(model_name(model, library), &|r| r.model = model.clone());
            listed.map(|choice| model(&choice.model)).collect()
        }
        Axis::Loras => {
            let none = std::iter::once(None).chain(library.loras.iter().map(|lora| Some(&lora.path)));
            let chosen = none.filter(|path| form.loras.iter().any(|lora| lora.as_ref() == *path));
            chosen
                .map(|path| {
                    let loras: Vec<_> = path.map(|path| lora_at(base, path)).into_iter().collect();
                    let label = loras.first().map_or("no LoRA".to_owned(), |lora| lora_name(lora, library));
                    with(label, &|r| r.loras.clone_from(&loras))
                })
                .collect()
        }
        Axis::Schedulers => {
            let chosen = SchedulerKind::ALL.into_iter().filter(|scheduler| form.schedulers.contains(scheduler));
            chosen.map(|scheduler| with(scheduler.name().to_owned(), &|r| r.scheduler = Some(scheduler))).collect()
        }
        Axis::Palettes => form
            .palettes
            .iter()
            .map(|palette| with(super::palette::name(palette), &|r| r.pixel_art.palette = palette.clone()))
            .collect(),
        Axis::Steps => {
            let numbers = list_of::<u32>(&form.steps)?;
            numbers.into_iter().map(|steps| with(format!("{steps} steps"), &|r| r.steps = Some(steps))).collect()
        }
        Axis::Guidance => {
            let numbers = list_of::<f32>(&form.guidance)?;
            let guidance = |scale| with(format!("guidance {scale}"), &|r| r.guidance_scale = Some(scale));
            numbers.into_iter().map(guidance).collect()
        }
    })
}

/// The LoRA with the weight that it has in the form, if it is there.
fn lora_at(base: &Request, path: &PathBuf) -> LoraRef {
    let weight = base.loras.iter().find(|lora| lora.path == *path).map_or(1.0, |lora| lora.weight);
    LoraRef { path: path.clone(), weight }
}

/// Numbers with commas or blanks between them, each once.
fn list_of<T: std::str::FromStr + PartialEq>(text: &str) -> Result<Vec<T>, String> {
    let mut numbers = Vec::new();
    for part in text.split([',', ';', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
        let number = part.parse().map_err(|_| format!("\"{part}\" is no number here: write for example 8, 16, 30"))?;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(list_of::<u32>("8, 16;30 8").unwrap(), [8, 16, 30]);
        assert!(list_of::<u32>("8, many").unwrap_err().contains("\"many\" is no number"));
        assert!(list_of::<u32>("-1").is_err());
        assert_eq!(list_of::<f32>("").unwrap(), [0.0; 0]);
    }

    #[test]
    fn each_variant_changes_one_thing() {
        let library = LibraryView {
            loras: vec![super::super::LoraChoice {
                name: "Pixel".into(),
                path: "p.safetensors".into(),
                note: "".into(),
            }],
            ..LibraryView::default()
        };
        let mut base = Request { prompt: "a duck".into(), ..Request::default() };
        base.loras = vec!["p.safetensors:0.7".parse().unwrap()];
        let form =
            CompareForm { axis: Axis::Loras, loras: vec![Some("p.safetensors".into()), None], ..Default::default() };
        let variants = variants(&form, &base, &library).unwrap();
        assert_eq!(variants.iter().map(|v| v.label.as_str()).collect::<Vec<_>>(), ["no LoRA", "Pixel"]);
        assert!(variants[0].request.loras.is_empty());
        assert_eq!(variants[1].request, base, "with its weight from the form");
    }
}
