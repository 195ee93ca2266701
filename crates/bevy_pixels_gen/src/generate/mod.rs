//! Jobs, messages and hot reload.
//!
//! A wish comes in as a [`GenerateSprite`] message or through [`GenerateSpriteExt::generate_sprite`]. The engine
//! draws it on its own thread; [`GenJobs`] follows it; when it is done the PNG stands in the folder behind
//! `gen://` and the asset server reloads it under the same handle.

mod commands;
mod errors;
mod jobs;
mod ledger;
mod messages;
mod placeholder;
mod status;
mod systems;

pub use commands::GenerateSpriteExt;
pub use jobs::{Finished, GenJobs, JobRecord};
pub(crate) use ledger::{Put, PutDone, PutResult};
pub use messages::{
    GenerateSprite, GenerationCancelled, GenerationDone, GenerationFailed, GenerationProgress, GenerationStarted,
    SpriteGenerated,
};
pub use pixgen_engine::{self as engine, EngineConfig, FakeBackend};
pub(crate) use placeholder::placeholder_png;
pub use status::{GenStatus, MEMORY, QUEUE_LENGTH, STEP_TIME};
pub(crate) use systems::add_to;
#[cfg(feature = "panel")]
pub(crate) use systems::gen_path;
pub(crate) use systems::{Replaced, gen_path_at};
#[cfg(feature = "materials")]
pub(crate) use systems::{reload_assets, shows};
