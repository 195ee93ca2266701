//! Sprites as the panel shows them: results, the history, the world.

use std::path::PathBuf;
use std::sync::Arc;

use pixgen_api::{GenPath, JobState, Kind, Pixels, Request};

/// A sprite of the history that can be put into the world.
#[derive(Clone, Debug, PartialEq)]
pub struct SpriteView {
    /// SHA-256 of its file: its name in the history.
    pub hash: String,
    /// Its file.
    pub file: PathBuf,
    /// What it looks like; may be smaller than the sprite where that is large.
    pub pixels: Pixels,
    /// Columns and rows of the sprite itself.
    pub size_px: [u32; 2],
    /// The request that drew it, for one image and with its seed; `None` for what somebody painted.
    pub request: Option<Arc<Request>>,
    /// Why files that its PNG names are not in `request`, each with what to do about it.
    pub left_out: Vec<String>,
    /// The target shows it now.
    pub is_applied: bool,
}

impl SpriteView {
    /// What it shows, in words.
    #[must_use]
    pub fn title(&self) -> &str {
        self.request.as_ref().map_or("painted by hand", |request| request.prompt.as_str())
    }

    /// The name that tells it from others.
    #[must_use]
    pub fn name(&self) -> String {
        match self.seed() {
            Some(seed) => format!("{} (seed {seed})", self.title()),
            None => format!("{} ({})", self.title(), self.hash.get(..8).unwrap_or(&self.hash)),
        }
    }

    /// The seed that drew it.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.request.as_ref().and_then(|request| request.seed)
    }
}

/// A sprite in the world that the panel can change.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetView {
    /// Its file below `gen://`.
    pub path: GenPath,
    /// What it looks like now.
    pub current: Option<Pixels>,
    /// The entity's name, if it has one.
    pub name: Option<String>,
    /// How it was drawn; known of the chosen target only, and only when a model drew it.
    pub request: Option<Arc<Request>>,
    /// Why files that its PNG names are not in `request`, each with what to do about it.
    pub left_out: Vec<String>,
    /// A PNG that looks like it, if possible one that stays when it is replaced; known of the chosen target only.
    pub file: Option<PathBuf>,
    /// The name of the recipe beside it, into which is written what is accepted; known of the chosen target only.
    pub recipe: Option<String>,
}

/// What the user looks for in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistorySearch {
    /// Words that must all occur in the prompt.
    pub words: String,
    /// Only sprites of this kind.
    pub kind: Option<Kind>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// What was found in the history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryView {
    /// The newest first.
    pub sprites: Vec<SpriteView>,
    /// There are more than were asked for.
    pub has_more: bool,
    /// It is being searched.
    pub searching: bool,
    /// Why it cannot be read, with what to do about it.
    pub error: Option<String>,
}

/// Sprites of one prompt and one seed that differ in one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonView {
    /// What all of them show.
    pub prompt: String,
    /// The seed of all of them.
    pub seed: u64,
    /// One for each setting, in the order in which they were asked for.
    pub cells: Vec<ComparedView>,
    /// They stand in the world next to each other.
    pub in_world: bool,
}

/// One of the compared sprites.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedView {
    /// What is special about it, as "DDIM".
    pub label: String,
    /// Where its job stands.
    pub state: JobState,
    /// Share of its job that is done, 0 to 1.
    pub progress: f32,
    /// The sprite, when it is done.
    pub sprite: Option<SpriteView>,
    /// Why there is none, with what to do about it.
    pub error: Option<String>,
}
