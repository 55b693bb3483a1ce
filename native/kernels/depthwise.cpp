// Convolution of each channel with a kernel of its own (groups = channels = filters), and its two gradients.
//
// Lanes are channels, so that inputs, weights and outputs are vectors; a tile is some neighbouring pixels of a line. As for
// other convolutions, Python turns stride, padding and dilation into `runs`: the distance of each tap from a pixel.
#include "../images.hpp"
#include "../kernels.hpp"
#include "../tile.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

constexpr int64_t NEAR = 4096;  // floats that stay in the first-level cache
constexpr int64_t GROUP = LANES > LINE ? LANES : LINE;  // channels at a time: whole cache lines
constexpr int MOST_TAPS = 9;  // whose sums stay in registers

struct Packing {
    Address weights, packed;
    int64_t channels, taps, rounding;  // weight (channel, k) is at channel · taps + k
};
struct Rounding {
    View x, y;
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

Vector nearest_bfloat16(Vector v) { return reinterpret_cast<Vector>(rounded(v)); }
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
void stretch(const Stretch& shared) {
    const Stretch t = shared;  // which no store can change
    const bool finished = t.accumulate || t.relu || t.mask;
    over_vectors(t.channels, [=](int64_t c, int lanes) {
        const float* w = t.w + c * t.taps;
        const Vector bias = t.bias ? load_part(t.bias + c, lanes) : Vector{};
        Vector acc[R];
#pragma GCC unroll 8
        for (int m = 0; m < R; m++) acc[m] = bias;
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
        if (finished) {
#pragma GCC unroll 8
            for (int m = 0; m < R; m++) {
                if (t.accumulate) acc[m] += load_part(t.y + m * t.y_pixel + c, lanes);
                if (t.relu) acc[m] = positive(acc[m]);
                if (t.mask) acc[m] = load_part(t.mask + m * t.y_pixel + c, lanes) > 0.0f ? acc[m] : Vector{};
            }
        }
#pragma GCC unroll 8
        for (int m = 0; m < R; m++) store_part(t.y + m * t.y_pixel + c, acc[m], lanes);
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
    for (int64_t c = 0; c < rounded_up(a.channels); c += LANES)
        for (int64_t k = 0; k < used; k++) {
            Vector w{};
            for (int64_t i = c; i < std::min(a.channels, c + LANES); i++) w[i - c] = weights[i * a.taps + k_offset[k]];
            store(packed + c * used + k * LANES, a.rounding ? nearest_bfloat16(w) : w);
        }
}

// y = x rounded to bfloat16, in floats.
void round_numbers(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Rounding*>(arguments);
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);
    over_stretches(context, [&](int64_t length, int64_t to, int64_t from) {
        over_vectors(length, [&](int64_t i, int lanes) {
            store_part(y + to + i, nearest_bfloat16(load_part(x + from + i, lanes)), lanes);
        });
    }, a.y, a.x);
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

// The inputs of a block of output lines, some channels of them side by side: images of many channels lie far apart in
// memory, often by a power of two, where a cache holds few. The packed lines are as long as those of x with its border, so
// that a distance of k pixels is one of k · GROUP floats.
struct PackedLines {
    PackedLines(const View& x, const View& y, int64_t stride_h, int64_t stride_w, const int64_t* given, int64_t taps)
        : x(x), stride_h(stride_h), line_pixels(x.row / x.pixel), runs(given, given + taps) {
        for (int64_t& run : runs) run /= x.pixel;
        if (taps) {
            first = *std::min_element(runs.begin(), runs.end());
            reach = *std::max_element(runs.begin(), runs.end()) - first + (y.w - 1) * stride_w + 1;
        }
        lines = std::clamp<int64_t>((NEAR / GROUP - reach) / (stride_h * line_pixels) + 1, 1, y.h);
        for (int64_t& run : runs) run = (run - first) * GROUP;
    }
    int64_t pixels_of(int64_t count) const { return (count - 1) * stride_h * line_pixels + reach; }
    int64_t room() const { return pixels_of(lines) * GROUP; }

    // For `count` lines from h on; runs are distances from the start of `to`, where the first output's window begins.
    void pack(const float* image, int64_t h, int64_t count, int64_t channel, float* to) const {
        const float* from = image + h * stride_h * x.row + first * x.pixel + channel;
        for (int64_t p = pixels_of(count); p > 0; p--, from += x.pixel, to += GROUP)
            for (int64_t c = 0; c < GROUP; c += LANES) store(to + c, load(from + c));
    }

    const View& x;
    int64_t stride_h, line_pixels, first = 0, reach = 0, lines;
    std::vector<int64_t> runs;
};

// f(image, its first line, lines, channel, channels) for blocks of lines `from` to before `to`, and groups of channels.
template <typename Function>
void over_blocks(const View& y, int64_t from, int64_t to, int64_t lines, const Function& f) {
    for (int64_t l = from; l < to;) {
        const int64_t n = l / y.h, count = std::min({lines, to - l, (n + 1) * y.h - l});
        for (int64_t c = 0; c < y.c; c += GROUP) f(n, l - n * y.h, count, c, std::min(GROUP, y.c - c));
        l += count;
    }
}

}  // namespace

namespace {

// Lines of packed inputs and of gradients.
struct TapLines {
    const float *x, *d;
    int64_t x_step, x_line, d_step, d_line, lines, length;
};

// sums (taps, lanes) += Σ over the pixels of some lines of x at each tap times d, T taps at once.
template <int T>
void sum_taps(const TapLines& shared, const int64_t* runs, float* sums) {
    const TapLines t = shared;
    Vector acc[T];
#pragma GCC unroll 16
    for (int k = 0; k < T; k++) acc[k] = load(sums + k * LANES);
    for (int64_t l = 0; l < t.lines; l++) {
        const float *d = t.d + l * t.d_line, *taps[T];
        for (int k = 0; k < T; k++) taps[k] = t.x + l * t.x_line + runs[k];
        for (int64_t p = 0; p < t.length; p++, d += t.d_step) {
            const Vector g = load(d);
#pragma GCC unroll 16
            for (int k = 0; k < T; k++) acc[k] += load(taps[k] + p * t.x_step) * g;
        }
    }
#pragma GCC unroll 16
    for (int k = 0; k < T; k++) store(sums + k * LANES, acc[k]);
}

using TapSum = void (*)(const TapLines&, const int64_t*, float*);

}  // namespace

// dW (channels, taps): sums of parts, added in order.
void correlate_channels_weights(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Sums*>(arguments);
    const int64_t taps = count - int64_t(sizeof(Sums) / 8), C = a.d.c, size = rounded_up(C) * taps;
    const float *x = context.at(a.x.at), *d = context.at(a.d.at);
    static const auto by_taps = []<int... I>(std::integer_sequence<int, I...>) {
        return std::array<TapSum, MOST_TAPS>{sum_taps<I + 1>...};
    }(std::make_integer_sequence<int, MOST_TAPS>{});
    const PackedLines input(a.x, a.d, a.stride_h, a.stride_w, arguments + sizeof(Sums) / 8, taps);
    const int64_t lines = context.n * a.d.h, parts = part_count(lines, 1 + 8192 / (a.d.w * C));
    const int64_t chunks = (taps + MOST_TAPS - 1) / MOST_TAPS;
    float* partial = context.workspace(context.pool->size(), parts * size);
    context.pool->run(parts, [&](int64_t part, int thread) {
        float *room = context.workspace(thread, input.room()), *sums = partial + part * size;  // (vectors, taps, lanes)
        std::fill(sums, sums + size, 0.0f);
        over_blocks(a.d, lines * part / parts, lines * (part + 1) / parts, input.lines,
                    [&](int64_t n, int64_t h, int64_t count, int64_t channel, int64_t channels) {
            input.pack(x + n * a.x.image, h, count, channel, room);
            for (int64_t c = 0; c < channels; c += LANES) {
                const TapLines t{room + c, d + n * a.d.image + h * a.d.row + channel + c, a.stride_w * GROUP,
                                 a.stride_h * input.line_pixels * GROUP, a.d.pixel, a.d.row, count, a.d.w};
                for (int64_t i = 0; i < chunks; i++) {
                    const int64_t k = taps * i / chunks, end = taps * (i + 1) / chunks;
                    by_taps[end - k - 1](t, &input.runs[k], sums + (channel + c) * taps + k * LANES);
                }
            }
        });
    });
    join_parts(partial, parts, size, partial);
    float* dW = context.at(a.dW);
    for (int64_t c = 0; c < C; c++)
        for (int64_t k = 0; k < taps; k++) dW[c * taps + k] = partial[(c / LANES * taps + k) * LANES + c % LANES];
}

}  // namespace chainrule::CHAINRULE_ISA
