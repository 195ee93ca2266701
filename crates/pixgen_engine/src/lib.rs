//! Runs a [`Request`](pixgen_api::Request) as a job: plan, generate, post-process, store, record provenance.
//!
//! [`Engine`] owns one thread, and that thread owns the model. Front ends submit requests and read
//! [`Event`](pixgen_api::Event)s; they never touch a model, the history or a baked file themselves.
//! This is the only place where the diffusion model and the pixel-art core meet.

mod backend;
mod device;
mod embedded;
mod engine;
mod error;
mod fake;
mod fingerprint;
mod model_info;
mod plan;
mod provenance;
mod recipe;
mod sdxl;
mod store;

pub use backend::{Backend, BackendLoader, Drawing};
pub use engine::{Engine, EngineConfig};
pub use error::EngineError;
pub use fake::FakeBackend;
pub use model_info::{ModelInfo, NativeSize};
pub use plan::Plan;
pub use provenance::Provenance;
pub use recipe::{Bake, bake_of, recipe_hash};
pub use store::Store;
