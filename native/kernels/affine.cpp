// Affine layer: y = x W + b with W (D, M) as the user sees it; panels of it are packed by the thread that needs them.
#include "../images.hpp"
#include "../kernels.hpp"
#include "../rule.hpp"
#include "../tile.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

constexpr int64_t ROW_BLOCK = 16 * ROWS;   // rows of x for one packing

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
    const int64_t blocks = (n + ROW_BLOCK - 1) / ROW_BLOCK;
    context.pool->run(panels.count * blocks, [&](int64_t part, int thread) {
        const Panel panel = panels[part / blocks];
        const int64_t first = part % blocks * ROW_BLOCK, last = std::min(n, first + ROW_BLOCK), width = panel.width();
        Tile t;
        t.runs = ONE_RUN;
        t.run_count = 1;
        t.run_length = D;
        t.accumulate = false;
        t.relu = a.relu;
        t.masked = false;
        t.last_lanes = panel.last_lanes;
        t.w = W + panel.start;
        t.w_stride = M;
        t.bias = b ? b + panel.start : nullptr;
        const bool partial = panel.last_lanes < LANES;
        if (!direct || partial) {
            float* packed = context.workspace(thread, (D + 1) * width);
            const int64_t here = std::min(width, M - panel.start);
            for (int64_t k = 0; k < D; k++) {
                std::memcpy(packed + k * width, W + k * M + panel.start, 4 * here);
                if (partial) std::fill(packed + k * width + here, packed + (k + 1) * width, 0.0f);
            }
            if (b && partial) {
                float* last_bias = packed + D * width;
                std::fill(last_bias, last_bias + width, 0.0f);
                std::memcpy(last_bias, b + panel.start, 4 * here);
                t.bias = last_bias;
            }
            t.w = packed;
            t.w_stride = width;
        }
        panel_product(t, x, a.x.image, y + panel.start, a.y.image, nullptr, first, last, panel.vectors);
    });
}

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
        for (int64_t m0 = 0; m0 < M; m0 += 16) {  // stretches of 16 keep both sides in the first-level cache
            const int64_t m1 = std::min(M, m0 + 16);
            for (int64_t f = 0; f < here; f++) {
                const float* row = W + (panel.start + f) * M;
                for (int64_t m = m0; m < m1; m++) packed[m * width + f] = row[m];
            }
            for (int64_t f = here; f < width; f++)
                for (int64_t m = m0; m < m1; m++) packed[m * width + f] = 0;
        }
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

// Rows `row` to before `row + rows` of xᵀ d, written to `to` (rows, M).
void gradient_rows(const View& x, const View& d, const float* x_at, const float* d_at, int64_t n, int64_t row, int rows,
                   float* to) {
    const Panels panels(d.c);
    WeightTile t;
    t.lines = 1;
    t.length = n;
    t.x_pixel = x.image;
    t.d_pixel = d.image;
    t.x_lines = t.d_lines = ONE_RUN;
    t.g_stride = d.c;
    t.accumulate = false;
    t.x = x_at + row;
    for (int64_t i = 0; i < panels.count; i++) {
        const Panel panel = panels[i];
        t.d = d_at + panel.start;
        t.g = to + panel.start;
        t.last_lanes = panel.last_lanes;
        run_weight_tile(rows, panel.vectors, t);
    }
}

// body(first row, rows, thread) for all D rows of a weight matrix, a tile's rows at a time.
template <typename Body>
void over_weight_rows(Context& context, int64_t D, const Body& body) {
    const int64_t tiles = (D + ROWS - 1) / ROWS, parts = std::min<int64_t>(tiles, 8 * context.pool->size());
    context.pool->run(parts, [&](int64_t part, int thread) {
        for (int64_t i = tiles * part / parts; i < tiles * (part + 1) / parts; i++) {
            const int64_t row = D * i / tiles, end = D * (i + 1) / tiles;
            body(row, int(end - row), thread);
        }
    });
}

}  // namespace

void affine_gradient(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Gradient*>(arguments);
    const float *x = context.at(a.x.at), *d = context.at(a.d.at);
    float* dW = context.at(a.W);
    over_weight_rows(context, a.x.c, [&](int64_t row, int rows, int) {
        gradient_rows(a.x, a.d, x, d, context.n, row, rows, dW + row * a.d.c);
    });
}

// The gradient of some rows, and while it is in cache the update of those rows.
void affine_update(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Update*>(arguments);
    const float *x = context.at(a.x.at), *d = context.at(a.d.at);
    over_weight_rows(context, a.x.c, [&](int64_t row, int rows, int thread) {
        float* g = context.workspace(thread, ROWS * a.d.c + RULE_BLOCK);
        gradient_rows(a.x, a.d, x, d, context.n, row, rows, g);
        apply_rule(context, a.W + row * a.d.c, g, rows * a.d.c, a.decay, g + ROWS * a.d.c);
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
