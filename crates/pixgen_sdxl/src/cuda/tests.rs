//! Every fused operation against its composed reference on the CPU, in both formats. They need an NVIDIA card.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, IndexOp, Tensor};

use super::gated::{GATED_PRODUCTS, GatedProduct};
use super::gpu::Gpu;
use super::layers::{Attention, FLOAT, GroupNorm, HALF, HEAD_DIM, Image, LayerNorm, Linear, Weights};
use super::product::Product;
use super::program::{Launch, Place, Recorder, Spot};
use super::unet::output;
use crate::nn::{Seamless, attention, geglu, random};
use crate::params::Params;

const SEAMLESS: [Seamless; 4] =
    [Seamless::OFF, Seamless { x: true, y: false }, Seamless { x: false, y: true }, Seamless { x: true, y: true }];

/// A card in one format, with weights by name.
struct Bench {
    gpu: Arc<Gpu>,
    device: Device,
    dtype: DType,
    params: Params,
    recorder: Recorder,
    kept: Vec<Tensor>,
}

/// The card of all tests, one test at a time: programs of one card share scratch memory.
static CARDS: Mutex<Option<(Device, [Arc<Gpu>; 2])>> = Mutex::new(None);

fn each_format(mut check: impl FnMut(Bench)) {
    let mut cards = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
    let (device, gpus) = cards.get_or_insert_with(|| {
        // Not a stream per thread: the tests come from several.
        let card = candle_core::cuda_backend::CudaDevice::new_with_stream(0).unwrap();
        let gpus = [DType::F16, DType::BF16].map(|dtype| Gpu::of(&card, dtype).unwrap());
        (Device::Cuda(card), gpus)
    });
    for (gpu, dtype) in gpus.iter().zip([DType::F16, DType::BF16]) {
        let recorder = Recorder::new(gpu).unwrap();
        check(Bench {
            gpu: Arc::clone(gpu),
            device: device.clone(),
            dtype,
            params: Params::default(),
            recorder,
            kept: Vec::new(),
        });
    }
}

impl Bench {
    /// What the card can hold of a tensor, in f32 on the CPU.
    fn rounded(&self, x: &Tensor) -> Tensor {
        x.to_dtype(self.dtype).unwrap().to_dtype(DType::F32).unwrap()
    }

    fn upload(&mut self, x: &Tensor, dtype: DType) -> u64 {
        let x = x.to_dtype(dtype).unwrap().to_device(&self.device).unwrap().contiguous().unwrap();
        let address = self.gpu.address(&x).unwrap();
        self.kept.push(x);
        address
    }

    /// A channels-first image on the card, channels last there.
    fn image(&mut self, x: &Tensor) -> Image {
        let (images, channels, height, width) = x.dims4().unwrap();
        let place = Place::fixed(self.upload(&x.permute((0, 2, 3, 1)).unwrap(), self.dtype));
        Image { place, images, height, width, channels }
    }

    fn weight(&mut self, name: &str, x: &Tensor) {
        let x = x.to_dtype(self.dtype).unwrap().to_device(&self.device).unwrap();
        let shape = x.shape().clone();
        if shape.rank() == 4 {
            let storage = x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
            self.params.insert_channels_last(name.to_owned(), &storage, shape);
        } else {
            self.params.insert(name.to_owned(), &x, 0, shape);
        }
    }

