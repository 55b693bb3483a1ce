// Convolution, its two gradients, and the packing of weights into panels.
//
// All three are sums over a window's taps. Python turns stride, padding, dilation and groups into `runs`, the distances
// from a pixel to the stretches of its window that lie side by side in memory; nothing else of them is left here.
#include "../images.hpp"
#include "../kernels.hpp"
#include "../tile.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

// Floats that a part of the work reads and writes, to stay in the second-level cache.
constexpr int64_t CACHED = 48 * 1024;

struct Packing {  // weight (group, k, f) is at group · group_stride + k_offset[k] + f · f_stride
    Address weights, packed;
    int64_t groups, outputs, f_stride, group_stride;
};

}  // namespace

void pack(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Packing*>(arguments);
    const int64_t* k_offset = arguments + sizeof(Packing) / 8;
    const int64_t K = count - int64_t(sizeof(Packing) / 8);
    const float* weights = context.at(a.weights);
    float* packed = context.at(a.packed);
    const Panels panels(a.outputs);
    // Twelve lines of k at a time: a stretch of every output's weights that stays in the first-level cache.
    constexpr int64_t BLOCK = 64;
    const int64_t blocks = (K + BLOCK - 1) / BLOCK;
    context.pool->run(a.groups * panels.count * blocks, [&](int64_t part, int) {
        const int64_t block = part % blocks, rest = part / blocks;
        const int64_t group = rest / panels.count;
        const Panel panel = panels[rest % panels.count];
        const int64_t width = panel.width(), here = std::min(width, a.outputs - panel.start);
        const float* from = weights + group * a.group_stride + panel.start * a.f_stride;
        float* to = packed + (group * panels.padded() + panel.start) * K;
        for (int64_t k = block * BLOCK; k < std::min(K, (block + 1) * BLOCK); k++) {
            for (int64_t f = 0; f < here; f++) to[k * width + f] = from[k_offset[k] + f * a.f_stride];
            for (int64_t f = here; f < width; f++) to[k * width + f] = 0;
        }
    });
}

void unpack_gradient(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Packing*>(arguments);  // here `weights` are written, `packed` is (K, F)
    const int64_t* k_offset = arguments + sizeof(Packing) / 8;
    const int64_t K = count - int64_t(sizeof(Packing) / 8);
    float* weights = context.at(a.weights);
    const float* rows = context.at(a.packed);
    in_parts(context, a.groups * a.outputs, 1, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t i = first; i < last; i++) {
            const int64_t group = i / a.outputs, f = i % a.outputs;
            float* to = weights + group * a.group_stride + f * a.f_stride;
            const float* from = rows + group * K * a.outputs + f;
            for (int64_t k = 0; k < K; k++) to[k_offset[k]] = from[k * a.outputs];
        }
    });
}

namespace {

struct Correlation {
    View x, y;
    Address mask, packed, bias;
    int64_t stride_h, stride_w, relu, accumulate, groups, run_length;
};

struct Sums {
    View x, d;
    Address g;
    int64_t stride_h, stride_w, groups, run_length;
};

}  // namespace

