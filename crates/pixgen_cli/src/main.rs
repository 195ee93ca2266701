//! `dgx-pixels`: pixel-art sprites from prompts, in a terminal.
//!
//! stdout is data: the paths of the files written, one a line, or one event a line with `--json`. Everything else goes
//! to stderr.

mod batch;
mod commands;
mod config;
mod context;
mod drawing;
mod events;
mod exit;
mod interrupt;
mod joint_colors;
mod look;
mod models;
mod names;
mod nearest;
mod options;
mod palettes;
mod picture;
mod pictures;
mod png_text;
mod preview;
mod printer;
mod progress;
mod recipes;
mod session;
mod style;
mod tileset;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use config::{SettingFlags, Settings};
use context::Context;
use exit::Exit;
use printer::{ColorChoice, Printer};

/// The program's name.
pub(crate) const NAME: &str = "dgx-pixels";

/// Pixel-art sprites from prompts.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    about = "Pixel-art sprites from prompts",
    after_help = "\
Examples:\n\
\x20 dgx-pixels generate character \"medieval knight\"\n\
\x20 dgx-pixels generate-tileset --prompt \"stone dungeon floor\" --size 32 --seamless --variations 8\n\
\x20 dgx-pixels fix photo.jpg --target 32 --remove-background\n\n\
Exit codes: 0 done; 1 something failed; 2 the command line or a file it names cannot be used; 3 --check found drift; \
4 a part failed, the rest is there; 130 interrupted, what was finished is there.\n\
stdout is the paths of the files written, one a line; everything else goes to stderr."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print events, one JSON object a line, instead of paths.
    #[arg(long, global = true, help_heading = "Output", display_order = 900)]
    json: bool,
    /// Print neither progress nor notes.
    #[arg(long, short, global = true, help_heading = "Output", display_order = 901)]
    quiet: bool,
    /// Colours in what goes to stderr.
    #[arg(
        long,
        value_enum,
        global = true,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output",
        display_order = 902
    )]
    color: ColorChoice,
    /// Read this configuration file instead of the user's.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Output", display_order = 903)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw one sprite, or several of the same prompt.
    Generate(Box<commands::generate::Arguments>),
    /// Draw a set of tiles that repeat without seams.
    GenerateTileset(Box<commands::generate_tileset::Arguments>),
    /// Draw the frames of an animation.
    GenerateAnimation(Box<commands::generate_animation::Arguments>),
    /// Draw one sprite for every line of a file.
    Batch(Box<commands::batch::Arguments>),
    /// Draw the sprites of a game's recipes that are missing or stale.
    Bake(commands::bake::Arguments),
    /// Make true pixel art of any picture.
    Fix(Box<commands::fix::Arguments>),
    /// Draw the same with several models, LoRAs, prompts and seeds, side by side.
    Compare(Box<commands::compare::Arguments>),
    /// List, add, download, check and remove models.
    Models(commands::models::Arguments),
    /// The palettes that are built in, and what is in a palette file.
    Palettes(commands::palettes::Arguments),
    /// The looks that --style knows.
    Styles(commands::styles::Arguments),
    /// How a sprite was drawn, as a recipe that draws it again.
    Info(commands::info::Arguments),
    /// What is set, and by whom.
    Config(commands::config::Arguments),
    /// A completion script for a shell.
    Completions(commands::completions::Arguments),
    /// The manual page.
    Man(commands::completions::ManArguments),
}

