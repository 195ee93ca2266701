// The time embedding of a step: everything that depends on the timestep alone.

// The sinusoidal embedding of one number (Vaswani et al. 2017), `dim` values.
extern "C" __global__ void sinusoid(const float *timestep, float *y, int dim, int cosines_first, float frequency_shift) {
    const int half = dim / 2;
    for (int i = threadIdx.x; i < dim; i += blockDim.x) {
        if (i >= 2 * half) {
            y[i] = 0.0f;
            continue;
        }
        const int at = i % half;
        const float frequency = expf(-9.210340371976184f * at / (half - frequency_shift));
        const float angle = *timestep * frequency;
        y[i] = (i < half) == (cosines_first != 0) ? cosf(angle) : sinf(angle);
    }
}

// A product of few rows: what one launch computes for every output of one layer.
struct Product {
    const half_bits *weight;  // (outputs, inputs)
    const half_bits *bias;    // (outputs) or null
    const half_bits *bias2;   // (outputs) or null
    float *y;                 // (rows, outputs)
    int outputs;
    int first;                // first output of this layer among those of the launch
};

// y = x · wᵀ + bias + bias2 + added, with SiLU if asked for; x (x_rows, inputs) in f32, one row for all if x_rows is 1.
// `added` (rows, outputs) may be null and belongs to launches of one layer. One warp per output; block: 128 threads.
extern "C" __global__ void products(const Product *layers, int count, int outputs, const float *x, int x_rows,
                                    const half_bits *added, int rows, int inputs, int with_silu) {
    const int output = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (output >= outputs) return;
    int at = 0;
    while (at + 1 < count && layers[at + 1].first <= output) ++at;
    const Product layer = layers[at];
    const int n = output - layer.first;
    const half_bits *weight = layer.weight + (size_t)n * inputs;
    const float bias = (layer.bias ? to_float(layer.bias[n]) : 0.0f) + (layer.bias2 ? to_float(layer.bias2[n]) : 0.0f);
    for (int row = 0; row < rows; ++row) {
        const float *in = x + (x_rows == 1 ? 0 : (size_t)row * inputs);
        float total = 0.0f;
        for (int k = lane * 8; k < inputs; k += 256) {
            float weights[8];
            unpack(octet_at(weight + k), weights);
#pragma unroll
            for (int i = 0; i < 8; ++i) total += weights[i] * in[k + i];
        }
        total = warp_sum(total) + bias;
        if (lane == 0) {
            if (added) total += to_float(added[(size_t)row * outputs + n]);
            layer.y[(size_t)row * layer.outputs + n] = with_silu ? silu(total) : total;
        }
    }
}
