//! What the panel shows and what it asks for: plain data in, plain data out.

use pixgen_api::{GenPath, Generated, JobId, JobState, Kind, Pixels, Request, SchedulerKind};

/// Everything the panel shows, made anew for each frame by whoever owns the jobs.
///
/// Pictures are shared ([`Pixels`] holds an `Arc`), so a copy is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobsView {
    /// Running and queued jobs first, in the order in which they run; failed ones until they are forgotten.
    pub jobs: Vec<JobView>,
    /// Finished sprites, the newest first.
    pub candidates: Vec<CandidateView>,
    /// Sprites in the world that come from `gen://`.
    pub targets: Vec<TargetView>,
    /// The next click in the world chooses the target.
    pub picking: bool,
    /// There is a replaced sprite to go back to.
    pub can_undo: bool,
    /// There is an undone change to make again.
    pub can_redo: bool,
    /// The last error, with what to do about it.
    pub message: Option<String>,
    /// Why nothing can be generated at all now (no model, generator stopped), with what to do about it.
    pub blocked: Option<String>,
    /// The model that draws.
    pub model: ModelView,
}

/// What the panel needs to know about the model that draws.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelView {
    /// A name for people.
    pub name: String,
    /// The sprite edges that it draws pixel by pixel, ascending, in pixels.
    pub native_sizes_px: Vec<u32>,
    /// Largest sprite edge that it makes, in pixels.
    pub max_size_px: u32,
    /// Denoising steps where the request leaves them open.
    pub default_steps: u32,
    /// Guidance scale where the request leaves it open.
    pub default_guidance_scale: f32,
    /// Scheduler where the request leaves it open.
    pub default_scheduler: SchedulerKind,
}

impl Default for ModelView {
    fn default() -> Self {
        Self {
            name: String::new(),
            native_sizes_px: vec![Request::default().size_px],
            max_size_px: pixgen_api::MAX_SIZE_PX,
            default_steps: 20,
            default_guidance_scale: 4.0,
            default_scheduler: SchedulerKind::default(),
        }
    }
}

/// A job as the panel shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// Where it stands. Finished and cancelled jobs are not shown.
    pub state: JobState,
    /// What it draws.
    pub prompt: String,
    /// The sprite in the world that it is for.
    pub target: Option<GenPath>,
    /// The image that is being drawn, from 0.
    pub image: u32,
    /// Steps of that image that are done.
    pub step: u32,
    /// Steps of each image.
    pub steps: u32,
    /// Images that are finished and stored.
    pub images_done: u32,
    /// Images of the job.
    pub count: u32,
    /// Time since it started, in seconds.
    pub elapsed_secs: f32,
    /// Time until it is done, in seconds, once it can be told.
    pub eta_secs: Option<f32>,
    /// A first idea of the image that is being drawn.
    pub preview: Option<Pixels>,
    /// Why it failed, with what to do about it.
    pub error: Option<String>,
    /// What the user should know though it goes on.
    pub warnings: Vec<String>,
}

impl JobView {
    /// A job that waits for its turn.
    #[must_use]
    pub fn queued(id: JobId, prompt: impl Into<String>, count: u32) -> Self {
        Self {
            id,
            state: JobState::Queued,
            prompt: prompt.into(),
            target: None,
            image: 0,
            step: 0,
            steps: 0,
            images_done: 0,
            count,
            elapsed_secs: 0.0,
            eta_secs: None,
            preview: None,
            error: None,
            warnings: Vec::new(),
        }
    }

    /// Share of the whole job that is done, 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f32 {
        let of_image = if self.steps > 0 { self.step as f32 / self.steps as f32 } else { 0.0 };
        // Between two images the step still counts the finished one.
        let images = (self.image as f32 + of_image).max(self.images_done as f32);
        if self.count > 0 { (images / self.count as f32).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// A finished sprite that can be put into the world.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateView {
    /// The sprite.
    pub generated: Generated,
    /// What it was to show.
    pub prompt: String,
    /// What sort of thing it shows.
    pub kind: Kind,
    /// The target shows it now.
    pub is_applied: bool,
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
}

/// What the user asked for. The panel itself does nothing; apply every action once.
#[derive(Clone, Debug, PartialEq)]
pub enum PanelAction {
    /// Queue a job.
    Generate {
        /// What to draw; it has passed [`Request::validate`].
        request: Request,
        /// The sprite that gets the first image; `None` only adds candidates.
        target: Option<GenPath>,
    },
    /// Stop a running job or take a queued one from the queue.
    Cancel(JobId),
    /// Remove a failed job from the list.
    ForgetJob(JobId),
    /// Put a finished sprite into the world.
    Apply {
        /// [`Generated::hash`] of the sprite.
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
    /// The message has been read.
    DismissMessage,
}
