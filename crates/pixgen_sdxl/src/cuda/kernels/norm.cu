// Group and layer normalisation of channels-last tensors.

// One image of a group norm's input: channels [0, c1) come from `a`, the rest from `b` (a skip connection), as if they
// had been concatenated. `shift` is added to the channels of `a`, per image (a time embedding); it may be null.
struct Channels {
    const half_bits *a;
    const half_bits *b;
    const float *shift;
    int c1, c2;

    __device__ __forceinline__ void at_image(int image, int pixels) {
        a += (size_t)image * pixels * c1;
        b += (size_t)image * pixels * c2;
        if (shift) shift += (size_t)image * c1;
    }
    __device__ __forceinline__ float raw(int pixel, int channel) const {
        return to_float(channel < c1 ? a[(size_t)pixel * c1 + channel] : b[(size_t)pixel * c2 + channel - c1]);
    }
    __device__ __forceinline__ void load(int pixel, int channel, float *values) const {
        unpack(channel < c1 ? octet_at(a + (size_t)pixel * c1 + channel)
                            : octet_at(b + (size_t)pixel * c2 + channel - c1),
               values);
    }
    __device__ __forceinline__ void load_shift(int channel, float *values) const {
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] = shift && channel < c1 ? shift[channel + i] : 0.0f;
    }
};

// Statistics: moments[image][group] = (mean, 1 / deviation), by way of partial sums per slab of pixels: sums of the
// values and of their squares, less a pivot (the group's first value), which keeps the difference of squares exact. The
// last block of an image adds the slabs up, in their order, so that the result is the same every time.
//
// Block: (octets of channels, rows of pixels); grid: (slabs, images). Shared: 2 · rows · channels floats. `finished` holds
// zeros, one per image.
extern "C" __global__ void group_norm_moments(const half_bits *a, const half_bits *b, const float *shift,
                                              float2 *partials, u32 *finished, float2 *moments, int pixels, int c1,
                                              int c2, int groups, float eps) {
    float *shared = reinterpret_cast<float *>(memory);
    __shared__ u32 is_last;
    Channels x = {a, b, shift, c1, c2};
    x.at_image(blockIdx.y, pixels);
    const int channels = c1 + c2, per_group = channels / groups;
    const int channel = threadIdx.x * 8, rows = blockDim.y, slabs = gridDim.x;
    float pivot[8], shifts[8], sum[8], squares[8], values[8];
    x.load_shift(channel, shifts);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        pivot[i] = x.raw(0, (channel + i) / per_group * per_group);
        sum[i] = squares[i] = 0.0f;
    }
    const int per_slab = (pixels + slabs - 1) / slabs;
    const int first = blockIdx.x * per_slab, end = min(first + per_slab, pixels);
#pragma unroll 4
    for (int pixel = first + threadIdx.y; pixel < end; pixel += rows) {
        x.load(pixel, channel, values);
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const float v = values[i] + shifts[i] - pivot[i];
            sum[i] += v;
            squares[i] += v * v;
        }
    }
    float *sums = shared, *sums_of_squares = shared + rows * channels;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        sums[threadIdx.y * channels + channel + i] = sum[i];
        sums_of_squares[threadIdx.y * channels + channel + i] = squares[i];
    }
    __syncthreads();
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, warps = blockDim.x * rows / 32;
    const int warp = thread / 32, lane = thread % 32;
    for (int group = warp; group < groups && warp < warps; group += warps) {
        float total = 0.0f, total_squares = 0.0f;
        for (int row = 0; row < rows; ++row) {
            for (int i = lane; i < per_group; i += 32) {
                const int at = row * channels + group * per_group + i;
                total += sums[at];
                total_squares += sums_of_squares[at];
            }
        }
        total = warp_sum(total);
        total_squares = warp_sum(total_squares);
        if (lane == 0) partials[(blockIdx.y * slabs + blockIdx.x) * groups + group] = make_float2(total, total_squares);
    }
    __threadfence();
    __syncthreads();
    if (thread == 0) is_last = atomicAdd(finished + blockIdx.y, 1u) == slabs - 1;
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    for (int group = warp; group < groups && warp < warps; group += warps) {
        float total = 0.0f, total_squares = 0.0f;
        for (int slab = lane; slab < slabs; slab += 32) {
            const float2 partial = __ldcg(partials + (blockIdx.y * slabs + slab) * groups + group);
            total += partial.x;
            total_squares += partial.y;
        }
        const float count = (float)pixels * per_group;
        const float mean = warp_sum(total) / count;
        const float variance = fmaxf(warp_sum(total_squares) / count - mean * mean, 0.0f);
        if (lane == 0) {
            moments[blockIdx.y * groups + group] =
                make_float2(mean + x.raw(0, group * per_group), rsqrtf(variance + eps));
        }
    }
}

