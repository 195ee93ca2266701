//! Classifier-free guidance (Ho and Salimans 2022) and its rescaling (Lin et al. 2023, section 3.4).

use candle_core::{Result, Tensor};

/// Moves the prediction of the prompt away from the one of the negative prompt. All (n, c, h, w).
///
/// `rescale` blends in a version with the contrast of the prompt's own prediction, which large scales exaggerate.
pub(crate) fn guide(negative: &Tensor, positive: &Tensor, scale: f64, rescale: f64) -> Result<Tensor> {
    let guided = (negative + ((positive - negative)? * scale)?)?;
    if rescale <= 0.0 {
        return Ok(guided);
    }
    let contrast = (deviation(positive)? / deviation(&guided)?)?;
    // guided · (rescale · contrast + 1 - rescale)
    guided.broadcast_mul(&contrast.affine(rescale, 1.0 - rescale)?)
}

/// Standard deviation of each image, (n, 1, 1, 1), with Bessel's correction as `torch.std`.
fn deviation(x: &Tensor) -> Result<Tensor> {
    let n = x.dim(0)?;
    x.reshape((n, ()))?.var_keepdim(1)?.sqrt()?.reshape((n, 1, 1, 1))
}
