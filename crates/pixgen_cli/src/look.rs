//! The options of the pixel-art pass, for everything that is drawn and for `fix`.

use clap::Args;
use pixgen_api::{Anchor, Background, Dither, Downscale, HexColor, OutlineEdit, OutlineSide, PixelArt, Symmetry};

use crate::options::choice;
use crate::palettes;

/// The options of the pixel-art pass.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LookOptions {
    /// Colours of the sprite: own, auto, a name of `dgx-pixels palettes`, a palette file, or #rrggbb,#rrggbb …
    #[arg(long, value_name = "PALETTE", help_heading = "Look")]
    pub(crate) palette: Option<String>,
    /// Most colours in the sprite, 2 to 256 [default: 16].
    #[arg(long, value_name = "N", help_heading = "Look")]
    pub(crate) colors: Option<u32>,
    /// How few colours are made to look like more [default: none].
    #[arg(long, value_parser = choice(&Dither::ALL), help_heading = "Look")]
    pub(crate) dither: Option<Dither>,
    /// How strong the dithering is, 0 to 1 [default: 1].
    #[arg(long, value_name = "SHARE", help_heading = "Look")]
    pub(crate) dither_strength: Option<f32>,
    /// The outline: keep, remove, #rrggbb draws one around the figure, inner:#rrggbb on its rim, recolor:#rrggbb
    /// [default: keep].
    #[arg(long, value_name = "OUTLINE", value_parser = parse_outline, help_heading = "Look")]
    pub(crate) outline: Option<OutlineEdit>,
    /// The background: auto, keep, remove, or the colour #rrggbb that is cut out [default: auto].
    #[arg(long, value_name = "BACKGROUND", value_parser = parse_background, help_heading = "Look")]
    pub(crate) background: Option<Background>,
    /// The same as --background keep.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
          value_name = "BOOL", help_heading = "Look", conflicts_with = "background")]
    pub(crate) keep_background: Option<bool>,
    /// Cut out enclosed parts of the background too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
          value_name = "BOOL", help_heading = "Look")]
    pub(crate) holes: Option<bool>,
    /// Give lone pixels the colour around them.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
          value_name = "BOOL", help_heading = "Look")]
    pub(crate) orphans: Option<bool>,
    /// Thin the doubled corners of outlines.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
          value_name = "BOOL", help_heading = "Look")]
    pub(crate) jaggies: Option<bool>,
    /// Mirror one half onto the other [default: none].
    #[arg(long, value_parser = choice(&SYMMETRIES), help_heading = "Look")]
    pub(crate) symmetry: Option<Symmetry>,
    /// How the pixels of a painted cell become one [default: auto].
    #[arg(long, value_parser = choice(&Downscale::ALL), help_heading = "Look")]
    pub(crate) downscale: Option<Downscale>,
    /// Where the sprite stands in its frame [default: what the kind wants].
    #[arg(long, value_parser = choice(&ANCHORS), help_heading = "Look")]
    pub(crate) anchor: Option<Anchor>,
}

const SYMMETRIES: [Symmetry; 5] = [Symmetry::None, Symmetry::Left, Symmetry::Right, Symmetry::Top, Symmetry::Bottom];
const ANCHORS: [Anchor; 3] = [Anchor::Keep, Anchor::Center, Anchor::Feet];

impl LookOptions {
    /// These options, and where they say nothing, the weaker ones.
    pub(crate) fn over(self, weaker: Self) -> Self {
        Self {
            palette: self.palette.or(weaker.palette),
            colors: self.colors.or(weaker.colors),
            dither: self.dither.or(weaker.dither),
            dither_strength: self.dither_strength.or(weaker.dither_strength),
            outline: self.outline.or(weaker.outline),
            keep_background: self.keep_background.or(weaker.keep_background.filter(|_| self.background.is_none())),
            background: self.background.or(weaker.background.filter(|_| self.keep_background.is_none())),
            holes: self.holes.or(weaker.holes),
            orphans: self.orphans.or(weaker.orphans),
            jaggies: self.jaggies.or(weaker.jaggies),
            symmetry: self.symmetry.or(weaker.symmetry),
            downscale: self.downscale.or(weaker.downscale),
            anchor: self.anchor.or(weaker.anchor),
        }
    }

    /// Fills the options of the pixel-art pass.
    ///
    /// # Errors
    /// A palette that is none.
    pub(crate) fn apply(&self, look: &mut PixelArt) -> anyhow::Result<()> {
        if let Some(palette) = &self.palette {
            look.palette = palettes::parse(palette)?;
        }
        look.colors = self.colors.or(look.colors);
        look.dither = self.dither.unwrap_or(look.dither);
        look.dither_strength = self.dither_strength.unwrap_or(look.dither_strength);
        look.outline = self.outline.unwrap_or(look.outline);
        look.background = match (self.background, self.keep_background) {
            (Some(background), _) => background,
            (None, Some(true)) => Background::Keep,
            (None, _) => look.background,
        };
        look.holes = self.holes.unwrap_or(look.holes);
        look.orphans = self.orphans.unwrap_or(look.orphans);
        look.jaggies = self.jaggies.unwrap_or(look.jaggies);
        look.symmetry = self.symmetry.unwrap_or(look.symmetry);
        look.downscale = self.downscale.unwrap_or(look.downscale);
        look.anchor = self.anchor.or(look.anchor);
        Ok(())
    }
}

fn parse_background(text: &str) -> Result<Background, String> {
    match text.to_lowercase().as_str() {
        "auto" => Ok(Background::Auto),
        "keep" => Ok(Background::Keep),
        "remove" => Ok(Background::Remove),
        color if color.starts_with('#') => color.parse().map(Background::KeyColor),
        _ => Err("expected auto, keep, remove, or a colour #rrggbb that is cut out".to_owned()),
    }
}

fn parse_outline(text: &str) -> Result<OutlineEdit, String> {
    let text = text.to_lowercase();
    let add = |color: &str, side| {
        let color: HexColor = color.parse()?;
        Ok(OutlineEdit::Add { color, side, corners: false })
    };
    match (text.as_str(), text.split_once(':')) {
        ("keep", _) => Ok(OutlineEdit::Keep),
        ("remove", _) => Ok(OutlineEdit::Remove),
        (color, _) if color.starts_with('#') => add(color, OutlineSide::Outer),
        (_, Some(("outer", color))) => add(color, OutlineSide::Outer),
        (_, Some(("inner", color))) => add(color, OutlineSide::Inner),
        (_, Some(("recolor", color))) => Ok(OutlineEdit::Recolor { color: color.parse()? }),
        _ => Err("expected keep, remove, #rrggbb, inner:#rrggbb or recolor:#rrggbb".to_owned()),
    }
}
