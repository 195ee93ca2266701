//! `dgx-pixels generate KIND PROMPT`: one sprite, or several of the same prompt.

use std::path::{Path, PathBuf};

use clap::Args;
use pixgen_api::{EventKind, Kind, RECIPE_EXTENSION, Request};
use pixgen_art::Metrics;

use crate::context::Context;
use crate::drawing::{Observer, rgba};
use crate::events::{Report, Role};
use crate::exit::{Exit, usage};
use crate::names::{is_png, make_folder, slug, write_numbered};
use crate::options::{DrawOptions, SeamlessAxes};
use crate::preview;
use crate::session::{Session, SessionConfig, preflight, stored_png};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels generate character \"medieval knight\"\n\
\x20 dgx-pixels generate item \"a red potion\" --size 16 --style gameboy --count 4\n\
\x20 dgx-pixels generate monster \"a green slime\" --from sketch.png --strength 0.5\n\
\x20 dgx-pixels generate --recipe knight.png --seed 7 --output knight-7.png")]
pub(crate) struct Arguments {
    /// What the sprite shows: character, monster, animal, item, weapon, prop, tile, effect, icon or portrait.
    #[arg(required_unless_present = "recipe")]
    kind: Option<Kind>,
    /// What to draw, in English words.
    #[arg(required_unless_present = "recipe")]
    prompt: Option<String>,
    #[command(flatten)]
    pub(crate) options: DrawOptions,
    /// How many sprites; each counts the seed up by one [default: 1].
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    count: Option<u32>,
    /// Let the picture repeat without a seam.
    #[arg(long, value_enum, value_name = "AXES", help_heading = "Look")]
    seamless: Option<SeamlessAxes>,
    /// A PNG to write, or a folder [default: ./output/PROMPT.png]. No file is ever replaced: -2, -3 … are added.
    #[arg(long, short, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Show the sprites in the terminal (kitty, iTerm2, sixel or half blocks).
    #[arg(long, help_heading = "Output")]
    preview: bool,
}

pub(crate) fn run(arguments: Arguments, context: &Context) -> anyhow::Result<Exit> {
    let mut request = arguments.options.request(context, arguments.kind, arguments.prompt.as_deref())?;
    request.count = arguments.count.unwrap_or(request.count);
    if let Some(axes) = arguments.seamless {
        request.seamless = axes.into();
    }
    let device = context.settings.device()?;
    preflight(&request, device)?;
    let target = target(&arguments, context, &request)?;
    let session = Session::start(SessionConfig::of(&context.settings, 1, None)?)?;
    let item = request.prompt.clone();
    let observer = Observer::new(context, &item, u64::from(request.count));
    session.draw(request, &mut |event| {
        observer.observe(event);
        let EventKind::Image(generated) = event else { return Ok(()) };
        let path = write_numbered(&target, &stored_png(generated)?)?;
        let sprite = rgba(&generated.pixels)?;
        let printer = &context.printer;
        printer.note(&format!("seed {}", generated.seed));
        printer.wrote_picture(&path, Role::Sprite, Some(generated.seed), Some(sprite.dimensions()));
        printer.event(&Report::measured(&path, &Metrics::of(&sprite)));
        if arguments.preview {
            preview::show(&sprite, context);
        }
        Ok(())
    })?;
    Ok(Exit::Success)
}

/// The file to write, with a number where it stands already.
fn target(arguments: &Arguments, context: &Context, request: &Request) -> anyhow::Result<PathBuf> {
    let stem = match &arguments.options.recipe {
        Some(recipe) if arguments.prompt.is_none() => {
            // `knight.sprite.ron` is drawn as `knight.png`.
            let name = recipe.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let stem = name.strip_suffix(RECIPE_EXTENSION).and_then(|stem| stem.strip_suffix('.'));
            let stem = stem.or_else(|| recipe.file_stem()?.to_str()).filter(|stem| !stem.is_empty());
            stem.map_or_else(|| slug(&request.prompt), str::to_owned)
        }
        _ => slug(&request.prompt),
    };
    let path = match &arguments.output {
        Some(path) if is_png(path) => path.clone(),
        Some(folder) => folder.join(format!("{stem}.png")),
        None => context.settings.path("output").join(format!("{stem}.png")),
    };
    if path.is_dir() {
        return Err(usage(format!("{} is a folder, expected a PNG: name a file in it", path.display())));
    }
    make_folder(path.parent().unwrap_or(Path::new("")))?;
    Ok(path)
}
