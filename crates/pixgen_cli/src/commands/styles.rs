//! `dgx-pixels styles`: the looks that `--style` knows, and where to add one.

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::events::Listed;
use crate::exit::Exit;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments, context: &Context) -> anyhow::Result<Exit> {
    let (styles, printer) = (&context.styles, &context.printer);
    for name in styles.names() {
        let style = styles.find(&name)?;
        let is_own = !style.file.as_os_str().is_empty();
        let own = if is_own { " (yours)" } else { "" };
        let values = json!({ "about": style.about, "options": style.option_texts(), "is_own": is_own });
        let text = format!("{name:<10} {}{own} [{}]", style.about, style.summary());
        printer.listed(Listed::Style, &name, values, &text);
    }
    printer.note(&format!("styles of your own go into {} as NAME.ron", styles.folder().display()));
    Ok(Exit::Success)
}
