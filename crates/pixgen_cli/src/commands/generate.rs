//! `dgx-pixels generate KIND PROMPT`

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use pixgen_api::{Background, DevicePreference, EventKind, Kind, ModelRef, Request};
use pixgen_engine::{Engine, EngineConfig};

/// Where sprites go when no output is named.
const OUTPUT_DIR: &str = "output";
/// Longest file name made from a prompt, in characters.
const MAX_SLUG_CHARS: usize = 60;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the sprite shows: character, monster, animal, item, weapon, prop, tile, effect, icon or portrait.
    kind: Kind,
    /// What to draw, in English words.
    prompt: String,
    /// What to keep out of the picture.
    #[arg(long, default_value = "")]
    negative_prompt: String,
    /// Edge of the sprite in pixels [default: 32].
    #[arg(long, value_name = "PX")]
    size: Option<u32>,
    /// How many sprites; each counts the seed up by one [default: 1].
    #[arg(long)]
    count: Option<u32>,
    /// Seed of the first sprite [default: drawn].
    #[arg(long)]
    seed: Option<u64>,
    /// Denoising steps [default: the model's].
    #[arg(long)]
    steps: Option<u32>,
    /// Classifier-free guidance scale [default: the model's].
    #[arg(long)]
    guidance_scale: Option<f32>,
    /// Most colours in the sprite [default: 16].
    #[arg(long)]
    colors: Option<u32>,
    /// Keep the painted background instead of cutting the sprite out.
    #[arg(long)]
    keep_background: bool,
    /// A model folder in diffusers layout, or a .safetensors checkpoint [default: the embedded model].
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Draw on the CPU even where a GPU could be used.
    #[arg(long)]
    cpu: bool,
    /// A PNG to write, or a folder for several [default: ./output/PROMPT.png]. Nothing is overwritten.
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
}

impl Arguments {
    fn request(&self) -> Request {
        let defaults = Request::new(self.kind, self.prompt.clone());
        let mut pixel_art = defaults.pixel_art;
        pixel_art.colors = self.colors.or(pixel_art.colors);
        if self.keep_background {
            pixel_art.background = Background::Keep;
        }
        Request {
            negative_prompt: self.negative_prompt.clone(),
            size_px: self.size.unwrap_or(defaults.size_px),
            count: self.count.unwrap_or(defaults.count),
            seed: self.seed,
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            model: self.model.clone().map_or(ModelRef::Embedded, ModelRef::at),
            pixel_art,
            ..defaults
        }
    }
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let request = arguments.request();
    request.validate()?;
    let target = match &arguments.output {
        None => Path::new(OUTPUT_DIR).join(slug(&request.prompt)).with_extension("png"),
        Some(path) if is_png(path) => path.clone(),
        Some(folder) => folder.join(slug(&request.prompt)).with_extension("png"),
    };
    let device = if arguments.cpu { DevicePreference::Cpu } else { DevicePreference::Auto };
    // The command line has no history to keep: it works in a folder of its own and takes the sprites out of it.
    let work = tempfile::tempdir().context("making a temporary folder")?;
    let mut config = EngineConfig::sdxl(device, work.path(), work.path());
    config.cpu_threads = std::thread::available_parallelism().ok().map(std::num::NonZero::get); // no game to spare a core for
    let engine = Engine::start(config)?;
    engine.submit(request);
    let progress = Progress::new();
    for event in engine.events() {
        match event.kind {
            EventKind::Queued { .. } | EventKind::Preview(_) | EventKind::Paused | EventKind::Resumed => {}
            EventKind::Started => progress.show("loading the model"),
            EventKind::Step { image, step, steps, .. } => {
                progress.show(&format!("image {}: step {step}/{steps}", image + 1))
            }
            EventKind::Warning(warning) => progress.line(&format!("warning: {warning}")),
            EventKind::Image(generated) => {
                let path = free(&target)?;
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                if let Some(folder) = folder {
                    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
                }
                fs::copy(&generated.file, &path).with_context(|| format!("writing {}", path.display()))?;
                progress.line(&format!("seed {}", generated.seed));
                println!("{}", path.display());
            }
            EventKind::Done(_) => return Ok(()),
            EventKind::Failed(error) => bail!("{error}"),
            EventKind::Cancelled => bail!("cancelled"),
        }
    }
    bail!("the engine stopped before the sprite was done")
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

/// A file name from a prompt: `A Medieval Knight!` is `a-medieval-knight`.
fn slug(prompt: &str) -> String {
    let mut slug = String::new();
    for c in prompt.chars().flat_map(char::to_lowercase).take(MAX_SLUG_CHARS) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "sprite".to_owned() } else { slug.to_owned() }
}

/// `path`, or `path` with `-2`, `-3` … where a file stands already.
fn free(path: &Path) -> anyhow::Result<PathBuf> {
    let stem = path.file_stem().context("the output has no file name")?.to_string_lossy().into_owned();
    let numbered = (2..=9999).map(|number| path.with_file_name(format!("{stem}-{number}.png")));
    let mut candidates = std::iter::once(path.to_owned()).chain(numbered);
    candidates.find(|candidate| !candidate.exists()).with_context(|| format!("no free name beside {}", path.display()))
}

/// One line that is written over on a terminal, and nothing in a log file.
struct Progress {
    on_terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Self { on_terminal: std::io::stderr().is_terminal() }
    }

    fn show(&self, text: &str) {
        if self.on_terminal {
            eprint!("\r\x1b[2K{text}");
            let _ = std::io::stderr().flush();
        }
    }

    fn line(&self, text: &str) {
        self.show("");
        eprintln!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_becomes_a_file_name() {
        for (prompt, expected) in [
            ("A Medieval  Knight!", "a-medieval-knight"),
            ("../../etc/passwd", "etc-passwd"),
            ("!!", "sprite"),
            ("Clé", "clé"),
        ] {
            assert_eq!(slug(prompt), expected);
        }
    }

    #[test]
    fn no_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        for expected in ["a.png", "a-2.png", "a-3.png"] {
            let name = free(&path).unwrap();
            assert_eq!(name, folder.path().join(expected));
            fs::write(name, "").unwrap();
        }
    }
}
