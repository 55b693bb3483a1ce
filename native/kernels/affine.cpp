// Affine layer: y = x W + b with W (D, M) as the user sees it; panels of it are packed by the thread that needs them.
#include "../images.hpp"
#include "../kernels.hpp"
#include "../rule.hpp"
#include "../tile.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

constexpr int64_t ROW_BLOCK = 24 * ROWS;  // rows of x for one packing
constexpr int64_t PANELS_AT_ONCE = 8, DEPTH = 256, AHEAD = 8;  // packed weights that stay in the second-level cache

struct Forward {
    View x, y;
    Address W, b;
    int64_t relu;
};
struct Backward {
    View d, dx;
    Address W, mask;
    int64_t accumulate;
};
struct Gradient {
    View x, d;
    Address W;
};
struct Update {
    View x, d;
    Address W;
    int64_t decay;
};
struct BiasGradient {
    View d;
    Address db;
};

// Tiles of rows `first` to before `last` of y (n, F) = x (n, K) times the panel `t` describes.
void panel_product(Tile& t, const float* x, int64_t x_row, float* y, int64_t y_row, const float* mask, int64_t first,
                   int64_t last, int vectors) {
    for (int64_t n = first; n < last;) {
        const int rows = next_rows(last - n);
        for (int m = 0; m < rows; m++) {
            t.x[m] = x + (n + m) * x_row;
            t.y[m] = y + (n + m) * y_row;
            if (mask) t.mask[m] = mask + (n + m) * y_row;
        }
        run_tile(rows, vectors, t);
        n += rows;
    }
}

constexpr int64_t ONE_RUN[1] = {0};

}  // namespace

void affine_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Forward*>(arguments);
    const int64_t D = a.x.c, M = a.y.c, n = context.n;
    const float *x = context.at(a.x.at), *W = context.at(a.W), *b = context.at(a.b);
    float* y = context.at(a.y.at);
    const Panels panels(M);
    // Few rows use each weight too rarely for packing to pay.
    const bool direct = n <= 2 * ROWS;
    // A part is some panels, so that W is read in long stretches, and a block of rows.
    const int64_t threads = context.pool->size(), least = (panels.count + PANELS_AT_ONCE - 1) / PANELS_AT_ONCE;
    const int64_t groups = std::min(panels.count, direct ? 4 * threads : (least + threads - 1) / threads * threads);
    const int64_t blocks = (n + ROW_BLOCK - 1) / ROW_BLOCK;
    context.pool->run(groups * blocks, [&](int64_t part, int thread) {
        const int64_t group = part / blocks;
        const int64_t first_panel = panels.count * group / groups, end_panel = panels.count * (group + 1) / groups;
        const int64_t first = part % blocks * ROW_BLOCK, last = std::min(n, first + ROW_BLOCK);
        const int64_t depth = std::min(D, DEPTH), start = panels[first_panel].start;  // the same sums for any n
        const int64_t stretch = std::min(M, panels[end_panel - 1].start + panels[end_panel - 1].width()) - start;
        float* packed = context.workspace(thread, (depth + 1) * (stretch + LANES));
        float* padded_bias = packed + depth * (stretch + LANES);
        std::array<Panel, PANELS_AT_ONCE> own;  // made once: the divisions take longer than copying a row of one
        if (!direct)
            for (int64_t i = first_panel; i < end_panel; i++) own[i - first_panel] = panels[i];
        Tile t;
        t.runs = ONE_RUN;
        t.run_count = 1;
        t.masked = false;
        for (int64_t k = 0; k < D; k += depth) {
            t.run_length = std::min(depth, D - k);
            t.accumulate = k > 0;
            t.relu = a.relu && k + depth >= D;
            if (!direct) {
                for (int64_t row = 0; row < t.run_length; row++) {
                    const float* from = W + (k + row) * M + start;
                    for (int64_t i = first_panel; i < end_panel; i++) {
                        const Panel& panel = own[i - first_panel];
                        float* to = packed + (panel.start - start) * depth + row * panel.width();
                        __builtin_prefetch(from + AHEAD * M + panel.start - start);
                        for (int v = 0; v < panel.vectors; v++) {
                            const int lanes = v == panel.vectors - 1 ? panel.last_lanes : LANES;
                            store(to + v * LANES, load_part(from + panel.start - start + v * LANES, lanes));
                        }
                    }
                }
            }
            for (int64_t i = first_panel; i < end_panel; i++) {
                const Panel panel = panels[i];
                const bool partial = panel.last_lanes < LANES;
                t.last_lanes = panel.last_lanes;
                t.w = direct ? W + k * M + panel.start : packed + (panel.start - start) * depth;
                t.w_stride = direct ? M : panel.width();
                if (direct && partial) {
                    for (int64_t row = 0; row < t.run_length; row++)
                        for (int v = 0; v < panel.vectors; v++)
                            store(packed + row * panel.width() + v * LANES,
                                  load_part(W + (k + row) * M + panel.start + v * LANES,
                                            v == panel.vectors - 1 ? panel.last_lanes : LANES));
                    t.w = packed;
                    t.w_stride = panel.width();
                }
                t.bias = b && k == 0 ? b + panel.start : nullptr;
                if (t.bias && partial) {
                    std::fill(padded_bias, padded_bias + panel.width(), 0.0f);
                    std::memcpy(padded_bias, t.bias, 4 * std::min(panel.width(), M - panel.start));
                    t.bias = padded_bias;
                }
                panel_product(t, x + k, a.x.image, y + panel.start, a.y.image, nullptr, first, last, panel.vectors);
            }
        }
    });
}

