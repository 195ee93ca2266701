//! The UNet as a program.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Error, Result, Tensor, bail};

use super::fp8::{FP8_MULTIPLE, Fp8Layer};
use super::gpu::Gpu;
use super::layers::{
    Attention, FLOAT, GroupNorm, HALF, HEAD_DIM, Image, LayerNorm, Linear, MAX_LAYER_NORM, OCTET, Weights,
};
use super::program::{Argument, Launch, Place, Program, Recorder};
use crate::nn::Seamless;
use crate::unet::{FrameAttention, Surroundings};

/// The epsilons of transformers, which have their own.
const TRANSFORMER_NORM_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f32 = 1e-5;

/// What a recorded UNet is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) images: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) text_tokens: usize,
    pub(super) surroundings: Surroundings,
    /// Whether layers behind layer norms compute with numbers of eight bits.
    pub(super) fp8: bool,
}

/// One level of the UNet.
#[derive(Clone, Debug)]
pub(crate) struct LevelSizes {
    /// Residual blocks on the way down; one more on the way up.
    pub(crate) layers: usize,
    /// Heads and transformer blocks behind each residual block on the way down; empty without attention.
    pub(crate) down: Vec<(usize, usize)>,
    /// The same on the way up.
    pub(crate) up: Vec<(usize, usize)>,
}

/// The sizes of the UNet, as its configuration has them.
#[derive(Clone, Debug)]
pub(crate) struct UnetSizes {
    pub(crate) latent_channels: usize,
    pub(crate) widths: Vec<usize>,
    pub(crate) levels: Vec<LevelSizes>,
    /// Heads and transformer blocks in the middle; `None` for the middle blocks of SSD-1B and Vega.
    pub(crate) mid: Option<(usize, usize)>,
    pub(crate) groups: usize,
    pub(crate) eps: f64,
    pub(crate) time_embedding: usize,
    pub(crate) flip_sin_to_cos: bool,
    pub(crate) freq_shift: f64,
}

impl UnetSizes {
    /// Whether the kernels can compute it, or why not.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        let Self { widths, levels, mid, groups, time_embedding, latent_channels, .. } = self;
        for width in widths {
            if !width.is_multiple_of(OCTET) || width % groups != 0 {
                return Err(format!("{width} channels in {groups} groups"));
            }
            if *width > MAX_LAYER_NORM {
                return Err(format!("{width} channels"));
            }
        }
        let heads_fit = |level: &LevelSizes, width: &usize| {
            level.down.iter().chain(&level.up).all(|(heads, _)| heads * HEAD_DIM == *width)
        };
        let mid_fits = mid.is_none_or(|(heads, _)| widths.last().is_some_and(|width| heads * HEAD_DIM == *width));
        if !mid_fits || !levels.iter().zip(widths).all(|(level, width)| heads_fit(level, width)) {
            return Err(format!("attention heads of another size than {HEAD_DIM}"));
        }
        if !time_embedding.is_multiple_of(OCTET) || *latent_channels > 4 {
            return Err(format!("{latent_channels} latent channels and a time embedding of {time_embedding}"));
        }
        let first = widths.first().copied().unwrap_or_default();
        if !fits_at_the_edges(*latent_channels, first) {
            return Err(format!("{latent_channels} latent channels and {first} channels beside each other"));
        }
        Ok(())
    }
}

/// A recorded UNet.
#[derive(Debug)]
pub(super) struct UnetProgram {
    pub(super) shape: Shape,
    pub(super) program: Program,
    /// Addresses of the inputs and of the output.
    sample: u64,
    timestep: u64,
    /// With its size in bytes.
    added: (u64, usize),
    output: u64,
    /// Keys and values of the text, two per attention layer, with their sizes in bytes.
    text: Vec<(u64, usize)>,
    /// The conditioning that the text and `added` come from.
    conditioning: Option<u64>,
    /// The number of changes of the weights at which it was prepared.
    prepared: Option<u64>,
    latent_channels: usize,
}

