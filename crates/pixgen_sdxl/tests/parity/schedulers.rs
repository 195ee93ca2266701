//! The solvers against diffusers' schedulers, with a network in closed form (make_scheduler_fixtures.py).

use candle_core::{Device, Tensor};
use pixgen_api::SchedulerKind;
use pixgen_sdxl::scheduler::{SchedulerConfig, Solver};
use pixgen_sdxl::{Error, Generator, Prediction, SamplerOptions, SigmaSchedule, Spacing};
use serde::Deserialize;
use serde_json::{Value, json as value};

use crate::support::{assert_close, fixtures, json, kind, relative_error, tensors};

/// The seed of the noise that all trajectories begin with, and its shape.
const SEED: u64 = 7;
const SHAPE: (usize, usize, usize, usize) = (1, 2, 3, 5);

#[derive(Deserialize)]
struct Case {
    name: String,
    scheduler: String,
    steps: usize,
    /// Which of the steps are in the reference.
    kept: Vec<usize>,
    strength: Option<f64>,
    first: Option<usize>,
    config: SchedulerConfig,
    #[serde(flatten)]
    options: Options,
}

/// [`SamplerOptions`] as the fixtures write them.
#[derive(Clone, Debug, Deserialize)]
pub struct Options {
    spacing: Option<String>,
    sigmas: Option<String>,
    timesteps: Option<Vec<f32>>,
    eta: Option<f64>,
}

impl From<Options> for SamplerOptions {
    fn from(options: Options) -> Self {
        Self {
            spacing: options.spacing.map(|name| spacing(&name)),
            sigmas: options.sigmas.map(|name| match name.as_str() {
                "karras" => SigmaSchedule::Karras,
                "exponential" => SigmaSchedule::Exponential,
                _ => panic!("no sigma schedule {name}"),
            }),
            timesteps: options.timesteps,
            eta: options.eta,
            ..Self::default()
        }
    }
}

fn spacing(name: &str) -> Spacing {
    match name {
        "leading" => Spacing::Leading,
        "trailing" => Spacing::Trailing,
        "linspace" => Spacing::Linspace,
        "sgm_uniform" => Spacing::SgmUniform,
        _ => panic!("no spacing {name}"),
    }
}

fn config(value: Value) -> SchedulerConfig {
    serde_json::from_value(value).unwrap()
}

fn sdxl() -> SchedulerConfig {
    config(value!({ "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear" }))
}

fn draw(generator: &mut Generator) -> Tensor {
    let (n, c, h, w) = SHAPE;
    Tensor::from_vec(generator.randn(n * c * h * w), SHAPE, &Device::Cpu).unwrap()
}

/// Steps from `first` on with the network of the fixtures: samples and predictions after each step.
fn walk(
    solver: &mut dyn Solver,
    first: usize,
    mut sample: Tensor,
    mut noise: impl FnMut() -> Tensor,
) -> Vec<(Tensor, Tensor)> {
    let timesteps: Vec<f64> = solver.timesteps().iter().copied().map(f64::from).collect();
    let mut all = Vec::new();
    for (index, t) in timesteps.into_iter().enumerate().skip(first) {
        let output = (solver.scale_input(index, &sample).unwrap() * (0.6 * (t + 1.0) / (t + 2.0))).unwrap();
        let noise = solver.needs_noise(index).then(&mut noise);
        let stepped = solver.step(index, &output, &sample, noise.as_ref()).unwrap();
        sample = stepped.sample.clone();
        all.push((stepped.sample, stepped.denoised));
    }
    all
}

/// The final sample of a run from the fixtures' noise.
fn end_of(config: &SchedulerConfig, kind: SchedulerKind, steps: usize, options: &SamplerOptions, scale: f64) -> Tensor {
    let mut solver = config.solver(kind, steps, options).unwrap();
    let mut generator = Generator::new(SEED);
    let start = (draw(&mut generator) * solver.init_noise_sigma()).unwrap();
    walk(solver.as_mut(), 0, start, || (draw(&mut generator) * scale).unwrap()).pop().unwrap().0
}

