// Walking over views: pixels by number, and rows of floats in vectors.
#pragma once
#include <algorithm>
#include <cmath>

#include "program.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

static inline int64_t pixels(const View& v) { return v.h * v.w; }

// The distance of pixel p = (n·h + y)·w + x of a view from the view's start.
static inline int64_t pixel_offset(const View& v, int64_t p) {
    const int64_t line = p / v.w, x = p - line * v.w, n = line / v.h, y = line - n * v.h;
    return n * v.image + y * v.row + x * v.pixel;
}

// The distance of line l = n·h + y.
static inline int64_t line_offset(const View& v, int64_t l) {
    const int64_t n = l / v.h;
    return n * v.image + (l - n * v.h) * v.row;
}

// f(c, lanes) for the vectors of c channels.
template <typename Function>
static inline void over_vectors(int64_t channels, const Function& f) {
    int64_t c = 0;
    for (; c + LANES <= channels; c += LANES) f(c, LANES);
    if (c < channels) f(c, int(channels - c));
}

// Runs body(first, last, part, thread) over `count` items cut into parts of at least `least`. The cut depends on the
// count alone, never on the number of threads, so sums over parts are the same for any of them.
static inline int64_t part_count(int64_t count, int64_t least) {
    return std::clamp<int64_t>(count / std::max<int64_t>(least, 1), 1, MOST_PARTS);
}
template <typename Body>
static inline void in_parts(Context& context, int64_t count, int64_t least, const Body& body) {
    const int64_t parts = part_count(count, least);
    context.pool->run(parts, [&](int64_t part, int thread) {
        body(count * part / parts, count * (part + 1) / parts, part, thread);
    });
}

// f(length, offset in each view) for all stretches of numbers that lie side by side in every one of some views of one
// shape: whole lines where their pixels follow each other, else the channels of one pixel.
template <typename Function, typename... Views>
static inline void over_stretches(Context& context, const Function& f, const View& shape, const Views&... others) {
    const bool joined = ((shape.pixel == shape.c) && ... && (others.pixel == others.c));
    const int64_t count = joined ? 1 : shape.w, length = joined ? shape.w * shape.c : shape.c;
    in_parts(context, context.n * shape.h, 1 + 4096 / (shape.w * shape.c), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++)
            for (int64_t i = 0; i < count; i++)
                f(length, line_offset(shape, l) + i * shape.pixel, (line_offset(others, l) + i * others.pixel)...);
    });
}

// sums[i] = Σ of partial[part · size + i] over the parts, in order; `sums` may be the first part's.
static inline void join_parts(const float* partial, int64_t parts, int64_t size, float* sums) {
    if (sums != partial) std::memcpy(sums, partial, 4 * size);
    for (int64_t part = 1; part < parts; part++)
        over_vectors(size, [&](int64_t i, int lanes) {
            store_part(sums + i, load_part(sums + i, lanes) + load_part(partial + part * size + i, lanes), lanes);
        });
}

// to[c · to_step + p] = from[p · from_step + c] for all p < rows and c < columns, in square blocks of registers.
static inline void transpose_matrix(const float* from, int64_t from_step, float* to, int64_t to_step, int64_t rows,
                                    int64_t columns) {
    int64_t p = 0;
    for (; p + LANES <= rows; p += LANES) {
        int64_t c = 0;
        for (; c + LANES <= columns; c += LANES) {
            Vector block[LANES];
            for (int i = 0; i < LANES; i++) block[i] = load(from + (p + i) * from_step + c);
            transpose(block);
            for (int i = 0; i < LANES; i++) store(to + (c + i) * to_step + p, block[i]);
        }
        for (; c < columns; c++)
            for (int64_t i = p; i < p + LANES; i++) to[c * to_step + i] = from[i * from_step + c];
    }
    for (; p < rows; p++)
        for (int64_t c = 0; c < columns; c++) to[c * to_step + p] = from[p * from_step + c];
}

static inline Vector maximum(Vector a, Vector b) { return a > b ? a : b; }
static inline Vector positive(Vector a) { return a < 0.0f ? Vector{} : a; }  // NaN stays NaN
// The larger one, NaN where either is.
static inline Vector maximum_or_nan(Vector a, Vector b) { return ((a > b) | (a != a)) ? a : b; }
static inline Vector negative(Vector a) { return a > 0.0f ? Vector{} : a; }
static inline float sum_lanes(Vector v) {
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}
static inline float highest_lane(Vector v) {
    float most = v[0];
    for (int i = 1; i < LANES; i++) most = std::max(most, v[i]);
    return most;
}

}  // namespace chainrule::CHAINRULE_ISA
