//! One palette over any number of sprites, in bounded memory.

use std::collections::BTreeMap;

use image::{Rgba, RgbaImage};
use pixgen_api::MAX_COLORS;
use pixgen_art::Palette;

/// Bytes of sprites that are held at once: 4,096 of 64 px.
pub(crate) const MAX_HELD_BYTES: usize = 64 << 20;

/// Pixels that stand for a part on average: 256 colours have sixteen each.
const PART_PX: usize = 64 * 64;

/// Columns of such a picture.
const PICTURE_PX: u32 = 64;

/// The colours of sprites that went by, at most 256, and how many visible pixels have each.
type Counts = BTreeMap<[u8; 3], u64>;

/// Sprites on the way to a palette. As long as they fit into memory they are looked at together; beyond, every part of
/// them is first reduced to 256 colours, and the palette is that of the parts, each of which counts as much as it has
/// visible pixels.
#[derive(Debug)]
pub(crate) struct JointColors {
    max_bytes: usize,
    held: Vec<RgbaImage>,
    held_bytes: usize,
    parts: Vec<Counts>,
}

impl JointColors {
    /// Holds at most so many bytes of sprites.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, held: Vec::new(), held_bytes: 0, parts: Vec::new() }
    }

    /// Takes a sprite's colours in.
    pub(crate) fn add(&mut self, sprite: RgbaImage) {
        let bytes = sprite.as_raw().len();
        if !self.held.is_empty() && self.held_bytes + bytes > self.max_bytes {
            self.summarise();
        }
        self.held_bytes += bytes;
        self.held.push(sprite);
    }

    /// The palette that `choose` finds over everything.
    pub(crate) fn palette(mut self, choose: impl Fn(&[RgbaImage]) -> Palette) -> Palette {
        if !self.parts.is_empty() {
            self.summarise();
            self.held = pictures(&self.parts);
        }
        choose(&self.held)
    }

    /// Makes a part of what is held.
    fn summarise(&mut self) {
        let palette = Palette::reduced_jointly(&self.held, MAX_COLORS);
        let mut counts = Counts::new();
        for sprite in self.held.drain(..) {
            for pixel in palette.apply(&sprite).pixels().filter(|pixel| pixel.0[3] > 0) {
                let [r, g, b, _] = pixel.0;
                *counts.entry([r, g, b]).or_default() += 1;
            }
        }
        self.held_bytes = 0;
        self.parts.push(counts);
        // A hundred thousand sprites are many parts, too: their pictures must not take more than the sprites may.
        if self.parts.len() * PART_PX * 4 > self.max_bytes && self.parts.len() > 1 {
            self.parts = vec![joined(&self.parts)];
        }
    }
}

/// Parts as one of 256 colours, with as many pixels as all of them have.
fn joined(parts: &[Counts]) -> Counts {
    let palette = Palette::reduced_jointly(&pictures(parts), MAX_COLORS);
    let mut counts = Counts::new();
    for (color, count) in parts.iter().flatten() {
        *counts.entry(palette.nearest(*color).unwrap_or(*color)).or_default() += count;
    }
    counts
}

