// Pointwise activations other than ReLU, which has its place in blocks; backward makes what it needs from x again.
#include "../functions.hpp"
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

enum Kind : int64_t { LEAKY_RELU, TANH, SIGMOID, ELU, SILU, SOFTPLUS, SELU, GELU, GELU_TANH };

struct Forward {
    View x, y;
    int64_t kind, a;
};
struct Backward {
    View d, x, dx;
    int64_t kind, accumulate, a;
};
struct SlopesForward {
    View x, y;
    Address alpha;
};
struct SlopesBackward {
    View d, x, dx;
    Address alpha, dalpha;
    int64_t wanted, accumulate;  // whether dx is made, and added to what is there
};

// Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-normalizing neural networks", NeurIPS 2017, equation 14.
constexpr float SELU_ALPHA = 1.6732632423543772f, SELU_SCALE = 1.0507009873554805f;
// Of Φ(x) ≈ σ(SLOPE (x + CUBIC x³)), as layers/gelu.py derives it.
constexpr float GELU_SLOPE = 1.5957691216057308f, GELU_CUBIC = 0.044715f;

template <int64_t kind>
inline Vector value(Vector x, float a) {
    if constexpr (kind == LEAKY_RELU) return x > 0.0f ? x : a * x;
    if constexpr (kind == TANH) return hyperbolic_tangent(x);
    if constexpr (kind == SIGMOID) return Sigmoids(x).of;
    if constexpr (kind == ELU) return x > 0.0f ? x : a * exponential_minus_one(x);
    if constexpr (kind == SILU) return x * Sigmoids(x).of;
    if constexpr (kind == SELU) return SELU_SCALE * (x > 0.0f ? x : SELU_ALPHA * exponential_minus_one(x));
    if constexpr (kind == SOFTPLUS) {
        const Vector z = a * x;
        return (positive(z) + logarithm_of_one_plus(exponential(-magnitude(z)))) / a;
    }
    if constexpr (kind == GELU) return x * Normal(x).distribution;
    if constexpr (kind == GELU_TANH) return x * Sigmoids(GELU_SLOPE * (x + GELU_CUBIC * x * x * x)).of;
}

template <int64_t kind>
inline Vector slope(Vector x, float a) {
    if constexpr (kind == LEAKY_RELU) return x > 0.0f ? splat(1.0f) : splat(a);
    if constexpr (kind == TANH) {
        const Vector y = hyperbolic_tangent(x);
        return (1.0f - y) * (1.0f + y);
    }
    if constexpr (kind == SIGMOID) {
        const Sigmoids y(x);
        return y.of * y.opposite;
    }
    if constexpr (kind == SOFTPLUS) return Sigmoids(a * x).of;
    if constexpr (kind == ELU) return x > 0.0f ? splat(1.0f) : a * exponential(x);
    if constexpr (kind == SILU) {
        const Sigmoids y(x);
        return y.of + x * y.of * y.opposite;
    }
    if constexpr (kind == SELU) return SELU_SCALE * (x > 0.0f ? splat(1.0f) : SELU_ALPHA * exponential(x));
    if constexpr (kind == GELU) {
        const Normal y(x);
        return y.distribution + x * y.density;
    }
    if constexpr (kind == GELU_TANH) {
        const Vector square = x * x;
        const Sigmoids y(GELU_SLOPE * (x + GELU_CUBIC * square * x));
        return y.of + x * (GELU_SLOPE + (3 * GELU_CUBIC * GELU_SLOPE) * square) * y.of * y.opposite;
    }
}

template <int64_t kind>
void forward(const Forward& v, Context& context) {
    const float* x = context.at(v.x.at);
    float* y = context.at(v.y.at);
    const float a = float(as_real(v.a));
    over_stretches(context, [&](int64_t length, int64_t to, int64_t from) {
        over_vectors(length, [&](int64_t i, int lanes) {
            store_part(y + to + i, value<kind>(load_part(x + from + i, lanes), a), lanes);
        });
    }, v.y, v.x);
}

template <int64_t kind>
void backward(const Backward& v, Context& context) {
    const float *d = context.at(v.d.at), *x = context.at(v.x.at);
    float* dx = context.at(v.dx.at);  // may be x
    const float a = float(as_real(v.a));
    over_stretches(context, [&](int64_t length, int64_t out, int64_t from, int64_t to) {
        over_vectors(length, [&](int64_t i, int lanes) {
            Vector g = load_part(d + out + i, lanes) * slope<kind>(load_part(x + from + i, lanes), a);
            if (v.accumulate) g += load_part(dx + to + i, lanes);
            store_part(dx + to + i, g, lanes);
        });
    }, v.d, v.x, v.dx);
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
        case GELU: return f(std::integral_constant<int64_t, GELU>{});
        case GELU_TANH: return f(std::integral_constant<int64_t, GELU_TANH>{});
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

// PReLU: y = max(x, 0) + alpha min(x, 0), one slope a channel.
void prelu_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& v = *reinterpret_cast<const SlopesForward*>(arguments);
    const float *x = context.at(v.x.at), *alpha = context.at(v.alpha);
    float* y = context.at(v.y.at);
    in_parts(context, context.n * v.y.h, 1 + 4096 / (v.y.w * v.y.c), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++)
            for (int64_t w = 0; w < v.y.w; w++) {
                const float* from = x + line_offset(v.x, l) + w * v.x.pixel;
                float* to = y + line_offset(v.y, l) + w * v.y.pixel;
                over_vectors(v.y.c, [&](int64_t c, int lanes) {
                    const Vector z = load_part(from + c, lanes);
                    store_part(to + c, positive(z) + load_part(alpha + c, lanes) * negative(z), lanes);
                });
            }
    });
}

// dx, and dalpha = Σ d · min(x, 0): sums of parts, added in order.
void prelu_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& v = *reinterpret_cast<const SlopesBackward*>(arguments);
    const float *d = context.at(v.d.at), *x = context.at(v.x.at), *alpha = context.at(v.alpha);
    float* dx = context.at(v.dx.at);  // may be x
    const int64_t C = v.d.c, lines = context.n * v.d.h, parts = part_count(lines, 1 + 4096 / (v.d.w * C));
    float* partial = context.workspace(context.pool->size(), parts * C);
    context.pool->run(parts, [&](int64_t part, int) {
        float* sums = partial + part * C;
        std::fill(sums, sums + C, 0.0f);
        for (int64_t l = lines * part / parts; l < lines * (part + 1) / parts; l++)
            for (int64_t w = 0; w < v.d.w; w++) {
                const float *out = d + line_offset(v.d, l) + w * v.d.pixel, *from = x + line_offset(v.x, l) + w * v.x.pixel;
                float* to = dx + line_offset(v.dx, l) + w * v.dx.pixel;
                over_vectors(C, [&](int64_t c, int lanes) {
                    const Vector g = load_part(out + c, lanes), z = load_part(from + c, lanes);
                    store_part(sums + c, load_part(sums + c, lanes) + g * negative(z), lanes);
                    if (!v.wanted) return;
                    const Vector side = z > 0.0f ? splat(1.0f) : Vector{};
                    Vector made = g * (side + load_part(alpha + c, lanes) * (1.0f - side));
                    if (v.accumulate) made += load_part(to + c, lanes);
                    store_part(to + c, made, lanes);
                });
            }
    });
    join_parts(partial, parts, C, context.at(v.dalpha));
}

}  // namespace chainrule::CHAINRULE_ISA
