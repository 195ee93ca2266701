//! Gaussian noise that equals PyTorch's CPU generator, so that a seed means the same picture here and there.
//!
//! `at::mt19937` and `normal_fill` (aten/src/ATen/core/MT19937RNGEngine.h, native/cpu/DistributionTemplates.h).

use std::f64::consts::TAU;

/// The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998).
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
    let mut generator = Mt19937::new(seed as u32);
    // PyTorch takes another road for tensors too small for its vectorised one.
    if count < BLOCK { randn_small(&mut generator, count) } else { randn_blocks(&mut generator, count) }
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

fn randn_small(generator: &mut Mt19937, count: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (u1, u2) = (generator.next_f64(), generator.next_f64());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = TAU * u1;
        values.push((radius * theta.cos()) as f32);
        values.push((radius * theta.sin()) as f32);
    }
    values.truncate(count);
    values
}
