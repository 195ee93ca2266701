//! Progress: bars that redraw themselves on a terminal, a line now and then in a log, nothing for programs.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Least time between two lines of a log: an hour of drawing makes a page, not a book.
const LOG_EVERY: Duration = Duration::from_secs(15);

/// Where progress goes.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: MultiProgress,
    log: Option<LogFile>,
}

/// A log that is not a terminal.
#[derive(Clone)]
struct LogFile {
    out: Arc<Mutex<dyn Write + Send>>,
    /// Least time between two lines.
    every: Duration,
}

impl std::fmt::Debug for LogFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogFile").field("every", &self.every).finish_non_exhaustive()
    }
}

impl Progress {
    /// Bars if stderr is a terminal that can move its cursor, else lines.
    pub(crate) fn for_stderr() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = io::stderr().is_terminal() && !is_dumb;
        if is_terminal {
            return Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), log: None };
        }
        let out = Arc::new(Mutex::new(io::stderr()));
        Self { log: Some(LogFile { out, every: LOG_EVERY }), ..Self::silent() }
    }

    /// No progress at all.
    pub(crate) fn silent() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), log: None }
    }

    /// Runs something that prints, with the bars out of its way.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }

    /// A bar over `length` parts.
    pub(crate) fn bar(&self, name: &str, length: u64) -> Bar {
        let bar = self.bars.add(ProgressBar::new(length));
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {msg} {eta}") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_prefix(name.to_owned());
        Bar { bar, file: self.log.clone(), name: name.to_owned(), log: RefCell::new(Log::new()) }
    }
}

/// The state of a bar that is a few lines in a log.
#[derive(Debug)]
struct Log {
    started: Instant,
    last: Instant,
    /// Parts that were done before.
    skipped: u64,
}

impl Log {
    fn new() -> Self {
        let now = Instant::now();
        Self { started: now, last: now, skipped: 0 }
    }
}

/// One bar.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    file: Option<LogFile>,
    name: String,
    log: RefCell<Log>,
}

impl Bar {
    /// Parts that are done already and say nothing about the time that the others take.
    pub(crate) fn skip(&self, parts: u64) {
        self.bar.set_position(parts);
        self.bar.reset_eta();
        self.log.borrow_mut().skipped = parts;
    }

    /// Parts done so far.
    pub(crate) fn set(&self, parts: u64) {
        self.bar.set_position(parts);
        self.line_now_and_then();
    }

    /// Parts in all, where they become known later.
    pub(crate) fn set_length(&self, parts: u64) {
        self.bar.set_length(parts);
    }

    /// What is being done.
    pub(crate) fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    fn line_now_and_then(&self) {
        let mut log = self.log.borrow_mut();
        let Some(file) = self.file.as_ref().filter(|file| log.last.elapsed() >= file.every) else { return };
        log.last = Instant::now();
        let (done, length) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let line = log_line(&self.name, done, log.skipped, length, log.started.elapsed());
        // A closed stderr has nobody to tell it to.
        if let Ok(mut out) = file.out.lock() {
            let _ = writeln!(out, "{line}");
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `drawing: 120 of 500, about 95 s left`.
fn log_line(name: &str, done: u64, skipped: u64, length: u64, elapsed: Duration) -> String {
    let drawn = done.saturating_sub(skipped);
    let left = (drawn > 0).then(|| elapsed.as_secs_f64() / drawn as f64 * length.saturating_sub(done) as f64);
    let left = left.map(|seconds| format!(", about {seconds:.0} s left")).unwrap_or_default();
    format!("{name}: {done} of {length}{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a CI log gets: whole lines with the time that is left, no bars that redraw themselves, and not too many.
    #[test]
    fn a_log_gets_plain_lines_now_and_then() {
        let run = |every: Duration| {
            let out = Arc::new(Mutex::new(Vec::new()));
            let progress = Progress { log: Some(LogFile { out: out.clone(), every }), ..Progress::silent() };
            let bar = progress.bar("items", 400);
            bar.skip(100);
            for done in 101..=400 {
                bar.say("steps");
                bar.set(done);
            }
            drop(bar);
            let text = out.lock().unwrap().clone();
            String::from_utf8(text).unwrap()
        };
        let all = run(Duration::ZERO);
        assert_eq!(all.lines().count(), 300);
        assert!(all.lines().all(|line| line.starts_with("items: ") && line.ends_with(" s left")), "{all}");
        assert!(!all.contains(['\r', '\x1b']));
        assert_eq!(run(Duration::from_secs(3600)), "");
    }

    #[test]
    fn a_log_line_says_what_is_left() {
        let seconds = Duration::from_secs(30);
        assert_eq!(log_line("drawing", 100, 0, 400, seconds), "drawing: 100 of 400, about 90 s left");
        assert_eq!(log_line("drawing", 0, 0, 400, seconds), "drawing: 0 of 400");
        let resumed = log_line("drawing", 350, 340, 400, seconds);
        assert_eq!(resumed, "drawing: 350 of 400, about 150 s left", "what was done before took no time");
        assert_eq!(log_line("drawing", 9, 0, 3, seconds), "drawing: 9 of 3, about 0 s left");
    }
}
