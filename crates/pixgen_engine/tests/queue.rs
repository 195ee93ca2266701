//! The queue: order, pause, cancelling, restarts, and the model that comes and goes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use pixgen_api::{EventKind, JobId, JobState, ModelRef, Priority, Request};
use pixgen_engine::{Bake, Engine, JobOptions, Weights, bake_of};

mod common;
use common::{config, done, ends, engine, events_of, request};

const STEP: Duration = Duration::from_millis(2);

/// Prompts of jobs in the order in which they began.
fn order_of(engine: &Engine, jobs: &BTreeMap<JobId, String>) -> Vec<String> {
    let mut began = Vec::new();
    let mut ended = 0;
    while ended < jobs.len() {
        let event = engine.events().recv_timeout(Duration::from_secs(20)).unwrap();
        if event.kind == EventKind::Started {
            began.push(jobs[&event.job].clone());
        }
        ended += usize::from(ends(&event.kind));
    }
    began
}

fn submit(engine: &Engine, prompt: &str, priority: Priority) -> (JobId, String) {
    let id = JobId::fresh();
    engine.submit_with(id, request(prompt), JobOptions { priority, ..JobOptions::default() });
    (id, prompt.to_owned())
}

#[test]
fn urgent_jobs_come_first_and_equals_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    engine.pause();
    let wanted = [
        ("bake 1", Priority::Low),
        ("normal 1", Priority::Normal),
        ("bake 2", Priority::Low),
        ("urgent 1", Priority::High),
        ("normal 2", Priority::Normal),
        ("urgent 2", Priority::High),
    ];
    let jobs: BTreeMap<_, _> = wanted.iter().map(|(prompt, priority)| submit(&engine, prompt, *priority)).collect();
    let ahead: Vec<_> = (0..jobs.len()).map(|_| engine.events().recv().unwrap().kind).collect();
    assert_eq!(ahead, [0, 0, 2, 0, 2, 1].map(|ahead| EventKind::Queued { ahead }));
    let bake_2 = *jobs.iter().find(|(_, prompt)| *prompt == "bake 2").unwrap().0;
    engine.set_priority(bake_2, Priority::Normal);
    let listed: Vec<_> = engine.jobs().into_iter().map(|job| job.request.prompt).collect();
    assert!(engine.jobs().iter().all(|job| job.state == JobState::Queued));
    engine.resume();
    let expected = ["urgent 1", "urgent 2", "normal 1", "bake 2", "normal 2", "bake 1"];
    assert_eq!(order_of(&engine, &jobs), expected);
    assert_eq!(listed, expected);
    assert!(engine.jobs().is_empty());
}

#[test]
fn a_pause_halts_between_two_steps_and_the_job_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), Duration::from_millis(20));
    let job = engine.submit(Request { seed: Some(3), ..request("a coin") });
    while !matches!(engine.events().recv().unwrap().kind, EventKind::Step { step: 1, .. }) {}
    engine.pause();
    let mut steps = 1;
    loop {
        match engine.events().recv_timeout(Duration::from_secs(5)).unwrap().kind {
            EventKind::Paused => break,
            EventKind::Step { step, .. } => steps = step,
            _ => {}
        }
    }
    assert!(steps <= 2, "it ran on to step {steps}");
    let silent = engine.events().recv_timeout(Duration::from_millis(1500));
    assert!(silent.is_err(), "a paused job says nothing: {silent:?}");
    assert_eq!(engine.jobs()[0].state, JobState::Paused);
    engine.resume();
    let events = events_of(&engine, job);
    assert_eq!(events[0], EventKind::Resumed);
    let Some(EventKind::Done(images)) = events.last() else { panic!("{events:?}") };
    let again = done(&engine, Request { seed: Some(3), ..request("a coin") });
    assert_eq!(images[0].hash, again[0].hash, "a pause changes nothing");
    // The rest of the job was told in time, without the pause.
    let rest = events.iter().rev().find_map(|event| match event {
        EventKind::Step { remaining, .. } => *remaining,
        _ => None,
    });
    assert_eq!(rest, Some(Duration::ZERO));
    for event in &events {
        if let EventKind::Step { step, remaining, .. } = event {
            assert!(remaining.unwrap() < Duration::from_secs(1), "{step}: {remaining:?}");
        }
    }
}

