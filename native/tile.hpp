// The register tile that matrix products and convolutions are made of.
//
//     y[m][f] (+)= bias[f] + Σ_runs Σ_c  x[m][run + c] · w[run, c][f]        m < R rows, f < V vectors
//
// A row is one output pixel (or one row of a matrix); a run is a stretch of its inputs that lie side by side in memory:
// with channels last, one line of a convolution's window. All R·V accumulators stay in registers.
//
// Numbers are floats, or words of two bfloat16 that follow each other along c (`Pairs`); sums are floats in both.
#pragma once
#include "program.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// How a number of x (or a word of two) meets its weights.
struct Floats {
    static Vector splat(const float* x) { return CHAINRULE_ISA::splat(*x); }
    static Vector add(Vector sum, Vector a, Vector b) { return sum + a * b; }
};
struct Pairs {
    static Vector splat(const float* x) {
        uint32_t word;
        std::memcpy(&word, x, 4);  // as a number it may be anything
        return reinterpret_cast<Vector>(Words{} + word);
    }
    static Vector add(Vector sum, Vector a, Vector b) { return add_products(sum, a, b); }
};

struct Tile {
    const float* x[ROWS];     // where each row's inputs start
    float* y[ROWS];           // where each row's outputs go
    const float* mask[ROWS];  // outputs are zeroed where this is not positive; unused unless `masked`
    const int64_t* runs;      // distances from x
    int64_t run_count, run_length;
    const float* w;           // runs · run_length rows of weights
    int64_t w_stride;
    const float* bias;        // whole vectors, or none
    int last_lanes;           // how many lanes of the last vector are stored
    bool accumulate, relu, masked;
};

// Store the accumulators, whole vectors or with a part of the last one.
template <int R, int V, bool whole>
static inline void finish(const Tile& t, Vector (&acc)[R][V]) {
#pragma GCC unroll 16
    for (int m = 0; m < R; m++) {
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            const int lanes = whole || v < V - 1 ? LANES : t.last_lanes;
            Vector a = acc[m][v];
            float* y = t.y[m] + v * LANES;
            if (t.bias) a += load(t.bias + v * LANES);
            if (t.accumulate) a += load_part(y, lanes);
            if (t.relu) a = a < 0.0f ? Vector{} : a;  // NaN stays NaN
            if (t.masked) a = load_part(t.mask[m] + v * LANES, lanes) > 0.0f ? a : Vector{};
            store_part(y, a, lanes);
        }
    }
}

template <typename Numbers, int R, int V>
static void tile(const Tile& t) {
    Vector acc[R][V] = {};
    const float* w = t.w;
    const int64_t stride = t.w_stride, length = t.run_length;
    for (int64_t r = 0; r < t.run_count; r++) {
        const float* x[R];
        for (int m = 0; m < R; m++) x[m] = t.x[m] + t.runs[r];
        for (int64_t c = 0; c < length; c++, w += stride) {
            Vector b[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) b[v] = load(w + v * LANES);
#pragma GCC unroll 16
            for (int m = 0; m < R; m++) {
                const Vector s = Numbers::splat(x[m] + c);
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) acc[m][v] = Numbers::add(acc[m][v], s, b[v]);
            }
        }
    }
    if (t.last_lanes == LANES) finish<R, V, true>(t, acc);
    else finish<R, V, false>(t, acc);
}

// The tile of the weights' gradient: g[m][f] += Σ_p x[p][m] · d[p][f] over `lines` lines of `length` pixels, or of
// as many words, of two pixels each.
struct WeightTile {
    const float* x;
    const float* d;
    int64_t lines, length;
    int64_t x_pixel, d_pixel;  // from one pixel to the next, and from line to line:
    const int64_t *x_lines, *d_lines;
    float* g;
    int64_t g_stride;
    int last_lanes;
    bool accumulate;
};

