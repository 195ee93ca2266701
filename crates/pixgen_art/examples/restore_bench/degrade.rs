//! Fake pixel art from real sprites: the documented generator of the benchmark.
//!
//! A sprite becomes a picture in this order, every choice drawn from the image's own random numbers:
//! 1. **colour jitter**: every cell moves by up to ±0–5 levels a channel;
//! 2. **background** (60 % of the sprites that have transparency; the rest keep their alpha): flat, gradient or noisy
//!    (a third each), in a colour unlike those of the sprite;
//! 3. **enlarging** with nearest, area, linear, cubic or Lanczos (equal shares) by a factor of 3 to 16, log-uniform, not
//!    whole in 80 %, different between the axes by up to ±12 % in half of the images; the picture has
//!    `round(cells · factor)` pixels and stays within 768 pixels an edge;
//! 4. **offset** of the lattice by up to ±0.4 cells an axis in 70 %;
//! 5. **drift** in 30 %: cells wander by one period of a sine, up to 0.25 cells;
//! 6. **blur** in 50 %: Gaussian, 0.1 to 0.35 cells;
//! 7. **noise** in 60 %: ±1–6 levels, and ±1–4 of alpha;
//! 8. **JPEG** in 50 % of the opaque ones: quality 60 to 95, chroma halved in half of them.

use std::f32::consts::{PI, TAU};

#[cfg(feature = "bench")]
use image::codecs::jpeg::JpegEncoder;
use image::{Rgba, RgbaImage};

/// SplitMix64 (Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    pub fn chance(&mut self, share: f32) -> bool {
        self.unit() < share
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A degraded sprite with what is true about it.
pub struct Case {
    pub name: String,
    pub truth: RgbaImage,
    /// What the background's cells look like; `None` where the picture has alpha or the sprite is opaque.
    pub background: Option<RgbaImage>,
    pub picture: RgbaImage,
    pub note: String,
}

const KERNELS: [&str; 5] = ["nearest", "area", "linear", "cubic", "lanczos"];

/// Everything that is chosen for a picture.
pub struct Choices {
    /// The sprite with its colours moved.
    pub cells: RgbaImage,
    /// Whether a background is painted.
    pub paint: bool,
    /// Picture pixels to a cell, along each axis.
    pub scale: (f32, f32),
    pub kernel: &'static str,
    /// Of the lattice, in cells.
    pub offset: (f32, f32),
    /// How far cells wander, in cells.
    pub drift: f32,
    pub drift_phase: (f32, f32),
    /// Standard deviation, in cells.
    pub blur: f32,
    /// Levels.
    pub noise: f32,
    pub jpeg: Option<u8>,
    /// Whether chroma is halved.
    pub halved: bool,
}

impl Choices {
    fn drawn(truth: &RgbaImage, random: &mut Random) -> Self {
        let (width, height) = truth.dimensions();
        let jitter = random.between(0.0, 5.0);
        let cells = jittered(truth, jitter, random);
        let paint = has_alpha(truth) && random.chance(0.6);
        let longest = width.max(height) as f32;
        let mut scale = (random.between(3f32.ln(), 16f32.ln())).exp().min(768.0 / longest).max(3.0);
        if random.chance(0.2) {
            scale = scale.round();
        }
        let ratio = if random.chance(0.5) { random.between(0.88, 1.12) } else { 1.0 };
        let kernel = KERNELS[random.below(5)];
        let shifted = random.chance(0.7);
        let offset = if shifted { (random.between(-0.4, 0.4), random.between(-0.4, 0.4)) } else { (0.0, 0.0) };
        let drift = if random.chance(0.3) { random.between(0.08, 0.25) } else { 0.0 };
        let drift_phase = (random.between(0.0, TAU), random.between(0.0, TAU));
        let blur = if random.chance(0.5) { random.between(0.1, 0.35) } else { 0.0 };
        let noise = if random.chance(0.6) { random.between(1.0, 6.0) } else { 0.0 };
        let jpeg = random.chance(0.5).then(|| random.between(60.0, 95.0) as u8);
        let halved = random.chance(0.5);
        let scale = (scale, (scale * ratio).max(3.0));
        Self { cells, paint, scale, kernel, offset, drift, drift_phase, blur, noise, jpeg, halved }
    }
}

