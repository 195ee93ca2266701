//! `dgx-pixels batch FILE`: one sprite a line, resumable.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use pixgen_api::{Kind, ModelRef, Request};
use pixgen_engine::{Bake, bake_of, recipe_hash};

use crate::batch::format::{self, Entry, Format};
use crate::batch::joint::JointPalette;
use crate::batch::journal::{CONTACT_SHEET, Decision, Journal, Wish};
use crate::batch::workers::{self, Message, Wanted};
use crate::context::Context;
use crate::drawing::fresh_seed;
use crate::events::{Report, Role};
use crate::exit::{Exit, Interrupted, OrUsage, usage};
use crate::interrupt;
use crate::names::{make_folder, slug, write_new_from, write_over_from};
use crate::options::DrawOptions;
use crate::picture::{self, Cell, Grid};
use crate::pictures;
use crate::png_text::bake_in;
use crate::session::{SessionConfig, plan};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels batch items.txt --style 16bit --size 64 --output ./assets/items/\n\
\x20 dgx-pixels batch monsters.csv --kind monster --joint-palette 24\n\
\x20 sort names.txt | dgx-pixels batch - --size 16 --jobs 4\n\
\n\
A text file holds one prompt a line: `a red potion | size=16 colors=8 | kind=item name=potion count=2`. Lines that begin \
with # are comments. The options behind | are the flags of this command without dashes. A .csv has a head line with the \
column `prompt` and options as other columns; a .jsonl has one object a line with the key \"prompt\".\n\n\
The same command goes on where an earlier run was ended, draws new lines, and tries failed ones again. Lines that failed \
are listed in FILE.failures.jsonl, which is a batch itself.")]
pub(crate) struct Arguments {
    /// The prompts: text with one a line, .csv or .jsonl; - reads stdin.
    file: PathBuf,
    /// How the file is written [default: what its extension says, else text].
    #[arg(long, value_enum, help_heading = "Lines")]
    format: Option<Format>,
    /// What the sprites show, where a line does not say it [default: item].
    #[arg(long, value_name = "KIND", help_heading = "Lines")]
    kind: Option<Kind>,
    #[command(flatten)]
    pub(crate) options: DrawOptions,
    /// Lines that are drawn at once [default: one a core with the embedded model on the CPU, else 1].
    #[arg(long, value_name = "N", help_heading = "Lines")]
    jobs: Option<u32>,
    /// One palette of N colours for all sprites [without N: 32].
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "32", help_heading = "Look",
          conflicts_with = "palette")]
    joint_palette: Option<u32>,
    /// Draw no picture of all sprites.
    #[arg(long, help_heading = "Output")]
    no_contact_sheet: bool,
    /// The folder to write to [default: ./output].
    #[arg(long, short, value_name = "FOLDER", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// Most engines at once: each holds a model of its own.
const MAX_JOBS: usize = 64;

/// One sprite of the batch.
#[derive(Clone, Debug)]
struct Item {
    entry: Entry,
    request: Request,
    decision: Decision,
}

impl Item {
    /// What a file is to the sprite; `None` when there is none or it is damaged. The look is not asked for: a shared
    /// palette changes it after the drawing.
    fn bake_at(&self, path: &Path) -> Option<Bake> {
        bake_in(&fs::read(path).ok()?, |png| bake_of(png, &self.request)).ok()
    }
}

pub(crate) fn run(arguments: Arguments, context: &Context) -> anyhow::Result<Exit> {
    let printer = &context.printer;
    if arguments.jobs == Some(0) {
        return Err(usage("jobs is 0, expected 1 or more"));
    }
    arguments.joint_palette.map_or(Ok(()), JointPalette::check)?;
    let entries = format::read(&arguments.file, arguments.format)?;
    let wishes = wishes(&arguments, context, &entries)?;
    context.settings.device()?;
    let folder = arguments.output.clone().unwrap_or_else(|| context.settings.path("output"));
    make_folder(&folder)?;
    let batch = Batch::open(&arguments, folder)?;
    let (mut journal, items) = batch.decide(wishes, arguments.joint_palette)?;
    let joint = arguments.joint_palette.map(|colors| JointPalette::new(&batch.data, &batch.work, colors));
    let mut joint = joint.transpose()?;
    let open: Vec<usize> = (0..items.len()).filter(|index| !batch.is_drawn(&items[*index], joint.as_ref())).collect();
    let drawn_before = items.len() - open.len();
    if drawn_before > 0 {
        printer.note(&format!("{drawn_before} of {} sprites were there already", items.len()));
    }
    let mut items = items;
    let jobs = jobs(&arguments, context, &items, &open)?;
    let failures = batch.draw(&mut journal, &mut items, &open, joint.as_ref(), context, jobs)?;
    if let Some(joint) = &mut joint {
        batch.colour_jointly(joint, &mut journal, &mut items, &failures, context)?;
    }
    batch.finish(&arguments, &mut journal, &items, &failures, context)
}

