//! Gaussian noise that equals PyTorch's CPU generator, so that a seed means the same picture here and there.
//!
//! `at::mt19937` and `normal_fill` (aten/src/ATen/core/MT19937RNGEngine.h, native/cpu/DistributionTemplates.h).

use std::f64::consts::TAU;

use candle_core::{Device, Tensor};

/// The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998).
#[derive(Clone, Debug)]
struct Mt19937 {
    state: [u32; Self::N],
    next: usize,
}

impl Mt19937 {
    const N: usize = 624;
    const M: usize = 397;

    fn new(seed: u32) -> Self {
        let mut state = [0u32; Self::N];
        state[0] = seed;
        for i in 1..Self::N {
            let last = state[i - 1];
            state[i] = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, next: Self::N }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == Self::N {
            for i in 0..Self::N {
                let mixed = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % Self::N] & 0x7fff_ffff);
                let twist = if mixed & 1 == 0 { 0 } else { 0x9908_b0df };
                self.state[i] = self.state[(i + Self::M) % Self::N] ^ (mixed >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in [0, 1) with 24 bits.
    fn next_f32(&mut self) -> f32 {
        (self.next_u32() & 0x00ff_ffff) as f32 / (1 << 24) as f32
    }

    /// Uniform in [0, 1) with 53 bits.
    fn next_f64(&mut self) -> f64 {
        let bits = (u64::from(self.next_u32()) << 32) | u64::from(self.next_u32());
        (bits & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
    }
}

/// `torch.randn(count, generator=torch.Generator("cpu").manual_seed(seed))`, to the last digit or two.
///
/// Like PyTorch's, the generator only sees the low 32 bits of the seed.
#[must_use]
pub fn randn(seed: u64, count: usize) -> Vec<f32> {
    Generator::new(seed).randn(count)
}

/// `torch.Generator("cpu")`: each call goes on where the one before stopped.
#[derive(Clone, Debug)]
pub struct Generator {
    uniform: Mt19937,
    /// The second number of a pair of which only the first was wanted.
    spare: Option<f64>,
}

impl Generator {
    /// `manual_seed(seed)`; like PyTorch's, the generator only sees the low 32 bits of the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { uniform: Mt19937::new(seed as u32), spare: None }
    }

    /// `torch.randn(count, generator=self)`, to the last digit or two.
    pub fn randn(&mut self, count: usize) -> Vec<f32> {
        // PyTorch takes another road for tensors too small for its vectorised one. Only that one keeps a spare
        // number, and the other one leaves it alone.
        if count < BLOCK {
            (0..count).map(|_| self.next_normal() as f32).collect()
        } else {
            randn_blocks(&mut self.uniform, count)
        }
    }

    fn next_normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (u1, u2) = (self.uniform.next_f64(), self.uniform.next_f64());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = TAU * u1;
        self.spare = Some(radius * theta.sin());
        radius * theta.cos()
    }
}

/// Where the noise of a batch of images comes from.
pub(crate) enum ImageNoise {
    /// Each image has a generator of its own: what diffusers' `randn_tensor` draws from a list of generators.
    Own(Vec<Generator>),
    /// All images from one generator, as the frames of an animation want it: √(1−v)·s + √v·(cos θᵢ·a + sin θᵢ·b) with
    /// θᵢ = 2πi/n and s, a, b drawn one after another. Each image's noise is normal with variance 1; neighbours differ
    /// little, and the last one leads back to the first.
    Circle {
        /// The one generator.
        generator: Box<Generator>,
        /// n, the number of images.
        images: usize,
        /// v, the part of the variance that images do not share, 0 to 1.
        variation: f64,
    },
}

impl ImageNoise {
    /// One generator per seed, or with `variation` all images from the first of them.
    pub(crate) fn new(seeds: &[u64], variation: Option<f64>) -> Self {
        match variation {
            None => Self::Own(seeds.iter().map(|seed| Generator::new(*seed)).collect()),
            Some(variation) => Self::Circle {
                generator: Box::new(Generator::new(seeds.first().copied().unwrap_or_default())),
                images: seeds.len(),
                variation,
            },
        }
    }

