//! What the panel asks for when it is used: driven by pointer, keyboard and accessible names.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use bevy_pixels_gen::panel::{
    CandidateView, JobView, JobsView, ModelView, PanelAction, PanelState, TargetView, panel_ui,
};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use pixgen_api::{GenPath, Generated, JobId, JobState, Kind, Pixels, Request, SchedulerKind};

/// The panel with what it is shown and everything it has asked for.
struct Panel {
    state: PanelState,
    view: JobsView,
    actions: Vec<PanelAction>,
}

fn harness(view: JobsView) -> Harness<'static, Panel> {
    let panel = Panel { state: PanelState::with_dice(1), view, actions: Vec::new() };
    let show = |ui: &mut egui::Ui, panel: &mut Panel| {
        panel.actions.extend(panel_ui(ui, &mut panel.state, &panel.view));
    };
    let mut harness =
        Harness::builder().with_size([336.0, 1100.0]).with_step_dt(1.0 / 60.0).build_ui_state(show, panel);
    harness.run_steps(3);
    harness
}

/// Clicks the widget with that name and returns everything the panel asked for since the last time.
fn click(harness: &mut Harness<'_, Panel>, name: &str) -> Vec<PanelAction> {
    harness.get_by_label(name).click();
    asked(harness)
}

/// What the panel asked for since the last time.
fn asked(harness: &mut Harness<'_, Panel>) -> Vec<PanelAction> {
    harness.run_steps(4);
    std::mem::take(&mut harness.state_mut().actions)
}

fn type_prompt(harness: &mut Harness<'_, Panel>, text: &str) {
    harness.get_by_label("Prompt").focus();
    harness.run_steps(2);
    harness.get_by_label("Prompt").type_text(text);
    harness.run_steps(2);
}

fn is_enabled(harness: &Harness<'_, Panel>, name: &str) -> bool {
    !harness.get_by_label(name).accesskit_node().is_disabled()
}

fn path(text: &str) -> GenPath {
    GenPath::parse(text).unwrap()
}

fn sprite(edge_px: u32, value: u8) -> Pixels {
    let rgba = vec![value; (edge_px * edge_px * 4) as usize].into();
    Pixels { width_px: edge_px, height_px: edge_px, rgba }
}

fn candidate(hash: &str, prompt: &str, seed: u64) -> CandidateView {
    let generated = Generated { hash: hash.into(), file: PathBuf::new(), seed, frames: 1, pixels: sprite(32, 90) };
    CandidateView { generated, prompt: prompt.into(), kind: Kind::Character, is_applied: false }
}

fn running(id: u64) -> JobView {
    JobView { state: JobState::Running, steps: 8, step: 3, ..JobView::queued(JobId(id), "a green slime", 4) }
}

#[test]
fn a_typed_prompt_and_a_click_ask_for_one_job() {
    let mut harness = harness(JobsView::default());
    type_prompt(&mut harness, "a blue potion");
    harness.state_mut().state.target = Some(path("potion"));
    harness.run_steps(2);
    let actions = click(&mut harness, "Generate");
    let request = Request { prompt: "a blue potion".into(), ..Request::default() };
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
fn cancel_names_the_job() {
    let jobs = vec![running(7), JobView::queued(JobId(8), "a duck", 1), JobView::queued(JobId(9), "a key", 2)];
    let mut harness = harness(JobsView { jobs, ..JobsView::default() });
    assert_eq!(click(&mut harness, "Cancel job #7"), [PanelAction::Cancel(JobId(7))]);
    assert_eq!(click(&mut harness, "Cancel job #9"), [PanelAction::Cancel(JobId(9))]);
    let both = [PanelAction::Cancel(JobId(8)), PanelAction::Cancel(JobId(9))];
    assert_eq!(click(&mut harness, "Cancel all waiting"), both);
}

#[test]
fn a_running_job_says_where_it_stands() {
    let job = JobView { image: 1, images_done: 1, eta_secs: Some(75.0), preview: Some(sprite(32, 9)), ..running(1) };
    let mut harness = harness(JobsView { jobs: vec![job], ..JobsView::default() });
    assert!(harness.query_by_label("Image 2 of 4, step 3 of 8").is_some());
    assert!(harness.query_by_label("about 1 min 15 s left").is_some());
    assert!(harness.query_by_label("Progress of job #1").is_some());
    harness.state_mut().view.jobs[0].preview = Some(sprite(16, 200));
    harness.state_mut().view.jobs[0].warnings = vec!["the prompt was cut after 75 words".into()];
    harness.run_steps(2);
    assert!(harness.query_by_label("The prompt was cut after 75 words.").is_some());
}

#[test]
fn a_failed_job_stays_until_it_is_dismissed() {
    let error = Some("out of memory: 3 GiB are free, 5 GiB are needed: choose a smaller size".to_owned());
    let job = JobView { state: JobState::Failed, error, ..JobView::queued(JobId(3), "a castle", 1) };
    let mut harness = harness(JobsView { jobs: vec![job], ..JobsView::default() });
    assert!(harness.query_by_label_contains("Out of memory: 3 GiB are free").is_some());
    assert_eq!(click(&mut harness, "Dismiss job #3"), [PanelAction::ForgetJob(JobId(3))]);
}

#[test]
fn a_message_is_shown_and_dismissed() {
    let message = Some("the disk is full: free some space".to_owned());
    let mut harness = harness(JobsView { message, ..JobsView::default() });
    assert!(harness.query_by_label("The disk is full: free some space.").is_some());
    assert_eq!(click(&mut harness, "Dismiss"), [PanelAction::DismissMessage]);
}

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
    assert_eq!(click(&mut harness, "Use its prompt and seed"), []);
    let request = &harness.state().state.request;
    assert_eq!((request.prompt.as_str(), request.kind, request.seed), ("a knight", Kind::Character, Some(77)));
}

