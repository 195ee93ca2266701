//! `commands.generate_sprite(…)`: asking for a sprite from game code, and thinking better of it.

use bevy::prelude::*;
use pixgen_api::{GenPath, JobId, Request};

use super::systems::NO_ENGINE;
use super::{GenJobs, GenerationFailed};

/// Asks for sprites from any system with `Commands`.
pub trait GenerateSpriteExt {
    /// Has a sprite drawn into `target` (`None` only fills the history), and returns the number by which the
    /// job's messages name it.
    fn generate_sprite(&mut self, request: Request, target: Option<GenPath>) -> JobId;

    /// Stops a job: one that waits at once, one that runs at its next step. One that has ended is left alone.
    fn cancel_generation(&mut self, job: JobId);
}

impl GenerateSpriteExt for Commands<'_, '_> {
    fn generate_sprite(&mut self, request: Request, target: Option<GenPath>) -> JobId {
        let job = JobId::fresh();
        self.queue(move |world: &mut World| match world.get_resource_mut::<GenJobs>() {
            Some(mut jobs) => jobs.submit_as(job, request, target),
            None => {
                warn!("{NO_ENGINE}");
                world.write_message(GenerationFailed { job, target, error: NO_ENGINE.to_owned() });
            }
        });
        job
    }

    fn cancel_generation(&mut self, job: JobId) {
        self.queue(move |world: &mut World| {
            if let Some(jobs) = world.get_resource::<GenJobs>() {
                jobs.cancel(job);
            }
        });
    }
}