#[test]
fn trajectories_are_those_of_diffusers() {
    let reference = tensors("schedulers.safetensors");
    let cases: Vec<Case> = json("schedulers.json");
    assert_eq!(cases.len(), 270);
    let (mut worst, mut failed) = ((0.0, String::new()), Vec::new());
    for Case { name, scheduler, steps, kept, strength, first, config, options } in cases {
        let options: SamplerOptions = options.into();
        let mut solver = config.solver(kind(&scheduler), steps, &options).unwrap();
        let expected = reference[&format!("{name}.timesteps")].to_vec1::<f32>().unwrap();
        assert_eq!(solver.timesteps().len(), expected.len(), "{name}");
        for (found, expected) in solver.timesteps().iter().zip(expected) {
            // Whole timesteps are equal; of Karras' the last digits are those of the logarithm.
            let tolerance = if expected.fract() == 0.0 { 0.0 } else { 1e-3 };
            assert!((found - expected).abs() <= tolerance, "{name}: timestep {found}, expected {expected}");
        }
        let mut generator = Generator::new(SEED);
        let start = draw(&mut generator);
        let (begin, sample) = match strength {
            None => (0, (&start * solver.init_noise_sigma()).unwrap()),
            Some(strength) => {
                let begin = solver.run().begin_index(strength).unwrap();
                assert_eq!(Some(begin), first, "{name}");
                let sample = solver.add_noise(begin, &reference["picture"], &start).unwrap();
                assert_close(&sample, &reference[&format!("{name}.begin")], 1e-6, &format!("{name} begin"));
                (begin, sample)
            }
        };
        let steps = walk(solver.as_mut(), begin, sample, || draw(&mut generator));
        // Step by step, so that large early samples do not hide the error of small late ones.
        for what in ["samples", "denoised"] {
            let Some(expected) = reference.get(&format!("{name}.{what}")) else { continue };
            assert_eq!(expected.dim(0).unwrap(), kept.len(), "{name}");
            for (row, index) in kept.iter().enumerate() {
                let found = if what == "samples" { &steps[*index].0 } else { &steps[*index].1 };
                let error = relative_error(found, &expected.narrow(0, row, 1).unwrap());
                let what = format!("{name} {what} after step {}", index + 1);
                if error > 1e-5 {
                    failed.push(format!("{what}: {error:.1e}"));
                }
                if error > worst.0 {
                    worst = (error, what);
                }
            }
        }
    }
    println!("largest error {:.1e}: {}", worst.0, worst.1);
    assert!(failed.is_empty(), "relative errors above 1e-5: {failed:#?}");
}

#[test]
fn timesteps_are_those_of_diffusers_for_any_number_of_steps() {
    let reference = tensors("schedulers.safetensors");
    let counts = reference["timesteps.counts"].to_vec1::<i64>().unwrap();
    let mut compared = 0;
    for scheduler in ["euler", "ddim", "dpmpp_2m", "unipc", "lcm", "tcd"] {
        for spacing in ["leading", "trailing", "linspace"] {
            let Some(all) = reference.get(&format!("timesteps.{scheduler}.{spacing}")) else { continue };
            let config = config(value!({ "timestep_spacing": spacing }));
            let mut rest = all.to_vec1::<f32>().unwrap().into_iter();
            for count in &counts {
                let Some(length) = rest.next() else { break };
                let expected: Vec<f32> = rest.by_ref().take(length as usize).collect();
                let solver = config.solver(kind(scheduler), *count as usize, &SamplerOptions::default()).unwrap();
                assert_eq!(solver.timesteps(), expected, "{scheduler} {spacing} {count}");
                compared += 1;
            }
            assert!(rest.next().is_none());
        }
    }
    assert_eq!(compared, 4 * 3 * 35 + 2 * 32);
}

#[test]
fn sgm_uniform_is_its_formula() {
    let options = SamplerOptions { spacing: Some(Spacing::SgmUniform), ..SamplerOptions::default() };
    for kind in SchedulerKind::ALL {
        for steps in [1, 2, 7, 20, 50] {
            let solver = sdxl().solver(kind, steps, &options).unwrap();
            let expected: Vec<f32> =
                (0..steps).map(|i| (999.0 * (1.0 - i as f64 / steps as f64) - 1e-9).round() as f32).collect();
            assert_eq!(solver.timesteps(), expected, "{} {steps}", kind.name());
        }
    }
    // Between 499 and 500, σ lies at the geometric mean: the formula of the noise schedule by hand.
    let alphas: Vec<f64> = (0..1000)
        .map(|t| 0.00085f64.sqrt() + f64::from(t) / 999.0 * (0.012f64.sqrt() - 0.00085f64.sqrt()))
        .scan(1.0, |product, root| {
            *product *= 1.0 - root * root;
            Some(*product)
        })
        .collect();
    let sigma = |t: usize| ((1.0 - alphas[t]) / alphas[t]).sqrt();
    let solver = sdxl().solver(SchedulerKind::Euler, 2, &options).unwrap();
    let one = Tensor::ones(1, candle_core::DType::F32, &Device::Cpu).unwrap();
    let zero = one.zeros_like().unwrap();
    for (index, expected) in [(0, sigma(999)), (1, (sigma(499) * sigma(500)).sqrt())] {
        let found = f64::from(solver.add_noise(index, &zero, &one).unwrap().to_vec1::<f32>().unwrap()[0]);
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    }
    assert!((solver.init_noise_sigma() / (sigma(999).powi(2) + 1.0).sqrt() - 1.0).abs() < 1e-5);
}

