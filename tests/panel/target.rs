//! Which sprite in the world is changed.

use super::support::*;

#[test]
fn picking_is_switched_on_and_off() {
    let mut harness = harness(JobsView::default());
    assert_eq!(click(&mut harness, "Pick in the world"), [PanelAction::Pick(true)]);
    harness.state_mut().view.picking = true;
    harness.run_steps(2);
    assert_eq!(click(&mut harness, "Pick in the world"), [PanelAction::Pick(false)]);
    harness.key_press(egui::Key::Escape);
    assert_eq!(asked(&mut harness), [PanelAction::Pick(false)]);
}

#[test]
fn a_target_is_chosen_from_the_list() {
    let targets = vec![target(Some("Hero"), "hero/knight"), target(None, "slime")];
    let mut harness = harness(JobsView { targets, ..JobsView::default() });
    assert_eq!(click(&mut harness, "Sprite to change"), []);
    let chosen = path("hero/knight.png");
    let actions = click(&mut harness, "Hero (hero/knight.png)");
    assert_eq!(actions, [PanelAction::SelectTarget(chosen.clone())]);
    assert_eq!(harness.state().state.target, Some(chosen));
}

#[test]
fn a_path_is_typed_for_a_new_sprite() {
    let mut harness = harness(JobsView::default());
    let type_path = |harness: &mut Harness<'_, Panel>, text: &str| {
        harness.get_by_label("Path of a new sprite").focus();
        harness.run_steps(2);
        harness.get_by_label("Path of a new sprite").type_text(text);
        harness.run_steps(2);
        harness.key_press(egui::Key::Enter);
        asked(harness)
    };
    assert_eq!(type_path(&mut harness, "../outside"), []);
    assert!(harness.query_by_label_contains("leaves the folder").is_some());
    assert_eq!(harness.state().state.target, None);
    harness.get_by_label("Path of a new sprite").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    harness.run_steps(2);
    assert_eq!(type_path(&mut harness, "hero/knight"), [PanelAction::SelectTarget(path("hero/knight.png"))]);
    assert_eq!(harness.state().state.target, Some(path("hero/knight.png")));
}

#[test]
fn a_typed_path_counts_without_enter() {
    let mut harness = harness(JobsView::default());
    harness.state_mut().state.request.prompt = "a duck".into();
    type_into(&mut harness, "Path of a new sprite", "duck");
    let by_click = click(&mut harness, "Generate");
    assert!(
        matches!(&by_click[..], [PanelAction::SelectTarget(a), PanelAction::Generate { target: Some(b), .. }] if a == b)
    );
    type_into(&mut harness, "Path of a new sprite", "goose");
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    let by_keyboard = asked(&mut harness);
    let goose = Some(path("goose.png"));
    assert!(matches!(&by_keyboard[1..], [PanelAction::Generate { target, .. }] if *target == goose));
}

#[test]
fn a_wrong_path_stops_generating_into_the_old_target() {
    let mut harness = harness(JobsView::default());
    harness.state_mut().state.request.prompt = "a duck".into();
    harness.state_mut().state.target = Some(path("old"));
    type_into(&mut harness, "Path of a new sprite", "duck.gif");
    assert_eq!(click(&mut harness, "Generate"), []);
    assert!(harness.query_all_by_label_contains("only PNG files are generated").count() >= 1);
}

/// A target that a model drew.
fn drawn() -> JobsView {
    let drawn_by = Request { count: 1, steps: Some(8), ..request("a knight", 77) };
    let target = TargetView {
        request: Some(Arc::new(drawn_by)),
        file: Some("history/aa.png".into()),
        ..target(Some("Hero"), "hero")
    };
    JobsView { targets: vec![target], ..JobsView::default() }
}

fn harness_on_hero(view: JobsView) -> Harness<'static, Panel> {
    let mut harness = harness(view);
    harness.state_mut().state.target = Some(path("hero"));
    harness.state_mut().state.request = Request { count: 4, ..request("a duck", 1) };
    harness.run_steps(2);
    harness
}

#[test]
fn a_sprite_in_the_world_is_drawn_again_in_its_place() {
    let mut harness = harness_on_hero(drawn());
    let request = Box::new(Request { seed: None, steps: Some(8), ..request("a knight", 0) });
    let expected = PanelAction::Generate { request, target: Some(path("hero")) };
    assert_eq!(click(&mut harness, "Redraw"), [expected], "with its own settings and a new seed");
    assert_eq!(harness.state().state.request.prompt, "a duck", "the form stays");
}

#[test]
fn variations_of_a_sprite_in_the_world_begin_with_it() {
    let mut harness = harness_on_hero(drawn());
    assert_eq!(click(&mut harness, "Vary…"), []);
    let form = &harness.state().state.request;
    assert_eq!((form.prompt.as_str(), form.seed, form.count), ("a knight", None, 4));
    assert_eq!((form.init_image.clone(), form.strength), (Some("history/aa.png".into()), Some(0.6)));
    let actions = click(&mut harness, "Generate 4 variations");
    let hero = Some(path("hero"));
    assert!(matches!(&actions[..], [PanelAction::Generate { request, target }]
        if request.init_image.is_some() && request.strength == Some(0.6) && *target == hero));
    click(&mut harness, "Draw from nothing again");
    let form = &harness.state().state.request;
    assert_eq!((form.init_image.clone(), form.strength, form.validate()), (None, None, Ok(())));
}

#[test]
fn the_strength_is_set_by_a_slider() {
    let mut harness = harness_on_hero(drawn());
    click(&mut harness, "Vary…");
    let slider = harness.get_all_by_role(egui::accesskit::Role::Slider).next().unwrap().rect();
    harness.hover_at(slider.left_center());
    harness.drag_at(slider.left_center() + egui::vec2(2.0, 0.0));
    harness.run_steps(2);
    harness.drop_at(slider.left_center() + egui::vec2(2.0, 0.0));
    harness.run_steps(2);
    let strength = harness.state().state.request.strength.unwrap();
    assert!(strength < 0.2, "{strength}");
    assert_eq!(harness.state().state.request.validate(), Ok(()));
}

#[test]
fn the_settings_of_a_sprite_in_the_world_come_back() {
    let mut harness = harness_on_hero(drawn());
    click(&mut harness, "Use settings");
    let form = &harness.state().state.request;
    assert_eq!((form.prompt.as_str(), form.seed, form.steps, form.count), ("a knight", Some(77), Some(8), 4));
}

#[test]
fn a_painted_sprite_can_only_be_varied() {
    let mut view = drawn();
    view.targets[0].request = None;
    let mut harness = harness_on_hero(view);
    assert!(!is_enabled(&harness, "Redraw") && !is_enabled(&harness, "Use settings"));
    click(&mut harness, "Vary…");
    assert_eq!(harness.state().state.request.prompt, "a duck", "the form's own prompt");
    assert!(harness.state().state.request.init_image.is_some());
}

#[test]
fn a_sprite_of_a_recipe_says_what_becomes_of_that() {
    let hero = TargetView { recipe: Some("knight.sprite.ron".to_owned()), ..target(Some("Hero"), "hero") };
    let mut harness = harness(JobsView { targets: vec![hero], ..JobsView::default() });
    assert!(harness.query_by_label_contains("knight.sprite.ron").is_none(), "not before it is chosen");
    harness.state_mut().state.target = Some(path("hero"));
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("It comes from knight.sprite.ron").is_some());
}
