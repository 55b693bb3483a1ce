// Batch normalisation, ReLU, disjoint max pooling and dropout, any of them left out, in one pass over memory.
//
//     y = keep · keep_scale · max over the window of relu(scale · (z − mean) + beta)
//
// Nothing between z and y is stored. Backward makes the window's values again and sends the gradient to the first that
// equals the maximum; z's gradient may take z's own place.
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

constexpr int64_t LEAST_FLOATS = 4096;  // in a part
constexpr int MOST_TAPS = 16;           // of a window; the planner sees to it

struct Moments {
    View z;
    Address gamma, mean, var, rstd, scale, partials;
    int64_t eps;
};
struct FixedScale {
    int64_t c;
    Address gamma, var, scale;
    int64_t eps;
};
struct Forward {
    View z, y;
    Address scale, mean, beta;
    int64_t relu, pool_h, pool_w;
    Address keep;
    int64_t keep_scale;
};
struct Sums {
    View d, z;
    Address scale, mean, beta;
    int64_t relu, pool_h, pool_w;
    Address keep, partials;
    int64_t keep_scale;
};
struct Gradients {
    View d, z;
    Address gamma, mean, rstd, dgamma, dbeta, coefficients, partials;
};
struct Backward {
    View d, z, dz;
    Address scale, mean, beta, coefficients;
    int64_t relu, pool_h, pool_w;
    Address keep;
    int64_t accumulate, keep_scale;
};
struct Running {
    Address mean, var, running_mean, running_var;
    int64_t c, momentum;
};

int64_t sum_parts(const View& v, int64_t n) { return part_count(n * v.h, 1 + LEAST_FLOATS / (v.w * v.c)); }

}  // namespace

// Mean and biased variance of each channel. A part takes both over its own pixels, in two passes while they are in cache;
// the parts are joined in order by Chan, Golub & LeVeque's formula.
void moments(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Moments*>(arguments);
    const float* z = context.at(a.z.at);
    float* partials = context.at(a.partials);  // (parts, 2, C): mean, Σ (z − mean)²
    const int64_t C = a.z.c, lines = context.n * a.z.h, parts = sum_parts(a.z, context.n);
    const double eps = as_real(a.eps);
    context.pool->run(parts, [&](int64_t part, int) {
        const int64_t first = lines * part / parts, last = lines * (part + 1) / parts;
        float *mean = partials + part * 2 * C, *squares = mean + C;
        over_vectors(C, [&](int64_t c, int lanes) {
            Vector sum{};
            for (int64_t l = first; l < last; l++) {
                const float* p = z + line_offset(a.z, l) + c;
                for (int64_t w = 0; w < a.z.w; w++) sum += load_part(p + w * a.z.pixel, lanes);
            }
            sum /= splat(float((last - first) * a.z.w));
            Vector square{};
            for (int64_t l = first; l < last; l++) {
                const float* p = z + line_offset(a.z, l) + c;
                for (int64_t w = 0; w < a.z.w; w++) {
                    const Vector e = load_part(p + w * a.z.pixel, lanes) - sum;
                    square += e * e;
                }
            }
            store_part(mean + c, sum, lanes);
            store_part(squares + c, square, lanes);
        });
    });
    float *mean = context.at(a.mean), *var = context.at(a.var), *rstd = context.at(a.rstd);
    float* scale = context.at(a.scale);
    const float* gamma = context.at(a.gamma);
    for (int64_t c = 0; c < C; c++) {
        double count = 0, m = 0, squares = 0;
        for (int64_t part = 0; part < parts; part++) {
            const double own = double((lines * (part + 1) / parts - lines * part / parts) * a.z.w);
            const double delta = double(partials[part * 2 * C + c]) - m;
            squares += double(partials[part * 2 * C + C + c]) + delta * delta * count * own / (count + own);
            m += delta * own / (count + own);
            count += own;
        }
        const double v = squares / count, r = 1 / std::sqrt(v + eps);
        mean[c] = float(m);
        var[c] = float(v);
        if (!std::isfinite(var[c])) context.status = CAREFUL;  // an input of 1e20 has finite scores and gradients still
        rstd[c] = float(r);
        scale[c] = float(double(gamma[c]) * r);
    }
}

