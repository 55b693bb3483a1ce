// 3 × 3 convolutions of stride 1 by Winograd's minimal filtering F(2 × 2, 3 × 3), with 16 products where there were 36.
//
//     y  = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ x B) ] A              4 × 4 pixels of x give 2 × 2 of y
//     ∂w = Gᵀ [ (A ∂y Aᵀ) ⊙ (Bᵀ x B) ] G             the same bilinear form, turned
//
// For each of the 16 places of a patch the sums over channels (or, for weights, over patches) are a matrix product.
// Source: Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016, section 4.1.
#include "../images.hpp"
#include "../kernels.hpp"
#include "../tile.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

constexpr int64_t PLACES = 16;
constexpr int64_t CACHED = 60 * 1024;  // floats of transformed patches that stay in the second-level cache
constexpr int64_t ONE_RUN[1] = {0};

struct Packing {  // weight (k, f, tap) is at k · k_stride + f · f_stride + tap
    Address weights, packed;
    int64_t inputs, outputs, k_stride, f_stride, flip;
};
struct Correlation {
    View x, y;
    Address mask, packed, bias;
    int64_t shift, relu, accumulate;
};
struct Sums {
    View x, d;
    Address sums;
    int64_t shift;
};
struct Unpacking {
    Address weights, sums;
    int64_t inputs, outputs;
};

int64_t whole_vectors(int64_t floats) { return (floats + LANES - 1) / LANES * LANES; }

// Patches of 2 × 2 outputs, and where they are in the views.
struct Patches {
    explicit Patches(const View& outputs, int64_t n)
        : rows((outputs.h + 1) / 2), columns((outputs.w + 1) / 2), count(n * rows * columns) {}
    int64_t at(const View& v, int64_t patch) const {
        const int64_t line = patch / columns, j = patch - line * columns, n = line / rows, i = line - n * rows;
        return n * v.image + 2 * i * v.row + 2 * j * v.pixel;
    }
    int64_t rows, columns, count;
};

// Bᵀ x B of one patch, `channels` of it in whole vectors; place e goes to `to + e · plane`.
void transform_patch(const float* x, int64_t row, int64_t pixel, int64_t channels, float* to, int64_t plane) {
    for (int64_t c = 0; c < channels; c += LANES) {
        Vector t[4][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            const float* p = x + j * pixel + c;
            const Vector a = load(p), b = load(p + row), d = load(p + 2 * row), e = load(p + 3 * row);
            t[0][j] = a - d;
            t[1][j] = b + d;
            t[2][j] = d - b;
            t[3][j] = b - e;
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            float* p = to + 4 * i * plane + c;
            store(p, t[i][0] - t[i][2]);
            store(p + plane, t[i][1] + t[i][2]);
            store(p + 2 * plane, t[i][2] - t[i][1]);
            store(p + 3 * plane, t[i][1] - t[i][3]);
        }
    }
}

// A ∂y Aᵀ of one patch; outputs that lie outside (`below`, `right`) have no gradient.
void spread_patch(const float* d, int64_t row, int64_t pixel, bool below, bool right, int64_t channels, float* to,
                  int64_t plane) {
    over_vectors(channels, [&](int64_t c, int lanes) {
        const Vector none{};
        const Vector d00 = load_part(d + c, lanes), d01 = right ? load_part(d + pixel + c, lanes) : none;
        const Vector d10 = below ? load_part(d + row + c, lanes) : none;
        const Vector d11 = below && right ? load_part(d + row + pixel + c, lanes) : none;
        const Vector s[4][2] = {{d00, d01}, {d00 + d10, d01 + d11}, {d00 - d10, d01 - d11}, {-d10, -d11}};
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            float* p = to + 4 * i * plane + c;
            store(p, s[i][0]);
            store(p + plane, s[i][0] + s[i][1]);
            store(p + 2 * plane, s[i][0] - s[i][1]);
            store(p + 3 * plane, -s[i][1]);
        }
    });
}

}  // namespace

