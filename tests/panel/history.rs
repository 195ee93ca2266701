//! Looking for what was drawn before.

use super::support::*;

fn search(words: &str, kind: Option<Kind>, limit: usize) -> PanelAction {
    PanelAction::SearchHistory(HistorySearch { words: words.into(), kind, limit })
}

#[test]
fn the_history_is_asked_for_when_it_is_opened() {
    let mut harness = harness(JobsView::default());
    assert_eq!(click(&mut harness, "History"), [search("", None, 48)]);
    assert!(harness.query_by_label("Generate").is_none());
    assert_eq!(asked(&mut harness), [], "once");
    click(&mut harness, "Draw");
    assert_eq!(click(&mut harness, "History"), [search("", None, 48)], "again: something may have been drawn");
}

#[test]
fn words_and_kind_narrow_the_history_down() {
    let mut harness = harness(JobsView::default());
    click(&mut harness, "History");
    harness.get_by_label("Search the history").focus();
    harness.run_steps(2);
    harness.get_by_label("Search the history").type_text("red");
    assert_eq!(asked(&mut harness), [search("red", None, 48)]);
    assert!(harness.query_by_label_contains("No prompt has all of these words").is_some());
    click(&mut harness, "Kind in the history");
    assert_eq!(click(&mut harness, "weapon"), [search("red", Some(Kind::Weapon), 48)]);
}

#[test]
fn more_of_the_history_is_shown_on_demand() {
    let history =
        HistoryView { sprites: vec![candidate("aa", "a knight", 1)], has_more: true, ..HistoryView::default() };
    let mut harness = harness(JobsView { history, ..JobsView::default() });
    click(&mut harness, "History");
    assert_eq!(click(&mut harness, "Show more"), [search("", None, 96)]);
}

#[test]
fn a_sprite_of_the_history_goes_into_the_world_or_back_into_the_form() {
    let painted = SpriteView { request: None, ..candidate("0123456789", "", 0) };
    let sprites = vec![candidate("aa", "a knight", 7), painted];
    let history = HistoryView { sprites, ..HistoryView::default() };
    let mut harness = harness(JobsView { history, ..JobsView::default() });
    harness.state_mut().state.target = Some(path("hero"));
    click(&mut harness, "History");
    let expected = PanelAction::Apply { hash: "aa".into(), target: path("hero") };
    assert_eq!(click(&mut harness, "a knight (seed 7)"), [expected]);
    let expected = PanelAction::Apply { hash: "0123456789".into(), target: path("hero") };
    assert_eq!(click(&mut harness, "painted by hand (01234567)"), [expected]);
    harness.get_by_label("a knight (seed 7)").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "Use its settings and seed");
    let state = &harness.state().state;
    assert_eq!((state.request.prompt.as_str(), state.request.seed, state.tab), ("a knight", Some(7), PanelTab::Draw));
}

#[test]
fn files_that_a_picture_may_not_name_are_left_out_of_its_settings_and_said() {
    let reason = "the LoRA \"/x.safetensors\" that the picture names is absolute, and is left out";
    let sprite = SpriteView { left_out: vec![reason.to_owned()], ..candidate("aa", "a knight", 7) };
    let told = [PanelAction::Tell(reason.to_owned())];
    for entry in ["Use its settings and seed", "Make variations"] {
        let history = HistoryView { sprites: vec![sprite.clone()], ..HistoryView::default() };
        let mut harness = harness(JobsView { history, ..JobsView::default() });
        click(&mut harness, "History");
        harness.get_by_label("a knight (seed 7)").click_secondary();
        asked(&mut harness);
        assert_eq!(click(&mut harness, entry), told, "{entry}");
    }
    let hero = TargetView {
        request: Some(Arc::new(request("a knight", 7))),
        left_out: vec![reason.to_owned()],
        file: Some("history/aa.png".into()),
        ..target(Some("Hero"), "hero")
    };
    let mut harness = harness(JobsView { targets: vec![hero], ..JobsView::default() });
    harness.state_mut().state.target = Some(path("hero"));
    harness.run_steps(2);
    for button in ["Use settings", "Vary…", "Redraw"] {
        let asked = click(&mut harness, button);
        assert_eq!(asked.last(), told.first(), "{button}");
    }
}

#[test]
fn a_history_that_cannot_be_read_says_why() {
    let error = Some("reading .pixgen/history failed: permission denied: check the folder's rights".to_owned());
    let history = HistoryView { error, ..HistoryView::default() };
    let mut harness = harness(JobsView { history, ..JobsView::default() });
    click(&mut harness, "History");
    assert!(harness.query_by_label_contains("Reading .pixgen/history failed").is_some());
}
