// Pointwise activations other than ReLU, which has its place in blocks; backward makes what it needs from x again.
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

enum Kind : int64_t { LEAKY_RELU, TANH, SIGMOID, ELU, SILU, SOFTPLUS, SELU };

struct Forward {
    View x, y;
    int64_t kind, a;
};
struct Backward {
    View d, x, dx;
    int64_t kind, accumulate, a;
};

// Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-normalizing neural networks", NeurIPS 2017, equation 14.
constexpr float SELU_ALPHA = 1.6732632423543772f, SELU_SCALE = 1.0507009873554805f;

// exp x = 2ⁿ exp r with n = round(x / ln 2), |r| <= ln 2 / 2; a polynomial in r, in plain arithmetic so that compilers
// make vectors of it. Within two units in the last place where the result is a normal number, 0 below.
inline float exponential(float x) {
    const float bounded = std::min(std::max(x, -87.0f), 88.7f);
    const float shifted = bounded * 1.44269504f + 12582912.0f;  // rounds to the nearest integer
    const float n = shifted - 12582912.0f;
    const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const float e = p * r * r + r + 1.0f;
    const int32_t half = int32_t(n) >> 1, rest = int32_t(n) - half;  // 2¹²⁸ is no float, its root's square is
    const int32_t first = (half + 127) << 23, second = (rest + 127) << 23;
    float a, b;
    std::memcpy(&a, &first, 4);
    std::memcpy(&b, &second, 4);
    const float y = e * a * b;
    return x < -87.0f ? 0.0f : x > 88.7f ? INFINITY : x == x ? y : x;
}

// log x for x in [1, 2]: with s = (x − 1)/(x + 1), 2 (s + s³/3 + s⁵/5 + …).
inline float logarithm_to_two(float x) {
    const float s = (x - 1) / (x + 1), q = s * s;
    return 2 * s * (1 + q * (0.33333333f + q * (0.2f + q * (0.14285715f + q * (0.11111111f + q * 0.090909094f)))));
}

inline float hyperbolic_tangent(float x) {
    const float z = std::fabs(x), e = exponential(-2 * z), large = (1 - e) / (1 + e), s = x * x;
    // Near 0 the quotient loses digits; there the series serves.
    const float small = z * (1 + s * (-0.33333333f + s * (0.13333333f + s * (-0.053968254f + s * 0.021869489f))));
    const float y = z < 0.25f ? small : large;
    return x < 0 ? -y : y;
}

inline float logistic(float x) {
    const float e = exponential(-std::fabs(x)), q = 1 / (1 + e);
    return x < 0 ? e * q : q;
}

template <int64_t kind>
inline float value(float x, float a) {
    if constexpr (kind == LEAKY_RELU) return x > 0 ? x : a * x;
    if constexpr (kind == TANH) return hyperbolic_tangent(x);
    if constexpr (kind == SIGMOID) return logistic(x);
    if constexpr (kind == ELU) return x > 0 ? x : a * (exponential(x) - 1);
    if constexpr (kind == SILU) return x * logistic(x);
    if constexpr (kind == SELU) return SELU_SCALE * (x > 0 ? x : SELU_ALPHA * (exponential(x) - 1));
    if constexpr (kind == SOFTPLUS) {
        const float e = exponential(-std::fabs(x)), u = 1 + e;
        return std::max(x, 0.0f) + (logarithm_to_two(u) + (e - (u - 1)) / u);  // gives back what rounding 1 + e lost
    }
    return 0;
}

template <int64_t kind>
inline float slope(float x, float a) {
    if constexpr (kind == LEAKY_RELU) return x > 0 ? 1.0f : a;
    if constexpr (kind == TANH) {
        const float y = hyperbolic_tangent(x);
        return (1 - y) * (1 + y);
    }
    if constexpr (kind == SIGMOID || kind == SOFTPLUS) {
        const float y = logistic(x);
        if constexpr (kind == SOFTPLUS) return y;
        return y * logistic(-x);
    }
    if constexpr (kind == ELU) return x > 0 ? 1.0f : a * exponential(x);
    if constexpr (kind == SILU) {
        const float y = logistic(x);
        return y + x * y * logistic(-x);
    }
    if constexpr (kind == SELU) return SELU_SCALE * (x > 0 ? 1.0f : SELU_ALPHA * exponential(x));
    return 0;
}

template <int64_t kind>
void forward(const Forward& v, Context& context) {
    const float* x = context.at(v.x.at);
    float* y = context.at(v.y.at);
    const float a = float(as_real(v.a));
    in_parts(context, context.n * v.y.h, 1 + 2048 / (v.y.w * v.y.c), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++)
            for (int64_t w = 0; w < v.y.w; w++) {
                const float* __restrict from = x + line_offset(v.x, l) + w * v.x.pixel;
                float* __restrict to = y + line_offset(v.y, l) + w * v.y.pixel;
                for (int64_t c = 0; c < v.y.c; c++) to[c] = value<kind>(from[c], a);
            }
    });
}

template <int64_t kind>
void backward(const Backward& v, Context& context) {
    const float *d = context.at(v.d.at), *x = context.at(v.x.at);
    float* dx = context.at(v.dx.at);
    const float a = float(as_real(v.a));
    in_parts(context, context.n * v.d.h, 1 + 2048 / (v.d.w * v.d.c), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++)
            for (int64_t w = 0; w < v.d.w; w++) {
                const float *out = d + line_offset(v.d, l) + w * v.d.pixel, *from = x + line_offset(v.x, l) + w * v.x.pixel;
                float* to = dx + line_offset(v.dx, l) + w * v.dx.pixel;  // may be `from`
                for (int64_t c = 0; c < v.d.c; c++) {
                    const float g = out[c] * slope<kind>(from[c], a);
                    to[c] = v.accumulate ? to[c] + g : g;
                }
            }
    });
}

template <typename Function>
void by_kind(int64_t kind, const Function& f) {
    switch (kind) {
        case LEAKY_RELU: return f(std::integral_constant<int64_t, LEAKY_RELU>{});
        case TANH: return f(std::integral_constant<int64_t, TANH>{});
        case SIGMOID: return f(std::integral_constant<int64_t, SIGMOID>{});
        case ELU: return f(std::integral_constant<int64_t, ELU>{});
        case SILU: return f(std::integral_constant<int64_t, SILU>{});
        case SOFTPLUS: return f(std::integral_constant<int64_t, SOFTPLUS>{});
        case SELU: return f(std::integral_constant<int64_t, SELU>{});
    }
}

}  // namespace

void activate(const int64_t* arguments, int64_t, Context& context) {
    const auto& v = *reinterpret_cast<const Forward*>(arguments);
    by_kind(v.kind, [&](auto kind) { forward<kind.value>(v, context); });
}

void activate_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& v = *reinterpret_cast<const Backward*>(arguments);
    by_kind(v.kind, [&](auto kind) { backward<kind.value>(v, context); });
}

}  // namespace chainrule::CHAINRULE_ISA
