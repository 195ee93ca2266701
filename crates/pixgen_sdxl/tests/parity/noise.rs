//! The noise generator against `torch.randn` on the CPU (make_fixtures.py, make_scheduler_fixtures.py).

use candle_core::{Device, Tensor};

use crate::support::{assert_close, tensors};

#[test]
fn a_seed_gives_the_noise_of_torch() {
    let reference = tensors("noise.safetensors");
    assert_eq!(reference.len(), 45);
    for (name, expected) in reference {
        let (seed, count) = name.split_once('.').unwrap();
        let found = pixgen_sdxl::randn(seed.parse().unwrap(), count.parse().unwrap());
        let found = Tensor::new(found, &Device::Cpu).unwrap();
        assert_close(&found, &expected, 2e-7, &format!("seed {seed}, {count} values"));
    }
}

#[test]
fn a_generator_goes_on_as_torch_does() {
    let mut reference = tensors("noise_in_a_row.safetensors");
    let counts = reference.remove("counts").unwrap().to_vec1::<i64>().unwrap();
    assert_eq!(reference.len(), 3);
    for (seed, expected) in reference {
        let mut generator = pixgen_sdxl::Generator::new(seed.parse().unwrap());
        let found: Vec<f32> = counts.iter().flat_map(|count| generator.randn(*count as usize)).collect();
        let found = Tensor::new(found, &Device::Cpu).unwrap();
        assert_close(&found, &expected, 2e-7, &format!("seed {seed} in a row"));
    }
}
