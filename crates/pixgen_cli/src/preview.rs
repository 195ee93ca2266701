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
    let (has_kitty, has_sixel) = (asks_for_kitty(), asks_for_sixel());
    let has_pixels = viuer::is_iterm_supported()
        || has_sixel && viuer::is_sixel_supported()
        || has_kitty && viuer::get_kitty_support() != viuer::KittySupport::None;
    let factor = if has_pixels { (EDGE_PX / sprite.width().max(1)).max(1) } else { 1 };
    let shown = enlarge(sprite, factor).unwrap_or_else(|_| sprite.clone());
    // Half blocks: one column and half a row for each pixel.
    let columns = if has_pixels { 24 } else { sprite.width().min(MAX_COLUMNS) };
    let config = viuer::Config {
        absolute_offset: false,
        transparent: false,
        width: Some(columns),
        use_kitty: has_kitty,
        use_sixel: has_sixel,
        ..viuer::Config::default()
    };
    let printed = printer.progress().suspend(|| viuer::print(&DynamicImage::ImageRgba8(shown), &config));
    if let Err(error) = printed {
        printer.warning(&format!("the terminal shows no picture: {error}"));
    }
}

/// Whether an environment variable holds one of these, upper or lower case.
fn says(variable: &str, names: &[&str]) -> bool {
    let value = std::env::var(variable).unwrap_or_default().to_lowercase();
    names.iter().any(|name| value.contains(name))
}

/// Whether the terminal claims to know kitty's pictures. Only such a one is asked: the library waits for the answer, and
/// a terminal that never heard the question (a CI log, `script`) lets it wait for ever.
fn asks_for_kitty() -> bool {
    says("TERM", &["kitty", "ghostty", "wezterm"])
        || says("TERM_PROGRAM", &["ghostty", "wezterm", "kitty"])
        || std::env::var_os("KITTY_WINDOW_ID").is_some()
        || std::env::var_os("KONSOLE_VERSION").is_some()
}

/// Whether the terminal claims to know sixels, or is one that always answers what it knows.
fn asks_for_sixel() -> bool {
    says("TERM", &["foot", "mlterm", "sixel", "contour", "yaft"])
        || says("TERM_PROGRAM", &["mintty", "contour", "wezterm", "rio"])
        || ["WT_SESSION", "XTERM_VERSION", "KONSOLE_VERSION"].iter().any(|name| std::env::var_os(name).is_some())
}
