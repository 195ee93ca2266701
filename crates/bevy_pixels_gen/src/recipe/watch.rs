//! Keeps the bakes of all recipes in use up to date: has missing and stale ones drawn, and notices edits.
//!
//! The loader reports every recipe that it read. Files are looked at on Bevy's I/O threads a few times a second, so
//! that an edit is noticed with or without Bevy's `file_watcher`, and the main thread never waits for a disk.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bevy::asset::{AssetPath, AssetServer};
use bevy::platform::collections::{HashMap, HashSet};
use bevy::prelude::*;
use bevy::tasks::{IoTaskPool, Task, block_on, poll_once};
use pixgen_api::JobId;

use super::files::{Files, Stamps};
use super::loader::{Found, Look, Seen};
use super::overseer::Wish;
use super::{BakeState, IMAGE_LABEL, LAYOUT_LABEL, SpriteSheet};
use crate::PixelsGenSystems;
use crate::generate::{
    GenJobs, GenerationCancelled, GenerationDone, GenerationFailed, Put, PutDone, PutResult, Replaced, gen_path_at,
};

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
    /// How they looked when the loader judged them last: only what looks like that may be replaced.
    judged: Option<Stamps>,
    /// Counts looks of the loader, to tell an old look at the files from a new one.
    version: u32,
    /// Waits for its turn.
    wanted: Option<Wish>,
    /// Has a place in the backlog.
    is_in_backlog: bool,
    job: Option<(JobId, Wish)>,
    /// What was drawn for it and could not be put beside it, because one of its files was written to meanwhile; until the
    /// loader has looked again.
    drawn: Option<Drawn>,
    /// What the PNG was drawn for when it was last the right one.
    fresh: Option<Wish>,
    /// What was drawn, failed or was cancelled: not to be drawn again before the recipe changes.
    settled: Option<Wish>,
    /// A sprite of an earlier run was offered a place beside its recipe.
    was_offered: bool,
    /// Why its sprite is not beside it, as the panel was told.
    unwritable: Option<String>,
    /// What the panel was told about it.
    error: Option<String>,
}

impl Tracked {
    /// Whether it is the same file as `other`, on another way.
    fn is_twin(&self, other: &Files) -> bool {
        self.files.as_ref().is_some_and(|files| files.id == other.id)
    }
}

/// A sprite that waits for a second look at its recipe.
struct Drawn {
    job: JobId,
    wish: Wish,
    hash: String,
}

/// A look at the files of all recipes: path, version, and how they look now.
type Glance = Task<Vec<(AssetPath<'static>, u32, Stamps)>>;

#[derive(Resource)]
struct RecipeWatch {
    seen: Mutex<Receiver<Seen>>,
    tracked: HashMap<AssetPath<'static>, Tracked>,
    backlog: VecDeque<AssetPath<'static>>,
    look: Option<Glance>,
    next_look: Instant,
    /// Whether it was said that sprites cannot be put beside their recipes.
    said_unwritable: bool,
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
            said_unwritable: false,
        })
        .add_systems(
            PreUpdate,
            (take_seen, take_results, take_put, submit, look)
                .chain()
                .in_set(PixelsGenSystems::BakeRecipes)
                .run_if(resource_exists::<GenJobs>),
        );
}

