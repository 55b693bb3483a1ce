// Local response normalisation across channels; backward makes the sums and powers again.
//
//     y_c = x_c s_c^−β      s_c = k + (α/n) Σ x_j², j from c − ⌊n/2⌋ to c + ⌊(n − 1)/2⌋
//     dx_c = d_c s_c^−β − (2αβ/n) x_c Σ d_i x_i s_i^−β−1 over all i whose sum holds c
#include "../functions.hpp"
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct Options {
    int64_t size, alpha, beta, k;
};
struct Forward {
    View x, y;
    Options of;
};
struct Backward {
    View d, x, dx;
    Options of;
    int64_t accumulate;
};

// Sums over neighbours of one pixel's channels, which lie between zeros.
struct Neighbours {
    Neighbours(Context& context, int thread, const Options& of, int64_t C, int64_t arrays)
        : before(std::min(of.size / 2, C - 1)), after(std::min((of.size - 1) / 2, C - 1)), stride(C + 2 * margin()),
          room(context.workspace(thread, arrays * stride)) {
        std::fill(room, room + arrays * stride, 0.0f);
    }
    int64_t margin() const { return std::max(before, after) + LANES; }
    float* array(int64_t i) const { return room + i * stride + margin(); }

    // Σ of values[c − low … c + high], from the left.
    static Vector sum(const float* values, int64_t low, int64_t high) {
        Vector total = load(values - low);
        for (int64_t shift = 1 - low; shift <= high; shift++) total += load(values + shift);
        return total;
    }

    int64_t before, after, stride;
    float* room;
};

}  // namespace

void local_response_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Forward*>(arguments);
    const int64_t C = a.y.c, W = a.y.w;
    const float share = float(as_real(a.of.alpha) / double(a.of.size)), k = float(as_real(a.of.k));
    const Power power(-as_real(a.of.beta));
    in_parts(context, context.n * a.y.h, 1 + 4096 / (W * C), [&](int64_t first, int64_t last, int64_t, int thread) {
        const Neighbours near(context, thread, a.of, C, 1);
        float* squares = near.array(0);
        for (int64_t i = first * W; i < last * W; i++) {
            const float* x = context.at(a.x.at) + pixel_offset(a.x, i);
            float* y = context.at(a.y.at) + pixel_offset(a.y, i);
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector v = load_part(x + c, lanes);
                store_part(squares + c, v * v, lanes);
            });
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector s = k + share * Neighbours::sum(squares + c, near.before, near.after);
                store_part(y + c, load_part(x + c, lanes) * power(s), lanes);
            });
        }
    });
}

void local_response_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Backward*>(arguments);
    const int64_t C = a.d.c, W = a.d.w;
    const double alpha = as_real(a.of.alpha), beta = as_real(a.of.beta);
    const float share = float(alpha / double(a.of.size)), k = float(as_real(a.of.k));
    const Power power(-beta);
    const float factor = float(2 * alpha * beta / double(a.of.size));
    in_parts(context, context.n * a.d.h, 1 + 4096 / (W * C), [&](int64_t first, int64_t last, int64_t, int thread) {
        const Neighbours near(context, thread, a.of, C, 3);
        float *squares = near.array(0), *shares = near.array(1), *scales = near.array(2);
        for (int64_t i = first * W; i < last * W; i++) {
            const float *d = context.at(a.d.at) + pixel_offset(a.d, i), *x = context.at(a.x.at) + pixel_offset(a.x, i);
            float* dx = context.at(a.dx.at) + pixel_offset(a.dx, i);  // may be x
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector v = load_part(x + c, lanes);
                store_part(squares + c, v * v, lanes);
            });
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector s = k + share * Neighbours::sum(squares + c, near.before, near.after);
                const Vector scale = power(s);
                store_part(scales + c, scale, lanes);
                store_part(shares + c, load_part(d + c, lanes) * load_part(x + c, lanes) * scale / s, lanes);
            });
            over_vectors(C, [&](int64_t c, int lanes) {
                Vector g = load_part(d + c, lanes) * load_part(scales + c, lanes) -
                           factor * load_part(x + c, lanes) * Neighbours::sum(shares + c, near.after, near.before);
                if (a.accumulate) g += load_part(dx + c, lanes);
                store_part(dx + c, g, lanes);
            });
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
