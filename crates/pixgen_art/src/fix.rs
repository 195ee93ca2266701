//! From the picture a model painted to a sprite, in one call.

use image::RgbaImage;
use pixgen_api::Anchor;

use crate::alpha::{OPAQUE_FROM, binary_alpha, opaque, remove_specks};
use crate::frame::anchored;
use crate::palette::reduce_colors;
use crate::scale::shrink;

/// Largest group of loose pixels that is noise of the decoder rather than drawn, in pixels.
const MAX_SPECK_PX: usize = 2;

/// How a painted picture becomes a sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixOptions {
    /// Edge of one sprite pixel in the picture, in pixels: 1 for a model that paints at the sprite's size, 8 for a
    /// 1024 px picture of a 128 px sprite. 0 counts as 1.
    pub scale_px: u32,
    /// Most colours of the sprite; `None` keeps all.
    pub colors: Option<u32>,
    /// Whether the picture's alpha cuts the sprite out; otherwise it becomes opaque everywhere.
    pub cut_out: bool,
    /// Where the drawn pixels are put in the frame.
    pub anchor: Anchor,
}

impl Default for FixOptions {
    fn default() -> Self {
        Self { scale_px: 1, colors: None, cut_out: true, anchor: Anchor::Keep }
    }
}

/// Makes a sprite of a painted picture: pixel grid, binary alpha, few colours, place in the frame.
///
/// With `scale_px` 1 it leaves its own results alone: `fix(fix(x)) == fix(x)`. The order matters for
/// that, and for the result: alpha is decided before colours are counted, so that invisible pixels
/// take no place in the palette, and specks are gone before the figure's size is measured.
#[must_use]
pub fn fix(image: &RgbaImage, options: &FixOptions) -> RgbaImage {
    let mut sprite = shrink(image, options.scale_px);
    sprite = if options.cut_out {
        remove_specks(&binary_alpha(&sprite, OPAQUE_FROM), MAX_SPECK_PX)
    } else {
        opaque(&sprite)
    };
    if let Some(max_colors) = options.colors {
        sprite = reduce_colors(&sprite, max_colors);
    }
    anchored(&sprite, options.anchor)
}