void correlate(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Correlation*>(arguments);
    const int64_t* runs = arguments + sizeof(Correlation) / 8;
    const int64_t run_count = count - int64_t(sizeof(Correlation) / 8), K = run_count * a.run_length;
    const int64_t in_group = a.x.c / a.groups, out_group = a.y.c / a.groups;
    const Panels panels(out_group);
    const float *x = context.at(a.x.at), *packed = context.at(a.packed), *bias = context.at(a.bias);
    const float* mask = context.at(a.mask);
    float* y = context.at(a.y.at);

    // The bias in whole vectors, group after group.
    float* padded_bias = nullptr;
    if (bias) {
        padded_bias = context.workspace(0, a.groups * panels.padded());
        for (int64_t i = 0; i < a.groups * panels.padded(); i++) {
            const int64_t group = i / panels.padded(), f = i % panels.padded();
            padded_bias[i] = f < out_group ? bias[group * out_group + f] : 0;
        }
    }

    // A part is a block of pixels with all panels; where there are few pixels, a block with some of the panels.
    const int64_t total = context.n * pixels(a.y);
    const int64_t block = std::clamp<int64_t>(CACHED / (in_group * a.stride_h * a.stride_w + a.y.c), 4 * ROWS, 1024);
    const int64_t blocks = (total + block - 1) / block;
    const int64_t work = a.groups * panels.count;
    const int64_t slices = blocks >= 16 ? 1 : std::min<int64_t>(work, (16 + blocks - 1) / blocks);
    context.pool->run(blocks * slices, [&](int64_t part, int) {
        const int64_t slice = part / blocks, first = part % blocks * block, last = std::min(total, first + block);
        Tile t;
        t.runs = runs;
        t.run_count = run_count;
        t.run_length = a.run_length;
        t.accumulate = a.accumulate;
        t.relu = a.relu;
        t.masked = mask != nullptr;
        for (int64_t i = work * slice / slices; i < work * (slice + 1) / slices; i++) {
            const int64_t group = i / panels.count;
            const Panel panel = panels[i % panels.count];
            t.w = packed + (group * panels.padded() + panel.start) * K;
            t.w_stride = panel.width();
            t.bias = bias ? padded_bias + group * panels.padded() + panel.start : nullptr;
            t.last_lanes = panel.last_lanes;
            const int64_t x_channel = group * in_group, y_channel = group * out_group + panel.start;
            for (int64_t p = first; p < last;) {
                const int rows = next_rows(last - p);
                int64_t line = p / a.y.w, column = p - line * a.y.w;
                for (int m = 0; m < rows; m++) {
                    const int64_t n = line / a.y.h, h = line - n * a.y.h;
                    t.x[m] = x + n * a.x.image + h * a.stride_h * a.x.row + column * a.stride_w * a.x.pixel + x_channel;
                    const int64_t to = n * a.y.image + h * a.y.row + column * a.y.pixel + y_channel;
                    t.y[m] = y + to;
                    if (mask) t.mask[m] = mask + to;
                    if (++column == a.y.w) column = 0, line++;
                }
                run_tile(rows, panel.vectors, t);
                p += rows;
            }
        }
    });
}

// g (groups, K, F) = Σ over pixels of x at every place of the window times d. Each thread owns some tiles of g and sums
// them over all pixels in order.
void correlate_weights(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Sums*>(arguments);
    const int64_t* runs = arguments + sizeof(Sums) / 8;
    const int64_t run_count = count - int64_t(sizeof(Sums) / 8), K = run_count * a.run_length;
    const int64_t in_group = a.x.c / a.groups, out_group = a.d.c / a.groups;
    const Panels panels(out_group);
    const float *x = context.at(a.x.at), *d = context.at(a.d.at);
    float* g = context.at(a.g);

    const bool rows_only = a.d.h * a.d.w == 1;  // no images: all rows of the batch make one line
    const int64_t lines = rows_only ? 1 : context.n * a.d.h, length = rows_only ? context.n : a.d.w;
    const int64_t line_floats = length * (a.x.c * a.stride_h * a.stride_w + a.d.c);
    const int64_t block = std::max<int64_t>(1, CACHED / line_floats);

    const int64_t row_tiles = (a.run_length + ROWS - 1) / ROWS;
    const int64_t tiles = a.groups * run_count * row_tiles * panels.count;
    const int64_t parts = std::min<int64_t>(tiles, 2 * context.pool->size());
    context.pool->run(parts, [&](int64_t part, int thread) {
        auto* tables = reinterpret_cast<int64_t*>(context.workspace(thread, 4 * block));
        WeightTile t;
        t.x_pixel = rows_only ? a.x.image : a.stride_w * a.x.pixel;
        t.d_pixel = rows_only ? a.d.image : a.d.pixel;
        t.length = length;
        t.g_stride = out_group;
        t.x_lines = tables;
        t.d_lines = tables + block;
        for (int64_t first = 0; first < lines; first += block) {
            t.lines = std::min(block, lines - first);
            for (int64_t l = 0; l < t.lines; l++) {
                const int64_t n = (first + l) / a.d.h, h = (first + l) - n * a.d.h;
                tables[l] = n * a.x.image + h * a.stride_h * a.x.row;
                tables[block + l] = n * a.d.image + h * a.d.row;
            }
            t.accumulate = first > 0;
            for (int64_t i = tiles * part / parts; i < tiles * (part + 1) / parts; i++) {
                // Runs innermost: the tiles of one set of channels follow each other.
                const int64_t run = i % run_count, j = i / run_count, tile = j % row_tiles, k = j / row_tiles;
                const int64_t group = k / panels.count;
                const Panel panel = panels[k % panels.count];
                const int64_t row = a.run_length * tile / row_tiles, end = a.run_length * (tile + 1) / row_tiles;
                t.x = x + runs[run] + group * in_group + row;
                t.d = d + group * out_group + panel.start;
                t.g = g + (group * K + run * a.run_length + row) * out_group + panel.start;
                t.last_lanes = panel.last_lanes;
                run_weight_tile(int(end - row), panel.vectors, t);
            }
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
