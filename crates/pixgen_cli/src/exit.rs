//! The exit codes, and the errors that choose one.

use std::process::ExitCode;

use thiserror::Error;

/// How the program ended. The numbers are documented in the README and in `--help`: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for is there.
    Success = 0,
    /// Something failed on the way: a model, a disk.
    Failure = 1,
    /// The command line, or a file it names, cannot be used; nothing was drawn. clap uses the same number.
    Usage = 2,
    /// `--check` found files that are missing, stale or broken.
    Drift = 3,
    /// Some lines of a batch, recipes or pictures failed; the others are there.
    Incomplete = 4,
    /// Ctrl-C: what was finished before is there. 128 + SIGINT, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The exit code that an error stands for.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if error.is::<Interrupted>() {
            Self::Interrupted
        } else if error.is::<UsageError>() {
            Self::Usage
        } else {
            Self::Failure
        }
    }
}

/// The user can mend it by typing something else.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

/// The user has had enough.
#[derive(Debug, Error)]
#[error("interrupted; what was finished before is kept")]
pub(crate) struct Interrupted;

/// An error with exit code 2.
pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
    UsageError(text.into()).into()
}

/// Marks the errors of a result as the user's to mend.
pub(crate) trait OrUsage<T> {
    /// The same result, its error with exit code 2.
    fn or_usage(self) -> anyhow::Result<T>;

    /// The same, with what was being read in front.
    fn or_usage_in(self, place: impl std::fmt::Display) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrUsage<T> for Result<T, E> {
    fn or_usage(self) -> anyhow::Result<T> {
        self.map_err(|error| usage(format!("{:#}", error.into())))
    }

    fn or_usage_in(self, place: impl std::fmt::Display) -> anyhow::Result<T> {
        self.map_err(|error| usage(format!("{place}: {:#}", error.into())))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_keeps_its_exit_code_under_context() {
        let wrapped = Err::<(), _>(usage("no such style")).context("items.txt, line 3").unwrap_err();
        assert_eq!(Exit::of(&wrapped), Exit::Usage);
        assert_eq!(Exit::of(&Interrupted.into()), Exit::Interrupted);
        assert_eq!(Exit::of(&anyhow::anyhow!("the disk is full")), Exit::Failure);
    }
}
