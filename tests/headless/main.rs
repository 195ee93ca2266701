//! Tests of the plugin that need neither a display nor a GPU.
//!
//! - `hot_reload`: a generated sprite arrives in the running world under the same handle
//! - `real_input`: keys and dropped files reach the panel through Bevy and bevy_egui
//! - `recipes`: a `.sprite.ron` is drawn, and drawn again when it is edited
//! - `recipe_files`: what a recipe may name, and what is written beside it
//! - `recipe_inputs`: files that recipes name change, are large, or are named by two programs
//! - `refresh`: bounds, materials, tilemaps and atlases follow an image that has got another size
//! - `status`: what overlays and inspectors can read
//! - `bad_input`: every mistake is answered with a sentence, and the game goes on
//! - `full_disk`: a game whose disk is full goes on
//! - `released`: what a game without the generator gets, and what it does not have to compile
//! - `tidy`: the documents and the tree agree

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on fails")]

mod bad_input;
#[path = "../copy_folder.rs"]
mod copy_folder;
mod full_disk;
mod hot_reload;
mod log;
mod real_input;
mod recipe_files;
mod recipe_inputs;
mod recipes;
mod refresh;
mod released;
mod status;
mod tidy;
mod world;
