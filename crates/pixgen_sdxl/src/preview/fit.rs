//! Fits the preview of an autoencoder that nobody has fitted one for: the linear map from a latent to the mean colour of
//! its pixels that is best on random latents.

use std::path::Path;
use std::{fs, io, process};

use candle_core::{DType, Device, Tensor};

use super::linear::{FitQuality, LatentPreview, PreviewFile};
use crate::Error;
use crate::nn::Seamless;
use crate::noise::Generator;
use crate::vae::{Vae, VaeTiling};

/// Latents that are decoded, and their edge in cells: 3072 pairs for at most some hundred unknowns.
const LATENTS: usize = 12;
const CELLS: usize = 16;
/// Cells along the edge of the blocks that hang together in a random latent.
const BLOCK: usize = 4;
const SEED: u64 = 20;
/// Keeps the equations solvable when a channel does nothing, as a share of their mean diagonal.
const RIDGE: f64 = 1e-6;

/// Fits the map once and keeps it at `path`, beside the autoencoder: in memory only if there is no such place.
pub(super) fn fit(vae: &Vae, path: Option<&Path>, device: &Device) -> Result<LatentPreview, Error> {
    let (mut latents, mut colours) = (Vec::new(), Vec::new());
    let mut generator = Generator::new(SEED);
    for _ in 0..LATENTS {
        let latent = random_latent(&mut generator, vae.latent_channels(), device)?;
        let image = vae.decode(&latent, Seamless::OFF, VaeTiling::Off)?.clamp(-1f32, 1f32)?;
        latents.extend(pixels(&latent)?);
        colours.extend(pixels(&image.avg_pool2d(vae.factor())?)?);
    }
    let file = least_squares(&latents, &colours).ok_or_else(|| {
        Error::Input("the equations of the preview have no solution: the autoencoder draws nothing".to_owned())
    })?;
    if let Some(FitQuality { residual_rms, explained_variance }) = file.fit {
        tracing::info!(residual_rms, explained_variance, "a preview was fitted to the autoencoder");
    }
    if let Some(path) = path
        && let Err(error) = store(path, &file)
    {
        tracing::warn!(%error, "the fitted preview could not be stored beside the autoencoder: it is fitted again next time");
    }
    Ok(LatentPreview::new(file, device)?)
}

/// (1, channels, cells, cells) of variance one, as sampled latents have, of which a half is the same all over the image
/// and a quarter the same in each block: a decoder shows little of white noise.
fn random_latent(generator: &mut Generator, channels: usize, device: &Device) -> candle_core::Result<Tensor> {
    let blocks = CELLS / BLOCK;
    let whole = generator.randn(channels);
    let block = generator.randn(channels * blocks * blocks);
    let mut values = generator.randn(channels * CELLS * CELLS);
    for (i, value) in values.iter_mut().enumerate() {
        let (channel, y, x) = (i / (CELLS * CELLS), i / CELLS % CELLS, i % CELLS);
        let near = block[(channel * blocks + y / BLOCK) * blocks + x / BLOCK];
        *value = 0.5f32.sqrt() * whole[channel] + 0.5 * near + 0.5 * *value;
    }
    Tensor::from_vec(values, (1, channels, CELLS, CELLS), device)
}

/// One image (1, c, h, w) → one vector of channels per pixel.
fn pixels(image: &Tensor) -> candle_core::Result<Vec<Vec<f32>>> {
    image.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.squeeze(0)?.flatten_from(1)?.t()?.contiguous()?.to_vec2()
}

