//! What the panel remembers from frame to frame.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::PathBuf;

use pixgen_api::{GenPath, Kind, Pixels, Request};

use super::compare::CompareForm;
use super::thumbnails::Thumbnails;

/// How many sprites of the history are shown at first, and how many more at a time.
pub(super) const HISTORY_PAGE: usize = 48;

/// What the panel is used for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanelTab {
    /// Drawing sprites.
    #[default]
    Draw,
    /// Drawing one sprite in several ways.
    Compare,
    /// Looking for what was drawn.
    History,
}

/// What the user has typed and chosen. The owner may change the public fields at any time: the panel shows
/// what it finds.
#[derive(Debug)]
pub struct PanelState {
    /// What to draw. A seed of `None` means a new one for every job.
    pub request: Request,
    /// The sprite in the world that the next job and the next click on a candidate change.
    pub target: Option<GenPath>,
    /// What is open.
    pub tab: PanelTab,
    /// The seed as it is being typed.
    pub(super) seed_text: String,
    /// The path of a target as it is being typed.
    pub(super) path_text: String,
    /// A model, a LoRA and a palette as their paths are being typed.
    pub(super) model_text: String,
    pub(super) lora_text: String,
    pub(super) palette_text: String,
    /// What was selected in the prompt last, in characters.
    pub(super) prompt_selection: Range<usize>,
    pub(super) history_words: String,
    pub(super) history_kind: Option<Kind>,
    pub(super) history_limit: usize,
    /// The history was asked for since it was opened.
    pub(super) history_is_asked: bool,
    pub(super) compare: CompareForm,
    /// Height of the bar at the bottom, as it was.
    pub(super) bar_height_pt: f32,
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
            tab: PanelTab::default(),
            seed_text: String::new(),
            path_text: String::new(),
            model_text: String::new(),
            lora_text: String::new(),
            palette_text: String::new(),
            prompt_selection: 0..0,
            history_words: String::new(),
            history_kind: None,
            history_limit: HISTORY_PAGE,
            history_is_asked: false,
            compare: CompareForm::default(),
            bar_height_pt: 42.0,
            dice,
            thumbnails: Thumbnails::default(),
        }
    }

    /// Takes a request over as what is drawn next. What belongs to how the panel is used, the number of images, stays.
    pub fn use_settings(&mut self, request: Request) {
        let count = self.request.count;
        self.request = Request { count, ..request };
    }

    /// Sets the panel up to draw variations of a picture: with the settings that drew it, where they are known.
    pub(super) fn vary(&mut self, file: PathBuf, drawn_by: Option<&Request>) {
        if let Some(request) = drawn_by {
            self.use_settings(Request { seed: None, mask: None, strength: None, ..request.clone() });
        }
        self.request.init_image = Some(file);
        self.request.strength.get_or_insert(Request::DEFAULT_STRENGTH);
        self.tab = PanelTab::Draw;
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

/// The edge of a picture, the longer one.
pub(super) fn longer_edge(pixels: &Pixels) -> u32 {
    pixels.width_px.max(pixels.height_px)
}
