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
constexpr int64_t CACHED = 80 * 1024;

struct Packing {  // weight (group, k, f) is at group · group_stride + k_offset[k] + f · f_stride
    Address weights, packed;
    int64_t groups, outputs, f_stride, group_stride;
};

struct Rounding {
    View x, y;
    int64_t groups;
};

// write(k, from, to, here) makes row k of a panel out of the weights at `from`: `here` of them, up to its width.
template <typename Write>
void pack_panels(const Packing& a, int64_t K, Context& context, const Write& write) {
    const float* weights = context.at(a.weights);
    float* packed = context.at(a.packed);
    const Panels panels(a.outputs);
    // So many k at a time: a stretch of every output's weights that stays in the first-level cache.
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
            write(k, from, to + k * width, here);
            for (int64_t f = here; f < width; f++) to[k * width + f] = 0;
        }
    });
}

}  // namespace

void pack(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Packing*>(arguments);
    const int64_t* k_offset = arguments + sizeof(Packing) / 8;
    pack_panels(a, count - int64_t(sizeof(Packing) / 8), context, [&](int64_t k, const float* from, float* to, int64_t here) {
        for (int64_t f = 0; f < here; f++) to[f] = from[k_offset[k] + f * a.f_stride];
    });
}

// The same in words of two bfloat16: two offsets a word, a negative one for the zero that fills the last.
void pack_pairs(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Packing*>(arguments);
    const int64_t* k_offset = arguments + sizeof(Packing) / 8;
    const int64_t words = (count - int64_t(sizeof(Packing) / 8)) / 2;
    pack_panels(a, words, context, [&](int64_t k, const float* from, float* to, int64_t here) {
        const int64_t first = k_offset[2 * k], second = k_offset[2 * k + 1];
        for (int64_t f = 0; f < here; f += LANES) {
            const int lanes = int(std::min<int64_t>(LANES, here - f));
            Vector one{}, two{};
            for (int i = 0; i < lanes; i++) {
                one[i] = from[first + (f + i) * a.f_stride];
                if (second >= 0) two[i] = from[second + (f + i) * a.f_stride];
            }
            store_part(to + f, paired(one, two), lanes);
        }
    });
}

// y, words of two bfloat16 channels, from x; in each group the last word is filled with a zero where channels are odd.
void round_pairs(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Rounding*>(arguments);
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);
    const int64_t in_group = a.x.c / a.groups, words = a.y.c / a.groups;
    in_parts(context, context.n * a.x.h, 1 + 4096 / (a.x.w * a.x.c), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++)
            for (int64_t i = 0; i < a.x.w * a.groups; i++) {
                const int64_t w = i / a.groups, group = i % a.groups;
                const float* from = x + line_offset(a.x, l) + w * a.x.pixel + group * in_group;
                float* to = y + line_offset(a.y, l) + w * a.y.pixel + group * words;
                int64_t k = 0;
                for (; 2 * (k + LANES) <= in_group; k += LANES) store(to + k, paired_neighbours(from + 2 * k));
                for (; k < words; k++) {
                    const Vector one = splat(from[2 * k]), two = splat(2 * k + 1 < in_group ? from[2 * k + 1] : 0);
                    store_part(to + k, paired(one, two), 1);
                }
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

namespace {

template <typename Numbers>
void correlate_numbers(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Correlation*>(arguments);
    const int64_t* runs = arguments + sizeof(Correlation) / 8;
    const int64_t run_count = count - int64_t(sizeof(Correlation) / 8), K = run_count * a.run_length;
    const int64_t in_group = a.x.c / a.groups, out_group = a.y.c / a.groups;
    const Panels panels(out_group);
    const float *x = context.at(a.x.at), *packed = context.at(a.packed), *bias = context.at(a.bias);
    const float* mask = context.at(a.mask);
    float* y = context.at(a.y.at);
    const int64_t x_step = a.stride_w * a.x.pixel, x_line = a.stride_h * a.x.row;

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
    const int64_t block = std::clamp<int64_t>(CACHED / 3 / (in_group * a.stride_h * a.stride_w + a.y.c), 4 * ROWS, 1024);
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
            // Where pixel `first` is; from there on without divisions.
            int64_t column = first % a.y.w, h = first / a.y.w % a.y.h, n = first / a.y.w / a.y.h;
            const float* from = x + n * a.x.image + h * x_line + column * x_step + x_channel;
            int64_t to = n * a.y.image + h * a.y.row + column * a.y.pixel + y_channel;
            for (int64_t p = first; p < last;) {
                const int rows = next_rows(last - p);
                for (int m = 0; m < rows; m++) {
                    t.x[m] = from;
                    t.y[m] = y + to;
                    if (mask) t.mask[m] = mask + to;
                    from += x_step;
                    to += a.y.pixel;
                    if (++column == a.y.w) {
                        column = 0;
                        if (++h == a.y.h) h = 0, n++;
                        from = x + n * a.x.image + h * x_line + x_channel;
                        to = n * a.y.image + h * a.y.row + y_channel;
                    }
                }
                run_tile<Numbers>(rows, panel.vectors, t);
                p += rows;
            }
        }
    });
}

}  // namespace

