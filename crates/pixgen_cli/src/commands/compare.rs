//! `dgx-pixels compare`: models × LoRAs × prompts × seeds as a labelled picture and a table of measures and times.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use image::RgbaImage;
use pixgen_api::{EventKind, Kind, ModelRef, Request};
use pixgen_art::Metrics;
use serde::Serialize;

use crate::context::Context;
use crate::drawing::{Observer, rgba};
use crate::events::Role;
use crate::exit::{Exit, Interrupted, OrUsage, usage};
use crate::names::{FileSet, is_png, make_folder};
use crate::options::DrawOptions;
use crate::picture::{self, Cell, Grid};
use crate::session::{Session, SessionConfig, plan, preflight};

/// Most sprites of one comparison.
const MAX_CELLS: usize = 2_000;
/// What stands for "no LoRA".
const NONE: &str = "none";

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels compare \"a red potion\" \"a golden key\" --seeds 1,2,3\n\
\x20 dgx-pixels compare \"a knight\" --kind character --models embedded,sdxl --loras none,pixels:0.8")]
pub(crate) struct Arguments {
    /// What to draw; each prompt is a group of rows.
    #[arg(required = true)]
    prompts: Vec<String>,
    /// What the sprites show.
    #[arg(long, value_name = "KIND", default_value_t = Kind::Item, help_heading = "Comparison")]
    kind: Kind,
    /// The models, with commas between them; each is a column [default: --model].
    #[arg(long, value_name = "MODELS", value_delimiter = ',', help_heading = "Comparison")]
    models: Vec<String>,
    /// LoRAs with commas between them, as none,pixels:0.8; each is a column for every model [default: --lora].
    #[arg(long = "loras", value_name = "LORAS", value_delimiter = ',', help_heading = "Comparison")]
    lora_columns: Vec<String>,
    /// The seeds, with commas between them; each is a row [default: 0,1,2, or --seed].
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', conflicts_with = "seed", help_heading = "Comparison")]
    seeds: Vec<u64>,
    #[command(flatten)]
    pub(crate) options: DrawOptions,
    /// The folder to write to, or a PNG [default: ./output/compare.png].
    #[arg(long, short, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// A column: a model with a LoRA.
#[derive(Debug)]
struct Column {
    label: String,
    options: DrawOptions,
}

/// One sprite with its line of the table.
#[derive(Debug)]
struct Drawn {
    sprite: Option<RgbaImage>,
    line: Line,
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Line {
    column: String,
    kind: String,
    prompt: String,
    seed: u64,
    size_px: u32,
    /// From the request to the sprite; the first sprite of a model waits until it is loaded.
    seconds: f64,
    /// One denoising step, loading left out; empty with a single step.
    seconds_per_step: Option<f64>,
    colors: Option<usize>,
    alpha_levels: Option<usize>,
    opaque_ratio: Option<f32>,
    orphan_ratio: Option<f32>,
    error: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let mut columns = columns(arguments);
    let seeds = match (arguments.seeds.as_slice(), arguments.options.seed) {
        ([], None) => vec![0, 1, 2],
        ([], Some(seed)) => vec![seed],
        (seeds, _) => seeds.to_vec(),
    };
    let rows: Vec<(&str, u64)> =
        arguments.prompts.iter().flat_map(|prompt| seeds.iter().map(move |seed| (prompt.as_str(), *seed))).collect();
    let count = columns.len() * rows.len();
    if count == 0 || count > MAX_CELLS {
        return Err(usage(format!("that are {count} sprites, expected 1 to {MAX_CELLS}")));
    }
    // Everything is checked before anything is drawn.
    let device = context.settings.device()?;
    let mut requests = Vec::new();
    for column in &mut columns {
        for (row, (prompt, seed)) in rows.iter().enumerate() {
            let request = column.options.request(context, Some(arguments.kind), Some(prompt))?;
            let request = Request { seed: Some(*seed), count: 1, ..request };
            // The files of a column are the same in every row.
            if row == 0 {
                preflight(&request, device)?
            } else {
                plan(&request)?
            };
            column.label = label(&request.model, &column.options.loras);
            requests.push((column.label.clone(), request));
        }
    }
    let widest = requests.iter().map(|(_, request)| request.size_px).max().unwrap_or_default();
    picture::check_table(columns.len(), rows.len(), widest)
        .or_usage_in("a comparison is one picture; ask for fewer at once")?;
    let (folder, stem) = target(arguments, context);
    make_folder(&folder)?;
    let session = Session::start(SessionConfig::of(&context.settings, 1, None)?)?;
    let bar = context.printer.progress().bar("comparing", count as u64);
    let mut drawn = Vec::new();
    let mut is_interrupted = false;
    for (label, request) in requests {
        match draw(&session, &label, request, context) {
            Err(error) if error.is::<Interrupted>() => {
                is_interrupted = true;
                break;
            }
            cell => drawn.push(cell?),
        }
        bar.set(drawn.len() as u64);
    }
    drop(bar);
    // What was drawn before Ctrl-C is worth a look, too.
    let exit = if drawn.is_empty() { Exit::Success } else { write(&folder, &stem, context, &columns, &rows, &drawn)? };
    if is_interrupted { Err(Interrupted.into()) } else { Ok(exit) }
}

/// What stands above a column: the model that draws it, whoever chose it, and its LoRAs.
fn label(model: &ModelRef, loras: &[String]) -> String {
    let path = match model {
        ModelRef::Embedded => Path::new("embedded"),
        ModelRef::Folder(path) | ModelRef::File(path) => path,
    };
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    if loras.is_empty() { name } else { format!("{name} {}", loras.join(" ")) }
}

/// Folder and name of the files.
fn target(arguments: &Arguments, context: &Context) -> (PathBuf, String) {
    match &arguments.output {
        Some(path) if is_png(path) => {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            (path.parent().unwrap_or(Path::new("")).to_owned(), stem)
        }
        Some(folder) => (folder.clone(), "compare".to_owned()),
        None => (context.settings.path("output"), "compare".to_owned()),
    }
}

fn columns(arguments: &Arguments) -> Vec<Column> {
    let or_none = |list: &[String]| {
        if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect::<Vec<_>>() }
    };
    let mut columns = Vec::new();
    for model in or_none(&arguments.models) {
        for lora in or_none(&arguments.lora_columns) {
            let mut options = arguments.options.clone();
            if let Some(model) = &model {
                options.settings.model = Some(model.clone());
            }
            match lora.as_deref() {
                Some(NONE) => options.loras.clear(),
                Some(lora) => options.loras = vec![lora.to_owned()],
                None => {}
            }
            columns.push(Column { label: String::new(), options });
        }
    }
    columns
}

fn draw(session: &Session, column: &str, request: Request, context: &Context) -> anyhow::Result<Drawn> {
    let item = format!("{column}: {}", request.prompt);
    let observer = Observer::new(context, &item, 1);
    let started = Instant::now();
    let mut steps: Vec<Instant> = Vec::new();
    let mut line = Line {
        column: column.to_owned(),
        kind: request.kind.to_string(),
        prompt: request.prompt.clone(),
        seed: request.seed.unwrap_or_default(),
        size_px: request.size_px,
        seconds: 0.0,
        seconds_per_step: None,
        colors: None,
        alpha_levels: None,
        opaque_ratio: None,
        orphan_ratio: None,
        error: None,
    };
    let images = session.draw(request, &mut |event| {
        observer.observe(event);
        if matches!(event, EventKind::Step { .. }) {
            steps.push(Instant::now());
        }
        Ok(())
    });
    line.seconds = started.elapsed().as_secs_f64();
    if let [first, .., last] = steps.as_slice() {
        line.seconds_per_step = Some(last.duration_since(*first).as_secs_f64() / (steps.len() - 1) as f64);
    }
    let image = images.and_then(|images| images.into_iter().next().context("the engine returned no sprite"));
    let sprite = match image {
        Ok(image) => Some(rgba(&image.pixels)?),
        Err(error) if error.is::<Interrupted>() => return Err(error),
        Err(error) => {
            let error = format!("{error:#}");
            context.printer.failed(&item, &error);
            line.error = Some(error);
            None
        }
    };
    if let Some(metrics) = sprite.as_ref().map(Metrics::of) {
        line.colors = Some(metrics.colors);
        line.alpha_levels = Some(metrics.alpha_levels);
        line.opaque_ratio = Some(metrics.opaque_ratio);
        line.orphan_ratio = Some(metrics.orphan_ratio);
    }
    Ok(Drawn { sprite, line })
}

/// The picture and the table, under one name.
fn write(
    folder: &Path,
    stem: &str,
    context: &Context,
    columns: &[Column],
    rows: &[(&str, u64)],
    drawn: &[Drawn],
) -> anyhow::Result<Exit> {
    // Drawn column by column, so that each model is loaded once; shown row by row.
    let in_rows = (0..rows.len()).flat_map(|row| (0..columns.len()).map(move |column| (column, row)));
    let cells = in_rows
        .map(|(column, row)| drawn.get(column * rows.len() + row).and_then(|drawn| drawn.sprite.clone()))
        .map(|sprite| Cell { sprite, label: String::new() });
    let grid = Grid {
        cells: cells.collect(),
        columns: columns.len(),
        column_labels: columns.iter().map(|column| column.label.clone()).collect(),
        row_labels: rows.iter().map(|(prompt, seed)| format!("{seed} {prompt}")).collect(),
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    for Drawn { line, .. } in drawn {
        table.serialize(line)?;
    }
    let picture = picture::png(&grid.draw()?.0)?;
    let table = table.into_inner().context("writing the table")?;
    let written = FileSet::new(folder, stem).write(|_| Ok([("png", picture.clone()), ("csv", table.clone())]))?;
    for (path, role) in written.iter().zip([Role::ContactSheet, Role::Table]) {
        context.printer.wrote(path, role);
    }
    let failed = drawn.iter().filter(|drawn| drawn.sprite.is_none()).count();
    Ok(if failed > 0 { Exit::Incomplete } else { Exit::Success })
}
