// Attention with heads of 64 channels: one pass over the keys with a running maximum (FlashAttention-2, Dao 2023).
//
// A block of 4 warps takes TILES · 64 queries of one head; each warp 16 · TILES of them. Keys and values go through
// shared memory 64 at a time, the next ones on their way while these are multiplied. Rows of 64 halves are stored in
// eight chunks of 16 bytes whose places are exchanged by the row's number, so that no two rows of a fragment share banks.

#define KEYS 64

__device__ __forceinline__ int swizzled(int row, int chunk) { return row * HEAD_DIM + ((chunk ^ (row & 7)) << 3); }

// 16 bytes from global to shared memory, or zeros.
__device__ __forceinline__ void copy_async(half_bits *to, const half_bits *from, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid ? 16 : 0));
}

__device__ __forceinline__ void load_matrices(u32 *r, const half_bits *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}

__device__ __forceinline__ void load_matrices_transposed(u32 *r, const half_bits *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}

// (16 × 16) · (16 × 8) added to c.
__device__ __forceinline__ void multiply(float *c, const u32 *a, u32 b0, u32 b1) {
#if HALF_IS_BF16
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#endif
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Row strides are in halves: a token's heads lie next to each other, tokens one stride apart, images `tokens` strides.
template <int TILES>
__device__ __forceinline__ void attend(const half_bits *q, const half_bits *k, const half_bits *v, half_bits *y,
                                       int queries, int keys, int q_stride, int kv_stride, int y_stride,
                                       int images_per_key, float scale_log2) {
    constexpr int QUERIES = 64 * TILES;
    half_bits *q_tile = memory;
    half_bits *k_tiles = memory + QUERIES * HEAD_DIM;
    half_bits *v_tiles = k_tiles + 2 * KEYS * HEAD_DIM;

    const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    const int first_query = blockIdx.x * QUERIES, head = blockIdx.y, image = blockIdx.z;
    const int key_image = image / images_per_key * images_per_key;
    q += (size_t)image * queries * q_stride + head * HEAD_DIM;
    k += (size_t)key_image * keys * kv_stride + head * HEAD_DIM;
    v += (size_t)key_image * keys * kv_stride + head * HEAD_DIM;
    y += (size_t)image * queries * y_stride + head * HEAD_DIM;

    auto load_keys = [&](int tile) {
        half_bits *k_to = k_tiles + (tile & 1) * KEYS * HEAD_DIM, *v_to = v_tiles + (tile & 1) * KEYS * HEAD_DIM;
#pragma unroll
        for (int i = 0; i < KEYS * 8 / 128; ++i) {
            const int row = (i * 128 + thread) / 8, chunk = thread % 8, key = tile * KEYS + row;
            const bool valid = key < keys;
            const size_t from = (size_t)(valid ? key : 0) * kv_stride + chunk * 8;
            copy_async(k_to + swizzled(row, chunk), k + from, valid);
            copy_async(v_to + swizzled(row, chunk), v + from, valid);
        }
        asm volatile("cp.async.commit_group;");
    };

#pragma unroll
    for (int i = 0; i < QUERIES * 8 / 128; ++i) {
        const int row = (i * 128 + thread) / 8, chunk = thread % 8, query = first_query + row;
        const bool valid = query < queries;
        copy_async(q_tile + swizzled(row, chunk), q + (size_t)(valid ? query : 0) * q_stride + chunk * 8, valid);
    }
    asm volatile("cp.async.commit_group;");
    load_keys(0);
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();

    u32 q_parts[TILES][4][4];
#pragma unroll
    for (int t = 0; t < TILES; ++t) {
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            const int row = (warp * TILES + t) * 16 + lane % 16;
            load_matrices(q_parts[t][part], q_tile + swizzled(row, part * 2 + lane / 16));
        }
    }

    float out[TILES][8][4] = {};
    float largest[TILES][2], total[TILES][2];
#pragma unroll
    for (int t = 0; t < TILES; ++t) {
        largest[t][0] = largest[t][1] = -INFINITE;
        total[t][0] = total[t][1] = 0.0f;
    }

    const int tiles = (keys + KEYS - 1) / KEYS;
    for (int tile = 0; tile < tiles; ++tile) {
        if (tile + 1 < tiles) {
            load_keys(tile + 1);
            asm volatile("cp.async.wait_group 1;");
        } else {
            asm volatile("cp.async.wait_group 0;");
        }
        __syncthreads();
        const half_bits *k_tile = k_tiles + (tile & 1) * KEYS * HEAD_DIM;
        const half_bits *v_tile = v_tiles + (tile & 1) * KEYS * HEAD_DIM;

        float scores[TILES][8][4] = {};
#pragma unroll
        for (int part = 0; part < 4; ++part) {
#pragma unroll
            for (int n = 0; n < 4; ++n) {
                u32 b[4];
                const int row = n * 16 + (lane & 7) + ((lane >> 4) << 3);
                load_matrices(b, k_tile + swizzled(row, part * 2 + ((lane >> 3) & 1)));
#pragma unroll
                for (int t = 0; t < TILES; ++t) {
                    multiply(scores[t][2 * n], q_parts[t][part], b[0], b[1]);
                    multiply(scores[t][2 * n + 1], q_parts[t][part], b[2], b[3]);
                }
            }
        }
        if ((tile + 1) * KEYS > keys) {
#pragma unroll
            for (int n = 0; n < 8; ++n) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    if (tile * KEYS + n * 8 + (lane % 4) * 2 + i >= keys) {
#pragma unroll
                        for (int t = 0; t < TILES; ++t) scores[t][n][i] = scores[t][n][2 + i] = -INFINITE;
                    }
                }
            }
        }

        u32 weights[TILES][4][4];
