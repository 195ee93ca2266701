//! What the panel asks for when it is used, driven by pointer, keyboard and accessible names; and what it looks like.
#![allow(clippy::unwrap_used)]

mod compare;
mod drawing;
mod history;
mod jobs;
mod library;
mod pictures;
mod raster;
mod results;
mod settings;
mod support;
mod target;
