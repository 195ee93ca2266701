//! What all games of these tests have logged.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use bevy::log::tracing_subscriber;

static LOG: Mutex<String> = Mutex::new(String::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens to the log from now on; the first caller in the process begins.
pub(crate) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init());
}

/// Whether a warning or an error was logged in a line that holds all of these.
pub(crate) fn complains(parts: &[&str]) -> bool {
    count(parts) > 0
}

/// How many such lines there are.
pub(crate) fn count(parts: &[&str]) -> usize {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let complaints = log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN"));
    complaints.filter(|line| parts.iter().all(|part| line.contains(part))).count()
}
