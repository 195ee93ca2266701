// The product of a gated feed-forward layer on Hopper (sm_90a): y = (x · w₁ᵀ + b₁) · GELU(x · w₂ᵀ + b₂), so that what is
// gated, twice as large as the result, is never written.
//
// A block takes one tile after another: one thread fetches x and w, two warpgroups multiply 64 rows each. Two blocks, a
// cluster, work below each other and share what they fetch of w: one fetches the values' weights, the other one those of
// the gates, each for both.

//
// With FP8 both x and w are numbers of eight bits, of which a tile of the same bytes holds twice as many.

#define TILE_ROWS 128
// Halves of a row of a tile.
#define TILE_WIDTH 64

// x times the normal distribution's Φ(x), by a polynomial for log₂ Φ(-|x|): wrong by at most 2.2e-7.
__device__ __forceinline__ float gelu(float x) {
    const float a = fminf(fabsf(x), 6.4f);
    float log = 2.1784599e-7f;
    log = fmaf(log, a, 3.0887772e-5f);
    log = fmaf(log, a, -7.5433590e-4f);
    log = fmaf(log, a, 8.0192341e-3f);
    log = fmaf(log, a, -5.3283088e-2f);
    log = fmaf(log, a, -4.5889765e-1f);
    log = fmaf(log, a, -1.1511507f);
    log = fmaf(log, a, -9.9999893e-1f);
    const float share = exp2_fast(log);
    return x * (x > 0.0f ? 1.0f - share : share);
}

// Arrives at the barrier in the same place of another block of the cluster.
__device__ __forceinline__ void arrive_at(Barrier barrier, u32 block) {
    asm volatile(
        "{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\n"
        "mbarrier.arrive.shared::cluster.b64 _, [there];\n}" ::"r"(barrier.address),
        "r"(block)
        : "memory");
}

__device__ __forceinline__ void meet_cluster() {
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// Fetches the map's box at (column, row); what lies beyond the matrix is zero.
__device__ __forceinline__ void fetch_box(half_bits *to, const TensorMap &map, int column, int row, Barrier barrier) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
            shared_address(to)),
        "l"(&map), "r"(column), "r"(row), "r"(barrier.address)
        : "memory");
}

// The same into the same place of both blocks of a cluster.
__device__ __forceinline__ void fetch_for_both(half_bits *to, const TensorMap &map, int column, int row, Barrier barrier) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
        "[%1, {%2, %3}], [%4], %5;" ::"r"(shared_address(to)),
        "l"(&map), "r"(column), "r"(row), "r"(barrier.address), "h"((unsigned short)3)
        : "memory");
}

__device__ __forceinline__ void store_box(const TensorMap &map, int column, int row, const half_bits *from) {
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(&map),
                 "r"(column), "r"(row), "r"(shared_address(from))
                 : "memory");
}

// Two numbers, at the place where this stands: the compiler would load them where they are needed, and wait there.
__device__ __forceinline__ u32 load_early(const half_bits *from) {
    u32 word;
    asm volatile("ld.global.nc.b32 %0, [%1];" : "=r"(word) : "l"(from));
    return word;
}

