//! What the engine refuses or leaves out so that nothing grows without end, and what it does when its own parts break.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use image::RgbaImage;
use pixgen_api::{EventKind, Progress, Request};
use pixgen_engine::{Backend, Drawing, Engine, EngineError, FakeBackend, ModelInfo};

mod common;
use common::{config, done, events_of, request};

const STEP: Duration = Duration::ZERO;

fn paused(folder: &std::path::Path) -> Engine {
    let mut config = config(folder, STEP).with_kept_queue();
    config.start_paused = true;
    Engine::start(config).unwrap()
}

#[test]
fn what_no_model_could_draw_is_not_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let engine = paused(folder.path());
    let job = engine.submit(Request { size_px: 1_000_000, ..request("a coin") });
    let events = events_of(&engine, job);
    assert_eq!(events[0], EventKind::Queued { ahead: 0 });
    assert!(matches!(&events[1], EventKind::Failed(text) if text.contains("size_px is 1000000")), "{events:?}");
    assert!(engine.jobs().is_empty());
    let left = || fs::read_dir(folder.path().join(".pixgen/queue")).unwrap().count();
    assert_eq!(left(), 1, "the lock");
    engine.submit(request("a coin"));
    drop(engine);
    assert_eq!(left(), 2);
}

#[test]
fn more_than_ten_thousand_jobs_do_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), STEP);
    config.start_paused = true;
    let engine = Engine::start(config).unwrap();
    for _ in 0..10_000 {
        engine.submit(request("a coin"));
    }
    let job = engine.submit(request("one too many"));
    let events = events_of(&engine, job);
    assert!(matches!(&events[1], EventKind::Failed(text) if text.contains("10000 jobs wait already")), "{events:?}");
    assert_eq!(engine.queue_len(), 10_000);
    engine.cancel(engine.jobs()[5].id);
    engine.submit(request("in its place"));
    assert_eq!(engine.queue_len(), 10_000);
}

#[test]
fn previews_that_nobody_takes_are_left_out_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let engine = common::engine(folder.path(), STEP);
    let job = engine.submit(Request { count: 32, ..request("a coin") });
    while engine.queue_len() > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let events = events_of(&engine, job);
    let count = |wanted: fn(&EventKind) -> bool| events.iter().filter(|event| wanted(event)).count();
    let previews = count(|event| matches!(event, EventKind::Preview(_)));
    assert!((1..=64).contains(&previews), "{previews}");
    assert_eq!(count(|event| matches!(event, EventKind::Step { .. })), 32 * 4);
    assert_eq!(count(|event| matches!(event, EventKind::Image(_))), 32);
}

/// A model that panics when it is let go for the first time.
struct Clinging(FakeBackend, Arc<AtomicBool>);

impl Backend for Clinging {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    fn paints_alpha(&self) -> bool {
        self.0.paints_alpha()
    }

    fn draw(&mut self, drawing: Drawing<'_>, progress: &dyn Progress) -> Result<Vec<RgbaImage>, EngineError> {
        self.0.draw(drawing, progress)
    }
}

impl Drop for Clinging {
    fn drop(&mut self) {
        assert!(self.1.swap(true, Ordering::Relaxed), "it clings");
    }
}

#[test]
fn a_model_that_panics_while_it_is_let_go_does_not_end_the_thread() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), STEP);
    let let_go = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&let_go);
    config.loader = Box::new(move |_| Ok(Box::new(Clinging(FakeBackend::new(STEP), Arc::clone(&flag)))));
    let engine = Engine::start(config).unwrap();
    done(&engine, request("a coin"));
    engine.unload();
    let since = Instant::now();
    while engine.loaded().is_some() {
        assert!(since.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(let_go.load(Ordering::Relaxed));
    assert_eq!(done(&engine, request("a coin")).len(), 1);
}

/// What a panic may carry: something that panics again when it is thrown away.
struct Grudge;

impl Drop for Grudge {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "it is not forgotten");
    }
}

#[test]
fn when_the_thread_ends_nobody_waits_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), STEP).with_kept_queue();
    config.loader = Box::new(|_| std::panic::panic_any(Grudge));
    config.start_paused = true;
    let engine = Engine::start(config).unwrap();
    let jobs = [1, 2, 3].map(|index| engine.submit(request(&format!("coin {index}"))));
    engine.resume();
    for job in jobs {
        let end = events_of(&engine, job).pop();
        assert!(
            matches!(&end, Some(EventKind::Failed(text)) if text.contains("inference thread has ended")),
            "{end:?}"
        );
    }
    let late = engine.submit(request("late"));
    let end = events_of(&engine, late).pop();
    assert!(matches!(&end, Some(EventKind::Failed(text)) if text.contains("inference thread has ended")), "{end:?}");
    assert!(engine.jobs().is_empty());
    drop(engine);
    assert_eq!(fs::read_dir(folder.path().join(".pixgen/queue")).unwrap().count(), 1, "the lock");
}
