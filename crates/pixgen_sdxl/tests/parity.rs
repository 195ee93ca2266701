//! Holds every part of the model, and whole runs, against diffusers and transformers.
//!
//! How the reference values in `parity/fixtures` are made: `parity/README.md`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, unreachable_pub)]

#[path = "parity/adapters.rs"]
mod adapters;
#[path = "parity/images.rs"]
mod images;
#[path = "parity/noise.rs"]
mod noise;
#[path = "parity/parts.rs"]
mod parts;
#[path = "parity/previews.rs"]
mod previews;
#[path = "parity/runs.rs"]
mod runs;
#[path = "parity/schedulers.rs"]
mod schedulers;
#[path = "parity/stochastic_runs.rs"]
mod stochastic_runs;
#[path = "parity/support.rs"]
mod support;
#[path = "parity/text.rs"]
mod text;