// Test mode: the scale from running statistics.
void fixed_scale(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const FixedScale*>(arguments);
    const float *gamma = context.at(a.gamma), *var = context.at(a.var);
    float* scale = context.at(a.scale);
    for (int64_t c = 0; c < a.c; c++) scale[c] = float(double(gamma[c]) / std::sqrt(double(var[c]) + as_real(a.eps)));
}

namespace {

// Windows of one pixel and of 2 × 2, which nearly all are, are known to the compiler; 0 stands for any size.
template <typename A, typename Function>
void by_window(const A& a, const Function& f) {
    if (a.pool_h == 1 && a.pool_w == 1) f(std::integral_constant<int, 1>{});
    else if (a.pool_h == 2 && a.pool_w == 2) f(std::integral_constant<int, 2>{});
    else f(std::integral_constant<int, 0>{});
}

// The bytes of a mask as floats, times the scale.
inline Vector kept_scale(const uint8_t* kept, float scale, int lanes) {
    typedef uint8_t Bytes __attribute__((vector_size(LANES)));
    Bytes bytes{};
    if (lanes == LANES) std::memcpy(&bytes, kept, LANES);
    else std::memcpy(&bytes, kept, lanes);
    return __builtin_convertvector(bytes, Vector) * scale;
}

template <int window>
void forward(const Forward& a, Context& context) {
    const int64_t pool_h = window ? window : a.pool_h, pool_w = window ? window : a.pool_w;
    const float *z = context.at(a.z.at), *scale = context.at(a.scale);
    const float *mean = context.at(a.mean), *beta = context.at(a.beta);
    const auto* keep = reinterpret_cast<const uint8_t*>(context.at(a.keep));
    float* y = context.at(a.y.at);
    const float keep_scale = float(as_real(a.keep_scale));
    const int64_t C = a.y.c;
    in_parts(context, context.n * a.y.h, 1 + LEAST_FLOATS / (a.y.w * C), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / a.y.h, h = l - n * a.y.h;
            const float* from = z + n * a.z.image + h * pool_h * a.z.row;
            float* to = y + n * a.y.image + h * a.y.row;
            const uint8_t* kept = keep ? keep + l * a.y.w * C : nullptr;
            for (int64_t w = 0; w < a.y.w; w++, from += pool_w * a.z.pixel, to += a.y.pixel) {
                over_vectors(C, [&](int64_t c, int lanes) {
                    const Vector s = scale ? load_part(scale + c, lanes) : splat(1.0f);
                    const Vector m = scale ? load_part(mean + c, lanes) : Vector{};
                    const Vector t = scale ? load_part(beta + c, lanes) : Vector{};
                    Vector best{};
                    for (int64_t i = 0; i < pool_h; i++) {
                        for (int64_t j = 0; j < pool_w; j++) {
                            Vector v = load_part(from + i * a.z.row + j * a.z.pixel + c, lanes);
                            if (scale) v = (v - m) * s + t;
                            best = i + j == 0 ? v : maximum_or_nan(v, best);
                        }
                    }
                    if (a.relu) best = positive(best);
                    if (kept) best *= kept_scale(kept + w * C + c, keep_scale, lanes);
                    store_part(to + c, best, lanes);
                });
            }
        }
    });
}

