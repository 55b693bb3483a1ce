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

static inline Vector maximum(Vector a, Vector b) { return a > b ? a : b; }
static inline Vector positive(Vector a) { return a < 0.0f ? Vector{} : a; }  // NaN stays NaN
// The larger one, NaN where either is.
static inline Vector maximum_or_nan(Vector a, Vector b) { return ((a > b) | (a != a)) ? a : b; }
static inline float sum_lanes(Vector v) {
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

}  // namespace chainrule::CHAINRULE_ISA
