// Attention with heads of 64 channels on Hopper (sm_90a), after FlashAttention-3 (Shah et al. 2024): one thread has the
// tensor memory accelerator fetch keys and values; warpgroups multiply straight from shared memory (`wgmma`) and take
// turns, so that one computes weights while another one multiplies; within each, the scores of the next keys are on their
// way while the weights of these are computed.
//
// A block of GROUPS warpgroups, and one that only fetches, takes 64 · GROUPS queries of one head. Built with the
// architecture-specific target only; other cards use `attention.cu`.

#define WIDE_KEYS 128
#define STAGES 3
#define TILE_BYTES (WIDE_KEYS * HEAD_DIM * 2)

// Named barriers by which warpgroups take turns: two of them meet, the one that goes on and the one that lets it.
__device__ __forceinline__ void await_turn(int group) { asm volatile("bar.sync %0, 256;" ::"r"(1 + group) : "memory"); }
__device__ __forceinline__ void give_turn(int group) { asm volatile("bar.arrive %0, 256;" ::"r"(1 + group) : "memory"); }

template <int GROUPS>
__device__ __forceinline__ void attend_wide(const TensorMap &q, const TensorMap &k, const TensorMap &v, half_bits *y,
                                            int queries, int keys, int y_stride, int images_per_key, float scale_log2) {
    constexpr int QUERIES = 64 * GROUPS, TILE = WIDE_KEYS * HEAD_DIM;
    half_bits *q_tile = memory;
    half_bits *k_tiles = memory + QUERIES * HEAD_DIM;
    half_bits *v_tiles = k_tiles + STAGES * TILE;
    // One for the queries, then for each stage "is there" and "may be overwritten".
    __shared__ __align__(8) unsigned long long barriers[1 + 2 * STAGES];
    const Barrier q_there(barriers);
    auto there = [&](int tile) { return Barrier(barriers + 1 + tile % STAGES); };
    auto consumed = [&](int tile) { return Barrier(barriers + 1 + STAGES + tile % STAGES); };
    auto round = [](int tile) { return (u32)(tile / STAGES & 1); };

    const int warpgroup = threadIdx.x / 128, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
    const int first_query = blockIdx.x * QUERIES, head = blockIdx.y, image = blockIdx.z;
    const int tiles = (keys + WIDE_KEYS - 1) / WIDE_KEYS;

    if (threadIdx.x == 0) {
        q_there.init(1);
        for (int stage = 0; stage < STAGES; ++stage) {
            there(stage).init(1);
            consumed(stage).init(4 * GROUPS);
        }
        asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;" ::: "memory");
    }
    __syncthreads();

    if (warpgroup == GROUPS) {
        // Registers go to those who multiply.
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(GROUPS == 2 ? 24 : 32));
        if (threadIdx.x == 128 * GROUPS) {
            const int key_image = image / images_per_key * images_per_key;
            q_there.expect(QUERIES * HEAD_DIM * 2);
            fetch(q_tile, q, 0, first_query, head, image, q_there);
            for (int tile = 0; tile < tiles; ++tile) {
                // The first time around nobody has to be waited for.
                consumed(tile).wait(round(tile) ^ 1);
                there(tile).expect(2 * TILE_BYTES);
                fetch(k_tiles + tile % STAGES * TILE, k, 0, tile * WIDE_KEYS, head, key_image, there(tile));
                fetch(v_tiles + tile % STAGES * TILE, v, 0, tile * WIDE_KEYS, head, key_image, there(tile));
            }
        }
        return;
    }
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(GROUPS == 2 ? 240 : 160));

    const int group = warpgroup, next = (group + 1) % GROUPS;
    const unsigned long long q_at = tile_descriptor(q_tile + group * 64 * HEAD_DIM);
    float scores[16][4], out[8][4] = {};
    u32 weights[8][4];
    float largest[2] = {-INFINITE, -INFINITE}, total[2] = {0.0f, 0.0f}, rescale[2];

    auto begin_scores = [&](int tile) {
        const unsigned long long k_at = tile_descriptor(k_tiles + tile % STAGES * TILE);
        // 16 channels are 32 bytes.
#pragma unroll
        for (int part = 0; part < 4; ++part) multiply(scores, q_at + part * 2, k_at + part * 2, part);
        products_commit();
    };
    auto begin_values = [&](int tile) {
        const unsigned long long v_at = tile_descriptor(v_tiles + tile % STAGES * TILE);
        // 16 keys are 2048 bytes.
#pragma unroll
        for (int part = 0; part < 8; ++part) multiply(out, weights[part], v_at + part * 128);
        products_commit();
    };
    // Scores to weights, in place, with the factors by which earlier results shrink.
    auto weigh = [&](int tile) {
        if ((tile + 1) * WIDE_KEYS > keys) {
#pragma unroll
            for (int n = 0; n < 16; ++n) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    if (tile * WIDE_KEYS + n * 8 + lane % 4 * 2 + i >= keys) scores[n][i] = scores[n][2 + i] = -INFINITE;
                }
            }
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float row_max = largest[half];
#pragma unroll
            for (int n = 0; n < 16; ++n) row_max = fmaxf(row_max, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
            row_max = fmaxf(row_max, __shfl_xor_sync(0xffffffffu, row_max, 1));
            row_max = fmaxf(row_max, __shfl_xor_sync(0xffffffffu, row_max, 2));
            rescale[half] = exp2_fast((largest[half] - row_max) * scale_log2);
            largest[half] = row_max;
            const float origin = row_max * scale_log2;
            float sum = 0.0f;
#pragma unroll
            for (int n = 0; n < 16; ++n) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const float w = exp2_fast(scores[n][2 * half + i] * scale_log2 - origin);
                    scores[n][2 * half + i] = w;
                    sum += w;
                }
            }
            total[half] = total[half] * rescale[half] + sum;
        }
    };
    auto pack_weights = [&]() {
#pragma unroll
        for (int part = 0; part < 8; ++part) {
            weights[part][0] = pack(scores[2 * part][0], scores[2 * part][1]);
            weights[part][1] = pack(scores[2 * part][2], scores[2 * part][3]);
            weights[part][2] = pack(scores[2 * part + 1][0], scores[2 * part + 1][1]);
            weights[part][3] = pack(scores[2 * part + 1][2], scores[2 * part + 1][3]);
        }
    };

    if (group == GROUPS - 1) give_turn(0);
    q_there.wait(0);
    there(0).wait(0);
    await_turn(group);
    products_begin();
    begin_scores(0);
    if (group != GROUPS - 1 || tiles > 1) give_turn(next);
    products_wait<0>();
    hold(scores);
    weigh(0);
    pack_weights();
    for (int tile = 1; tile < tiles; ++tile) {
        there(tile).wait(round(tile));
        await_turn(group);
        hold(scores);
        hold(out);
        products_begin();
        begin_scores(tile);
        begin_values(tile - 1);
        // The last one of the last round lets nobody go on: nobody waits.
        if (group != GROUPS - 1 || tile + 1 < tiles) give_turn(next);
        products_wait<1>();
        hold(scores);
        weigh(tile);
        products_wait<0>();
        hold(out);
        if (lane == 0) consumed(tile - 1).arrive();
#pragma unroll
        for (int n = 0; n < 8; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i) out[n][i] *= rescale[i / 2];
        }
        pack_weights();
    }
    hold(out);
    products_begin();
    begin_values(tiles - 1);
    products_wait<0>();
    hold(out);

    y += (size_t)image * queries * y_stride + head * HEAD_DIM;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float sum = total[half];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        const float inverse = 1.0f / sum;
        const int query = first_query + group * 64 + warp * 16 + half * 8 + lane / 4;
        if (query < queries) {
            half_bits *to = y + (size_t)query * y_stride + lane % 4 * 2;
#pragma unroll
            for (int n = 0; n < 8; ++n) {
                const u32 word = pack(out[n][2 * half] * inverse, out[n][2 * half + 1] * inverse);
                *reinterpret_cast<u32 *>(to + n * 8) = word;
            }
        }
    }
}

#define WIDE_ATTENTION(NAME, GROUPS)                                                                                   \
    extern "C" __global__ void __launch_bounds__(128 * (GROUPS + 1), 1)                                                \
        NAME(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k,                                 \
             const __grid_constant__ TensorMap v, half_bits *y, int queries, int keys, int y_stride,                   \
             int images_per_key, float scale_log2) {                                                                   \
        attend_wide<GROUPS>(q, k, v, y, queries, keys, y_stride, images_per_key, scale_log2);                          \
    }

WIDE_ATTENTION(attention_wide_128, 2)
WIDE_ATTENTION(attention_wide_192, 3)
