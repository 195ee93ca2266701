//! Two hundred jobs of which many end badly. Alone in its program: it counts threads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use pixgen_api::{EventKind, Generated, JobId, Priority, Request};
use pixgen_engine::{Engine, HistoryQuery, JobOptions, Provenance};

mod common;
use common::{config, ends, engine_threads, request};

/// A generator of no quality whatever, so that every run of the test asks for the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

#[test]
fn of_two_hundred_jobs_nothing_is_lost_whatever_becomes_of_them() {
    const JOBS: usize = 200;
    const CANCELS: usize = 50;
    const BROKEN: [(&str, &str); 4] = [
        ("panic", "internal error"),
        ("out of memory", "not enough memory"),
        ("not a number", "not a number"),
        ("fail", "asked to fail"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let threads_before = threads();
    let engine = Engine::start(config(folder.path(), Duration::from_micros(700)).with_kept_queue()).unwrap();
    let mut random = Random(7);
    let broken: BTreeSet<usize> = (0..20).map(|index| index * 10 + random.below(10)).collect();
    let requests: Vec<Request> = (0..JOBS)
        .map(|index| {
            let prompt = match broken.contains(&index) {
                true => BROKEN[index % BROKEN.len()].0.to_owned(),
                false => format!("sprite {index}"),
            };
            Request { count: 1 + random.below(3) as u32, seed: Some(1000 + 10 * index as u64), ..request(&prompt) }
        })
        .collect();
    let ids: Vec<JobId> = requests
        .iter()
        .map(|request| {
            let id = JobId::fresh();
            let priority = Priority::ALL[random.below(3)];
            engine.submit_with(id, request.clone(), JobOptions { priority, ..JobOptions::default() });
            id
        })
        .collect();
    let index_of: BTreeMap<JobId, usize> = ids.iter().enumerate().map(|(index, id)| (*id, index)).collect();

    let mut ended: BTreeMap<usize, EventKind> = BTreeMap::new();
    let mut stored: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut cancelled_in_time = BTreeSet::new();
    while ended.len() < JOBS {
        let event = engine.events().recv_timeout(Duration::from_secs(30)).unwrap();
        let index = index_of[&event.job];
        assert!(!ended.contains_key(&index), "job {index} goes on after its end: {event:?}");
        match &event.kind {
            EventKind::Image(image) => stored.entry(index).or_default().push(image.hash.clone()),
            kind if ends(kind) => drop(ended.insert(index, kind.clone())),
            _ => {}
        }
        // At random moments, whichever of the jobs that wait or run.
        if cancelled_in_time.len() < CANCELS && random.below(20) == 0 {
            let alive: Vec<usize> = engine.jobs().iter().map(|job| index_of[&job.id]).collect();
            let is_open = |index: &&usize| !broken.contains(index) && !cancelled_in_time.contains(*index);
            let open: Vec<usize> = alive.iter().filter(is_open).copied().collect();
            if !open.is_empty() {
                let index = open[random.below(open.len())];
                cancelled_in_time.insert(index);
                engine.cancel(ids[index]);
            }
        }
    }
    assert_eq!(cancelled_in_time.len(), CANCELS);
    assert!(engine.jobs().is_empty() && engine.queue_len() == 0);

    let (mut done, mut cancelled, mut failed) = (0, 0, 0);
    let mut all = BTreeSet::new();
    // Draws what was asked for alone and undisturbed: what the requests should have given.
    let undisturbed = tempfile::tempdir().unwrap();
    let control = common::engine(undisturbed.path(), Duration::ZERO);
    for (index, end) in &ended {
        let images = stored.remove(index).unwrap_or_default();
        let asked = &requests[*index];
        assert!(images.len() <= asked.count as usize, "job {index}: {} of {}", images.len(), asked.count);
        for (number, hash) in images.iter().enumerate() {
            let png = fs::read(engine.store().history_dir().join(format!("{hash}.png"))).unwrap();
            let drawn = Provenance::request_of(&png).unwrap().unwrap();
            let seed = asked.seed.map(|first| first + number as u64);
            assert_eq!((&drawn.prompt, drawn.seed), (&asked.prompt, seed), "image {number} of job {index}");
        }
        match end {
            EventKind::Done(finished) => {
                done += 1;
                assert_eq!(finished.len(), asked.count as usize, "job {index} has not all its images");
                assert_eq!(finished.iter().map(|image| image.hash.clone()).collect::<Vec<_>>(), images);
                let expected = common::done(&control, asked.clone());
                let of = |images: &[Generated]| {
                    images.iter().map(|i| (i.seed, i.hash.clone(), i.pixels.clone())).collect::<Vec<_>>()
                };
                assert!(of(finished) == of(&expected), "job {index} has other images than were asked for");
                assert!(!broken.contains(index));
            }
            EventKind::Cancelled => {
                cancelled += 1;
                assert!(cancelled_in_time.contains(index), "job {index} was cancelled by nobody");
            }
            EventKind::Failed(message) => {
                failed += 1;
                let (_, expected) = BROKEN[index % BROKEN.len()];
                assert!(broken.contains(index) && message.contains(expected), "{index}: {message}");
            }
            other => panic!("{other:?}"),
        }
        for hash in images {
            assert!(all.insert(hash), "two images are one file");
        }
    }
    drop(control);
    assert_eq!((done + cancelled + failed, failed), (JOBS, 20));
    // One that was running its last step may be done before it hears of it.
    assert!(cancelled >= cancelled_in_time.len().saturating_sub(5), "{cancelled} of {}", cancelled_in_time.len());
    let kept = engine.store().history(&HistoryQuery::default()).unwrap();
    assert_eq!(kept.iter().map(|entry| entry.hash.clone()).collect::<BTreeSet<_>>(), all);
    drop(engine);
    let left = fs::read_dir(folder.path().join(".pixgen/queue")).unwrap();
    assert_eq!(left.filter(|e| e.as_ref().unwrap().file_name() != "lock").count(), 0);
    let start = Instant::now();
    while threads() > threads_before {
        assert!(start.elapsed() < Duration::from_secs(10), "left: {:?}", engine_threads());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Threads of this program; 0 where the system does not list them.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").into_iter().flatten().count()
}
