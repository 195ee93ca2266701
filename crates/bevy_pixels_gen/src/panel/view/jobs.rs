//! Jobs as the panel shows them.

use pixgen_api::{GenPath, JobId, JobState, Pixels, Priority};

/// A job as the panel shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// Where it stands. Finished and cancelled jobs are not shown.
    pub state: JobState,
    /// Which of the waiting jobs comes first.
    pub priority: Priority,
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
            priority: Priority::default(),
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