#[test]
fn a_list_of_evenly_trailing_timesteps_is_the_trailing_spacing() {
    // diffusers' DDIM takes no list; this says what ours must do with one.
    let trailing = SamplerOptions { spacing: Some(Spacing::Trailing), ..SamplerOptions::default() };
    let list = SamplerOptions { timesteps: Some(vec![999.0, 749.0, 499.0, 249.0]), ..SamplerOptions::default() };
    for kind in SchedulerKind::ALL {
        let found = end_of(&sdxl(), kind, 0, &list, 1.0);
        let expected = end_of(&sdxl(), kind, 4, &trailing, 1.0);
        assert_close(&found, &expected, 1e-6, kind.name());
    }
}

#[test]
fn without_fresh_noise_the_stochastic_solvers_are_the_deterministic_ones() {
    let quiet = SamplerOptions { eta: Some(0.0), ..SamplerOptions::default() };
    for (stochastic, deterministic) in
        [(SchedulerKind::EulerAncestral, SchedulerKind::Euler), (SchedulerKind::Dpmpp2mSde, SchedulerKind::Dpmpp2m)]
    {
        for steps in [1, 4, 20] {
            let found = end_of(&sdxl(), stochastic, steps, &quiet, f64::NAN);
            let expected = end_of(&sdxl(), deterministic, steps, &SamplerOptions::default(), f64::NAN);
            assert_close(&found, &expected, 1e-6, stochastic.name());
        }
    }
}

#[test]
fn s_noise_scales_the_fresh_noise() {
    use SchedulerKind::{Ddim, Dpmpp2mSde, EulerAncestral, Lcm, Tcd};
    for kind in [EulerAncestral, Dpmpp2mSde, Ddim, Lcm, Tcd] {
        let eta = (kind != Lcm).then_some(0.7);
        let plain = SamplerOptions { eta, ..SamplerOptions::default() };
        let scaled = SamplerOptions { s_noise: Some(0.5), ..plain.clone() };
        let found = end_of(&sdxl(), kind, 6, &scaled, 1.0);
        assert_close(&found, &end_of(&sdxl(), kind, 6, &plain, 0.5), 1e-6, kind.name());
        let other = relative_error(&found, &end_of(&sdxl(), kind, 6, &plain, 1.0));
        assert!(other > 1e-3, "{}: s_noise changes nothing ({other:.1e})", kind.name());
    }
}

#[test]
fn options_take_the_place_of_the_file() {
    let end = |config: Value, options: &SamplerOptions| {
        end_of(&self::config(config), SchedulerKind::Dpmpp2m, 8, options, f64::NAN)
    };
    let none = SamplerOptions::default();
    for (file, options) in [
        (value!({ "use_karras_sigmas": true }), SamplerOptions { sigmas: Some(SigmaSchedule::Karras), ..none.clone() }),
        (
            value!({ "use_exponential_sigmas": true }),
            SamplerOptions { sigmas: Some(SigmaSchedule::Exponential), ..none.clone() },
        ),
        (
            value!({ "prediction_type": "v_prediction" }),
            SamplerOptions { prediction: Some(Prediction::Velocity), ..none.clone() },
        ),
        (value!({ "timestep_spacing": "leading" }), SamplerOptions { spacing: Some(Spacing::Leading), ..none.clone() }),
        (value!({ "rescale_betas_zero_snr": true }), SamplerOptions { zero_terminal_snr: Some(true), ..none.clone() }),
    ] {
        let expected = end(file, &none);
        assert_eq!(relative_error(&end(value!({}), &options), &expected), 0.0, "{options:?}");
        assert!(relative_error(&end(value!({}), &none), &expected) > 1e-3, "{options:?}");
    }
    let undone = SamplerOptions { sigmas: Some(SigmaSchedule::Model), ..none.clone() };
    let plain = end(value!({}), &none);
    assert_eq!(relative_error(&end(value!({ "use_karras_sigmas": true }), &undone), &plain), 0.0);
}

