// Softmax as a layer: over the channels of features, or along the lines of images. Backward needs the output alone.
#include "../functions.hpp"
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct Forward {
    View x, y;
    int64_t along_lines;
};
struct Backward {
    View d, y, dx;
    int64_t along_lines, accumulate;
};

int64_t least(const View& v) { return 1 + 4096 / (v.w * v.c); }

// y = softmax of `count` numbers side by side. NaN may be missed by the maximum, but not by the sum.
void row_forward(const float* x, float* y, int64_t count) {
    Vector most = splat(-INFINITY), total{};
    over_vectors(count, [&](int64_t c, int lanes) {
        most = maximum(load_padded(x + c, lanes, -INFINITY), most);
    });
    const Vector highest = splat(highest_lane(most));
    over_vectors(count, [&](int64_t c, int lanes) {
        const Vector e = exponential(load_padded(x + c, lanes, -INFINITY) - highest);
        total += e;
        store_part(y + c, e, lanes);
    });
    const Vector sum = splat(sum_lanes(total));
    over_vectors(count, [&](int64_t c, int lanes) { store_part(y + c, load_part(y + c, lanes) / sum, lanes); });
}

}  // namespace

void softmax_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Forward*>(arguments);
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);
    in_parts(context, context.n * a.y.h, least(a.y), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const float* from = x + line_offset(a.x, l);
            float* to = y + line_offset(a.y, l);
            if (!a.along_lines) {
                row_forward(from, to, a.y.c);
                continue;
            }
            over_vectors(a.y.c, [&](int64_t c, int lanes) {
                Vector highest = splat(-INFINITY), total{};
                for (int64_t w = 0; w < a.y.w; w++)
                    highest = maximum(load_part(from + w * a.x.pixel + c, lanes), highest);
                for (int64_t w = 0; w < a.y.w; w++) {
                    const Vector e = exponential(load_part(from + w * a.x.pixel + c, lanes) - highest);
                    total += e;
                    store_part(to + w * a.y.pixel + c, e, lanes);
                }
                for (int64_t w = 0; w < a.y.w; w++) {
                    float* place = to + w * a.y.pixel + c;
                    store_part(place, load_part(place, lanes) / total, lanes);
                }
            });
        }
    });
}

// dx = y (d − Σ y d)
void softmax_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Backward*>(arguments);
    const float *d = context.at(a.d.at), *y = context.at(a.y.at);
    float* dx = context.at(a.dx.at);
    in_parts(context, context.n * a.y.h, least(a.y), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const float *out = d + line_offset(a.d, l), *from = y + line_offset(a.y, l);
            float* to = dx + line_offset(a.dx, l);
            const auto write = [&](int64_t w, int64_t c, int lanes, Vector sum) {
                Vector g = load_part(from + w * a.y.pixel + c, lanes) * (load_part(out + w * a.d.pixel + c, lanes) - sum);
                if (a.accumulate) g += load_part(to + w * a.dx.pixel + c, lanes);
                store_part(to + w * a.dx.pixel + c, g, lanes);
            };
            if (!a.along_lines) {
                Vector sums{};
                over_vectors(a.y.c, [&](int64_t c, int lanes) {
                    sums += load_part(from + c, lanes) * load_part(out + c, lanes);
                });
                const Vector sum = splat(sum_lanes(sums));
                over_vectors(a.y.c, [&](int64_t c, int lanes) { write(0, c, lanes, sum); });
                continue;
            }
            over_vectors(a.y.c, [&](int64_t c, int lanes) {
                Vector sum{};
                for (int64_t w = 0; w < a.y.w; w++)
                    sum += load_part(from + w * a.y.pixel + c, lanes) * load_part(out + w * a.d.pixel + c, lanes);
                for (int64_t w = 0; w < a.y.w; w++) write(w, c, lanes, sum);
            });
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