namespace {

// packed (M, width) = rows (count, M) transposed, zeros where there are fewer rows than the width.
void pack_transposed(const float* rows, int64_t count, int64_t M, float* packed, int64_t width) {
    for (int64_t f = 0; f < width; f += LANES) {
        int64_t m = 0;
        if (f + LANES <= count) {
            for (; m + LANES <= M; m += LANES) {
                Vector block[LANES];
                for (int i = 0; i < LANES; i++) block[i] = load(rows + (f + i) * M + m);
                transpose(block);
                for (int i = 0; i < LANES; i++) store(packed + (m + i) * width + f, block[i]);
            }
        }
        for (; m < M; m++)
            for (int64_t i = f; i < f + LANES; i++) packed[m * width + i] = i < count ? rows[i * M + m] : 0;
    }
}

}  // namespace

// dx = d Wᵀ: a panel is some rows of W, transposed.
void affine_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Backward*>(arguments);
    const int64_t D = a.dx.c, M = a.d.c, n = context.n;
    const float *d = context.at(a.d.at), *W = context.at(a.W), *mask = context.at(a.mask);
    float* dx = context.at(a.dx.at);
    const Panels panels(D);
    const int64_t blocks = (n + ROW_BLOCK - 1) / ROW_BLOCK;
    context.pool->run(panels.count * blocks, [&](int64_t part, int thread) {
        const Panel panel = panels[part / blocks];
        const int64_t first = part % blocks * ROW_BLOCK, last = std::min(n, first + ROW_BLOCK), width = panel.width();
        const int64_t here = std::min(width, D - panel.start);
        float* packed = context.workspace(thread, M * width);
        pack_transposed(W + panel.start * M, here, M, packed, width);
        Tile t;
        t.runs = ONE_RUN;
        t.run_count = 1;
        t.run_length = M;
        t.accumulate = a.accumulate;
        t.relu = false;
        t.masked = mask != nullptr;
        t.last_lanes = panel.last_lanes;
        t.w = packed;
        t.w_stride = width;
        t.bias = nullptr;
        panel_product(t, d, a.d.image, dx + panel.start, a.dx.image, mask ? mask + panel.start : nullptr, first, last,
                      panel.vectors);
    });
}

namespace {

// What the weights' gradient xᵀ d is made of. Rows of x and d lie as far apart as the layers are wide, often a power of
// two, where a cache holds few of them: from a few rows on, both are packed.
struct Products {
    const View &x, &d;
    int64_t n;
    const float *x_at, *d_at;
    float* packed_d = nullptr;  // (panels, n, width)

