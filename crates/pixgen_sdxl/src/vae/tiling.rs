//! Large images in overlapping tiles that are blended into each other.
//!
//! The idea is that of diffusers' tiled decoding (`AutoencoderKL.tiled_decode`); here tiles are spread evenly, weighted
//! by how far a pixel is from the tile's edges, and go around the edges of images that repeat. What tiles give is close
//! to the whole image but not equal: normalisation and the attention in the middle of the autoencoder see one tile only.

use candle_core::{DType, Device, Result, Tensor};

use crate::Error;
use crate::nn::Seamless;

/// Bytes of feature maps that an image may need before [`VaeTiling::Auto`] cuts it. SDXL's autoencoder in f32 takes
/// 4 GB at 1024 × 1024 px.
const UNTILED_BUDGET_BYTES: usize = 8 << 30;
/// Tiles of [`VaeTiling::Auto`]: the size that SDXL's autoencoder was trained on.
const AUTO_TILE_PX: usize = 1024;
const AUTO_OVERLAP_PX: usize = 256;

/// Whether the autoencoder works on whole images or on tiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VaeTiling {
    /// Tiles of 1024 px when the whole image would need more than about 8 GB.
    #[default]
    Auto,
    /// Never tiles.
    Off,
    /// Tiles of images that are larger than one.
    On {
        /// Edge of a tile in pixels; rounded down to whole latent cells.
        tile_px: usize,
        /// Least width of the strip in which neighbours are blended, in pixels, at most half a tile; rounded down to
        /// whole latent cells.
        overlap_px: usize,
    },
}

/// Edge and least overlap of tiles, in latent cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    pub(super) edge: usize,
    pub(super) overlap: usize,
}

impl VaeTiling {
    /// The tiles for an image that needs `bytes` of feature maps, or none. `factor`: pixels per latent cell.
    pub(super) fn tiles(self, bytes: usize, factor: usize) -> std::result::Result<Option<Tiles>, Error> {
        let (tile_px, overlap_px) = match self {
            Self::Off => return Ok(None),
            Self::Auto if bytes <= UNTILED_BUDGET_BYTES => return Ok(None),
            Self::Auto => (AUTO_TILE_PX.max(2 * factor), AUTO_OVERLAP_PX),
            Self::On { tile_px, overlap_px } => (tile_px, overlap_px),
        };
        let tiles = Tiles { edge: tile_px / factor, overlap: overlap_px / factor };
        if tiles.edge < 2 || tiles.overlap > tiles.edge / 2 {
            return Err(Error::Input(format!(
                "the tiles have tile_px {tile_px} and overlap_px {overlap_px}, expected at least {} px and an overlap of \
                 at most half a tile",
                2 * factor
            )));
        }
        Ok(Some(tiles))
    }
}

/// Image units per latent cell: of what goes into the network, and of what comes out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) input: usize,
    pub(super) output: usize,
}

/// `network` over the tiles of one image `x` (1, c, h, w): what it gives for each, blended, in f32 on the CPU.
///
/// `network` is told along which axes its tile repeats: those that one tile covers.
pub(super) fn tiled(
    x: &Tensor,
    tiles: Tiles,
    scale: Scale,
    seamless: Seamless,
    network: impl Fn(&Tensor, Seamless) -> Result<Tensor>,
) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let (height, width) = (height / scale.input, width / scale.input);
    let rows = spread(height, tiles, scale.output, seamless.y);
    let columns = spread(width, tiles, scale.output, seamless.x);
    let inside = Seamless { x: seamless.x && columns.len() == 1, y: seamless.y && rows.len() == 1 };
    let (out_height, out_width) = (height * scale.output, width * scale.output);
    let (mut blended, mut channels) = (Vec::new(), 0);
    for row in &rows {
        let strip = row.cut(x, 2, scale.input)?;
        for column in &columns {
            let tile = network(&column.cut(&strip, 3, scale.input)?.contiguous()?, inside)?;
            channels = tile.dim(1)?;
            blended.resize(channels * out_height * out_width, 0f32);
            let tile = tile.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
            let (tile_height, tile_width) = (row.weights.len(), column.weights.len());
            for (line, values) in tile.chunks_exact(tile_width).enumerate() {
                let (channel, y) = (line / tile_height, line % tile_height);
                let to = (channel * out_height + (row.start * scale.output + y) % out_height) * out_width;
                for (x, (value, weight)) in values.iter().zip(&column.weights).enumerate() {
                    let x = (column.start * scale.output + x) % out_width;
                    blended[to + x] += value * weight * row.weights[y];
                }
            }
        }
    }
    Tensor::from_vec(blended, (1, channels, out_height, out_width), &Device::Cpu)
}

/// A tile's place along one axis.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    /// First cell.
    start: usize,
    /// Cells.
    len: usize,
    /// How much each output unit counts; the weights of all tiles at one place sum to one.
    weights: Vec<f32>,
}

impl Span {
    /// The part of `x` along `axis`, around its end if need be.
    fn cut(&self, x: &Tensor, axis: usize, scale: usize) -> Result<Tensor> {
        let (start, len, size) = (self.start * scale, self.len * scale, x.dim(axis)?);
        if start + len <= size {
            return x.narrow(axis, start, len);
        }
        Tensor::cat(&[x.narrow(axis, start, size - start)?, x.narrow(axis, 0, start + len - size)?], axis)
    }
}