/// The factors and bias with the least squared error over pairs of latents and colours; `None` if there are none.
fn least_squares(latents: &[Vec<f32>], colours: &[Vec<f32>]) -> Option<PreviewFile> {
    let (inputs, outputs) = (latents.first()?.len(), colours.first()?.len());
    // The bias is the factor of a one behind each latent.
    let unknowns = inputs + 1;
    let row = |latent: &[f32]| latent.iter().map(|v| f64::from(*v)).chain([1.0]).collect::<Vec<f64>>();
    // (unknowns, unknowns + outputs): the normal equations with all their right sides.
    let mut equations = vec![vec![0f64; unknowns + outputs]; unknowns];
    for (latent, colour) in latents.iter().zip(colours) {
        let row = row(latent);
        for (equation, left) in equations.iter_mut().zip(&row) {
            let right = row.iter().copied().chain(colour.iter().map(|v| f64::from(*v)));
            equation.iter_mut().zip(right).for_each(|(sum, right)| *sum += left * right);
        }
    }
    let ridge = RIDGE * (0..unknowns).map(|i| equations[i][i]).sum::<f64>() / unknowns as f64;
    (0..inputs).for_each(|i| equations[i][i] += ridge);
    let solution = solve(equations, outputs)?;

    let (mut left_over, mut total) = (0f64, 0f64);
    let count = latents.len() as f64;
    for output in 0..outputs {
        let mean = colours.iter().map(|colour| f64::from(colour[output])).sum::<f64>() / count;
        for (latent, colour) in latents.iter().zip(colours) {
            let found: f64 = row(latent).iter().zip(&solution).map(|(v, factors)| v * factors[output]).sum();
            left_over += (f64::from(colour[output]) - found).powi(2);
            total += (f64::from(colour[output]) - mean).powi(2);
        }
    }
    let quality = FitQuality {
        residual_rms: (left_over / (count * outputs as f64)).sqrt(),
        explained_variance: if total > 0.0 { 1.0 - left_over / total } else { 1.0 },
    };
    let mut factors: Vec<Vec<f32>> = solution.iter().map(|row| row.iter().map(|v| *v as f32).collect()).collect();
    let bias = factors.pop()?;
    Some(PreviewFile { factors, bias, fit: Some(quality) })
}

/// Gauss-Jordan elimination with pivots: `equations` (n, n + outputs) → (n, outputs); `None` if they are singular.
fn solve(mut equations: Vec<Vec<f64>>, outputs: usize) -> Option<Vec<Vec<f64>>> {
    let n = equations.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|a, b| equations[*a][column].abs().total_cmp(&equations[*b][column].abs()))?;
        equations.swap(column, pivot);
        let scale = equations[column][column];
        if scale == 0.0 || !scale.is_finite() {
            return None;
        }
        equations[column].iter_mut().for_each(|v| *v /= scale);
        let pivot_row = equations[column].clone();
        for (i, row) in equations.iter_mut().enumerate() {
            if i != column {
                let factor = row[column];
                row.iter_mut().zip(&pivot_row).for_each(|(v, pivot)| *v -= factor * pivot);
            }
        }
    }
    Some(equations.into_iter().map(|row| row[row.len() - outputs..].to_vec()).collect())
}

/// Writes the file under another name first, so that nobody ever reads half of it.
fn store(path: &Path, file: &PreviewFile) -> io::Result<()> {
    let unfinished = path.with_extension(format!("json.{}.tmp", process::id()));
    let result = fs::write(&unfinished, serde_json::to_vec_pretty(file)?).and_then(|()| fs::rename(&unfinished, path));
    if result.is_err() {
        // It may not exist; then there is nothing to clean up.
        fs::remove_file(&unfinished).ok();
    }
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_linear_map_is_found_again() {
        let factors = [[0.3f32, -0.2, 0.1], [0.0, 0.5, -0.4]];
        let bias = [0.1f32, 0.0, -0.3];
        let mut generator = Generator::new(1);
        let latents: Vec<Vec<f32>> = (0..50).map(|_| generator.randn(2)).collect();
        let exact = |latent: &Vec<f32>| -> Vec<f32> {
            (0..3).map(|c| bias[c] + latent[0] * factors[0][c] + latent[1] * factors[1][c]).collect()
        };
        let colours: Vec<Vec<f32>> = latents.iter().map(exact).collect();
        let found = least_squares(&latents, &colours).unwrap();
        for (found, expected) in found.factors.iter().flatten().zip(factors.iter().flatten()) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        for (found, expected) in found.bias.iter().zip(bias) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        let quality = found.fit.unwrap();
        assert!(quality.residual_rms < 1e-5 && quality.explained_variance > 0.9999, "{quality:?}");
    }

    #[test]
    fn what_a_linear_map_cannot_do_is_told() {
        // Noise that has nothing to do with the latents: nothing is explained, and all of it is left.
        let mut generator = Generator::new(2);
        let latents: Vec<Vec<f32>> = (0..4000).map(|_| generator.randn(3)).collect();
        let colours: Vec<Vec<f32>> = (0..4000).map(|_| generator.randn(3)).collect();
        let quality = least_squares(&latents, &colours).unwrap().fit.unwrap();
        assert!(quality.explained_variance < 0.01, "{quality:?}");
        assert!((quality.residual_rms - 1.0).abs() < 0.03, "{quality:?}");
        assert!(least_squares(&[], &[]).is_none());
    }
}
