//! Convolution as a matrix product over gathered columns (im2col), in tiles that stay in the cache.

use candle_core::{CpuStorage, CustomOp1, DType, InplaceOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{PARALLEL_FROM, f32_slice};
use crate::nn::Seamless;
use crate::nn::conv::{Padding, Reading};

/// Floats of one tile of columns, 2 MB: larger tiles fall out of the cache before the product has read them,
/// smaller ones make the product too narrow.
const TILE_FLOATS: usize = 1 << 19;

/// Convolves `x` (b, inputs, h, w), read as `reading` says, with `weight` (outputs, inputs, k, k) and adds `bias`
/// (1 or b, outputs).
pub(crate) fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    stride: usize,
    padding: Padding,
    Reading { enlarged, seamless }: Reading,
) -> Result<Tensor> {
    let (batch, inputs, height, width) = x.dims4()?;
    let (outputs, weight_inputs, kernel, _) = weight.dims4()?;
    if inputs != weight_inputs {
        bail!("a convolution of {weight_inputs} channels got {inputs}");
    }
    let (full_height, full_width) = enlarged.unwrap_or((height, width));
    let Padding { before, after } = padding;
    if full_height.min(full_width) + before + after < kernel {
        bail!("a {kernel}×{kernel} convolution got an image of {full_height}×{full_width}");
    }
    let out_height = (full_height + before + after - kernel) / stride + 1;
    let out_width = (full_width + before + after - kernel) / stride + 1;
    let column_len = inputs * kernel * kernel;

    let x = x.contiguous()?;
    let bias = bias.contiguous()?;
    let weight = weight.reshape((outputs, column_len))?;
    let y = Tensor::zeros((batch, outputs, out_height, out_width), DType::F32, x.device())?;
    // Rows of all images are numbered through, so that small images share one product.
    let rows = batch * out_height;
    let tile_rows = (TILE_FLOATS / (column_len * out_width)).clamp(1, rows);
    for first_row in (0..rows).step_by(tile_rows) {
        let rows = tile_rows.min(rows - first_row);
        let tile = Tile { first_row, rows, kernel, stride, before, full_height, full_width, seamless };
        // (outputs, column) · (column, pixels of the tile)
        let columns = x.apply_op1_no_bwd(&Columns { tile: &tile, out_height, out_width })?;
        y.inplace_op3(&weight.matmul(&columns)?, &bias, &Scatter { tile: &tile })?;
    }
    Ok(y)
}

/// Some output rows of a convolution.
struct Tile {
    /// Number of the first row, counted through all images of the batch.
    first_row: usize,
    rows: usize,
    kernel: usize,
    stride: usize,
    /// Cells that the kernel sees to the left of and above the input.
    before: usize,
    /// Size of the enlarged input.
    full_height: usize,
    full_width: usize,
    seamless: Seamless,
}

/// Gathers, for each output pixel of a tile, the input pixels under the kernel: (inputs · k · k, pixels).
struct Columns<'a> {
    tile: &'a Tile,
    out_height: usize,
    out_width: usize,
}

impl CustomOp1 for Columns<'_> {
    fn name(&self) -> &'static str {
        "columns"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = f32_slice(storage, layout, self.name())?;
        let (_, inputs, height, width) = layout.shape().dims4()?;
        let &Tile { first_row, rows, kernel, stride, before, full_height, full_width, seamless } = self.tile;
        let pixels = rows * self.out_width;
        let taps = kernel * kernel;
        // Source column of each enlarged column; the identity when nothing is enlarged.
        let source_x: Vec<usize> = (0..full_width).map(|x| nearest(x, width, full_width)).collect();
        let mut columns = vec![0f32; inputs * taps * pixels];
        let gather = |(index, out): (usize, &mut [f32])| {
            let (channel, tap) = (index / taps, index % taps);
            let (ky, kx) = (tap / kernel, tap % kernel);
            // Output columns whose source column (ox · stride + kx - before) lies in the image.
            let begin = before.saturating_sub(kx).div_ceil(stride).min(self.out_width);
            let end = (full_width + before).saturating_sub(kx).div_ceil(stride).clamp(begin, self.out_width);
            for (row, out) in out.chunks_mut(self.out_width).enumerate() {
                let (image, oy) = ((first_row + row) / self.out_height, (first_row + row) % self.out_height);
                let iy = match (oy * stride + ky).checked_sub(before) {
                    Some(iy) if iy < full_height => iy,
                    _ if seamless.y => wrapped(oy * stride + ky, before, full_height),
                    _ => continue,
                };
                let iy = nearest(iy, height, full_height);
                let line = &x[((image * inputs + channel) * height + iy) * width..][..width];
                if seamless.x {
                    for ox in (0..begin).chain(end..self.out_width) {
                        out[ox] = line[source_x[wrapped(ox * stride + kx, before, full_width)]];
                    }
                }
                if begin == end {
                    continue;
                }
                let out = &mut out[begin..end];
                let ix = begin * stride + kx - before;
                if stride == 1 && full_width == width {
                    let count = out.len();
                    out.copy_from_slice(&line[ix..ix + count]);
                } else {
                    for (out, ix) in out.iter_mut().zip((ix..).step_by(stride)) {
                        *out = line[source_x[ix]];
                    }
                }
            }
        };
        if columns.len() < PARALLEL_FROM {
            columns.chunks_mut(pixels).enumerate().for_each(gather);
        } else {
            columns.par_chunks_mut(pixels).enumerate().for_each(gather);
        }
        Ok((CpuStorage::F32(columns), Shape::from((inputs * taps, pixels))))
    }
}

/// `at - before` on an axis that repeats after `size` cells.
fn wrapped(at: usize, before: usize, size: usize) -> usize {
    (at + before * (size - 1)) % size
}

/// The pixel of `from` that lies under pixel `at` of the axis enlarged to `to`.
fn nearest(at: usize, from: usize, to: usize) -> usize {
    if from == to { at } else { at * from / to }
}

/// Writes the product of a tile (outputs, pixels) plus the bias to its place in (b, outputs, h, w).
struct Scatter<'a> {
    tile: &'a Tile,
}

impl InplaceOp3 for Scatter<'_> {
    fn name(&self) -> &'static str {
        "scatter"
    }

    fn cpu_fwd(
        &self,
        y: &mut CpuStorage,
        y_layout: &Layout,
        product: &CpuStorage,
        product_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<()> {
        let product = f32_slice(product, product_layout, self.name())?;
        let bias = f32_slice(bias, bias_layout, self.name())?;
        let (_, outputs, height, width) = y_layout.shape().dims4()?;
        let bias_rows = bias.len() / outputs;
        let CpuStorage::F32(y) = y else { bail!("scatter needs f32") };
        let &Tile { first_row, rows, .. } = self.tile;
        for (channel, product) in product.chunks(rows * width).enumerate() {
            let mut done = 0;
            // The part of this channel that belongs to one image is one stretch in both tensors.
            while done < rows {
                let (image, row) = ((first_row + done) / height, (first_row + done) % height);
                let count = (height - row).min(rows - done);
                let shift = bias[image % bias_rows * outputs + channel];
                let out = &mut y[((image * outputs + channel) * height + row) * width..][..count * width];
                for (out, v) in out.iter_mut().zip(&product[done * width..]) {
                    *out = v + shift;
                }
                done += count;
            }
        }
        Ok(())
    }
}
