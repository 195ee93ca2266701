//! What the panel remembers from frame to frame.

use std::hash::{BuildHasher, RandomState};

use pixgen_api::{GenPath, Request};

use super::thumbnails::Thumbnails;

/// What the user has typed and chosen. The owner may change the public fields at any time: the panel shows
/// what it finds.
#[derive(Debug)]
pub struct PanelState {
    /// What to draw. A seed of `None` means a new one for every job.
    pub request: Request,
    /// The sprite in the world that the next job and the next click on a candidate change.
    pub target: Option<GenPath>,
    /// The seed as it is being typed.
    pub(super) seed_text: String,
    /// The path of a target as it is being typed.
    pub(super) path_text: String,
    /// State of the dice.
    dice: u64,
    pub(super) thumbnails: Thumbnails,
}

impl Default for PanelState {
    fn default() -> Self {
        // The standard library's only source of chance; a dice needs no better one.
        Self::with_dice(RandomState::new().hash_one(0u8))
    }
}

impl PanelState {
    /// A state whose dice throws the numbers that follow from `dice`.
    #[must_use]
    pub fn with_dice(dice: u64) -> Self {
        Self {
            request: Request::default(),
            target: None,
            seed_text: String::new(),
            path_text: String::new(),
            dice,
            thumbnails: Thumbnails::default(),
        }
    }

    /// Frees the textures of all thumbnails; for when the panel is hidden. They come back by themselves.
    pub fn free_textures(&mut self) {
        self.thumbnails = Thumbnails::default();
    }

    /// A seed by chance (SplitMix64, Steele et al. 2014). Of 32 bits, since people read seeds aloud and
    /// other tools take no more.
    pub(super) fn throw_dice(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.dice;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) >> 32
    }
}