// packed (panels, 16, inputs, width): G w Gᵀ for every pair of channels; `flip` turns the kernel round, for ∂x.
void pack_winograd(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Packing*>(arguments);
    const float* weights = context.at(a.weights);
    float* packed = context.at(a.packed);
    const Panels panels(a.outputs);
    context.pool->run(panels.count * a.inputs, [&](int64_t part, int) {
        const int64_t k = part / panels.count;
        const Panel panel = panels[part % panels.count];
        const int64_t width = panel.width(), plane = a.inputs * width;
        float* to = packed + panel.start * a.inputs * PLACES + k * width;
        for (int v = 0; v < panel.vectors; v++) {
            const int lanes = v == panel.vectors - 1 ? panel.last_lanes : LANES;
            Vector w[9] = {};
            for (int i = 0; i < lanes; i++) {
                const float* from = weights + k * a.k_stride + (panel.start + v * LANES + i) * a.f_stride;
                for (int tap = 0; tap < 9; tap++) w[tap][i] = from[a.flip ? 8 - tap : tap];
            }
            Vector t[4][3];
            for (int j = 0; j < 3; j++) {
                const Vector sum = 0.5f * (w[j] + w[6 + j]), half = 0.5f * w[3 + j];
                t[0][j] = w[j];
                t[1][j] = sum + half;
                t[2][j] = sum - half;
                t[3][j] = w[6 + j];
            }
            for (int i = 0; i < 4; i++) {
                const Vector sum = 0.5f * (t[i][0] + t[i][2]), half = 0.5f * t[i][1];
                float* p = to + 4 * i * plane + v * LANES;
                store(p, t[i][0]);
                store(p + plane, sum + half);
                store(p + 2 * plane, sum - half);
                store(p + 3 * plane, t[i][2]);
            }
        }
    });
}

namespace {

// Aᵀ m A of the patches of a block, with what belongs to an output on its way to memory.
struct Finish {
    const Correlation& a;
    const Patches& patches;
    const float *bias, *mask;
    float* y;

    void operator()(const float* products, int64_t plane, int64_t width, const Panel& panel, int64_t first,
                    int64_t last) const {
        for (int64_t patch = first; patch < last; patch++) {
            const int64_t line = patch / patches.columns, j = patch - line * patches.columns;
            const int64_t i = line % patches.rows, at = patches.at(a.y, patch) + panel.start;
            const bool below = 2 * i + 1 < a.y.h, right = 2 * j + 1 < a.y.w;
            for (int v = 0; v < panel.vectors; v++) {
                const int lanes = v == panel.vectors - 1 ? panel.last_lanes : LANES;
                const float* m = products + (patch - first) * width + v * LANES;
                Vector s[2][4];
#pragma GCC unroll 4
                for (int k = 0; k < 4; k++) {
                    const Vector m0 = load(m + k * plane), m1 = load(m + (4 + k) * plane);
                    const Vector m2 = load(m + (8 + k) * plane), m3 = load(m + (12 + k) * plane);
                    s[0][k] = m0 + (m1 + m2);
                    s[1][k] = m1 - m2 - m3;
                }
                const Vector b = bias ? load(bias + panel.start + v * LANES) : Vector{};
                const int64_t to = at + v * LANES;
                for (int r = 0; r < (below ? 2 : 1); r++) {
                    write(to + r * a.y.row, s[r][0] + (s[r][1] + s[r][2]) + b, lanes);
                    if (right) write(to + r * a.y.row + a.y.pixel, s[r][1] - s[r][2] - s[r][3] + b, lanes);
                }
            }
        }
    }
    void write(int64_t at, Vector value, int lanes) const {
        if (a.accumulate) value += load_part(y + at, lanes);
        if (a.relu) value = positive(value);
        if (mask) value = load_part(mask + at, lanes) > 0.0f ? value : Vector{};
        store_part(y + at, value, lanes);
    }
};

}  // namespace

void correlate_winograd(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Correlation*>(arguments);
    const int64_t C = a.x.c, wide = whole_vectors(C);
    const Panels panels(a.y.c);
    const Patches patches(a.y, context.n);
    const float *x = context.at(a.x.at) + a.shift, *packed = context.at(a.packed), *bias = context.at(a.bias);
    float* padded_bias = nullptr;
    if (bias) {
        padded_bias = context.workspace(context.pool->size(), panels.padded());
        for (int64_t f = 0; f < panels.padded(); f++) padded_bias[f] = f < a.y.c ? bias[f] : 0;
    }
    const Finish finish{a, patches, padded_bias, context.at(a.mask), context.at(a.y.at)};
    const int64_t block = std::clamp<int64_t>(CACHED / (PLACES * wide) / ROWS * ROWS, 2 * ROWS, 16 * ROWS);
    context.pool->run((patches.count + block - 1) / block, [&](int64_t part, int thread) {
        const int64_t first = part * block, last = std::min(patches.count, first + block);
        float* transformed = context.workspace(thread, PLACES * block * (wide + VECTORS * LANES) + LINE);
        float* products = align(transformed + PLACES * block * wide);
        for (int64_t p = first; p < last; p++)
            transform_patch(x + patches.at(a.x, p), a.x.row, a.x.pixel, wide, transformed + (p - first) * wide, block * wide);
        Tile t;
        t.runs = ONE_RUN;
        t.run_count = 1;
        t.run_length = C;
        t.bias = nullptr;
        t.last_lanes = LANES;
        t.accumulate = t.relu = t.masked = false;
        for (int64_t i = 0; i < panels.count; i++) {
            const Panel panel = panels[i];
            const int64_t width = panel.width();
            t.w_stride = width;
            for (int64_t e = 0; e < PLACES; e++) {
                t.w = packed + (panel.start * PLACES + e * width) * C;
                for (int64_t p = 0; p < last - first;) {
                    const int rows = next_rows(last - first - p);
                    for (int m = 0; m < rows; m++) {
                        t.x[m] = transformed + (e * block + p + m) * wide;
                        t.y[m] = products + (e * block + p + m) * width;
                    }
                    run_tile(rows, panel.vectors, t);
                    p += rows;
                }
            }
            finish(products, block * width, width, panel, first, last);
        }
    });
}

