//! The one place that writes to the terminal: data to stdout, talk to stderr.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::events::{Listed, PathText, Report, Role};
use crate::exit::Exit;
use crate::progress::Progress;

/// What is printed, and how.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
    colors: bool,
    progress: Progress,
    stdout_is_closed: Cell<bool>,
    /// Why data was lost.
    lost: RefCell<Option<io::Error>>,
    /// Warnings that were printed.
    warned: RefCell<HashSet<String>>,
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also in files and pipes.
    Always,
    /// Nowhere.
    Never,
}

impl ColorChoice {
    /// Whether what goes to stderr is coloured.
    pub(crate) fn is_on(self) -> bool {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
            }
        }
    }
}

impl Printer {
    /// `json` prints events instead of paths; `quiet` prints neither progress nor notes.
    pub(crate) fn new(json: bool, quiet: bool, color: ColorChoice) -> Self {
        let progress = if quiet || json { Progress::silent() } else { Progress::for_stderr() };
        Self {
            json,
            quiet,
            colors: color.is_on(),
            progress,
            stdout_is_closed: Cell::new(false),
            lost: RefCell::default(),
            warned: RefCell::default(),
        }
    }

    /// The progress bars.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether programs read the output.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// One thing of what was asked for: `text` for people, `values` for programs.
    pub(crate) fn listed(&self, kind: Listed, name: &str, values: serde_json::Value, text: &str) {
        if self.json {
            self.event(&Report::Listed { kind, name, values });
        } else {
            self.line(text.trim_end_matches('\n').as_bytes());
        }
    }

    /// A path that is data; on Unix byte by byte, whether it is text or not.
    pub(crate) fn path(&self, path: &Path) {
        #[cfg(unix)]
        self.line(path.as_os_str().as_encoded_bytes());
        #[cfg(not(unix))]
        self.line(path.display().to_string().as_bytes());
    }

    fn line(&self, text: &[u8]) {
        self.progress.suspend(|| self.put(text));
    }

    fn put(&self, text: &[u8]) {
        // Whoever reads has read enough (`| head`): drawing goes on, the files are what matters.
        if self.stdout_is_closed.get() {
            return;
        }
        let mut stdout = io::stdout();
        let line = [text, b"\n"].concat();
        if let Err(error) = stdout.write_all(&line).and_then(|()| stdout.flush()) {
            self.stdout_is_closed.set(true);
            if error.kind() != io::ErrorKind::BrokenPipe {
                *self.lost.borrow_mut() = Some(error);
            }
        }
    }

    /// Why some data did not reach stdout, if its reader did not leave by itself: a full disk, mostly.
    pub(crate) fn lost_output(&self) -> Option<io::Error> {
        self.lost.take()
    }

    /// An event for `--json`; nothing otherwise.
    pub(crate) fn event(&self, report: &Report<'_>) {
        if !self.json {
            return;
        }
        match serde_json::to_vec(report) {
            Ok(text) => self.put(&text),
            // A line that is missing must not look like one that was not to be printed.
            Err(error) => *self.lost.borrow_mut() = Some(error.into()),
        }
    }

    /// A file was written: its path is data.
    pub(crate) fn wrote(&self, path: &Path, role: Role) {
        self.wrote_picture(path, role, None, None);
    }

    /// A picture was written.
    pub(crate) fn wrote_picture(&self, path: &Path, role: Role, seed: Option<u64>, size_px: Option<(u32, u32)>) {
        if self.json {
            let (width_px, height_px) = (size_px.map(|size| size.0), size_px.map(|size| size.1));
            self.event(&Report::File { path: PathText(path), role, seed, width_px, height_px });
        } else {
            self.path(path);
        }
    }

    /// Something worth knowing.
    pub(crate) fn note(&self, text: &str) {
        self.event(&Report::Note { text });
        if !self.quiet && !self.json {
            self.talk(text);
        }
    }

    /// Something that the user should know, though the work goes on.
    pub(crate) fn warning(&self, text: &str) {
        self.event(&Report::Warning { text });
        // Every line of a batch may bring the same one.
        if !self.json && self.warned.borrow_mut().insert(text.to_owned()) {
            self.talk(&format!("{} {text}", self.painted("warning:", "33;1")));
        }
    }

    /// Something failed, and other work goes on.
    pub(crate) fn failed(&self, item: &str, error: &str) {
        self.event(&Report::Failed { item, error });
        if !self.json {
            self.talk(&format!("{} {item}: {error}", self.painted("failed:", "31;1")));
        }
    }

    /// The program ends with this.
    pub(crate) fn error(&self, error: &str, exit: Exit) {
        self.event(&Report::Error { error, exit: exit as u8 });
        self.talk(&format!("{} {error}", self.painted("error:", "31;1")));
    }

    fn talk(&self, text: &str) {
        self.progress.suspend(|| {
            // A closed stderr has nobody to tell it to.
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    fn painted(&self, text: &str, code: &str) -> String {
        if self.colors { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
