//! Ready-made options for the looks that people ask for by name.

use pixgen_api::{Background, Dither, HexColor, OutlineEdit, OutlineSide, PaletteSource, PixelArt, Symmetry};

/// Options under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name, as users type it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The options; the scale is left to be found.
    pub options: PixelArt,
}

/// Every preset, in the order in which front ends list them.
#[must_use]
pub fn presets() -> Vec<Preset> {
    let preset = |name, about, options| Preset { name, about, options };
    let cut = || PixelArt { background: Background::Remove, ..PixelArt::for_generation() };
    let named = |name: &str| PaletteSource::Named(name.to_owned());
    let outline = |color, side, corners| OutlineEdit::Add { color: HexColor(color), side, corners };
    vec![
        preset("default", "pixel art passes through, pictures of it are restored", PixelArt::default()),
        preset(
            "sprite-16",
            "cut out, 16 colours, orphans and jaggies cleaned",
            PixelArt { orphans: true, jaggies: true, ..cut() },
        ),
        preset(
            "sprite-auto",
            "cut out, as many colours as can be told apart",
            PixelArt { palette: PaletteSource::Auto, colors: Some(32), orphans: true, ..cut() },
        ),
        preset(
            "game-boy",
            "the four greens of the Game Boy, dithered",
            PixelArt { palette: named("game-boy"), dither: Dither::Bayer4, dither_strength: 0.6, ..cut() },
        ),
        preset(
            "pico-8",
            "the sixteen colours of PICO-8",
            PixelArt { palette: named("pico-8"), orphans: true, ..cut() },
        ),
        preset(
            "outline",
            "cut out with a dark outline around",
            PixelArt { outline: outline([26, 24, 32], OutlineSide::Outer, false), jaggies: true, ..cut() },
        ),
        preset(
            "inner-outline",
            "the figure's own rim becomes a dark outline",
            PixelArt { outline: outline([26, 24, 32], OutlineSide::Inner, true), ..cut() },
        ),
        preset("bare", "cut out, the dark outline taken off", PixelArt { outline: OutlineEdit::Remove, ..cut() }),
        preset(
            "dithered",
            "eight colours and blue noise",
            PixelArt { colors: Some(8), dither: Dither::BlueNoise, ..cut() },
        ),
        preset(
            "diffused",
            "eight colours and error diffusion",
            PixelArt { colors: Some(8), dither: Dither::FloydSteinberg, ..cut() },
        ),
        preset(
            "mirrored",
            "cut out, the left half mirrored onto the right one",
            PixelArt { symmetry: Symmetry::Left, orphans: true, jaggies: true, ..cut() },
        ),
        preset(
            "tile",
            "opaque, 24 colours",
            PixelArt { background: Background::Keep, colors: Some(24), specks_px: 0, ..PixelArt::for_generation() },
        ),
    ]
}
