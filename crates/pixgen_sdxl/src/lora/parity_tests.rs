//! Merged weights of every kind against diffusers, PEFT and LyCORIS, and their exact undoing.
//!
//! The files and the reference values in `tests/parity/fixtures/lora` come from `tests/parity/make_lora_fixtures.py`
//! (diffusers 0.42.1, peft 0.21.2, lycoris_lora 4.1.3).

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::LoraFile;
use super::keys::COMPONENTS;
use crate::Pipeline;
use crate::test_support::{self, fixtures, pipeline_in, tensors};

const TOLERANCE: f64 = 1e-5;
const CASES: [&str; 12] = [
    "kohya_ldm",
    "kohya_diffusers",
    "diffusers_old",
    "peft",
    "peft_dora",
    "locon",
    "loha",
    "lokr",
    "dora_out",
    "dora_in",
    "no_alpha",
    "diff",
];

fn pipeline(dtype: DType) -> Pipeline {
    pipeline_in("model_a", dtype)
}

fn open(case: &str) -> LoraFile {
    LoraFile::open(fixtures().join(format!("lora/{case}.safetensors"))).unwrap()
}

/// Component and weight, the latter without `text_model.`, to value.
type Values = BTreeMap<(String, String), Tensor>;

/// The merged weights of each case, and its strength.
fn reference() -> (BTreeMap<String, Values>, BTreeMap<String, f64>) {
    let all = tensors("lora/expected.safetensors");
    let (mut weights, mut strengths) = (BTreeMap::<_, Values>::new(), BTreeMap::new());
    for (key, value) in all {
        match key.split('|').collect::<Vec<_>>()[..] {
            [case, component, name] => {
                let values = weights.entry(case.to_owned()).or_default();
                values.insert((component.to_owned(), name.to_owned()), value);
            }
            [case, "strength"] => {
                strengths.insert(case.to_owned(), f64::from(value.to_scalar::<f32>().unwrap()));
            }
            _ => {}
        }
    }
    (weights, strengths)
}

/// All weights of a pipeline.
fn snapshot(pipeline: &Pipeline) -> Values {
    let mut out = BTreeMap::new();
    for (component, params) in COMPONENTS.into_iter().zip(pipeline.component_params()) {
        for (name, _) in params.shapes() {
            let short = name.strip_prefix("text_model.").unwrap_or(name);
            out.insert((component.to_owned(), short.to_owned()), params.read(name).unwrap());
        }
    }
    out
}

fn bits(x: &Tensor) -> Vec<u32> {
    // f16 to f32 keeps every value apart, signed zeros too.
    let x = x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    x.into_iter().map(f32::to_bits).collect()
}

fn assert_same_bits(found: &Values, expected: &Values) {
    assert_eq!(found.len(), expected.len());
    for (name, expected) in expected {
        assert_eq!(bits(&found[name]), bits(expected), "{name:?}");
    }
}

/// Files may hold a convolution of one pixel as a matrix.
fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    test_support::relative_error(&found.reshape(expected.shape()).unwrap(), expected)
}

#[test]
fn merged_weights_of_every_kind_are_those_of_the_references() {
    let (weights, strengths) = reference();
    let mut pipeline = pipeline(DType::F32);
    let base = snapshot(&pipeline);
    for case in CASES {
        let file = open(case);
        // The adapters follow each other without being taken out: each merge begins with the original weights.
        let report = pipeline.set_loras(&[(&file, strengths[case])]).unwrap();
        assert_eq!(report.files[0].unknown, Vec::<String>::new(), "{case}");
        assert_eq!(report.files[0].applied, file.info().modules - report.files[0].idle, "{case}");
        let merged = snapshot(&pipeline);
        let (mut compared, mut worst) = (0, 0f64);
        for (key, expected) in &weights[case] {
            let Some(found) = merged.get(key) else {
                // Only the last layer of the first text encoder may be missing: it is never computed.
                assert!(key.1.contains("layers.3."), "{case}: {key:?}");
                continue;
            };
            assert_ne!(bits(found), bits(&base[key]), "{case}: {key:?} did not change");
            let error = relative_error(found, expected);
            assert!(error <= TOLERANCE, "{case}: {key:?} has relative error {error:.1e}");
            worst = worst.max(error);
            compared += 1;
        }
        println!("{case}: {compared} weights, worst relative error {worst:.1e}");
        assert_eq!(compared, report.changed_weights, "{case}");
        let changed = merged.iter().filter(|(name, weight)| bits(weight) != bits(&base[*name])).count();
        assert_eq!(changed, compared, "{case}: other weights have changed too");
    }
    pipeline.clear_loras().unwrap();
    assert_same_bits(&snapshot(&pipeline), &base);
}

#[test]
fn no_strength_and_no_adapter_are_the_original_to_the_bit() {
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for keep in [false, true] {
            let mut pipeline = pipeline(dtype);
            let base = snapshot(&pipeline);
            assert!(base.values().all(|weight| weight.dtype() == dtype));
            pipeline.set_keep_originals(keep);
            let (dora, kohya, diff) = (open("dora_out"), open("kohya_ldm"), open("diff"));
            let report = pipeline.set_loras(&[(&dora, 0.0), (&kohya, 0.0)]).unwrap();
            assert_eq!((report.changed_weights, report.restored_weights), (0, 0));
            assert_same_bits(&snapshot(&pipeline), &base);

            let first = pipeline.set_loras(&[(&dora, 0.7), (&kohya, -1.3)]).unwrap();
            let once = snapshot(&pipeline);
            // Through other adapters and back, twice: no drift.
            for _ in 0..2 {
                pipeline.set_loras(&[(&diff, 1e3)]).unwrap();
                pipeline.set_loras(&[(&dora, 0.7), (&kohya, -1.3)]).unwrap();
                assert_same_bits(&snapshot(&pipeline), &once);
            }
            // The mode may change while adapters are active.
            pipeline.set_keep_originals(!keep);
            pipeline.set_loras(&[(&dora, 0.7), (&kohya, -1.3)]).unwrap();
            assert_same_bits(&snapshot(&pipeline), &once);
            let last = pipeline.set_loras(&[(&dora, 0.0), (&kohya, 0.0)]).unwrap();
            assert_eq!((last.changed_weights, last.restored_weights), (0, first.changed_weights));
            assert_same_bits(&snapshot(&pipeline), &base);
        }
    }
}