/// A picture for each part, with its colours in about their shares and with every one of them; how large it is, is the
/// part's share of all visible pixels. Equal pixels lie side by side, as on a sprite without noise.
fn pictures(parts: &[Counts]) -> Vec<RgbaImage> {
    let all: u128 = parts.iter().flat_map(Counts::values).map(|count| u128::from(*count)).sum();
    let room = (parts.len() * PART_PX) as u128;
    let picture = |counts: &Counts| {
        let pixels: Vec<Rgba<u8>> = counts
            .iter()
            .flat_map(|([r, g, b], count)| {
                let pixels = (u128::from(*count) * room / all.max(1)).max(1);
                std::iter::repeat_n(Rgba([*r, *g, *b, u8::MAX]), pixels as usize)
            })
            .collect();
        let rows = pixels.len().div_ceil(PICTURE_PX as usize) as u32;
        let mut picture = RgbaImage::new(PICTURE_PX, rows);
        picture.pixels_mut().zip(pixels).for_each(|(place, pixel)| *place = pixel);
        picture
    };
    parts.iter().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two shades of the picture's own colour, and a few pixels of a red that all of them share.
    fn sprite(number: u8) -> RgbaImage {
        RgbaImage::from_fn(32, 32, |x, y| match (x, y) {
            (0..3, 0..3) => Rgba([220, 20, 20, 255]),
            (16.., _) => Rgba([0; 4]),
            _ => Rgba([10, (number % 5) * 50, 20 + (y / 16) as u8 * 60, 255]),
        })
    }

    #[test]
    fn many_sprites_get_the_palette_that_they_would_get_together() {
        let palette = |max_bytes: usize| {
            let mut colors = JointColors::new(max_bytes);
            (0..60).map(sprite).for_each(|sprite| colors.add(sprite));
            colors.palette(|sprites| Palette::reduced_jointly(sprites, 11))
        };
        let together = palette(MAX_HELD_BYTES);
        assert_eq!(together.len(), 11);
        // Ten sprites at once, one at once, and so little that parts are parts of parts.
        for max_bytes in [40_960, 4_096, 1] {
            assert_eq!(palette(max_bytes), together, "{max_bytes}");
        }
    }

    #[test]
    fn a_part_counts_as_much_as_it_has_visible_pixels() {
        // Two hundred shades of blue that fill their sprites, and as many of red in the corner of theirs.
        let shades = |red: bool, visible: u32| {
            RgbaImage::from_fn(64, 64, |x, y| match (x.max(y) < visible, red) {
                (false, _) => Rgba([0; 4]),
                (_, false) => Rgba([20, 2 * y as u8, 60 + 3 * x as u8, 255]),
                (_, true) => Rgba([60 + 12 * x as u8, 8 * y as u8, 20, 255]),
            })
        };
        let sprites: Vec<_> = (0..8).map(|_| shades(false, 64)).chain((0..8).map(|_| shades(true, 16))).collect();
        let palette = |max_bytes: usize| {
            let mut colors = JointColors::new(max_bytes);
            sprites.iter().for_each(|sprite| colors.add(sprite.clone()));
            colors.palette(|sprites| Palette::reduced_jointly(sprites, 12))
        };
        let reds = |palette: &Palette| palette.colors().iter().filter(|[r, _, b]| r > b).count();
        let error = |palette: &Palette| {
            let visible = || sprites.iter().flat_map(RgbaImage::pixels).filter(|pixel| pixel.0[3] > 0);
            let away = |[r, g, b, _]: [u8; 4]| {
                let near = palette.nearest([r, g, b]).unwrap();
                f64::from(pixgen_art::delta_e([r, g, b], near))
            };
            visible().map(|pixel| away(pixel.0)).sum::<f64>() / visible().count() as f64
        };
        let together = palette(MAX_HELD_BYTES);
        // Sprites of one colour in each part: two parts, sixteen, and parts joined again and again.
        for max_bytes in [8 * 64 * 64 * 4, 64 * 64 * 4, 1] {
            let parts = palette(max_bytes);
            let (found, expected) = (reds(&parts), reds(&together));
            assert!(found.abs_diff(expected) <= 1, "{max_bytes}: {found} reds, together {expected}");
            let (found, expected) = (error(&parts), error(&together));
            assert!(found < 1.1 * expected, "{max_bytes}: {found}, together {expected}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut colors = JointColors::new(40_000);
        for number in 0..200 {
            colors.add(sprite(number));
            let pictures: usize = pictures(&colors.parts).iter().map(|picture| picture.as_raw().len()).sum();
            // One part more than fits, and a begun row of each.
            assert!(colors.held_bytes <= 40_000 && pictures <= 40_000 + 16_384 + 3 * 256, "{number}: {pictures}");
        }
        assert!(JointColors::new(1).palette(|sprites| Palette::reduced_jointly(sprites, 4)).is_empty());
    }
}
