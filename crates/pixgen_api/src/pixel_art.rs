//! How a painted picture becomes pixel art: every option of the pixel-art pass, its default and its range.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::{MAX_COLORS, MAX_SCALE, MAX_SIZE_PX, MAX_SPECK_PX, MIN_COLORS};
use crate::{Anchor, RequestError};

/// How a painted picture becomes pixel art.
///
/// The default is for a picture that may be pixel art already: it has no clean-up, and a sprite of at most 256 colours
/// with alpha of 0 and 255 only passes through unchanged. What a model painted needs more; a
/// [`Request`](crate::Request) therefore starts from [`PixelArt::for_generation`], in a recipe too: a field that the
/// recipe leaves out has the value for generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PixelArt {
    /// How many picture pixels make one sprite pixel.
    pub scale: Scale,
    /// How the pixels of a cell become one.
    pub downscale: Downscale,
    /// How much the darker part of a cell is favoured, so that outlines thinner than a cell survive: 0 (not at all) to 1
    /// (it wins from a quarter of the cell). For k-centroid, majority and content-adaptive downscaling.
    pub outline_bias: f32,
    /// Which colours the sprite may have.
    pub palette: PaletteSource,
    /// Most colours in the sprite, 2 to 256. `None` keeps all of them up to 256; a palette that is given is used whole.
    pub colors: Option<u32>,
    /// How few colours are made to look like more.
    pub dither: Dither,
    /// How strong the dithering is, 0 (none) to 1.
    pub dither_strength: f32,
    /// Where transparency comes from.
    pub background: Background,
    /// Whether enclosed parts of the background's colour are cut out too, as between an arm and a body. Off by default:
    /// white eyes on a white background are enclosed as well.
    pub holes: bool,
    /// Whether pixels on the rim lose the tint of the background that was cut out.
    pub despill: bool,
    /// Largest group of loose pixels that is removed as noise, in pixels, 0 (none is) to 64.
    pub specks_px: u32,
    /// Whether a pixel that no neighbour resembles takes the commonest colour around it. Eyes and sparkles, which stand
    /// out from everything, stay.
    pub orphans: bool,
    /// Whether doubled corners of one-pixel lines are thinned and lone bumps of the silhouette smoothed.
    pub jaggies: bool,
    /// What happens to the outline.
    pub outline: OutlineEdit,
    /// Whether one half of the sprite is mirrored onto the other.
    pub symmetry: Symmetry,
    /// Where the drawn pixels are put in the frame; `None` lets the kind decide, and keeps them where there is none.
    pub anchor: Option<Anchor>,
}

impl Default for PixelArt {
    fn default() -> Self {
        Self {
            scale: Scale::default(),
            downscale: Downscale::default(),
            outline_bias: 0.0,
            palette: PaletteSource::default(),
            colors: None,
            dither: Dither::default(),
            dither_strength: 1.0,
            background: Background::default(),
            holes: false,
            despill: true,
            specks_px: 0,
            orphans: false,
            jaggies: false,
            outline: OutlineEdit::default(),
            symmetry: Symmetry::default(),
            anchor: None,
        }
    }
}

