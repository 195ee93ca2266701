//! A disk that does not answer keeps nobody waiting who asks for a job. Alone in its program: it knows which names the
//! next temporary files will have.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pixgen_api::{EventKind, JobId, Priority};
use pixgen_engine::{Engine, JobOptions};

mod common;
use common::{config, request};

/// Temporary files that are writing to nobody.
const STUCK: u32 = 8;

#[test]
fn asking_ordering_and_cancelling_do_not_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let queue = folder.path().join(".pixgen/queue");
    let mut paused = config(folder.path(), Duration::ZERO).with_kept_queue();
    paused.start_paused = true;
    let engine = Engine::start(paused).unwrap();
    // Whoever opens a pipe to write waits for a reader. The numbers of this program's temporary files begin at 0; the
    // start may have used one.
    let pipes: Vec<_> = (0..STUCK).map(|n| queue.join(format!(".pixgen-{}-{n}.tmp", std::process::id()))).collect();
    assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());

    let (sender, asked) = channel();
    std::thread::spawn(move || {
        let start = Instant::now();
        let jobs: Vec<_> = (0..20)
            .map(|index| {
                let id = JobId::fresh();
                engine.submit_with(id, request(&format!("coin {index}")), JobOptions::default());
                id
            })
            .collect();
        engine.set_priority(jobs[3], Priority::High);
        engine.cancel(jobs[0]);
        let listed: Vec<_> = engine.jobs().iter().map(|job| job.id).collect();
        sender.send((engine, jobs, listed, start.elapsed())).unwrap();
    });
    let (engine, jobs, listed, took) =
        asked.recv_timeout(Duration::from_secs(10)).expect("the caller waits for the disk");
    assert!(took < Duration::from_millis(200), "{took:?}");
    assert_eq!((listed.len(), listed[0]), (19, jobs[3]));
    let on_disk = || {
        fs::read_dir(&queue)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "ron"))
            .count()
    };
    assert_eq!(on_disk(), 0, "nothing could be written yet");

    // The disk answers again: what could not be written is said, of jobs that have not ended; the rest is there.
    engine.resume();
    // Those to which nobody writes wait until the program ends.
    pipes.into_iter().for_each(|pipe| _ = std::thread::spawn(|| File::open(pipe)));
    let mut warned = Vec::new();
    let mut began = Vec::new();
    let mut ended = Vec::new();
    while ended.len() < jobs.len() {
        let event = engine.events().recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(!ended.contains(&event.job), "said after its end: {event:?}");
        match event.kind {
            EventKind::Warning(text) => {
                assert!(text.contains("would not survive a restart") && text.contains(".job.ron"), "{text}");
                assert!(!began.contains(&event.job), "said after it began");
                warned.push(event.job);
            }
            EventKind::Started => began.push(event.job),
            kind if common::ends(&kind) => ended.push(event.job),
            _ => {}
        }
    }
    assert!((1..STUCK as usize).contains(&warned.len()) && !warned.contains(&jobs[0]), "{} warnings", warned.len());
    drop(engine);
    assert_eq!(on_disk(), 0, "all have ended");
}
