//! One file a command.

pub(crate) mod bake;
pub(crate) mod batch;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod fix;
pub(crate) mod generate;
pub(crate) mod generate_animation;
pub(crate) mod generate_tileset;
pub(crate) mod info;
pub(crate) mod models;
pub(crate) mod palettes;
pub(crate) mod styles;