/// Threads that draw.
fn jobs(arguments: &Arguments, context: &Context, items: &[Item], open: &[usize]) -> anyhow::Result<usize> {
    let said = arguments.jobs.map_or_else(|| context.settings.number("jobs"), |jobs| Ok(Some(jobs)))?;
    let has_gpu = cfg!(any(feature = "cuda", feature = "metal"));
    // Each engine holds a model of its own: only the embedded one is small enough to be held many times.
    let is_small = open.iter().all(|index| items[*index].request.model == ModelRef::Embedded);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let by_itself = if is_small && !has_gpu { cores } else { 1 };
    let jobs = said.map_or(by_itself, |jobs| jobs as usize);
    Ok(jobs.clamp(1, MAX_JOBS).min(open.len().max(1)))
}

/// What every sprite of the batch is: entry, request and key. All lines are checked before the first one is drawn.
fn wishes(arguments: &Arguments, context: &Context, entries: &[Entry]) -> anyhow::Result<Vec<(Entry, Request, Wish)>> {
    let mut wishes = Vec::new();
    let mut seen: HashMap<String, u32> = HashMap::new();
    for entry in entries {
        let check = || {
            let pairs = entry.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let options = DrawOptions::from_pairs(pairs)?.over(arguments.options.clone());
            let request = options.request(context, entry.kind.or(arguments.kind), Some(&entry.prompt))?;
            plan(&request)?;
            Ok::<_, anyhow::Error>(request)
        };
        let place = format!("{}: line {}", arguments.file.display(), entry.line);
        let request = check().or_usage_in(place)?;
        for copy in 0..entry.count {
            let seed = request.seed.map(|seed| seed.wrapping_add(copy.into()));
            let request = Request { seed, count: 1, ..request.clone() };
            let hash = recipe_hash(&request)?;
            // Equal lines are different sprites: each has its own number.
            let number = seen.entry(hash.clone()).and_modify(|number| *number += 1).or_insert(1);
            let stem = entry.name.clone().unwrap_or_else(|| slug(&entry.prompt));
            wishes.push((entry.clone(), request, Wish { key: format!("{hash} {number}"), stem, seed }));
        }
    }
    Ok(wishes)
}

/// The folders of a batch.
#[derive(Debug)]
struct Batch {
    /// Stem of the batch file.
    stem: String,
    /// Where sprites go.
    folder: PathBuf,
    /// Journal and working files, in the output folder so that files can be renamed into place.
    data: PathBuf,
    /// Where files are begun, and engines work. Other batches write to the same output folder; here only this one does.
    work: PathBuf,
}

impl Batch {
    fn open(arguments: &Arguments, folder: PathBuf) -> anyhow::Result<Self> {
        let stem = arguments.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.filter(|stem| stem != "-").unwrap_or_else(|| "stdin".to_owned());
        let data = folder.join(format!(".{stem}.batch"));
        let work = data.join("work");
        Ok(Self { stem, folder, data, work })
    }

    /// Names and seeds of all sprites, kept before anything is drawn.
    fn decide(
        &self,
        wishes: Vec<(Entry, Request, Wish)>,
        joint_palette: Option<u32>,
    ) -> anyhow::Result<(Journal, Vec<Item>)> {
        let mut journal = Journal::open(&self.data, &self.folder)?;
        journal.keep_joint_palette(joint_palette)?;
        // No other run writes here now: what lies around was left by one that was killed.
        if self.work.exists() {
            fs::remove_dir_all(&self.work).with_context(|| format!("removing {}", self.work.display()))?;
        }
        make_folder(&self.work)?;
        let plain: Vec<_> = wishes.iter().map(|(_, _, wish)| wish.clone()).collect();
        journal.release(&plain);
        let decisions = journal.decide(&plain, fresh_seed)?;
        let items = wishes.into_iter().zip(decisions).map(|((entry, request, _), decision)| Item {
            entry,
            request: Request { seed: Some(decision.seed), ..request },
            decision,
        });
        Ok((journal, items.collect()))
    }

