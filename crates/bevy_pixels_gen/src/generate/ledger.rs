//! Puts sprites into the game and takes them back, on a thread of its own and in the order in which it is told: a disk
//! takes its time, and no frame waits for it.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pixgen_api::{GenPath, JobId, MAX_RECIPE_BYTES, Request, recipe_file};
use pixgen_engine::{Bake, EngineError, Provenance, RecipeFolders, Store, bake_of, rewrite_recipe};

/// Changes that can be taken back.
const MAX_UNDO: usize = 100;
/// What is said when the thread is gone.
const GONE: &str = "the thread that writes files has ended with an internal error: start the program again";

/// What the thread is told to do.
enum Order {
    /// Where the game's other assets and its models lie.
    Folders(PathBuf, Vec<PathBuf>),
    Apply {
        hash: String,
        path: GenPath,
        by: By,
    },
    Undo,
    Redo,
    Put(Put),
}

/// On whose behalf a sprite is put into the game.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// The user has chosen it.
    User,
    /// A job has just drawn it.
    Job(JobId),
    /// An earlier run of the game has drawn it for this job, and has put it there unless it was killed in between: what
    /// was put there since is not replaced.
    EarlierRun(JobId),
}

impl By {
    fn job(self) -> Option<JobId> {
        match self {
            Self::User => None,
            Self::Job(job) | Self::EarlierRun(job) => Some(job),
        }
    }
}

/// A recipe's sprite that is to stand beside it.
pub(crate) struct Put {
    /// The job that drew it; `None` for one that was drawn in an earlier run.
    pub(crate) job: Option<JobId>,
    /// Its name in the history.
    pub(crate) hash: String,
    /// The folder of its asset source, and its place in it; `None` where nothing can be written.
    pub(crate) place: Option<(PathBuf, GenPath)>,
    /// Whether its recipe and what stands there are as they were when it was asked for.
    pub(crate) may: Box<dyn FnOnce() -> bool + Send>,
    /// Under which name it is remembered where it cannot be put beside its recipe.
    pub(crate) key: String,
}

/// What came of a [`Put`].
#[derive(Debug)]
pub(crate) struct PutDone {
    pub(crate) job: Option<JobId>,
    /// The sprite's name in the history.
    pub(crate) hash: String,
    pub(crate) result: PutResult,
}

/// Whether a recipe has its sprite.
#[derive(Debug)]
pub(crate) enum PutResult {
    /// It stands beside it.
    Beside,
    /// It cannot stand there, for this reason; the history remembers it.
    Remembered(String),
    /// Its recipe, a file that this names, or what stands beside it is not as it was: whether it is still the right one has
    /// to be looked at again.
    Changed,
    /// It has none, for this reason.
    Failed(String),
}

/// A sprite that was put somewhere or taken back, or was not.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) job: Option<JobId>,
    /// The place, and the hash of what stands there now; `None` when nothing was changed.
    pub(super) shows: Option<(GenPath, Option<String>)>,
    /// Whether the file is another one than before.
    pub(super) is_new: bool,
    pub(super) error: Option<String>,
    /// What the user should know though it worked.
    pub(super) note: Option<String>,
    /// Whether undo and redo would do something.
    pub(super) can_undo_redo: (bool, bool),
}

impl Changed {
    fn failed(job: Option<JobId>, error: String) -> Self {
        Self { job, shows: None, is_new: false, error: Some(error), note: None, can_undo_redo: (false, false) }
    }
}

pub(super) enum Reply {
    Changed(Changed),
    Put(PutDone),
}

