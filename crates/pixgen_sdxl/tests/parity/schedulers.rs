//! The solvers against diffusers' schedulers, with a network in closed form.

use candle_core::Tensor;
use pixgen_api::SchedulerKind;
use pixgen_sdxl::scheduler::SchedulerConfig;
use serde::Deserialize;

use crate::support::{assert_close, json, tensors};

#[derive(Deserialize)]
struct Case {
    name: String,
    scheduler: String,
    steps: usize,
    config: SchedulerConfig,
}

pub fn kind(name: &str) -> SchedulerKind {
    match name {
        "euler" => SchedulerKind::Euler,
        "ddim" => SchedulerKind::Ddim,
        "dpmpp_2m" => SchedulerKind::Dpmpp2m,
        _ => panic!("no scheduler {name}"),
    }
}

#[test]
fn trajectories_are_those_of_diffusers() {
    let reference = tensors("schedulers.safetensors");
    let cases: Vec<Case> = json("schedulers.json");
    assert_eq!(cases.len(), 3 * 7 * 4);
    for Case { name, scheduler, steps, config } in cases {
        let mut solver = config.solver(kind(&scheduler), steps).unwrap();
        let expected = reference[&format!("{name}.timesteps")].to_vec1::<f32>().unwrap();
        assert_eq!(solver.timesteps(), expected, "{name}");
        let mut sample = (&reference["start"] * solver.init_noise_sigma()).unwrap();
        let (mut samples, mut denoised) = (Vec::new(), Vec::new());
        for (index, t) in expected.into_iter().map(f64::from).enumerate() {
            let output = (solver.scale_input(index, &sample).unwrap() * (0.6 * (t + 1.0) / (t + 2.0))).unwrap();
            let stepped = solver.step(index, &output, &sample).unwrap();
            sample = stepped.sample;
            samples.push(sample.clone());
            denoised.push(stepped.denoised);
        }
        // Step by step, so that large early samples do not hide the error of small late ones.
        for (values, what) in [(samples, "samples"), (denoised, "denoised")] {
            let Some(expected) = reference.get(&format!("{name}.{what}")) else { continue };
            for (index, value) in values.iter().enumerate() {
                let expected = expected.narrow(0, index, 1).unwrap();
                assert_close(value, &expected, 1e-5, &format!("{name} {what} after step {}", index + 1));
            }
        }
    }
}

#[test]
fn timesteps_are_those_of_diffusers_for_any_number_of_steps() {
    let reference = tensors("schedulers.safetensors");
    let counts = reference["timesteps.counts"].to_vec1::<i64>().unwrap();
    for scheduler in ["euler", "ddim", "dpmpp_2m"] {
        for spacing in ["leading", "trailing", "linspace"] {
            let config: SchedulerConfig =
                serde_json::from_value(serde_json::json!({ "timestep_spacing": spacing })).unwrap();
            let all: Tensor = reference[&format!("timesteps.{scheduler}.{spacing}")].clone();
            let mut rest = all.to_vec1::<f32>().unwrap().into_iter();
            for count in &counts {
                let length = rest.next().unwrap() as usize;
                let expected: Vec<f32> = rest.by_ref().take(length).collect();
                let solver = config.solver(kind(scheduler), *count as usize).unwrap();
                assert_eq!(solver.timesteps(), expected, "{scheduler} {spacing} {count}");
            }
            assert!(rest.next().is_none());
        }
    }
}

#[test]
fn what_a_solver_cannot_do_is_an_error() {
    let error = |config: serde_json::Value, kind: SchedulerKind, steps: usize| {
        let config: SchedulerConfig = serde_json::from_value(config).unwrap();
        config.solver(kind, steps).err().unwrap().to_string()
    };
    let found = error(serde_json::json!({ "use_karras_sigmas": true }), SchedulerKind::Euler, 4);
    assert!(found.contains("use_karras_sigmas"), "{found}");
    let found = error(serde_json::json!({ "beta_schedule": "squaredcos_cap_v2" }), SchedulerKind::Ddim, 4);
    assert!(found.contains("squaredcos_cap_v2"), "{found}");
    let found = error(serde_json::json!({ "algorithm_type": "sde-dpmsolver++" }), SchedulerKind::Dpmpp2m, 4);
    assert!(found.contains("sde-dpmsolver++"), "{found}");
    let blind = serde_json::json!({ "rescale_betas_zero_snr": true, "timestep_spacing": "trailing" });
    let found = error(blind, SchedulerKind::Ddim, 4);
    assert!(found.contains("expected v_prediction"), "{found}");
    for steps in [0, 1001] {
        let found = error(serde_json::json!({}), SchedulerKind::Euler, steps);
        assert!(found.contains(&format!("steps is {steps}, expected 1 to 1000")), "{found}");
    }
}
