//! What the tests of the engine share.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use pixgen_api::{DevicePreference, EventKind, Generated, JobId, Kind, Request};
use pixgen_engine::{Engine, EngineConfig, FakeBackend};

/// The configuration of an engine with the fake backend, whose steps take `step` each.
pub(crate) fn config(folder: &Path, step: Duration) -> EngineConfig {
    let config = EngineConfig::sdxl(DevicePreference::Cpu, folder.join(".pixgen"), folder.join("gen"));
    config.with_loader(FakeBackend::loader(step))
}

pub(crate) fn engine(folder: &Path, step: Duration) -> Engine {
    Engine::start(config(folder, step)).unwrap()
}

pub(crate) fn request(prompt: &str) -> Request {
    Request::new(Kind::Item, prompt)
}

pub(crate) fn ends(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Done(_) | EventKind::Failed(_) | EventKind::Cancelled)
}

/// Events of one job up to and with the one that ends it.
pub(crate) fn events_of(engine: &Engine, job: JobId) -> Vec<EventKind> {
    let mut seen = Vec::new();
    loop {
        let event = engine.events().recv_timeout(Duration::from_secs(60)).unwrap();
        if event.job != job {
            continue;
        }
        let ended = ends(&event.kind);
        seen.push(event.kind);
        if ended {
            return seen;
        }
    }
}

pub(crate) fn done(engine: &Engine, request: Request) -> Vec<Generated> {
    let job = engine.submit(request);
    match events_of(engine, job).pop() {
        Some(EventKind::Done(images)) => images,
        other => panic!("expected Done, found {other:?}"),
    }
}

pub(crate) fn failed(engine: &Engine, request: Request) -> String {
    let job = engine.submit(request);
    match events_of(engine, job).pop() {
        Some(EventKind::Failed(message)) => message,
        other => panic!("expected Failed, found {other:?}"),
    }
}

/// Names of this program's threads that belong to an engine.
pub(crate) fn engine_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("pixgen-")).collect()
}
