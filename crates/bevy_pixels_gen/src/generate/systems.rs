//! The systems between the engine's events and the game's world.

use bevy::asset::AssetServer;
use bevy::prelude::*;
use pixgen_api::{GenPath, JobId};
use pixgen_engine::EngineConfig;

use super::jobs::Outcome;
use super::{
    GenJobs, GenerateSprite, GenerationCancelled, GenerationDone, GenerationFailed, GenerationProgress,
    GenerationStarted, SpriteGenerated, status,
};
use crate::{PixelsGenPlugin, PixelsGenSystems};

/// Adds messages and systems, and starts the engine unless the game has put its own [`GenJobs`] there.
pub(crate) fn add_to(plugin: &PixelsGenPlugin, app: &mut App) {
    app.add_message::<GenerateSprite>()
        .add_message::<GenerationStarted>()
        .add_message::<GenerationProgress>()
        .add_message::<GenerationDone>()
        .add_message::<GenerationFailed>()
        .add_message::<GenerationCancelled>()
        .add_systems(
            PreUpdate,
            (
                (take_wishes, receive_events).chain().in_set(PixelsGenSystems::ReceiveEvents),
                reload_assets.in_set(PixelsGenSystems::ReloadAssets),
            )
                .run_if(resource_exists::<GenJobs>),
        )
        .add_systems(
            PreUpdate,
            refuse_wishes.in_set(PixelsGenSystems::ReceiveEvents).run_if(not(resource_exists::<GenJobs>)),
        );
    status::add_to(app);
    if !app.world().contains_resource::<GenJobs>() {
        let config = EngineConfig::sdxl(plugin.device, plugin.resolved_data_dir(), plugin.resolved_gen_dir());
        match GenJobs::start(config) {
            Ok(jobs) => {
                app.insert_resource(jobs);
            }
            Err(error) => error!("no sprites can be generated: {error}"),
        }
    }
}

fn take_wishes(mut wishes: MessageReader<GenerateSprite>, mut jobs: ResMut<GenJobs>) {
    for wish in wishes.read() {
        jobs.submit(wish.request.clone(), wish.target.clone());
    }
}

/// What a wish is told where no engine could be started.
pub(super) const NO_ENGINE: &str =
    "no sprite can be generated: the engine did not start (the log says why), or PixelsGenPlugin is missing";

fn refuse_wishes(mut wishes: MessageReader<GenerateSprite>, mut failed: MessageWriter<GenerationFailed>) {
    for wish in wishes.read() {
        let (job, target) = (JobId::fresh(), wish.target.clone());
        failed.write(GenerationFailed { job, target, error: NO_ENGINE.to_owned() });
    }
}

fn receive_events(
    mut jobs: ResMut<GenJobs>,
    mut started: MessageWriter<GenerationStarted>,
    mut progress: MessageWriter<GenerationProgress>,
    mut done: MessageWriter<GenerationDone>,
    mut failed: MessageWriter<GenerationFailed>,
    mut cancelled: MessageWriter<GenerationCancelled>,
) {
    // A look first: taking the resource mutably in every frame would mark it changed in every frame.
    if !jobs.has_events() {
        return;
    }
    let mut outcomes = Vec::new();
    jobs.receive(&mut outcomes);
    for outcome in outcomes {
        match outcome {
            Outcome::Started { job, target } => {
                started.write(GenerationStarted { job, target });
            }
            Outcome::Progress { job, image, step, steps } => {
                progress.write(GenerationProgress { job, image, step, steps });
            }
            Outcome::Done { job, target, images } => {
                done.write(GenerationDone { job, target, images });
            }
            Outcome::Failed { job, target, error } => {
                warn!("job {job} failed: {error}");
                failed.write(GenerationFailed { job, target, error });
            }
            Outcome::Cancelled { job } => {
                cancelled.write(GenerationCancelled { job });
            }
        }
    }
}

/// Has the asset server read every replaced file again: same handle, new pixels, no file watcher.
fn reload_assets(
    mut jobs: ResMut<GenJobs>,
    assets: Res<AssetServer>,
    sprites: Query<(Entity, &Sprite)>,
    mut commands: Commands,
) {
    if !jobs.has_replaced() {
        return;
    }
    for path in jobs.take_replaced() {
        assets.reload(path.asset_path());
        for (entity, sprite) in &sprites {
            if gen_path(sprite).as_ref() == Some(&path) {
                commands.trigger(SpriteGenerated { entity, path: path.clone() });
            }
        }
    }
}

/// The file below `gen://` that a sprite shows, if it shows one.
pub(crate) fn gen_path(sprite: &Sprite) -> Option<GenPath> {
    let path = sprite.image.path()?;
    let from_us = path.source().as_str() == Some(crate::source::SOURCE);
    if from_us { GenPath::parse(path.path().to_str()?).ok() } else { None }
}
