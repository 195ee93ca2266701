//! Ctrl-C: the first press ends the work at the next step, the second ends the program.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;

use crate::exit::{Exit, Interrupted};

static PRESSES: AtomicUsize = AtomicUsize::new(0);

/// Listens to SIGINT, SIGTERM and their like from now on.
///
/// # Errors
/// When the operating system refuses the handler.
pub(crate) fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if PRESSES.fetch_add(1, Ordering::SeqCst) > 0 {
            #[allow(clippy::exit, reason = "the user does not want to wait for the step to end")]
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .context("listening to Ctrl-C")
}

/// Whether the user has had enough.
pub(crate) fn requested() -> bool {
    PRESSES.load(Ordering::SeqCst) > 0
}

/// Ends long work between two parts of it.
///
/// # Errors
/// [`Interrupted`] after Ctrl-C.
pub(crate) fn check() -> Result<(), Interrupted> {
    if requested() { Err(Interrupted) } else { Ok(()) }
}
