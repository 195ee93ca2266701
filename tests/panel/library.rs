//! Models, LoRAs and palettes are chosen from what there is, or by path.

use super::support::*;

fn with_library() -> Harness<'static, Panel> {
    harness(JobsView { library: Arc::new(library()), ..JobsView::default() })
}

fn enter_path(harness: &mut Harness<'_, Panel>, field: &str, text: &str) {
    type_into(harness, field, text);
    harness.key_press(egui::Key::Enter);
    harness.run_steps(3);
}

#[test]
fn a_model_is_chosen_from_the_list_or_by_path() {
    let mut harness = with_library();
    open(&mut harness, "Model and LoRAs");
    click(&mut harness, "Model");
    click(&mut harness, "sd_xl_base_1.0 · 6.5 GiB");
    let model = |harness: &Harness<'_, Panel>| harness.state().state.request.model.clone();
    assert_eq!(model(&harness), ModelRef::File("models/sd_xl_base_1.0.safetensors".into()));
    enter_path(&mut harness, "Path of a model", " \"/models/my model\" ");
    assert_eq!(model(&harness), ModelRef::Folder("/models/my model".into()));
    click(&mut harness, "Model");
    assert!(harness.query_all_by_label("my model").count() >= 1, "it is on the list while it is chosen");
    click(&mut harness, "sprite-tiny · built in");
    assert_eq!(model(&harness), ModelRef::Embedded);
}

#[test]
fn loras_are_added_weighed_and_removed() {
    let mut harness = with_library();
    open(&mut harness, "Model and LoRAs");
    click(&mut harness, "Add a LoRA");
    click(&mut harness, "pixel-art-xl · 163 MiB");
    enter_path(&mut harness, "Path of a LoRA", "styles/ink.safetensors");
    enter_path(&mut harness, "Path of a LoRA", "styles/ink.safetensors");
    let loras = |harness: &Harness<'_, Panel>| {
        let loras = harness.state().state.request.loras.clone();
        loras.into_iter().map(|lora| (lora.name(), lora.weight)).collect::<Vec<_>>()
    };
    assert_eq!(loras(&harness), [("pixel-art-xl".into(), 1.0), ("ink".into(), 1.0)], "each once");
    click(&mut harness, "Add a LoRA");
    assert!(harness.query_by_label("pixel-art-xl · 163 MiB").is_none(), "what is in use is not offered");
    harness.key_press(egui::Key::Escape);
    harness.run_steps(3);
    let weight = harness.get_by_label("Weight of pixel-art-xl").rect().center();
    harness.drag_at(weight);
    harness.run_steps(1);
    harness.hover_at(weight - egui::vec2(40.0, 0.0));
    harness.run_steps(2);
    harness.drop_at(weight - egui::vec2(40.0, 0.0));
    harness.run_steps(2);
    assert!(loras(&harness)[0].1 < 0.9, "{:?}", loras(&harness));
    click(&mut harness, "Remove ink");
    assert_eq!(loras(&harness).len(), 1);
}

#[test]
fn the_folders_are_searched_again_and_what_cannot_be_used_is_named() {
    let mut harness = with_library();
    open(&mut harness, "Model and LoRAs");
    assert_eq!(click(&mut harness, "Look again"), [PanelAction::SearchLibrary]);
    let place = harness.get_by_label("1 file cannot be used").rect().center();
    harness.hover_at(place);
    harness.run_steps(90);
    assert!(harness.query_by_label_contains("flux.safetensors is a Flux model").is_some());
}

#[test]
fn no_more_loras_than_a_request_may_have() {
    let mut harness = with_library();
    let loras = (0..MAX_LORAS).map(|i| format!("{i}.safetensors").parse().unwrap()).collect();
    harness.state_mut().state.request.loras = loras;
    open(&mut harness, "Model and LoRAs");
    assert!(harness.query_by_label("Add a LoRA").is_none());
}

#[test]
fn a_palette_is_chosen_from_the_list_or_by_file() {
    let mut harness = with_library();
    open(&mut harness, "Colours");
    click(&mut harness, "Palette");
    click(&mut harness, "pico-8");
    let palette = |harness: &Harness<'_, Panel>| harness.state().state.request.pixel_art.palette.clone();
    assert_eq!(palette(&harness), PaletteSource::Named("pico-8".into()));
    assert!(!is_enabled(&harness, "Limit colours"), "a palette that is given is used whole");
    enter_path(&mut harness, "Palette file", "my/colours.hex");
    assert_eq!(palette(&harness), PaletteSource::File("my/colours.hex".into()));
    let error = "the palette my/colours.hex has no colours: write one RRGGBB on each line".to_owned();
    harness.state_mut().view.palette_file = Some(FileView { path: "my/colours.hex".into(), content: Err(error) });
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("has no colours: write one").is_some());
    click(&mut harness, "Palette");
    click(&mut harness, "as few as look the same");
    assert_eq!(palette(&harness), PaletteSource::Auto);
}

#[test]
fn dithering_has_a_strength() {
    let mut harness = with_library();
    open(&mut harness, "Colours");
    assert!(harness.query_by_label("Strength of dithering").is_none());
    click(&mut harness, "Dithering");
    click(&mut harness, "blue noise");
    assert_eq!(harness.state().state.request.pixel_art.dither, Dither::BlueNoise);
    assert!(harness.query_all_by_label("Strength of dithering").count() > 0);
}

#[test]
fn headings_say_what_is_set_under_them() {
    // The summaries are painted, so what decides them is asked through the form: see the pictures.
    let mut harness = with_library();
    let request = &mut harness.state_mut().state.request;
    request.pixel_art.palette = PaletteSource::Named("nowhere".into());
    open(&mut harness, "Colours");
    assert!(harness.query_by_label_contains("There is no palette").is_some());
}
