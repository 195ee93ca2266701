//! `dgx-pixels fix IMAGE…`: true pixel art of any picture.
use clap::Args;
use crate::context::Context;
use crate::exit::Exit;
#[derive(Args, Debug)]
pub(crate) struct Arguments {}
pub(crate) fn run(_: &Arguments, _: &Context) -> anyhow::Result<Exit> { Ok(Exit::Success) }