// COLUMNS of y per tile, a multiple of 64. Grid: whole clusters, as many as run at once; 384 threads. Weights and biases of
// the gates lie behind those of the values.
template <int COLUMNS, int STAGE_COUNT, bool FP8>
__device__ __forceinline__ void multiply_gated(const TensorMap &x, const TensorMap &w, const TensorMap &y,
                                               const half_bits *bias, float scale, int rows, int inputs, int outputs) {
    constexpr int WIDTH = 2 * COLUMNS, BOX = 64, TILE_INPUTS = FP8 ? 2 * TILE_WIDTH : TILE_WIDTH;
    constexpr int X_TILE = TILE_ROWS * TILE_WIDTH, STAGE = X_TILE + WIDTH * TILE_WIDTH;
    half_bits *result = memory + STAGE_COUNT * STAGE;

    // For each stage "is there" and "may be overwritten".
    __shared__ __align__(8) unsigned long long barriers[2 * STAGE_COUNT];
    auto there = [&](u32 step) { return Barrier(barriers + step % STAGE_COUNT); };
    auto consumed = [&](u32 step) { return Barrier(barriers + STAGE_COUNT + step % STAGE_COUNT); };
    auto round = [](u32 step) { return step / STAGE_COUNT & 1; };

    // The same for all lanes, which the compiler cannot see otherwise.
    const int warpgroup = __shfl_sync(0xffffffffu, threadIdx.x / 128, 0);
    const int warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
    const int block = blockIdx.x % 2;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGE_COUNT; ++stage) {
            there(stage).init(1);
            // Eight warps of each block.
            consumed(stage).init(16);
        }
        asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;" ::: "memory");
    }
    __syncthreads();
    meet_cluster();

    const int steps = (inputs + TILE_INPUTS - 1) / TILE_INPUTS;
    const int tiles_m = (rows + 2 * TILE_ROWS - 1) / (2 * TILE_ROWS), tiles_n = outputs / COLUMNS;
    const int tiles = tiles_m * tiles_n;
    // Tiles that are at work at the same time share rows and columns: bands of 1024 rows, column by column.
    constexpr int BAND = 4;
    auto first_row = [&](int tile) {
        const int band = tile / (BAND * tiles_n) * BAND, height = min(tiles_m - band, BAND);
        return ((band + tile % (BAND * tiles_n) % height) * 2 + block) * TILE_ROWS;
    };
    auto first_column = [&](int tile) {
        const int band = tile / (BAND * tiles_n) * BAND, height = min(tiles_m - band, BAND);
        return tile % (BAND * tiles_n) / height * COLUMNS;
    };

    u32 step = 0;
    if (warpgroup == 2) {
        // Registers go to those who multiply.
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x == 256) {
            for (int tile = blockIdx.x / 2; tile < tiles; tile += gridDim.x / 2) {
                const int row = first_row(tile), from = block * outputs + first_column(tile);
                for (int k = 0; k < steps; ++k, ++step) {
                    // The first time around nobody has to be waited for.
                    consumed(step).wait(round(step) ^ 1);
                    there(step).expect(STAGE * 2);
                    half_bits *x_tile = memory + step % STAGE_COUNT * STAGE;
                    half_bits *w_tile = x_tile + X_TILE + block * COLUMNS * TILE_WIDTH;
                    fetch_box(x_tile, x, k * TILE_INPUTS, row, there(step));
                    fetch_for_both(w_tile, w, k * TILE_INPUTS, from, there(step));
                }
            }
        }
        __syncwarp();
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        half_bits *own = result + warpgroup * 64 * COLUMNS;
        // Where two numbers of this lane lie in a box: rows of 64 numbers, swizzled as the accelerator does it.
        auto place = [&](int n, int half) {
            const u32 row = warp * 16 + half * 8 + lane / 4, column = n * 8 + lane % 4 * 2;
            u32 at = row * BOX * 2 + column % BOX * 2;
            at ^= (at >> 7 & 7) << 4;
            return reinterpret_cast<u32 *>(reinterpret_cast<char *>(own + column / BOX * BOX * 64) + at);
        };
        // Tells both blocks, which fetch for this one, that a stage is free.
        auto release = [&](u32 step) {
            if (lane < 2) arrive_at(consumed(step), lane);
        };
        auto meet_group = [&]() { asm volatile("bar.sync %0, 128;" ::"r"(1 + warpgroup) : "memory"); };
        float sums[WIDTH / 8][4];
        // Two numbers of the bias per eight columns.
        u32 biases[WIDTH / 8];
        for (int tile = blockIdx.x / 2; tile < tiles; tile += gridDim.x / 2) {
            const int row = first_row(tile), column = first_column(tile);
#pragma unroll
            for (int n = 0; n < WIDTH / 8; ++n) {
                const int from = n < COLUMNS / 8 ? n * 8 : outputs + n * 8 - COLUMNS;
                biases[n] = load_early(bias + column + from + lane % 4 * 2);
            }
            for (int k = 0; k < steps; ++k, ++step) {
                there(step).wait(round(step));
                const half_bits *x_tile = memory + step % STAGE_COUNT * STAGE;
                const unsigned long long x_at = tile_descriptor(x_tile + warpgroup * 64 * TILE_WIDTH);
                const unsigned long long w_at = tile_descriptor(x_tile + X_TILE);
                hold(sums);
                products_begin();
                // 16 inputs are 32 bytes, or 32 of eight bits.
#pragma unroll
                for (int part = 0; part < 4; ++part) {
                    if constexpr (FP8) {
                        multiply_fp8(sums, x_at + part * 2, w_at + part * 2, k + part);
                    } else {
                        multiply(sums, x_at + part * 2, w_at + part * 2, k + part);
                    }
                }
                products_commit();
                products_wait<1>();
                if (k > 0) release(step - 1);
            }
            products_wait<0>();
            hold(sums);
            release(step - 1);

            // The last result must have left.
            meet_group();
#pragma unroll
            for (int n = 0; n < COLUMNS / 8; ++n) {
                constexpr int TO_GATES = COLUMNS / 8;
                float values[2], gates[2];
                unpack_pair(biases[n], values);
                unpack_pair(biases[n + TO_GATES], gates);
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    float y[2];
#pragma unroll
                    for (int i = 0; i < 2; ++i) {
                        const int at = 2 * half + i;
                        y[i] = fmaf(sums[n][at], scale, values[i]) * gelu(fmaf(sums[n + TO_GATES][at], scale, gates[i]));
                    }
                    *place(n, half) = pack(y[0], y[1]);
                }
            }
            asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
            meet_group();
            if (threadIdx.x % 128 == 0) {
                for (int box = 0; box < COLUMNS / BOX; ++box) {
                    store_box(y, column + box * BOX, row + warpgroup * 64, own + box * BOX * 64);
                }
                asm volatile("cp.async.bulk.commit_group;\ncp.async.bulk.wait_group.read 0;" ::: "memory");
            }
            __syncwarp();
        }
        // The next kernel reads what was stored.
        if (threadIdx.x % 128 == 0) asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
        __syncwarp();
    }
    // Nobody leaves while the other one still fetches for it or tells it something.
    meet_cluster();
}

#define GATED_PRODUCT(NAME, COLUMNS, STAGE_COUNT)                                                                      \
    extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)                                     \
        NAME(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w,                                 \
             const __grid_constant__ TensorMap y, const half_bits *bias, int rows, int inputs, int outputs) {          \
        multiply_gated<COLUMNS, STAGE_COUNT, false>(x, w, y, bias, 1.0f, rows, inputs, outputs);                       \
    }                                                                                                                  \
    extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)                                     \
        NAME##_fp8(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w,                           \
                   const __grid_constant__ TensorMap y, const half_bits *bias, const float *scales, int rows,          \
                   int inputs, int outputs) {                                                                          \
        const float scale = scales[4] * scales[8];                                                                     \
        multiply_gated<COLUMNS, STAGE_COUNT, true>(x, w, y, bias, scale, rows, inputs, outputs);                       \
    }

GATED_PRODUCT(gated_product_64, 64, 6)
GATED_PRODUCT(gated_product_128, 128, 4)
