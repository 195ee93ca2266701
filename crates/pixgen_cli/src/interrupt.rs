//! Ctrl-C and its like: the first ends the work at the next step, the second ends the program.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::exit::{Exit, Interrupted};

/// Whether the user has had enough.
static REQUESTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Listens from now on to Ctrl-C, and on Unix to the wish to end (SIGTERM) and to a terminal that goes away (SIGHUP). The
/// last one is left alone where it is ignored already: who says `nohup` wants the work to go on.
///
/// # Errors
/// When the operating system refuses a handler.
pub(crate) fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            #[allow(clippy::exit, reason = "the user does not want to wait for the step to end")]
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .context("listening to Ctrl-C")?;
    #[cfg(unix)]
    unix::listen(&REQUESTED)?;
    Ok(())
}

/// Whether the user has had enough.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Ends long work between two parts of it.
///
/// # Errors
/// [`Interrupted`] after Ctrl-C.
pub(crate) fn check() -> Result<(), Interrupted> {
    if requested() { Err(Interrupted) } else { Ok(()) }
}

#[cfg(unix)]
mod unix {
    //! The signals that Ctrl-C's library does not tell apart.

    use signal_hook::consts::{SIGHUP, SIGTERM};
    use signal_hook::flag;

    use super::{Arc, AtomicBool, Context, Exit};

    pub(super) fn listen(requested: &Arc<AtomicBool>) -> anyhow::Result<()> {
        let signals = [Some(SIGTERM), (!is_ignored(SIGHUP)).then_some(SIGHUP)];
        for signal in signals.into_iter().flatten() {
            // In this order: the signal that comes when the flag is set already ends the program.
            flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(requested))
                .and_then(|_| flag::register(signal, Arc::clone(requested)))
                .with_context(|| format!("listening to signal {signal}"))?;
        }
        Ok(())
    }

    /// Whether whoever started this program has it ignore a signal.
    fn is_ignored(signal: libc::c_int) -> bool {
        #[allow(unsafe_code, reason = "the standard library does not tell how a signal is handled")]
        // SAFETY: zeroes are a valid `sigaction`; the call writes to it and, without a new handler, changes nothing.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
        }
    }
}