    fn sprite(&self, decision: &Decision) -> PathBuf {
        self.folder.join(format!("{}.png", decision.name))
    }

    /// Whether a sprite need not be drawn: it stands under its name. Files are renamed into place when they are whole,
    /// so one that is there is finished. A file that says it was drawn for another request is somebody else's; one that
    /// says nothing was painted over since, and stays.
    fn is_drawn(&self, item: &Item, joint: Option<&JointPalette>) -> bool {
        matches!(item.bake_at(&self.sprite(&item.decision)), Some(Bake::Fresh | Bake::ByHand))
            || joint.is_some_and(|joint| item.bake_at(&joint.raw(&item.decision.name)) == Some(Bake::Fresh))
    }

    /// Draws the open sprites; returns those that failed, with the reason.
    fn draw(
        &self,
        journal: &mut Journal,
        items: &mut [Item],
        open: &[usize],
        joint: Option<&JointPalette>,
        context: &Context,
        jobs: usize,
    ) -> anyhow::Result<BTreeMap<usize, String>> {
        let printer = &context.printer;
        let mut failures = BTreeMap::new();
        if open.is_empty() {
            return Ok(failures);
        }
        let wanted = |index: &usize| Wanted { index: *index, request: items[*index].request.clone(), recipe: None };
        let requests: Vec<_> = open.iter().map(wanted).collect();
        let bar = printer.progress().bar(&self.stem, items.len() as u64);
        let mut done = (items.len() - open.len()) as u64;
        bar.skip(done);
        let config = SessionConfig::of(&context.settings, jobs, Some(&self.work))?;
        workers::draw(config, &requests, |message| {
            match message {
                Message::Started(index) => printer.event(&Report::Started { item: &items[index].entry.prompt }),
                Message::Warning(text) => printer.warning(&text),
                Message::Drawn { index, png, size_px } => {
                    let item = &mut items[index];
                    let (path, is_final) = match joint {
                        Some(joint) => (joint.raw(&item.decision.name), false),
                        None => (self.sprite(&item.decision), true),
                    };
                    let path = if is_final {
                        self.place(journal, item, &png)?
                    } else {
                        write_over_from(&self.work, &path, &png)?;
                        path
                    };
                    if is_final {
                        printer.wrote_picture(&path, Role::Sprite, Some(item.decision.seed), Some(size_px));
                    }
                    done += 1;
                }
                Message::Failed { index, error } => {
                    let item = &items[index];
                    printer.failed(&format!("line {}, {}", item.entry.line, item.entry.prompt), &error);
                    failures.insert(index, error);
                    done += 1;
                }
            }
            bar.set(done);
            Ok(())
        })?;
        drop(bar);
        if interrupt::requested() {
            printer.note(&format!("{done} of {} sprites are done; the same command goes on from there", items.len()));
            return Err(Interrupted.into());
        }
        Ok(failures)
    }

    /// Puts a finished sprite under its name; if somebody took the name meanwhile, it gets another one.
    fn place(&self, journal: &mut Journal, item: &mut Item, png: &[u8]) -> anyhow::Result<PathBuf> {
        loop {
            let path = self.sprite(&item.decision);
            if write_new_from(&self.work, &path, png)? {
                return Ok(path);
            }
            let stem = item.entry.name.clone().unwrap_or_else(|| slug(&item.entry.prompt));
            item.decision = journal.rename(&item.decision, &stem)?;
        }
    }

