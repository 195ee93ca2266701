//! What to draw: prompt, numbers, and the button that starts.

use super::support::*;

#[test]
fn a_typed_prompt_and_a_click_ask_for_one_job() {
    let mut harness = harness(JobsView::default());
    type_prompt(&mut harness, "a blue potion");
    harness.state_mut().state.target = Some(path("potion"));
    harness.run_steps(2);
    let actions = click(&mut harness, "Generate");
    let request = Box::new(Request { prompt: "a blue potion".into(), ..Request::default() });
    assert_eq!(actions, [PanelAction::Generate { request, target: Some(path("potion.png")) }]);
    assert_eq!(asked(&mut harness), [], "one click, one job");
}

#[test]
fn ctrl_enter_generates_and_breaks_no_line() {
    let mut harness = harness(JobsView::default());
    type_prompt(&mut harness, "a duck");
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    let actions = asked(&mut harness);
    assert!(matches!(&actions[..], [PanelAction::Generate { request, target: None }] if request.prompt == "a duck"));
    harness.key_press(egui::Key::Enter);
    assert_eq!(asked(&mut harness), [], "Enter alone breaks the line");
    assert_eq!(harness.state().state.request.prompt, "a duck\n");
}

#[test]
fn ctrl_enter_with_an_empty_prompt_does_nothing() {
    let mut harness = harness(JobsView::default());
    harness.get_by_label("Prompt").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    assert_eq!(asked(&mut harness), []);
    assert_eq!(harness.state().state.request.prompt, "");
}

#[test]
fn ctrl_enter_elsewhere_is_not_for_the_panel() {
    let mut harness = harness(JobsView::default());
    harness.state_mut().state.request.prompt = "a duck".into();
    harness.remove_cursor();
    harness.run_steps(2);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    assert_eq!(asked(&mut harness), []);
}

#[test]
fn an_empty_prompt_disables_the_button_and_says_why() {
    let mut harness = harness(JobsView::default());
    assert!(!is_enabled(&harness, "Generate"));
    assert!(harness.query_by_label_contains("The prompt is empty").is_some());
    assert_eq!(click(&mut harness, "Generate"), []);
    type_prompt(&mut harness, "x");
    assert!(is_enabled(&harness, "Generate"));
    assert!(harness.query_by_label_contains("The prompt is empty").is_none());
}

#[test]
fn whatever_does_not_fit_is_explained() {
    let model = ModelView { max_size_px: 64, ..ModelView::default() };
    let mut harness = harness(JobsView { model, ..JobsView::default() });
    let mut check = |change: fn(&mut Panel), reason: &str| {
        harness.state_mut().state.request = Request::new(Kind::Item, "a key");
        change(harness.state_mut());
        harness.run_steps(2);
        assert!(!is_enabled(&harness, "Generate"), "{reason}");
        assert!(harness.query_by_label_contains(reason).is_some(), "{reason}");
    };
    check(|panel| panel.state.request.size_px = 96, "draws at most 64 px");
    check(|panel| panel.state.request.prompt = "a".repeat(4001), "The prompt has 4001 characters");
    check(|panel| panel.view.blocked = Some("no model was found: run the setup".into()), "No model was found");
}

#[test]
fn the_number_of_images_is_on_the_button() {
    let mut harness = harness(JobsView::default());
    harness.state_mut().state.request = Request { count: 4, ..Request::new(Kind::Item, "a key") };
    harness.run_steps(2);
    let actions = click(&mut harness, "Generate 4 images");
    assert!(matches!(&actions[..], [PanelAction::Generate { request, .. }] if request.count == 4));
}

#[test]
fn kind_and_size_are_chosen_from_lists() {
    let model = ModelView { native_sizes_px: vec![32], max_size_px: 64, ..ModelView::default() };
    let mut harness = harness(JobsView { model, ..JobsView::default() });
    click(&mut harness, "Kind");
    click(&mut harness, "tile");
    click(&mut harness, "Size");
    assert!(harness.query_by_label("96 px (3 × 32)").is_none(), "larger than the model draws");
    click(&mut harness, "64 px (2 × 32)");
    let request = &harness.state().state.request;
    assert_eq!((request.kind, request.size_px), (Kind::Tile, 64));
}

