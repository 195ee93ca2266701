//! Every weight of every layer: a written value changes what the model computes, the old one gives back the old output.

#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};

use crate::params::Params;
use crate::randn;
use crate::test_support::checkpoint;
use crate::text::{PromptOptions, TextEncoders};
use crate::unet::{Surroundings, Unet};

fn bits(x: &Tensor) -> Vec<u32> {
    let x = x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(x.iter().all(|x| x.is_finite()));
    x.into_iter().map(f32::to_bits).collect()
}

/// Changes every `step`th weight and puts it back; `unseen` names weights that do not show. Returns how many it were.
fn check(params: &Params, step: usize, unseen: impl Fn(&str) -> bool, output: impl Fn() -> Vec<u32>) -> usize {
    let before = output();
    let names: Vec<_> = params.shapes().map(|(name, shape)| (name.to_owned(), shape.clone())).collect();
    for (index, (name, shape)) in names.iter().enumerate().step_by(step) {
        let original = params.read(name).unwrap();
        assert_eq!(original.shape(), shape);
        let noise = Tensor::from_vec(randn(index as u64, shape.elem_count()), shape, &Device::Cpu).unwrap();
        let changed = (original.to_dtype(DType::F32).unwrap() + noise).unwrap().to_dtype(original.dtype()).unwrap();
        params.write(name, &changed).unwrap();
        assert_eq!(bits(&params.view(name).unwrap()), bits(&changed), "{name}");
        if !unseen(name) {
            assert_ne!(output(), before, "{name} can be written, but nothing computes with it");
        }
        params.write(name, &original).unwrap();
        assert_eq!(bits(&params.read(name).unwrap()), bits(&original), "{name}");
    }
    assert_eq!(output(), before, "a weight was not put back");
    names.len().div_ceil(step)
}

#[test]
fn every_weight_of_the_unet() {
    // One model has linear projections, the other 1×1 convolutions; in f16 layers take the composed operations. There a
    // part is enough: the steps visit weights and biases of every kind of layer.
    let cases = [("model_a", DType::F32, 1), ("model_b", DType::F32, 7), ("model_a", DType::F16, 5)];
    for (model, dtype, step) in cases {
        let unet = Unet::load(&checkpoint(model), &Device::Cpu, dtype).unwrap();
        let channels = unet.channels();
        let random =
            |seed, shape: &[usize]| Tensor::from_vec(randn(seed, shape.iter().product()), shape, &Device::Cpu).unwrap();
        let context = random(1, &[1, 3, unet.context_channels().unwrap()]);
        let pooled = random(2, &[1, unet.pooled_channels().unwrap()]);
        let sample = random(3, &[1, channels, 8, 4]);
        let count = check(
            unet.params(),
            step,
            |_| false,
            || {
                let conditioning = unet.condition(&context, &pooled, &[[64.0, 32.0, 0.0, 0.0, 64.0, 64.0]]).unwrap();
                bits(&unet.forward(&sample, 500.0, &conditioning, Surroundings::default()).unwrap())
            },
        );
        assert!(count > 200 / step, "{count}");
    }
}

#[test]
fn every_weight_of_the_text_encoders() {
    for (model, dtype) in [("model_a", DType::F32), ("model_b", DType::F16)] {
        let encoders = TextEncoders::load(&checkpoint(model), &Device::Cpu, dtype).unwrap();
        let chunks = encoders.read("a blue potion", &PromptOptions::plain()).unwrap();
        for params in encoders.params() {
            // The softmax over the keys does not see what is added to all of them.
            let count = check(
                params,
                1,
                |name| name.ends_with("k_proj.bias"),
                || {
                    let encoded = encoders.encode_anew(&chunks, 0).unwrap();
                    [bits(&encoded.hidden), bits(&encoded.pooled)].concat()
                },
            );
            assert!(count > 30, "{count}");
        }
    }
}
