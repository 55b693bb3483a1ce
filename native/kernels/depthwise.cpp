// Convolution of each channel with a kernel of its own (groups = channels = filters), and its two gradients.
//
// Lanes are channels, so that inputs, weights and outputs are vectors; a tile is some neighbouring pixels of a line. As for
// other convolutions, Python turns stride, padding and dilation into `runs`: the distance of each tap from a pixel.
#include "../images.hpp"
#include "../kernels.hpp"
#include "../tile.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

constexpr int64_t NEAR = 8192;  // floats that stay in the first-level cache
constexpr int MOST_TAPS = 9;    // whose sums stay in registers

struct Packing {
    Address weights, packed;
    int64_t channels, taps;  // weight (channel, k) is at channel · taps + k
};
struct Correlation {
    View x, y;
    Address mask, packed, bias;
    int64_t stride_h, stride_w, relu, accumulate;
};
struct Sums {
    View x, d;
    Address dW;
    int64_t stride_h, stride_w;
};

int64_t rounded_up(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }

// Some neighbouring pixels of a line of outputs, all channels.
struct Stretch {
    const float* x;
    float* y;
    const float *mask, *w, *bias;  // w: (vectors, taps, lanes)
    int64_t channels, x_pixel, x_step, y_pixel, taps;
    const int64_t* runs;
    bool relu, accumulate;
};

// Where taps come in groups of `width` neighbouring pixels (0: they do not), each input is loaded once for all of them.
template <int R, int width, int stride>
void stretch(const Stretch& t) {
    over_vectors(t.channels, [&](int64_t c, int lanes) {
        const float* w = t.w + c * t.taps;
        Vector acc[R] = {};
        if constexpr (width == 0) {
            for (int64_t k = 0; k < t.taps; k++) {
                const Vector b = load(w + k * LANES);
                const float* x = t.x + t.runs[k] + c;
#pragma GCC unroll 8
                for (int m = 0; m < R; m++) acc[m] += load(x + m * t.x_step) * b;
            }
        } else {
            for (int64_t k = 0; k < t.taps; k += width) {
                const float* x = t.x + t.runs[k] + c;
                Vector b[width];
#pragma GCC unroll 8
                for (int j = 0; j < width; j++) b[j] = load(w + (k + j) * LANES);
#pragma GCC unroll 32
                for (int q = 0; q < (R - 1) * stride + width; q++) {
                    const Vector v = load(x + q * t.x_pixel);
#pragma GCC unroll 8
                    for (int j = 0; j < width; j++)
                        if (q >= j && (q - j) % stride == 0 && (q - j) / stride < R) acc[(q - j) / stride] += v * b[j];
                }
            }
        }
#pragma GCC unroll 8
        for (int m = 0; m < R; m++) {
            Vector a = acc[m];
            float* y = t.y + m * t.y_pixel + c;
            if (t.bias) a += load_part(t.bias + c, lanes);
            if (t.accumulate) a += load_part(y, lanes);
            if (t.relu) a = positive(a);
            if (t.mask) a = load_part(t.mask + m * t.y_pixel + c, lanes) > 0.0f ? a : Vector{};
            store_part(y, a, lanes);
        }
    });
}

using Function = void (*)(const Stretch&);
using Functions = std::array<Function, ROWS>;  // by the number of pixels

template <int width, int stride>
const Functions& functions() {
    static const Functions made = []<int... I>(std::integer_sequence<int, I...>) {
        return Functions{stretch<I + 1, width, stride>...};
    }(std::make_integer_sequence<int, ROWS>{});
    return made;
}

// How many taps follow each other, a pixel apart, all through the list: 5, 3, 2 or 0.
int width_of(const int64_t* runs, int64_t taps, int64_t pixel) {
    for (const int width : {5, 3, 2}) {
        bool joined = taps % width == 0 && taps > 0;
        for (int64_t k = 0; joined && k < taps; k++) joined = k % width == 0 || runs[k] == runs[k - 1] + pixel;
        if (joined) return width;
    }
    return 0;
}

const Functions& functions_for(int width, int64_t stride) {
    if (stride == 1 && width == 5) return functions<5, 1>();
    if (stride == 1 && width == 3) return functions<3, 1>();
    if (stride == 1 && width == 2) return functions<2, 1>();
    if (stride == 2 && width == 5) return functions<5, 2>();
    if (stride == 2 && width == 3) return functions<3, 2>();
    return functions<0, 1>();
}

}  // namespace

// packed (vectors, taps, lanes) = the taps at k_offsets, zeros beyond the last channel.
void pack_channels(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Packing*>(arguments);
    const int64_t* k_offset = arguments + sizeof(Packing) / 8;
    const int64_t used = count - int64_t(sizeof(Packing) / 8);
    const float* weights = context.at(a.weights);
    float* packed = context.at(a.packed);
    for (int64_t c = 0; c < rounded_up(a.channels); c++)
        for (int64_t k = 0; k < used; k++)
            packed[(c / LANES * used + k) * LANES + c % LANES] =
                c < a.channels ? weights[c * a.taps + k_offset[k]] : 0.0f;
}

