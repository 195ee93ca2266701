//! WIP
use clap::Args;
use crate::context::Context;
use crate::exit::Exit;
use crate::options::DrawOptions;
#[derive(Args, Debug)]
pub(crate) struct Arguments { #[command(flatten)] pub(crate) options: DrawOptions }
pub(crate) fn run(_: Arguments, _: &Context) -> anyhow::Result<Exit> { Ok(Exit::Success) }
