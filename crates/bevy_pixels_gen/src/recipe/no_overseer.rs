//! Without the generator nothing is drawn: a recipe loads the PNG beside it, or fails.

use bevy::prelude::*;
use pixgen_api::Request;

use super::BakeState;
use super::files::Roots;
use super::loader::{Look, Seen};
use crate::PixelsGenPlugin;

/// What a recipe asks for is nobody's concern.
#[derive(Clone, Debug)]
pub(super) struct Wish;

/// Draws nothing and watches nothing.
pub(super) struct Overseer;

pub(super) fn add_to(_: &PixelsGenPlugin, _: &Roots, _: &mut App) -> Overseer {
    Overseer
}

impl Overseer {
    #[allow(
        clippy::unused_async,
        clippy::unnecessary_wraps,
        reason = "the generator's counterpart waits for files, and can fail"
    )]
    pub(super) async fn wish(&self, _: &Roots, _: &mut Look, _: &Request) -> Result<Wish, String> {
        Ok(Wish)
    }

    pub(super) fn placeholder(&self, _: &Request) -> Option<Vec<u8>> {
        None
    }

    pub(super) fn is_placeholder(&self, _: &[u8], _: &Request) -> bool {
        false
    }

    #[expect(clippy::unnecessary_wraps, reason = "the generator's counterpart can fail")]
    pub(super) fn state(&self, _: &[u8], _: &Wish) -> Result<BakeState, String> {
        Ok(BakeState::Unchecked)
    }

    pub(super) fn remembered(&self, _: &Wish) -> Option<(String, Vec<u8>)> {
        None
    }

    pub(super) fn saw(&self, _: Seen) {}
}
