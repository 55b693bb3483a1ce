// Max and average pooling of any window, stride and padding. Images are parts of their own, so windows may overlap.
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct Window {
    int64_t h, w, stride_h, stride_w, top, left, image_h, image_w;
};
struct MaxForward {
    View x, y;
    Address winners;
    Window at;
};
struct MaxBackward {
    View d, dx;
    Address winners;
    Window at;
    int64_t accumulate;
};
struct AverageForward {
    View x, y;
    Window at;
};
struct AverageBackward {
    View d, dx;
    Window at;
    int64_t accumulate;
};

// f(n, oh, ow, h, w, tap) for every pixel (h, w) of the image in every window, taps in row-major order.
template <typename Function>
inline void over_taps(const Window& at, int64_t oh, int64_t ow, const Function& f) {
    for (int64_t i = 0; i < at.h; i++) {
        const int64_t h = oh * at.stride_h + i - at.top;
        if (h < 0 || h >= at.image_h) continue;
        for (int64_t j = 0; j < at.w; j++) {
            const int64_t w = ow * at.stride_w + j - at.left;
            if (w >= 0 && w < at.image_w) f(h, w, i * at.w + j);
        }
    }
}

void clear(float* dx, const View& v, int64_t n) {
    for (int64_t h = 0; h < v.h; h++)
        for (int64_t w = 0; w < v.w; w++) std::memset(dx + n * v.image + h * v.row + w * v.pixel, 0, 4 * v.c);
}

}  // namespace

void max_pool_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const MaxForward*>(arguments);
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);
    auto* winners = reinterpret_cast<int32_t*>(context.at(a.winners));  // as y, without borders
    const int64_t C = a.y.c;
    in_parts(context, context.n * a.y.h, 1 + 4096 / (a.y.w * C), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / a.y.h, oh = l - n * a.y.h;
            for (int64_t ow = 0; ow < a.y.w; ow++) {
                float* __restrict out = y + line_offset(a.y, l) + ow * a.y.pixel;
                int32_t* __restrict winner = winners + (l * a.y.w + ow) * C;
                std::fill(out, out + C, -INFINITY);
                std::fill(winner, winner + C, -1);
                over_taps(a.at, oh, ow, [&](int64_t h, int64_t w, int64_t tap) {
                    const float* __restrict from = x + n * a.x.image + h * a.x.row + w * a.x.pixel;
                    const auto number = int32_t(tap);
                    for (int64_t c = 0; c < C; c++) {
                        const bool wins = (from[c] > out[c]) | (winner[c] < 0) | (from[c] != from[c]);  // NaN stays
                        out[c] = wins ? from[c] : out[c];
                        winner[c] = wins ? number : winner[c];
                    }
                });
            }
        }
    });
}

void max_pool_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const MaxBackward*>(arguments);
    const float* d = context.at(a.d.at);
    float* dx = context.at(a.dx.at);
    const auto* winners = reinterpret_cast<const int32_t*>(context.at(a.winners));
    const int64_t C = a.d.c;
    in_parts(context, context.n, 1, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t n = first; n < last; n++) {
            if (!a.accumulate) clear(dx, a.dx, n);
            for (int64_t oh = 0; oh < a.d.h; oh++)
                for (int64_t ow = 0; ow < a.d.w; ow++) {
                    const float* __restrict out = d + n * a.d.image + oh * a.d.row + ow * a.d.pixel;
                    const int32_t* __restrict winner = winners + ((n * a.d.h + oh) * a.d.w + ow) * C;
                    over_taps(a.at, oh, ow, [&](int64_t h, int64_t w, int64_t tap) {
                        float* __restrict to = dx + n * a.dx.image + h * a.dx.row + w * a.dx.pixel;
                        const auto number = int32_t(tap);
                        for (int64_t c = 0; c < C; c++) to[c] += winner[c] == number ? out[c] : 0.0f;
                    });
                }
        }
    });
}

// counts: how many entries each window row, then each window column, is divided by.
void average_pool_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const AverageForward*>(arguments);
    const int64_t* counts = arguments + sizeof(AverageForward) / 8;
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);
    const int64_t C = a.y.c;
    in_parts(context, context.n * a.y.h, 1 + 4096 / (a.y.w * C), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / a.y.h, oh = l - n * a.y.h;
            for (int64_t ow = 0; ow < a.y.w; ow++) {
                float* out = y + line_offset(a.y, l) + ow * a.y.pixel;
                std::memset(out, 0, 4 * C);
                over_taps(a.at, oh, ow, [&](int64_t h, int64_t w, int64_t) {
                    const float* from = x + n * a.x.image + h * a.x.row + w * a.x.pixel;
                    for (int64_t c = 0; c < C; c++) out[c] += from[c];
                });
                const float share = 1.0f / float(counts[oh] * counts[a.y.h + ow]);
                for (int64_t c = 0; c < C; c++) out[c] *= share;
            }
        }
    });
}

void average_pool_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const AverageBackward*>(arguments);
    const int64_t* counts = arguments + sizeof(AverageBackward) / 8;
    const float* d = context.at(a.d.at);
    float* dx = context.at(a.dx.at);
    const int64_t C = a.d.c;
    in_parts(context, context.n, 1, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t n = first; n < last; n++) {
            if (!a.accumulate) clear(dx, a.dx, n);
            for (int64_t oh = 0; oh < a.d.h; oh++)
                for (int64_t ow = 0; ow < a.d.w; ow++) {
                    const float* out = d + n * a.d.image + oh * a.d.row + ow * a.d.pixel;
                    const float share = 1.0f / float(counts[oh] * counts[a.d.h + ow]);
                    over_taps(a.at, oh, ow, [&](int64_t h, int64_t w, int64_t) {
                        float* to = dx + n * a.dx.image + h * a.dx.row + w * a.dx.pixel;
                        for (int64_t c = 0; c < C; c++) to[c] += out[c] * share;
                    });
                }
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
