//! `dgx-pixels`: pixel-art sprites from prompts, in a terminal.
//!
//! stdout is the paths of the files written, one a line; everything else goes to stderr.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Pixel-art sprites from prompts.
#[derive(Debug, Parser)]
#[command(name = "dgx-pixels", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draws one sprite, or several of the same prompt.
    Generate(commands::generate::Arguments),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let result = match Arguments::parse().command {
        Command::Generate(arguments) => commands::generate::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
