//! Palettes by name, by file or by their colours.

use std::path::Path;

use pixgen_api::{HexColor, MAX_COLORS, PaletteSource};
use pixgen_art::palette::Classic;
use pixgen_art::palette::format::Format;

use crate::exit::{OrUsage, usage};
use crate::nearest::unknown;

/// Reads a palette from what the user wrote: `own`, `auto`, a name, a file, or colours with commas between them. A
/// file's colours are taken over, so that the sprite can be drawn again without the file.
///
/// # Errors
/// When it is none of these, with the nearest name.
pub(crate) fn parse(text: &str) -> anyhow::Result<PaletteSource> {
    let text = text.trim();
    match text.to_lowercase().as_str() {
        "own" => return Ok(PaletteSource::Own),
        "auto" => return Ok(PaletteSource::Auto),
        _ => {}
    }
    if text.starts_with('#') {
        let colors: Result<Vec<HexColor>, String> = text.split(',').map(str::parse).collect();
        return colors.map(PaletteSource::Colors).map_err(usage);
    }
    if let Some(classic) = find_classic(text) {
        return Ok(PaletteSource::Named(classic.name.to_owned()));
    }
    let path = Path::new(text);
    let looks_like_a_file = path.extension().is_some() || path.components().count() > 1 || path.exists();
    if !looks_like_a_file {
        let names: Vec<_> = Classic::ALL.iter().map(|classic| classic.name).collect();
        return Err(usage(format!("{}; a palette file is named with its extension", unknown("palette", text, &names))));
    }
    let colors = read(path)?;
    if colors.len() > MAX_COLORS as usize {
        let found = colors.len();
        return Err(usage(format!("{text} holds {found} colours, a sprite has at most {MAX_COLORS}")));
    }
    Ok(PaletteSource::Colors(colors.into_iter().map(HexColor).collect()))
}

/// The classic palette of this name; `gameboy` and `pico8` are found too.
pub(crate) fn find_classic(name: &str) -> Option<Classic> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    Classic::ALL.into_iter().find(|classic| plain(classic.name) == plain(name))
}

/// The colours of a palette file.
///
/// # Errors
/// When it cannot be read or is none, with line or byte.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<[u8; 3]>> {
    let bytes = std::fs::read(path).or_usage_in(path.display())?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
    let format = Format::detect(&bytes, &extension).or_usage_in(path.display())?;
    format.parse(&bytes).or_usage_in(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_are_found_by_name_by_file_and_by_colours() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("two.hex");
        std::fs::write(&file, "ff0000\n0000ff\n").unwrap();
        let two = PaletteSource::Colors(vec![HexColor([255, 0, 0]), HexColor([0, 0, 255])]);
        assert_eq!(parse(&file.to_string_lossy()).unwrap(), two);
        assert_eq!(parse("#ff0000,#0000ff").unwrap(), two);
        assert_eq!(parse("GameBoy").unwrap(), PaletteSource::Named("game-boy".into()));
        assert_eq!(parse("own").unwrap(), PaletteSource::Own);
    }

    #[test]
    fn what_is_no_palette_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken.hex");
        std::fs::write(&broken, "ff0000\nred\n").unwrap();
        for (text, expected) in [
            ("pico-9", "did you mean \"pico-8\"?"),
            ("#12,#34", "six hexadecimal digits"),
            (&*broken.to_string_lossy(), "line 2: found \"red\""),
            ("nowhere.gpl", "nowhere.gpl: No such file"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