/// As few tiles as cover `cells` with the overlap that is asked for, at equal distances. `scale`: output units per cell.
fn spread(cells: usize, Tiles { edge, overlap }: Tiles, scale: usize, wraps: bool) -> Vec<Span> {
    if cells <= edge {
        return vec![Span { start: 0, len: cells, weights: vec![1.0; cells * scale] }];
    }
    let stride = edge - overlap;
    let count = if wraps { cells.div_ceil(stride) } else { (cells - overlap).div_ceil(stride) };
    let start = |i: usize| if wraps { i * cells / count } else { i * (cells - edge) / (count - 1) };
    // Distance to the tile before, which tells the overlap with it; `None` at an edge of the image.
    let step_before = |i: usize| match i {
        0 if wraps => Some(cells - start(count - 1)),
        0 => None,
        _ => Some(start(i) - start(i - 1)),
    };
    let ramp = |step: Option<usize>| step.map_or(0, |step| (edge - step) * scale);
    let mut spans: Vec<Span> = (0..count)
        .map(|i| {
            let (before, after) = match i + 1 {
                next if next < count => (ramp(step_before(i)), ramp(step_before(next))),
                _ => (ramp(step_before(i)), if wraps { ramp(step_before(0)) } else { 0 }),
            };
            let len = edge * scale;
            let rise = |at: usize, ramp: usize| if at < ramp { (at as f32 + 0.5) / ramp as f32 } else { 1.0 };
            let weights = (0..len).map(|at| rise(at, before).min(rise(len - 1 - at, after))).collect();
            Span { start: start(i), len: edge, weights }
        })
        .collect();
    let size = cells * scale;
    let mut totals = vec![0f32; size];
    for span in &spans {
        for (at, weight) in span.weights.iter().enumerate() {
            totals[(span.start * scale + at) % size] += weight;
        }
    }
    for span in &mut spans {
        for (at, weight) in span.weights.iter_mut().enumerate() {
            *weight /= totals[(span.start * scale + at) % size];
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::random;

    #[test]
    fn tiles_cover_every_cell_with_weights_that_sum_to_one() {
        for wraps in [false, true] {
            for (cells, edge, overlap) in
                [(5, 8, 2), (9, 8, 2), (16, 8, 2), (17, 8, 4), (40, 8, 0), (41, 6, 3), (64, 16, 4)]
            {
                let spans = spread(cells, Tiles { edge, overlap }, 3, wraps);
                let mut totals = vec![0f32; cells * 3];
                for span in &spans {
                    assert!(wraps || span.start + span.len <= cells);
                    assert_eq!(span.weights.len(), span.len * 3);
                    for (at, weight) in span.weights.iter().enumerate() {
                        assert!((0.0..=1.0).contains(weight));
                        totals[(span.start * 3 + at) % (cells * 3)] += weight;
                    }
                }
                assert!(totals.iter().all(|total| (total - 1.0).abs() < 1e-5), "{cells} {edge} {overlap} {wraps}");
                for pair in spans.windows(2) {
                    assert!(pair[1].start - pair[0].start <= edge - overlap);
                }
            }
        }
    }

    #[test]
    fn a_network_that_works_pixel_by_pixel_does_not_notice_tiles() {
        let enlarge = |x: &Tensor, _: Seamless| {
            let (_, _, height, width) = x.dims4()?;
            x.upsample_nearest2d(2 * height, 2 * width)
        };
        let x = random(5, 0.0, 1.0, (1, 3, 13, 22));
        let expected = enlarge(&x, Seamless::OFF).unwrap();
        for seamless in [Seamless::OFF, Seamless { x: true, y: false }, Seamless { x: true, y: true }] {
            let found =
                tiled(&x, Tiles { edge: 6, overlap: 2 }, Scale { input: 1, output: 2 }, seamless, enlarge).unwrap();
            let worst = (found - &expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(worst < 1e-6, "{seamless:?}: {worst}");
        }
        // And the other way: the mean of 2 × 2 pixels.
        let shrink = |x: &Tensor, _: Seamless| x.avg_pool2d(2);
        let x = random(6, 0.0, 1.0, (1, 2, 26, 18));
        let found = tiled(&x, Tiles { edge: 4, overlap: 1 }, Scale { input: 2, output: 1 }, Seamless::OFF, shrink);
        let worst = (found.unwrap() - shrink(&x, Seamless::OFF).unwrap()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(worst.to_scalar::<f32>().unwrap() < 1e-6);
    }

    #[test]
    fn only_images_that_need_much_memory_are_cut_by_themselves() {
        assert_eq!(VaeTiling::Auto.tiles(4 << 30, 8).unwrap(), None);
        assert_eq!(VaeTiling::Auto.tiles(9 << 30, 8).unwrap(), Some(Tiles { edge: 128, overlap: 32 }));
        assert_eq!(VaeTiling::Off.tiles(9 << 30, 8).unwrap(), None);
        for (tile_px, overlap_px) in [(0, 0), (15, 0), (64, 40)] {
            let error = VaeTiling::On { tile_px, overlap_px }.tiles(0, 8).unwrap_err().to_string();
            assert!(error.contains(&format!("tile_px {tile_px}")), "{error}");
        }
    }
}
