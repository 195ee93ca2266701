//! Sprites in the terminal.

use std::io::IsTerminal;

use image::{DynamicImage, RgbaImage};
use pixgen_art::scale::enlarge;

use crate::context::Context;

/// Columns of the terminal that a preview takes at most.
const MAX_COLUMNS: u32 = 64;
/// Edge that sprites are enlarged to for terminals that show true pixels.
const EDGE_PX: u32 = 256;

/// Shows a sprite, if a terminal looks at stdout; otherwise it is said that none does. A preview is a courtesy: it
/// never fails a command.
pub(crate) fn show(sprite: &RgbaImage, context: &Context) {
    let printer = &context.printer;
    if printer.is_json() || !std::io::stdout().is_terminal() {
        printer.warning("--preview shows nothing: stdout is no terminal");
        return;
    }
    let has_pixels = viuer::is_iterm_supported()
        || viuer::is_sixel_supported()
        || viuer::get_kitty_support() != viuer::KittySupport::None;
    let factor = if has_pixels { (EDGE_PX / sprite.width().max(1)).max(1) } else { 1 };
    let shown = enlarge(sprite, factor).unwrap_or_else(|_| sprite.clone());
    // Half blocks: one column and half a row for each pixel.
    let columns = if has_pixels { 24 } else { sprite.width().min(MAX_COLUMNS) };
    let config =
        viuer::Config { absolute_offset: false, transparent: false, width: Some(columns), ..viuer::Config::default() };
    let printed = printer.progress().suspend(|| viuer::print(&DynamicImage::ImageRgba8(shown), &config));
    if let Err(error) = printed {
        printer.warning(&format!("the terminal shows no picture: {error}"));
    }
}
