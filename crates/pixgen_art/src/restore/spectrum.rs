//! Which pitches a picture may have: peaks in the spectrum of its edges.
//!
//! The sum of differences between neighbouring pixels peaks at the edges of cells, whatever is drawn; the sum of second
//! differences peaks at edges too, and at the centres of cells that were interpolated linearly. Both profiles repeat
//! with the pitch, so the pitch is among the strongest frequencies. Which of them it is, is decided by re-rendering.

use pulp::{Arch, Simd, WithSimd};

use super::lattice::Signal;

/// Peaks taken from one spectrum.
const PEAKS: usize = 10;

/// Frequencies evaluated to one cell more or less in the picture.
const FINENESS: usize = 4;

/// Pixels along the axis that are looked at.
const MOST_PLACES: usize = 4096;

/// Pitches in pixels between `min_px` and `max_px`, the most likely ones of each spectrum first.
pub(crate) fn candidates(signal: &Signal, min_px: f32, max_px: f32) -> Vec<f32> {
    if signal.places < 6 || min_px >= max_px {
        return Vec::new();
    }
    // The work grows with the square of the length: of long pictures the middle is looked at.
    let places = signal.places.min(MOST_PLACES);
    let offset = (signal.places - places) / 2;
    let profile = |distance: &dyn Fn(usize) -> f32| -> Vec<f32> { (1..places - 1).map(distance).collect() };
    let first = profile(&|x| {
        let (a, b) = (signal.at(offset + x - 1), signal.at(offset + x));
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>()
    });
    let second = profile(&|x| {
        let (a, b, c) = (signal.at(offset + x - 1), signal.at(offset + x), signal.at(offset + x + 1));
        a.iter().zip(b).zip(c).map(|((a, b), c)| (a - 2.0 * b + c).abs()).sum::<f32>()
    });
    let squared: Vec<f32> = profile(&|x| {
        let (a, b) = (signal.at(offset + x - 1), signal.at(offset + x));
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
    });
    let step = 1.0 / (places * FINENESS) as f32;
    let lowest = (1.0 / max_px / step).floor().max(1.0) as usize;
    let highest = (1.0 / min_px / step).ceil() as usize;
    let flat = [first, second, squared].map(|profile| without_trend(&profile, (2.0 * max_px) as usize));
    let turns = places * FINENESS;
    let amplitudes = amplitudes(&flat, turns);
    let spectra = amplitudes.map(|amplitudes| -> Vec<f32> {
        // What lies beyond half a cycle a pixel looks as what lies as far below.
        let at = |f: usize| amplitudes[(f % turns).min(turns - f % turns)];
        (0..=3 * highest).map(|f| if f < lowest { 0.0 } else { at(f) }).collect()
    });
    let mut found: Vec<f32> = Vec::new();
    for spectrum in &spectra {
        let harmonic = |f: usize| spectrum[f] + 0.6 * spectrum[2 * f] + 0.4 * spectrum[3 * f];
        let plain: Vec<f32> = spectrum[..=highest].to_vec();
        let combed: Vec<f32> = (0..=highest).map(harmonic).collect();
        for values in [plain, combed] {
            for peak in peaks(&values, lowest) {
                let pitch = 1.0 / (peak * step);
                // Half a cell more or less is the same peak.
                let is_known = found.iter().any(|p| (places as f32 / p - places as f32 / pitch).abs() < 0.4);
                if !is_known {
                    found.push(pitch);
                }
            }
        }
    }
    found
}

/// The strongest local maxima, at fractional places.
fn peaks(values: &[f32], lowest: usize) -> Vec<f32> {
    let mut peaks: Vec<(f32, f32)> = (lowest.max(1)..values.len().saturating_sub(1))
        .filter(|i| values[*i] > values[i - 1] && values[*i] >= values[i + 1])
        .map(|i| {
            let (a, b, c) = (values[i - 1], values[i], values[i + 1]);
            let bend = a - 2.0 * b + c;
            let shift = if bend < 0.0 { (0.5 * (a - c) / bend).clamp(-0.5, 0.5) } else { 0.0 };
            (b, i as f32 + shift)
        })
        .collect();
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    peaks.into_iter().take(PEAKS).map(|(_, place)| place).collect()
}

/// The profile less its moving mean.
fn without_trend(profile: &[f32], window: usize) -> Vec<f32> {
    let half = (window / 2).max(1);
    let mut sums = vec![0.0f64];
    for value in profile {
        sums.push(sums[sums.len() - 1] + f64::from(*value));
    }
    (0..profile.len())
        .map(|i| {
            let (from, to) = (i.saturating_sub(half), (i + half + 1).min(profile.len()));
            profile[i] - ((sums[to] - sums[from]) / (to - from) as f64) as f32
        })
        .collect()
}

/// Frequencies that are evaluated side by side.
const LANES: usize = 8;

/// Amplitudes of the frequencies `0..=turns / 2`, in cycles to `turns` pixels, in each profile.
fn amplitudes(profiles: &[Vec<f32>; 3], turns: usize) -> [Vec<f32>; 3] {
    Arch::new().dispatch(Amplitudes { profiles, turns })
}

struct Amplitudes<'a> {
    profiles: &'a [Vec<f32>; 3],
    turns: usize,
}

impl WithSimd for Amplitudes<'_> {
    type Output = [Vec<f32>; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let count = self.turns / 2 + 1;
        let mut spectra = [(); 3].map(|()| Vec::with_capacity(count + LANES));
        for start in (0..count).step_by(LANES) {
            let (mut cos, mut sin, mut re) = ([0.0f64; LANES], [0.0f64; LANES], [1.0f64; LANES]);
            let mut im = [0.0f64; LANES];
            for lane in 0..LANES {
                let turn = std::f64::consts::TAU * (start + lane) as f64 / self.turns as f64;
                (sin[lane], cos[lane]) = turn.sin_cos();
            }
            let (mut sums_re, mut sums_im) = ([[0.0f64; LANES]; 3], [[0.0f64; LANES]; 3]);
            for ((a, b), c) in self.profiles[0].iter().zip(&self.profiles[1]).zip(&self.profiles[2]) {
                for (profile, value) in [*a, *b, *c].into_iter().enumerate() {
                    let value = f64::from(value);
                    for lane in 0..LANES {
                        sums_re[profile][lane] += value * re[lane];
                        sums_im[profile][lane] += value * im[lane];
                    }
                }
                for lane in 0..LANES {
                    let turned = re[lane] * cos[lane] - im[lane] * sin[lane];
                    im[lane] = re[lane] * sin[lane] + im[lane] * cos[lane];
                    re[lane] = turned;
                }
            }
            for (spectrum, (re, im)) in spectra.iter_mut().zip(sums_re.iter().zip(&sums_im)) {
                spectrum.extend(re.iter().zip(im).map(|(re, im)| re.hypot(*im) as f32));
            }
        }
        spectra
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pitch_of_hard_cells_is_found() {
        let places = 200;
        let values: Vec<f32> = (0..places).map(|x| ((x as f32 / 6.25) as usize * 7919 % 13) as f32).collect();
        let signal = Signal::new(&values, places, 1);
        let found = candidates(&signal, 2.5, 40.0);
        assert!(found.iter().any(|pitch| (pitch - 6.25).abs() < 0.1), "{found:?}");
    }
}
