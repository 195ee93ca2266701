//! `dgx-pixels info PNG`: how a sprite was drawn, as a recipe that draws it again.

use std::path::{Path, PathBuf};

use clap::Args;
use pixgen_api::Request;
use pixgen_art::Metrics;
use pixgen_engine::Provenance;
use serde_json::json;

use crate::context::Context;
use crate::drawing::load_png;
use crate::events::{Listed, PathText};
use crate::exit::{Exit, OrUsage, usage};
use crate::png_text::{REQUEST, texts};
use crate::recipes::Places;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:\n\
\x20 dgx-pixels info knight.png\n\
\x20 dgx-pixels info knight.png > knight.sprite.ron\n\
\x20 dgx-pixels info *.png --json")]
pub(crate) struct Arguments {
    /// Sprites drawn by this program or by the plugin; also pictures of tools that write `parameters` into them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    for path in &arguments.files {
        show(path, context)?;
    }
    Ok(Exit::Success)
}

fn show(path: &Path, context: &Context) -> anyhow::Result<()> {
    let printer = &context.printer;
    let place = path.display();
    let png = std::fs::read(path).or_usage_in(&place)?;
    let said = texts(&png).or_usage_in(&place)?;
    let image = load_png(path).or_usage()?;
    let metrics = Metrics::of(&image);
    if !printer.is_json() {
        printer.note(&format!(
            "{place}: {}×{} px, {} colours, {} alpha values, {:.0} % drawn",
            image.width(),
            image.height(),
            metrics.colors,
            metrics.alpha_levels,
            metrics.opaque_ratio * 100.0
        ));
        for (keyword, text) in said.iter().filter(|(keyword, _)| keyword != REQUEST) {
            printer.note(&format!("  {keyword}: {}", text.replace('\n', "\n    ")));
        }
    }
    let Some(recovered) = Provenance::recover(&png).or_usage_in(&place)? else {
        return Err(usage(format!("{place} does not say how it was drawn")));
    };
    for note in &recovered.notes {
        printer.warning(&format!("{place}: {note}"));
    }
    // stdout is a recipe: `dgx-pixels info knight.png > knight.sprite.ron`.
    let recipe = recipe_of(path, &recovered.request, context)?;
    let recipe = ron::ser::to_string_pretty(&recipe, ron::ser::PrettyConfig::default())?;
    let texts: serde_json::Map<_, _> = said.into_iter().map(|(keyword, text)| (keyword, text.into())).collect();
    let mut values = json!(PathText(path));
    values["width_px"] = image.width().into();
    values["height_px"] = image.height().into();
    values["colors"] = metrics.colors.into();
    values["alpha_levels"] = metrics.alpha_levels.into();
    values["opaque_ratio"] = metrics.opaque_ratio.into();
    values["texts"] = texts.into();
    values["request"] = serde_json::to_value(&recovered.request).or_usage_in(&place)?;
    values["recipe"] = recipe.clone().into();
    printer.listed(Listed::Picture, &path.to_string_lossy(), values, &recipe);
    Ok(())
}

/// A request with the paths that a recipe beside the PNG may hold: what was named on the command line is absolute.
fn recipe_of(png: &Path, request: &Request, context: &Context) -> anyhow::Result<Request> {
    let folders = Places::beside(png, &context.settings)?;
    if folders.resolve(request).is_ok() {
        return Ok(request.clone());
    }
    Ok(folders.relative(request).unwrap_or_else(|error| {
        context.printer.warning(&format!("{}: {error}", png.display()));
        request.clone()
    }))
}
