//! `dgx-pixels palettes list|show`: the palettes that are built in, and what is in a palette file.

use std::path::Path;

use clap::{Args, Subcommand};
use pixgen_art::palette::Classic;
use pixgen_art::palette::format::Format;
use serde_json::json;

use crate::context::Context;
use crate::events::Listed;
use crate::exit::{Exit, OrUsage, usage};
use crate::nearest::unknown;
use crate::palettes::{find_classic, read};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// The built-in palettes: name, colours, origin.
    List,
    /// The colours of a palette, one #rrggbb a line.
    Show {
        /// A name, or a palette file.
        palette: String,
        /// Write them as a palette file instead: hex, gpl, pal, act, ase, aseprite, png or txt, by the extension.
        #[arg(long, short, value_name = "FILE")]
        output: Option<std::path::PathBuf>,
    },
}

pub(crate) fn run(arguments: Arguments, context: &Context) -> anyhow::Result<Exit> {
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            for classic in Classic::ALL {
                let colors = classic.colors();
                let text = format!("{:<12} {:>3} colours  {}", classic.name, colors.len(), classic.origin);
                let values = json!({ "colors": hex(&colors), "origin": classic.origin });
                context.printer.listed(Listed::Palette, classic.name, values, &text);
            }
        }
        Action::Show { palette, output } => {
            let colors = colors(&palette)?;
            match output {
                None => {
                    let (colors, origin) = (hex(&colors), find_classic(&palette).map(|classic| classic.origin));
                    let values = json!({ "colors": &colors, "origin": origin.unwrap_or("a file") });
                    context.printer.listed(Listed::Palette, &palette, values, &colors.join("\n"));
                }
                Some(path) => {
                    let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
                    let format = Format::detect(&[], &extension).or_usage()?;
                    let path = crate::names::write_numbered(&path, &format.write(&colors).or_usage()?)?;
                    context.printer.wrote(&path, crate::events::Role::Sidecar);
                }
            }
        }
    }
    Ok(Exit::Success)
}

/// The colours as `#rrggbb`.
fn hex(colors: &[[u8; 3]]) -> Vec<String> {
    colors.iter().map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}")).collect()
}

fn colors(palette: &str) -> anyhow::Result<Vec<[u8; 3]>> {
    if let Some(classic) = find_classic(palette) {
        return Ok(classic.colors());
    }
    let path = Path::new(palette);
    if path.exists() {
        return read(path);
    }
    let names: Vec<_> = Classic::ALL.iter().map(|classic| classic.name).collect();
    Err(usage(format!("{}; and no such file", unknown("palette", palette, &names))))
}
