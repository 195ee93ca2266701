// Kernels that touch each value once: activations, sums, copies into other shapes. At most 2³² octets each.

// (rows, 2n), values first and gates second → (rows, n): value · GELU(gate), the exact GELU.
extern "C" __global__ void geglu(const half_bits *x, half_bits *y, int rows, int n) {
    const u32 octets = n / 8, count = rows * octets;
#pragma unroll 2
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < count; at += gridDim.x * blockDim.x) {
        const u32 row = at / octets, channel = at % octets * 8;
        float values[8], gates[8];
        unpack(octet_at(x + (size_t)row * 2 * n + channel), values);
        unpack(octet_at(x + (size_t)row * 2 * n + n + channel), gates);
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] *= 0.5f * gates[i] * (1.0f + erff(gates[i] * 0.70710678f));
        octet_at(y + (size_t)row * n + channel) = pack(values);
    }
}

// y = x + bias + residual, (rows, channels) each. `y` may be `x`.
extern "C" __global__ void add_bias_and_residual(const half_bits *x, const half_bits *bias, const half_bits *residual,
                                                 half_bits *y, int rows, int channels) {
    const u32 octets = channels / 8, count = rows * octets;
#pragma unroll 2
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < count; at += gridDim.x * blockDim.x) {
        float sum[8], other[8];
        unpack(octet_at(x + (size_t)at * 8), sum);
        unpack(octet_at(bias + at % octets * 8), other);
#pragma unroll
        for (int i = 0; i < 8; ++i) sum[i] += other[i];
        unpack(octet_at(residual + (size_t)at * 8), other);
#pragma unroll
        for (int i = 0; i < 8; ++i) sum[i] += other[i];
        octet_at(y + (size_t)at * 8) = pack(sum);
    }
}

// Adds a bias to (rows, channels) in place.
extern "C" __global__ void add_bias(half_bits *x, const half_bits *bias, int rows, int channels) {
    const u32 octets = channels / 8, count = rows * octets;
#pragma unroll 2
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < count; at += gridDim.x * blockDim.x) {
        float sum[8], other[8];
        unpack(octet_at(x + (size_t)at * 8), sum);
        unpack(octet_at(bias + at % octets * 8), other);
#pragma unroll
        for (int i = 0; i < 8; ++i) sum[i] += other[i];
        octet_at(x + (size_t)at * 8) = pack(sum);
    }
}

// Enlarges channels-last images by nearest neighbour, with a border of `pad` cells (zeros, or the opposite edge).
// The same size with a border is a padded copy. Grid: (any, images).
extern "C" __global__ void enlarge(const half_bits *x, half_bits *y, int height, int width, int out_height,
                                   int out_width, int channels, int pad, int wrap_x, int wrap_y) {
    const u32 octets = channels / 8, padded_width = out_width + 2 * pad;
    const u32 count = (out_height + 2 * pad) * padded_width * octets;
    x += (size_t)blockIdx.y * height * width * channels;
    y += (size_t)blockIdx.y * count * 8;
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < count; at += gridDim.x * blockDim.x) {
        const int octet = at % octets;
        const u32 pixel = at / octets;
        const int row = cell((int)(pixel / padded_width) - pad, out_height, wrap_y);
        const int column = cell((int)(pixel % padded_width) - pad, out_width, wrap_x);
        Octet value = {};
        if (row >= 0 && column >= 0) {
            const size_t from = (size_t)(row * height / out_height) * width + column * width / out_width;
            value = octet_at(x + from * channels + octet * 8);
        }
        octet_at(y + (size_t)at * 8) = value;
    }
}

// The columns of a 3×3 convolution, for output rows [first, first + rows): (pixels, 9 · channels), taps before
// channels, as channels-last weights lie. `height` and `width` are the input's. Grid: any; `images` images.
extern "C" __global__ void columns(const half_bits *x, half_bits *y, int images, int height, int width, int channels,
                                   int out_width, int first, int rows, int stride, int pad_before) {
    const u32 octets = channels / 8, count = images * rows * out_width * 9 * octets;
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < count; at += gridDim.x * blockDim.x) {
        const int octet = at % octets;
        const u32 rest = at / octets;
        const int tap = rest % 9;
        const u32 pixel = rest / 9;
        const int out_column = pixel % out_width, out_row = first + pixel / out_width % rows;
        const int image = pixel / out_width / rows;
        const int row = out_row * stride - pad_before + tap / 3, column = out_column * stride - pad_before + tap % 3;
        Octet value = {};
        if (row >= 0 && row < height && column >= 0 && column < width) {
            value = octet_at(x + (((size_t)image * height + row) * width + column) * channels + octet * 8);
        }
        octet_at(y + (size_t)at * 8) = value;
    }
}

// Softmax of scale · x, (rows, columns) in f32. One block of 256 threads per row.
extern "C" __global__ void softmax_rows(const float *x, half_bits *y, int rows, int columns, float scale) {
    __shared__ float shared[8];
    const int row = blockIdx.x;
    x += (size_t)row * columns;
    y += (size_t)row * columns;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    float largest = -INFINITE;
    for (int i = threadIdx.x; i < columns; i += 256) largest = fmaxf(largest, x[i]);
    largest = warp_max(largest);
    if (lane == 0) shared[warp] = largest;
    __syncthreads();
    largest = warp_max(shared[lane % 8]);
    __syncthreads();
    float total = 0.0f;
    for (int i = threadIdx.x; i < columns; i += 256) total += __expf((x[i] - largest) * scale);
    total = warp_sum(total);
    if (lane == 0) shared[warp] = total;
    __syncthreads();
    total = 0.0f;
#pragma unroll
    for (int i = 0; i < 8; ++i) total += shared[i];
    const float inverse = 1.0f / total;
    for (int i = threadIdx.x; i < columns; i += 256) y[i] = to_half(__expf((x[i] - largest) * scale) * inverse);
}