impl PixelArt {
    /// The defaults for what a model painted.
    #[must_use]
    pub fn for_generation() -> Self {
        Self {
            // Sixteen colours hold every 32 px sprite of the classic 16-bit consoles: one palette line.
            colors: Some(16),
            // A decoder leaves dots of one or two pixels around a figure.
            specks_px: 2,
            ..Self::default()
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first field that is out of its range, with what was found and what is expected.
    pub fn validate(&self) -> Result<(), RequestError> {
        let in_range = RequestError::check_range;
        match self.scale {
            Scale::Auto => {}
            Scale::Factor(factor) => in_range("pixel_art.scale.factor", factor.into(), 1.0, MAX_SCALE.into())?,
            Scale::Size { width_px, height_px } => {
                in_range("pixel_art.scale.size.width_px", width_px.into(), 1.0, MAX_SIZE_PX.into())?;
                in_range("pixel_art.scale.size.height_px", height_px.into(), 1.0, MAX_SIZE_PX.into())?;
            }
        }
        in_range("pixel_art.outline_bias", self.outline_bias.into(), 0.0, 1.0)?;
        in_range("pixel_art.dither_strength", self.dither_strength.into(), 0.0, 1.0)?;
        in_range("pixel_art.specks_px", self.specks_px.into(), 0.0, MAX_SPECK_PX.into())?;
        if let Some(colors) = self.colors {
            in_range("pixel_art.colors", colors.into(), MIN_COLORS.into(), MAX_COLORS.into())?;
        }
        if let PaletteSource::Colors(colors) = &self.palette {
            in_range("the number of colours in pixel_art.palette", colors.len() as f64, 1.0, MAX_COLORS.into())?;
        }
        Ok(())
    }

    /// Reads the options of a recipe: fields left out have the values for generation.
    pub(crate) fn deserialize_for_generation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        GenerationFields::deserialize(deserializer)
    }
}

/// The fields of [`PixelArt`] once more for serde, which ties a default to a type. The compiler checks that they agree.
#[derive(Deserialize)]
#[serde(remote = "PixelArt", default = "PixelArt::for_generation", deny_unknown_fields)]
struct GenerationFields {
    scale: Scale,
    downscale: Downscale,
    outline_bias: f32,
    palette: PaletteSource,
    colors: Option<u32>,
    dither: Dither,
    dither_strength: f32,
    background: Background,
    holes: bool,
    despill: bool,
    specks_px: u32,
    orphans: bool,
    jaggies: bool,
    outline: OutlineEdit,
    symmetry: Symmetry,
    anchor: Option<Anchor>,
}

/// How many picture pixels make one sprite pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scale {
    /// What the model that painted says; in a picture of unknown origin the grid is found. Clean pixel art is
    /// recognised and only an enlargement by a whole factor is undone.
    #[default]
    Auto,
    /// Edge of one sprite pixel in picture pixels, whole or not: 1 for a picture of the sprite's size, 8 for a 1024 px
    /// picture of a 128 px sprite. 1 to 256.
    Factor(f32),
    /// The sprite has exactly this size, 1 to 512 px along each axis and no more than the picture.
    Size {
        /// Columns.
        width_px: u32,
        /// Rows.
        height_px: u32,
    },
}

/// How the pixels of a cell become one pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downscale {
    /// `KCentroid` where the factor is known, as for what a model paints; `Restore` where the grid has to be found or
    /// only the sprite's size is known, as in enlarged or compressed pixel art.
    #[default]
    Auto,
    /// Two groups of colours in OKLab; the larger one gives the pixel.
    KCentroid,
    /// The commonest colour, where colours that look the same count as one.
    Majority,
    /// The pixel in the middle.
    Center,
    /// The pixel that lies nearest to all others of the cell, the median of a set of colours.
    Median,
    /// Cells bend towards edges before they are averaged (after Kopf et al. 2013, "Content-Adaptive Image Downscaling").
    ContentAdaptive,
    /// Grid, interpolation and blur are estimated and undone by least squares.
    Restore,
}

impl Downscale {
    /// Every method, in the order in which front ends list them.
    pub const ALL: [Self; 7] =
        [Self::Auto, Self::KCentroid, Self::Majority, Self::Center, Self::Median, Self::ContentAdaptive, Self::Restore];
}

/// Which colours a sprite may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaletteSource {
    /// The picture's own, the best of them where there are too many.
    #[default]
    Own,
    /// The picture's own, and no more than can be told apart: colours become one when they lie nearer than both the
    /// picture's noise and the eye's threshold (0.02 in OKLab).
    Auto,
    /// A well-known palette, as `pico-8`.
    Named(String),
    /// A palette file: `.hex .gpl .pal .act .ase .aseprite .png .txt`.
    File(PathBuf),
    /// These, 1 to 256.
    Colors(Vec<HexColor>),
}

