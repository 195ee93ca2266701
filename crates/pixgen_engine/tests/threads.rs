//! No thread outlives its engine, and inference leaves the game its core. Alone in its program: it counts threads.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use pixgen_api::{DevicePreference, Kind, Request};
use pixgen_engine::{Engine, EngineConfig};

mod common;
use common::{config, done, engine_threads, request};

/// Processor time of each thread so far in clock ticks, by thread number and name.
fn ticks() -> BTreeMap<(u64, String), u64> {
    let mut found = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
        let (head, tail) = stat.rsplit_once(") ").unwrap();
        let (number, name) = head.split_once(" (").unwrap();
        let fields: Vec<&str> = tail.split(' ').collect();
        let used = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        found.insert((number.parse().unwrap(), name.to_owned()), used);
    }
    found
}

#[test]
fn threads_end_with_their_engine_and_only_the_engines_own_compute() {
    let folder = tempfile::tempdir().unwrap();
    let before = fs::read_dir("/proc/self/task").unwrap().count();
    let mut most = 0;
    for round in 0..10 {
        let engine = Engine::start(config(folder.path(), Duration::from_micros(100))).unwrap();
        engine.submit(request("panic"));
        engine.submit(Request { count: 64, ..request("a coin") });
        std::thread::sleep(Duration::from_millis(round));
        most = most.max(engine_threads().len());
    }
    assert!(most >= 2, "the threads have names");
    let start = Instant::now();
    while fs::read_dir("/proc/self/task").unwrap().count() > before {
        assert!(start.elapsed() < Duration::from_secs(10), "left: {:?}", engine_threads());
        std::thread::sleep(Duration::from_millis(5));
    }

    // The real model, on all cores but one: nobody else works meanwhile, no global pool among them.
    let cores = std::thread::available_parallelism().unwrap().get();
    let sdxl = EngineConfig::sdxl(DevicePreference::Cpu, folder.path().join("data"), folder.path().join("gen"));
    let engine = Engine::start(sdxl).unwrap();
    let earlier = ticks();
    done(&engine, Request { count: 3, size_px: 32, ..Request::new(Kind::Item, "a blue potion") });
    let worked: BTreeMap<_, _> = ticks()
        .into_iter()
        .map(|(thread, used)| (thread.1.clone(), used - earlier.get(&thread).copied().unwrap_or_default()))
        .collect();
    let is_ours = |name: &str| name.starts_with("pixgen-");
    let sum_of =
        |ours: bool| worked.iter().filter(|(name, _)| is_ours(name) == ours).map(|(_, used)| used).sum::<u64>();
    // Pools that only exist wake up now and then, more often the longer it takes on a busy machine.
    assert!(sum_of(false) * 20 <= sum_of(true), "{worked:?}");
    let pool = engine_threads().into_iter().filter(|name| name.starts_with("pixgen-cpu")).count();
    assert_eq!(pool, cores.saturating_sub(1).max(1));
    assert!(worked.iter().any(|(name, used)| name.starts_with("pixgen-cpu") && *used > 5), "{worked:?}");
}