#[test]
fn a_paused_job_can_be_cancelled_and_a_paused_engine_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), STEP);
    let [first, second] = ["a coin", "a key"].map(|prompt| engine.submit(Request { count: 64, ..request(prompt) }));
    while !matches!(engine.events().recv().unwrap().kind, EventKind::Step { .. }) {}
    engine.pause();
    while engine.events().recv_timeout(Duration::from_secs(5)).unwrap().kind != EventKind::Paused {}
    engine.cancel(first);
    assert_eq!(events_of(&engine, first), [EventKind::Cancelled]);
    assert_eq!(engine.jobs().iter().map(|job| job.id).collect::<Vec<_>>(), [second]);
    let start = Instant::now();
    drop(engine);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn an_idle_model_is_let_go_after_a_time_and_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), STEP);
    config.unload_after = Some(Duration::from_secs(2));
    let engine = Engine::start(config).unwrap();
    let wait_for = |expected: Option<Weights>| {
        let start = Instant::now();
        while engine.loaded() != expected {
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", engine.loaded());
            std::thread::sleep(Duration::from_millis(5));
        }
        start.elapsed()
    };
    assert_eq!(engine.loaded(), None);
    done(&engine, request("a coin"));
    assert_eq!(engine.loaded(), Some(Weights::default()));
    assert!(wait_for(None) > Duration::from_secs(1));
    done(&engine, request("a key"));
    engine.unload();
    assert!(wait_for(None) < Duration::from_secs(1));
    assert_eq!(done(&engine, request("a coin")).len(), 1);
}

#[test]
fn waiting_jobs_go_on_after_a_restart_and_finished_images_are_not_drawn_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = Engine::start(config(folder.path(), Duration::from_millis(10)).with_kept_queue()).unwrap();
    let running = JobId::fresh();
    let options = JobOptions { tag: Some("hero.png".to_owned()), ..JobOptions::default() };
    first.submit_with(running, Request { count: 3, ..request("a hero") }, options);
    while first.events().recv_timeout(Duration::from_secs(5)).unwrap().kind != EventKind::Started {}
    submit(&first, "low", Priority::Low);
    submit(&first, "high", Priority::High);
    let (cancelled, _) = submit(&first, "cancelled", Priority::Normal);
    first.cancel(cancelled);
    let one = loop {
        if let EventKind::Image(image) = first.events().recv_timeout(Duration::from_secs(5)).unwrap().kind {
            break image;
        }
    };
    drop(first);
    fs::write(folder.path().join(".pixgen/queue/00000000000000000999.job.ron"), "damaged").unwrap();

    let mut paused = config(folder.path(), STEP).with_kept_queue();
    paused.start_paused = true;
    let second = Engine::start(paused).unwrap();
    let third = Engine::start(config(folder.path(), STEP).with_kept_queue()).unwrap();
    assert!(third.jobs().is_empty(), "two engines do not draw the same jobs");
    let jobs = second.jobs();
    let listed: Vec<_> = jobs.iter().map(|job| (job.request.prompt.as_str(), job.priority, job.restored)).collect();
    let [high, normal, low] = Priority::ALL;
    assert_eq!(listed, [("high", high, true), ("a hero", normal, true), ("low", low, true)]);
    assert_eq!(jobs[1].tag.as_deref(), Some("hero.png"));
    assert_eq!(jobs.iter().map(|job| job.finished_before).collect::<Vec<_>>(), [0, 1, 0]);
    second.resume();
    let events = events_of(&second, jobs[1].id);
    let Some(EventKind::Done(images)) = events.last() else { panic!("{events:?}") };
    assert_eq!((images.len(), &images[0]), (3, &one));
    assert_eq!(images[1].seed, one.seed + 1, "the seed is the one that it began with");
    let asked = Request { count: 3, ..request("a hero") };
    for image in images {
        assert_eq!(bake_of(&fs::read(&image.file).unwrap(), &asked).unwrap(), Bake::Fresh, "before and after");
    }
    let drawn: BTreeSet<u32> =
        events.iter().filter_map(|e| if let EventKind::Step { image, .. } = e { Some(*image) } else { None }).collect();
    assert_eq!(drawn, BTreeSet::from([1, 2]));
    events_of(&second, jobs[2].id);
    drop((second, third));
    let fourth = Engine::start(config(folder.path(), STEP).with_kept_queue()).unwrap();
    assert!(fourth.jobs().is_empty());
}

