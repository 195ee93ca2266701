//! Finished sprites: into the world, undo, going on from one.

use super::support::*;

#[test]
fn a_click_on_a_result_puts_it_into_the_world() {
    let candidates = vec![candidate("aa", "a knight", 1), candidate("bb", "a wizard", 2)];
    let mut harness = harness(JobsView { candidates, ..JobsView::default() });
    assert_eq!(click(&mut harness, "a wizard (seed 2)"), [], "no target yet");
    harness.state_mut().state.target = Some(path("hero"));
    harness.run_steps(2);
    let expected = PanelAction::Apply { hash: "bb".into(), target: path("hero.png") };
    assert_eq!(click(&mut harness, "a wizard (seed 2)"), [expected]);
}

#[test]
fn a_result_gives_its_prompt_and_seed_back() {
    let mut harness = harness(JobsView { candidates: vec![candidate("aa", "a knight", 77)], ..JobsView::default() });
    harness.get_by_label("a knight (seed 77)").click_secondary();
    harness.run_steps(3);
    assert_eq!(click(&mut harness, "Use its settings and seed"), []);
    let request = &harness.state().state.request;
    assert_eq!((request.prompt.as_str(), request.kind, request.seed), ("a knight", Kind::Character, Some(77)));
}

#[test]
fn the_prompt_or_the_seed_alone_can_be_taken() {
    let mut harness = harness(JobsView { candidates: vec![candidate("aa", "a knight", 77)], ..JobsView::default() });
    let mut take = |entry: &str| {
        harness.state_mut().state.request = Request::new(Kind::Item, "a key");
        harness.get_by_label("a knight (seed 77)").click_secondary();
        harness.run_steps(3);
        assert_eq!(click(&mut harness, entry), []);
        let request = &harness.state().state.request;
        (request.prompt.clone(), request.seed, request.kind)
    };
    assert_eq!(take("Use its prompt"), ("a knight".to_owned(), None, Kind::Character), "and what it is");
    assert_eq!(take("Use its seed"), ("a key".to_owned(), Some(77), Kind::Item));
}

#[test]
fn broken_pixels_are_not_drawn_and_break_nothing() {
    let mut broken = candidate("aa", "a knight", 1);
    broken.pixels.rgba = [0; 7].into();
    let mut harness = harness(JobsView { candidates: vec![broken], ..JobsView::default() });
    harness.state_mut().state.target = Some(path("hero"));
    harness.run_steps(2);
    assert_eq!(click(&mut harness, "a knight (seed 1)").len(), 1);
}

#[test]
fn undo_and_redo_are_offered_when_there_is_something() {
    let mut harness = harness(JobsView::default());
    assert!(!is_enabled(&harness, "Undo") && !is_enabled(&harness, "Redo"));
    assert_eq!(click(&mut harness, "Undo"), []);
    (harness.state_mut().view.can_undo, harness.state_mut().view.can_redo) = (true, true);
    harness.run_steps(2);
    assert_eq!(click(&mut harness, "Undo"), [PanelAction::Undo]);
    assert_eq!(click(&mut harness, "Redo"), [PanelAction::Redo]);
}

#[test]
fn the_undo_keys_belong_to_the_text_while_it_is_edited() {
    use egui::{Key, Modifiers};
    let mut harness = harness(JobsView { can_undo: true, can_redo: true, ..JobsView::default() });
    let press = |harness: &mut Harness<'_, Panel>, modifiers, key| {
        harness.key_press_modifiers(modifiers, key);
        asked(harness)
    };
    assert_eq!(press(&mut harness, Modifiers::COMMAND, Key::Z), [PanelAction::Undo]);
    assert_eq!(press(&mut harness, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z), [PanelAction::Redo]);
    assert_eq!(press(&mut harness, Modifiers::COMMAND, Key::Y), [PanelAction::Redo]);
    type_prompt(&mut harness, "a knigth");
    assert_eq!(press(&mut harness, Modifiers::COMMAND, Key::Z), []);
    harness.key_press(Key::Escape);
    assert_eq!(asked(&mut harness), []);
    assert_eq!(press(&mut harness, Modifiers::COMMAND, Key::Z), [PanelAction::Undo], "the text is left");
    harness.state_mut().view.can_undo = false;
    assert_eq!(press(&mut harness, Modifiers::COMMAND, Key::Z), [], "nothing to undo");
}

#[test]
fn a_result_that_arrives_during_a_click_is_not_taken_for_another() {
    let mut harness = harness(JobsView { candidates: vec![candidate("aa", "a duck", 1)], ..JobsView::default() });
    harness.state_mut().state.target = Some(path("duck"));
    harness.run_steps(2);
    // One step between press and release: a slower one is no click.
    let mut press_and_release = |meanwhile: fn(&mut JobsView)| {
        let place = harness.get_by_label("a duck (seed 1)").rect().center();
        harness.drag_at(place);
        harness.run_steps(1);
        meanwhile(&mut harness.state_mut().view);
        harness.run_steps(1);
        harness.drop_at(place);
        asked(&mut harness)
    };
    let pressed = [PanelAction::Apply { hash: "aa".into(), target: path("duck") }];
    assert_eq!(press_and_release(|_| {}), pressed, "an undisturbed click");
    assert_eq!(press_and_release(|view| view.candidates.insert(0, candidate("bb", "a goose", 2))), pressed);
}

#[test]
fn variations_of_a_result_begin_with_its_file() {
    let mut harness = harness(JobsView { candidates: vec![candidate("aa", "a knight", 77)], ..JobsView::default() });
    harness.get_by_label("a knight (seed 77)").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "Make variations");
    let request = &harness.state().state.request;
    assert_eq!((request.prompt.as_str(), request.seed), ("a knight", None));
    assert_eq!(request.init_image, Some("history/aa.png".into()));
}

#[test]
fn a_result_is_copied_in_words() {
    let mut harness = harness(JobsView { candidates: vec![candidate("aa", "a knight", 77)], ..JobsView::default() });
    for (entry, expected) in [("Copy its prompt", "a knight"), ("Copy the path of its PNG", "history/aa.png")] {
        harness.get_by_label("a knight (seed 77)").click_secondary();
        harness.run_steps(3);
        harness.get_by_label(entry).click();
        assert_eq!(copied(&mut harness), [expected]);
        harness.run_steps(3);
    }
}