/// How few colours are made to look like more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dither {
    /// Every pixel takes the nearest colour.
    #[default]
    None,
    /// Bayer's matrix of 2×2.
    Bayer2,
    /// Bayer's matrix of 4×4.
    Bayer4,
    /// Bayer's matrix of 8×8.
    Bayer8,
    /// A pattern without regular structure or clumps, 32×32, by void and cluster.
    BlueNoise,
    /// Error diffusion to four neighbours (Floyd and Steinberg 1976).
    FloydSteinberg,
    /// Error diffusion of three quarters to six neighbours, which keeps flat areas clean (Atkinson).
    Atkinson,
}

impl Dither {
    /// Every kind, in the order in which front ends list them.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Bayer2, Self::Bayer4, Self::Bayer8, Self::BlueNoise, Self::FloydSteinberg, Self::Atkinson];
}

/// Where transparency comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// What the kind wants: a tile is opaque, everything else is cut out, by the model's own alpha or, where it paints
    /// none, from the background at the picture's border. A picture without a kind keeps the alpha that it has.
    #[default]
    Auto,
    /// Opaque everywhere.
    Keep,
    /// Cut out, whatever the kind.
    Remove,
    /// Cut out where the border shows this colour.
    KeyColor(HexColor),
}

/// What happens to the outline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OutlineEdit {
    /// It stays as it is.
    #[default]
    Keep,
    /// One is drawn where there is none.
    Add {
        /// Its colour; with a given palette the nearest in it.
        color: HexColor,
        /// Where it runs.
        #[serde(default)]
        side: OutlineSide,
        /// Whether pixels that touch the rim at a corner only belong to it: a closed, thicker line.
        #[serde(default)]
        corners: bool,
    },
    /// The dark line on the rim takes another colour.
    Recolor {
        /// The new colour; with a given palette the nearest in it.
        color: HexColor,
    },
    /// The dark line on the rim is taken off, where most of the rim has one.
    Remove,
}

/// Where an outline runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutlineSide {
    /// On the transparent pixels around the figure.
    #[default]
    Outer,
    /// On the figure's own rim.
    Inner,
}

/// Whether one half of a sprite is mirrored onto the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symmetry {
    /// Both halves stay as they are.
    #[default]
    None,
    /// The left half is mirrored onto the right one.
    Left,
    /// The right half is mirrored onto the left one.
    Right,
    /// The upper half is mirrored onto the lower one.
    Top,
    /// The lower half is mirrored onto the upper one.
    Bottom,
}

/// An opaque sRGB colour, written `"#rrggbb"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexColor(pub [u8; 3]);

impl fmt::Display for HexColor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl FromStr for HexColor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim().trim_start_matches('#');
        let value = if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        };
        let error = || format!("{text:?} is no colour, expected six hexadecimal digits, for example \"#ff8800\"");
        let [_, r, g, b] = value.ok_or_else(error)?.to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