#[test]
fn text_and_unet_have_their_own_strengths() {
    let file = open("kohya_ldm");
    let part = |strength: super::LoraStrength| {
        let mut pipeline = pipeline(DType::F32);
        pipeline.set_loras(&[(&file, strength)]).unwrap();
        snapshot(&pipeline)
    };
    let (base, both) = (part(0.0.into()), part(0.5.into()));
    let unet = part(super::LoraStrength { unet: 0.5, text: 0.0 });
    let text = part(super::LoraStrength { unet: 0.0, text: 0.5 });
    let mut differs = [0, 0];
    for (name, weight) in &both {
        let of_unet = name.0 == "unet";
        differs[usize::from(of_unet)] += usize::from(bits(weight) != bits(&base[name]));
        assert_eq!(bits(&unet[name]), bits(if of_unet { weight } else { &base[name] }));
        assert_eq!(bits(&text[name]), bits(if of_unet { &base[name] } else { weight }));
    }
    assert_eq!(differs, [4, 10]);
}

#[test]
fn several_adapters_add_up_in_any_order() {
    let (kohya, dora, diff) = (open("kohya_ldm"), open("dora_out"), open("diff"));
    let merged = |loras: &[(&LoraFile, f64)]| {
        let mut pipeline = pipeline(DType::F32);
        pipeline.set_loras(loras).unwrap();
        snapshot(&pipeline)
    };
    let base = merged(&[]);
    let single = [merged(&[(&kohya, 0.4)]), merged(&[(&dora, 0.8)]), merged(&[(&diff, -0.3)])];
    let all = merged(&[(&kohya, 0.4), (&dora, 0.8), (&diff, -0.3)]);
    let reversed = merged(&[(&diff, -0.3), (&dora, 0.8), (&kohya, 0.4)]);
    let twice = merged(&[(&kohya, 0.25), (&kohya, 0.15)]);
    let mut shared = 0;
    for (name, base) in &base {
        // W + Σ (Wᵢ - W)
        let mut expected = base.clone();
        let mut changes = 0;
        for single in &single {
            changes += usize::from(bits(&single[name]) != bits(base));
            expected = (expected + (&single[name] - base).unwrap()).unwrap();
        }
        shared += usize::from(changes > 1);
        assert!(relative_error(&all[name], &expected) < 1e-6, "{name:?}");
        assert!(relative_error(&reversed[name], &all[name]) < 1e-6, "{name:?}");
        assert!(relative_error(&twice[name], &single[0][name]) < 1e-6, "{name:?}");
    }
    assert!(shared > 0, "no weight is changed by two adapters");
}

#[test]
fn half_precision_rounds_the_f32_merge_once() {
    let (kohya, dora) = (open("kohya_ldm"), open("dora_in"));
    for dtype in [DType::F16, DType::BF16] {
        let mut pipeline = pipeline(dtype);
        let base = snapshot(&pipeline);
        pipeline.set_loras(&[(&kohya, 0.6), (&dora, 1.0)]).unwrap();
        let found = snapshot(&pipeline);
        // The same from the rounded base weights in f32.
        let mut exact = super::parity_tests::pipeline(DType::F32);
        for (component, params) in COMPONENTS.into_iter().zip(exact.component_params()) {
            let names: Vec<_> = params.shapes().map(|(name, _)| name.to_owned()).collect();
            for name in names {
                let short = name.strip_prefix("text_model.").unwrap_or(&name);
                params.write(&name, &base[&(component.to_owned(), short.to_owned())]).unwrap();
            }
        }
        exact.set_loras(&[(&kohya, 0.6), (&dora, 1.0)]).unwrap();
        for (name, exact) in snapshot(&exact) {
            assert_eq!(bits(&found[&name]), bits(&exact.to_dtype(dtype).unwrap()), "{dtype:?} {name:?}");
        }
    }
}

#[test]
fn files_say_what_they_are() {
    use super::{LoraKind, ModelFamily};

    let kohya = open("kohya_ldm");
    let info = kohya.info();
    assert_eq!(info.kinds, [LoraKind::Lora]);
    assert_eq!((info.rank, info.modules), (Some(4), 14));
    assert_eq!(info.base_model.as_deref(), Some("sdxl_base_v1-0"));
    assert_eq!(info.title.as_deref(), Some("potions"));
    assert_eq!(info.family, Some(ModelFamily::Sdxl));
    let words: Vec<_> = info.trigger_words.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    assert_eq!(words, [("potion", 17), ("blue", 4), ("red", 4)]);

    let kinds = |case| open(case).info().kinds.clone();
    assert_eq!(kinds("loha"), [LoraKind::Loha]);
    assert_eq!(kinds("lokr"), [LoraKind::Lokr]);
    assert_eq!(kinds("diff"), [LoraKind::Diff]);
    assert_eq!(kinds("dora_out").len(), 4);
    assert_eq!(kinds("peft_dora"), [LoraKind::Lora, LoraKind::Dora]);
    assert_eq!(open("diff").info().rank, None);
    assert_eq!(open("peft").info().rank, Some(3));
}