    Products(Context& context, const View& x, const View& d)
        : x(x), d(d), n(context.n), x_at(context.at(x.at)), d_at(context.at(d.at)) {
        if (n <= 2 * ROWS) return;
        const Panels panels(d.c);
        packed_d = context.workspace(context.pool->size(), panels.padded() * n);
        context.pool->run(panels.count, [&](int64_t i, int) {
            const Panel panel = panels[i];
            float* to = packed_d + panel.start * n;
            for (int64_t p = 0; p < n; p++, to += panel.width())
                for (int v = 0; v < panel.vectors; v++)
                    store(to + v * LANES, load(d_at + p * d.image + panel.start + v * LANES));
        });
    }
    // With more rows than this d does not stay in a cache from one tile to the next: many tiles share a piece of it.
    bool deep() const { return n > DEPTH; }
    int64_t rows_at_once() const { return deep() ? ROW_BLOCK : ROWS; }
    int64_t room() const { return packed_d ? std::min(n, DEPTH) * rows_at_once() + 2 * LINE : 0; }

    // Rows `row` to before `end` of xᵀ d, written to `to` (end − row, M), piece after piece of the batch.
    void many_rows(int64_t row, int64_t end, float* to, float* packed_x) const {
        const Panels panels(d.c);
        const int64_t tiles = (end - row + ROWS - 1) / ROWS;
        const auto start = [&](int64_t i) { return (end - row) * i / tiles; };
        WeightTile t;
        t.lines = 1;
        t.x_lines = t.d_lines = ONE_RUN;
        t.g_stride = d.c;
        for (int64_t first = 0; first < n; first += DEPTH) {
            t.length = std::min(DEPTH, n - first);
            t.accumulate = first > 0;
            for (int64_t i = 0; i < tiles; i++) {
                const int64_t rows = start(i + 1) - start(i);
                float* to_x = packed_x + start(i) * DEPTH;
                for (int64_t p = first; p < first + t.length; p++, to_x += rows)
                    for (int64_t c = 0; c < rows; c += LANES) store(to_x + c, load(x_at + p * x.image + row + start(i) + c));
            }
            for (int64_t k = 0; k < panels.count; k++) {
                const Panel panel = panels[k];
                t.d = packed_d + panel.start * n + first * panel.width();
                t.d_pixel = panel.width();
                t.last_lanes = panel.last_lanes;
                for (int64_t i = 0; i < tiles; i++) {
                    t.x = packed_x + start(i) * DEPTH;
                    t.x_pixel = start(i + 1) - start(i);
                    t.g = to + start(i) * d.c + panel.start;
                    run_weight_tile(int(t.x_pixel), panel.vectors, t);
                }
            }
        }
    }

    // Rows `row` to before `row + rows` of xᵀ d, written to `to` (rows, M); of a tile, ahead(panel) comes before each panel.
    template <typename Ahead>
    void rows(int64_t row, int rows, float* to, float* packed_x, const Ahead& ahead) const {
        if (deep()) return many_rows(row, row + rows, to, packed_x);
        const Panels panels(d.c);
        WeightTile t;
        t.lines = 1;
        t.x_lines = t.d_lines = ONE_RUN;
        t.g_stride = d.c;
        t.length = n;
        t.accumulate = false;
        if (packed_d)
            for (int64_t p = 0; p < n; p++)
                for (int c = 0; c < rows; c += LANES) store(packed_x + p * rows + c, load(x_at + p * x.image + row + c));
        for (int64_t i = 0; i < panels.count; i++) {
            const Panel panel = panels[i];
            ahead(panel);
            t.x_pixel = packed_d ? rows : x.image;
            t.d_pixel = packed_d ? panel.width() : d.image;
            t.g = to + panel.start;
            t.last_lanes = panel.last_lanes;
            const float* d_from = packed_d ? packed_d + panel.start * n : d_at + panel.start;
            const float* x_from = packed_d ? packed_x : x_at + row;
            t.x = x_from;
            t.d = d_from;
            run_weight_tile(rows, panel.vectors, t);
        }
    }
};

constexpr int64_t FAR = 1 << 20;  // floats that no second-level cache holds

// body(first row, rows, thread) for all D rows of a weight matrix, at most `at_once` at a time.
template <typename Body>
void over_weight_rows(Context& context, int64_t D, int64_t at_once, const Body& body) {
    const int64_t pieces = (D + at_once - 1) / at_once, parts = std::min<int64_t>(pieces, 8 * context.pool->size());
    context.pool->run(parts, [&](int64_t part, int thread) {
        for (int64_t i = pieces * part / parts; i < pieces * (part + 1) / parts; i++) {
            const int64_t row = D * i / pieces, end = D * (i + 1) / pieces;
            body(row, int(end - row), thread);
        }
    });
}

}  // namespace

