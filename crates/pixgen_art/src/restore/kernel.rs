//! How one sprite pixel was spread over the picture: interpolation kernels and blur.

use std::sync::LazyLock;

/// The interpolation that enlarged a sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Whole squares, every picture pixel from one cell (`nearest`).
    Nearest,
    /// Whole squares, pixels on an edge mixed by their area (`box`).
    Area,
    /// Straight lines between the centres of cells (`bilinear`).
    Linear,
    /// Catmull-Rom cubic, a = -0.5 (`bicubic`).
    Cubic,
    /// Windowed sinc of three lobes (`lanczos`).
    Lanczos,
}

impl Kernel {
    /// Every kernel, the plainest first.
    pub const ALL: [Self; 5] = [Self::Nearest, Self::Area, Self::Linear, Self::Cubic, Self::Lanczos];

    /// Cells from the centre beyond which the kernel is 0.
    fn reach(self) -> f32 {
        match self {
            Self::Nearest | Self::Area => 0.5,
            Self::Linear => 1.0,
            Self::Cubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// Weight at a distance in cells.
    fn weight(self, distance: f32) -> f32 {
        let d = distance.abs();
        let sinc = |x: f32| if x < 1e-4 { 1.0 } else { (std::f32::consts::PI * x).sin() / (std::f32::consts::PI * x) };
        match self {
            Self::Nearest | Self::Area if d < 0.5 => 1.0,
            Self::Linear if d < 1.0 => 1.0 - d,
            Self::Cubic if d < 1.0 => (1.5 * d - 2.5) * d * d + 1.0,
            Self::Cubic if d < 2.0 => ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0,
            Self::Lanczos if d < 3.0 => sinc(d) * sinc(d / 3.0),
            Self::Nearest | Self::Area | Self::Linear | Self::Cubic | Self::Lanczos => 0.0,
        }
    }
}

/// Entries of the table to a cell.
const STEPS: usize = 64;

/// Weights below this share of the peak are cut off: they cost time and say nothing.
const CUT: f32 = 2e-3;

/// The tables of the kernels without blur, in the order of [`Kernel::ALL`]: sines are slow.
static PLAIN: LazyLock<[Vec<f32>; 5]> = LazyLock::new(|| {
    Kernel::ALL.map(|kernel| {
        let half = (kernel.reach() * STEPS as f32).ceil() as usize + 1;
        let entry = |i: usize| {
            let at = |shift: f32| kernel.weight((i as f32 - half as f32 + shift) / STEPS as f32);
            // The mean over the entry's own width, so that jumps stay where they are.
            (at(-0.375) + at(-0.125) + at(0.125) + at(0.375)) / 4.0
        };
        (0..=2 * half).map(entry).collect()
    })
});

/// The spread of one cell as a table: a kernel, blurred.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    /// For [`STEPS`] + 1 places of a pixel between two cells, the weights of all cells that reach it, `width` of them,
    /// their sum 1: what a pixel needs lies together.
    phases: Vec<f32>,
    width: usize,
    reach: f32,
}

impl Footprint {
    /// The footprint of `kernel` after a Gaussian of `blur_cells` standard deviation, in pictures of `pitch_px`.
    pub(crate) fn new(kernel: Kernel, blur_cells: f32, pitch_px: f32) -> Self {
        let blur_cells = blur_cells.clamp(0.0, 2.0);
        let pixel_cells = if kernel == Kernel::Area { 1.0 / pitch_px.max(1.0) } else { 0.0 };
        let reach = kernel.reach() + pixel_cells / 2.0 + 3.0 * blur_cells + 1.0 / STEPS as f32;
        let half = (reach * STEPS as f32).ceil() as usize;
        let plain = &PLAIN[kernel as usize];
        let mut table = vec![0.0f32; 2 * half + 1];
        let margin = half - (plain.len() / 2).min(half);
        table.iter_mut().skip(margin).zip(plain).for_each(|(entry, weight)| *entry = *weight);
        let box_half = (pixel_cells * STEPS as f32 / 2.0).round() as usize;
        if box_half > 0 {
            table = convolve(&table, &vec![1.0; 2 * box_half + 1]);
        }
        let sigma = blur_cells * STEPS as f32;
        if sigma > 0.5 {
            let taps = (3.0 * sigma).ceil() as i32;
            let gauss: Vec<f32> = (-taps..=taps).map(|t| (-0.5 * (t as f32 / sigma).powi(2)).exp()).collect();
            table = convolve(&table, &gauss);
        }
        let peak = table.iter().fold(0.0f32, |peak, w| peak.max(w.abs()));
        let cut = table.iter().take(half).take_while(|w| w.abs() < CUT * peak).count();
        Self::of(&table[cut..table.len() - cut])
    }