#pragma unroll
        for (int t = 0; t < TILES; ++t) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float row_max = largest[t][half];
#pragma unroll
                for (int n = 0; n < 8; ++n) {
                    row_max = fmaxf(row_max, fmaxf(scores[t][n][2 * half], scores[t][n][2 * half + 1]));
                }
                row_max = fmaxf(row_max, __shfl_xor_sync(0xffffffffu, row_max, 1));
                row_max = fmaxf(row_max, __shfl_xor_sync(0xffffffffu, row_max, 2));
                const float rescale = exp2_fast((largest[t][half] - row_max) * scale_log2);
                largest[t][half] = row_max;
                const float origin = row_max * scale_log2;
                float sum = 0.0f;
#pragma unroll
                for (int n = 0; n < 8; ++n) {
#pragma unroll
                    for (int i = 0; i < 2; ++i) {
                        const float w = exp2_fast(scores[t][n][2 * half + i] * scale_log2 - origin);
                        scores[t][n][2 * half + i] = w;
                        sum += w;
                    }
                    out[t][n][2 * half] *= rescale;
                    out[t][n][2 * half + 1] *= rescale;
                }
                total[t][half] = total[t][half] * rescale + sum;
            }
#pragma unroll
            for (int part = 0; part < 4; ++part) {
                weights[t][part][0] = pack(scores[t][2 * part][0], scores[t][2 * part][1]);
                weights[t][part][1] = pack(scores[t][2 * part][2], scores[t][2 * part][3]);
                weights[t][part][2] = pack(scores[t][2 * part + 1][0], scores[t][2 * part + 1][1]);
                weights[t][part][3] = pack(scores[t][2 * part + 1][2], scores[t][2 * part + 1][3]);
            }
        }
#pragma unroll
        for (int part = 0; part < 4; ++part) {
#pragma unroll
            for (int n = 0; n < 4; ++n) {
                u32 b[4];
                load_matrices_transposed(b, v_tile + swizzled(part * 16 + lane % 16, n * 2 + lane / 16));
#pragma unroll
                for (int t = 0; t < TILES; ++t) {
                    multiply(out[t][2 * n], weights[t][part], b[0], b[1]);
                    multiply(out[t][2 * n + 1], weights[t][part], b[2], b[3]);
                }
            }
        }
        __syncthreads();
    }

#pragma unroll
    for (int t = 0; t < TILES; ++t) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float sum = total[t][half];
            sum += __shfl_xor_sync(0xffffffffu, sum, 1);
            sum += __shfl_xor_sync(0xffffffffu, sum, 2);
            const float inverse = 1.0f / sum;
            const int query = first_query + (warp * TILES + t) * 16 + half * 8 + lane / 4;
            if (query < queries) {
                half_bits *to = y + (size_t)query * y_stride + (lane % 4) * 2;
#pragma unroll
                for (int n = 0; n < 8; ++n) {
                    const u32 word = pack(out[t][n][2 * half] * inverse, out[t][n][2 * half + 1] * inverse);
                    *reinterpret_cast<u32 *>(to + n * 8) = word;
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(128) attention_64(const half_bits *q, const half_bits *k, const half_bits *v,
                                                               half_bits *y, int queries, int keys, int q_stride,
                                                               int kv_stride, int y_stride, int images_per_key,
                                                               float scale_log2) {
    attend<1>(q, k, v, y, queries, keys, q_stride, kv_stride, y_stride, images_per_key, scale_log2);
}

extern "C" __global__ void __launch_bounds__(128) attention_128(const half_bits *q, const half_bits *k, const half_bits *v,
                                                                half_bits *y, int queries, int keys, int q_stride,
                                                                int kv_stride, int y_stride, int images_per_key,
                                                                float scale_log2) {
    attend<2>(q, k, v, y, queries, keys, q_stride, kv_stride, y_stride, images_per_key, scale_log2);
}
