//! The decoder of the autoencoder as a program.

use std::sync::Arc;

use candle_core::{Error, Result, Tensor};

use super::gpu::Gpu;
use super::layers::{FLOAT, GroupNorm, HALF, Image, OCTET, Weights};
use super::product::Product;
use super::program::{Launch, Program, Recorder, Spot};
use super::unet::{convolve_in, convolve_out, fits_at_the_edges, output};
use crate::config::VaeConfig;
use crate::nn::Seamless;

/// More would not fit into a block of the norms.
const MAX_WIDTH: usize = 2048;
/// Bytes of attention scores held at once.
const SCORES_BYTES: usize = 128 << 20;

/// What a recorded decoder is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) seamless: Seamless,
    /// The epsilon of all group norms.
    pub(super) eps: f64,
}

/// Whether the kernels can compute a decoder, or why not.
pub(super) fn check(config: &VaeConfig) -> std::result::Result<(), String> {
    for width in &config.block_out_channels {
        if !width.is_multiple_of(OCTET) || width % config.norm_num_groups != 0 {
            return Err(format!("{width} channels in {} groups", config.norm_num_groups));
        }
    }
    let widest = config.block_out_channels.iter().copied().max().unwrap_or_default();
    let first = config.block_out_channels.last().copied().unwrap_or_default();
    if widest > MAX_WIDTH || !fits_at_the_edges(config.latent_channels, first) {
        return Err(format!("{widest} channels"));
    }
    if config.out_channels > 4 || config.latent_channels > 4 {
        return Err(format!("{} latent and {} image channels", config.latent_channels, config.out_channels));
    }
    Ok(())
}

/// Decodes one image: `latent` (1, channels, h, w) in f32 on the card, after `post_quant_conv`.
///
/// The memory for the feature maps, up to 2 GB, is taken for this call only. That the operations are launched one by
/// one costs nothing: they are few and long.
pub(super) fn decode(
    gpu: &Arc<Gpu>,
    weights: &Weights<'_>,
    config: &VaeConfig,
    eps: f64,
    latent: &Tensor,
    seamless: Seamless,
) -> Result<Tensor> {
    let (_, _, height, width) = latent.dims4()?;
    let (mut program, to, [image_height, image_width]) =
        record(gpu, weights, config, gpu.address(latent)?, Shape { height, width, seamless, eps })?;
    program.run(false)?;
    output(program.gpu(), to, (1, config.out_channels, image_height, image_width))
}

/// The decoder of a latent at an address; where the image will be, and its height and width.
pub(super) fn record(
    gpu: &Arc<Gpu>,
    weights: &Weights<'_>,
    config: &VaeConfig,
    latent: u64,
    shape: Shape,
) -> Result<(Program, u64, [usize; 2])> {
    let Shape { height, width, seamless, eps } = shape;
    let mut recorder = Recorder::new(gpu)?;
    let factor = 1 << (config.block_out_channels.len() - 1);
    let size = [factor * height, factor * width];
    let to = recorder.lasting_memory(config.out_channels * size[0] * size[1] * FLOAT)?;
    let norm = GroupNorm { groups: config.norm_num_groups, eps, silu: true };
    let resnet = |recorder: &mut Recorder, name: &str, x: &Image| {
        recorder.residual_block(weights, name, x, None, None, norm, seamless)
    };

    let latent_shape = [1, config.latent_channels, height, width];
    let mut x = convolve_in(&mut recorder, weights, "decoder.conv_in", latent, latent_shape, seamless)?;
    x = resnet(&mut recorder, "decoder.mid_block.resnets.0", &x)?;
    if config.mid_block_add_attention {
        x = attention(&mut recorder, weights, "decoder.mid_block.attentions.0", &x, norm)?;
    }
    x = resnet(&mut recorder, "decoder.mid_block.resnets.1", &x)?;
    let last = config.block_out_channels.len() - 1;
    for level in 0..=last {
        for layer in 0..=config.layers_per_block {
            x = resnet(&mut recorder, &format!("decoder.up_blocks.{level}.resnets.{layer}"), &x)?;
        }
        if level != last {
            let name = format!("decoder.up_blocks.{level}.upsamplers.0.conv");
            let has_border = seamless != Seamless::OFF;
            x = recorder.enlarge(&x, 2 * x.height, 2 * x.width, seamless);
            x = recorder.convolution_3x3(weights, &name, &x, 1, has_border, true, None)?;
        }
    }
    // The last convolution finds the opposite edge itself.
    x = recorder.group_norm(weights, "decoder.conv_norm_out", &x, None, None, norm, Seamless::OFF)?;
    convolve_out(&mut recorder, weights, "decoder.conv_out", &x, to, seamless)?;
    tracing::debug!(?shape, arena_bytes = recorder.arena_bytes(), "recorded the decoder");
    Ok((recorder.finish()?, to, size))
}