// The gradients of a window's values, in g, and the values as they are in memory, in z.
template <int window, typename A>
inline void window_gradients(const A& a, const float* z_at, Vector d, Vector s, Vector m, Vector t, bool normalised,
                             int lanes, Vector* z, Vector* g) {
    const int64_t pool_w = window ? window : a.pool_w, taps = window ? window * window : a.pool_h * a.pool_w;
    Vector best{}, value[window ? window * window : MOST_TAPS];
    for (int64_t k = 0; k < taps; k++) {
        z[k] = load_part(z_at + k / pool_w * a.z.row + k % pool_w * a.z.pixel, lanes);
        value[k] = normalised ? (z[k] - m) * s + t : z[k];
        best = k == 0 ? value[k] : maximum(value[k], best);
    }
    if (a.relu) d = best > 0.0f ? d : Vector{};
    for (int64_t k = 0; k < taps; k++) {  // what is not given to this tap is left for the next
        g[k] = value[k] == best ? d : Vector{};
        d = value[k] == best ? Vector{} : d;
    }
}

inline Vector output_gradient(const float* d, const uint8_t* kept, float keep_scale, int lanes) {
    Vector v = load_part(d, lanes);
    return kept ? v * kept_scale(kept, keep_scale, lanes) : v;
}

// Σ g and Σ g (z − mean) of each channel, part by part.
template <int window>
void sums(const Sums& a, Context& context) {
    const int64_t pool_h = window ? window : a.pool_h, pool_w = window ? window : a.pool_w;
    const float *d = context.at(a.d.at), *z = context.at(a.z.at);
    const float *scale = context.at(a.scale), *mean = context.at(a.mean), *beta = context.at(a.beta);
    const auto* keep = reinterpret_cast<const uint8_t*>(context.at(a.keep));
    const float keep_scale = float(as_real(a.keep_scale));
    float* partials = context.at(a.partials);
    const int64_t C = a.d.c, lines = context.n * a.d.h, parts = sum_parts(a.d, context.n);
    context.pool->run(parts, [&](int64_t part, int) {
        float *sums = partials + part * 2 * C, *products = sums + C;
        std::fill(sums, sums + 2 * C, 0.0f);
        for (int64_t l = lines * part / parts; l < lines * (part + 1) / parts; l++) {
            const int64_t n = l / a.d.h, h = l - n * a.d.h;
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector s = load_part(scale + c, lanes), t = load_part(beta + c, lanes);
                const Vector m = load_part(mean + c, lanes);
                const float* from = z + n * a.z.image + h * pool_h * a.z.row + c;
                const float* out = d + n * a.d.image + h * a.d.row + c;
                Vector sum = load_part(sums + c, lanes), product = load_part(products + c, lanes);
                for (int64_t w = 0; w < a.d.w; w++, from += pool_w * a.z.pixel, out += a.d.pixel) {
                    const uint8_t* kept = keep ? keep + (l * a.d.w + w) * C + c : nullptr;
                    Vector values[window ? window * window : MOST_TAPS], g[window ? window * window : MOST_TAPS];
                    window_gradients<window>(a, from, output_gradient(out, kept, keep_scale, lanes), s, m, t, true, lanes, values,
                                     g);
                    for (int64_t k = 0; k < pool_h * pool_w; k++) {
                        sum += g[k];
                        product += g[k] * (values[k] - m);
                    }
                }
                store_part(sums + c, sum, lanes);
                store_part(products + c, product, lanes);
            });
        }
    });
}