    /// Gives all sprites that were drawn the colours of one palette and puts them under their names.
    fn colour_jointly(
        &self,
        joint: &mut JointPalette,
        journal: &mut Journal,
        items: &mut [Item],
        failures: &BTreeMap<usize, String>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let drawn: Vec<usize> = (0..items.len()).filter(|index| !failures.contains_key(index)).collect();
        let names: Vec<_> = drawn.iter().map(|index| items[*index].decision.name.clone()).collect();
        joint.choose(&names)?;
        for index in drawn {
            interrupt::check()?;
            let item = &mut items[index];
            let raw = joint.raw(&item.decision.name);
            if !raw.is_file() {
                continue; // Coloured by an earlier run.
            }
            let remove = || fs::remove_file(&raw).with_context(|| format!("removing {}", raw.display()));
            // A run that was killed after it put the sprite in place, or a sprite that left the batch.
            let is_placed = item.bake_at(&self.sprite(&item.decision)) == Some(Bake::Fresh);
            if is_placed || item.bake_at(&raw) != Some(Bake::Fresh) {
                remove()?;
                continue;
            }
            let (png, sprite) = joint.coloured(&raw)?;
            let path = self.place(journal, item, &png)?;
            remove()?;
            context.printer.wrote_picture(&path, Role::Sprite, Some(item.decision.seed), Some(sprite.dimensions()));
        }
        Ok(())
    }

    /// Contact sheet, list of failures, and the exit code.
    fn finish(
        &self,
        arguments: &Arguments,
        journal: &mut Journal,
        items: &[Item],
        failures: &BTreeMap<usize, String>,
        context: &Context,
    ) -> anyhow::Result<Exit> {
        let printer = &context.printer;
        if !arguments.no_contact_sheet {
            let wish = Wish { key: CONTACT_SHEET.into(), stem: format!("{}-sheet", self.stem), seed: Some(0) };
            let path = self.folder.join(format!("{}.png", journal.decide(&[wish], || 0)?[0].name));
            let left_out = self.contact_sheet(items, failures, &path, context)?;
            if left_out > 0 {
                printer.warning(&format!("the contact sheet leaves {left_out} sprites out"));
            }
            printer.wrote(&path, Role::ContactSheet);
        }
        let list = self.folder.join(format!("{}.failures.jsonl", self.stem));
        if failures.is_empty() {
            // Working files of sessions are gone with them.
            let _ = fs::remove_dir(&self.work);
            if list.exists() {
                fs::remove_file(&list).with_context(|| format!("removing {}", list.display()))?;
            }
            return Ok(Exit::Success);
        }
        write_over_from(&self.work, &list, failure_lines(items, failures).as_bytes())?;
        let _ = fs::remove_dir(&self.work);
        printer.wrote(&list, Role::Failures);
        printer.warning(&format!("{} of {} sprites failed: see {}", failures.len(), items.len(), list.display()));
        Ok(Exit::Incomplete)
    }

    /// Draws the picture of all sprites; returns how many it leaves out.
    fn contact_sheet(
        &self,
        items: &[Item],
        failures: &BTreeMap<usize, String>,
        path: &Path,
        context: &Context,
    ) -> anyhow::Result<usize> {
        // Cut before they are read: 100,000 sprites need not fit into memory.
        let width = |item: &Item| item.request.size_px.saturating_mul(item.request.frames());
        let shown = items.len().min(picture::most_cells(items.iter().map(width).max().unwrap_or_default()));
        let cell = |(index, item): (usize, &Item)| {
            let sprite = (!failures.contains_key(&index)).then(|| pictures::read(&self.sprite(&item.decision)));
            let sprite = sprite.transpose().unwrap_or_else(|error| {
                context.printer.warning(&format!("the contact sheet leaves a picture out: {error:#}"));
                None
            });
            Cell { sprite, label: item.entry.prompt.clone() }
        };
        let cells = items[..shown].iter().enumerate().map(cell).collect();
        let (sheet, _) = Grid::square(cells).draw()?;
        write_over_from(&self.work, path, &picture::png(&sheet)?)?;
        Ok(items.len() - shown)
    }
}

/// The failed lines as a batch.
fn failure_lines(items: &[Item], failures: &BTreeMap<usize, String>) -> String {
    let mut text = String::new();
    for (index, error) in failures {
        let item = &items[*index];
        let mut fields = serde_json::Map::new();
        fields.insert("prompt".into(), item.entry.prompt.clone().into());
        fields.insert("kind".into(), item.request.kind.word().into());
        fields.insert("name".into(), item.decision.name.clone().into());
        fields.extend(item.entry.options.iter().map(|(key, value)| (key.clone(), value.clone().into())));
        fields.insert("seed".into(), item.decision.seed.into());
        fields.insert("error".into(), error.clone().into());
        text.push_str(&serde_json::Value::Object(fields).to_string());
        text.push('\n');
    }
    text
}
