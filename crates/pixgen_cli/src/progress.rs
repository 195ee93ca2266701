//! Progress: bars that redraw themselves on a terminal, a line now and then in a log, nothing for programs.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Least time between two lines of a log: an hour of drawing makes a page, not a book.
const LOG_EVERY: Duration = Duration::from_secs(15);

/// Where progress goes.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: MultiProgress,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Terminal,
    Log,
    Silent,
}

impl Progress {
    /// Bars if stderr is a terminal that can move its cursor, else lines.
    pub(crate) fn for_stderr() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = io::stderr().is_terminal() && !is_dumb;
        let kind = if is_terminal { Kind::Terminal } else { Kind::Log };
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), kind }
    }

    /// No progress at all.
    pub(crate) fn silent() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), kind: Kind::Silent }
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
        Bar { bar, kind: self.kind, name: name.to_owned(), log: RefCell::new(Log::new()) }
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
    kind: Kind,
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
        if self.kind != Kind::Log || log.last.elapsed() < LOG_EVERY {
            return;
        }
        log.last = Instant::now();
        let (done, length) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let line = log_line(&self.name, done, log.skipped, length, log.started.elapsed());
        // A closed stderr has nobody to tell it to.
        let _ = writeln!(io::stderr(), "{line}");
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