/// Self-attention of one head over all pixels, by products: 512 channels are more than a block's shared memory takes.
fn attention(recorder: &mut Recorder, weights: &Weights<'_>, name: &str, x: &Image, norm: GroupNorm) -> Result<Image> {
    let (rows, channels) = (x.rows(), x.channels);
    let norm = GroupNorm { silu: false, ..norm };
    let normed = recorder.group_norm(weights, &format!("{name}.group_norm"), x, None, None, norm, Seamless::OFF)?;
    let names = ["to_q", "to_k", "to_v"].map(|part| format!("{name}.{part}"));
    let layer = recorder.joined_layers(weights, &names, true)?;
    let qkv = recorder.linear(layer, &normed.place, rows, None);
    drop(normed);
    let part = |index: usize, row: usize| qkv.spot().after((row * 3 * channels + index * channels) * HALF);
    let attended = recorder.memory(rows * channels * HALF);
    let at_once = (SCORES_BYTES / (rows * FLOAT)).clamp(1, rows);
    let scores = recorder.memory(at_once * rows * FLOAT);
    let shares = recorder.memory(at_once * rows * HALF);
    for first in (0..rows).step_by(at_once) {
        let queries = at_once.min(rows - first);
        let product = |x: Spot, weight: Spot, y: Spot| Product {
            rows: queries,
            inputs: channels,
            outputs: rows,
            x,
            x_stride: 3 * channels,
            weight,
            weight_stride: 3 * channels,
            by_input: false,
            bias: None,
            residual: None,
            y,
            y_stride: rows,
            in_f32: true,
            fp8: None,
        };
        recorder.product(product(part(0, first), part(1, 0), scores.spot()));
        recorder.launch(Launch {
            kernel: "softmax_rows",
            grid: [queries, 1, 1],
            block: [256, 1],
            shared_bytes: 0,
            arguments: vec![
                (&scores).into(),
                (&shares).into(),
                queries.into(),
                rows.into(),
                (1.0 / (channels as f32).sqrt()).into(),
            ],
        });
        recorder.product(Product {
            inputs: rows,
            outputs: channels,
            x_stride: rows,
            by_input: true,
            y_stride: channels,
            in_f32: false,
            fp8: None,
            ..product(shares.spot(), part(2, 0), attended.spot().after(first * channels * HALF))
        });
    }
    drop((scores, shares));
    let layer = recorder.linear_layer(weights, &format!("{name}.to_out.0"), true)?;
    let place = recorder.linear(layer, &attended, rows, Some(&x.place));
    Ok(Image { place, ..x.clone() })
}

/// Latents for [`record`] must be f32 and dense.
pub(super) fn prepare(latent: &Tensor) -> Result<Tensor> {
    if latent.dim(0)? != 1 {
        return Err(Error::Msg("the decoder takes one image at a time".to_owned()));
    }
    latent.to_dtype(candle_core::DType::F32)?.contiguous()
}
