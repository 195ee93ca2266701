//! `dgx-pixels completions SHELL` and `dgx-pixels man [FOLDER]`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use crate::context::Context;
use crate::events::{Listed, Role};
use crate::exit::Exit;
use crate::names::write_over;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// bash, elvish, fish, powershell or zsh.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::Arguments::command(), crate::NAME, &mut script);
    let script = String::from_utf8(script)?;
    let name = arguments.shell.to_string();
    context.printer.listed(Listed::Text, &name, json!({ "text": script }), &script);
    Ok(Exit::Success)
}

#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// Write one page a command into this folder, over older ones [default: the main page to stdout].
    folder: Option<PathBuf>,
}

pub(crate) fn man(arguments: &ManArguments, context: &Context) -> anyhow::Result<Exit> {
    let command = crate::Arguments::command();
    let Some(folder) = &arguments.folder else {
        let page = page(command)?;
        context.printer.listed(Listed::Text, crate::NAME, json!({ "text": page }), &page);
        return Ok(Exit::Success);
    };
    let mut commands = vec![(crate::NAME.to_owned(), command)];
    while let Some((name, command)) = commands.pop() {
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
            commands.push((format!("{name}-{}", subcommand.get_name()), subcommand.clone()));
        }
        let path = folder.join(format!("{name}.1"));
        write_over(&path, page(command.name(&*name.leak()))?.as_bytes())?;
        context.printer.wrote(&path, Role::Sidecar);
    }
    Ok(Exit::Success)
}

fn page(command: clap::Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}
