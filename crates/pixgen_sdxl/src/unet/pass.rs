//! What is the same for all layers in one pass through the UNet, and the one place where its self-attention happens.

use candle_core::{Result, Tensor, bail};

use crate::nn::{Seamless, attention};

/// How the images of a batch lie to themselves and to each other; chosen per run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    pub(crate) seamless: Seamless,
    pub(crate) frames: FrameAttention,
    /// Images of the same prompt, which lie one after another in the batch.
    pub(crate) images: usize,
}

/// Whose tokens the images of a batch attend to in the UNet's self-attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameAttention {
    /// Each image attends to itself: what SDXL was trained for.
    #[default]
    Independent,
    /// Every image attends to the tokens of the first one, which keeps a figure the same over the frames of an
    /// animation ("cross-frame attention", Khachatryan et al. 2023, arXiv 2303.13439, section 3.3.2). The first image
    /// is the one that it would be alone.
    SharedFirstFrame,
}

/// One pass through the network.
pub(super) struct Pass {
    /// SiLU of the time embedding, (b, channels).
    pub(super) silu_temb: Tensor,
    pub(super) surroundings: Surroundings,
}

impl Pass {
    /// Self-attention of (b, t, heads, d) each: (b, t, heads · d).
    ///
    /// All self-attention of the UNet comes here, with the whole batch at once: another way of sharing attention between
    /// images is another arm, and a fused kernel goes behind [`attention`]. Attention to the text is never shared.
    pub(super) fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let Surroundings { frames, images, .. } = self.surroundings;
        match frames {
            FrameAttention::Independent => attention(q, k, v, None),
            FrameAttention::SharedFirstFrame => attend_to_first(images, [q, k, v]),
        }
    }
}

/// Attention of `images` images at a time to the first of them.
fn attend_to_first(images: usize, [q, k, v]: [&Tensor; 3]) -> Result<Tensor> {
    let (batch, tokens, heads, head_dim) = q.dims4()?;
    if images == 0 || !batch.is_multiple_of(images) {
        bail!("attention shared by {images} images got a batch of {batch}");
    }
    let groups = batch / images;
    // All queries of a group stand before the same keys: one product per group, and no copies of the keys.
    let q = q.reshape((groups, images * tokens, heads, head_dim))?;
    let first = |x: &Tensor| x.reshape((groups, images, tokens, heads, head_dim))?.narrow(1, 0, 1)?.squeeze(1);
    attention(&q, &first(k)?, &first(v)?, None)?.reshape((batch, tokens, heads * head_dim))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::random;

    #[test]
    fn frames_attend_to_the_first_of_their_group() {
        let (groups, images, tokens, heads, head_dim) = (2, 3, 5, 2, 4);
        let tensor = |seed| random(seed, 0.0, 1.0, (groups * images, tokens, heads, head_dim));
        let (q, k, v) = (tensor(1), tensor(2), tensor(3));
        let shared = attend_to_first(images, [&q, &k, &v]).unwrap();
        assert_eq!(shared.dims(), [groups * images, tokens, heads * head_dim]);
        let row = |x: &Tensor, at| x.narrow(0, at, 1).unwrap();
        for image in 0..groups * images {
            let first = image / images * images;
            let expected = attention(&row(&q, image), &row(&k, first), &row(&v, first), None).unwrap();
            let worst = (row(&shared, image) - expected).unwrap().abs().unwrap().max_all().unwrap();
            assert!(worst.to_scalar::<f32>().unwrap() < 1e-6, "image {image}");
        }
        let own = attention(&q, &k, &v, None).unwrap();
        let second = (row(&shared, 1) - row(&own, 1)).unwrap().abs().unwrap().max_all().unwrap();
        assert!(second.to_scalar::<f32>().unwrap() > 0.1);
        assert!(attend_to_first(4, [&q, &k, &v]).is_err());
        assert!(attend_to_first(0, [&q, &k, &v]).is_err());
    }
}
