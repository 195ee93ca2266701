//! Pictures for the tests: drawn by rule and spoiled by a small random generator, so that every run sees the same.
#![allow(dead_code, unreachable_pub)]

pub mod animations;
pub mod any;
pub mod golden;
pub mod tiles;

use image::{Rgba, RgbaImage};

/// SplitMix64 (Steele et al. 2014): the same numbers on every machine, without a dependency.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }
}

/// The eight colours of [`knight`], the two rare ones (eye and gem, two pixels each) last.
pub const KNIGHT_COLORS: [[u8; 3]; 8] = [
    [26, 24, 32],
    [72, 78, 92],
    [122, 132, 148],
    [190, 198, 206],
    [120, 44, 36],
    [178, 70, 48],
    [240, 240, 120],
    [64, 240, 255],
];

/// A 32×32 figure: outline, three greys of armour in bands, a red cloak, two bright eyes, a gem of two pixels.
pub fn knight() -> RgbaImage {
    let color = |index: usize| Rgba([KNIGHT_COLORS[index][0], KNIGHT_COLORS[index][1], KNIGHT_COLORS[index][2], 255]);
    RgbaImage::from_fn(32, 32, |x, y| match (x, y) {
        (0..8 | 24.., _) | (_, 0..4 | 30..) => Rgba([0; 4]),
        (8 | 23, _) | (_, 4 | 29) => color(0),
        (13 | 18, 9) => color(6),
        (15 | 16, 18) => color(7),
        (9..=11, _) => color(if y % 2 == 0 { 4 } else { 5 }),
        (_, 5..10) => color(3),
        (_, 10..20) => color(2),
        _ => color(1),
    })
}

/// The image with every colour channel of its drawn pixels moved by up to `levels`.
pub fn with_noise(image: &RgbaImage, levels: u8, random: &mut Random) -> RgbaImage {
    let mut noisy = image.clone();
    let span = 2 * u64::from(levels) + 1;
    for pixel in noisy.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
        for channel in &mut pixel.0[..3] {
            let moved = i32::from(*channel) + random.below(span) as i32 - i32::from(levels);
            *channel = moved.clamp(0, 255) as u8;
        }
    }
    noisy
}

/// The sprite as a decoder paints it: noise in colours and alpha, junk under transparency, loose specks
/// that do not touch it.
pub fn as_decoded(image: &RgbaImage, random: &mut Random) -> RgbaImage {
    let mut decoded = with_noise(image, 6, random);
    for (x, y, pixel) in decoded.enumerate_pixels_mut() {
        let is_near = |(near_x, near_y, near): (u32, u32, &Rgba<u8>)| {
            near.0[3] > 0 && near_x.abs_diff(x) <= 1 && near_y.abs_diff(y) <= 1
        };
        if pixel.0[3] == 0 {
            let is_speck = random.below(90) == 0 && !image.enumerate_pixels().any(is_near);
            let alpha = if is_speck { 200 } else { random.below(60) as u8 };
            pixel.0 = [random.byte(), random.byte(), random.byte(), alpha];
        } else {
            pixel.0[3] = 255 - random.below(110) as u8;
        }
    }
    decoded
}

/// Noise in every channel.
pub fn noise(width: u32, height: u32, random: &mut Random) -> RgbaImage {
    RgbaImage::from_fn(width, height, |_, _| Rgba([random.byte(), random.byte(), random.byte(), random.byte()]))
}

/// A smooth opaque picture with about as many colours as pixels.
pub fn gradient(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        Rgba([(x * 255 / width) as u8, (y * 255 / height) as u8, ((x + y) * 127 / (width + height)) as u8, 255])
    })
}

/// One of each sort of picture.
pub fn pictures() -> Vec<(&'static str, RgbaImage)> {
    let mut random = Random(7);
    let half_drawn = RgbaImage::from_fn(24, 24, |x, y| {
        if x + y < 24 { Rgba([random.byte(), 40, random.byte(), 255]) } else { Rgba([1, 2, 3, 0]) }
    });
    let mut random = Random(42);
    vec![
        ("knight", knight()),
        ("noisy knight", with_noise(&knight(), 2, &mut random)),
        ("decoded knight", as_decoded(&knight(), &mut random)),
        ("decoded gradient", as_decoded(&gradient(32, 32), &mut random)),
        ("noise", noise(32, 32, &mut random)),
        ("narrow noise", noise(3, 40, &mut random)),
        ("gradient", gradient(33, 31)),
        ("half drawn", half_drawn),
        ("transparent", RgbaImage::from_pixel(16, 16, Rgba([90, 90, 90, 0]))),
        ("one pixel", RgbaImage::from_pixel(1, 1, Rgba([9, 9, 9, 255]))),
        ("no rows", RgbaImage::new(4, 0)),
        ("nothing", RgbaImage::new(0, 0)),
    ]
}