/// Hears from the loader what recipes there are and which of them want to be drawn.
fn take_seen(mut watch: ResMut<RecipeWatch>, mut jobs: ResMut<GenJobs>, assets: Res<AssetServer>) {
    let all: Vec<Seen> = watch.seen.get_mut().unwrap_or_else(PoisonError::into_inner).try_iter().collect();
    for Seen { look: Look { path, files, stamps }, outcome } in all {
        let RecipeWatch { tracked, backlog, .. } = &mut *watch;
        let recipe = tracked.entry(path.clone()).or_default();
        (recipe.files, recipe.stamps, recipe.version) = (files, stamps, recipe.version.wrapping_add(1));
        recipe.judged.clone_from(&recipe.stamps);
        let root = || assets.get_handle(path.clone()).unwrap_or_else(|| assets.load(path.clone()));
        recipe.root.get_or_insert_with(root);
        let is_remembered = matches!(&outcome, Ok(Found { remembered: Some(_), .. }));
        let error = match &outcome {
            Err(error) => Some(format!("{path}: {error}")),
            Ok(_) => recipe.unwritable.clone().filter(|_| is_remembered),
        };
        tell_panel(&path, recipe, &mut jobs, error);
        let wanted = wanted_of(recipe, &path, outcome, &jobs);
        if recipe.job.as_ref().map(|(_, wish)| wish) == wanted.as_ref() && wanted.is_some() {
            continue; // It is being drawn.
        }
        if let Some((job, _)) = recipe.job.take() {
            jobs.cancel(job); // It draws what nobody wants any more.
        }
        let drawn = recipe.drawn.take().filter(|drawn| wanted.as_ref() == Some(&drawn.wish));
        if let Some(Drawn { job, wish, hash }) = drawn {
            // A comment was edited, or a file was saved as it was: it is the right one all the same.
            jobs.put(put_of(recipe, &path, &wish, Some(job), hash));
            recipe.job = Some((job, wish));
            continue;
        }
        if wanted.is_some() && recipe.settled == wanted {
            recipe.wanted = None;
            continue;
        }
        recipe.settled = None;
        if wanted.is_some() && !recipe.is_in_backlog {
            recipe.is_in_backlog = true;
            backlog.push_back(path);
        }
        recipe.wanted = wanted;
    }
}

/// What is to be drawn for a recipe that the loader has seen.
fn wanted_of(
    recipe: &mut Tracked,
    path: &AssetPath<'static>,
    outcome: Result<Found, String>,
    jobs: &GenJobs,
) -> Option<Wish> {
    let Found { wish, bake, remembered } = outcome.ok()?;
    match bake {
        BakeState::Missing => Some(wish),
        // Where the recipe is as it was, somebody has put another sprite in its place while the game runs: the panel, or
        // a version control system. That is what they want to see.
        BakeState::Stale if recipe.fresh.as_ref() == Some(&wish) => None,
        BakeState::Stale => {
            let drawn = recipe.job.as_ref().map(|(_, wish)| wish).or(recipe.wanted.as_ref());
            let is_by_panel = gen_path_at(path).is_some_and(|path| jobs.shown(&path).is_some());
            if is_by_panel && drawn == Some(&wish) {
                recipe.fresh = Some(wish);
                return None;
            }
            Some(wish)
        }
        BakeState::Fresh => {
            // The folder may be writable again.
            if let Some(hash) = remembered.filter(|_| !recipe.was_offered) {
                recipe.was_offered = true;
                jobs.put(put_of(recipe, path, &wish, None, hash));
            }
            recipe.fresh = Some(wish);
            None
        }
        BakeState::ByHand | BakeState::Unchecked => None,
    }
}

/// A sprite that is to stand beside its recipe, unless somebody has changed one of them.
fn put_of(recipe: &Tracked, path: &AssetPath<'static>, wish: &Wish, job: Option<JobId>, hash: String) -> Put {
    let place = recipe.files.as_ref().and_then(|files| Some((files.root.clone(), gen_path_at(path)?)));
    let (files, judged) = (recipe.files.clone(), recipe.judged.clone());
    let may = move || files.map(|files| files.stamps()) == judged;
    Put { job, hash, place, may: Box::new(may), key: wish.key.clone() }
}

/// Shows an error in the panel, or takes back the one that was shown.
fn tell_panel(path: &AssetPath<'static>, recipe: &mut Tracked, jobs: &mut ResMut<GenJobs>, error: Option<String>) {
    // A look first: taking the resource mutably marks it changed.
    if error.is_some() || recipe.error.is_some() {
        jobs.set_error_of(&path.to_string(), error.clone());
    }
    recipe.error = error;
}

