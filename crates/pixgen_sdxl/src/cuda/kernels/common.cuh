// What all kernels share: 16-bit floats without any header, so that NVRTC needs no include path.
//
// HALF_IS_BF16 is 0 or 1. Arithmetic is f32 everywhere; values are rounded when they are stored.

typedef unsigned short half_bits;
typedef unsigned int u32;

// Channels of an attention head.
#define HEAD_DIM 64
#define INFINITE __int_as_float(0x7f800000)

struct alignas(16) Octet {
    u32 words[4];
};

__device__ __forceinline__ float to_float(half_bits x) {
#if HALF_IS_BF16
    return __uint_as_float((u32)x << 16);
#else
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
#endif
}

__device__ __forceinline__ half_bits to_half(float x) {
    half_bits y;
#if HALF_IS_BF16
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
#endif
    return y;
}

// Two values in one word, the first in the lower half.
__device__ __forceinline__ u32 pack(float first, float second) {
    u32 y;
#if HALF_IS_BF16
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(second), "f"(first));
#else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(second), "f"(first));
#endif
    return y;
}

__device__ __forceinline__ void unpack_pair(u32 word, float *values) {
    values[0] = to_float((half_bits)(word & 0xffff));
    values[1] = to_float((half_bits)(word >> 16));
}

__device__ __forceinline__ void unpack(const Octet &octet, float *values) {
#pragma unroll
    for (int i = 0; i < 4; ++i) unpack_pair(octet.words[i], values + 2 * i);
}

__device__ __forceinline__ Octet pack(const float *values) {
    Octet octet;
#pragma unroll
    for (int i = 0; i < 4; ++i) octet.words[i] = pack(values[2 * i], values[2 * i + 1]);
    return octet;
}

__device__ __forceinline__ const Octet &octet_at(const half_bits *p) { return *reinterpret_cast<const Octet *>(p); }
__device__ __forceinline__ Octet &octet_at(half_bits *p) { return *reinterpret_cast<Octet *>(p); }

__device__ __forceinline__ float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

__device__ __forceinline__ float silu(float x) { return x / (1.0f + __expf(-x)); }

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) x += __shfl_xor_sync(0xffffffffu, x, offset);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
    return x;
}

// The cell of an image of `size` that lies at `at`, or -1 beyond an edge that does not meet the opposite one.
__device__ __forceinline__ int cell(int at, int size, int wraps) {
    if (at >= 0 && at < size) return at;
    return wraps ? (at + size) % size : -1;
}

// The dynamic shared memory of whichever kernel runs.
extern __shared__ __align__(1024) half_bits memory[];