impl UnetProgram {
    pub(super) fn record(gpu: &Arc<Gpu>, weights: &Weights<'_>, sizes: &UnetSizes, shape: Shape) -> Result<Self> {
        let mut recorder = Recorder::new(gpu)?;
        let Shape { images, height, width, .. } = shape;
        let latent_bytes = images * sizes.latent_channels * height * width * FLOAT;
        let sample = recorder.lasting_memory(latent_bytes)?;
        let output = recorder.lasting_memory(latent_bytes)?;
        let timestep = recorder.lasting_memory(FLOAT)?;
        let added_bytes = images * sizes.time_embedding * HALF;
        let added = recorder.lasting_memory(added_bytes)?;
        let mut network =
            Network { recorder: &mut recorder, weights, sizes, shape, text: Vec::new(), shifts: HashMap::new() };
        network.time_embedding(timestep, added)?;
        network.forward(sample, output)?;
        let text = network.text;
        tracing::debug!(?shape, arena_bytes = recorder.arena_bytes(), "recorded the UNet");
        Ok(Self {
            program: recorder.finish()?,
            shape,
            sample,
            timestep,
            added: (added, added_bytes),
            output,
            text,
            conditioning: None,
            prepared: None,
            latent_channels: sizes.latent_channels,
        })
    }

    /// Computes what depends on the weights alone, if they have changed since.
    pub(super) fn prepare(&mut self, changes: u64) -> Result<()> {
        if self.prepared != Some(changes) {
            self.program.prepare()?;
            self.prepared = Some(changes);
        }
        Ok(())
    }

    /// `sample` (images, channels, h, w) in f32 on the card: the prediction, of the same shape.
    ///
    /// `conditioning` is its number and its tensors: the added embedding, then keys and values per layer.
    pub(super) fn run(
        &mut self,
        sample: &Tensor,
        timestep: f32,
        conditioning: (u64, &[&Tensor]),
        graphs: bool,
    ) -> Result<Tensor> {
        let gpu = self.program.gpu();
        let Shape { images, height, width, .. } = self.shape;
        let sample = sample.contiguous()?;
        let (number, tensors) = conditioning;
        if self.conditioning != Some(number) {
            let targets = std::iter::once(&self.added).chain(&self.text);
            if tensors.len() != 1 + self.text.len() {
                bail!("the conditioning was prepared by a UNet with other attention layers");
            }
            // Until all of it is there, none of it is.
            self.conditioning = None;
            for (tensor, (to, bytes)) in tensors.iter().zip(targets) {
                copy(gpu, &tensor.contiguous()?, *to, *bytes)?;
            }
            self.conditioning = Some(number);
        }
        copy(gpu, &sample, self.sample, images * self.latent_channels * height * width * FLOAT)?;
        set(gpu, self.timestep, timestep)?;
        self.program.run(graphs)?;
        output(self.program.gpu(), self.output, (images, self.latent_channels, height, width))
    }
}

/// Copies a dense tensor of so many bytes to an address.
fn copy(gpu: &Gpu, tensor: &Tensor, to: u64, bytes: usize) -> Result<()> {
    use candle_core::cuda_backend::cudarc::driver::result;
    if tensor.elem_count() * tensor.dtype().size_in_bytes() != bytes {
        bail!("a tensor of shape {:?} is no input of this network, which takes {bytes} bytes", tensor.dims());
    }
    // SAFETY: both sides have this many bytes.
    unsafe { result::memcpy_dtod_async(to, gpu.address(tensor)?, bytes, gpu.stream().cu_stream()) }.map_err(Error::wrap)
}

/// Writes one number, without a buffer on the host that would have to live on.
fn set(gpu: &Gpu, to: u64, number: f32) -> Result<()> {
    use candle_core::cuda_backend::cudarc::driver::sys;
    // SAFETY: four bytes were taken at this address.
    unsafe { sys::cuMemsetD32Async(to, number.to_bits(), 1, gpu.stream().cu_stream()) }.result().map_err(Error::wrap)
}

/// A new f32 tensor with what lies at an address.
pub(super) fn output(gpu: &Gpu, from: u64, shape: (usize, usize, usize, usize)) -> Result<Tensor> {
    use candle_core::cuda_backend::cudarc::driver::{DevicePtrMut, result};
    use candle_core::cuda_backend::{CudaStorage, WrapErr};
    use candle_core::op::BackpropOp;
    use candle_core::{Shape, Storage};

    let shape = Shape::from(shape);
    let stream = gpu.stream();
    // SAFETY: filled by the copy.
    let mut memory = unsafe { gpu.device().alloc::<f32>(shape.elem_count())? };
    let to = memory.device_ptr_mut(stream).0;
    // SAFETY: both sides have this many numbers.
    unsafe { result::memcpy_dtod_async(to, from, shape.elem_count() * FLOAT, stream.cu_stream()) }.w()?;
    let storage = CudaStorage::wrap_cuda_slice(memory, gpu.device().clone());
    Ok(Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false))
}

