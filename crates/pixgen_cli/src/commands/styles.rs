//! `dgx-pixels styles`: the looks that `--style` knows, and where to add one.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let (styles, printer) = (&context.styles, &context.printer);
    for name in styles.names() {
        let style = styles.find(&name)?;
        let own = if style.file.as_os_str().is_empty() { "" } else { " (yours)" };
        printer.line(&format!("{name:<10} {}{own} [{}]", style.about, style.summary()));
    }
    printer.note(&format!("styles of your own go into {} as NAME.ron", styles.folder().display()));
    Ok(Exit::Success)
}