impl Command {
    /// The flags that are settings too.
    fn setting_flags(&self) -> SettingFlags {
        let device = |device| SettingFlags { device, ..SettingFlags::default() };
        match self {
            Self::Generate(arguments) => arguments.options.settings.clone(),
            Self::GenerateTileset(arguments) => arguments.options.settings.clone(),
            Self::GenerateAnimation(arguments) => arguments.options.settings.clone(),
            Self::Batch(arguments) => arguments.options.settings.clone(),
            Self::Bake(arguments) => device(arguments.device.clone()),
            Self::Compare(arguments) => arguments.options.settings.clone(),
            Self::Models(arguments) => device(arguments.device()),
            Self::Config(arguments) => match &arguments.action {
                Some(commands::config::Action::Show { flags }) => flags.clone(),
                _ => SettingFlags::default(),
            },
            Self::Fix(_)
            | Self::Palettes(_)
            | Self::Styles(_)
            | Self::Info(_)
            | Self::Completions(_)
            | Self::Man(_) => SettingFlags::default(),
        }
    }

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Generate(arguments) => commands::generate::run(*arguments, context),
            Self::GenerateTileset(arguments) => commands::generate_tileset::run(*arguments, context),
            Self::GenerateAnimation(arguments) => commands::generate_animation::run(*arguments, context),
            Self::Batch(arguments) => commands::batch::run(*arguments, context),
            Self::Bake(arguments) => commands::bake::run(&arguments, context),
            Self::Fix(arguments) => commands::fix::run(&arguments, context),
            Self::Compare(arguments) => commands::compare::run(&arguments, context),
            Self::Models(arguments) => commands::models::run(arguments, context),
            Self::Palettes(arguments) => commands::palettes::run(arguments, context),
            Self::Styles(arguments) => commands::styles::run(&arguments, context),
            Self::Info(arguments) => commands::info::run(&arguments, context),
            Self::Config(arguments) => commands::config::run(&arguments, context),
            Self::Completions(arguments) => commands::completions::run(&arguments, context),
            Self::Man(arguments) => commands::completions::man(&arguments, context),
        }
    }
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let arguments = Arguments::parse();
    let printer = Printer::new(arguments.json, arguments.quiet, arguments.color);
    let flags = arguments.command.setting_flags();
    let flags = [
        ("model", flags.model),
        ("device", flags.device),
        ("style", flags.style),
        ("size", flags.size.map(|size| size.to_string())),
    ];
    let settings = Settings::read(arguments.config.as_deref(), &flags);
    let (printer, outcome) = match settings {
        Err(error) => (printer, Err(error)),
        Ok(settings) => {
            let context = Context::new(settings, printer);
            let outcome = interrupt::listen().and_then(|()| arguments.command.run(&context));
            (context.printer, outcome)
        }
    };
    match outcome {
        Ok(exit) => match printer.lost_output() {
            Some(error) => {
                let error = anyhow::Error::new(error).context("writing to stdout");
                printer.error(&format!("{error:#}"), Exit::Failure);
                Exit::Failure.into()
            }
            None => exit.into(),
        },
        Err(error) => {
            let exit = Exit::of(&error);
            printer.error(&format!("{error:#}{}", hint(&error)), exit);
            exit.into()
        }
    }
}

/// What to do about an error of the disk, which says only what it is.
fn hint(error: &anyhow::Error) -> &'static str {
    use std::io::ErrorKind;
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
            "; make room, or write elsewhere with --output; the same command goes on"
        }
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => "; write elsewhere with --output",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Words of a shell line without its program, pipes left of it and redirections behind it.
    fn words(line: &str) -> Vec<String> {
        let line = line.split_once(&format!("{NAME} ")).map_or("", |(_, rest)| rest);
        let line = line.split_once(" > ").map_or(line, |(line, _)| line);
        let parts = line.split('"').enumerate();
        parts
            .flat_map(|(index, part)| match index % 2 {
                1 => vec![part.to_owned()],
                _ => part.split_whitespace().map(str::to_owned).collect(),
            })
            .collect()
    }

    #[test]
    fn every_example_of_the_help_is_a_command_line() {
        let mut commands = vec![Arguments::command()];
        commands.extend(Arguments::command().get_subcommands().cloned());
        let drawing = ["generate", "generate-tileset", "generate-animation", "batch", "bake", "fix", "compare", "info"];
        for command in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<_> = help.lines().filter(|line| line.starts_with("  ")).collect();
            assert!(examples.len() >= 2 || !drawing.contains(&command.get_name()), "{}", command.get_name());
            for line in examples {
                let read = Arguments::try_parse_from([NAME.to_owned()].into_iter().chain(words(line)));
                assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
                let is_own = command.get_name() == NAME || words(line)[0] == command.get_name();
                assert!(is_own, "{line}");
            }
        }
    }
}
