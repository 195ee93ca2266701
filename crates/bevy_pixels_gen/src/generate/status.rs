//! How the generator is doing, for overlays, inspectors and remote tools: a reflected resource and Bevy's diagnostics.

use std::time::{Duration, Instant};

use bevy::diagnostic::{Diagnostic, DiagnosticPath, Diagnostics, RegisterDiagnostic};
use bevy::prelude::*;
use pixgen_api::{JobId, JobState};
use pixgen_engine::process_bytes;

use super::{GenJobs, GenerationProgress};
use crate::PixelsGenSystems;

/// Time of one denoising step, in milliseconds, measured from frame to frame.
pub const STEP_TIME: DiagnosticPath = DiagnosticPath::const_new("pixels_gen/step_ms");
/// Jobs that wait for their turn.
pub const QUEUE_LENGTH: DiagnosticPath = DiagnosticPath::const_new("pixels_gen/queue");
/// Memory of the whole process that lies in RAM, in MiB, once a second. Linux only: elsewhere there is no measurement.
pub const MEMORY: DiagnosticPath = DiagnosticPath::const_new("pixels_gen/memory_mib");

/// Time between two looks at the process's memory.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// What the generator is doing, in plain numbers.
#[derive(Resource, Reflect, Clone, Debug, Default, PartialEq)]
#[reflect(Resource, Clone, Debug, Default, PartialEq)]
pub struct GenStatus {
    /// Jobs that wait for their turn.
    pub waiting: usize,
    /// The prompt of the job that runs.
    pub running: Option<String>,
    /// Whether that job is halted between two steps.
    pub paused: bool,
    /// Image of it that is being drawn, from 0.
    pub image: u32,
    /// Steps of that image that are done.
    pub step: u32,
    /// Steps of each image; 0 while the model is loading.
    pub steps: u32,
    /// Failed jobs that nobody has put away.
    pub failed: usize,
    /// The last error that no message told of.
    pub error: Option<String>,
}

impl GenStatus {
    fn of(jobs: &GenJobs) -> Self {
        let count = |state: JobState| jobs.records().iter().filter(|record| record.state == state).count();
        let begun = |state: JobState| matches!(state, JobState::Running | JobState::Paused);
        let running = jobs.records().iter().find(|record| begun(record.state));
        Self {
            waiting: count(JobState::Queued),
            running: running.map(|record| record.request.prompt.clone()),
            paused: running.is_some_and(|record| record.state == JobState::Paused),
            image: running.map_or(0, |record| record.image),
            step: running.map_or(0, |record| record.step),
            steps: running.map_or(0, |record| record.steps),
            failed: count(JobState::Failed),
            error: jobs.error().map(str::to_owned),
        }
    }
}

pub(super) fn add_to(app: &mut App) {
    app.register_type::<GenStatus>()
        .init_resource::<GenStatus>()
        .register_diagnostic(Diagnostic::new(STEP_TIME).with_suffix(" ms"))
        .register_diagnostic(Diagnostic::new(QUEUE_LENGTH))
        .register_diagnostic(Diagnostic::new(MEMORY).with_suffix(" MiB"))
        .add_systems(
            PreUpdate,
            (tell_status, measure_steps, measure_memory)
                .in_set(PixelsGenSystems::Measure)
                .run_if(resource_exists::<GenJobs>),
        );
}

fn tell_status(jobs: Res<GenJobs>, mut status: ResMut<GenStatus>, mut diagnostics: Diagnostics) {
    if jobs.is_changed() {
        status.set_if_neq(GenStatus::of(&jobs));
    }
    diagnostics.add_measurement(&QUEUE_LENGTH, || status.waiting as f64);
}

/// The step that was heard of last, and when.
struct LastStep {
    job: JobId,
    image: u32,
    step: u32,
    at: Instant,
}

fn measure_steps(
    mut progress: MessageReader<GenerationProgress>,
    mut last: Local<Option<LastStep>>,
    mut diagnostics: Diagnostics,
) {
    // All that a frame hears came at some time since the frame before: only the newest tells when.
    let Some(&GenerationProgress { job, image, step, .. }) = progress.read().last() else { return };
    let now = Instant::now();
    if let Some(last) = last.as_ref().filter(|last| (last.job, last.image) == (job, image) && step > last.step) {
        let steps = f64::from(step - last.step);
        diagnostics.add_measurement(&STEP_TIME, || (now - last.at).as_secs_f64() * 1000.0 / steps);
    }
    *last = Some(LastStep { job, image, step, at: now });
}

fn measure_memory(mut next: Local<Option<Instant>>, mut diagnostics: Diagnostics) {
    let now = Instant::now();
    if next.is_some_and(|next| now < next) {
        return;
    }
    *next = Some(now + MEMORY_EVERY);
    if let Some(bytes) = process_bytes() {
        diagnostics.add_measurement(&MEMORY, || bytes as f64 / f64::from(1 << 20));
    }
}