impl TryFrom<String> for HexColor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HexColor> for String {
    fn from(color: HexColor) -> Self {
        color.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    #[test]
    fn todays_recipes_still_mean_the_same() {
        let colors: Request = ron::from_str(r#"(prompt: "x", pixel_art: (colors: Some(8)))"#).unwrap();
        assert_eq!(colors.pixel_art, PixelArt { colors: Some(8), ..PixelArt::for_generation() });
        let kept: Request =
            ron::from_str(r#"(prompt: "x", pixel_art: (background: keep, anchor: Some(feet)))"#).unwrap();
        assert_eq!((kept.pixel_art.colors, kept.pixel_art.background), (Some(16), Background::Keep));
        assert_eq!(kept.pixel_art.anchor, Some(Anchor::Feet));
        let all: Request = ron::from_str(r#"(prompt: "x", pixel_art: (colors: None))"#).unwrap();
        assert_eq!(all.pixel_art.colors, None);
    }

    #[test]
    fn every_option_survives_ron() {
        let options = PixelArt {
            scale: Scale::Size { width_px: 48, height_px: 32 },
            downscale: Downscale::ContentAdaptive,
            outline_bias: 0.5,
            palette: PaletteSource::Colors(vec![HexColor([255, 136, 0]), HexColor([0, 0, 1])]),
            colors: Some(2),
            dither: Dither::FloydSteinberg,
            dither_strength: 0.25,
            background: Background::KeyColor(HexColor([255, 0, 255])),
            holes: true,
            despill: false,
            specks_px: 3,
            orphans: true,
            jaggies: true,
            outline: OutlineEdit::Add { color: HexColor([1, 2, 3]), side: OutlineSide::Inner, corners: true },
            symmetry: Symmetry::Left,
            anchor: Some(Anchor::Center),
        };
        let text = ron::to_string(&options).unwrap();
        assert!(text.contains("\"#ff8800\""), "{text}");
        assert_eq!(ron::from_str::<PixelArt>(&text).unwrap(), options);
        let request = Request { prompt: "x".into(), pixel_art: options, ..Request::default() };
        assert_eq!(ron::from_str::<Request>(&ron::to_string(&request).unwrap()).unwrap(), request);
    }

    #[test]
    fn options_are_written_as_people_would() {
        let text = r##"(scale: factor(8), palette: named("pico-8"), outline: add(color: "#101010"))"##;
        let options: PixelArt = ron::from_str(text).unwrap();
        assert_eq!(options.scale, Scale::Factor(8.0));
        assert_eq!(options.palette, PaletteSource::Named("pico-8".into()));
        let outer = OutlineEdit::Add { color: HexColor([16; 3]), side: OutlineSide::Outer, corners: false };
        assert_eq!(options.outline, outer);
    }

    #[test]
    fn misspelt_names_and_colours_are_errors() {
        for text in [
            "(colours: Some(8))",
            r##"(outline: add(color: "#101010", corner: true))"##,
            r#"(outline: add(color: "red"))"#,
            r##"(palette: colors(["#12345"]))"##,
        ] {
            assert!(ron::from_str::<PixelArt>(text).is_err(), "{text}");
            assert!(ron::from_str::<Request>(&format!("(prompt: \"x\", pixel_art: {text})")).is_err(), "{text}");
        }
        let error = "#12é45".parse::<HexColor>().unwrap_err();
        assert!(error.contains("#12é45") && error.contains("six hexadecimal digits"), "{error}");
    }

    #[test]
    fn out_of_range_options_are_named() {
        let check = |options: PixelArt, expected: &str| {
            let error = options.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let default = PixelArt::default;
        check(PixelArt { colors: Some(257), ..default() }, "pixel_art.colors is 257, expected 2 to 256");
        check(PixelArt { scale: Scale::Factor(0.5), ..default() }, "pixel_art.scale.factor is 0.5, expected 1 to 256");
        check(PixelArt { scale: Scale::Factor(f32::NAN), ..default() }, "factor is NaN");
        check(PixelArt { scale: Scale::Size { width_px: 0, height_px: 9 }, ..default() }, "width_px is 0");
        check(PixelArt { outline_bias: -0.1, ..default() }, "outline_bias");
        check(PixelArt { dither_strength: f32::INFINITY, ..default() }, "dither_strength is inf");
        check(PixelArt { specks_px: 65, ..default() }, "specks_px is 65");
        check(PixelArt { palette: PaletteSource::Colors(Vec::new()), ..default() }, "number of colours");
        assert_eq!(default().validate(), Ok(()));
        assert_eq!(PixelArt::for_generation().validate(), Ok(()));
    }
}