// The normalised image, with SiLU if asked for. `y` has `pad` more cells on every side, which hold zeros or, along axes
// that wrap, the cells of the opposite edge.
//
// Block: (octets of channels, rows of pixels); grid: (any, images).
extern "C" __global__ void group_norm(const half_bits *a, const half_bits *b, const float *shift,
                                      const float2 *moments, const half_bits *gamma, const half_bits *beta,
                                      half_bits *y, int height, int width, int c1, int c2, int groups, int with_silu,
                                      int pad, int wrap_x, int wrap_y) {
    Channels x = {a, b, shift, c1, c2};
    x.at_image(blockIdx.y, height * width);
    const int channels = c1 + c2, per_group = channels / groups;
    const int channel = threadIdx.x * 8;
    float scale[8], offset[8], values[8];
    x.load_shift(channel, offset);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const float2 moment = moments[blockIdx.y * groups + (channel + i) / per_group];
        scale[i] = moment.y * to_float(gamma[channel + i]);
        offset[i] = (offset[i] - moment.x) * scale[i] + to_float(beta[channel + i]);
    }
    const int padded_width = width + 2 * pad, cells = (height + 2 * pad) * padded_width;
    y += (size_t)blockIdx.y * cells * channels + channel;
#pragma unroll 4
    for (int at = blockIdx.x * blockDim.y + threadIdx.y; at < cells; at += gridDim.x * blockDim.y) {
        int pixel = at;
        if (pad) {
            const int row = cell(at / padded_width - pad, height, wrap_y);
            const int column = cell(at % padded_width - pad, width, wrap_x);
            pixel = row < 0 || column < 0 ? -1 : row * width + column;
        }
        if (pixel < 0) {
            octet_at(y + (size_t)at * channels) = Octet{};
            continue;
        }
        x.load(pixel, channel, values);
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const float v = values[i] * scale[i] + offset[i];
            values[i] = with_silu ? silu(v) : v;
        }
        octet_at(y + (size_t)at * channels) = pack(values);
    }
}

// Layer normalisation of rows of up to 8 · 32 · 8 channels: `store` gets eight results and where the first one belongs.
// One warp per row; block: 128 threads.
template <typename Store>
__device__ __forceinline__ void layer_norm_rows(const half_bits *x, const half_bits *gamma, const half_bits *beta, int rows,
                                                int channels, float eps, Store store) {
    const int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    x += (size_t)row * channels;
    // All loads before the first use, so that they are on their way together.
    Octet raw[8];
#pragma unroll
    for (int part = 0; part < 8; ++part) {
        const int channel = (part * 32 + lane) * 8;
        raw[part] = channel < channels ? octet_at(x + channel) : Octet{};
    }
    float values[8][8];
    float total = 0.0f;
#pragma unroll
    for (int part = 0; part < 8; ++part) {
        unpack(raw[part], values[part]);
#pragma unroll
        for (int i = 0; i < 8; ++i) total += values[part][i];
    }
    const float mean = warp_sum(total) / channels;
    float squares = 0.0f;
#pragma unroll
    for (int part = 0; part < 8; ++part) {
        if ((part * 32 + lane) * 8 < channels) {
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                values[part][i] -= mean;
                squares += values[part][i] * values[part][i];
            }
        }
    }
    const float inverse = rsqrtf(warp_sum(squares) / channels + eps);
#pragma unroll
    for (int part = 0; part < 8; ++part) {
        const int channel = (part * 32 + lane) * 8;
        if (channel < channels) {
            float weights[8], biases[8];
            unpack(octet_at(gamma + channel), weights);
            unpack(octet_at(beta + channel), biases);
#pragma unroll
            for (int i = 0; i < 8; ++i) values[part][i] = values[part][i] * inverse * weights[i] + biases[i];
            store((size_t)row * channels + channel, values[part]);
        }
    }
}

extern "C" __global__ void layer_norm(const half_bits *x, const half_bits *gamma, const half_bits *beta, half_bits *y,
                                      int rows, int channels, float eps) {
    layer_norm_rows(x, gamma, beta, rows, channels, eps,
                    [&](size_t at, const float *values) { octet_at(y + at) = pack(values); });
}