#[test]
fn broken_pixels_are_not_drawn_and_break_nothing() {
    let mut broken = candidate("aa", "a knight", 1);
    broken.generated.pixels.rgba = [0; 7].into();
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
    let target = |name: Option<&str>, file: &str| TargetView {
        path: path(file),
        current: Some(sprite(32, 70)),
        name: name.map(str::to_owned),
    };
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
    harness.get_by_label("Path of a new sprite").focus();
    harness.run_steps(2);
    harness.get_by_label("Path of a new sprite").type_text("duck");
    harness.run_steps(2);
    let by_click = click(&mut harness, "Generate");
    assert!(
        matches!(&by_click[..], [PanelAction::SelectTarget(a), PanelAction::Generate { target: Some(b), .. }] if a == b)
    );
    harness.get_by_label("Path of a new sprite").focus();
    harness.run_steps(2);
    harness.get_by_label("Path of a new sprite").type_text("goose");
    harness.run_steps(2);
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
    harness.get_by_label("Path of a new sprite").focus();
    harness.run_steps(2);
    harness.get_by_label("Path of a new sprite").type_text("duck.gif");
    harness.run_steps(2);
    assert_eq!(click(&mut harness, "Generate"), []);
    assert!(harness.query_all_by_label_contains("only PNG files are generated").count() >= 1);
}

#[test]
fn what_happens_meanwhile_does_not_disturb_typing() {
    let mut harness = harness(JobsView::default());
    type_prompt(&mut harness, "a kn");
    let view = &mut harness.state_mut().view;
    view.message = Some("the disk is full".into());
    view.jobs = vec![running(1)];
    view.candidates = vec![candidate("aa", "a duck", 1)];
    harness.run_steps(2);
    assert!(harness.get_by_label("Prompt").is_focused());
    harness.get_by_label("Prompt").type_text("ight");
    harness.run_steps(2);
    assert_eq!(harness.state().state.request.prompt, "a knight");
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
fn several_passes_in_a_frame_ask_once() {
    let show = |ui: &mut egui::Ui, panel: &mut Panel| {
        if ui.ctx().current_pass_index() == 0 {
            ui.ctx().request_discard("two passes for every frame");
        }
        panel.actions.extend(panel_ui(ui, &mut panel.state, &panel.view));
    };
    let view = JobsView { candidates: vec![candidate("aa", "a duck", 1)], ..JobsView::default() };
    let panel = Panel { state: PanelState::with_dice(1), view, actions: Vec::new() };
    let mut harness =
        Harness::builder().with_size([336.0, 1100.0]).with_step_dt(1.0 / 60.0).build_ui_state(show, panel);
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
    assert_eq!(harness.get_by_label("Steps").value().as_deref(), Some("8 (default)"));
    assert!(harness.query_by_label("Use the model's steps").is_none());
    harness.state_mut().state.request.steps = Some(12);
    harness.run_steps(2);
    assert_eq!(harness.get_by_label("Steps").value().as_deref(), Some("12"));
    click(&mut harness, "Use the model's steps");
    assert_eq!(harness.state().state.request.steps, None);
}

#[test]
fn what_is_rarely_needed_is_under_more() {
    let mut harness = harness(JobsView::default());
    assert!(harness.query_by_label("Scheduler").is_none());
    click(&mut harness, "More");
    harness.run_steps(20);
    click(&mut harness, "Scheduler");
    click(&mut harness, "DDIM");
    assert_eq!(harness.state().state.request.scheduler, Some(SchedulerKind::Ddim));
    assert_eq!(harness.state().state.request.pixel_art.colors, Some(16));
    click(&mut harness, "Limit colours");
    assert_eq!(harness.state().state.request.pixel_art.colors, None);
    harness.get_by_label("Keep out of the picture").focus();
    harness.run_steps(2);
    harness.get_by_label("Keep out of the picture").type_text("text");
    harness.run_steps(2);
    assert_eq!(harness.state().state.request.negative_prompt, "text");
}

#[test]
fn every_widget_that_reacts_has_a_name() {
    use egui::accesskit::Role;
    let view = JobsView {
        jobs: vec![running(1), JobView::queued(JobId(2), "a duck", 2)],
        candidates: vec![candidate("aa", "a knight", 1)],
        message: Some("the disk is full".into()),
        ..JobsView::default()
    };
    let mut harness = harness(view);
    click(&mut harness, "More");
    harness.run_steps(20);
    let roles =
        [Role::Button, Role::CheckBox, Role::ComboBox, Role::SpinButton, Role::TextInput, Role::MultilineTextInput];
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
    assert!(count > 20, "{count}");
}
