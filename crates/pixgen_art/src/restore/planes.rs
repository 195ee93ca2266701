//! A picture as planes of numbers, and the planes as lines along one axis.

use std::ops::Range;

use image::RgbaImage;

use super::lattice::Signal;

/// Lines a plane is averaged into for the search: enough to see every part of a sprite, few enough to be fast.
const SEARCH_LINES: usize = 40;

/// How much a step in chroma counts beside one in luma: JPEG keeps chroma at half the precision.
const CHROMA_WEIGHT: f32 = 0.6;

/// Axis of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    X,
    Y,
}

/// Premultiplied channels of a picture, 0 to 1: red, green, blue and, where some pixel is not opaque, alpha.
#[derive(Clone, Debug)]
pub(crate) struct Planes {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: Vec<Vec<f32>>,
}

impl Planes {
    pub(crate) fn new(image: &RgbaImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let opaque = image.pixels().all(|pixel| pixel.0[3] == u8::MAX);
        let count = if opaque { 3 } else { 4 };
        let mut channels = vec![Vec::with_capacity(width * height); count];
        for pixel in image.pixels() {
            let alpha = f32::from(pixel.0[3]) / 255.0;
            for (index, channel) in channels.iter_mut().enumerate() {
                channel.push(if index == 3 { alpha } else { f32::from(pixel.0[index]) / 255.0 * alpha });
            }
        }
        Self { width, height, channels }
    }

    /// Luma, two colour differences and alpha: what the search compares.
    pub(crate) fn opponent(&self) -> Self {
        let [r, g, b] = [0, 1, 2].map(|index| &self.channels[index]);
        let mix = |wr: f32, wg: f32, wb: f32| -> Vec<f32> {
            r.iter().zip(g).zip(b).map(|((r, g), b)| wr * r + wg * g + wb * b).collect()
        };
        let mut channels = vec![mix(0.299, 0.587, 0.114)];
        let c = CHROMA_WEIGHT;
        channels.push(mix(-0.169 * c, -0.331 * c, 0.5 * c));
        channels.push(mix(0.5 * c, -0.419 * c, -0.081 * c));
        channels.extend(self.channels.get(3).cloned());
        Self { width: self.width, height: self.height, channels }
    }

    /// The planes that stand for all where a picture is rendered again and again: green, and alpha if there is some.
    pub(crate) fn sample(&self) -> Self {
        let channels = self.channels.iter().skip(1).step_by(2).cloned().collect();
        Self { width: self.width, height: self.height, channels }
    }

    /// A rectangle of the picture.
    pub(crate) fn part(&self, x: Range<usize>, y: Range<usize>) -> Self {
        let cut = |channel: &Vec<f32>| -> Vec<f32> {
            let rows = channel.chunks_exact(self.width.max(1)).take(y.end).skip(y.start);
            rows.flat_map(|row| &row[x.clone()]).copied().collect()
        };
        Self { width: x.len(), height: y.len(), channels: self.channels.iter().map(cut).collect() }
    }

    /// How much neighbours differ in every column ([`Along::X`]) or row, over all channels.
    pub(crate) fn activity(&self, along: Along) -> Vec<f32> {
        let mut sums = vec![0.0f32; if along == Along::X { self.width } else { self.height }];
        for channel in &self.channels {
            for (y, row) in channel.chunks_exact(self.width.max(1)).enumerate() {
                for (x, pair) in row.windows(2).enumerate() {
                    let place = if along == Along::X { x } else { y };
                    sums[place] += (pair[1] - pair[0]).abs();
                }
            }
        }
        sums
    }

    /// Mean squared distance from the mean, over all channels.
    pub(crate) fn variance(&self) -> f64 {
        let of = |channel: &Vec<f32>| {
            let count = channel.len().max(1) as f32;
            let mean = channel.iter().sum::<f32>() / count;
            f64::from(channel.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count)
        };
        self.channels.iter().map(of).sum::<f64>() / self.channels.len().max(1) as f64
    }

    /// Number of colour channels; what follows them is alpha.
    pub(crate) fn colors(&self) -> usize {
        match self.channels.len() {
            2 => 1,
            count => count.min(3),
        }
    }

    /// Alpha, if some pixel is not opaque.
    pub(crate) fn alpha(&self) -> Option<&Vec<f32>> {
        self.channels.get(self.colors())
    }

    /// The planes as lines along one axis, neighbouring lines averaged.
    pub(crate) fn lines(&self, along: Along) -> Signal {
        let (places, across) = match along {
            Along::X => (self.width, self.height),
            Along::Y => (self.height, self.width),
        };
        let group = across.div_ceil(SEARCH_LINES).max(1);
        let groups = across.div_ceil(group);
        let rows = groups * self.channels.len();
        let mut signal = Signal::zeros(places, rows);
        let (stride, values) = (signal.stride, &mut signal.values);
        for (c, channel) in self.channels.iter().enumerate() {
            for (y, line) in channel.chunks_exact(self.width.max(1)).enumerate() {
                match along {
                    Along::X => {
                        let row = c * groups + y / group;
                        line.iter().enumerate().for_each(|(x, value)| values[x * stride + row] += value);
                    }
                    Along::Y => {
                        let sums = &mut values[y * stride + c * groups..y * stride + (c + 1) * groups];
                        for (sum, part) in sums.iter_mut().zip(line.chunks(group)) {
                            *sum += part.iter().sum::<f32>();
                        }
                    }
                }
            }
        }
        let scale = 1.0 / group as f32;
        values.iter_mut().for_each(|value| *value *= scale);
        signal
    }
}
