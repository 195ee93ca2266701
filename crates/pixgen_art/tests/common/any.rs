//! Any picture, for properties: with hostile sizes, few or many colours, hard or soft alpha.

use image::{Rgba, RgbaImage};
use proptest::prelude::*;

use super::Random;

/// How the properties are tried: so many cases, or as many as `PROPTEST_CASES` says.
pub fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(cases);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// An edge in pixels, often 1 or 0.
pub fn edge() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0u32), 2 => Just(1u32), 9 => 2u32..20]
}

/// A sprite of up to seven colours in blocks of up to 3×3, alpha of 0 and 255, nothing hidden under transparency.
pub fn sprite() -> impl Strategy<Value = RgbaImage> {
    (edge(), edge(), 1u64..8, 1u32..4, 0u64..5, any::<u64>()).prop_map(|(width, height, colors, block, clear, seed)| {
        let mut random = Random(seed);
        let tones: Vec<[u8; 3]> = (0..colors).map(|_| [random.byte(), random.byte(), random.byte()]).collect();
        blocks(width, height, block, random.next(), |own| match own.below(6) < clear {
            true => Rgba([0; 4]),
            false => {
                let [r, g, b] = tones[own.below(colors) as usize];
                Rgba([r, g, b, 255])
            }
        })
    })
}

/// A sprite, or noise in all four channels.
pub fn image() -> impl Strategy<Value = RgbaImage> {
    let noise =
        (edge(), edge(), any::<u64>()).prop_map(|(width, height, seed)| super::noise(width, height, &mut Random(seed)));
    prop_oneof![2 => sprite(), 1 => noise]
}

/// Blocks of `block`×`block` pixels, each filled by what `pixel` makes of a generator of its own.
pub fn blocks(width: u32, height: u32, block: u32, salt: u64, pixel: impl Fn(&mut Random) -> Rgba<u8>) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        pixel(&mut Random(salt ^ (u64::from(x / block) << 32 | u64::from(y / block))))
    })
}

/// Every colour that is drawn in one image is drawn in the other.
pub fn has_no_new_colors(after: &RgbaImage, before: &RgbaImage) -> bool {
    let known: std::collections::BTreeSet<[u8; 4]> = before.pixels().map(|pixel| pixel.0).collect();
    after.pixels().all(|pixel| pixel.0 == [0; 4] || known.contains(&pixel.0))
}

/// Pixels that are drawn.
pub fn drawn(image: &RgbaImage) -> usize {
    image.pixels().filter(|pixel| pixel.0[3] > 0).count()
}
