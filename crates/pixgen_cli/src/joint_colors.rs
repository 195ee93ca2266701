//! One palette over any number of sprites, in bounded memory.

use std::collections::BTreeMap;

use image::{Rgba, RgbaImage};
use pixgen_api::MAX_COLORS;
use pixgen_art::Palette;

/// Bytes of sprites that are held at once: 4,096 of 64 px.
pub(crate) const MAX_HELD_BYTES: usize = 64 << 20;

/// Edge of a summary in pixels: 256 colours have sixteen pixels each on average.
const SUMMARY_PX: u32 = 64;

/// Sprites on the way to a palette. As long as they fit into memory they are looked at together; beyond, every part of
/// them is first reduced to 256 colours, and the palette is that of the parts.
#[derive(Debug)]
pub(crate) struct JointColors {
    max_bytes: usize,
    held: Vec<RgbaImage>,
    held_bytes: usize,
    /// The colours of the sprites that went by, each as often as its share of their pixels.
    summaries: Vec<RgbaImage>,
}

impl JointColors {
    /// Holds at most so many bytes of sprites.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, held: Vec::new(), held_bytes: 0, summaries: Vec::new() }
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
        if !self.summaries.is_empty() {
            self.summarise();
            self.held = std::mem::take(&mut self.summaries);
        }
        choose(&self.held)
    }

    fn summarise(&mut self) {
        let palette = Palette::reduced_jointly(&self.held, MAX_COLORS);
        let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
        for sprite in self.held.drain(..) {
            for pixel in palette.apply(&sprite).pixels().filter(|pixel| pixel.0[3] > 0) {
                let [r, g, b, _] = pixel.0;
                *counts.entry([r, g, b]).or_default() += 1;
            }
        }
        self.held_bytes = 0;
        self.summaries.push(summary(&counts));
        // A hundred thousand sprites are many parts, too.
        let bytes = self.summaries.len() * (4 * SUMMARY_PX * SUMMARY_PX) as usize;
        if bytes > self.max_bytes && self.summaries.len() > 1 {
            self.held = std::mem::take(&mut self.summaries);
            self.summarise();
        }
    }
}

/// A picture with these colours in about these shares, and with every one of them; equal pixels lie side by side, as on
/// a sprite without noise.
fn summary(counts: &BTreeMap<[u8; 3], u64>) -> RgbaImage {
    let all: u64 = counts.values().sum();
    let room = u64::from(SUMMARY_PX * SUMMARY_PX).saturating_sub(counts.len() as u64);
    let mut colors = counts.iter().flat_map(|([r, g, b], count)| {
        let pixels = 1 + count * room / all.max(1);
        std::iter::repeat_n(Rgba([*r, *g, *b, 255]), pixels as usize)
    });
    let mut picture = RgbaImage::new(SUMMARY_PX, SUMMARY_PX);
    for pixel in picture.pixels_mut() {
        *pixel = colors.next().unwrap_or(Rgba([0; 4]));
    }
    picture
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
    fn memory_is_bounded() {
        let mut colors = JointColors::new(40_000);
        for number in 0..200 {
            colors.add(sprite(number));
            let summaries: usize = colors.summaries.iter().map(|summary| summary.as_raw().len()).sum();
            assert!(colors.held_bytes <= 40_000 && summaries <= 40_000 + 16_384, "{number}");
        }
        assert!(JointColors::new(1).palette(|sprites| Palette::reduced_jointly(sprites, 4)).is_empty());
    }
}
