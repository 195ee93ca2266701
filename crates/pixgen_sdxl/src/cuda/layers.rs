//! The layers that the UNet and the decoder are recorded from. Images are channels-last; tokens are their pixels.

use candle_core::{Result, Tensor, bail};

use super::kernels::{WIDE_KEYS, wide_attention_bytes};
use super::product::Product;
use super::program::{Argument, Launch, Place, Recorder, Spot};
use super::tensor_map::TensorMap;
use crate::nn::Seamless;
use crate::params::Params;

/// Bytes of an f16 or bf16.
pub(super) const HALF: usize = 2;
/// Bytes of an f32.
pub(super) const FLOAT: usize = 4;
/// Channels that a thread takes at once; all widths must be multiples.
pub(super) const OCTET: usize = 8;
/// The head size of the attention kernels.
pub(super) const HEAD_DIM: usize = 64;
/// Widest row of the layer norm kernel.
pub(super) const MAX_LAYER_NORM: usize = 2048;
/// Threads of a block of the pointwise kernels.
const THREADS: usize = 256;
/// Threads of a block of the group norm kernels, about.
const NORM_THREADS: usize = 480;
/// Bytes of columns that a convolution without cuDNN gathers at once.
#[cfg(not(feature = "cudnn"))]
const COLUMNS_BYTES: usize = 256 << 20;

/// An image batch (images, height, width, channels).
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) place: Place,
    pub(super) images: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

impl Image {
    pub(super) fn pixels(&self) -> usize {
        self.height * self.width
    }

    pub(super) fn rows(&self) -> usize {
        self.images * self.pixels()
    }
}

/// The weights of a component by name.
pub(super) struct Weights<'a> {
    pub(super) params: &'a Params,
}

impl Weights<'_> {
    fn view(&self, name: &str, suffix: &str) -> Result<Tensor> {
        self.params.view(&format!("{name}.{suffix}"))
    }

    /// The address of `name.suffix`, whose layers compute with these very numbers.
    pub(super) fn address(&self, recorder: &mut Recorder, name: &str, suffix: &str) -> Result<u64> {
        recorder.weight(self.view(name, suffix)?)
    }

    /// The address of several layers' `suffix` that lie behind one another.
    pub(super) fn joined(&self, recorder: &mut Recorder, names: &[String], suffix: &str) -> Result<u64> {
        let mut next = None;
        let mut first = 0;
        for name in names {
            let tensor = self.view(name, suffix)?;
            let bytes = (tensor.elem_count() * HALF) as u64;
            let address = recorder.weight(tensor)?;
            if next.is_some_and(|next| next != address) {
                bail!("the weights of {names:?} do not lie behind one another");
            }
            if next.is_none() {
                first = address;
            }
            next = Some(address + bytes);
        }
        Ok(first)
    }

    pub(super) fn outputs(&self, name: &str) -> Result<usize> {
        self.view(name, "weight")?.dim(0)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.params.contains(&format!("{name}.weight"))
    }
}

/// How a group norm is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupNorm {
    pub(super) groups: usize,
    pub(super) eps: f64,
    pub(super) silu: bool,
}

/// The weights of a layer norm.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerNorm {
    pub(super) gamma: u64,
    pub(super) beta: u64,
    pub(super) eps: f32,
}

