//! `dgx-pixels config show|path|init`: what is set, by whom, and a file to begin with.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::{KEYS, SettingFlags, template};
use crate::context::Context;
use crate::events::{Listed, PathText, Role};
use crate::exit::{Exit, usage};
use crate::names::write_new;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Every setting with its value and where that comes from: a flag, an environment variable, the file, or nowhere.
    Show {
        #[command(flatten)]
        flags: SettingFlags,
    },
    /// Where the configuration file is, or would be.
    Path,
    /// Write a configuration file with every setting commented out.
    Init,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let (settings, printer) = (&context.settings, &context.printer);
    match arguments.action {
        None | Some(Action::Show { .. }) => {
            for key in KEYS {
                let found = settings.get(key.name);
                let text = match found {
                    Some((value, origin)) => format!("{} = {value}  # {origin}", key.name),
                    None => format!("{}  # not set: {}", key.name, key.about),
                };
                let values = json!({
                    "value": found.map(|(value, _)| value),
                    "origin": found.map(|(_, origin)| origin.to_string()),
                    "environment": key.env,
                    "flag": key.flag,
                    "about": key.about,
                });
                printer.listed(Listed::Setting, key.name, values, &text);
            }
        }
        Some(Action::Path) if printer.is_json() => {
            let mut values = json!(PathText(&settings.file));
            values["exists"] = settings.file.is_file().into();
            printer.listed(Listed::ConfigFile, &settings.file.to_string_lossy(), values, "");
        }
        Some(Action::Path) => printer.path(&settings.file),
        Some(Action::Init) => {
            let text = template(|name| settings.get(name).map(|(value, _)| value.clone()));
            if !write_new(&settings.file, text.as_bytes())? {
                return Err(usage(format!("{} is there already: edit it", settings.file.display())));
            }
            printer.wrote(&settings.file, Role::Sidecar);
        }
    }
    Ok(Exit::Success)
}
