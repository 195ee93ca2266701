//! Keeps the bakes of all recipes in use up to date: has missing and stale ones drawn, and notices edits.
//!
//! The loader reports every recipe that it read. Files are looked at on Bevy's I/O threads a few times a second, so
//! that an edit is noticed with or without Bevy's `file_watcher`, and the main thread never waits for a disk.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bevy::asset::{AssetPath, AssetServer};
use bevy::platform::collections::HashMap;
use bevy::prelude::*;
use bevy::tasks::{IoTaskPool, Task, block_on, poll_once};
use pixgen_api::{GenPath, JobId, Request};

use super::files::{Files, Stamps};
use super::loader::Seen;
use super::{BakeState, IMAGE_LABEL, LAYOUT_LABEL, SpriteSheet};
use crate::PixelsGenSystems;
use crate::generate::{GenJobs, GenerationCancelled, GenerationDone, GenerationFailed, SpriteGenerated};
use crate::source::SOURCE;

/// Recipes that are given to the engine at a time. What is asked for in between comes first anyway; this keeps the list
/// of jobs short.
const MAX_IN_FLIGHT: usize = 2;
/// Time between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A recipe's sprite was drawn and is being swapped in, or could not be.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct RecipeBaked {
    /// The recipe.
    pub recipe: AssetPath<'static>,
    /// The job that drew it.
    pub job: JobId,
    /// What went wrong and what to do. The game goes on with the pixels that it had.
    pub result: Result<(), String>,
}

/// A recipe that something in the game uses.
#[derive(Default)]
struct Tracked {
    /// Keeps the recipe in memory while only parts of it are used: Bevy loads nothing again whose root is gone.
    root: Option<Handle<SpriteSheet>>,
    files: Option<Files>,
    /// How the files looked to the loader; `None` while it is on its way to look again.
    stamps: Option<Stamps>,
    /// Counts looks of the loader, to tell an old look at the files from a new one.
    version: u32,
    /// Waits for its turn in the backlog.
    wanted: Option<Request>,
    job: Option<(JobId, Request)>,
    /// What the PNG was drawn for when it was last the right one.
    fresh: Option<Request>,
    /// What was drawn, failed or was cancelled: not to be drawn again before the recipe changes.
    settled: Option<Request>,
    /// What the panel was told about it.
    error: Option<String>,
}

