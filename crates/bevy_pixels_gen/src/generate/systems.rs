//! The systems between the engine's events and the game's world.

use bevy::asset::io::AssetSourceId;
use bevy::asset::{AssetLoadFailedEvent, AssetPath, AssetServer};
use bevy::prelude::*;
use pixgen_api::{GenPath, JobId, baked_file, recipe_file};
use pixgen_engine::EngineConfig;

use super::jobs::Outcome;
use super::{
    GenJobs, GenerateSprite, GenerationCancelled, GenerationDone, GenerationFailed, GenerationProgress,
    GenerationStarted, SpriteGenerated, status,
};
use crate::source::SOURCE;
use crate::{PixelsGenPlugin, PixelsGenSystems};

/// Adds messages and systems, and starts the engine unless the game has put its own [`GenJobs`] there.
pub(crate) fn add_to(plugin: &PixelsGenPlugin, app: &mut App) {
    app.add_message::<GenerateSprite>()
        .add_message::<GenerationStarted>()
        .add_message::<GenerationProgress>()
        .add_message::<GenerationDone>()
        .add_message::<GenerationFailed>()
        .add_message::<GenerationCancelled>()
        .add_message::<Replaced>()
        .add_systems(
            PreUpdate,
            (
                (take_wishes, receive_events).chain().in_set(PixelsGenSystems::ReceiveEvents),
                (reload_assets, tell_entities).chain().in_set(PixelsGenSystems::ReloadAssets),
            )
                .run_if(resource_exists::<GenJobs>),
        )
        .add_systems(
            PreUpdate,
            refuse_wishes.in_set(PixelsGenSystems::ReceiveEvents).run_if(not(resource_exists::<GenJobs>)),
        );
    if app.world().contains_resource::<Assets<Image>>() {
        let note = note_unreadable.in_set(PixelsGenSystems::ReceiveEvents).run_if(resource_exists::<GenJobs>);
        app.add_systems(PreUpdate, note);
    }
    status::add_to(app);
    if !app.world().contains_resource::<GenJobs>() {
        let config = EngineConfig::sdxl(plugin.device, plugin.resolved_data_dir(), plugin.resolved_gen_dir())
            .with_step_pause(plugin.step_pause)
            .with_fp8_linear(plugin.fp8_linear)
            .with_kept_queue();
        match GenJobs::start(config) {
            Ok(jobs) => {
                app.insert_resource(jobs);
            }
            Err(error) => error!("no sprites can be generated: {error}"),
        }
    }
    let assets = crate::plugin::assets_dir(app);
    if let Some(mut jobs) = app.world_mut().get_resource_mut::<GenJobs>() {
        jobs.know_folders(assets, plugin.resolved_model_dirs());
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

/// Shows in the panel which picture of `gen://` cannot be read; the log has it from Bevy. Recipes say it themselves.
fn note_unreadable(mut failed: MessageReader<AssetLoadFailedEvent<Image>>, mut jobs: ResMut<GenJobs>) {
    for AssetLoadFailedEvent { path, error, .. } in failed.read() {
        if path.source().as_str() == Some(SOURCE) && baked_file(path.path()).is_none() {
            jobs.set_error_of(&path.to_string(), Some(error.to_string()));
        }
    }
}

/// A sprite that was replaced in this frame, by the name of its file.
#[derive(Message, Clone, Debug)]
pub(crate) struct Replaced(pub(crate) GenPath);

/// Has the asset server read every replaced file again: same handle, new pixels, no file watcher.
pub(crate) fn reload_assets(
    mut jobs: ResMut<GenJobs>,
    assets: Res<AssetServer>,
    mut replaced: MessageWriter<Replaced>,
) {
    if !jobs.has_replaced() {
        return;
    }
    for path in jobs.take_replaced() {
        assets.reload(path.asset_path());
        if let Some(recipe) = recipe_file(path.asset_path().as_ref()) {
            // What is not loaded is not loaded again. As text, since a path would lose its source.
            assets.reload(recipe.to_string_lossy().into_owned());
        }
        replaced.write(Replaced(path));
    }
}

/// Tells the entities that show a replaced sprite.
fn tell_entities(
    mut replaced: MessageReader<Replaced>,
    sprites: Query<(Entity, &Sprite)>,
    meshes: Query<(Entity, &SpriteMesh)>,
    mut commands: Commands,
) {
    for Replaced(path) in replaced.read() {
        let sprites = sprites.iter().map(|(entity, sprite)| (entity, &sprite.image));
        let meshes = meshes.iter().map(|(entity, mesh)| (entity, &mesh.image));
        for (entity, _) in sprites.chain(meshes).filter(|(_, image)| shows(image, path)) {
            commands.trigger(SpriteGenerated { entity, path: path.clone() });
        }
    }
}

/// Whether an image is that of a sprite's file.
pub(crate) fn shows<A: Asset>(image: &Handle<A>, path: &GenPath) -> bool {
    image.path().and_then(gen_path_at).as_ref() == Some(path)
}

/// The file that a sprite shows, if it is one that can be generated: a PNG below `gen://`, or that of a recipe.
#[cfg(feature = "panel")]
pub(crate) fn gen_path(sprite: &Sprite) -> Option<GenPath> {
    gen_path_at(sprite.image.path()?)
}

/// The same for an asset: a PNG below `gen://`, or a recipe.
pub(crate) fn gen_path_at(path: &AssetPath<'_>) -> Option<GenPath> {
    let text = match baked_file(path.path()) {
        Some(baked) => baked.to_str()?.to_owned(),
        None => path.path().to_str()?.to_owned(),
    };
    match path.source() {
        AssetSourceId::Name(name) if &**name == SOURCE => GenPath::parse(&text).ok(),
        AssetSourceId::Default if baked_file(path.path()).is_some() => GenPath::parse(&format!("assets://{text}")).ok(),
        AssetSourceId::Default | AssetSourceId::Name(_) => None,
    }
}