#[test]
fn the_seed_is_rolled_locked_and_freed() {
    let mut harness = harness(JobsView { candidates: vec![candidate("aa", "a knight", 77)], ..JobsView::default() });
    assert_eq!(harness.state().state.request.seed, None);
    click(&mut harness, "Lock seed");
    assert_eq!(harness.state().state.request.seed, Some(77), "the newest result's");
    click(&mut harness, "Roll a seed");
    let rolled = harness.state().state.request.seed.unwrap();
    assert_ne!(rolled, 77);
    click(&mut harness, "Roll a seed");
    assert_ne!(harness.state().state.request.seed, Some(rolled));
    click(&mut harness, "Unlock seed");
    assert_eq!(harness.state().state.request.seed, None);
    harness.get_by_label("Seed").focus();
    harness.run_steps(2);
    harness.get_by_label("Seed").type_text("12a3 99999999999999999999999");
    harness.run_steps(2);
    assert_eq!(harness.state().state.request.seed, Some(12_399_999_999_999_999_999), "digits that fit");
}

#[test]
fn the_model_decides_numbers_until_the_user_does() {
    let model = ModelView { default_steps: 8, ..ModelView::default() };
    let mut harness = harness(JobsView { model, ..JobsView::default() });
    open(&mut harness, "Steps and cut-out");
    assert_eq!(harness.get_by_label("Steps").value().as_deref(), Some("8 (default)"));
    assert!(harness.query_by_label("Use the model's steps").is_none());
    harness.state_mut().state.request.steps = Some(12);
    harness.run_steps(2);
    assert_eq!(harness.get_by_label("Steps").value().as_deref(), Some("12"));
    click(&mut harness, "Use the model's steps");
    assert_eq!(harness.state().state.request.steps, None);
}

#[test]
fn what_is_rarely_needed_is_under_headings() {
    let mut harness = harness(JobsView::default());
    assert!(harness.query_by_label("Scheduler").is_none());
    open(&mut harness, "Steps and cut-out");
    click(&mut harness, "Scheduler");
    click(&mut harness, "DDIM");
    assert_eq!(harness.state().state.request.scheduler, Some(SchedulerKind::Ddim));
    open(&mut harness, "Colours");
    assert_eq!(harness.state().state.request.pixel_art.colors, Some(16));
    click(&mut harness, "Limit colours");
    assert_eq!(harness.state().state.request.pixel_art.colors, None);
    type_into(&mut harness, "Keep out of the picture", "text");
    assert_eq!(harness.state().state.request.negative_prompt, "text");
}

/// Writes another number into a field.
fn write_number(harness: &mut Harness<'_, Panel>, name: &str, text: &str) {
    type_into(harness, name, text);
    harness.key_press(egui::Key::Enter);
    harness.run_steps(4);
}

#[test]
fn numbers_are_typed_within_their_limits() {
    let mut harness = harness(JobsView::default());
    write_number(&mut harness, "Images", "3");
    assert_eq!(harness.state().state.request.count, 3);
    write_number(&mut harness, "Images", "100000");
    assert_eq!(harness.state().state.request.count, MAX_COUNT);
    open(&mut harness, "Steps and cut-out");
    write_number(&mut harness, "Steps", "12");
    write_number(&mut harness, "Guidance", "6.5");
    let request = &harness.state().state.request;
    assert_eq!((request.steps, request.guidance_scale), (Some(12), Some(6.5)));
    open(&mut harness, "Colours");
    write_number(&mut harness, "Number of colours", "5");
    assert_eq!(harness.state().state.request.pixel_art.colors, Some(5));
}