template <typename Numbers, int R, int V>
static void weight_tile(const WeightTile& t) {
    Vector acc[R][V] = {};
    if (t.accumulate)  // needed at the end, and often far away
        for (int m = 0; m < R; m++)
            for (int v = 0; v < V * LANES; v += LINE) __builtin_prefetch(t.g + m * t.g_stride + v, 1);
    for (int64_t line = 0; line < t.lines; line++) {
        const float* x = t.x + t.x_lines[line];
        const float* d = t.d + t.d_lines[line];
        for (int64_t p = 0; p < t.length; p++, x += t.x_pixel, d += t.d_pixel) {
            Vector b[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) b[v] = load(d + v * LANES);
#pragma GCC unroll 16
            for (int m = 0; m < R; m++) {
                const Vector s = Numbers::splat(x + m);
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) acc[m][v] = Numbers::add(acc[m][v], s, b[v]);
            }
        }
    }
    const int last_lanes = t.last_lanes;
#pragma GCC unroll 16
    for (int m = 0; m < R; m++) {
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            const int lanes = v < V - 1 ? LANES : last_lanes;
            float* g = t.g + m * t.g_stride + v * LANES;
            store_part(g, t.accumulate ? acc[m][v] + load_part(g, lanes) : acc[m][v], lanes);
        }
    }
}

// The instance for `rows` x `vectors`, both known only at run time.
template <typename Numbers, template <typename, int, int> class Instance, typename Argument>
static inline void dispatch(int rows, int vectors, const Argument& t) {
    using Function = void (*)(const Argument&);
    static const auto table = [] {
        std::array<std::array<Function, VECTORS>, ROWS> made{};
        [&]<int... I>(std::integer_sequence<int, I...>) {
            ((made[I / VECTORS][I % VECTORS] = Instance<Numbers, I / VECTORS + 1, I % VECTORS + 1>::call), ...);
        }(std::make_integer_sequence<int, ROWS * VECTORS>{});
        return made;
    }();
    table[rows - 1][vectors - 1](t);
}
template <typename Numbers, int R, int V> struct TileInstance {
    static void call(const Tile& t) { tile<Numbers, R, V>(t); }
};
template <typename Numbers, int R, int V> struct WeightInstance {
    static void call(const WeightTile& t) { weight_tile<Numbers, R, V>(t); }
};

template <typename Numbers = Floats>
static inline void run_tile(int rows, int vectors, const Tile& t) {
    dispatch<Numbers, TileInstance>(rows, vectors, t);
}
template <typename Numbers = Floats>
static inline void run_weight_tile(int rows, int vectors, const WeightTile& t) {
    dispatch<Numbers, WeightInstance>(rows, vectors, t);
}

// -- cutting F outputs into panels of V vectors, and N rows into tiles ------------------------------------------------

struct Panel {
    int64_t start;  // the first output
    int vectors, last_lanes;
    int64_t width() const { return int64_t(vectors) * LANES; }
};

// F outputs make ceil(F / LANES) vectors; panels differ by at most one vector, so that none is left nearly empty.
struct Panels {
    explicit Panels(int64_t outputs)
        : outputs(outputs), vectors((outputs + LANES - 1) / LANES), count((vectors + VECTORS - 1) / VECTORS) {}
    Panel operator[](int64_t i) const {
        const int64_t first = vectors * i / count, last = vectors * (i + 1) / count;
        const int64_t left = outputs - (last - 1) * LANES;
        return {first * LANES, int(last - first), int(left < LANES ? left : LANES)};
    }
    // Outputs, each panel rounded up to whole vectors.
    int64_t padded() const { return vectors * LANES; }
    int64_t outputs, vectors, count;
};

// How many rows the next tile takes of `left`: as even a cut as possible.
static inline int next_rows(int64_t left) {
    if (left >= 2 * ROWS) return ROWS;
    const int64_t tiles = (left + ROWS - 1) / ROWS;
    return int((left + tiles - 1) / tiles);
}

}  // namespace chainrule::CHAINRULE_ISA
