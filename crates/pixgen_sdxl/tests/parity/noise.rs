//! The noise generator against `torch.randn` on the CPU.

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
