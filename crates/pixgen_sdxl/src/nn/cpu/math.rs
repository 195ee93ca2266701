//! Elementary functions in f32 that compile to vector code: no branches, no table, no call into the C library.

/// eˣ to about one unit in the last place, for every x that does not overflow.
///
/// Range reduction to ±ln2/2 and a polynomial of degree 6 (Cephes `expf`). The reduction rounds by adding
/// and subtracting 1.5·2²³, because `f32::round` is a function call without SSE4.1.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let mantissa = p * r * r + r + 1.0;
    // The low bits of `shifted` hold n: moved to the exponent they make 2ⁿ.
    let power = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    mantissa * power
}

/// x · sigmoid(x).
#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The error function to 4 units in the last place: the rational approximation of Eigen's `erf`.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let y = x * x;
    let p = -2.726_142_3e-10;
    let p = p * y + 2.770_681_4e-8;
    let p = p * y - 2.101_024e-6;
    let p = p * y - 5.692_506_4e-5;
    let p = p * y - 7.349_906_3e-4;
    let p = p * y - 2.954_6e-3;
    let p = p * y - 1.609_603_3e-2;
    let q = -1.456_607_2e-5;
    let q = q * y - 2.133_740_6e-4;
    let q = q * y - 1.682_827e-3;
    let q = q * y - 7.373_329e-3;
    let q = q * y - 1.426_473_9e-2;
    x * p / q
}

/// x · Φ(x), the exact GELU.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::{Device, Tensor};

    #[test]
    fn exp_is_exact_to_two_units() {
        for i in -8600..8800 {
            let x = i as f32 * 0.01;
            let (found, exact) = (super::exp(x), f64::from(x).exp());
            let relative = ((f64::from(found) - exact) / exact).abs();
            assert!(relative < 2.4e-7, "exp({x}) = {found}, expected {exact}");
        }
        assert_eq!(super::exp(0.0), 1.0);
        assert!(super::silu(-200.0).abs() < 1e-30);
    }

    #[test]
    fn gelu_agrees_with_candles() {
        let xs: Vec<f32> = (-1000..1000).map(|i| i as f32 * 0.01).collect();
        let exact = Tensor::new(xs.as_slice(), &Device::Cpu).unwrap().gelu_erf().unwrap().to_vec1::<f32>().unwrap();
        for (x, exact) in xs.into_iter().zip(exact) {
            assert!((super::gelu(x) - exact).abs() < 1e-6, "gelu({x}) = {}, expected {exact}", super::gelu(x));
        }
    }
}
