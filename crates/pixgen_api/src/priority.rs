//! Which of several waiting jobs comes first.

use serde::{Deserialize, Serialize};

/// Which of several waiting jobs comes first; among equals, the one that was asked for first. A running job is never
/// interrupted for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When nothing else is to be done: bakes of recipes, batches.
    Low,
    /// In its turn.
    #[default]
    Normal,
    /// Before everything that waits: somebody looks on.
    High,
}

impl Priority {
    /// Every priority, the most urgent one first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];
}