/// Every drawn cell moved by up to `levels` a channel.
pub fn jittered(sprite: &RgbaImage, levels: f32, random: &mut Random) -> RgbaImage {
    let mut cells = sprite.clone();
    for pixel in cells.pixels_mut().filter(|pixel| pixel.0[3] > 0) {
        for channel in &mut pixel.0[..3] {
            *channel = (f32::from(*channel) + random.between(-levels, levels)).round().clamp(0.0, 255.0) as u8;
        }
    }
    cells
}

fn has_alpha(sprite: &RgbaImage) -> bool {
    sprite.pixels().any(|pixel| pixel.0[3] == 0)
}

/// Makes the picture of a sprite.
pub fn degrade(name: &str, sprite: &RgbaImage, random: &mut Random) -> Case {
    let truth = RgbaImage::from_fn(sprite.width(), sprite.height(), |x, y| {
        let [r, g, b, a] = sprite.get_pixel(x, y).0;
        if a >= 128 { Rgba([r, g, b, 255]) } else { Rgba([0; 4]) }
    });
    let choices = Choices::drawn(&truth, random);
    picture_of(name, truth, &choices, random)
}

/// Makes the picture of a sprite, whose alpha is 0 or 255, by `choices`.
pub fn picture_of(name: &str, truth: RgbaImage, choices: &Choices, random: &mut Random) -> Case {
    let Choices { cells, scale: (sx, sy), kernel, offset, drift, drift_phase, blur, noise, jpeg, halved, .. } = choices;
    let (sx, sy, drift, drift_phase, blur, noise) = (*sx, *sy, *drift, *drift_phase, *blur, *noise);
    let (width, height) = truth.dimensions();
    let has_alpha = has_alpha(&truth);
    let size = ((width as f32 * sx).round() as u32, (height as f32 * sy).round() as u32);
    let background = choices.paint.then(|| Background::new(&truth, random));

    // Cells beyond the edge: nothing or background around a cut-out, the edge itself around a tile.
    let cell = |x: i32, y: i32| -> [f32; 4] {
        let inside = x >= 0 && y >= 0 && x < width as i32 && y < height as i32;
        if !inside && has_alpha {
            return [0.0; 4];
        }
        let (x, y) = (x.clamp(0, width as i32 - 1) as u32, y.clamp(0, height as i32 - 1) as u32);
        let [r, g, b, a] = cells.get_pixel(x, y).0.map(f32::from);
        if a > 0.0 { [r, g, b, 255.0] } else { [0.0; 4] }
    };
    let taps_x = taps(size.0, sx, offset.0, (drift, drift_phase.0), (kernel, blur));
    let taps_y = taps(size.1, sy, offset.1, (drift, drift_phase.1), (kernel, blur));
    // Premultiplied, first across, then down.
    let reach = 6i32;
    let rows = height as i32 + 2 * reach;
    let mut across = vec![[0.0f32; 4]; size.0 as usize * rows as usize];
    for y in 0..rows {
        for (x, taps) in taps_x.iter().enumerate() {
            let sum = &mut across[y as usize * size.0 as usize + x];
            for (column, weight) in taps {
                let value = cell(*column, y - reach);
                (0..4).for_each(|c| sum[c] += weight * value[c]);
            }
        }
    }
    let mut picture = RgbaImage::new(size.0, size.1);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let mut sum = [0.0f32; 4];
        for (row, weight) in &taps_y[y as usize] {
            let row = (row + reach).clamp(0, rows - 1);
            let value = across[row as usize * size.0 as usize + x as usize];
            (0..4).for_each(|c| sum[c] += weight * value[c]);
        }
        let alpha = (sum[3] / 255.0).clamp(0.0, 1.0);
        let mut color = if let Some(background) = &background {
            let place = ((x as f32 + 0.5) / size.0 as f32, (y as f32 + 0.5) / size.1 as f32);
            let behind = background.at(place, random);
            let mixed = [0, 1, 2].map(|c| sum[c] + (1.0 - sum[3] / 255.0) * behind[c]);
            [mixed[0], mixed[1], mixed[2], 255.0]
        } else if alpha > 0.0 {
            [sum[0] / alpha, sum[1] / alpha, sum[2] / alpha, 255.0 * alpha]
        } else {
            [0.0; 4]
        };
        if noise > 0.0 {
            (0..3).for_each(|c| color[c] += random.between(-noise, noise));
            if color[3] > 0.0 && color[3] < 255.0 {
                color[3] += random.between(-4.0, 4.0);
            }
        }
        pixel.0 = color.map(|value| value.round().clamp(0.0, 255.0) as u8);
    }
    let opaque = !has_alpha || choices.paint;
    let jpeg = jpeg.filter(|_| opaque);
    if let Some(quality) = jpeg {
        picture = through_jpeg(&picture, quality, *halved);
    }
    let background = background.map(|painted| {
        let mut quiet = Random(0);
        RgbaImage::from_fn(width, height, |x, y| {
            let place = ((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
            let [r, g, b] = painted.quiet(place, &mut quiet).map(|value| value.round().clamp(0.0, 255.0) as u8);
            Rgba([r, g, b, 255])
        })
    });
    let note = format!(
        "{kernel} {sx:.2}x{sy:.2} off {offset:.2?} drift {drift:.2} blur {blur:.2} noise {noise:.1} jpeg {jpeg:?}"
    );
    Case { name: name.to_owned(), truth, background, picture, note }
}

/// What is painted behind a sprite.
struct Background {
    start: [f32; 3],
    end: [f32; 3],
    angle: f32,
    noise: f32,
}

impl Background {
    fn new(sprite: &RgbaImage, random: &mut Random) -> Self {
        let mut best = ([128u8; 3], -1.0f32);
        for _ in 0..12 {
            let color = [0; 3].map(|_: u8| random.below(256) as u8);
            let drawn = sprite.pixels().filter(|pixel| pixel.0[3] > 0);
            let least = drawn
                .map(|pixel| pixgen_art::delta_e([pixel.0[0], pixel.0[1], pixel.0[2]], color))
                .fold(f32::INFINITY, f32::min);
            if least > best.1 {
                best = (color, least);
            }
        }
        let start = best.0.map(f32::from);
        let style = random.below(3);
        let end =
            if style == 1 { start.map(|value| (value + random.between(-40.0, 40.0)).clamp(0.0, 255.0)) } else { start };
        Self {
            start,
            end,
            angle: random.between(0.0, TAU),
            noise: if style == 2 { random.between(4.0, 12.0) } else { 0.0 },
        }
    }

    fn quiet(&self, (x, y): (f32, f32), _: &mut Random) -> [f32; 3] {
        let along = ((x - 0.5) * self.angle.cos() + (y - 0.5) * self.angle.sin()) / 1.42 + 0.5;
        [0, 1, 2].map(|c| self.start[c] + (self.end[c] - self.start[c]) * along)
    }

    fn at(&self, place: (f32, f32), random: &mut Random) -> [f32; 3] {
        let color = self.quiet(place, random);
        if self.noise == 0.0 {
            return color;
        }
        let shade = random.between(-self.noise, self.noise);
        color.map(|value| value + shade)
    }
}

/// For every pixel of an axis the cells it shows and their weights.
fn taps(
    pixels: u32,
    scale: f32,
    offset: f32,
    (drift, phase): (f32, f32),
    (kernel, blur): (&str, f32),
) -> Vec<Vec<(i32, f32)>> {
    let at = |x: f32| {
        let wander = drift * (TAU * x / pixels as f32 + phase).sin();
        x / scale + offset + wander
    };
    let sharp = |x: f32| -> Vec<(i32, f32)> {
        let center = at(x);
        let weight = |d: f32| -> f32 {
            let d = d.abs();
            let sinc = |v: f32| if v < 1e-4 { 1.0 } else { (PI * v).sin() / (PI * v) };
            match kernel {
                "linear" => (1.0 - d).max(0.0),
                "cubic" if d < 1.0 => (1.5 * d - 2.5) * d * d + 1.0,
                "cubic" if d < 2.0 => ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0,
                "lanczos" if d < 3.0 => sinc(d) * sinc(d / 3.0),
                _ => 0.0,
            }
        };
        match kernel {
            "nearest" => vec![(center.floor() as i32, 1.0)],
            "area" => {
                let (low, high) = (center - 0.5 / scale, center + 0.5 / scale);
                (low.floor() as i32..=high.floor() as i32)
                    .map(|cell| (cell, (high.min(cell as f32 + 1.0) - low.max(cell as f32)) * scale))
                    .collect()
            }
            _ => (center.floor() as i32 - 4..=center.floor() as i32 + 4)
                .map(|cell| (cell, weight(center - 0.5 - cell as f32)))
                .filter(|(_, weight)| *weight != 0.0)
                .collect(),
        }
    };
    let sigma = blur * scale;
    let radius = (3.0 * sigma).ceil() as i32;
    (0..pixels as i32)
        .map(|x| {
            let mut sum: Vec<(i32, f32)> = Vec::new();
            let mut total = 0.0;
            for d in -radius..=radius {
                let gauss = if radius == 0 { 1.0 } else { (-0.5 * (d as f32 / sigma).powi(2)).exp() };
                for (cell, weight) in sharp((x + d) as f32 + 0.5) {
                    total += gauss * weight;
                    match sum.iter_mut().find(|(known, _)| *known == cell) {
                        Some((_, known)) => *known += gauss * weight,
                        None => sum.push((cell, gauss * weight)),
                    }
                }
            }
            sum.iter_mut().for_each(|(_, weight)| *weight /= total);
            sum
        })
        .collect()
}

/// Nothing is written as JPEG where the crate is built without its feature `bench`, as in the tests.
#[cfg(not(feature = "bench"))]
fn through_jpeg(picture: &RgbaImage, _quality: u8, _halved: bool) -> RgbaImage {
    picture.clone()
}

/// The picture after JPEG; `halved` averages chroma over 2×2 pixels first, as 4:2:0 does.
#[cfg(feature = "bench")]
fn through_jpeg(picture: &RgbaImage, quality: u8, halved: bool) -> RgbaImage {
    let mut rgb = image::DynamicImage::ImageRgba8(picture.clone()).to_rgb8();
    if halved {
        let source = rgb.clone();
        for (x, y, pixel) in rgb.enumerate_pixels_mut() {
            let luma = |p: [u8; 3]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
            let (x0, y0) = (x & !1, y & !1);
            let (mut mean, mut count) = ([0.0f32; 3], 0.0);
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                if let Some(near) = source.get_pixel_checked(x0 + dx, y0 + dy) {
                    (0..3).for_each(|c| mean[c] += f32::from(near.0[c]) - luma(near.0));
                    count += 1.0;
                }
            }
            let bright = luma(pixel.0);
            (0..3).for_each(|c| pixel.0[c] = (bright + mean[c] / count).round().clamp(0.0, 255.0) as u8);
        }
    }
    let mut bytes = Vec::new();
    rgb.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
    let reader = image::ImageReader::with_format(std::io::Cursor::new(bytes), image::ImageFormat::Jpeg);
    reader.decode().unwrap().to_rgba8()
}