/// A layer of tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    /// (outputs, inputs)
    pub(super) weight: u64,
    pub(super) bias: Option<u64>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Recorder {
    /// An image in the arena.
    pub(super) fn image(&self, images: usize, height: usize, width: usize, channels: usize) -> Image {
        let place = self.memory(images * height * width * channels * HALF);
        Image { place, images, height, width, channels }
    }

    /// Blocks for `count` threads, at most a few waves of the card.
    pub(super) fn blocks(&self, count: usize) -> usize {
        count.div_ceil(THREADS).clamp(1, 16 * self.gpu.multiprocessors())
    }

    pub(super) fn simple(&mut self, kernel: &'static str, count: usize, images: usize, arguments: Vec<Argument>) {
        let grid = [self.blocks(count), images, 1];
        self.launch(Launch { kernel, grid, block: [THREADS, 1], shared_bytes: 0, arguments });
    }

    /// The group norm of `x` and, behind its channels, those of `skip`. `shift` (images, channels of `x`) in f32 is
    /// added to `x` first. The result has a border of one cell along axes that repeat.
    pub(super) fn group_norm(
        &mut self,
        weights: &Weights<'_>,
        name: &str,
        x: &Image,
        skip: Option<&Image>,
        shift: Option<u64>,
        norm: GroupNorm,
        seamless: Seamless,
    ) -> Result<Image> {
        let skipped = skip.map_or(0, |skip| skip.channels);
        let channels = x.channels + skipped;
        let per_group = channels / norm.groups;
        if !x.channels.is_multiple_of(OCTET) || !skipped.is_multiple_of(OCTET) || per_group * norm.groups != channels {
            bail!("the group norm {name} has {} + {skipped} channels in {} groups", x.channels, norm.groups);
        }
        let gamma = weights.address(self, name, "weight")?;
        let beta = weights.address(self, name, "bias")?;
        let columns = channels / OCTET;
        let rows = (NORM_THREADS / columns).max(1);
        let processors = self.gpu.multiprocessors();
        let slabs = x.pixels().div_ceil(4 * rows).clamp(1, (2 * processors).div_ceil(x.images).min(256));
        let partials = self.memory(x.images * slabs * norm.groups * 2 * FLOAT);
        let moments = self.memory(x.images * norm.groups * 2 * FLOAT);
        let finished = self.counters(x.images)?;
        let other = skip.map_or(Argument::from(0u64), |skip| Argument::from(&skip.place));
        let shift = Argument::from(shift.unwrap_or(0));
        self.launch(Launch {
            kernel: "group_norm_moments",
            grid: [slabs, x.images, 1],
            block: [columns, rows],
            shared_bytes: 2 * rows * channels * FLOAT,
            arguments: vec![
                (&x.place).into(),
                other,
                shift,
                (&partials).into(),
                finished.into(),
                (&moments).into(),
                x.pixels().into(),
                x.channels.into(),
                skipped.into(),
                norm.groups.into(),
                (norm.eps as f32).into(),
            ],
        });
        let pad = usize::from(seamless != Seamless::OFF);
        let y = self.image(x.images, x.height + 2 * pad, x.width + 2 * pad, channels);
        let blocks = y.pixels().div_ceil(rows).clamp(1, (4 * processors).div_ceil(x.images));
        self.launch(Launch {
            kernel: "group_norm",
            grid: [blocks, x.images, 1],
            block: [columns, rows],
            shared_bytes: 0,
            arguments: vec![
                (&x.place).into(),
                other,
                shift,
                (&moments).into(),
                gamma.into(),
                beta.into(),
                (&y.place).into(),
                x.height.into(),
                x.width.into(),
                x.channels.into(),
                skipped.into(),
                norm.groups.into(),
                norm.silu.into(),
                pad.into(),
                seamless.x.into(),
                seamless.y.into(),
            ],
        });
        Ok(y)
    }

    /// The layer norm of rows of `channels`.
    pub(super) fn layer_norm(&mut self, norm: LayerNorm, x: &Place, rows: usize, channels: usize) -> Place {
        let y = self.memory(rows * channels * HALF);
        self.norm_rows("layer_norm", norm, x, &[(&y).into()], rows, channels);
        y
    }

    pub(super) fn norm_rows(
        &mut self,
        kernel: &'static str,
        norm: LayerNorm,
        x: &Place,
        to: &[Argument],
        rows: usize,
        channels: usize,
    ) {
        let from = [Argument::from(x), norm.gamma.into(), norm.beta.into()];
        let sizes = [Argument::from(rows), channels.into(), norm.eps.into()];
        let arguments = from.into_iter().chain(to.iter().copied()).chain(sizes).collect();
        self.launch(Launch { kernel, grid: [rows.div_ceil(4), 1, 1], block: [128, 1], shared_bytes: 0, arguments });
    }

    /// Enlarges by nearest neighbour, with a border of one cell along axes that repeat.
    pub(super) fn enlarge(&mut self, x: &Image, height: usize, width: usize, seamless: Seamless) -> Image {
        let pad = usize::from(seamless != Seamless::OFF);
        if pad == 0 && (height, width) == (x.height, x.width) {
            return x.clone();
        }
        let y = self.image(x.images, height + 2 * pad, width + 2 * pad, x.channels);
        let sizes = [x.height, x.width, height, width, x.channels, pad];
        let arguments = [&x.place, &y.place]
            .map(Argument::from)
            .into_iter()
            .chain(sizes.map(Argument::from))
            .chain([seamless.x, seamless.y].map(Argument::from));
        self.simple("enlarge", y.pixels() * x.channels / OCTET, x.images, arguments.collect());
        y
    }

    /// The 3×3 convolution `name` of an image that has its border already (`padded`) or sees zeros beyond its edges,
    /// plus the layer's bias if `biased`, plus `residual`.
    pub(super) fn convolution_3x3(
        &mut self,
        weights: &Weights<'_>,
        name: &str,
        x: &Image,
        stride: usize,
        padded: bool,
        biased: bool,
        residual: Option<&Image>,
    ) -> Result<Image> {
        let outputs = weights.outputs(name)?;
        let pad = usize::from(!padded);
        let out = |size: usize| (size + 2 * pad - 3) / stride + 1;
        if x.height + 2 * pad < 3 || x.width + 2 * pad < 3 {
            bail!("an image of {} × {} cells is too small for a convolution of 3", x.width, x.height);
        }
        let y = self.image(x.images, out(x.height), out(x.width), outputs);
        let weight = weights.address(self, name, "weight")?;
        let bias = if biased { Some(weights.address(self, name, "bias")?) } else { None };
        self.convolve(x, weight, bias, residual, &y, stride, pad);
        Ok(y)
    }

    #[cfg(feature = "cudnn")]
    #[allow(clippy::too_many_arguments)]
    fn convolve(
        &mut self,
        x: &Image,
        weight: u64,
        bias: Option<u64>,
        residual: Option<&Image>,
        y: &Image,
        stride: usize,
        pad: usize,
    ) {
        self.convolution(super::cudnn::Convolution {
            shape: super::cudnn::Shape {
                images: x.images,
                height: x.height,
                width: x.width,
                inputs: x.channels,
                outputs: y.channels,
                stride,
                pad,
            },
            x: x.place.spot(),
            weight,
            y: y.place.spot(),
        });
        let count = y.rows() * y.channels / OCTET;
        match (bias, residual) {
            (Some(bias), Some(residual)) => self.simple(
                "add_bias_and_residual",
                count,
                1,
                vec![
                    (&y.place).into(),
                    bias.into(),
                    (&residual.place).into(),
                    (&y.place).into(),
                    y.rows().into(),
                    y.channels.into(),
                ],
            ),
            (Some(bias), None) => self.simple(
                "add_bias",
                count,
                1,
                vec![(&y.place).into(), bias.into(), y.rows().into(), y.channels.into()],
            ),
            _ => {}
        }
    }

    /// Without cuDNN: the columns of some rows of all images at once, then a product.
    #[cfg(not(feature = "cudnn"))]
    #[allow(clippy::too_many_arguments)]
    fn convolve(
        &mut self,
        x: &Image,
        weight: u64,
        bias: Option<u64>,
        residual: Option<&Image>,
        y: &Image,
        stride: usize,
        pad: usize,
    ) {
        let inputs = 9 * x.channels;
        let row_bytes = y.width * inputs * HALF;
        // Rows of all images at once only if they are all rows: those of a band must lie behind one another in `y`.
        let whole = x.images * y.height * row_bytes <= COLUMNS_BYTES;
        let at_once = if whole { y.height } else { (COLUMNS_BYTES / row_bytes).clamp(1, y.height) };
        let together = if whole { x.images } else { 1 };
        let columns = self.memory(together * at_once * row_bytes);
        for image in (0..x.images).step_by(together) {
            for first in (0..y.height).step_by(at_once) {
                let rows = at_once.min(y.height - first);
                let from = x.place.spot().after(image * x.pixels() * x.channels * HALF);
                let to = (image * y.height + first) * y.width * y.channels * HALF;
                let sizes = [together, x.height, x.width, x.channels, y.width, first, rows, stride, pad];
                let arguments =
                    [from, columns.spot()].map(Argument::from).into_iter().chain(sizes.map(Argument::from)).collect();
                self.simple("columns", together * rows * y.width * inputs / OCTET, 1, arguments);
                self.product(Product {
                    rows: together * rows * y.width,
                    inputs,
                    outputs: y.channels,
                    x: columns.spot(),
                    x_stride: inputs,
                    weight: Spot::Fixed(weight),
                    weight_stride: inputs,
                    by_input: false,
                    bias,
                    residual: residual.map(|residual| residual.place.spot().after(to)),
                    y: y.place.spot().after(to),
                    y_stride: y.channels,
                    in_f32: false,
                    fp8: None,
                });
            }
        }
    }

    /// A linear layer by its name.
    pub(super) fn linear_layer(&mut self, weights: &Weights<'_>, name: &str, biased: bool) -> Result<Linear> {
        let weight = weights.view(name, "weight")?;
        // A projection of tokens may be stored as a 1×1 convolution.
        let (outputs, inputs) = weight.flatten_from(1)?.dims2()?;
        let weight = self.weight(weight)?;
        let bias = if biased { Some(weights.address(self, name, "bias")?) } else { None };
        Ok(Linear { weight, bias, inputs, outputs })
    }

    /// Several linear layers of the same input as one.
    pub(super) fn joined_layers(&mut self, weights: &Weights<'_>, names: &[String], biased: bool) -> Result<Linear> {
        let [first, ..] = names else { bail!("no layer to join") };
        let (outputs, inputs) = weights.view(first, "weight")?.dims2()?;
        let weight = weights.joined(self, names, "weight")?;
        let bias = if biased { Some(weights.joined(self, names, "bias")?) } else { None };
        Ok(Linear { weight, bias, inputs, outputs: names.len() * outputs })
    }

    /// A linear layer of tokens (rows, inputs); `residual` (rows, outputs) is added.
    pub(super) fn linear(&mut self, layer: Linear, x: &Place, rows: usize, residual: Option<&Place>) -> Place {
        self.linear_in(layer, x, rows, residual, None)
    }

    /// The same; with `fp8`, what [`Product::fp8`] is, the layer's weight and `x` have eight bits.
    pub(super) fn linear_in(
        &mut self,
        layer: Linear,
        x: &Place,
        rows: usize,
        residual: Option<&Place>,
        fp8: Option<[u64; 2]>,
    ) -> Place {
        let y = self.memory(rows * layer.outputs * HALF);
        self.product(Product {
            rows,
            inputs: layer.inputs,
            outputs: layer.outputs,
            x: x.spot(),
            x_stride: layer.inputs,
            weight: Spot::Fixed(layer.weight),
            weight_stride: layer.inputs,
            by_input: false,
            bias: layer.bias,
            residual: residual.map(Place::spot),
            y: y.spot(),
            y_stride: layer.outputs,
            in_f32: false,
            fp8,
        });
        y
    }

    /// The shortcut of a residual block: a 1×1 convolution of `x` and `skip` as if they were one image.
    pub(super) fn shortcut(
        &mut self,
        weights: &Weights<'_>,
        name: &str,
        x: &Image,
        skip: Option<&Image>,
    ) -> Result<Image> {
        let outputs = weights.outputs(name)?;
        let y = self.image(x.images, x.height, x.width, outputs);
        let weight = weights.address(self, name, "weight")?;
        let bias = weights.address(self, name, "bias")?;
        let inputs = x.channels + skip.map_or(0, |skip| skip.channels);
        let mut first = 0;
        for part in [Some(x), skip].into_iter().flatten() {
            self.product(Product {
                rows: y.rows(),
                inputs: part.channels,
                outputs,
                x: part.place.spot(),
                x_stride: part.channels,
                weight: Spot::Fixed(weight).after(first * HALF),
                weight_stride: inputs,
                by_input: false,
                bias: (first == 0).then_some(bias),
                residual: (first > 0).then(|| y.place.spot()),
                y: y.place.spot(),
                y_stride: outputs,
                in_f32: false,
                fp8: None,
            });
            first += part.channels;
        }
        Ok(y)
    }

    /// A residual block; `shift` (images, outputs) in f32 comes between its convolutions, with the first one's bias.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn residual_block(
        &mut self,
        weights: &Weights<'_>,
        name: &str,
        x: &Image,
        skip: Option<&Image>,
        shift: Option<u64>,
        norm: GroupNorm,
        seamless: Seamless,
    ) -> Result<Image> {
        let layer = |part: &str| format!("{name}.{part}");
        let padded = seamless != Seamless::OFF;
        // Each assignment frees what was there before, shadowing would not.
        let mut h = self.group_norm(weights, &layer("norm1"), x, skip, None, norm, seamless)?;
        h = self.convolution_3x3(weights, &layer("conv1"), &h, 1, padded, shift.is_none(), None)?;
        h = self.group_norm(weights, &layer("norm2"), &h, None, shift, norm, seamless)?;
        let shortcut = layer("conv_shortcut");
        let around = match weights.contains(&shortcut) {
            true => self.shortcut(weights, &shortcut, x, skip)?,
            false => x.clone(),
        };
        self.convolution_3x3(weights, &layer("conv2"), &h, 1, padded, true, Some(&around))
    }

    /// Attention of (images · queries) rows over (images · keys) rows, heads of [`HEAD_DIM`]; strides in numbers.
    pub(super) fn attention(&mut self, attention: &Attention) -> Place {
        let Attention { images, queries, keys, heads, q, q_stride, k, v, kv_stride, images_per_key } = *attention;
        let channels = heads * HEAD_DIM;
        let y = self.memory(images * queries * channels * HALF);
        let scale_log2 = Argument::from(std::f32::consts::LOG2_E / (HEAD_DIM as f32).sqrt());
        let narrow = |kernel, block: usize| {
            let sizes = [queries, keys, q_stride, kv_stride, channels, images_per_key];
            let places = [q, k, v, y.spot()].map(Argument::from).into_iter();
            Launch {
                kernel,
                grid: [queries.div_ceil(block), heads, images],
                block: [128, 1],
                shared_bytes: (block + 4 * 64) * HEAD_DIM * HALF,
                arguments: places.chain(sizes.map(Argument::from)).chain([scale_log2]).collect(),
            }
        };
        let wide = |kernel, block: usize| {
            let map =
                |spot, tokens, stride, box_tokens| TensorMap::heads(spot, [images, tokens, heads], stride, box_tokens);
            let maps = [
                map(q, queries, q_stride, block),
                map(k, keys, kv_stride, WIDE_KEYS),
                map(v, keys, kv_stride, WIDE_KEYS),
            ];
            let sizes = [queries, keys, channels, images_per_key];
            let places = maps.map(Argument::from).into_iter().chain([Argument::from(&y)]);
            Launch {
                kernel,
                grid: [queries.div_ceil(block), heads, images],
                // One warpgroup per 64 queries, and one that fetches.
                block: [2 * block + 128, 1],
                shared_bytes: wide_attention_bytes(block),
                arguments: places.chain(sizes.map(Argument::from)).chain([scale_log2]).collect(),
            }
        };
        // Larger blocks read the keys less often; smaller ones leave fewer processors idle at the end.
        let mut choices = vec![narrow("attention_64", 64), narrow("attention_128", 128)];
        if self.gpu.kernels().is_hopper() {
            choices.extend([wide("attention_wide_128", 128), wide("attention_wide_192", 192)]);
        }
        self.fastest(vec![images, queries, keys, heads, q_stride, kv_stride], choices);
        y
    }
}

/// What an attention reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attention {
    pub(super) images: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
    pub(super) q: Spot,
    pub(super) q_stride: usize,
    pub(super) k: Spot,
    pub(super) v: Spot,
    pub(super) kv_stride: usize,
    /// Images that attend to the keys of the first of them; 1 if each attends to its own.
    pub(super) images_per_key: usize,
}