void correlate_channels(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Correlation*>(arguments);
    const int64_t* runs = arguments + sizeof(Correlation) / 8;
    const int64_t taps = count - int64_t(sizeof(Correlation) / 8);
    const float *x = context.at(a.x.at), *mask = context.at(a.mask);
    float* y = context.at(a.y.at);
    const Functions& rows = functions_for(width_of(runs, taps, a.x.pixel), a.stride_w);
    Stretch common{};
    common.w = context.at(a.packed);
    common.bias = context.at(a.bias);
    common.channels = a.y.c;
    common.x_pixel = a.x.pixel;
    common.x_step = a.stride_w * a.x.pixel;
    common.y_pixel = a.y.pixel;
    common.taps = taps;
    common.runs = runs;
    common.relu = a.relu;
    common.accumulate = a.accumulate;
    in_parts(context, context.n * a.y.h, 1 + 4096 / (a.y.w * a.y.c), [&](int64_t first, int64_t last, int64_t, int) {
        Stretch t = common;
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / a.y.h, from = n * a.x.image + (l - n * a.y.h) * a.stride_h * a.x.row;
            for (int64_t w = 0; w < a.y.w;) {
                const int pixels = next_rows(a.y.w - w);
                const int64_t to = line_offset(a.y, l) + w * a.y.pixel;
                t.x = x + from + w * t.x_step;
                t.y = y + to;
                t.mask = mask ? mask + to : nullptr;
                rows[pixels - 1](t);
                w += pixels;
            }
        }
    });
}

namespace {

// sums (taps, lanes) += Σ over `length` pixels of x at each tap times d, T taps at once.
template <int T>
void sum_taps(const float* x, const int64_t* runs, int64_t x_step, const float* d, int64_t d_step, int64_t length,
              float* sums) {
    Vector acc[T];
#pragma GCC unroll 16
    for (int k = 0; k < T; k++) acc[k] = load(sums + k * LANES);
    const float* taps[T];
    for (int k = 0; k < T; k++) taps[k] = x + runs[k];
    for (int64_t p = 0; p < length; p++, d += d_step) {
        const Vector g = load(d);
#pragma GCC unroll 16
        for (int k = 0; k < T; k++) acc[k] += load(taps[k] + p * x_step) * g;
    }
#pragma GCC unroll 16
    for (int k = 0; k < T; k++) store(sums + k * LANES, acc[k]);
}

using TapSum = void (*)(const float*, const int64_t*, int64_t, const float*, int64_t, int64_t, float*);

}  // namespace

// dW (channels, taps): sums of parts, added in order.
void correlate_channels_weights(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Sums*>(arguments);
    const int64_t* runs = arguments + sizeof(Sums) / 8;
    const int64_t taps = count - int64_t(sizeof(Sums) / 8), C = a.d.c, size = rounded_up(C) * taps;
    const float *x = context.at(a.x.at), *d = context.at(a.d.at);
    static const auto by_taps = []<int... I>(std::integer_sequence<int, I...>) {
        return std::array<TapSum, MOST_TAPS>{sum_taps<I + 1>...};
    }(std::make_integer_sequence<int, MOST_TAPS>{});
    const int64_t lines = context.n * a.d.h, parts = part_count(lines, 1 + NEAR / (a.d.w * C));
    const int64_t block = std::clamp<int64_t>(NEAR / (4 * C), 4, a.d.w < 4 ? 4 : a.d.w), chunks = (taps + MOST_TAPS - 1) / MOST_TAPS;
    const int64_t x_step = a.stride_w * a.x.pixel;
    float* partial = context.workspace(context.pool->size(), parts * size);
    context.pool->run(parts, [&](int64_t part, int) {
        float* sums = partial + part * size;  // (vectors, taps, lanes)
        std::fill(sums, sums + size, 0.0f);
        for (int64_t l = lines * part / parts; l < lines * (part + 1) / parts; l++) {
            const int64_t n = l / a.d.h, from = n * a.x.image + (l - n * a.d.h) * a.stride_h * a.x.row;
            for (int64_t w = 0; w < a.d.w; w += block)
                for (int64_t c = 0; c < C; c += LANES)
                    for (int64_t i = 0; i < chunks; i++) {
                        const int64_t k = taps * i / chunks, end = taps * (i + 1) / chunks;
                        by_taps[end - k - 1](x + from + w * x_step + c, runs + k, x_step,
                                             d + line_offset(a.d, l) + w * a.d.pixel + c, a.d.pixel,
                                             std::min(block, a.d.w - w), sums + (c * taps + k * LANES));
                    }
        }
    });
    float* dW = context.at(a.dW);
    for (int64_t c = 0; c < C; c++)
        for (int64_t k = 0; k < taps; k++) {
            float total = 0;
            for (int64_t part = 0; part < parts; part++)
                total += partial[part * size + (c / LANES * taps + k) * LANES + c % LANES];
            dW[c * taps + k] = total;
        }
}

}  // namespace chainrule::CHAINRULE_ISA