/// Has what the engine has drawn put beside its recipe.
fn take_results(
    mut watch: ResMut<RecipeWatch>,
    mut jobs: ResMut<GenJobs>,
    mut done: MessageReader<GenerationDone>,
    mut failed: MessageReader<GenerationFailed>,
    mut cancelled: MessageReader<GenerationCancelled>,
    mut baked: MessageWriter<RecipeBaked>,
) {
    for GenerationDone { job, images, .. } in done.read() {
        let Some((path, recipe)) = drawn_by(&watch.tracked, *job) else { continue };
        let (Some(image), Some((_, wish))) = (images.first(), &recipe.job) else { continue };
        jobs.put(put_of(recipe, path, wish, Some(*job), image.hash.clone()));
    }
    let mut ended: Vec<(JobId, String)> = Vec::new();
    ended.extend(failed.read().map(|failed| (failed.job, failed.error.clone())));
    ended.extend(cancelled.read().map(|cancelled| (cancelled.job, "it was cancelled".to_owned())));
    for (job, reason) in ended {
        for path in settle(&mut watch.tracked, job) {
            say_failed(&mut watch, &mut jobs, &path, &reason);
            baked.write(RecipeBaked { recipe: path, job, result: Err(reason.clone()) });
        }
    }
}

/// Has what was put beside its recipe loaded.
fn take_put(
    mut watch: ResMut<RecipeWatch>,
    mut jobs: ResMut<GenJobs>,
    mut baked: MessageWriter<RecipeBaked>,
    mut replaced: MessageWriter<Replaced>,
    assets: Res<AssetServer>,
) {
    // A look first, as for the engine's events.
    let put = if jobs.has_put() { jobs.take_put() } else { Vec::new() };
    for PutDone { job, hash, result } in put {
        let Some(job) = job else { continue }; // It was only offered.
        if let PutResult::Changed = result {
            look_again(&mut watch.tracked, job, hash, &assets);
            continue;
        }
        for path in settle(&mut watch.tracked, job) {
            let told = match &result {
                PutResult::Failed(reason) => {
                    say_failed(&mut watch, &mut jobs, &path, reason);
                    Err(reason.clone())
                }
                PutResult::Remembered(reason) => {
                    say_unwritable(&mut watch, &mut jobs, &path, reason);
                    Ok(())
                }
                PutResult::Beside | PutResult::Changed => Ok(()),
            };
            if told.is_ok() {
                if let Some(recipe) = watch.tracked.get_mut(&path) {
                    // Until the loader has looked again, every look at the files would see a change.
                    recipe.stamps = None;
                }
                assets.reload(path.clone());
                if let Some(place) = gen_path_at(&path) {
                    // The same file may be shown without its recipe.
                    if !place.is_in_assets() {
                        assets.reload(place.asset_path());
                    }
                    replaced.write(Replaced(place));
                }
            }
            baked.write(RecipeBaked { recipe: path, job, result: told });
        }
    }
}

/// The recipe that a job draws.
fn drawn_by<'a>(
    tracked: &'a HashMap<AssetPath<'static>, Tracked>,
    job: JobId,
) -> Option<(&'a AssetPath<'static>, &'a Tracked)> {
    tracked.iter().find(|(_, recipe)| recipe.job.as_ref().is_some_and(|(id, _)| *id == job))
}

/// Has the loader say whether what a job has drawn is still what its recipe asks for.
fn look_again(tracked: &mut HashMap<AssetPath<'static>, Tracked>, job: JobId, hash: String, assets: &AssetServer) {
    let Some(path) = drawn_by(tracked, job).map(|(path, _)| path.clone()) else { return };
    let Some(recipe) = tracked.get_mut(&path) else { return };
    recipe.drawn = recipe.job.take().map(|(job, wish)| Drawn { job, wish, hash });
    // A recipe that is gone the loader never looks at; by its stamps it is noticed when it comes back.
    assets.reload(path);
}

