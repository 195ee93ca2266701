//! Scaled dot-product attention with several heads: the one attention function of this crate.

use candle_core::{DType, Result, Tensor};

/// Bytes of attention scores held at once. Above it the queries are taken in parts: at 1024 px the VAE's
/// single head would otherwise need a gigabyte.
const SCORES_BUDGET_BYTES: usize = 256 << 20;

/// (b, t, heads · d) → (b, t, heads, d).
pub(crate) fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, channels) = x.dims3()?;
    x.reshape((batch, tokens, heads, channels / heads))
}

/// Queries, keys and values that lie behind one another, (b, t, 3 · heads · d) → three views (b, t, heads, d).
pub(crate) fn split_qkv(qkv: &Tensor, heads: usize) -> Result<[Tensor; 3]> {
    let (batch, tokens, channels) = qkv.dims3()?;
    let parts = qkv.reshape((batch, tokens, 3, heads, channels / (3 * heads)))?;
    let part = |index| parts.narrow(2, index, 1)?.squeeze(2);
    Ok([part(0)?, part(1)?, part(2)?])
}

/// Attention of queries `q` (b, tq, heads, d) over keys `k` and values `v` (b, tk, heads, d): (b, tq, heads · d).
///
/// Only the last axis must be dense. `mask` (tq, tk) is added to the scores. Scores are f32 whatever the dtype, as inside
/// fused kernels: in bf16 a score of 10 would be off by 3 %.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let (batch, queries, heads, head_dim) = q.dims4()?;
    let keys = k.dim(1)?;
    let dtype = q.dtype();
    // (b, t, h, d) → (b, h, t, d); the copy makes each head's rows dense, which every matmul kernel wants.
    let by_head = |x: &Tensor| x.transpose(1, 2)?.contiguous();
    // Scaling the queries is cheaper than scaling the scores.
    let scale = 1.0 / (head_dim as f64).sqrt();
    let q = (by_head(q)?.to_dtype(DType::F32)? * scale)?;
    let k = by_head(k)?.to_dtype(DType::F32)?.transpose(2, 3)?;
    let v = by_head(v)?;

    let part = |q: &Tensor, first: usize| -> Result<Tensor> {
        let scores = q.matmul(&k)?;
        let scores = match mask {
            Some(mask) => scores.broadcast_add(&mask.narrow(0, first, q.dim(2)?)?)?,
            None => scores,
        };
        candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(dtype)?.matmul(&v)
    };
    let bytes_per_query = batch * heads * keys * DType::F32.size_in_bytes();
    let at_once = (SCORES_BUDGET_BYTES / bytes_per_query.max(1)).max(1);
    let out = if at_once >= queries {
        part(&q, 0)?
    } else {
        let mut parts = Vec::with_capacity(queries.div_ceil(at_once));
        for first in (0..queries).step_by(at_once) {
            let count = at_once.min(queries - first);
            parts.push(part(&q.narrow(2, first, count)?.contiguous()?, first)?);
        }
        Tensor::cat(&parts, 2)?
    };
    // (b, h, tq, d) → (b, tq, h·d)
    out.transpose(1, 2)?.reshape((batch, queries, heads * head_dim))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::random;

    #[test]
    fn queries_in_parts_give_the_same_result() {
        // 2 · 4 · 3000 keys · 4 bytes = 96 kB per query: 6000 queries exceed the budget twice.
        let (b, tq, tk, h, d) = (2, 6000, 3000, 4, 2);
        let q = random(1, 0.0, 1.0, (b, tq, h, d));
        let k = random(2, 0.0, 1.0, (b, tk, h, d));
        let v = random(3, 0.0, 1.0, (b, tk, h, d));
        let whole = attention(&q, &k, &v, None).unwrap();
        for first in [0, 2995, 5990] {
            let rows = attention(&q.narrow(1, first, 10).unwrap(), &k, &v, None).unwrap();
            let difference = (whole.narrow(1, first, 10).unwrap() - rows).unwrap().abs().unwrap();
            assert!(difference.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-6);
        }
    }
}
