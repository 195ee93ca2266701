//! `dgx-pixels models list|add|download|check|remove`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pixgen_api::{Kind, Request};
use pixgen_engine::ModelInfo;
use serde_json::json;

use crate::context::Context;
use crate::drawing::Observer;
use crate::events::{Listed, PathText};
use crate::exit::{Exit, OrUsage};
use crate::models::{self, EMBEDDED, Known};
use crate::session::{Session, SessionConfig, model_info};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// The models that can be named with --model.
    List,
    /// Give a model that lies elsewhere a name.
    Add {
        /// The name for --model.
        name: String,
        /// A folder in diffusers layout, or a .safetensors checkpoint.
        path: PathBuf,
    },
    /// Download a model from the Hugging Face Hub (HF_ENDPOINT and HF_TOKEN are used). It goes on after a break.
    Download {
        /// Owner and name, as stabilityai/stable-diffusion-xl-base-1.0.
        repository: String,
        /// A branch, a tag or a commit.
        #[arg(long, default_value = "main")]
        revision: String,
        /// One .safetensors file of the repository instead of the diffusers layout.
        #[arg(long, value_name = "FILE")]
        file: Option<String>,
        /// Full-precision weights where there are two kinds.
        #[arg(long)]
        full_precision: bool,
    },
    /// Load a model and draw a single step, to see that it works here.
    Check {
        /// A name or a path.
        model: String,
        /// Where to draw: auto, cpu, cuda:0, metal:0.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
    /// Forget a model that was added, or delete the files of one that was downloaded.
    Remove {
        /// Its name.
        name: String,
    },
}

impl Arguments {
    /// The flags that are settings.
    pub(crate) fn device(&self) -> Option<String> {
        match &self.action {
            Some(Action::Check { device, .. }) => device.clone(),
            _ => None,
        }
    }
}

pub(crate) fn run(arguments: Arguments, context: &Context) -> anyhow::Result<Exit> {
    let (printer, folder) = (&context.printer, context.settings.path("models_dir"));
    match arguments.action.unwrap_or(Action::List) {
        Action::List => list(context)?,
        Action::Add { name, path } => {
            ModelInfo::read(&models::reference(&path)).or_usage()?;
            models::add(&folder, &name, &path)?;
            printer.note(&format!("use it with --model {name}"));
        }
        Action::Download { repository, revision, file, full_precision } => {
            let wish = Download { repository, revision, file, half: !full_precision };
            download(&wish, context)?;
        }
        Action::Check { model, .. } => check(&model, context)?,
        Action::Remove { name } => match models::remove(&folder, &name)? {
            Some(path) => printer.note(&format!("deleted {}", path.display())),
            None => printer.note(&format!("{name} is forgotten; its files stay where they are")),
        },
    }
    Ok(Exit::Success)
}

fn list(context: &Context) -> anyhow::Result<()> {
    let (printer, folder) = (&context.printer, context.settings.path("models_dir"));
    match ModelInfo::read(&pixgen_api::ModelRef::Embedded) {
        Ok(info) => printer.listed(
            Listed::Model,
            EMBEDDED,
            json!({ "origin": "embedded", "path": null, "sizes_px": sizes_px(&info) }),
            &format!("{EMBEDDED:<24} {} (compiled in), {}", info.name, sizes(&info)),
        ),
        Err(error) => {
            let error = error.to_string();
            let text = format!("{EMBEDDED:<24} cannot be used: {error}");
            printer.listed(
                Listed::Model,
                EMBEDDED,
                json!({ "origin": "embedded", "path": null, "error": error }),
                &text,
            );
        }
    }
    for Known { name, path, is_added } in models::known(&folder)? {
        let info = ModelInfo::read(&models::reference(&path));
        let mut values = json!(PathText(&path));
        values["origin"] = json!(if is_added { "added" } else { "folder" });
        let what = match info {
            Ok(info) => {
                values["sizes_px"] = json!(sizes_px(&info));
                sizes(&info)
            }
            Err(error) => {
                values["error"] = json!(error.to_string());
                format!("cannot be used: {error}")
            }
        };
        printer.listed(Listed::Model, &name, values, &format!("{name:<24} {}, {what}", path.display()));
    }
    let loras_dir = context.settings.path("loras_dir");
    for name in models::loras(&loras_dir) {
        let values = json!(PathText(&loras_dir.join(&name).with_extension("safetensors")));
        printer.listed(Listed::Lora, &name, values, &format!("{name:<24} LoRA, for --lora {name}:1"));
    }
    printer.note(&format!("models are looked for in {}, LoRAs in {}", folder.display(), loras_dir.display()));
    Ok(())
}

fn sizes_px(info: &ModelInfo) -> Vec<u32> {
    info.native_sizes.iter().map(|size| size.sprite_px).collect()
}