void correlate(const int64_t* arguments, int64_t count, Context& context) {
    correlate_numbers<Floats>(arguments, count, context);
}

// x and the packed weights are words of two bfloat16; runs are counted in words.
void correlate_pairs(const int64_t* arguments, int64_t count, Context& context) {
    correlate_numbers<Pairs>(arguments, count, context);
}

namespace {

// One part of the sums over a block of lines: tiles `first` to before `last`, each over all pixels of the block.
struct Block {
    const Sums& a;
    const int64_t* runs;
    int64_t run_count, K, in_group, out_group;
    int64_t first_line, lines, length;  // lines of d, and pixels in each
    bool rows_only;                     // no images: all rows of the batch make one line
    const float *x, *d;
    float* g;

    int64_t x_line(int64_t l) const {
        if (rows_only) return 0;
        const int64_t n = (first_line + l) / a.d.h, h = (first_line + l) - n * a.d.h;
        return n * a.x.image + h * a.stride_h * a.x.row;
    }
    int64_t d_line(int64_t l) const { return rows_only ? 0 : line_offset(a.d, first_line + l); }
    int64_t x_step() const { return rows_only ? a.x.image : a.x.pixel; }
    int64_t stride() const { return rows_only ? 1 : a.stride_w; }  // rows are no windows of one image
    int64_t d_step() const { return rows_only ? a.d.image : a.d.pixel; }

    // The same in words of two pixels.
    void pair_d(const Panel& panel, int64_t group, float* to) const {
        for (int64_t l = 0; l < lines; l++) {
            const float* from = d + d_line(l) + group * out_group + panel.start;
            for (int64_t p = 0; p < length; p += 2, from += 2 * d_step(), to += panel.width())
                for (int v = 0; v < panel.vectors; v++)
                    store(to + v * LANES, paired(load(from + v * LANES),
                                                 p + 1 < length ? load(from + d_step() + v * LANES) : Vector{}));
        }
    }