    /// Noise for one step, (n, channels, height, width) for `shape` (channels, height, width).
    pub(crate) fn draw(&mut self, shape: (usize, usize, usize), device: &Device) -> candle_core::Result<Tensor> {
        let (channels, height, width) = shape;
        let count = channels * height * width;
        let (images, values) = match self {
            Self::Own(generators) => {
                (generators.len(), generators.iter_mut().flat_map(|generator| generator.randn(count)).collect())
            }
            Self::Circle { generator, images, variation } => {
                let [shared, a, b] = [(); 3].map(|()| generator.randn(count));
                let (common, own) = ((1.0 - *variation).sqrt(), variation.sqrt());
                let mut values = Vec::with_capacity(*images * count);
                for image in 0..*images {
                    let (sin, cos) = (TAU * image as f64 / *images as f64).sin_cos();
                    let [common, along_a, along_b] = [common, own * cos, own * sin].map(|factor| factor as f32);
                    values.extend((0..count).map(|at| common * shared[at] + along_a * a[at] + along_b * b[at]));
                }
                (*images, values)
            }
        };
        Tensor::from_vec(values, (images, channels, height, width), device)
    }
}

/// Uniform numbers that one round of the Box-Muller transform turns into as many normal ones.
const BLOCK: usize = 16;

fn randn_blocks(generator: &mut Mt19937, count: usize) -> Vec<f32> {
    let mut values: Vec<f32> = (0..count).map(|_| generator.next_f32()).collect();
    for block in values.chunks_exact_mut(BLOCK) {
        box_muller(block);
    }
    if !count.is_multiple_of(BLOCK) {
        // The last sixteen values are drawn afresh, though some of them were finished.
        let last = &mut values[count - BLOCK..];
        last.iter_mut().for_each(|value| *value = generator.next_f32());
        box_muller(last);
    }
    values
}

fn box_muller(block: &mut [f32]) {
    for j in 0..BLOCK / 2 {
        let (u1, u2) = (1.0 - block[j], block[j + BLOCK / 2]);
        let radius = (-2.0 * u1.ln()).sqrt();
        let theta = TAU as f32 * u2;
        block[j] = radius * theta.cos();
        block[j + BLOCK / 2] = radius * theta.sin();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rows(variation: Option<f64>, seeds: &[u64]) -> Vec<Vec<f32>> {
        let noise = ImageNoise::new(seeds, variation).draw((4, 32, 32), &Device::Cpu).unwrap();
        noise.flatten_from(1).unwrap().to_vec2().unwrap()
    }

    fn mean_product(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>() / a.len() as f64
    }

    #[test]
    fn frames_walk_around_a_circle_with_variance_one() {
        let frames = rows(Some(0.3), &[7; 8]);
        for frame in &frames {
            assert!((mean_product(frame, frame) - 1.0).abs() < 0.1);
        }
        // Neighbours share 0.7 + 0.3 · cos 45°, opposites 0.7 − 0.3; the last frame is the first one's neighbour.
        for (a, b, expected) in [(0, 1, 0.912), (7, 0, 0.912), (0, 4, 0.4), (2, 6, 0.4)] {
            let found = mean_product(&frames[a], &frames[b]);
            assert!((found - expected).abs() < 0.1, "{a} and {b} share {found}, expected {expected}");
        }
    }

    #[test]
    fn without_variation_all_frames_are_one_and_without_a_circle_each_follows_its_seed() {
        let still = rows(Some(0.0), &[7, 8, 9]);
        assert!(still[0] == still[1] && still[1] == still[2]);
        assert_eq!(still[0], randn(7, 4 * 32 * 32));
        let own = rows(None, &[7, 8]);
        assert_eq!((own[0].clone(), own[1].clone()), (randn(7, 4 * 32 * 32), randn(8, 4 * 32 * 32)));
    }
}
