// The first and the last convolution, between f32 images with few channels, channels first, and channels-last features.

// 3×3 convolution of (images, inputs, h, w) in f32 into (images, h, w, outputs). Weights channels-last:
// (outputs, 3, 3, inputs). Grid: (any, images), block: 256. Shared: 9 · inputs · outputs halves.
extern "C" __global__ void convolve_in(const float *x, const half_bits *weight, const half_bits *bias, half_bits *y,
                                       int height, int width, int inputs, int outputs, int wrap_x, int wrap_y) {
    half_bits *taps = memory;
    for (int i = threadIdx.x; i < 9 * inputs * outputs; i += blockDim.x) {
        // From (output, tap, input) to (tap, input, output).
        taps[i % (9 * inputs) * outputs + i / (9 * inputs)] = weight[i];
    }
    __syncthreads();
    const u32 octets = outputs / 8, count = height * width * octets;
    x += (size_t)blockIdx.y * inputs * height * width;
    y += (size_t)blockIdx.y * count * 8;
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < count; at += gridDim.x * blockDim.x) {
        const int channel = at % octets * 8, pixel = at / octets;
        float sums[8], weights[8];
        unpack(octet_at(bias + channel), sums);
        for (int tap = 0; tap < 9; ++tap) {
            const int row = cell(pixel / width + tap / 3 - 1, height, wrap_y);
            const int column = cell(pixel % width + tap % 3 - 1, width, wrap_x);
            if (row < 0 || column < 0) continue;
            for (int input = 0; input < inputs; ++input) {
                const float value = x[((size_t)input * height + row) * width + column];
                unpack(octet_at(taps + (tap * inputs + input) * outputs + channel), weights);
#pragma unroll
                for (int i = 0; i < 8; ++i) sums[i] += value * weights[i];
            }
        }
        octet_at(y + (size_t)at * 8) = pack(sums);
    }
}

// 3×3 convolution of (images, h, w, inputs) into (images, outputs, h, w) in f32, at most 4 outputs. Weights
// channels-last: (outputs, 3, 3, inputs). One warp per pixel. Grid: (any, images), block: 256. Shared: 9 · inputs ·
// outputs halves.
extern "C" __global__ void convolve_out(const half_bits *x, const half_bits *weight, const half_bits *bias, float *y,
                                        int height, int width, int inputs, int outputs, int wrap_x, int wrap_y) {
    half_bits *taps = memory;
    for (int i = threadIdx.x; i < 9 * inputs * outputs / 8; i += blockDim.x) octet_at(taps + i * 8) = octet_at(weight + i * 8);
    __syncthreads();
    const int octets = inputs / 8, lane = threadIdx.x % 32, pixels = height * width;
    x += (size_t)blockIdx.y * pixels * inputs;
    y += (size_t)blockIdx.y * pixels * outputs;
    const int warps = gridDim.x * (blockDim.x / 32);
    for (int pixel = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; pixel < pixels; pixel += warps) {
        float sums[4] = {};
        for (int i = lane; i < 9 * octets; i += 32) {
            const int tap = i / octets, channel = i % octets * 8;
            const int row = cell(pixel / width + tap / 3 - 1, height, wrap_y);
            const int column = cell(pixel % width + tap % 3 - 1, width, wrap_x);
            if (row < 0 || column < 0) continue;
            float values[8], weights[8];
            unpack(octet_at(x + ((size_t)row * width + column) * inputs + channel), values);
#pragma unroll
            for (int output = 0; output < 4; ++output) {
                if (output < outputs) {
                    unpack(octet_at(taps + (output * 9 + tap) * inputs + channel), weights);
#pragma unroll
                    for (int j = 0; j < 8; ++j) sums[output] += values[j] * weights[j];
                }
            }
        }
#pragma unroll
        for (int output = 0; output < 4; ++output) {
            if (output < outputs) {
                const float sum = warp_sum(sums[output]);
                if (lane == 0) y[(size_t)output * pixels + pixel] = sum + to_float(bias[output]);
            }
        }
    }
}
