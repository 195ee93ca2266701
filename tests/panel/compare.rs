//! One sprite in several ways, side by side.

use super::support::*;

fn comparing(view: JobsView) -> Harness<'static, Panel> {
    let mut harness = harness(JobsView { library: Arc::new(library()), ..view });
    click(&mut harness, "Compare");
    harness
}

/// Chooses what differs.
fn differ(harness: &mut Harness<'_, Panel>, axis: &str) {
    click(harness, "What differs");
    click(harness, axis);
}

/// The button at the bottom; the tab is called the same until something is chosen.
fn start(harness: &mut Harness<'_, Panel>, name: &str) -> Vec<(String, Request)> {
    match &click(harness, name)[..] {
        [PanelAction::Compare(requests)] => requests.iter().map(|r| (r.label.clone(), r.request.clone())).collect(),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn models_are_compared_on_one_prompt_and_one_seed() {
    let mut harness = comparing(JobsView::default());
    assert!(harness.query_by_label_contains("The prompt is empty").is_some());
    type_prompt(&mut harness, "a knight");
    assert!(harness.query_by_label_contains("Choose at least two").is_some());
    click(&mut harness, "sprite-tiny");
    click(&mut harness, "sd_xl_base_1.0");
    let requests = start(&mut harness, "Compare 2");
    assert_eq!(requests.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), ["sprite-tiny", "sd_xl_base_1.0"]);
    assert_eq!(requests[0].1.model, ModelRef::Embedded);
    assert_ne!(requests[0].1.model, requests[1].1.model);
    assert!(requests[0].1.seed.is_some() && requests[0].1.seed == requests[1].1.seed);
    assert!(requests.iter().all(|(_, r)| r.prompt == "a knight" && r.count == 1));
    assert_eq!(harness.state().state.request.seed, None, "the form's seed stays open");
}

#[test]
fn loras_are_compared_with_none() {
    let mut harness = comparing(JobsView::default());
    harness.state_mut().state.request = request("a knight", 5);
    differ(&mut harness, "LoRAs");
    click(&mut harness, "lcm-lora");
    let requests = start(&mut harness, "Compare 2");
    assert_eq!((requests[0].0.as_str(), requests[1].0.as_str()), ("no LoRA", "lcm-lora"));
    assert_eq!((requests[0].1.loras.len(), requests[1].1.loras.len()), (0, 1));
    assert!(requests.iter().all(|(_, r)| r.seed == Some(5)), "the form's seed");
}

#[test]
fn settings_are_compared() {
    let mut harness = comparing(JobsView::default());
    harness.state_mut().state.request = request("a knight", 5);
    differ(&mut harness, "schedulers");
    click(&mut harness, "UniPC");
    let labels = |requests: &[(String, Request)]| requests.iter().map(|(label, _)| label.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&start(&mut harness, "Compare 3")), ["Euler", "DPM++ 2M", "UniPC"]);
    differ(&mut harness, "numbers of steps");
    let steps = start(&mut harness, "Compare 3");
    assert_eq!(steps.iter().map(|(_, r)| r.steps).collect::<Vec<_>>(), [Some(4), Some(8), Some(16)]);
    type_into(&mut harness, "Numbers of steps", ", x");
    assert!(harness.query_by_label_contains("is no number here").is_some());
    differ(&mut harness, "guidance scales");
    assert_eq!(labels(&start(&mut harness, "Compare 3")), ["guidance 2", "guidance 4", "guidance 8"]);
    differ(&mut harness, "palettes");
    click(&mut harness, "pico-8");
    let palettes = start(&mut harness, "Compare 2");
    assert_eq!(palettes[1].1.pixel_art.palette, PaletteSource::Named("pico-8".into()));
}

#[test]
fn ctrl_enter_compares() {
    let mut harness = comparing(JobsView::default());
    differ(&mut harness, "numbers of steps");
    type_prompt(&mut harness, "a knight");
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    assert!(matches!(&asked(&mut harness)[..], [PanelAction::Compare(requests)] if requests.len() == 3));
    assert_eq!(harness.state().state.request.prompt, "a knight");
}

#[test]
fn too_many_and_wrong_numbers_are_refused() {
    let mut harness = comparing(JobsView::default());
    harness.state_mut().state.request = request("a knight", 5);
    differ(&mut harness, "numbers of steps");
    type_into(&mut harness, "Numbers of steps", ", 1 2 3 5 6 7 9");
    assert!(harness.query_by_label_contains("10 are chosen, at most 9").is_some());
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    harness.run_steps(2);
    harness.get_by_label("Numbers of steps").type_text("8, 999");
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Steps is 999").is_some());
}

/// One done, one running, one failed.
pub(crate) fn comparison() -> ComparisonView {
    let cell = |label: &str, state, sprite| ComparedView {
        label: label.into(),
        state,
        progress: 0.5,
        sprite,
        error: (state == JobState::Failed).then(|| "out of memory: choose a smaller size".to_owned()),
    };
    ComparisonView {
        prompt: "a knight with a red cape".into(),
        seed: 5,
        cells: vec![
            cell("Euler", JobState::Done, Some(candidate("aa", "a knight", 5))),
            cell("DDIM", JobState::Running, None),
            cell("UniPC", JobState::Failed, None),
        ],
        in_world: false,
    }
}

#[test]
fn compared_sprites_are_shown_used_and_put_into_the_world() {
    let mut harness = comparing(JobsView { comparison: Some(comparison()), ..JobsView::default() });
    harness.state_mut().state.target = Some(path("hero"));
    harness.run_steps(2);
    assert!(harness.query_by_label("Progress of DDIM").is_some());
    assert!(harness.query_by_label_contains("UniPC: Out of memory").is_some());
    let expected = PanelAction::Apply { hash: "aa".into(), target: path("hero") };
    assert_eq!(click(&mut harness, "a knight (seed 5)"), [expected]);
    assert_eq!(click(&mut harness, "In the world"), [PanelAction::ShowComparison(true)]);
    harness.state_mut().view.comparison.as_mut().unwrap().in_world = true;
    harness.run_steps(2);
    assert_eq!(click(&mut harness, "In the world"), [PanelAction::ShowComparison(false)]);
    assert_eq!(click(&mut harness, "Clear"), [PanelAction::EndComparison]);
}

#[test]
fn sprites_that_came_out_equal_are_shown_each() {
    let mut comparison = comparison();
    comparison.cells[1] = ComparedView { label: "DDIM".into(), ..comparison.cells[0].clone() };
    let harness = comparing(JobsView { comparison: Some(comparison), ..JobsView::default() });
    assert_eq!(harness.query_all_by_label("a knight (seed 5)").count(), 2);
}
