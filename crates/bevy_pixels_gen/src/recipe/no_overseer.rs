//! Without the generator nothing is drawn: a recipe loads the PNG beside it, or fails.

use bevy::prelude::*;
use pixgen_api::Request;

use super::BakeState;
use super::loader::Seen;
use crate::PixelsGenPlugin;

/// Draws nothing and watches nothing.
pub(super) struct Overseer;

pub(super) fn add_to(_: &PixelsGenPlugin, _: &mut App) -> Overseer {
    Overseer
}

impl Overseer {
    pub(super) fn placeholder(&self, _: &Request) -> Option<Vec<u8>> {
        None
    }

    pub(super) fn is_placeholder(&self, _: &[u8], _: &Request) -> bool {
        false
    }

    #[expect(clippy::unnecessary_wraps, reason = "the generator's counterpart can fail")]
    pub(super) fn state(&self, _: &[u8], _: &Request) -> Result<BakeState, String> {
        Ok(BakeState::Unchecked)
    }

    pub(super) fn saw(&self, _: Seen) {}
}
