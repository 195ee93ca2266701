//! Runs a [`Request`](pixgen_api::Request) as a job: plan, generate, post-process, store, record provenance.
//!
//! [`Engine`] owns one thread, and that thread owns the model. Front ends submit requests and read
//! [`Event`](pixgen_api::Event)s; they never touch a model, the history or a baked file themselves.
//! This is the only place where the diffusion model and the pixel-art core meet.

//!
//! # Modules
//! - `config`, `engine`: how an engine is set up, and what front ends call.
//! - `queue`, `journal`: which jobs wait, in memory and on disk.
//! - `worker`, `job`, `pace`: the thread, one job on it, and how long it takes.
//! - `plan`, `model_info`, `inputs`, `hash_cache`, `preflight`, `memory`: what a request means for a model, the files it
//!   names, and whether it can be drawn.
//! - `backend`, `loaded`, `sdxl`, `fake`, `device`, `embedded`, `fingerprint`: what draws.
//! - `finish`, `picture`: from painted frames to a sprite, and pictures that users give.
//! - `store`, `history`, `files`, `provenance`, `recipe`, `foreign`: what was drawn, and what it says of itself.
//! - `catalog`: which models and LoRAs there are.

mod backend;
mod calm;
mod catalog;
mod config;
mod device;
mod embedded;
mod engine;
mod error;
mod fake;
mod files;
mod fingerprint;
mod finish;
mod foreign;
mod hash_cache;
mod history;
mod inputs;
mod job;
mod journal;
mod loaded;
mod memory;
mod model_info;
mod pace;
mod picture;
mod plan;
mod preflight;
mod provenance;
mod queue;
mod recipe;
mod recipe_folders;
mod recipe_text;
mod sdxl;
mod store;
mod worker;

pub use backend::{Backend, BackendLoader, Drawing, InMemory, Weights};
pub use catalog::{Catalog, LoraEntry, ModelEntry, UnusableFile};
pub use config::{EngineConfig, JobOptions};
pub use engine::Engine;
pub use error::EngineError;
pub use fake::FakeBackend;
pub use hash_cache::HashCache;
pub use history::{HistoryEntry, HistoryQuery, THUMBNAIL_PX};
pub use inputs::input_files;
pub use memory::{MemoryNeed, free_host_bytes, process_bytes};
pub use model_info::{ModelInfo, NativeSize};
pub use pixgen_sdxl::MemoryUse;
pub use plan::Plan;
pub use preflight::Preflight;
pub use provenance::{Input, InputRole, Provenance, Recovered};
pub use queue::JobStatus;
pub use recipe::{Bake, bake_key, bake_of, bake_with, has_other_inputs, recipe_hash};
pub use recipe_folders::RecipeFolders;
pub use recipe_text::rewrite_recipe;
pub use store::Store;
