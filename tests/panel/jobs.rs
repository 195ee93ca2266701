//! The queue: progress, cancelling, pausing, errors.

use super::support::*;

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
    let messages = vec!["the disk is full: free some space".to_owned()];
    let mut harness = harness(JobsView { messages: messages.clone(), ..JobsView::default() });
    assert!(harness.query_by_label("The disk is full: free some space.").is_some());
    assert_eq!(click(&mut harness, "Dismiss"), [PanelAction::DismissMessage(messages[0].clone())]);
}

#[test]
fn one_message_does_not_hide_another() {
    let messages: Vec<_> = (1..=5).map(|index| format!("recipe {index} has no prompt")).collect();
    let mut harness = harness(JobsView { messages: messages.clone(), ..JobsView::default() });
    let is_shown = |harness: &Harness<'_, Panel>, text: &str| harness.query_by_label(text).is_some();
    assert!((1..=3).all(|index| is_shown(&harness, &format!("Recipe {index} has no prompt."))));
    assert!(!is_shown(&harness, "Recipe 4 has no prompt.") && is_shown(&harness, "and 2 more errors"));
    assert_eq!(click(&mut harness, "Dismiss error 2"), [PanelAction::DismissMessage(messages[1].clone())]);
    harness.state_mut().view.messages.truncate(1);
    harness.run_steps(2);
    assert!(is_shown(&harness, "Recipe 1 has no prompt.") && !is_shown(&harness, "Recipe 2 has no prompt."));
}

#[test]
fn the_queue_is_paused_and_resumed() {
    let mut harness = harness(JobsView { jobs: vec![running(1)], ..JobsView::default() });
    assert_eq!(click(&mut harness, "Pause the queue"), [PanelAction::Pause(true)]);
    harness.state_mut().view.paused = true;
    harness.run_steps(2);
    assert!(harness.query_by_label("pausing after this step…").is_some());
    harness.state_mut().view.jobs[0].state = JobState::Paused;
    harness.run_steps(2);
    assert!(harness.query_by_label("paused").is_some());
    assert_eq!(click(&mut harness, "Resume the queue"), [PanelAction::Pause(false)]);
}

#[test]
fn a_paused_queue_says_so_when_nothing_runs() {
    let jobs = vec![JobView::queued(JobId(2), "a duck", 1)];
    let mut harness = harness(JobsView { jobs, paused: true, ..JobsView::default() });
    assert!(harness.query_by_label_contains("nothing is drawn until you resume it").is_some());
    assert_eq!(click(&mut harness, "Resume the queue"), [PanelAction::Pause(false)]);
    harness.state_mut().view.paused = false;
    harness.run_steps(2);
    assert_eq!(click(&mut harness, "Pause the queue"), [PanelAction::Pause(true)], "before anything runs");
}

#[test]
fn a_waiting_job_is_moved_to_the_front() {
    let jobs = vec![JobView::queued(JobId(2), "a duck", 1), JobView::queued(JobId(3), "a key", 1)];
    let mut harness = harness(JobsView { jobs, ..JobsView::default() });
    assert!(harness.query_by_label("Draw job #2 next").is_none(), "it is the next one already");
    assert_eq!(click(&mut harness, "Draw job #3 next"), [PanelAction::Prioritize(JobId(3), Priority::High)]);
}

#[test]
fn a_note_is_shown_and_dismissed() {
    let note = Some("the settings of sword.png are in the form".to_owned());
    let mut harness = harness(JobsView { note, ..JobsView::default() });
    assert!(harness.query_by_label_contains("The settings of sword.png").is_some());
    assert_eq!(click(&mut harness, "Dismiss the note"), [PanelAction::DismissNote]);
}
