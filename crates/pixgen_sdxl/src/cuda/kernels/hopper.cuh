// What kernels for Hopper (sm_90a) share: barriers that count bytes, the tensor memory accelerator, and products of
// warpgroups (`wgmma`). `multiply(c, a, b, add)` itself comes from `kernels.rs`, one for each width.
//
// Tiles are 64 numbers wide, 128 bytes a row, in the order that wgmma and the accelerator call "128 byte swizzle".

// What the driver encodes for the tensor memory accelerator: a tensor (image, head, token, channel), or a matrix.
struct alignas(64) TensorMap {
    unsigned long long opaque[16];
};

// Barriers in shared memory that count arrivals and bytes.
struct Barrier {
    u32 address;

    __device__ __forceinline__ explicit Barrier(unsigned long long *p) : address(shared_address(p)) {}
    __device__ __forceinline__ void init(u32 arrivals) const {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address), "r"(arrivals) : "memory");
    }
    __device__ __forceinline__ void arrive() const {
        asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address) : "memory");
    }
    __device__ __forceinline__ void expect(u32 bytes) const {
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address), "r"(bytes) : "memory");
    }
    __device__ __forceinline__ void wait(u32 parity) const {
        u32 done;
        do {
            asm volatile(
                "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                : "=r"(done)
                : "r"(address), "r"(parity)
                : "memory");
        } while (!done);
    }
};

// Fetches the map's box at (column, row) of an image's head, or of a matrix; what lies beyond its edges is zero.
__device__ __forceinline__ void fetch(half_bits *to, const TensorMap &map, int column, int row, int head, int image,
                                      Barrier barrier) {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], "
        "[%6];" ::"r"(shared_address(to)),
        "l"(&map), "r"(column), "r"(row), "r"(head), "r"(image), "r"(barrier.address)
        : "memory");
}

// The descriptor of a tile with rows of 128 bytes: eight rows are 1024 bytes.
__device__ __forceinline__ unsigned long long tile_descriptor(const half_bits *tile) {
    const unsigned long long address = (shared_address(tile) & 0x3ffff) >> 4;
    return address | (1ull << 16) | (64ull << 32) | (1ull << 62);
}

__device__ __forceinline__ void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int PENDING> __device__ __forceinline__ void products_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

#if HALF_IS_BF16
#define PRODUCT_TYPES "f32.bf16.bf16"
#else
#define PRODUCT_TYPES "f32.f16.f16"
#endif

// Keeps the compiler from moving registers that a product writes in the background.
template <int ROWS> __device__ __forceinline__ void hold(float (&c)[ROWS][4]) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) asm volatile("" : "+f"(c[i][j])::"memory");
    }
}