/// The network while it is recorded.
struct Network<'a> {
    recorder: &'a mut Recorder,
    weights: &'a Weights<'a>,
    sizes: &'a UnetSizes,
    shape: Shape,
    text: Vec<(u64, usize)>,
    /// For each residual block what the time adds to its channels, with the first convolution's bias.
    shifts: HashMap<String, u64>,
}

/// `Product` of `kernels/embedding.cu`.
#[repr(C)]
#[derive(Clone, Copy)]
struct EmbeddingLayer {
    weight: u64,
    bias: u64,
    bias2: u64,
    y: u64,
    outputs: i32,
    first: i32,
}

impl EmbeddingLayer {
    fn bytes(layers: &[Self]) -> Vec<u8> {
        layers
            .iter()
            .flat_map(|layer| {
                let addresses = [layer.weight, layer.bias, layer.bias2, layer.y].map(u64::to_ne_bytes).concat();
                [addresses, [layer.outputs, layer.first].map(i32::to_ne_bytes).concat()].concat()
            })
            .collect()
    }
}

impl Network<'_> {
    fn seamless(&self) -> Seamless {
        self.shape.surroundings.seamless
    }

    fn norm(&self, silu: bool) -> GroupNorm {
        GroupNorm { groups: self.sizes.groups, eps: self.sizes.eps, silu }
    }

    /// Names of the residual blocks, in the order of the forward pass.
    fn residual_blocks(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (i, level) in self.sizes.levels.iter().enumerate() {
            names.extend((0..level.layers).map(|layer| format!("down_blocks.{i}.resnets.{layer}")));
        }
        let mid = if self.sizes.mid.is_some() { 2 } else { 1 };
        names.extend((0..mid).map(|layer| format!("mid_block.resnets.{layer}")));
        for (i, level) in self.sizes.levels.iter().rev().enumerate() {
            names.extend((0..level.layers + 1).map(|layer| format!("up_blocks.{i}.resnets.{layer}")));
        }
        names
    }

    /// Everything that depends on the timestep alone: what it adds in each residual block.
    fn time_embedding(&mut self, timestep: u64, added: u64) -> Result<()> {
        let images = self.shape.images;
        let dim = self.sizes.widths[0];
        let hidden = self.sizes.time_embedding;
        let waves = self.recorder.memory(dim * FLOAT);
        self.recorder.launch(Launch {
            kernel: "sinusoid",
            grid: [1, 1, 1],
            block: [256, 1],
            shared_bytes: 0,
            arguments: vec![
                timestep.into(),
                (&waves).into(),
                dim.into(),
                self.sizes.flip_sin_to_cos.into(),
                (self.sizes.freq_shift as f32).into(),
            ],
        });
        let first = self.recorder.lasting_memory(hidden * FLOAT)?;
        let second = self.recorder.lasting_memory(images * hidden * FLOAT)?;
        let layer = self.embedding_layer("time_embedding.linear_1", None, first)?;
        self.products(&[layer], (&waves).into(), 1, 0, 1, dim, true)?;
        let layer = self.embedding_layer("time_embedding.linear_2", None, second)?;
        self.products(&[layer], first.into(), 1, added, images, hidden, true)?;
        let mut layers = Vec::new();
        let mut outputs = 0;
        for block in self.residual_blocks() {
            let name = format!("{block}.time_emb_proj");
            let shift = self.recorder.lasting_memory(images * self.weights.outputs(&name)? * FLOAT)?;
            let mut layer = self.embedding_layer(&name, Some(&format!("{block}.conv1")), shift)?;
            layer.first = outputs;
            outputs += layer.outputs;
            layers.push(layer);
            self.shifts.insert(block, shift);
        }
        self.products(&layers, second.into(), images, 0, images, hidden, false)
    }

    fn embedding_layer(&mut self, name: &str, second_bias: Option<&str>, y: u64) -> Result<EmbeddingLayer> {
        Ok(EmbeddingLayer {
            weight: self.weights.address(self.recorder, name, "weight")?,
            bias: self.weights.address(self.recorder, name, "bias")?,
            bias2: match second_bias {
                Some(name) => self.weights.address(self.recorder, name, "bias")?,
                None => 0,
            },
            y,
            outputs: i32::try_from(self.weights.outputs(name)?).map_err(Error::wrap)?,
            first: 0,
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn products(
        &mut self,
        layers: &[EmbeddingLayer],
        x: Argument,
        x_rows: usize,
        added: u64,
        rows: usize,
        inputs: usize,
        silu: bool,
    ) -> Result<()> {
        let outputs: usize = layers.iter().map(|layer| layer.outputs as usize).sum();
        let table = self.recorder.lasting_bytes(&EmbeddingLayer::bytes(layers))?;
        self.recorder.launch(Launch {
            kernel: "products",
            grid: [outputs.div_ceil(4), 1, 1],
            block: [128, 1],
            shared_bytes: 0,
            arguments: vec![
                table.into(),
                layers.len().into(),
                outputs.into(),
                x,
                x_rows.into(),
                added.into(),
                rows.into(),
                inputs.into(),
                silu.into(),
            ],
        });
        Ok(())
    }

    fn forward(&mut self, sample: u64, output: u64) -> Result<()> {
        let Shape { images, height, width, .. } = self.shape;
        let seamless = self.seamless();
        let levels = self.sizes.levels.clone();
        let last = levels.len() - 1;
        let mut x = convolve_in(
            self.recorder,
            self.weights,
            "conv_in",
            sample,
            [images, self.sizes.latent_channels, height, width],
            seamless,
        )?;
        let mut skips = vec![x.clone()];
        for (i, level) in levels.iter().enumerate() {
            for layer in 0..level.layers {
                x = self.residual_block(&format!("down_blocks.{i}.resnets.{layer}"), &x, None)?;
                if let Some((_, blocks)) = level.down.get(layer) {
                    x = self.transformer(&format!("down_blocks.{i}.attentions.{layer}"), &x, *blocks)?;
                }
                skips.push(x.clone());
            }
            if i != last {
                let padded = self.recorder.enlarge(&x, x.height, x.width, seamless);
                let name = format!("down_blocks.{i}.downsamplers.0.conv");
                let has_border = seamless != Seamless::OFF;
                x = self.recorder.convolution_3x3(self.weights, &name, &padded, 2, has_border, true, None)?;
                skips.push(x.clone());
            }
        }
        x = self.residual_block("mid_block.resnets.0", &x, None)?;
        if let Some((_, blocks)) = self.sizes.mid {
            x = self.transformer("mid_block.attentions.0", &x, blocks)?;
            x = self.residual_block("mid_block.resnets.1", &x, None)?;
        }
        for (i, level) in levels.iter().rev().enumerate() {
            for layer in 0..level.layers + 1 {
                let Some(skip) = skips.pop() else { bail!("an up block has no skip connection left") };
                x = self.residual_block(&format!("up_blocks.{i}.resnets.{layer}"), &x, Some(&skip))?;
                drop(skip);
                if let Some((_, blocks)) = level.up.get(layer) {
                    x = self.transformer(&format!("up_blocks.{i}.attentions.{layer}"), &x, *blocks)?;
                }
            }
            if let Some(skip) = skips.last().filter(|_| i != last) {
                let (height, width) = (skip.height, skip.width);
                let enlarged = self.recorder.enlarge(&x, height, width, seamless);
                drop(x);
                let name = format!("up_blocks.{i}.upsamplers.0.conv");
                let has_border = seamless != Seamless::OFF;
                x = self.recorder.convolution_3x3(self.weights, &name, &enlarged, 1, has_border, true, None)?;
            }
        }
        let norm = self.norm(true);
        // The last convolution finds the opposite edge itself.
        x = self.recorder.group_norm(self.weights, "conv_norm_out", &x, None, None, norm, Seamless::OFF)?;
        convolve_out(self.recorder, self.weights, "conv_out", &x, output, seamless)
    }

    fn residual_block(&mut self, name: &str, x: &Image, skip: Option<&Image>) -> Result<Image> {
        let shift = self.shifts.get(name).copied();
        let (norm, seamless) = (self.norm(true), self.seamless());
        self.recorder.residual_block(self.weights, name, x, skip, shift, norm, seamless)
    }

    /// A transformer over the pixels.
    fn transformer(&mut self, name: &str, x: &Image, blocks: usize) -> Result<Image> {
        let rows = x.rows();
        let norm = GroupNorm { groups: self.sizes.groups, eps: TRANSFORMER_NORM_EPS, silu: false };
        let normed =
            self.recorder.group_norm(self.weights, &format!("{name}.norm"), x, None, None, norm, Seamless::OFF)?;
        let projection = format!("{name}.proj_in");
        let mut tokens = self.linear(&projection, true, &normed.place, rows, None)?;
        drop(normed);
        for block in 0..blocks {
            tokens = self.transformer_block(&format!("{name}.transformer_blocks.{block}"), x, tokens)?;
        }
        let projection = format!("{name}.proj_out");
        let place = self.linear(&projection, true, &tokens, rows, Some(&x.place))?;
        Ok(Image { place, ..x.clone() })
    }

    fn transformer_block(&mut self, name: &str, x: &Image, mut tokens: Place) -> Result<Place> {
        let (rows, channels) = (x.rows(), x.channels);
        let heads = channels / HEAD_DIM;
        let layer = |part: &str| format!("{name}.{part}");
        let Surroundings { frames, images, .. } = self.shape.surroundings;
        let images_per_key = match frames {
            FrameAttention::Independent => 1,
            FrameAttention::SharedFirstFrame => images.max(1),
        };

        let names = ["to_q", "to_k", "to_v"].map(|part| layer(&format!("attn1.{part}")));
        let joined = self.recorder.joined_layers(self.weights, &names, false)?;
        let qkv = self.behind_norm(&layer("norm1"), joined, &tokens, rows)?;
        let part = |index: usize| qkv.spot().after(index * channels * HALF);
        let attended = self.recorder.attention(&Attention {
            images: x.images,
            queries: x.pixels(),
            keys: x.pixels(),
            heads,
            q: part(0),
            q_stride: 3 * channels,
            k: part(1),
            v: part(2),
            kv_stride: 3 * channels,
            images_per_key,
        });
        drop(qkv);
        tokens = self.linear(&layer("attn1.to_out.0"), true, &attended, rows, Some(&tokens))?;
        drop(attended);

        let to_q = self.recorder.linear_layer(self.weights, &layer("attn2.to_q"), false)?;
        let q = self.behind_norm(&layer("norm2"), to_q, &tokens, rows)?;
        let text_bytes = x.images * self.shape.text_tokens * channels * HALF;
        let (k, v) = (self.recorder.lasting_memory(text_bytes)?, self.recorder.lasting_memory(text_bytes)?);
        self.text.extend([(k, text_bytes), (v, text_bytes)]);
        let attended = self.recorder.attention(&Attention {
            images: x.images,
            queries: x.pixels(),
            keys: self.shape.text_tokens,
            heads,
            q: q.spot(),
            q_stride: channels,
            k: Place::fixed(k).spot(),
            v: Place::fixed(v).spot(),
            kv_stride: channels,
            images_per_key: 1,
        });
        drop(q);
        tokens = self.linear(&layer("attn2.to_out.0"), true, &attended, rows, Some(&tokens))?;
        drop(attended);

        let gated = self.recorder.linear_layer(self.weights, &layer("ff.net.0.proj"), true)?;
        let norm = self.layer_norm(&layer("norm3"))?;
        let activated = if let Some(fp8) = self.fp8_layer(gated, norm, rows)? {
            let normed = self.recorder.layer_norm_fp8(norm, fp8, &tokens, rows, channels);
            self.recorder.gated_linear_fp8(gated, fp8, &normed, rows)
        } else {
            let normed = self.recorder.layer_norm(norm, &tokens, rows, channels);
            self.recorder.gated_linear(gated, &normed, rows)
        };
        self.linear(&layer("ff.net.2"), true, &activated, rows, Some(&tokens))
    }

    /// The layer `name` of tokens; `residual` is added.
    fn linear(&mut self, name: &str, biased: bool, x: &Place, rows: usize, residual: Option<&Place>) -> Result<Place> {
        let layer = self.recorder.linear_layer(self.weights, name, biased)?;
        Ok(self.recorder.linear(layer, x, rows, residual))
    }

    /// A linear layer of the layer norm `norm` of tokens.
    fn behind_norm(&mut self, norm: &str, layer: Linear, tokens: &Place, rows: usize) -> Result<Place> {
        let norm = self.layer_norm(norm)?;
        Ok(if let Some(fp8) = self.fp8_layer(layer, norm, rows)? {
            let normed = self.recorder.layer_norm_fp8(norm, fp8, tokens, rows, layer.inputs);
            self.recorder.linear_fp8(layer, fp8, &normed, rows)
        } else {
            let normed = self.recorder.layer_norm(norm, tokens, rows, layer.inputs);
            self.recorder.linear(layer, &normed, rows, None)
        })
    }

    /// The layer behind `norm` in eight bits, if it is to be computed so and the sizes allow it.
    fn fp8_layer(&mut self, layer: Linear, norm: LayerNorm, rows: usize) -> Result<Option<Fp8Layer>> {
        let fits = [rows, layer.inputs, layer.outputs].iter().all(|size| size.is_multiple_of(FP8_MULTIPLE));
        if self.shape.fp8 && fits { self.recorder.fp8_layer(layer, norm).map(Some) } else { Ok(None) }
    }

    fn layer_norm(&mut self, name: &str) -> Result<LayerNorm> {
        let gamma = self.weights.address(self.recorder, name, "weight")?;
        let beta = self.weights.address(self.recorder, name, "bias")?;
        Ok(LayerNorm { gamma, beta, eps: LAYER_NORM_EPS })
    }
}

/// Shared memory of a block that did not ask for more.
const SHARED_BYTES: usize = 48 << 10;

/// Whether the first and the last convolution have room for their weights.
pub(super) fn fits_at_the_edges(channels: usize, width: usize) -> bool {
    9 * channels * width * HALF <= SHARED_BYTES
}

/// The first convolution: from f32 (images, channels, h, w) at an address.
pub(super) fn convolve_in(
    recorder: &mut Recorder,
    weights: &Weights<'_>,
    name: &str,
    from: u64,
    [images, channels, height, width]: [usize; 4],
    seamless: Seamless,
) -> Result<Image> {
    let outputs = weights.outputs(name)?;
    let shared_bytes = 9 * channels * outputs * HALF;
    if shared_bytes > SHARED_BYTES {
        bail!("the first convolution has {channels} → {outputs} channels, more than fit beside each other");
    }
    let y = recorder.image(images, height, width, outputs);
    let weight = weights.address(recorder, name, "weight")?;
    let bias = weights.address(recorder, name, "bias")?;
    let blocks = (height * width * outputs / OCTET).div_ceil(256).clamp(1, 4 * recorder.gpu.multiprocessors());
    let mut arguments = vec![from.into(), weight.into(), bias.into(), (&y.place).into()];
    arguments.extend([height, width, channels, outputs].map(Argument::from));
    arguments.extend([seamless.x, seamless.y].map(Argument::from));
    recorder.launch(Launch {
        kernel: "convolve_in",
        grid: [blocks, images, 1],
        block: [256, 1],
        shared_bytes,
        arguments,
    });
    Ok(y)
}

/// The last convolution: into f32 (images, outputs, h, w) at an address.
pub(super) fn convolve_out(
    recorder: &mut Recorder,
    weights: &Weights<'_>,
    name: &str,
    x: &Image,
    to: u64,
    seamless: Seamless,
) -> Result<()> {
    let outputs = weights.outputs(name)?;
    let shared_bytes = 9 * x.channels * outputs * HALF;
    if shared_bytes > SHARED_BYTES || outputs > 4 {
        bail!("the last convolution has {} → {outputs} channels, expected at most 4 of few", x.channels);
    }
    let weight = weights.address(recorder, name, "weight")?;
    let bias = weights.address(recorder, name, "bias")?;
    let blocks = x.pixels().div_ceil(8).clamp(1, 8 * recorder.gpu.multiprocessors());
    let mut arguments = vec![(&x.place).into(), weight.into(), bias.into(), to.into()];
    arguments.extend([x.height, x.width, x.channels, outputs].map(Argument::from));
    arguments.extend([seamless.x, seamless.y].map(Argument::from));
    recorder.launch(Launch {
        kernel: "convolve_out",
        grid: [blocks, x.images, 1],
        block: [256, 1],
        shared_bytes,
        arguments,
    });
    Ok(())
}