template <int window>
void backward(const Backward& a, Context& context) {
    const int64_t pool_h = window ? window : a.pool_h, pool_w = window ? window : a.pool_w;
    const float *d = context.at(a.d.at), *z = context.at(a.z.at);
    const float *scale = context.at(a.scale), *mean = context.at(a.mean), *beta = context.at(a.beta);
    const float* coefficients = context.at(a.coefficients);
    const auto* keep = reinterpret_cast<const uint8_t*>(context.at(a.keep));
    const float keep_scale = float(as_real(a.keep_scale));
    float* dz = context.at(a.dz.at);
    const int64_t C = a.d.c;
    in_parts(context, context.n * a.d.h, 1 + LEAST_FLOATS / (a.d.w * C), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / a.d.h, h = l - n * a.d.h;
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector s = scale ? load_part(scale + c, lanes) : Vector{};
                const Vector t = scale ? load_part(beta + c, lanes) : Vector{};
                const Vector m = scale ? load_part(mean + c, lanes) : Vector{};
                const Vector p = scale ? load_part(coefficients + c, lanes) : Vector{};
                const Vector q = scale ? load_part(coefficients + C + c, lanes) : Vector{};
                const Vector r = scale ? load_part(coefficients + 2 * C + c, lanes) : Vector{};
                const float* from = z + n * a.z.image + h * pool_h * a.z.row + c;
                float* to = dz + n * a.dz.image + h * pool_h * a.dz.row + c;
                const float* out = d + n * a.d.image + h * a.d.row + c;
                for (int64_t w = 0; w < a.d.w; w++) {
                    const uint8_t* kept = keep ? keep + (l * a.d.w + w) * C + c : nullptr;
                    Vector values[window ? window * window : MOST_TAPS], g[window ? window * window : MOST_TAPS];
                    window_gradients<window>(a, from, output_gradient(out, kept, keep_scale, lanes), s, m, t, scale != nullptr,
                                     lanes, values, g);
                    for (int64_t k = 0; k < pool_h * pool_w; k++) {
                        float* place = to + k / pool_w * a.dz.row + k % pool_w * a.dz.pixel;
                        Vector v = scale ? p * g[k] - q - r * (values[k] - m) : g[k];
                        if (a.accumulate) v += load_part(place, lanes);
                        store_part(place, v, lanes);
                    }
                    from += pool_w * a.z.pixel;
                    to += pool_w * a.dz.pixel;
                    out += a.d.pixel;
                }
            });
        }
    });
}

}  // namespace

void block_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Forward*>(arguments);
    by_window(a, [&](auto window) { forward<window.value>(a, context); });
}

void block_sums(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Sums*>(arguments);
    by_window(a, [&](auto window) { sums<window.value>(a, context); });
}

void block_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Backward*>(arguments);
    by_window(a, [&](auto window) { backward<window.value>(a, context); });
}

// dbeta, dgamma, and the three numbers of dz = p g − q − r (z − mean).
void block_gradients(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Gradients*>(arguments);
    const float *partials = context.at(a.partials), *gamma = context.at(a.gamma), *rstd = context.at(a.rstd);
    float *dgamma = context.at(a.dgamma), *dbeta = context.at(a.dbeta), *coefficients = context.at(a.coefficients);
    const int64_t C = a.d.c, parts = sum_parts(a.d, context.n);
    const double count = double(context.n * a.z.h * a.z.w);
    for (int64_t c = 0; c < C; c++) {
        double sum = 0, product = 0;
        for (int64_t part = 0; part < parts; part++) {
            sum += double(partials[part * 2 * C + c]);
            product += double(partials[part * 2 * C + C + c]);
        }
        const double r = double(rstd[c]), p = double(gamma[c]) * r;
        dbeta[c] = float(sum);
        dgamma[c] = float(product * r);
        coefficients[c] = float(p);
        coefficients[C + c] = float(p * sum / count);
        coefficients[2 * C + c] = float(p * r * r * product / count);
    }
}

void running_moments(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Running*>(arguments);
    const float *mean = context.at(a.mean), *var = context.at(a.var);
    float *running_mean = context.at(a.running_mean), *running_var = context.at(a.running_var);
    const float old = float(as_real(a.momentum)), fresh = float(1 - as_real(a.momentum));
    for (int64_t c = 0; c < a.c; c++) {
        running_mean[c] = old * running_mean[c] + fresh * mean[c];
        running_var[c] = old * running_var[c] + fresh * var[c];
    }
}

}  // namespace chainrule::CHAINRULE_ISA