#[test]
fn the_cut_out_and_its_place_are_chosen() {
    let mut harness = harness(JobsView::default());
    open(&mut harness, "Steps and cut-out");
    click(&mut harness, "Background");
    click(&mut harness, "cut out");
    click(&mut harness, "Place in the frame");
    click(&mut harness, "on its feet");
    let art = &harness.state().state.request.pixel_art;
    assert_eq!((art.background, art.anchor), (Background::Remove, Some(Anchor::Feet)));
}

#[test]
fn what_happens_meanwhile_does_not_disturb_typing() {
    let mut harness = harness(JobsView::default());
    type_prompt(&mut harness, "a kn");
    let view = &mut harness.state_mut().view;
    view.messages = vec!["the disk is full".into()];
    view.jobs = vec![running(1)];
    view.candidates = vec![candidate("aa", "a duck", 1)];
    harness.run_steps(2);
    assert!(harness.get_by_label("Prompt").is_focused());
    harness.get_by_label("Prompt").type_text("ight");
    harness.run_steps(2);
    assert_eq!(harness.state().state.request.prompt, "a knight");
}

#[test]
fn several_passes_in_a_frame_ask_once() {
    let show = |ui: &mut egui::Ui, panel: &mut Panel| {
        if ui.ctx().current_pass_index() == 0 {
            ui.ctx().request_discard("two passes for every frame");
        }
        Panel::show(ui, panel);
    };
    let view = JobsView { candidates: vec![candidate("aa", "a duck", 1)], ..JobsView::default() };
    let builder = Harness::builder().with_size([336.0, 1100.0]).with_step_dt(1.0 / 60.0);
    let mut harness = builder.build_ui_state(show, Panel::new(view));
    harness.state_mut().state.request.prompt = "a duck".into();
    harness.state_mut().state.target = Some(path("duck"));
    harness.run_steps(3);
    assert_eq!(click(&mut harness, "Generate").len(), 1);
    assert_eq!(click(&mut harness, "a duck (seed 1)").len(), 1);
    assert_eq!(click(&mut harness, "Pick in the world"), [PanelAction::Pick(true)]);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Enter);
    assert_eq!(asked(&mut harness).len(), 1);
}

#[test]
fn every_widget_that_reacts_has_a_name() {
    let view = JobsView {
        jobs: vec![running(1), JobView::queued(JobId(2), "a duck", 2)],
        candidates: vec![candidate("aa", "a knight", 1)],
        messages: vec!["the disk is full".into(), "a.sprite.ron: no prompt".into()],
        note: Some("the settings were read".into()),
        targets: vec![target(Some("Hero"), "hero")],
        library: Arc::new(library()),
        ..JobsView::default()
    };
    let mut harness = harness(view);
    harness.set_size(egui::vec2(336.0, 1800.0));
    harness.state_mut().state.target = Some(path("hero"));
    let request = &mut harness.state_mut().state.request;
    request.loras = vec!["models/loras/lcm-lora.safetensors".parse().unwrap()];
    request.init_image = Some("hero.png".into());
    request.pixel_art.dither = Dither::Atkinson;
    for heading in ["Colours", "Model and LoRAs", "Steps and cut-out"] {
        open(&mut harness, heading);
    }
    check_names(&harness);
    for tab in ["Compare", "History"] {
        click(&mut harness, tab);
        check_names(&harness);
    }
}

fn check_names(harness: &Harness<'_, Panel>) {
    use egui::accesskit::Role;
    let text = [Role::TextInput, Role::MultilineTextInput];
    let roles = [Role::Button, Role::CheckBox, Role::ComboBox, Role::SpinButton, Role::Slider, text[0], text[1]];
    let mut count = 0;
    for node in harness.root().children_recursive().filter(|node| roles.contains(&node.accesskit_node().role())) {
        let node = node.accesskit_node();
        let name = node.label().unwrap_or_default();
        assert!(
            name.chars().any(char::is_alphabetic),
            "{:?} at {:?} has the name {name:?}",
            node.role(),
            node.bounding_box()
        );
        count += 1;
    }
    assert!(count > 10, "{count}");
}
