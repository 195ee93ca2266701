//! Pixels as the eye compares them, alpha with them.

use image::{Rgba, RgbaImage};

use crate::oklab::{Lab, distance_squared, lab};

/// A pixel as a point in OKLab with its share of light.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    lab: Lab,
    /// 0 to 1.
    alpha: f32,
}

impl Seen {
    fn new(pixel: &Rgba<u8>) -> Self {
        let [r, g, b, a] = pixel.0;
        Self { lab: lab([r, g, b]), alpha: f32::from(a) / 255.0 }
    }

    /// How different two pixels look, 0 to 1 and a little more: ΔE_OK as far as both are there, plus what only one of
    /// them covers. Two transparent pixels are equal whatever colour lies under them.
    pub(crate) fn distance(self, other: Self) -> f32 {
        let both = self.alpha.min(other.alpha);
        let color = if both > 0.0 { distance_squared(self.lab, other.lab).sqrt() } else { 0.0 };
        both * color + (self.alpha - other.alpha).abs()
    }
}

/// Sums pixels up to their mean.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeenSum {
    /// Colours weighted by alpha: what is transparent has none.
    lab: [f64; 3],
    alpha: f64,
    count: u32,
}

impl SeenSum {
    pub(crate) fn add(&mut self, pixel: Seen) {
        for (sum, part) in self.lab.iter_mut().zip(pixel.lab) {
            *sum += f64::from(part) * f64::from(pixel.alpha);
        }
        self.alpha += f64::from(pixel.alpha);
        self.count += 1;
    }

    /// The mean; transparent without pixels.
    pub(crate) fn mean(&self) -> Seen {
        let part = |sum: f64| if self.alpha > 0.0 { (sum / self.alpha) as f32 } else { 0.0 };
        Seen { lab: self.lab.map(part), alpha: (self.alpha / f64::from(self.count.max(1))) as f32 }
    }
}

/// An image of [`Seen`] pixels: each is converted once, however often it is compared.
#[derive(Clone, Debug)]
pub(crate) struct SeenImage {
    width: u32,
    pixels: Vec<Seen>,
}

impl SeenImage {
    pub(crate) fn new(image: &RgbaImage) -> Self {
        // Sprites have few colours in long runs: the last one is remembered.
        let mut last = (Rgba([0; 4]), Seen::new(&Rgba([0; 4])));
        let seen = |pixel: &Rgba<u8>| {
            if last.0 != *pixel {
                last = (*pixel, Seen::new(pixel));
            }
            last.1
        };
        Self { width: image.width(), pixels: image.pixels().map(seen).collect() }
    }

    /// The pixel in column `x` and row `y`, which must lie in the image.
    pub(crate) fn at(&self, x: u32, y: u32) -> Seen {
        self.pixels[y as usize * self.width as usize + x as usize]
    }

    /// The pixels in reading order.
    pub(crate) fn pixels(&self) -> &[Seen] {
        &self.pixels
    }
}
