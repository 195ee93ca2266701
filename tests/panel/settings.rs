//! Weights of words, copy and paste, settings from a dropped PNG, what preflight says.

use super::support::*;

use egui::{Event, Key, Modifiers};

#[test]
fn selected_words_gain_and_lose_weight() {
    let mut harness = harness(JobsView::default());
    type_prompt(&mut harness, "a red cape");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(asked(&mut harness), []);
    assert_eq!(harness.state().state.request.prompt, "a red (cape:1.1)", "the word at the cursor");
    click(&mut harness, "More of the selected words (Ctrl+Up)");
    assert_eq!(harness.state().state.request.prompt, "a red (cape:1.2)");
    assert!(harness.get_by_label("Prompt").is_focused(), "typing goes on");
    click(&mut harness, "Less of the selected words (Ctrl+Down)");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::ArrowDown);
    harness.run_steps(2);
    assert_eq!(harness.state().state.request.prompt, "a red cape");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::ArrowUp);
    harness.run_steps(2);
    assert_eq!(harness.state().state.request.prompt, "(a red cape:1.1)");
}

#[test]
fn how_prompts_are_written_is_a_hover_away() {
    let mut harness = harness(JobsView::default());
    let place = harness.get_by_label("How to write prompts").rect().center();
    harness.hover_at(place);
    harness.run_steps(90);
    assert!(harness.query_by_label("(red cape:1.3)").is_some());
}

#[test]
fn prompts_are_copied_cut_and_pasted() {
    let mut harness = harness(JobsView::default());
    type_prompt(&mut harness, "a red cape");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.event(Event::Copy);
    assert_eq!(copied(&mut harness), ["a red cape"]);
    harness.event(Event::Cut);
    assert_eq!(copied(&mut harness), ["a red cape"]);
    assert_eq!(harness.state().state.request.prompt, "");
    harness.event(Event::Paste("grüne Ente\nzwei".into()));
    harness.run_steps(2);
    assert_eq!(harness.state().state.request.prompt, "grüne Ente\nzwei");
}

#[test]
fn a_dropped_png_is_asked_for_its_settings() {
    let mut harness = harness(JobsView::default());
    harness.input_mut().hovered_files.push(egui::HoveredFile::default());
    harness.step();
    harness.input_mut().hovered_files.clear();
    let dropped = |path: &str| egui::DroppedFile { path: Some(path.into()), ..egui::DroppedFile::default() };
    harness.input_mut().dropped_files = vec![dropped("sword.png")];
    harness.step();
    harness.input_mut().dropped_files.clear();
    assert_eq!(asked(&mut harness), [PanelAction::ReadSettings("sword.png".into())]);
}

#[test]
fn settings_that_are_used_again_keep_the_number_of_images() {
    let mut state = PanelState::with_dice(1);
    state.request.count = 4;
    state.use_settings(Request { count: 1, steps: Some(3), ..request("a knight", 9) });
    assert_eq!((state.request.count, state.request.steps, state.request.seed), (4, Some(3), Some(9)));
}

#[test]
fn what_preflight_says_is_shown_before_anything_is_drawn() {
    let refusals = vec!["model.safetensors is a LoRA, no model: add it to loras".to_owned()];
    let mut harness = harness(JobsView { refusals, ..JobsView::default() });
    type_prompt(&mut harness, "a duck");
    assert!(!is_enabled(&harness, "Generate"));
    assert!(harness.query_by_label_contains("is a LoRA, no model").is_some());
    harness.state_mut().view.refusals.clear();
    harness.state_mut().view.warnings = vec!["drawing needs about 5 GiB and 6 GiB are free".into()];
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Drawing needs about 5 GiB").is_some());
    assert_eq!(click(&mut harness, "Generate").len(), 1, "a warning stops nothing");
}