void affine_gradient(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Gradient*>(arguments);
    const Products products(context, a.x, a.d);
    float* dW = context.at(a.W);
    over_weight_rows(context, a.x.c, products.rows_at_once(), [&](int64_t row, int rows, int thread) {
        products.rows(row, rows, dW + row * a.d.c, context.workspace(thread, products.room()), [](const Panel&) {});
    });
}

// The gradient of some rows, and while it is in cache the update of those rows.
void affine_update(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Update*>(arguments);
    const Products products(context, a.x, a.d);
    std::array<const float*, MAX_SPACES> rule_data{context.at(a.W)};
    int moved = 1;
    for (const RulePart& part : *context.rule)
        for (int slot : part.slots)
            if (slot >= 0) rule_data[moved++] = context.spaces[slot] + (rule_data[0] - context.spaces[PARAMS]);
    if (a.x.c * a.d.c * moved < FAR) moved = 0;
    over_weight_rows(context, a.x.c, products.rows_at_once(), [&](int64_t row, int rows, int thread) {
        float* packed_x = context.workspace(thread, products.room() + products.rows_at_once() * a.d.c + LINE);
        float* g = align(packed_x + products.room());
        products.rows(row, rows, g, packed_x, [&](const Panel& panel) {
            // What the rule will need is on its way while the gradient is made.
            for (int m = 0; m < rows; m++)
                for (int i = 0; i < moved; i++)
                    for (int v = 0; v < panel.vectors; v += LINE / LANES)
                        __builtin_prefetch(rule_data[i] + (row + m) * a.d.c + panel.start + v * LANES, 1);
        });
        apply_rule(context, a.W + row * a.d.c, g, rows * a.d.c, a.decay);
    });
}

// Multiply-adds on registers alone, as many chains as a tile has: what the machine can do at most.
void multiply_add(const int64_t* arguments, int64_t, Context& context) {
    context.pool->run(context.pool->size(), [&](int64_t, int thread) {
        float* room = context.workspace(thread, ROWS * VECTORS * LANES);
        Vector acc[ROWS][VECTORS], x = splat(0.5f), y = splat(1e-3f);
#pragma GCC unroll 16
        for (int m = 0; m < ROWS; m++)  // no two alike, or the compiler makes one of them
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) acc[m][v] = splat(float(m * VECTORS + v + thread));
        for (int64_t round = 0; round < arguments[0]; round++) {
            asm volatile("" : "+m"(round));  // the loop is not to be seen through
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++)
#pragma GCC unroll 16
                for (int m = 0; m < ROWS; m++)
#pragma GCC unroll 4
                    for (int v = 0; v < VECTORS; v++) acc[m][v] = acc[m][v] * x + y;
        }
#pragma GCC unroll 16
        for (int m = 0; m < ROWS; m++)
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) store(room + (m * VECTORS + v) * LANES, acc[m][v]);
    });
}

// db = Σ d over all pixels: sums of parts, added in order.
void bias_gradient(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const BiasGradient*>(arguments);
    const float* d = context.at(a.d.at);
    float* db = context.at(a.db);
    const int64_t lines = context.n * a.d.h, parts = part_count(lines * a.d.w, 256), C = a.d.c;
    float* partial = context.workspace(context.pool->size(), parts * C);
    context.pool->run(parts, [&](int64_t part, int) {
        float* sum = partial + part * C;
        std::fill(sum, sum + C, 0.0f);
        for (int64_t l = lines * part / parts; l < lines * (part + 1) / parts; l++) {
            const float* p = d + line_offset(a.d, l);
            for (int64_t w = 0; w < a.d.w; w++, p += a.d.pixel)
                for (int64_t c = 0; c < C; c++) sum[c] += p[c];
        }
    });
    for (int64_t c = 0; c < C; c++) {
        float total = 0;
        for (int64_t part = 0; part < parts; part++) total += partial[part * C + c];
        db[c] = total;
    }
}

}  // namespace chainrule::CHAINRULE_ISA
