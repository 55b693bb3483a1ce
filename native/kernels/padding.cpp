// Zeros around images and beside their channels, written where the layer's output is, with x inside.
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct Padding {
    View x, y;
    int64_t top, left, before;  // where x begins
};

}  // namespace

void pad(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Padding*>(arguments);
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);
    const int64_t after = a.y.c - a.before - a.x.c;
    in_parts(context, context.n * a.y.h, 1 + 4096 / (a.y.w * a.y.c), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / a.y.h, h = l - n * a.y.h - a.top;
            const bool inside = h >= 0 && h < a.x.h;
            for (int64_t w = 0; w < a.y.w; w++) {
                float* to = y + line_offset(a.y, l) + w * a.y.pixel;
                if (!inside || w < a.left || w >= a.left + a.x.w) {
                    std::memset(to, 0, 4 * a.y.c);
                    continue;
                }
                std::memset(to, 0, 4 * a.before);
                std::memcpy(to + a.before, x + n * a.x.image + h * a.x.row + (w - a.left) * a.x.pixel, 4 * a.x.c);
                std::memset(to + a.before + a.x.c, 0, 4 * after);
            }
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