/// Notes that a job has ended: its recipe, and others that are the same file, are not drawn again before they change.
fn settle(tracked: &mut HashMap<AssetPath<'static>, Tracked>, job: JobId) -> Vec<AssetPath<'static>> {
    let Some((path, Some((_, wish)))) = drawn_by(tracked, job).map(|(path, recipe)| (path.clone(), &recipe.job)) else {
        return Vec::new();
    };
    let wish = wish.clone();
    let files = tracked.get(&path).and_then(|recipe| recipe.files.clone());
    let is_twin = |recipe: &Tracked| {
        recipe.wanted.as_ref().is_some_and(|wanted| wanted.key == wish.key)
            && files.as_ref().is_some_and(|files| recipe.is_twin(files))
    };
    let mut settled = Vec::new();
    for (other, recipe) in tracked.iter_mut() {
        if *other == path || is_twin(recipe) {
            let own = recipe.job.take().map(|(_, wish)| wish).or_else(|| recipe.wanted.take());
            recipe.settled = own;
            settled.push(other.clone());
        }
    }
    settled.sort_by_key(AssetPath::to_string);
    settled
}

fn say_failed(watch: &mut RecipeWatch, jobs: &mut ResMut<GenJobs>, path: &AssetPath<'static>, reason: &str) {
    let error = format!("{path} was not drawn: {reason}");
    error!("{error}");
    if let Some(recipe) = watch.tracked.get_mut(path) {
        tell_panel(path, recipe, jobs, Some(error));
    }
}

/// Says once that sprites cannot be put beside their recipes: there may be hundreds, at every start.
fn say_unwritable(watch: &mut RecipeWatch, jobs: &mut ResMut<GenJobs>, path: &AssetPath<'static>, reason: &str) {
    let text = format!(
        "{path}: the sprite cannot be put beside its recipe ({reason}); the history keeps it for this computer, others \
         need `dgx-pixels bake`"
    );
    if std::mem::replace(&mut watch.said_unwritable, true) {
        debug!("{text}");
        return;
    }
    warn!("{text}");
    if let Some(recipe) = watch.tracked.get_mut(path) {
        recipe.unwritable = Some(text.clone());
        tell_panel(path, recipe, jobs, Some(text));
    }
}

/// Gives the engine the next recipes, a few at a time.
fn submit(mut watch: ResMut<RecipeWatch>, mut jobs: ResMut<GenJobs>) {
    if watch.backlog.is_empty() {
        return;
    }
    let RecipeWatch { tracked, backlog, .. } = &mut *watch;
    let drawn = tracked.values().filter(|recipe| recipe.job.is_some());
    let looked_at = tracked.values().filter(|recipe| recipe.drawn.is_some());
    let ids = drawn.clone().chain(looked_at).filter_map(|recipe| Some(recipe.files.as_ref()?.id.clone()));
    let mut busy: HashSet<_> = ids.collect();
    let mut in_flight = drawn.count();
    let mut twins = Vec::new();
    while in_flight < MAX_IN_FLIGHT
        && let Some(path) = backlog.pop_front()
    {
        let Some(recipe) = tracked.get_mut(&path) else { continue };
        recipe.is_in_backlog = false;
        // One that is not wanted any more has only left its place in the backlog behind.
        let Some(wish) = recipe.wanted.take() else { continue };
        let id = recipe.files.as_ref().map(|files| files.id.clone());
        if id.as_ref().is_some_and(|id| busy.contains(id)) {
            // The same file is being drawn for another path to it: what comes of that is waited for.
            (recipe.wanted, recipe.is_in_backlog) = (Some(wish), true);
            twins.push(path);
            continue;
        }
        busy.extend(id);
        let job = jobs.submit_recipe(wish.recipe.clone(), wish.request.clone());
        recipe.job = Some((job, wish));
        in_flight += 1;
    }
    twins.into_iter().rev().for_each(|path| backlog.push_front(path));
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
            if recipe.stamps.as_ref().is_some_and(|known| *known != stamps) {
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
