// Which elements dropout keeps: the same words of the same Philox stream as the reference, bytes in channels-last order.
#include "../images.hpp"
#include "../kernels.hpp"
#include "../philox.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct Mask {
    View y;  // bytes, without borders
    int64_t threshold;
};
struct Channels {
    View x, y;
    Address keep;  // (n, C) bytes
    int64_t accumulate, keep_scale;
};
constexpr uint32_t FORWARD = 2;  // arrays.Stream.FORWARD
constexpr int64_t AT_ONCE = 64;  // blocks of four words

// Blocks `first` and the AT_ONCE − 1 after it, a round at a time, so that compilers make vectors of the loop over blocks.
inline void draw(uint64_t first, uint64_t key, uint32_t (&words)[4][AT_ONCE]) {
    for (int64_t b = 0; b < AT_ONCE; b++) {
        words[0][b] = uint32_t(first + uint64_t(b));
        words[1][b] = uint32_t((first + uint64_t(b)) >> 32);
        words[2][b] = words[3][b] = 0;
    }
    uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
    for (int round = 0; round < 10; round++) {
        for (int64_t b = 0; b < AT_ONCE; b++) philox_round(words[0][b], words[1][b], words[2][b], words[3][b], k0, k1);
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
}

}  // namespace

void dropout_mask(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const Mask*>(arguments);
    uint64_t key = derive_key(context.seed, FORWARD, uint64_t(context.step), 0);
    for (int64_t i = sizeof(Mask) / 8; i < count; i++) key = derive_key(key, FORWARD, 0, uint32_t(arguments[i]));
    auto* keep = reinterpret_cast<uint8_t*>(context.at(a.y.at));
    const int64_t C = a.y.c, area = a.y.h * a.y.w, image = C * area;
    const auto threshold = uint32_t(a.threshold);
    in_parts(context, context.n, 1 + 4096 / image, [&](int64_t first, int64_t last, int64_t, int) {
        // Word i belongs to element i of (n, c, h, w).
        for (int64_t i = first * image / 4 * 4; i < last * image; i += 4 * AT_ONCE) {
            uint32_t words[4][AT_ONCE];
            draw(uint64_t(i / 4), key, words);
            const int64_t start = std::max(i, first * image), end = std::min(i + 4 * AT_ONCE, last * image);
            int64_t n = start / image, rest = start - n * image, c = rest / area, p = rest - c * area;
            uint8_t* to = keep + n * image + p * C + c;
            for (int64_t j = start; j < end; j++) {
                *to = words[uint64_t(j - i) % 4][uint64_t(j - i) / 4] >= threshold;
                to += C;
                if (++p == area) {
                    p = 0;
                    if (++c == C) c = 0, n++;
                    to = keep + n * image + c;
                }
            }
        }
    });
}

// Spatial dropout, forward and backward alike: channels are zeroed or scaled as a whole.
void scale_channels(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Channels*>(arguments);
    const float* x = context.at(a.x.at);
    float* y = context.at(a.y.at);  // may be x
    const auto* keep = reinterpret_cast<const uint8_t*>(context.at(a.keep));
    const auto scale = float(as_real(a.keep_scale));
    in_parts(context, context.n, 1 + 4096 / (pixels(a.y) * a.y.c), [&](int64_t first, int64_t last, int64_t, int thread) {
        float* factors = context.workspace(thread, a.y.c);
        for (int64_t n = first; n < last; n++) {
            for (int64_t c = 0; c < a.y.c; c++) factors[c] = float(keep[n * a.y.c + c]) * scale;
            for (int64_t p = 0; p < pixels(a.y); p++) {
                const float* from = x + pixel_offset(a.x, n * pixels(a.x) + p);
                float* to = y + pixel_offset(a.y, n * pixels(a.y) + p);
                over_vectors(a.y.c, [&](int64_t c, int lanes) {
                    Vector v = load_part(from + c, lanes) * load_part(factors + c, lanes);
                    if (a.accumulate) v += load_part(to + c, lanes);
                    store_part(to + c, v, lanes);
                });
            }
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
