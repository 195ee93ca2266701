//! Where the model runs.

use serde::{Deserialize, Serialize};

/// Where the model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DevicePreference {
    /// The first GPU that this build supports, else the CPU.
    #[default]
    Auto,
    /// The CPU, with all cores but one.
    Cpu,
    /// The CUDA GPU of this index.
    Cuda(usize),
    /// The Metal GPU of this index.
    Metal(usize),
}