// sums (16, inputs, outputs) = Σ over patches of Bᵀ x B times A ∂y Aᵀ. Some patches at a time are transformed by all
// threads; then each thread adds up, in the order of the patches, the sums that are its own.
void correlate_weights_winograd(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Sums*>(arguments);
    const int64_t C = a.x.c, F = a.d.c, wide = whole_vectors(C);
    const Panels panels(F);
    const Patches patches(a.d, context.n);
    const float *x = context.at(a.x.at) + a.shift, *d = context.at(a.d.at);
    float* sums = context.at(a.sums);
    const int64_t padded = panels.padded(), block = std::clamp<int64_t>(256 * 1024 / (wide + padded) / 8, 64, 512);
    float* transformed = context.workspace(context.pool->size(), PLACES * block * (wide + padded) + LINE);
    float* spread = align(transformed + PLACES * block * wide);
    const int64_t tiles = (C + ROWS - 1) / ROWS;
    for (int64_t first = 0; first < patches.count; first += block) {
        const int64_t here = std::min(block, patches.count - first);
        in_parts(context, here, 4, [&](int64_t from, int64_t to, int64_t, int) {
            for (int64_t p = from; p < to; p++) {
                const int64_t patch = first + p, line = patch / patches.columns, j = patch - line * patches.columns;
                transform_patch(x + patches.at(a.x, patch), a.x.row, a.x.pixel, wide, transformed + p * wide, block * wide);
                spread_patch(d + patches.at(a.d, patch), a.d.row, a.d.pixel, 2 * (line % patches.rows) + 1 < a.d.h,
                             2 * j + 1 < a.d.w, F, spread + p * padded, block * padded);
            }
        });
        context.pool->run(PLACES * 2, [&](int64_t part, int) {
            const int64_t e = part / 2, half = part % 2;
            WeightTile t;
            t.lines = 1;
            t.length = here;
            t.x_pixel = wide;
            t.d_pixel = padded;
            t.x_lines = t.d_lines = ONE_RUN;
            t.g_stride = F;
            t.accumulate = first > 0;
            for (int64_t i = 0; i < panels.count; i++) {
                const Panel panel = panels[i];
                t.d = spread + e * block * padded + panel.start;
                t.last_lanes = panel.last_lanes;
                for (int64_t tile = tiles * half / 2; tile < tiles * (half + 1) / 2; tile++) {
                    const int64_t row = C * tile / tiles, end = C * (tile + 1) / tiles;
                    t.x = transformed + e * block * wide + row;
                    t.g = sums + (e * C + row) * F + panel.start;
                    run_weight_tile(int(end - row), panel.vectors, t);
                }
            }
        });
    }
}

// weights (outputs, inputs, 3, 3) = Gᵀ sums G.
void unpack_winograd(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Unpacking*>(arguments);
    float* weights = context.at(a.weights);
    const float* sums = context.at(a.sums);
    const int64_t plane = a.inputs * a.outputs;
    in_parts(context, a.inputs, 1, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t k = first; k < last; k++)
            over_vectors(a.outputs, [&](int64_t f, int lanes) {
                Vector t[3][4], w[9];
                for (int j = 0; j < 4; j++) {
                    const float* s = sums + k * a.outputs + f + j * plane;
                    const Vector s0 = load_part(s, lanes), s1 = load_part(s + 4 * plane, lanes);
                    const Vector s2 = load_part(s + 8 * plane, lanes), s3 = load_part(s + 12 * plane, lanes);
                    const Vector half = 0.5f * (s1 + s2);
                    t[0][j] = s0 + half;
                    t[1][j] = 0.5f * (s1 - s2);
                    t[2][j] = half + s3;
                }
                for (int i = 0; i < 3; i++) {
                    const Vector half = 0.5f * (t[i][1] + t[i][2]);
                    w[3 * i] = t[i][0] + half;
                    w[3 * i + 1] = 0.5f * (t[i][1] - t[i][2]);
                    w[3 * i + 2] = half + t[i][3];
                }
                for (int i = 0; i < lanes; i++)
                    for (int tap = 0; tap < 9; tap++) weights[((f + i) * a.inputs + k) * 9 + tap] = w[tap][i];
            });
    });
}

}  // namespace chainrule::CHAINRULE_ISA