/// The handle to the thread. Dropping it waits until everything is written.
pub(super) struct Ledger {
    orders: Option<Sender<Box<Order>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl Ledger {
    pub(super) fn start(store: Store) -> Result<Self, EngineError> {
        let (orders, inbox) = channel();
        let replies = Arc::default();
        let outbox = Arc::clone(&replies);
        let clerk = Clerk { store, assets: None, models: Vec::new(), undo: Vec::new(), redo: Vec::new() };
        let failed =
            |source| EngineError::Io { action: "starting", path: "the thread that writes files".into(), source };
        let builder = std::thread::Builder::new().name("pixgen-files".to_owned());
        let thread = builder.spawn(move || clerk.work(&inbox, &outbox)).map_err(failed)?;
        Ok(Self { orders: Some(orders), replies, thread: Some(thread) })
    }

    pub(super) fn know_folders(&self, assets: PathBuf, models: Vec<PathBuf>) {
        self.send(Order::Folders(assets, models));
    }

    pub(super) fn apply(&self, hash: &str, path: &GenPath, by: By) {
        self.send(Order::Apply { hash: hash.to_owned(), path: path.clone(), by });
    }

    pub(super) fn undo(&self) {
        self.send(Order::Undo);
    }

    pub(super) fn redo(&self) {
        self.send(Order::Redo);
    }

    pub(super) fn put(&self, put: Put) {
        self.send(Order::Put(put));
    }

    pub(super) fn has_replies(&self) -> bool {
        !self.lock().is_empty()
    }

    pub(super) fn take_reply(&self) -> Option<Reply> {
        self.lock().pop_front()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Reply>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, order: Order) {
        let Some(Err(lost)) = self.orders.as_ref().map(|orders| orders.send(Box::new(order))) else { return };
        let reply = match *lost.0 {
            Order::Folders(..) => return,
            Order::Apply { by, .. } => Reply::Changed(Changed::failed(by.job(), GONE.to_owned())),
            Order::Undo | Order::Redo => Reply::Changed(Changed::failed(None, GONE.to_owned())),
            Order::Put(Put { job, hash, .. }) => {
                Reply::Put(PutDone { job, hash, result: PutResult::Failed(GONE.to_owned()) })
            }
        };
        self.lock().push_back(reply);
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has cost what it was about; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// A change of a file of the game, and the way back.
struct Change {
    path: GenPath,
    before: Option<String>,
    after: String,
    recipe: Option<RecipeChange>,
}

/// A change of the recipe beside it.
struct RecipeChange {
    file: PathBuf,
    before: String,
    after: String,
}

/// What the thread knows.
struct Clerk {
    store: Store,
    assets: Option<PathBuf>,
    models: Vec<PathBuf>,
    undo: Vec<Change>,
    redo: Vec<Change>,
}

/// What a change came to: the place, what stands there now, and whether that is new; a note for the user.
type Shows = (Option<(GenPath, Option<String>)>, bool, Option<String>);

impl Clerk {
    fn work(mut self, orders: &Receiver<Box<Order>>, replies: &Mutex<VecDeque<Reply>>) {
        for order in orders {
            let reply = match *order {
                Order::Folders(assets, models) => {
                    (self.assets, self.models) = (Some(assets), models);
                    continue;
                }
                Order::Apply { hash, path, by } => {
                    let is_kept = matches!(by, By::EarlierRun(_)) && self.was_put_since(&hash, &path);
                    let result = if is_kept { Ok((None, false, None)) } else { self.apply(&hash, path) };
                    self.changed(by.job(), result)
                }
                Order::Undo => {
                    let result = self.take_back();
                    self.changed(None, result)
                }
                Order::Redo => {
                    let result = self.make_again();
                    self.changed(None, result)
                }
                Order::Put(put) => Reply::Put(self.put(put)),
            };
            replies.lock().unwrap_or_else(PoisonError::into_inner).push_back(reply);
        }
    }

    fn changed(&self, job: Option<JobId>, result: Result<Shows, EngineError>) -> Reply {
        let can_undo_redo = (!self.undo.is_empty(), !self.redo.is_empty());
        Reply::Changed(match result {
            Ok((shows, is_new, note)) => Changed { job, shows, is_new, error: None, note, can_undo_redo },
            Err(error) => Changed { can_undo_redo, ..Changed::failed(job, error.to_string()) },
        })
    }

    /// The folder in which a path lies.
    fn folder_of(&self, path: &GenPath) -> &Path {
        let assets = self.assets.as_deref().filter(|_| path.is_in_assets());
        assets.unwrap_or(self.store.gen_dir())
    }

    fn store_of(&self, path: &GenPath) -> Store {
        self.store.in_folder(self.folder_of(path))
    }

    /// Whether the file at `path` is no older than a sprite of the history: that one, or what somebody chose or painted
    /// after it.
    fn was_put_since(&self, hash: &str, path: &GenPath) -> bool {
        let written = |file: &Path| fs::metadata(file).and_then(|data| data.modified()).ok();
        let there = written(&path.file_in(self.folder_of(path)));
        // Where either is not known, what is there stays; where nothing is there, nothing is lost.
        there.is_some_and(|there| {
            written(&self.store.history_dir().join(format!("{hash}.png"))).is_none_or(|drawn| there >= drawn)
        })
    }

    fn apply(&mut self, hash: &str, path: GenPath) -> Result<Shows, EngineError> {
        let before = self.store_of(&path).accept(hash, &path)?;
        let (recipe, note) = match self.adapt_recipe(hash, &path) {
            Ok(recipe) => (recipe, None),
            Err(error) => (None, Some(format!("{error}; so the next start draws what the recipe asks for"))),
        };
        let is_new = before.as_deref() != Some(hash);
        // What is there already is nothing to take back.
        if is_new || recipe.is_some() {
            if self.undo.len() == MAX_UNDO {
                self.undo.remove(0);
            }
            self.undo.push(Change { path: path.clone(), before, after: hash.to_owned(), recipe });
            self.redo.clear();
        }
        Ok((Some((path, Some(hash.to_owned()))), is_new, note))
    }

    /// Writes into the recipe beside a sprite what was drawn, so that it is not drawn over at the next start.
    fn adapt_recipe(&self, hash: &str, path: &GenPath) -> Result<Option<RecipeChange>, EngineError> {
        let folder = self.folder_of(path);
        let Some(file) = recipe_file(&path.file_in(folder)) else { return Ok(None) };
        let is_recipe = fs::metadata(&file).is_ok_and(|data| data.is_file() && data.len() <= MAX_RECIPE_BYTES as u64);
        let Some(before) = fs::read_to_string(&file).ok().filter(|_| is_recipe) else { return Ok(None) };
        let reading = |source| EngineError::Io { action: "reading", path: path.file_in(folder), source };
        let png = fs::read(self.store.history_dir().join(format!("{hash}.png"))).map_err(reading)?;
        // What somebody painted is never drawn over.
        let Some(request) = Provenance::request_of(&png)? else { return Ok(None) };
        if let Ok(recipe) = Request::from_recipe(before.as_bytes())
            && matches!(bake_of(&png, &recipe), Ok(Bake::Fresh))
        {
            return Ok(None);
        }
        let roots = [self.assets.as_deref().unwrap_or(folder), folder];
        let request = RecipeFolders::of_file(&file, &roots, &self.models).relative(&request)?;
        let after = rewrite_recipe(&file, &before, &request)?;
        if after == before {
            return Ok(None);
        }
        Store::replace_text(&file, &before, &after)?;
        Ok(Some(RecipeChange { file, before, after }))
    }

    fn take_back(&mut self) -> Result<Shows, EngineError> {
        let Some(change) = self.undo.last() else { return Ok((None, false, None)) };
        let stood = self.store_of(&change.path).restore(&change.path, change.before.as_deref());
        let Some((mut change, stood)) = settle(&mut self.undo, stood)? else { return Ok((None, false, None)) };
        // What stood there may have been painted on since: redo brings that back, not the older version.
        change.after = stood.unwrap_or(change.after);
        let recipe = change.recipe.as_ref();
        let written = recipe.map(|recipe| Store::replace_text(&recipe.file, &recipe.after, &recipe.before));
        let shows = (change.path.clone(), change.before.clone());
        self.redo.push(change);
        Ok((Some(shows), true, note_of(written)))
    }

    fn make_again(&mut self) -> Result<Shows, EngineError> {
        let Some(change) = self.redo.last() else { return Ok((None, false, None)) };
        let before = self.store_of(&change.path).accept(&change.after, &change.path);
        let Some((mut change, before)) = settle(&mut self.redo, before)? else { return Ok((None, false, None)) };
        change.before = before;
        let recipe = change.recipe.as_ref();
        let written = recipe.map(|recipe| Store::replace_text(&recipe.file, &recipe.before, &recipe.after));
        let shows = (change.path.clone(), Some(change.after.clone()));
        self.undo.push(change);
        Ok((Some(shows), true, note_of(written)))
    }

    fn put(&self, put: Put) -> PutDone {
        let Put { job, hash, place, may, key } = put;
        let beside = match &place {
            None => Err("the asset source of the recipe is none whose files can be written".to_owned()),
            Some((root, path)) => match self.store.in_folder(root).accept_if(&hash, path, may) {
                Ok(_) => Ok(()),
                Err(EngineError::ChangedMeanwhile { .. }) => return PutDone { job, hash, result: PutResult::Changed },
                Err(error) => Err(error.to_string()),
            },
        };
        let result = match beside {
            Ok(()) => PutResult::Beside,
            Err(reason) => match self.store.remember_bake(&key, &hash) {
                Ok(()) => PutResult::Remembered(reason),
                Err(error) => PutResult::Failed(format!("{reason}; {error}")),
            },
        };
        PutDone { job, hash, result }
    }
}

fn note_of(written: Option<Result<(), EngineError>>) -> Option<String> {
    written?.err().map(|error| error.to_string())
}

/// Takes the last change off its stack when the store has done it. One that failed stays, to be tried again, unless the
/// history has lost its sprite: that would stand in the way of all older ones for ever.
fn settle<T>(stack: &mut Vec<Change>, result: Result<T, EngineError>) -> Result<Option<(Change, T)>, EngineError> {
    match result {
        Ok(value) => Ok(stack.pop().map(|change| (change, value))),
        Err(error) => {
            if matches!(error, EngineError::UnknownSprite { .. } | EngineError::DamagedSprite { .. }) {
                stack.pop();
            }
            Err(error)
        }
    }
}
