//! `dgx-pixels info PNG`: how a sprite was drawn, as a recipe that draws it again.

use std::path::PathBuf;

use clap::Args;
use pixgen_art::Metrics;
use pixgen_engine::Provenance;

use crate::context::Context;
use crate::drawing::load_png;
use crate::exit::{Exit, OrUsage, usage};
use crate::png_text::texts;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Sprites drawn by this program or by the plugin; also pictures of tools that write `parameters` into them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let printer = &context.printer;
    for path in &arguments.files {
        let place = path.display();
        let png = std::fs::read(path).or_usage_in(&place)?;
        let said = texts(&png).or_usage_in(&place)?;
        let image = load_png(path).or_usage()?;
        let metrics = Metrics::of(&image);
        printer.note(&format!(
            "{place}: {}×{} px, {} colours, {} alpha values, {:.0} % drawn",
            image.width(),
            image.height(),
            metrics.colors,
            metrics.alpha_levels,
            metrics.opaque_ratio * 100.0
        ));
        for (keyword, text) in said.iter().filter(|(keyword, _)| keyword != "pixgen_request") {
            printer.note(&format!("  {keyword}: {}", text.replace('\n', "\n    ")));
        }
        let Some(recovered) = Provenance::recover(&png).or_usage_in(&place)? else {
            return Err(usage(format!("{place} does not say how it was drawn")));
        };
        for note in &recovered.notes {
            printer.warning(&format!("{place}: {note}"));
        }
        // stdout is a recipe: `dgx-pixels info knight.png > knight.sprite.ron`.
        printer.data(&ron::ser::to_string_pretty(&recovered.request, ron::ser::PrettyConfig::default())?);
    }
    Ok(Exit::Success)
}