    // A panel of d, pixel after pixel, for the first-level cache.
    void pack_d(const Panel& panel, int64_t group, float* to) const {
        for (int64_t l = 0; l < lines; l++) {
            const float* from = d + d_line(l) + group * out_group + panel.start;
            for (int64_t p = 0; p < length; p++, from += d_step(), to += panel.width())
                for (int v = 0; v < panel.vectors; v++) store(to + v * LANES, load(from + v * LANES));
        }
    }
};

// Few channels: a tile's rows run through the taps of a line, and x is read where it is.
void sum_narrow(const Block& b, const Panels& panels, int64_t first, int64_t last, float* room) {
    const int64_t row_tiles = (b.a.run_length + ROWS - 1) / ROWS;
    auto* tables = reinterpret_cast<int64_t*>(room);
    float* packed = align(room + 4 * b.lines);
    WeightTile t;
    t.lines = b.lines;
    t.length = b.length;
    t.x_pixel = b.stride() * b.x_step();
    t.g_stride = b.out_group;
    t.x_lines = tables;
    t.d_lines = tables + b.lines;
    t.d = packed;
    t.accumulate = b.first_line > 0;
    for (int64_t l = 0; l < b.lines; l++) tables[l] = b.x_line(l);
    int64_t packed_panel = -1;
    for (int64_t i = first; i < last; i++) {
        const int64_t run = i % b.run_count, j = i / b.run_count, tile = j % row_tiles, k = j / row_tiles;
        const int64_t group = k / panels.count;
        const Panel panel = panels[k % panels.count];
        if (k != packed_panel) {
            packed_panel = k;
            b.pack_d(panel, group, packed);
            t.d_pixel = panel.width();
            for (int64_t l = 0; l < b.lines; l++) tables[b.lines + l] = l * b.length * panel.width();
        }
        const int64_t row = b.a.run_length * tile / row_tiles, end = b.a.run_length * (tile + 1) / row_tiles;
        t.x = b.x + b.runs[run] + group * b.in_group + row;
        t.g = b.g + (group * b.K + run * b.a.run_length + row) * b.out_group + panel.start;
        t.last_lanes = panel.last_lanes;
        run_weight_tile(int(end - row), panel.vectors, t);
    }
}

// Many channels: a tile's rows are channels of one tap, and x is packed too, once for all taps of a line.
void sum_wide(const Block& b, const Panels& panels, int64_t first, int64_t last, float* room) {
    const int64_t channel_tiles = (b.in_group + ROWS - 1) / ROWS, taps = b.a.run_length / b.in_group;
    const int64_t wide = (b.length - 1) * b.stride() + taps;  // pixels of x in a line
    auto* tables = reinterpret_cast<int64_t*>(room);
    float* packed_d = align(room + 4 * b.lines);
    float* packed_x = packed_d + b.lines * b.length * panels.padded();
    WeightTile t;
    t.lines = b.lines;
    t.length = b.length;
    t.g_stride = b.out_group;
    t.x_lines = tables;
    t.d_lines = tables + b.lines;
    t.accumulate = b.first_line > 0;
    int64_t packed_group = -1;
    for (int64_t i = first; i < last; i++) {
        const int64_t run = i % b.run_count, j = i / b.run_count, tile = j % channel_tiles, group = j / channel_tiles;
        if (group != packed_group) {
            packed_group = group;
            for (int64_t k = 0; k < panels.count; k++)
                b.pack_d(panels[k], group, packed_d + panels[k].start * b.lines * b.length);
        }
        const int64_t row = b.in_group * tile / channel_tiles, end = b.in_group * (tile + 1) / channel_tiles;
        const int64_t rows = end - row;
        float* to = packed_x;
        for (int64_t l = 0; l < b.lines; l++) {
            const float* from = b.x + b.x_line(l) + b.runs[run] + group * b.in_group + row;
            for (int64_t p = 0; p < wide; p++, from += b.x_step(), to += rows)
                for (int64_t c = 0; c < rows; c += LANES) store(to + c, load(from + c));  // the next pixel's place too
            tables[l] = l * wide * rows;
        }
        t.x_pixel = b.stride() * rows;
        for (int64_t k = 0; k < panels.count; k++) {
            const Panel panel = panels[k];
            t.d = packed_d + panel.start * b.lines * b.length;
            t.d_pixel = panel.width();
            for (int64_t l = 0; l < b.lines; l++) tables[b.lines + l] = l * b.length * panel.width();
            t.last_lanes = panel.last_lanes;
            for (int64_t tap = 0; tap < taps; tap++) {
                t.x = packed_x + tap * rows;
                t.g = b.g + (group * b.K + run * b.a.run_length + tap * b.in_group + row) * b.out_group + panel.start;
                run_weight_tile(int(rows), panel.vectors, t);
            }
        }
    }
}

// In words of two bfloat16 that belong to pixels next to each other; a line of odd length ends with a zero.
void sum_pairs(const Block& b, const Panels& panels, int64_t first, int64_t last, float* room) {
    const int64_t row_tiles = (b.a.run_length + ROWS - 1) / ROWS, words = (b.length + 1) / 2;
    auto* tables = reinterpret_cast<int64_t*>(room);
    float* packed_d = align(room + 4 * b.lines);
    float* packed_x = packed_d + b.lines * words * panels.padded();
    WeightTile t;
    t.lines = b.lines;
    t.length = words;
    t.g_stride = b.out_group;
    t.x_lines = tables;
    t.d_lines = tables + b.lines;
    t.x = packed_x;
    t.accumulate = b.first_line > 0;
    int64_t packed_group = -1;
    for (int64_t i = first; i < last; i++) {
        const int64_t run = i % b.run_count, j = i / b.run_count, tile = j % row_tiles, group = j / row_tiles;
        if (group != packed_group) {
            packed_group = group;
            for (int64_t k = 0; k < panels.count; k++)
                b.pair_d(panels[k], group, packed_d + panels[k].start * b.lines * words);
        }
        const int64_t row = b.a.run_length * tile / row_tiles, end = b.a.run_length * (tile + 1) / row_tiles;
        const int64_t rows = end - row, x_step = b.stride() * b.x_step();
        float* to = packed_x;
        for (int64_t l = 0; l < b.lines; l++) {
            const float* from = b.x + b.x_line(l) + b.runs[run] + group * b.in_group + row;
            for (int64_t p = 0; p < b.length; p += 2, from += 2 * x_step, to += rows)
                for (int64_t c = 0; c < rows; c += LANES)  // the next word's place too
                    store(to + c, paired(load(from + c), p + 1 < b.length ? load(from + x_step + c) : Vector{}));
            tables[l] = l * words * rows;
        }
        t.x_pixel = rows;
        for (int64_t k = 0; k < panels.count; k++) {
            const Panel panel = panels[k];
            t.d = packed_d + panel.start * b.lines * words;
            t.d_pixel = panel.width();
            for (int64_t l = 0; l < b.lines; l++) tables[b.lines + l] = l * words * panel.width();
            t.last_lanes = panel.last_lanes;
            t.g = b.g + (group * b.K + run * b.a.run_length + row) * b.out_group + panel.start;
            run_weight_tile<Pairs>(int(rows), panel.vectors, t);
        }
    }
}

}  // namespace