/// A look at the files of all recipes: path, version, and how they look now.
type Look = Task<Vec<(AssetPath<'static>, u32, Stamps)>>;

#[derive(Resource)]
struct RecipeWatch {
    seen: Mutex<Receiver<Seen>>,
    tracked: HashMap<AssetPath<'static>, Tracked>,
    backlog: VecDeque<AssetPath<'static>>,
    look: Option<Look>,
    next_look: Instant,
}

/// Adds the watch, which learns from `seen` what the loader reads.
pub(super) fn add_to(seen: Receiver<Seen>, app: &mut App) {
    app.add_message::<RecipeBaked>()
        .insert_resource(RecipeWatch {
            seen: Mutex::new(seen),
            tracked: HashMap::default(),
            backlog: VecDeque::new(),
            look: None,
            next_look: Instant::now(),
        })
        .add_systems(
            PreUpdate,
            (take_seen, take_results, submit, look)
                .chain()
                .in_set(PixelsGenSystems::BakeRecipes)
                .run_if(resource_exists::<GenJobs>),
        );
}

/// Hears from the loader what recipes there are and which of them want to be drawn.
fn take_seen(mut watch: ResMut<RecipeWatch>, mut jobs: ResMut<GenJobs>, assets: Res<AssetServer>) {
    let all: Vec<Seen> = watch.seen.get_mut().unwrap_or_else(PoisonError::into_inner).try_iter().collect();
    for Seen { path, files, stamps, outcome } in all {
        let RecipeWatch { tracked, backlog, .. } = &mut *watch;
        let recipe = tracked.entry(path.clone()).or_default();
        (recipe.files, recipe.stamps, recipe.version) = (files, stamps, recipe.version.wrapping_add(1));
        let root = || assets.get_handle(path.clone()).unwrap_or_else(|| assets.load(path.clone()));
        recipe.root.get_or_insert_with(root);
        let error = outcome.as_ref().err().map(|error| format!("{path}: {error}"));
        tell_panel(recipe, &mut jobs, error);
        let wanted = match outcome {
            Ok((request, BakeState::Missing)) => Some(request),
            // Where the recipe is as it was, somebody has put another sprite in its place while the game runs: the
            // panel, or a version control system. That is what they want to see.
            Ok((request, BakeState::Stale)) => Some(request).filter(|request| recipe.fresh.as_ref() != Some(request)),
            Ok((request, BakeState::Fresh)) => {
                recipe.fresh = Some(request);
                None
            }
            Ok((_, BakeState::ByHand | BakeState::Unchecked)) | Err(_) => None,
        };
        if recipe.job.as_ref().map(|(_, request)| request) == wanted.as_ref() && wanted.is_some() {
            continue; // It is being drawn.
        }
        if let Some((job, _)) = recipe.job.take() {
            jobs.cancel(job); // It draws what nobody wants any more.
        }
        if wanted.is_some() && recipe.settled == wanted {
            recipe.wanted = None;
            continue;
        }
        recipe.settled = None;
        if wanted.is_some() && recipe.wanted.is_none() {
            backlog.push_back(path);
        }
        recipe.wanted = wanted;
    }
}

/// Shows an error in the panel, or takes back the one that was shown.
fn tell_panel(recipe: &mut Tracked, jobs: &mut ResMut<GenJobs>, error: Option<String>) {
    if error.is_some() {
        jobs.set_error(error.clone());
    } else if recipe.error.is_some() && jobs.error() == recipe.error.as_deref() {
        jobs.set_error(None);
    }
    recipe.error = error;
}

/// Puts what the engine has drawn beside its recipe, and has it loaded.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
fn take_results(
    mut watch: ResMut<RecipeWatch>,
    mut jobs: ResMut<GenJobs>,
    mut done: MessageReader<GenerationDone>,
    mut failed: MessageReader<GenerationFailed>,
    mut cancelled: MessageReader<GenerationCancelled>,
    mut baked: MessageWriter<RecipeBaked>,
    assets: Res<AssetServer>,
    sprites: Query<(Entity, &Sprite)>,
    mut commands: Commands,
) {
    let mut ended: Vec<(JobId, Result<String, String>)> = Vec::new();
    ended.extend(done.read().filter_map(|done| Some((done.job, Ok(done.images.first()?.hash.clone())))));
    ended.extend(failed.read().map(|failed| (failed.job, Err(failed.error.clone()))));
    ended.extend(cancelled.read().map(|cancelled| (cancelled.job, Err("it was cancelled".to_owned()))));
    for (job, result) in ended {
        let ours = watch.tracked.iter_mut().find(|(_, recipe)| recipe.job.as_ref().is_some_and(|(id, _)| *id == job));
        let Some((path, recipe)) = ours else { continue };
        let path = path.clone();
        recipe.settled = recipe.job.take().map(|(_, request)| request);
        let result = result.and_then(|hash| put(&jobs, &hash, &path, recipe.files.as_ref()));
        match &result {
            Ok(target) => {
                // Until the loader has looked again, every look at the files would see a change.
                recipe.stamps = None;
                assets.reload(path.clone());
                // The same file may be shown without its recipe.
                let plain = (path.source().as_str() == Some(SOURCE)).then(|| AssetPath::from(target.asset_path()));
                plain.iter().for_each(|plain| assets.reload(plain.clone()));
                for (entity, sprite) in &sprites {
                    let shown = sprite.image.path().map(AssetPath::without_label);
                    if shown.is_some() && (shown.as_ref() == Some(&path) || shown == plain) {
                        commands.trigger(SpriteGenerated { entity, path: target.clone() });
                    }
                }
            }
            Err(error) => {
                let error = format!("{path} was not drawn: {error}");
                error!("{error}");
                tell_panel(recipe, &mut jobs, Some(error));
            }
        }
        baked.write(RecipeBaked { recipe: path, job, result: result.map(|_| ()) });
    }
}

/// Puts a sprite of the history beside its recipe.
fn put(jobs: &GenJobs, hash: &str, recipe: &AssetPath<'_>, files: Option<&Files>) -> Result<GenPath, String> {
    let Some(files) = files else {
        return Err(format!(
            "the asset source of {recipe} is none whose files can be written; bake it with `dgx-pixels bake`"
        ));
    };
    let below_root = files.baked.strip_prefix(&files.root).unwrap_or(&files.baked);
    let target = GenPath::parse(&below_root.to_string_lossy()).map_err(|e| e.to_string())?;
    jobs.store_in(&files.root).accept(hash, &target).map_err(|e| e.to_string())?;
    Ok(target)
}

/// Gives the engine the next recipes, a few at a time.
fn submit(mut watch: ResMut<RecipeWatch>, mut jobs: ResMut<GenJobs>) {
    if watch.backlog.is_empty() {
        return;
    }
    let RecipeWatch { tracked, backlog, .. } = &mut *watch;
    let mut in_flight = tracked.values().filter(|recipe| recipe.job.is_some()).count();
    while in_flight < MAX_IN_FLIGHT
        && let Some(path) = backlog.pop_front()
    {
        // One that is not wanted any more has only left its place in the backlog behind.
        let Some(recipe) = tracked.get_mut(&path) else { continue };
        let Some(request) = recipe.wanted.take() else { continue };
        let job = jobs.submit_recipe(request.clone());
        recipe.job = Some((job, request));
        in_flight += 1;
    }
}

/// Looks at the files now and then, and has what changed loaded again.
fn look(mut watch: ResMut<RecipeWatch>, assets: Res<AssetServer>, sheets: Res<Assets<SpriteSheet>>) {
    let watch = watch.bypass_change_detection();
    if let Some(look) = &mut watch.look {
        let Some(found) = block_on(poll_once(look)) else { return };
        watch.look = None;
        watch.next_look = Instant::now() + LOOK_EVERY;
        for (path, version, stamps) in found {
            let Some(recipe) = watch.tracked.get_mut(&path).filter(|recipe| recipe.version == version) else {
                continue;
            };
            if recipe.stamps.is_some_and(|known| known != stamps) {
                // Known at once: the loader never looks at a recipe that is gone, and it may come back.
                recipe.stamps = Some(stamps);
                assets.reload(path);
            }
        }
    } else if Instant::now() >= watch.next_look && !watch.tracked.is_empty() {
        watch.tracked.retain(|path, recipe| {
            recipe.job.is_some() || recipe.wanted.is_some() || in_use(&assets, &sheets, path, recipe)
        });
        let all = watch.tracked.iter().filter(|(_, recipe)| recipe.stamps.is_some());
        let all: Vec<_> =
            all.filter_map(|(path, recipe)| Some((path.clone(), recipe.version, recipe.files.clone()?))).collect();
        watch.look = Some(IoTaskPool::get().spawn(async move {
            all.into_iter().map(|(path, version, files)| (path, version, files.stamps())).collect()
        }));
    }
}

/// Whether anything but the watch holds a handle to the recipe or to a part of it.
fn in_use(assets: &AssetServer, sheets: &Assets<SpriteSheet>, path: &AssetPath<'static>, recipe: &Tracked) -> bool {
    let Some(root) = &recipe.root else { return true };
    let parts_in_use = match sheets.get(root) {
        Some(sheet) => holders(&sheet.image) > 1 || holders(&sheet.layout) > 1,
        None => [IMAGE_LABEL, LAYOUT_LABEL]
            .into_iter()
            .any(|label| assets.get_handle_untyped(path.clone().with_label(label)).is_some()),
    };
    parts_in_use || holders(root) > 1
}

/// How many handles keep an asset alive.
fn holders<A: Asset>(handle: &Handle<A>) -> usize {
    match handle {
        Handle::Strong(shared) => Arc::strong_count(shared),
        Handle::Uuid(..) => 0,
    }
}