#[test]
fn a_job_that_ends_the_program_every_time_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let queue = folder.path().join(".pixgen/queue");
    fs::create_dir_all(&queue).unwrap();
    fs::write(queue.join("00000000000000000003.job.ron"), r#"(request: (prompt: "a bomb"), starts: 5)"#).unwrap();
    let engine = Engine::start(config(folder.path(), STEP).with_kept_queue()).unwrap();
    let event = loop {
        let event = engine.events().recv_timeout(Duration::from_secs(5)).unwrap();
        if ends(&event.kind) {
            break event.kind;
        }
    };
    assert!(matches!(&event, EventKind::Failed(text) if text.contains("ended 5 times")), "{event:?}");
    assert!(engine.jobs().is_empty());
    drop(engine);
    assert_eq!(fs::read_dir(queue).unwrap().filter(|e| e.as_ref().unwrap().path().extension().is_some()).count(), 0);
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_the_next_job_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), STEP);
    let mut fake = pixgen_engine::FakeBackend::loader(STEP);
    config.loader = Box::new(move |weights| match &weights.model {
        ModelRef::Folder(_) => Err(pixgen_engine::EngineError::OutOfMemory { reason: "a test".to_owned() }),
        ModelRef::Embedded | ModelRef::File(_) => fake(weights),
    });
    let engine = Engine::start(config).unwrap();
    let message = common::failed(&engine, Request { model: ModelRef::Folder("large".into()), ..request("x") });
    assert!(message.contains("choose a smaller model"), "{message}");
    assert_eq!(done(&engine, request("a coin")).len(), 1);
}

#[test]
fn a_job_that_is_cancelled_while_its_model_loads_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let slow = || {
        let mut config = config(folder.path(), STEP).with_kept_queue();
        let mut fake = pixgen_engine::FakeBackend::loader(STEP);
        config.loader = Box::new(move |weights| {
            std::thread::sleep(Duration::from_millis(700));
            fake(weights)
        });
        config
    };
    let begun = |engine: &Engine| while engine.events().recv().unwrap().kind != EventKind::Started {};
    let first = Engine::start(slow()).unwrap();
    let job = first.submit(request("a coin"));
    begun(&first);
    std::thread::sleep(Duration::from_millis(100));
    first.cancel(job);
    drop(first);
    let second = Engine::start(slow()).unwrap();
    assert!(second.jobs().is_empty(), "{:?}", second.jobs());
    // One that only the end of the program has interrupted does.
    second.submit(request("a key"));
    begun(&second);
    drop(second);
    let mut paused = slow();
    paused.start_paused = true;
    assert_eq!(Engine::start(paused).unwrap().jobs().len(), 1);
}

#[test]
fn a_new_priority_brings_no_ended_job_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(config(folder.path(), Duration::ZERO).with_kept_queue()).unwrap();
    let jobs: Vec<_> = (0..60).map(|index| submit(&engine, &format!("coin {index}"), Priority::Normal).0).collect();
    while engine.queue_len() > 0 {
        for (index, job) in jobs.iter().enumerate() {
            engine.set_priority(*job, Priority::ALL[index % Priority::ALL.len()]);
        }
        if let Some(waiting) = engine.jobs().last().filter(|job| job.state == JobState::Queued) {
            engine.cancel(waiting.id);
        }
    }
    drop(engine);
    let left = fs::read_dir(folder.path().join(".pixgen/queue")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.filter(|name| name != "lock").count(), 0);
}

#[test]
fn loading_the_model_is_no_part_of_the_time_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), STEP);
    let mut fake = pixgen_engine::FakeBackend::loader(STEP);
    config.loader = Box::new(move |weights| {
        std::thread::sleep(Duration::from_secs(2));
        fake(weights)
    });
    let engine = Engine::start(config).unwrap();
    let job = engine.submit(Request { count: 8, ..request("a coin") });
    let first = events_of(&engine, job).into_iter().find_map(|event| match event {
        EventKind::Step { remaining, .. } => remaining,
        _ => None,
    });
    // 31 steps are left: with the model they would take a minute.
    assert!(first.unwrap() < Duration::from_secs(20), "{first:?}");
}
