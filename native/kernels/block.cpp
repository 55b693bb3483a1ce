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

void block_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Forward*>(arguments);
    const float *z = context.at(a.z.at), *scale = context.at(a.scale);
    const float *mean = context.at(a.mean), *beta = context.at(a.beta);
    const auto* keep = reinterpret_cast<const uint8_t*>(context.at(a.keep));
    float* y = context.at(a.y.at);
    const float keep_scale = float(as_real(a.keep_scale));
    const int64_t C = a.y.c;
    in_parts(context, context.n * a.y.h, 1 + LEAST_FLOATS / (a.y.w * C), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / a.y.h, h = l - n * a.y.h;
            const float* from = z + n * a.z.image + h * a.pool_h * a.z.row;
            float* to = y + n * a.y.image + h * a.y.row;
            const uint8_t* kept = keep ? keep + l * a.y.w * C : nullptr;
            for (int64_t w = 0; w < a.y.w; w++, from += a.pool_w * a.z.pixel, to += a.y.pixel) {
                over_vectors(C, [&](int64_t c, int lanes) {
                    const Vector s = scale ? load_part(scale + c, lanes) : splat(1.0f);
                    const Vector m = scale ? load_part(mean + c, lanes) : Vector{};
                    const Vector t = scale ? load_part(beta + c, lanes) : Vector{};
                    Vector best{};
                    for (int64_t i = 0; i < a.pool_h; i++) {
                        for (int64_t j = 0; j < a.pool_w; j++) {
                            Vector v = load_part(from + i * a.z.row + j * a.z.pixel + c, lanes);
                            if (scale) v = (v - m) * s + t;
                            best = i + j == 0 ? v : maximum(v, best);
                        }
                    }
                    if (a.relu) best = positive(best);
                    if (kept) {
                        Vector k{};
                        for (int e = 0; e < lanes; e++) k[e] = float(kept[w * C + c + e]);
                        best *= k * keep_scale;
                    }
                    store_part(to + c, best, lanes);
                });
            }
        }
    });
}

namespace {

// The gradients of a window's values, in g, and the values as they are in memory, in z.
template <typename A>
inline void window_gradients(const A& a, const float* z_at, Vector d, Vector s, Vector m, Vector t, bool normalised, int lanes,
                             Vector* z, Vector* g) {
    const int64_t taps = a.pool_h * a.pool_w;
    Vector best{}, value[MOST_TAPS];
    for (int64_t k = 0; k < taps; k++) {
        z[k] = load_part(z_at + k / a.pool_w * a.z.row + k % a.pool_w * a.z.pixel, lanes);
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
    if (kept) {
        Vector k{};
        for (int e = 0; e < lanes; e++) k[e] = float(kept[e]);
        v *= k * keep_scale;
    }
    return v;
}

}  // namespace

// Σ g and Σ g (z − mean) of each channel, part by part.
void block_sums(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Sums*>(arguments);
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
                const float* from = z + n * a.z.image + h * a.pool_h * a.z.row + c;
                const float* out = d + n * a.d.image + h * a.d.row + c;
                Vector sum = load_part(sums + c, lanes), product = load_part(products + c, lanes);
                for (int64_t w = 0; w < a.d.w; w++, from += a.pool_w * a.z.pixel, out += a.d.pixel) {
                    const uint8_t* kept = keep ? keep + (l * a.d.w + w) * C + c : nullptr;
                    Vector values[MOST_TAPS], g[MOST_TAPS];
                    window_gradients(a, from, output_gradient(out, kept, keep_scale, lanes), s, m, t, true, lanes, values,
                                     g);
                    for (int64_t k = 0; k < a.pool_h * a.pool_w; k++) {
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

void block_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Backward*>(arguments);
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
                const float* from = z + n * a.z.image + h * a.pool_h * a.z.row + c;
                float* to = dz + n * a.dz.image + h * a.pool_h * a.dz.row + c;
                const float* out = d + n * a.d.image + h * a.d.row + c;
                for (int64_t w = 0; w < a.d.w; w++) {
                    const uint8_t* kept = keep ? keep + (l * a.d.w + w) * C + c : nullptr;
                    Vector values[MOST_TAPS], g[MOST_TAPS];
                    window_gradients(a, from, output_gradient(out, kept, keep_scale, lanes), s, m, t, scale != nullptr,
                                     lanes, values, g);
                    for (int64_t k = 0; k < a.pool_h * a.pool_w; k++) {
                        float* place = to + k / a.pool_w * a.dz.row + k % a.pool_w * a.dz.pixel;
                        Vector v = scale ? p * g[k] - q - r * (values[k] - m) : g[k];
                        if (a.accumulate) v += load_part(place, lanes);
                        store_part(place, v, lanes);
                    }
                    from += a.pool_w * a.z.pixel;
                    to += a.pool_w * a.dz.pixel;
                    out += a.d.pixel;
                }
            });
        }
    });
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
