//! Batches: files of prompts, and a journal that lets an interrupted batch go on where it stopped.

pub(crate) mod format;
pub(crate) mod joint;
pub(crate) mod journal;
pub(crate) mod workers;