#[test]
fn a_file_with_pythons_infinity_is_read() {
    let text = std::fs::read_to_string(fixtures().join("scheduler_config_infinity.json")).unwrap();
    assert!(text.contains("\"lambda_min_clipped\": -Infinity"));
    let config = SchedulerConfig::from_json(&text).unwrap();
    let solver = config.solver(SchedulerKind::Dpmpp2mSde, 8, &SamplerOptions::default()).unwrap();
    assert_eq!(solver.timesteps(), [999.0, 890.0, 746.0, 549.0, 299.0, 90.0, 12.0, 0.0]);
    for text in ["{", "[]", r#"{"beta_start": "much"}"#, r#"{"_class_name": "NaN}"#] {
        assert!(matches!(SchedulerConfig::from_json(text), Err(Error::Config { .. })), "{text}");
    }
}

#[test]
fn image_to_image_begins_where_the_strength_says() {
    let solver = sdxl().solver(SchedulerKind::Euler, 10, &SamplerOptions::default()).unwrap();
    // 10 · 0.7 is a little more than 7, 100 · 0.29 a little less than 29.
    for (strength, expected) in [(1.0, 0), (0.7, 3), (0.3, 7), (0.15, 9), (0.1, 9)] {
        assert_eq!(solver.run().begin_index(strength).unwrap(), expected, "{strength}");
    }
    for (strength, expected) in [
        (0.09, "strength is 0.09, which leaves none of 10 steps"),
        (1.01, "strength is 1.01, expected 0 to 1"),
        (f64::NAN, "strength is NaN, expected 0 to 1"),
    ] {
        let error = solver.run().begin_index(strength).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_step_without_the_noise_that_it_needs_is_an_error() {
    let mut solver = sdxl().solver(SchedulerKind::EulerAncestral, 4, &SamplerOptions::default()).unwrap();
    let sample = draw(&mut Generator::new(SEED));
    assert!(solver.needs_noise(0));
    let error = solver.step(0, &sample, &sample, None).unwrap_err().to_string();
    assert!(error.contains("step 0 of the solver needs noise"), "{error}");
}

#[test]
fn what_a_solver_cannot_do_is_an_error() {
    use SchedulerKind::{Ddim, Dpmpp2m, Euler, EulerAncestral, Lcm, Tcd, Unipc};
    let none = SamplerOptions::default;
    let list = |timesteps: &[f32]| SamplerOptions { timesteps: Some(timesteps.to_vec()), ..none() };
    let eta = |eta: f64| SamplerOptions { eta: Some(eta), ..none() };
    let s_noise = |s_noise: f64| SamplerOptions { s_noise: Some(s_noise), ..none() };
    let karras = || SamplerOptions { sigmas: Some(SigmaSchedule::Karras), ..none() };
    let table = [
        (value!({ "use_beta_sigmas": true }), Euler, 4, none(), "use_beta_sigmas is true"),
        (value!({ "use_lu_lambdas": true }), Dpmpp2m, 4, none(), "use_lu_lambdas is true"),
        (value!({ "use_flow_sigmas": true }), Unipc, 4, none(), "use_flow_sigmas is true"),
        (
            value!({ "use_karras_sigmas": true, "use_exponential_sigmas": true }),
            Euler,
            4,
            none(),
            "both true, expected one",
        ),
        (value!({ "use_karras_sigmas": true, "sigma_min": -1.0 }), Euler, 4, none(), "sigma_min is -1"),
        (value!({ "use_karras_sigmas": true, "sigma_max": 0.01 }), Unipc, 4, none(), "sigma_max 0.01"),
        (value!({ "beta_schedule": "squaredcos_cap_v2" }), Ddim, 4, none(), "squaredcos_cap_v2"),
        (value!({ "num_train_timesteps": 1 }), Ddim, 1, none(), "num_train_timesteps is 1"),
        (value!({ "num_train_timesteps": u64::MAX }), Lcm, 1, none(), "num_train_timesteps is"),
        (value!({ "trained_betas": [0.1, 0.2] }), Tcd, 4, none(), "trained_betas has 2 entries"),
        (value!({ "beta_end": 1.5 }), Euler, 4, none(), "a beta of the noise schedule"),
        (value!({ "timestep_spacing": "wide" }), Euler, 4, none(), "timestep_spacing is wide"),
        (value!({ "prediction_type": "flow_prediction" }), Lcm, 4, none(), "flow_prediction"),
        (value!({ "thresholding": true }), Tcd, 4, none(), "thresholding is true"),
        (value!({ "final_sigmas_type": "one" }), Unipc, 4, none(), "final_sigmas_type is one"),
        (value!({ "solver_order": 3 }), Dpmpp2m, 4, none(), "solver_order is 3, expected 1 to 2"),
        (value!({ "solver_order": 4 }), Unipc, 4, none(), "solver_order is 4, expected 1 to 3"),
        (value!({ "solver_type": "bh3" }), Unipc, 4, none(), "solver_type is bh3"),
        (value!({ "predict_x0": false }), Unipc, 4, none(), "predict_x0 is false"),
        (value!({ "solver_p": "DDIM" }), Unipc, 4, none(), "solver_p"),
        (value!({ "variance_type": "learned" }), Dpmpp2m, 4, none(), "variance_type is learned"),
        (value!({ "lambda_min_clipped": 99.0 }), Dpmpp2m, 4, none(), "leaves no training timestep"),
        (value!({ "interpolation_type": "log_linear" }), Euler, 4, none(), "log_linear"),
        (value!({ "original_inference_steps": 0 }), Lcm, 4, none(), "original_inference_steps is 0"),
        (value!({}), Lcm, 51, none(), "the run has 51 steps, expected at most original_inference_steps: 50"),
        (
            value!({ "rescale_betas_zero_snr": true, "timestep_spacing": "trailing" }),
            Ddim,
            4,
            none(),
            "expected v_prediction",
        ),
        (value!({ "rescale_betas_zero_snr": true }), Lcm, 4, none(), "expected v_prediction"),
        (value!({ "rescale_betas_zero_snr": true }), Tcd, 4, none(), "expected v_prediction"),
        (value!({}), Euler, 0, none(), "steps is 0, expected 1 to 1000"),
        (value!({}), Euler, 1001, none(), "steps is 1001, expected 1 to 1000"),
        (value!({}), Euler, usize::MAX, none(), "expected 1 to 1000"),
        (value!({}), Lcm, 4, list(&[]), "timesteps has 0 entries, expected 1 to 1000"),
        (value!({}), Euler, 4, list(&vec![0.0; 1001]), "timesteps has 1001 entries"),
        (value!({}), Lcm, 4, list(&[249.0, 499.0]), "timesteps go from 249 to 499, expected falling ones"),
        (value!({}), Lcm, 4, list(&[499.0, 499.0]), "timesteps go from 499 to 499"),
        (value!({}), Euler, 4, list(&[1000.0, 499.0]), "a timestep is 1000, expected 0 to 999"),
        (value!({}), Euler, 4, list(&[999.0, -1.0]), "a timestep is -1, expected 0 to 999"),
        (value!({}), Euler, 4, list(&[f32::NAN]), "a timestep is NaN, expected 0 to 999"),
        (value!({}), Ddim, 4, list(&[999.0, 499.5]), "a timestep is 499.5, but DDIM needs whole ones"),
        (
            value!({}),
            Euler,
            4,
            SamplerOptions { spacing: Some(Spacing::Trailing), ..list(&[999.0]) },
            "timesteps and the spacing Trailing are both given",
        ),
        (
            value!({}),
            Euler,
            4,
            SamplerOptions { timesteps: Some(vec![999.0]), ..karras() },
            "sigmas is Karras, but timesteps or the spacing",
        ),
        (
            value!({}),
            Unipc,
            4,
            SamplerOptions { spacing: Some(Spacing::SgmUniform), ..karras() },
            "sigmas is Karras, but timesteps or the spacing",
        ),
        (value!({}), Ddim, 4, karras(), "sigmas is Karras, but DDIM walks in timesteps"),
        (value!({}), Lcm, 4, karras(), "sigmas is Karras, but LCM walks in timesteps"),
        (value!({}), Tcd, 4, karras(), "sigmas is Karras, but TCD walks in timesteps"),
        (value!({}), Euler, 4, eta(0.5), "eta is 0.5, but Euler has none"),
        (value!({}), Lcm, 4, eta(0.5), "eta is 0.5, but LCM has none"),
        (value!({}), Tcd, 4, eta(1.5), "eta is 1.5, expected 0 to 1"),
        (value!({}), Ddim, 4, eta(f64::NAN), "eta is NaN, expected 0 to 1"),
        (value!({}), Dpmpp2m, 4, s_noise(1.0), "s_noise is 1, but DPM++ 2M draws no noise"),
        (value!({}), EulerAncestral, 4, s_noise(f64::INFINITY), "s_noise is inf, expected 0 to 2"),
    ];
    for (file, kind, steps, options, expected) in table {
        let Err(error) = config(file).solver(kind, steps, &options) else { panic!("no error: {expected}") };
        let found = error.to_string();
        assert!(found.contains(expected), "{found}\nexpected {expected}");
    }
}
