// Numbers of eight bits (e4m3: four bits of exponent, three of mantissa, up to 448) for linear layers behind layer norms:
// cards of compute capability 8.9 and later multiply them twice as fast.
//
// A layer's weights are divided by `scales[WEIGHT]`, what its norm gives by `scales[INPUT]`; each has 16 bytes of its own.

#define LARGEST 448.0f
#define WEIGHT 4
#define INPUT 8

// Eight of them, the first in the lowest bits.
__device__ __forceinline__ uint2 pack_fp8(const float *x) {
    uint2 y;
    asm("{\n.reg .b16 a, b, c, d;\n"
        "cvt.rn.satfinite.e4m3x2.f32 a, %3, %2;\ncvt.rn.satfinite.e4m3x2.f32 b, %5, %4;\n"
        "cvt.rn.satfinite.e4m3x2.f32 c, %7, %6;\ncvt.rn.satfinite.e4m3x2.f32 d, %9, %8;\n"
        "mov.b32 %0, {a, b};\nmov.b32 %1, {c, d};\n}"
        : "=r"(y.x), "=r"(y.y)
        : "f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3]), "f"(x[4]), "f"(x[5]), "f"(x[6]), "f"(x[7]));
    return y;
}

// The largest magnitude of `octets` times eight weights, as the bits of a float, which order like the floats themselves.
// `largest` holds zero before.
extern "C" __global__ void fp8_largest(const half_bits *x, u32 *largest, int octets) {
    float most = 0.0f, values[8];
    for (int at = blockIdx.x * blockDim.x + threadIdx.x; at < octets; at += gridDim.x * blockDim.x) {
        unpack(octet_at(x + (size_t)at * 8), values);
#pragma unroll
        for (int i = 0; i < 8; ++i) most = fmaxf(most, fabsf(values[i]));
    }
    most = warp_max(most);
    if (threadIdx.x % 32 == 0) atomicMax(largest, __float_as_uint(most));
}

// The weights of a layer; its largest one becomes the largest number there is.
extern "C" __global__ void fp8_weights(const half_bits *x, uint2 *y, float *scales, int octets) {
    const float scale = fmaxf(scales[0], 1e-20f) / LARGEST, inverse = 1.0f / scale;
    if (blockIdx.x == 0 && threadIdx.x == 0) scales[WEIGHT] = scale;
    float values[8];
    for (int at = blockIdx.x * blockDim.x + threadIdx.x; at < octets; at += gridDim.x * blockDim.x) {
        unpack(octet_at(x + (size_t)at * 8), values);
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] *= inverse;
        y[at] = pack_fp8(values);
    }
}

// The scale of what a layer norm gives. No number of a normalised row can be larger than the square root of its length,
// so the bound of the results is known from the norm's weights alone: none is ever cut off. One warp.
extern "C" __global__ void fp8_norm_scale(const half_bits *gamma, const half_bits *beta, float *scales, int channels) {
    const float longest = sqrtf((float)channels);
    float most = 0.0f;
    for (int i = threadIdx.x; i < channels; i += 32) {
        most = fmaxf(most, longest * fabsf(to_float(gamma[i])) + fabsf(to_float(beta[i])));
    }
    most = warp_max(most);
    if (threadIdx.x == 0) scales[INPUT] = fmaxf(most, 1e-20f) / LARGEST;
}

// As layer_norm.
extern "C" __global__ void layer_norm_fp8(const half_bits *x, const half_bits *gamma, const half_bits *beta, uint2 *y,
                                          const float *scales, int rows, int channels, float eps) {
    const float inverse = 1.0f / scales[INPUT];
    layer_norm_rows(x, gamma, beta, rows, channels, eps, [&](size_t at, const float *values) {
        float scaled[8];
#pragma unroll
        for (int i = 0; i < 8; ++i) scaled[i] = values[i] * inverse;
        y[at / 8] = pack_fp8(scaled);
    });
}