    /// Runs what was recorded, twice plainly and twice as a graph, and reads numbers at a place as f32.
    fn run(self, place: &Place, shape: &[usize], dtype: DType) -> Tensor {
        let count: usize = shape.iter().product();
        let mut program = self.recorder.finish().unwrap();
        let address = program.address(place);
        let read = |gpu: &Gpu| {
            gpu.stream().synchronize().unwrap();
            let words = count * dtype.size_in_bytes() / FLOAT;
            output(gpu, address, (1, 1, 1, words)).unwrap().to_device(&Device::Cpu).unwrap()
        };
        let bits = |x: Tensor| -> Vec<u32> {
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
        };
        program.prepare().unwrap();
        program.run(false).unwrap();
        let plain = bits(read(program.gpu()));
        for _ in 0..3 {
            program.run(true).unwrap();
        }
        assert_eq!(bits(read(program.gpu())), plain, "a captured graph computes something else");
        let values: Vec<f32> = match dtype {
            DType::F32 => plain.into_iter().map(f32::from_bits).collect(),
            _ => plain
                .into_iter()
                .flat_map(|word| [word as u16, (word >> 16) as u16])
                .map(|half| match dtype {
                    DType::BF16 => half::bf16::from_bits(half).to_f32(),
                    _ => half::f16::from_bits(half).to_f32(),
                })
                .collect(),
        };
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn run_image(self, image: &Image) -> Tensor {
        let dtype = self.dtype;
        self.run(&image.place, &[image.images, image.height, image.width, image.channels], dtype)
            .permute((0, 3, 1, 2))
            .unwrap()
    }
}

fn relative_error(found: &Tensor, expected: &Tensor) -> f32 {
    let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    norm(&(found - expected).unwrap()) / norm(expected)
}

fn assert_close(found: &Tensor, expected: &Tensor, dtype: DType, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let error = relative_error(found, expected);
    // Rounding of the result, and of what is rounded in between.
    let allowed = if dtype == DType::BF16 { 6e-3 } else { 8e-4 };
    assert!(error <= allowed, "{what} in {dtype:?}: relative error {error:.1e}, allowed are {allowed:.0e}");
}

/// A border of one cell: zeros, or the opposite edge along axes that repeat.
fn with_border(x: &Tensor, seamless: Seamless) -> Tensor {
    let along = |x: &Tensor, axis: usize, repeats: bool| {
        let last = x.dim(axis).unwrap() - 1;
        let edge = |at| {
            let edge = x.narrow(axis, at, 1).unwrap();
            if repeats { edge } else { edge.zeros_like().unwrap() }
        };
        Tensor::cat(&[edge(last), x.clone(), edge(0)], axis).unwrap()
    };
    along(&along(x, 2, seamless.y), 3, seamless.x)
}

#[test]
fn group_norms() {
    // (images, channels, skip channels, groups, height, width): several octets per group and several groups per octet,
    // a group that spans both inputs, one pixel, more pixels than a block takes at once.
    let cases = [
        (2, 32, 0, 8, 5, 7),
        (1, 64, 0, 32, 9, 3),
        (3, 320, 0, 32, 33, 31),
        (2, 40, 32, 6, 4, 5),
        (1, 128, 0, 32, 1, 1),
    ];
    for (images, channels, skipped, groups, height, width) in cases {
        for (seamless, silu, shifted) in
            SEAMLESS.into_iter().map(|s| (s, true, true)).chain([(Seamless::OFF, false, false)])
        {
            each_format(|mut bench| {
                let x = bench.rounded(&random(1, 3.0, 1.0, (images, channels, height, width)));
                let skip = bench.rounded(&random(2, -1.0, 2.0, (images, skipped.max(1), height, width)));
                let shift = random(3, 0.0, 1.0, (images, channels));
                let all = channels + skipped;
                let (gamma, beta) =
                    (bench.rounded(&random(4, 1.0, 0.5, all)), bench.rounded(&random(5, 0.0, 1.0, all)));
                bench.weight("norm.weight", &gamma);
                bench.weight("norm.bias", &beta);
                let on_card = bench.image(&x);
                let skip_on_card = (skipped > 0).then(|| bench.image(&skip));
                let address = shifted.then(|| bench.upload(&shift, DType::F32));
                let norm = GroupNorm { groups, eps: 1e-5, silu };
                let weights = Weights { params: &bench.params };
                let y = bench
                    .recorder
                    .group_norm(&weights, "norm", &on_card, skip_on_card.as_ref(), address, norm, seamless)
                    .unwrap();
                let dtype = bench.dtype;
                let found = bench.run_image(&y);

                let x = if shifted {
                    x.broadcast_add(&shift.reshape((images, channels, 1, 1)).unwrap()).unwrap()
                } else {
                    x
                };
                let x = if skipped > 0 { Tensor::cat(&[&x, &skip], 1).unwrap() } else { x };
                let layer = crate::nn::GroupNorm::new(gamma, beta, groups, 1e-5);
                let expected = if silu { layer.forward_silu(&x) } else { layer.forward(&x) }.unwrap();
                let expected = if seamless == Seamless::OFF { expected } else { with_border(&expected, seamless) };
                let what = format!("{channels}+{skipped} channels in {groups} groups, {height}×{width}, {seamless:?}");
                assert_close(&found, &expected, dtype, &what);
            });
        }
    }
}

#[test]
fn layer_norms() {
    for (rows, channels) in [(1, 8), (5, 320), (1023, 640), (77, 1280), (3, 2048)] {
        each_format(|mut bench| {
            let x = bench.rounded(&random(1, 2.0, 3.0, (rows, channels)));
            let (gamma, beta) =
                (bench.rounded(&random(2, 1.0, 0.5, channels)), bench.rounded(&random(3, 0.0, 1.0, channels)));
            let [x_at, gamma_at, beta_at] = [&x, &gamma, &beta].map(|x| bench.upload(x, bench.dtype));
            let norm = LayerNorm { gamma: gamma_at, beta: beta_at, eps: 1e-5 };
            let y = bench.recorder.layer_norm(norm, &Place::fixed(x_at), rows, channels);
            let dtype = bench.dtype;
            let found = bench.run(&y, &[rows, channels], dtype);
            let expected = candle_nn::Module::forward(&candle_nn::LayerNorm::new(gamma, beta, 1e-5), &x).unwrap();
            assert_close(&found, &expected, dtype, &format!("{rows} rows of {channels}"));
        });
    }
}

#[test]
fn gated_activations() {
    for (rows, channels) in [(1, 8), (37, 72), (1000, 1280)] {
        each_format(|mut bench| {
            let x = bench.rounded(&random(1, 0.0, 2.0, (rows, 2 * channels)));
            let from = bench.upload(&x, bench.dtype);
            let y = bench.recorder.memory(rows * channels * HALF);
            let arguments = vec![from.into(), (&y).into(), rows.into(), channels.into()];
            bench.recorder.simple("geglu", rows * channels / 8, 1, arguments);
            let dtype = bench.dtype;
            let found = bench.run(&y, &[rows, channels], dtype);
            assert_close(&found, &geglu(&x).unwrap(), dtype, &format!("{rows} rows of {channels}"));
        });
    }
}

/// The product and the gate in one kernel: each of them, whether or not it is the fastest; several tiles and bands, cut
/// off at the end.
#[test]
fn gated_products() {
    for (rows, inputs, outputs) in [(1, 64, 128), (130, 200, 256), (2600, 192, 384), (300, 1280, 1280)] {
        for GatedProduct { name, .. } in GATED_PRODUCTS {
            each_format(|mut bench| {
                let x = bench.rounded(&random(1, 0.0, 1.0, (rows, inputs)));
                let weight = bench.rounded(&random(2, 0.0, 1.0 / (inputs as f64).sqrt(), (2 * outputs, inputs)));
                let bias = bench.rounded(&random(3, 0.0, 1.0, 2 * outputs));
                let [x_at, weight_at, bias_at] = [&x, &weight, &bias].map(|x| bench.upload(x, bench.dtype));
                let y = bench.recorder.memory(rows * outputs * HALF);
                let layer = Linear { weight: weight_at, bias: Some(bias_at), inputs, outputs: 2 * outputs };
                let mut launches = bench.recorder.gated_products(layer, Spot::Fixed(x_at), y.spot(), rows).into_iter();
                // Other cards than Hopper have none of them.
                let Some(launch) = launches.find(|launch| launch.kernel == name) else {
                    return assert!(!bench.gpu.kernels().is_hopper());
                };
                bench.recorder.launch(launch);
                let dtype = bench.dtype;
                let found = bench.run(&y, &[rows, outputs], dtype);
                let both = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
                assert_close(&found, &geglu(&both).unwrap(), dtype, &format!("{name}: {rows}×{inputs}×{outputs}"));
            });
        }
    }
}

/// Layers behind layer norms in eight bits: plain ones, and gated ones by each kernel and by cuBLASLt. The reference rounds
/// to the same numbers, so that little more than the order of sums is different.
#[test]
fn layers_in_eight_bits() {
    let kernels = GATED_PRODUCTS.map(|product| Some(product.fp8_name)).into_iter().chain([None]);
    let kernels: Vec<_> = [(false, None)].into_iter().chain(kernels.map(|kernel| (true, kernel))).collect();
    for (rows, inputs, outputs) in [(16, 64, 256), (272, 640, 1280), (1040, 1280, 512)] {
        for (is_gated, kernel) in &kernels {
            each_format(|mut bench| {
                if !bench.gpu.kernels().has_fp8() {
                    return;
                }
                let x = bench.rounded(&random(1, 2.0, 3.0, (rows, inputs)));
                let gamma = bench.rounded(&random(2, 0.5, 0.2, inputs));
                let beta = bench.rounded(&random(3, 0.0, 0.2, inputs));
                let weight = bench.rounded(&random(4, 0.0, 1.0 / (inputs as f64).sqrt(), (outputs, inputs)));
                let bias = bench.rounded(&random(5, 0.0, 1.0, outputs));
                let addresses = [&x, &gamma, &beta, &weight, &bias].map(|x| bench.upload(x, bench.dtype));
                let [x_at, gamma_at, beta_at, weight_at, bias_at] = addresses;
                let layer = Linear { weight: weight_at, bias: Some(bias_at), inputs, outputs };
                let norm = LayerNorm { gamma: gamma_at, beta: beta_at, eps: 1e-5 };
                let fp8 = bench.recorder.fp8_layer(layer, norm).unwrap();
                let normed = bench.recorder.layer_norm_fp8(norm, fp8, &Place::fixed(x_at), rows, inputs);
                let width = if *is_gated { outputs / 2 } else { outputs };
                let y = match (is_gated, kernel) {
                    (false, _) => bench.recorder.linear_fp8(layer, fp8, &normed, rows),
                    (true, None) => {
                        let both = bench.recorder.linear_fp8(layer, fp8, &normed, rows);
                        let y = bench.recorder.memory(rows * width * HALF);
                        bench.recorder.gate(&both, &y, rows, width);
                        y
                    }
                    (true, Some(kernel)) => {
                        let y = bench.recorder.memory(rows * width * HALF);
                        let launches = bench.recorder.gated_products_fp8(layer, fp8, normed.spot(), y.spot(), rows);
                        let Some(launch) = launches.into_iter().find(|launch| launch.kernel == *kernel) else {
                            return assert!(!bench.gpu.kernels().is_hopper());
                        };
                        bench.recorder.launch(launch);
                        y
                    }
                };
                let dtype = bench.dtype;
                let found = bench.run(&y, &[rows, width], dtype);

                let norm = candle_nn::LayerNorm::new(gamma.clone(), beta.clone(), 1e-5);
                let normed = candle_nn::Module::forward(&norm, &x).unwrap();
                let most = |x: &Tensor| x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                let bound = ((gamma.abs().unwrap() * (inputs as f64).sqrt()).unwrap() + beta.abs().unwrap()).unwrap();
                assert!(most(&normed) <= most(&bound), "a layer norm gave more than it can");
                let in_eight_bits = |x: &Tensor, most: f32| {
                    let scale = f64::from(most) / 448.0;
                    let x = (x / scale).unwrap().to_dtype(DType::F8E4M3).unwrap().to_dtype(DType::F32).unwrap();
                    (x * scale).unwrap()
                };
                let (rounded, weights) = (in_eight_bits(&normed, most(&bound)), in_eight_bits(&weight, most(&weight)));
                let exact = normed.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
                let product = rounded.matmul(&weights.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
                let [expected, exact] = [product, exact].map(|x| if *is_gated { geglu(&x).unwrap() } else { x });
                let what = format!("{kernel:?}, gated {is_gated}: {rows}×{inputs}×{outputs}");
                let error = relative_error(&found, &expected);
                // Weights in bf16 often lie halfway between two numbers of eight bits, and fall to either side.
                let allowed = if dtype == DType::BF16 { 1.2e-2 } else { 2e-3 };
                assert!(error <= allowed, "{what} in {dtype:?}: {error:.1e} from the same numbers");
                let rounding = relative_error(&found, &exact);
                assert!(rounding > 5e-3 && rounding < 6e-2, "{what} in {dtype:?}: {rounding:.1e} by eight bits");
            });
        }
    }
}

#[test]
fn attention_of_64_channels() {
    // (images, queries, keys, heads, images per key): text, one token, not a multiple of a block, both block sizes.
    let cases = [
        (2, 256, 77, 5, 1),
        (1, 1, 1, 1, 1),
        (3, 130, 130, 2, 1),
        (4, 200, 200, 3, 2),
        (2, 4096, 4096, 10, 1),
        (1, 96, 154, 20, 1),
    ];
    const KERNELS: [&str; 4] = ["attention_64", "attention_128", "attention_wide_128", "attention_wide_192"];
    let cases = cases.into_iter().flat_map(|case| KERNELS.map(|kernel| (case, kernel)));
    for ((images, queries, keys, heads, images_per_key), kernel) in cases {
        each_format(|mut bench| {
            let channels = heads * HEAD_DIM;
            if kernel.contains("wide") && !bench.gpu.kernels().is_hopper() {
                return;
            }
            let strides = if queries == keys { [3 * channels; 2] } else { [channels; 2] };
            bench.gpu.choose_kernel(&[images, queries, keys, heads, strides[0], strides[1]], kernel);
            // As in the network: queries, keys and values behind one another, so that rows are not dense.
            let qkv = bench.rounded(&random(1, 0.0, 1.5, (images, queries.max(keys), 3 * channels)));
            let part = |at: usize, tokens: usize| {
                qkv.narrow(2, at * channels, channels).unwrap().narrow(1, 0, tokens).unwrap().contiguous().unwrap()
            };
            let (q, k, v) = (part(0, queries), part(1, keys), part(2, keys));
            let together = queries == keys;
            let y = if together {
                let base = Spot::Fixed(bench.upload(&qkv, bench.dtype));
                bench.recorder.attention(&Attention {
                    images,
                    queries,
                    keys,
                    heads,
                    q: base,
                    q_stride: 3 * channels,
                    k: base.after(channels * HALF),
                    v: base.after(2 * channels * HALF),
                    kv_stride: 3 * channels,
                    images_per_key,
                })
            } else {
                let [q, k, v] = [&q, &k, &v].map(|x| Spot::Fixed(bench.upload(x, bench.dtype)));
                bench.recorder.attention(&Attention {
                    images,
                    queries,
                    keys,
                    heads,
                    q,
                    q_stride: channels,
                    k,
                    v,
                    kv_stride: channels,
                    images_per_key,
                })
            };
            let dtype = bench.dtype;
            let found = bench.run(&y, &[images, queries, channels], dtype);
            let split = |x: &Tensor, tokens: usize| x.reshape((images, tokens, heads, HEAD_DIM)).unwrap();
            let owner: Vec<u32> = (0..images).map(|image| (image / images_per_key * images_per_key) as u32).collect();
            let owner = Tensor::new(owner, &Device::Cpu).unwrap();
            let [k, v] = [k, v].map(|x| split(&x.index_select(&owner, 0).unwrap(), keys));
            let expected = attention(&split(&q, queries), &k, &v, None).unwrap();
            let what = format!("{kernel}: {images} images, {queries} queries, {keys} keys, {heads} heads");
            // Averages of many values are small against the rounding of the shares.
            let error = (&found - &expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            let allowed = if dtype == DType::BF16 { 4e-2 } else { 5e-3 };
            assert!(error <= allowed, "{what} in {dtype:?}: {error:.1e}");
        });
    }
}

#[test]
fn convolutions() {
    // (images, inputs, outputs, height, width, stride)
    let cases = [
        (2, 32, 40, 9, 7, 1),
        (1, 64, 64, 8, 8, 2),
        (2, 320, 320, 16, 24, 1),
        (1, 8, 16, 9, 11, 2),
        (3, 640, 320, 5, 5, 1),
    ];
    for (images, inputs, outputs, height, width, stride) in cases {
        for (biased, with_residual, seamless) in [
            (true, true, Seamless::OFF),
            (false, false, Seamless::OFF),
            (true, false, SEAMLESS[3]),
            (true, true, SEAMLESS[1]),
        ] {
            each_format(|mut bench| {
                let x = bench.rounded(&random(1, 0.0, 1.0, (images, inputs, height, width)));
                let deviation = 1.0 / (9.0 * inputs as f64).sqrt();
                let weight = bench.rounded(&random(2, 0.0, deviation, (outputs, inputs, 3, 3)));
                let bias = bench.rounded(&random(3, 0.0, 1.0, outputs));
                bench.weight("conv.weight", &weight);
                bench.weight("conv.bias", &bias);
                let wraps = seamless != Seamless::OFF;
                let on_card = bench.image(&x);
                let padded = bench.recorder.enlarge(&on_card, height, width, seamless);
                let out = |size: usize| (size - 1) / stride + 1;
                let residual = bench.rounded(&random(4, 0.0, 1.0, (images, outputs, out(height), out(width))));
                let residual_on_card = with_residual.then(|| bench.image(&residual));
                let weights = Weights { params: &bench.params };
                let y = bench
                    .recorder
                    .convolution_3x3(&weights, "conv", &padded, stride, wraps, biased, residual_on_card.as_ref())
                    .unwrap();
                let dtype = bench.dtype;
                let found = bench.run_image(&y);
                let expected = with_border(&x, seamless).conv2d(&weight, 0, stride, 1, 1).unwrap();
                let expected = match biased {
                    true => expected.broadcast_add(&bias.reshape((1, outputs, 1, 1)).unwrap()).unwrap(),
                    false => expected,
                };
                let expected = if with_residual { (expected + residual).unwrap() } else { expected };
                let what = format!("{inputs}→{outputs}, {height}×{width} /{stride}, {seamless:?}");
                assert_close(&found, &expected, dtype, &what);
            });
        }
    }
}

#[test]
fn enlarged_images() {
    for (height, width, to) in [(4, 5, (8, 10)), (3, 4, (5, 7)), (1, 1, (2, 2)), (6, 6, (6, 6))] {
        for seamless in SEAMLESS {
            each_format(|mut bench| {
                let x = bench.rounded(&random(1, 0.0, 1.0, (2, 16, height, width)));
                let on_card = bench.image(&x);
                let y = bench.recorder.enlarge(&on_card, to.0, to.1, seamless);
                let dtype = bench.dtype;
                let found = bench.run_image(&y);
                let expected = x.upsample_nearest2d(to.0, to.1).unwrap();
                let expected = if seamless == Seamless::OFF { expected } else { with_border(&expected, seamless) };
                assert_close(&found, &expected, dtype, &format!("{height}×{width} to {to:?}, {seamless:?}"));
            });
        }
    }
}

#[test]
fn first_and_last_convolutions() {
    for (channels, width_channels, height, width) in [(4, 320, 9, 7), (3, 32, 16, 5), (1, 64, 1, 3)] {
        for seamless in SEAMLESS {
            each_format(|mut bench| {
                let x = random(1, 0.0, 1.0, (2, channels, height, width));
                let weight = bench.rounded(&random(2, 0.0, 0.2, (width_channels, channels, 3, 3)));
                let bias = bench.rounded(&random(3, 0.0, 1.0, width_channels));
                bench.weight("conv.weight", &weight);
                bench.weight("conv.bias", &bias);
                let from = bench.upload(&x, DType::F32);
                let weights = Weights { params: &bench.params };
                let sizes = [2, channels, height, width];
                let y = super::unet::convolve_in(&mut bench.recorder, &weights, "conv", from, sizes, seamless).unwrap();
                let dtype = bench.dtype;
                let found = bench.run_image(&y);
                let convolve = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
                    let bias = bias.reshape((1, (), 1, 1)).unwrap();
                    with_border(x, seamless).conv2d(weight, 0, 1, 1, 1).unwrap().broadcast_add(&bias).unwrap()
                };
                assert_close(&found, &convolve(&x, &weight, &bias), dtype, &format!("{channels} in, {seamless:?}"));
            });
            each_format(|mut bench| {
                let x = bench.rounded(&random(1, 0.0, 1.0, (2, width_channels, height, width)));
                let weight = bench.rounded(&random(2, 0.0, 0.05, (channels, width_channels, 3, 3)));
                let bias = bench.rounded(&random(3, 0.0, 1.0, channels));
                bench.weight("conv.weight", &weight);
                bench.weight("conv.bias", &bias);
                let on_card = bench.image(&x);
                let y = bench.recorder.memory(2 * channels * height * width * FLOAT);
                let to = bench.recorder.lasting_memory(2 * channels * height * width * FLOAT).unwrap();
                drop(y);
                let weights = Weights { params: &bench.params };
                super::unet::convolve_out(&mut bench.recorder, &weights, "conv", &on_card, to, seamless).unwrap();
                let dtype = bench.dtype;
                let found = bench.run(&Place::fixed(to), &[2, channels, height, width], DType::F32);
                let bias = bias.reshape((1, (), 1, 1)).unwrap();
                let expected =
                    with_border(&x, seamless).conv2d(&weight, 0, 1, 1, 1).unwrap().broadcast_add(&bias).unwrap();
                assert_close(&found, &expected, dtype, &format!("{channels} out, {seamless:?}"));
            });
        }
    }
}

#[test]
fn products_with_strides_residuals_and_f32_results() {
    for (rows, inputs, outputs, by_input, in_f32) in [
        (5, 64, 24, false, false),
        (256, 320, 1280, false, false),
        (77, 2048, 640, false, true),
        (40, 96, 64, true, false),
        (1, 1280, 320, false, false),
    ] {
        each_format(|mut bench| {
            let x = bench.rounded(&random(1, 0.0, 1.0, (rows, inputs)));
            let shape = if by_input { (inputs, outputs) } else { (outputs, inputs) };
            let weight = bench.rounded(&random(2, 0.0, 0.1, shape));
            let bias = bench.rounded(&random(3, 0.0, 1.0, outputs));
            let residual = bench.rounded(&random(4, 0.0, 1.0, (rows, outputs)));
            let [x_at, weight_at, bias_at, residual_at] =
                [&x, &weight, &bias, &residual].map(|x| bench.upload(x, bench.dtype));
            let y = bench.recorder.memory(rows * outputs * FLOAT);
            bench.recorder.product(Product {
                rows,
                inputs,
                outputs,
                x: Spot::Fixed(x_at),
                x_stride: inputs,
                weight: Spot::Fixed(weight_at),
                weight_stride: shape.1,
                by_input,
                bias: (!in_f32).then_some(bias_at),
                residual: (!in_f32).then_some(Spot::Fixed(residual_at)),
                y: y.spot(),
                y_stride: outputs,
                in_f32,
                fp8: None,
            });
            let dtype = bench.dtype;
            let found = bench.run(&y, &[rows, outputs], if in_f32 { DType::F32 } else { dtype });
            let weight = if by_input { weight } else { weight.t().unwrap() };
            let expected = x.matmul(&weight).unwrap();
            let expected = if in_f32 { expected } else { (expected.broadcast_add(&bias).unwrap() + residual).unwrap() };
            assert_close(&found, &expected, dtype, &format!("{rows}×{inputs}×{outputs}"));
        });
    }
}

#[test]
fn shares_of_attention() {
    for (rows, columns) in [(1, 1), (3, 300), (64, 4096)] {
        each_format(|mut bench| {
            let x = random(1, 0.0, 4.0, (rows, columns));
            let from = bench.upload(&x, DType::F32);
            let y = bench.recorder.memory(rows * columns * HALF + FLOAT);
            bench.recorder.launch(Launch {
                kernel: "softmax_rows",
                grid: [rows, 1, 1],
                block: [256, 1],
                shared_bytes: 0,
                arguments: vec![from.into(), (&y).into(), rows.into(), columns.into(), 0.5f32.into()],
            });
            let dtype = bench.dtype;
            let even = (rows * columns).next_multiple_of(2);
            let found = bench.run(&y, &[even], dtype).i(..rows * columns).unwrap().reshape((rows, columns)).unwrap();
            let expected = candle_nn::ops::softmax_last_dim(&(x * 0.5).unwrap()).unwrap();
            assert_close(&found, &expected, dtype, &format!("{rows} rows of {columns}"));
        });
    }
}
