//! `dgx-pixels bake DIR`: the sprites of a game's recipes that are missing or stale; `--check` only tells which.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use pixgen_api::{RECIPE_EXTENSION, Request, baked_file};
use pixgen_engine::{Bake, HashCache, bake_with};

use crate::batch::workers::{self, Message, Wanted};
use crate::config;
use crate::context::Context;
use crate::events::{Report, Role};
use crate::exit::{Exit, Interrupted, usage};
use crate::interrupt;
use crate::names::write_over;
use crate::png_text::bake_in;
use crate::recipes::Places;
use crate::session::SessionConfig;

/// Deepest folder that is looked into: links can make circles.
const MAX_DEPTH: usize = 32;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels bake\n\
\x20 dgx-pixels bake game/assets --check\n\
\x20 dgx-pixels bake --force --device cpu")]
pub(crate) struct Arguments {
    /// The folder with *.sprite.ron files, usually the game's assets.
    #[arg(default_value = "assets")]
    folder: PathBuf,
    /// The folder of the game's assets, in which recipes may name files [default: the one called assets, else FOLDER].
    #[arg(long, value_name = "FOLDER", help_heading = "Recipes")]
    assets: Option<PathBuf>,
    /// Draw nothing: print the recipes whose sprite is missing, stale or damaged, and exit with 3 if there are any.
    #[arg(long, help_heading = "Recipes")]
    check: bool,
    /// Replace pictures that were not drawn by this program, too.
    #[arg(long, help_heading = "Recipes")]
    force: bool,
    /// Where to draw: auto, cpu, cuda:0, metal:0 [default: auto].
    #[arg(long, value_name = "DEVICE", help_heading = "Model")]
    pub(crate) device: Option<String>,
}

/// Why a recipe has to be baked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// There is nothing to do.
    Fresh,
    /// There is no PNG.
    Missing,
    /// The recipe, or a file that it names, was edited after the PNG was drawn.
    Stale,
    /// The PNG is not ours.
    ByHand,
    /// The PNG cannot be read.
    Damaged(String),
    /// The recipe cannot be read, or names a file that is none of its business.
    Broken(String),
}

impl State {
    fn text(&self) -> String {
        match self {
            Self::Fresh => "fresh".to_owned(),
            Self::Missing => "its sprite is missing".to_owned(),
            Self::Stale => "it, or a file that it names, was edited after its sprite was drawn".to_owned(),
            Self::ByHand => "its picture was not drawn by this program".to_owned(),
            Self::Damaged(reason) => format!("its sprite is damaged: {reason}"),
            Self::Broken(reason) => reason.clone(),
        }
    }
}

/// A recipe with its sprite.
#[derive(Debug)]
struct Recipe {
    path: PathBuf,
    baked: PathBuf,
    wish: Option<Wish>,
    state: State,
}

/// What a recipe asks for.
#[derive(Debug)]
struct Wish {
    /// As it is written.
    recipe: Request,
    /// With its files at their places on the disk.
    placed: Request,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    if !arguments.folder.is_dir() {
        let folder = arguments.folder.display();
        return Err(usage(format!(
            "{folder} is no folder: give the folder with the game's *.{RECIPE_EXTENSION} files"
        )));
    }
    let mut paths = Vec::new();
    collect(&arguments.folder, 0, &mut paths)?;
    paths.sort();
    let reader = Reader {
        folder: &arguments.folder,
        places: Places::new(&arguments.folder, arguments.assets.as_deref(), &context.settings)?,
        hashes: config::Places::find()?.hash_cache(),
    };
    let recipes = reader.read_all(&paths);
    // What was read after Ctrl-C is worth nothing.
    interrupt::check()?;
    if arguments.check {
        return Ok(check(&recipes, context));
    }
    bake(&recipes, &reader, arguments, context)
}

/// Every recipe below a folder.
fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = folder.read_dir().with_context(|| format!("reading the folder {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading the folder {}", folder.display()))?;
        let path = entry.path();
        // Links are followed for files, as artists share them, and not for folders.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth < MAX_DEPTH {
                collect(&path, depth + 1, found)?;
            }
        } else if baked_file(&path).is_some() {
            found.push(path);
        }
    }
    Ok(())
}

/// Reads recipes and judges their sprites, as the plugin does.
struct Reader<'a> {
    /// The folder with all of them.
    folder: &'a Path,
    places: Places,
    /// Of the files that they name: many name the same.
    hashes: HashCache,
}