// g (groups, K, F) = Σ over pixels of x at every place of the window times d. Each part owns some tiles of g and sums
// them over all pixels in order, block of lines after block.
namespace {

void sum_weights(const int64_t* arguments, int64_t count, Context& context, bool pairs) {
    const auto& a = *reinterpret_cast<const Sums*>(arguments);
    const int64_t* runs = arguments + sizeof(Sums) / 8;
    const int64_t run_count = count - int64_t(sizeof(Sums) / 8);
    const int64_t in_group = a.x.c / a.groups, out_group = a.d.c / a.groups;
    const Panels panels(out_group);
    const bool rows_only = a.d.h * a.d.w == 1;
    const bool wide = !pairs && in_group >= 8 * ROWS && !(rows_only && a.run_length > in_group);  // there taps lie in one row
    const int64_t all_lines = rows_only ? 1 : context.n * a.d.h, length = rows_only ? context.n : a.d.w;
    const int64_t block = std::clamp<int64_t>(CACHED / (length * (a.x.c * a.stride_h * a.stride_w + a.d.c)), 1, all_lines);
    const int64_t row_tiles = ((wide ? in_group : a.run_length) + ROWS - 1) / ROWS;
    const int64_t tiles = a.groups * run_count * row_tiles * (wide || pairs ? 1 : panels.count);
    const int64_t parts = std::min<int64_t>(tiles, 2 * context.pool->size());
    const int64_t x_pixels = (length - 1) * a.stride_w + a.run_length / in_group;
    const int64_t room = 4 * block + block * (length + 1) * panels.padded() + block * x_pixels * ROWS + 2 * LANES + LINE;
    context.pool->run(parts, [&](int64_t part, int thread) {
        float* own = context.workspace(thread, room);
        for (int64_t first = 0; first < all_lines; first += block) {
            const Block b{a, runs, run_count, run_count * a.run_length, in_group, out_group, first,
                          std::min(block, all_lines - first), length, rows_only, context.at(a.x.at), context.at(a.d.at),
                          context.at(a.g)};
            (pairs ? sum_pairs : wide ? sum_wide : sum_narrow)(b, panels, tiles * part / parts, tiles * (part + 1) / parts, own);
        }
    });
}

}  // namespace

void correlate_weights(const int64_t* arguments, int64_t count, Context& context) {
    sum_weights(arguments, count, context, false);
}

// The products of x and d rounded to bfloat16.
void correlate_weights_pairs(const int64_t* arguments, int64_t count, Context& context) {
    sum_weights(arguments, count, context, true);
}

}  // namespace chainrule::CHAINRULE_ISA
