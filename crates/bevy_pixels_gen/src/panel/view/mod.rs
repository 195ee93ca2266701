//! What the panel shows and what it asks for: plain data in, plain data out.

mod jobs;
mod library;
mod sprites;

use std::path::PathBuf;
use std::sync::Arc;

use pixgen_api::{GenPath, JobId, Pixels, Priority, Request};

pub use jobs::JobView;
pub use library::{FileView, LibraryView, LoraChoice, ModelChoice, ModelView, PaletteChoice};
pub use sprites::{ComparedView, ComparisonView, HistorySearch, HistoryView, SpriteView, TargetView};

/// Everything the panel shows, made anew for each frame by whoever owns the jobs.
///
/// Pictures are shared ([`Pixels`] holds an `Arc`), so a copy is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobsView {
    /// Running and queued jobs first, in the order in which they run; failed ones until they are forgotten.
    pub jobs: Vec<JobView>,
    /// The queue is halted.
    pub paused: bool,
    /// Finished sprites of this session, the newest first.
    pub candidates: Vec<SpriteView>,
    /// What the last search of the history found.
    pub history: HistoryView,
    /// The sprites that are being compared.
    pub comparison: Option<ComparisonView>,
    /// Sprites in the world that come from `gen://`.
    pub targets: Vec<TargetView>,
    /// The next click in the world chooses the target.
    pub picking: bool,
    /// There is a replaced sprite to go back to.
    pub can_undo: bool,
    /// There is an undone change to make again.
    pub can_redo: bool,
    /// Errors that were not read yet, each with what to do about it, the newest first.
    pub messages: Vec<String>,
    /// Something that the user should know and that is no error.
    pub note: Option<String>,
    /// Why nothing can be generated at all now (no model, generator stopped), with what to do about it.
    pub blocked: Option<String>,
    /// Why the request as it stands cannot be drawn, each with what to do about it.
    pub refusals: Vec<String>,
    /// What should be known of the request as it stands before it is drawn.
    pub warnings: Vec<String>,
    /// The model that draws.
    pub model: ModelView,
    /// What there is to draw with.
    pub library: Arc<LibraryView>,
    /// The palette file that the request names.
    pub palette_file: Option<FileView<Vec<[u8; 3]>>>,
    /// The picture that the request begins with.
    pub init_image: Option<FileView<Pixels>>,
}

/// What the user asked for. The panel itself does nothing; apply every action once.
#[derive(Clone, Debug, PartialEq)]
pub enum PanelAction {
    /// Queue a job.
    Generate {
        /// What to draw; it has passed [`Request::validate`].
        request: Box<Request>,
        /// The sprite that gets the first image; `None` only adds candidates.
        target: Option<GenPath>,
    },
    /// Stop a running job or take a queued one from the queue.
    Cancel(JobId),
    /// Remove a failed job from the list.
    ForgetJob(JobId),
    /// Put a finished sprite into the world.
    Apply {
        /// [`Generated::hash`](pixgen_api::Generated::hash) of the sprite.
        hash: String,
        /// The file that gets it.
        target: GenPath,
    },
    /// Take the last replaced sprite back.
    Undo,
    /// Make the last undone change again.
    Redo,
    /// Start or end choosing the target by a click in the world.
    Pick(bool),
    /// The target was chosen in the panel; [`PanelState::target`](super::PanelState::target) has it already.
    SelectTarget(GenPath),
    /// Show this to the user among [`JobsView::messages`].
    Tell(String),
    /// This one of [`JobsView::messages`] has been read.
    DismissMessage(String),
    /// The note has been read.
    DismissNote,
    /// Halt the queue, or let it go on.
    Pause(bool),
    /// Move a waiting job before or behind others.
    Prioritize(JobId, Priority),
    /// Look for sprites in the history.
    SearchHistory(HistorySearch),
    /// Read how a PNG was drawn and put it into [`PanelState::request`](super::PanelState::request).
    ReadSettings(PathBuf),
    /// Look for models and LoRAs again.
    SearchLibrary,
    /// Draw several requests that differ in one thing, to be shown as [`JobsView::comparison`].
    Compare(Vec<ComparedRequest>),
    /// Show the compared sprites in the world next to each other, or no longer.
    ShowComparison(bool),
    /// Forget the comparison; its sprites stay in the history.
    EndComparison,
}

/// One of the requests of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedRequest {
    /// What is special about it, as "DDIM".
    pub label: String,
    /// What to draw; it has passed [`Request::validate`].
    pub request: Request,
}