    /// From weights at distances from `-reach` to `reach`, [`STEPS`] to a cell.
    fn of(table: &[f32]) -> Self {
        let span = table.len() - 1;
        let width = span / STEPS + 1;
        let mut phases = vec![0.0f32; (STEPS + 1) * width];
        for (phase, weights) in phases.chunks_exact_mut(width).enumerate() {
            // The lowest cell is the furthest away, at most `span` entries.
            let furthest = (span + phase).checked_sub(STEPS);
            for (cell, weight) in weights.iter_mut().enumerate() {
                let entry = furthest.and_then(|furthest| furthest.checked_sub(cell * STEPS));
                *weight = entry.and_then(|entry| table.get(entry)).copied().unwrap_or(0.0);
            }
            let total: f32 = weights.iter().sum();
            if total.abs() > 1e-3 {
                weights.iter_mut().for_each(|weight| *weight /= total);
            }
        }
        Self { phases, width, reach: span as f32 / (2 * STEPS) as f32 }
    }

    /// Cells that reach a pixel at most.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The cells that reach a place `center` cells from the middle of cell 0: the lowest one's number, and the weights
    /// of as many as `weights` has, at most [`Self::width`], from it on.
    #[inline(always)]
    pub(crate) fn around(&self, center: f32, weights: &mut [f32]) -> i64 {
        let lowest = (center - self.reach).ceil();
        let place = ((center - lowest - self.reach + 1.0) * STEPS as f32).clamp(0.0, STEPS as f32);
        let phase = (place as usize).min(STEPS - 1);
        let share = place - phase as f32;
        let from = &self.phases[phase * self.width..][..2 * self.width];
        let (from, to) = from.split_at(self.width);
        for ((weight, from), to) in weights.iter_mut().zip(from).zip(to) {
            *weight = from + (to - from) * share;
        }
        lowest as i64
    }
}

/// `signal` smoothed by `taps` (odd in number, scaled to a sum of 1), of the same length.
fn convolve(signal: &[f32], taps: &[f32]) -> Vec<f32> {
    let total: f32 = taps.iter().sum();
    let half = taps.len() / 2;
    // Tap by tap over the whole signal, which the compiler makes vectors of.
    let mut padded = vec![0.0f32; signal.len() + 2 * half];
    padded[half..half + signal.len()].copy_from_slice(signal);
    let mut smooth = vec![0.0f32; signal.len()];
    for (tap, shifted) in taps.iter().zip(padded.windows(signal.len().max(1))) {
        smooth.iter_mut().zip(shifted).for_each(|(sum, value)| *sum += tap / total * value);
    }
    smooth
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weight of a cell whose centre is `distance` cells away.
    fn at(footprint: &Footprint, distance: f32) -> f32 {
        let mut weights = vec![0.0; footprint.width()];
        let lowest = footprint.around(distance, &mut weights);
        usize::try_from(-lowest).ok().and_then(|cell| weights.get(cell)).copied().unwrap_or(0.0)
    }

    #[test]
    fn a_kernel_shares_out_everything() {
        for kernel in Kernel::ALL {
            for blur in [0.0, 0.2, 0.5] {
                let footprint = Footprint::new(kernel, blur, 7.3);
                for place in [0.01f32, 0.3, 0.77] {
                    let sum: f32 = (-8..=8).map(|cell| at(&footprint, place + cell as f32)).sum();
                    assert!((sum - 1.0).abs() < 0.02, "{kernel:?} blur {blur} at {place}: {sum}");
                }
            }
        }
    }

    #[test]
    fn nearest_has_hard_edges_and_linear_is_a_tent() {
        let nearest = Footprint::new(Kernel::Nearest, 0.0, 8.0);
        let found = [0.0, 0.45, -0.55].map(|distance| at(&nearest, distance));
        assert!(found.iter().zip([1.0, 1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        let linear = Footprint::new(Kernel::Linear, 0.0, 8.0);
        assert!((at(&linear, 0.25) - 0.75).abs() < 0.01 && (at(&linear, -0.5) - 0.5).abs() < 0.01);
    }
}