fn sizes(info: &ModelInfo) -> String {
    let sizes: Vec<_> = sizes_px(info).iter().map(u32::to_string).collect();
    format!("draws {} px", sizes.join(", "))
}

/// Loads the model and draws one step.
fn check(name: &str, context: &Context) -> anyhow::Result<()> {
    let model = context.model(name)?;
    let info = model_info(&model)?;
    let size_px = info.native_sizes.first().map_or(32, |size| size.sprite_px);
    let request = Request { size_px, steps: Some(1), seed: Some(0), model, ..Request::new(Kind::Item, "a key") };
    let started = std::time::Instant::now();
    let session = Session::start(SessionConfig::of(&context.settings, 1, None)?)?;
    let observer = Observer::new(context, name, 1);
    session.draw(request, &mut |event| {
        observer.observe(event);
        Ok(())
    })?;
    let seconds = started.elapsed().as_secs_f32();
    let text = format!("{name}: works; {}; loaded and drew one step in {seconds:.1} s", sizes(&info));
    let values = json!({ "origin": "checked", "sizes_px": sizes_px(&info), "seconds": seconds });
    context.printer.listed(Listed::Model, name, values, &text);
    Ok(())
}

/// What is to be downloaded.
#[derive(Debug)]
struct Download {
    repository: String,
    revision: String,
    file: Option<String>,
    half: bool,
}

#[cfg(feature = "download")]
fn download(wish: &Download, context: &Context) -> anyhow::Result<()> {
    use std::ops::ControlFlow;

    use anyhow::Context as _;
    use pixgen_sdxl::{HubModel, ModelSource};

    use crate::events::{Report, Role};

    const MEBIBYTE: u64 = 1 << 20;
    let (printer, folder) = (&context.printer, context.settings.path("models_dir"));
    crate::names::make_folder(&folder)?;
    let hub = HubModel {
        repository: wish.repository.clone(),
        revision: wish.revision.clone(),
        file: wish.file.clone(),
        half: wish.half,
    };
    let bar = printer.progress().bar("downloading MiB", 0);
    let mut told = Told::default();
    let downloaded = hub.download(&folder, &mut |progress| {
        let (done_bytes, total_bytes) = (progress.done_bytes, progress.total_bytes);
        if told.is_empty() {
            let mib = total_bytes as f64 / MEBIBYTE as f64;
            printer.note(&format!("{}: {mib:.1} MiB into {}", wish.repository, folder.display()));
            bar.skip(done_bytes / MEBIBYTE);
        }
        bar.set_length(total_bytes / MEBIBYTE);
        bar.say(&progress.file);
        bar.set(done_bytes / MEBIBYTE);
        if told.is_due(&progress.file, done_bytes >= total_bytes) {
            printer.event(&Report::Download { file: &progress.file, done_bytes, total_bytes });
        }
        if crate::interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(bar);
    let source = match downloaded {
        Err(pixgen_sdxl::Error::Cancelled) => {
            printer.note("what has arrived is kept; the same command goes on from there");
            return Err(crate::exit::Interrupted.into());
        }
        other => other.with_context(|| {
            let server = std::env::var("HF_ENDPOINT").unwrap_or_else(|_| "https://huggingface.co".to_owned());
            format!("asking {server} (HF_ENDPOINT names another server)")
        })?,
    };
    if let ModelSource::Folder(path) | ModelSource::SingleFile(path) = source {
        let name = models::known(&folder)?.into_iter().find(|model| model.path == path).map(|model| model.name);
        if let Some(name) = name {
            printer.note(&format!("use it with --model {name}"));
        }
        printer.wrote(&path, Role::Model);
    }
    Ok(())
}

/// What was told of a download: programs get a line a file and a line a second, not one for every piece.
#[cfg(feature = "download")]
#[derive(Debug, Default)]
struct Told {
    last: Option<(String, std::time::Instant)>,
}

#[cfg(feature = "download")]
impl Told {
    fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    fn is_due(&mut self, file: &str, is_end: bool) -> bool {
        const EVERY: std::time::Duration = std::time::Duration::from_secs(1);
        let is_due = self.last.as_ref().is_none_or(|(last, at)| last != file || at.elapsed() >= EVERY) || is_end;
        if is_due {
            self.last = Some((file.to_owned(), std::time::Instant::now()));
        }
        is_due
    }
}

#[cfg(not(feature = "download"))]
fn download(wish: &Download, _: &Context) -> anyhow::Result<()> {
    Err(crate::exit::usage(format!(
        "this build does not download: build it with `--features download`, or bring the files of {wish} some other way \
         and say `dgx-pixels models add NAME PATH`"
    )))
}

#[cfg(not(feature = "download"))]
impl std::fmt::Display for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { repository, revision, file, half } = self;
        let file = file.as_deref().unwrap_or(if *half { "half precision" } else { "full precision" });
        write!(f, "{repository} ({revision}, {file})")
    }
}