impl Reader<'_> {
    /// Reads the recipes on all cores: thousands of them are small files.
    fn read_all(&self, paths: &[PathBuf]) -> Vec<Recipe> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = paths.len().div_ceil(cores).max(1);
        std::thread::scope(|scope| {
            let readers: Vec<_> = paths
                .chunks(share)
                .map(|part| scope.spawn(move || part.iter().map(|path| self.read(path)).collect::<Vec<_>>()))
                .collect();
            let join = |reader: std::thread::ScopedJoinHandle<'_, Vec<Recipe>>| {
                reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            readers.into_iter().flat_map(join).collect()
        })
    }

    fn read(&self, path: &Path) -> Recipe {
        let baked = baked_file(path).unwrap_or_default();
        let (wish, state) = match self.wish(path) {
            Err(reason) => (None, State::Broken(reason)),
            Ok(wish) => {
                let state = self.state_of(&baked, &wish);
                (Some(wish), state)
            }
        };
        Recipe { path: path.to_owned(), baked, wish, state }
    }

    /// What a recipe asks for, or why it may not.
    fn wish(&self, path: &Path) -> Result<Wish, String> {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let recipe = Request::from_recipe(&bytes).map_err(|error| error.to_string())?;
        let folders = self.places.of(path.strip_prefix(self.folder).unwrap_or(path));
        let placed = folders.resolve(&recipe).map_err(|error| error.to_string())?;
        Ok(Wish { recipe, placed })
    }

    /// What the PNG of a recipe is now.
    fn state_of(&self, baked: &Path, wish: &Wish) -> State {
        let judge = |png: &[u8]| {
            let inputs = self.hashes.inputs_of(&wish.placed, &interrupt::requested)?;
            bake_with(png, &wish.recipe, &wish.placed, &inputs)
        };
        match fs::read(baked) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::Missing,
            Err(error) => State::Damaged(error.to_string()),
            Ok(bytes) => match bake_in(&bytes, judge) {
                Ok(Bake::Fresh) => State::Fresh,
                Ok(Bake::Stale) => State::Stale,
                Ok(Bake::ByHand) => State::ByHand,
                Err(error) => State::Damaged(error.to_string()),
            },
        }
    }
}

/// What is said of a picture that is not replaced.
fn stays(recipe: &Recipe) -> String {
    format!("{}: {}, and stays; --force replaces it", recipe.path.display(), State::ByHand.text())
}

/// Lists what drifted: the recipe on stdout, the reason on stderr. A picture by hand is somebody's decision.
fn check(recipes: &[Recipe], context: &Context) -> Exit {
    let printer = &context.printer;
    let drifted = recipes.iter().filter(|recipe| !matches!(recipe.state, State::Fresh | State::ByHand));
    let mut exit = Exit::Success;
    for recipe in drifted {
        exit = Exit::Drift;
        printer.failed(&recipe.path.display().to_string(), &recipe.state.text());
        if !printer.is_json() {
            printer.path(&recipe.path);
        }
    }
    exit
}

fn bake(recipes: &[Recipe], reader: &Reader<'_>, arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let printer = &context.printer;
    let mut exit = Exit::Success;
    let mut requests = Vec::new();
    for (index, recipe) in recipes.iter().enumerate() {
        let path = recipe.path.display().to_string();
        match (&recipe.state, &recipe.wish) {
            (State::Fresh, _) => {}
            (State::ByHand, _) if !arguments.force => {
                printer.note(&stays(recipe));
            }
            (_, Some(Wish { recipe, placed })) => {
                requests.push(Wanted { index, request: placed.clone(), recipe: Some(recipe.clone()) });
            }
            (state, None) => {
                exit = Exit::Incomplete;
                printer.failed(&path, &state.text());
            }
        }
    }
    if requests.is_empty() {
        printer.note(&format!("{} recipes, nothing to draw", recipes.len()));
        return Ok(exit);
    }
    let bar = printer.progress().bar("baking", requests.len() as u64);
    let mut done = 0;
    // One engine: recipes of one game share their model, and it is loaded once.
    let config = SessionConfig::of(&context.settings, 1, None)?;
    workers::draw(config, &requests, |message| {
        match message {
            Message::Started(index) => {
                let item = recipes[index].path.display().to_string();
                printer.event(&Report::Started { item: &item });
            }
            Message::Warning(text) => printer.warning(&text),
            Message::Drawn { index, png, size_px } => {
                let recipe = &recipes[index];
                let Recipe { baked, wish, .. } = recipe;
                // Somebody may have saved a picture of theirs while this one was drawn.
                let now = wish.as_ref().map(|wish| reader.state_of(baked, wish));
                if now == Some(State::ByHand) && !arguments.force {
                    printer.note(&stays(recipe));
                } else {
                    write_over(baked, &png)?;
                    printer.wrote_picture(baked, Role::Sprite, None, Some(size_px));
                }
                done += 1;
            }
            Message::Failed { index, error } => {
                exit = Exit::Incomplete;
                printer.failed(&recipes[index].path.display().to_string(), &error);
                done += 1;
            }
        }
        bar.set(done);
        Ok(())
    })?;
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    Ok(exit)
}
