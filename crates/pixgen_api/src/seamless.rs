//! Along which axes a picture repeats without a seam.

use serde::{Deserialize, Serialize};

/// Along which axes a picture repeats without a seam, as a floor or a wall must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seamless {
    /// The left edge meets the right one.
    pub x: bool,
    /// The top edge meets the bottom one.
    pub y: bool,
}

impl Seamless {
    /// No axis repeats.
    pub const OFF: Self = Self { x: false, y: false };
    /// Both axes repeat: a floor.
    pub const BOTH: Self = Self { x: true, y: true };

    /// Whether any axis repeats.
    #[must_use]
    pub fn any(self) -> bool {
        self.x || self.y
    }
}
