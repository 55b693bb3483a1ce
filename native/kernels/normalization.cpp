// Normalisation of each row by itself: group, instance, layer and root mean square normalisation.
//
//     y = γ x̂ + β      x̂ = r (x − μ)      r = 1/√(mean of (x − μ)² + ε)      μ = mean of x, or 0 (root mean square)
//     dx = r (g − mean g − x̂ mean(g x̂)) with g = γ d      dγ = Σ d x̂      dβ = Σ d
//
// group_norm: the means are over groups of channels and all pixels of an image, γ and β belong to channels. For features
// it is layer normalisation (one group) too. line_norm: over each channel of a line, γ and β belong to its pixels.
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

constexpr int64_t LEAST_FLOATS = 4096;  // in a part

struct Forward {
    View x, y;
    Address gamma, beta, mean, rstd;  // the last two: a number for each image or line and group or channel
    int64_t groups, centred, eps;
};
struct Backward {
    View d, x, dx;
    Address gamma, mean, rstd, dgamma, dbeta;
    int64_t groups, centred, wanted, accumulate;  // whether dx is made, and added to what is there
};

inline Vector load_or(const float* p, int64_t c, int lanes, float otherwise) {
    return p ? load_part(p + c, lanes) : splat(otherwise);
}

float sum_of(const float* values, int64_t count) {
    if (count == 1) return *values;
    Vector sums[4] = {};
    over_vectors(count, [&](int64_t c, int lanes) { sums[c / LANES % 4] += load_part(values + c, lanes); });
    return sum_lanes(sums[0] + sums[1] + (sums[2] + sums[3]));
}

// f(group, first channel, channels) for all groups of C channels.
template <typename Function>
void over_groups(int64_t C, int64_t groups, const Function& f) {
    for (int64_t g = 0; g < groups; g++) f(g, g * (C / groups), C / groups);
}

// sums[c] = Σ f(h, w, c, lanes) over the pixels of an image, a line at a time so that roundings do not add up.
template <typename Function>
void sum_pixels(const View& v, float* sums, const Function& f) {
    for (int64_t h = 0; h < v.h; h++)
        over_vectors(v.c, [&](int64_t c, int lanes) {
            Vector line{};
            for (int64_t w = 0; w < v.w; w++) line += f(h, w, c, lanes);
            store_part(sums + c, h ? load_part(sums + c, lanes) + line : line, lanes);
        });
}

const float* pixel(const float* image, const View& v, int64_t h, int64_t w) { return image + h * v.row + w * v.pixel; }
float* pixel(float* image, const View& v, int64_t h, int64_t w) { return image + h * v.row + w * v.pixel; }

}  // namespace

void group_norm_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Forward*>(arguments);
    const int64_t C = a.x.c, groups = a.groups;
    const float count = float(C / groups * pixels(a.x));
    const float *gamma = context.at(a.gamma), *beta = context.at(a.beta);
    const double eps = as_real(a.eps);
    in_parts(context, context.n, 1 + LEAST_FLOATS / (C * pixels(a.x)), [&](int64_t first, int64_t last, int64_t, int thread) {
        float *sums = context.workspace(thread, 3 * C), *mean = sums + C, *scale = sums + 2 * C;  // of each channel
        for (int64_t n = first; n < last; n++) {
            const float* x = context.at(a.x.at) + n * a.x.image;
            float *y = context.at(a.y.at) + n * a.y.image, *rstd = context.at(a.rstd) + n * groups;
            float* group_mean = a.centred ? context.at(a.mean) + n * groups : nullptr;
            std::fill(mean, mean + C, 0.0f);
            if (a.centred) {
                sum_pixels(a.x, sums, [&](int64_t h, int64_t w, int64_t c, int lanes) {
                    return load_part(pixel(x, a.x, h, w) + c, lanes);
                });
                over_groups(C, groups, [&](int64_t g, int64_t start, int64_t size) {
                    group_mean[g] = sum_of(sums + start, size) / count;
                    std::fill(mean + start, mean + start + size, group_mean[g]);
                });
            }
            sum_pixels(a.x, sums, [&](int64_t h, int64_t w, int64_t c, int lanes) {
                const Vector e = load_part(pixel(x, a.x, h, w) + c, lanes) - load_part(mean + c, lanes);
                return e * e;
            });
            over_groups(C, groups, [&](int64_t g, int64_t start, int64_t size) {
                rstd[g] = float(1 / std::sqrt(double(sum_of(sums + start, size) / count) + eps));
                for (int64_t c = start; c < start + size; c++) scale[c] = gamma ? gamma[c] * rstd[g] : rstd[g];
            });
            for (int64_t h = 0; h < a.x.h; h++)
                for (int64_t w = 0; w < a.x.w; w++) {
                    const float* from = pixel(x, a.x, h, w);
                    float* to = pixel(y, a.y, h, w);
                    over_vectors(C, [&](int64_t c, int lanes) {
                        const Vector e = load_part(from + c, lanes) - load_part(mean + c, lanes);
                        store_part(to + c, e * load_part(scale + c, lanes) + load_or(beta, c, lanes, 0), lanes);
                    });
                }
        }
    });
}

void group_norm_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Backward*>(arguments);
    const int64_t C = a.x.c, groups = a.groups, parts = part_count(context.n, 1 + LEAST_FLOATS / (C * pixels(a.x)));
    const float count = float(C / groups * pixels(a.x)), *gamma = context.at(a.gamma);
    float *dgamma = context.at(a.dgamma), *dbeta = context.at(a.dbeta);
    float* partial = context.workspace(context.pool->size(), 2 * parts * C);
    in_parts(context, context.n, 1 + LEAST_FLOATS / (C * pixels(a.x)),
             [&](int64_t first, int64_t last, int64_t part, int thread) {
        // Of each channel: Σ d, Σ d (x − μ), μ, and the three numbers of dx = p d − q − t (x − μ).
        float *sums = context.workspace(thread, 6 * C), *products = sums + C, *mean = sums + 2 * C;
        float *p = sums + 3 * C, *q = sums + 4 * C, *t = sums + 5 * C;
        float *own_gamma = partial + part * C, *own_beta = partial + (parts + part) * C;
        std::fill(own_gamma, own_gamma + C, 0.0f);
        std::fill(own_beta, own_beta + C, 0.0f);
        for (int64_t n = first; n < last; n++) {
            const float *d = context.at(a.d.at) + n * a.d.image, *x = context.at(a.x.at) + n * a.x.image;
            const float* rstd = context.at(a.rstd) + n * groups;
            over_groups(C, groups, [&](int64_t g, int64_t start, int64_t size) {
                std::fill(mean + start, mean + start + size, a.centred ? context.at(a.mean)[n * groups + g] : 0.0f);
                std::fill(p + start, p + start + size, rstd[g]);
            });
            for (int64_t h = 0; h < a.x.h; h++)
                over_vectors(C, [&](int64_t c, int lanes) {
                    const Vector m = load_part(mean + c, lanes);
                    Vector sum{}, product{};
                    for (int64_t w = 0; w < a.x.w; w++) {
                        const Vector g = load_part(pixel(d, a.d, h, w) + c, lanes);
                        sum += g;
                        product += g * (load_part(pixel(x, a.x, h, w) + c, lanes) - m);
                    }
                    store_part(sums + c, h ? load_part(sums + c, lanes) + sum : sum, lanes);
                    store_part(products + c, h ? load_part(products + c, lanes) + product : product, lanes);
                });
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector sum = load_part(sums + c, lanes), product = load_part(products + c, lanes);
                const Vector r = load_part(p + c, lanes), weight = load_or(gamma, c, lanes, 1);
                store_part(own_gamma + c, load_part(own_gamma + c, lanes) + r * product, lanes);
                store_part(own_beta + c, load_part(own_beta + c, lanes) + sum, lanes);
                store_part(p + c, r * weight, lanes);
                store_part(q + c, weight * sum, lanes);
                store_part(t + c, weight * product, lanes);
            });
            over_groups(C, groups, [&](int64_t g, int64_t start, int64_t size) {
                const float r = rstd[g], mean_g = a.centred ? sum_of(q + start, size) / count : 0.0f;
                const float mean_product = r * sum_of(t + start, size) / count;
                std::fill(q + start, q + start + size, r * mean_g);
                std::fill(t + start, t + start + size, r * r * mean_product);
            });
            if (!a.wanted) continue;
            float* dx = context.at(a.dx.at) + n * a.dx.image;  // may be x
            for (int64_t h = 0; h < a.x.h; h++)
                for (int64_t w = 0; w < a.x.w; w++) {
                    const float *out = pixel(d, a.d, h, w), *from = pixel(x, a.x, h, w);
                    float* to = pixel(dx, a.dx, h, w);
                    over_vectors(C, [&](int64_t c, int lanes) {
                        const Vector e = load_part(from + c, lanes) - load_part(mean + c, lanes);
                        Vector g = load_part(out + c, lanes) * load_part(p + c, lanes) - load_part(q + c, lanes) -
                                   load_part(t + c, lanes) * e;
                        if (a.accumulate) g += load_part(to + c, lanes);
                        store_part(to + c, g, lanes);
                    });
                }
        }
    });
    if (dgamma) join_parts(partial, parts, C, dgamma);
    if (dbeta) join_parts(partial + parts * C, parts, C, dbeta);
}

void line_norm_forward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Forward*>(arguments);
    const int64_t C = a.x.c, W = a.x.w;
    const float *gamma = context.at(a.gamma), *beta = context.at(a.beta), count = float(W);
    const double eps = as_real(a.eps);
    in_parts(context, context.n * a.x.h, 1 + LEAST_FLOATS / (C * W), [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t l = first; l < last; l++)
            over_vectors(C, [&](int64_t c, int lanes) {
                const float* x = context.at(a.x.at) + line_offset(a.x, l) + c;
                float *y = context.at(a.y.at) + line_offset(a.y, l) + c, *rstd = context.at(a.rstd) + l * C + c;
                Vector mean{}, squares{}, r{};
                if (a.centred) {
                    for (int64_t w = 0; w < W; w++) mean += load_part(x + w * a.x.pixel, lanes);
                    mean /= count;
                    store_part(context.at(a.mean) + l * C + c, mean, lanes);
                }
                for (int64_t w = 0; w < W; w++) {
                    const Vector e = load_part(x + w * a.x.pixel, lanes) - mean;
                    squares += e * e;
                }
                for (int i = 0; i < LANES; i++) r[i] = float(1 / std::sqrt(double(squares[i] / count) + eps));
                store_part(rstd, r, lanes);
                for (int64_t w = 0; w < W; w++) {
                    const Vector e = load_part(x + w * a.x.pixel, lanes) - mean;
                    store_part(y + w * a.y.pixel, e * r * gamma[w] + (beta ? beta[w] : 0.0f), lanes);
                }
            });
    });
}

void line_norm_backward(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Backward*>(arguments);
    const int64_t C = a.x.c, W = a.x.w, lines = context.n * a.x.h, parts = part_count(lines, 1 + LEAST_FLOATS / (C * W));
    const float *gamma = context.at(a.gamma), count = float(W);
    float *dgamma = context.at(a.dgamma), *dbeta = context.at(a.dbeta);
    float* partial = context.workspace(context.pool->size(), 2 * parts * W);
    in_parts(context, lines, 1 + LEAST_FLOATS / (C * W), [&](int64_t first, int64_t last, int64_t part, int thread) {
        float *products = context.workspace(thread, 2 * W * LANES), *sums = products + W * LANES;  // (W, lanes)
        std::fill(products, products + 2 * W * LANES, 0.0f);
        for (int64_t l = first; l < last; l++)
            over_vectors(C, [&](int64_t c, int lanes) {
                const float* d = context.at(a.d.at) + line_offset(a.d, l) + c;
                const float* x = context.at(a.x.at) + line_offset(a.x, l) + c;
                const Vector m = a.centred ? load_part(context.at(a.mean) + l * C + c, lanes) : Vector{};
                const Vector r = load_part(context.at(a.rstd) + l * C + c, lanes);
                Vector mean{}, mean_product{};  // of g and g x̂
                for (int64_t w = 0; w < W; w++) {
                    const Vector out = load_part(d + w * a.d.pixel, lanes);
                    const Vector product = out * ((load_part(x + w * a.x.pixel, lanes) - m) * r);
                    mean += gamma[w] * out;
                    mean_product += gamma[w] * product;
                    store(products + w * LANES, load(products + w * LANES) + product);
                    store(sums + w * LANES, load(sums + w * LANES) + out);
                }
                if (!a.wanted) return;
                mean = a.centred ? mean / count : Vector{};
                mean_product /= count;
                float* dx = context.at(a.dx.at) + line_offset(a.dx, l) + c;  // may be x
                for (int64_t w = 0; w < W; w++) {
                    const Vector normal = (load_part(x + w * a.x.pixel, lanes) - m) * r;
                    Vector g = (gamma[w] * load_part(d + w * a.d.pixel, lanes) - mean - normal * mean_product) * r;
                    if (a.accumulate) g += load_part(dx + w * a.dx.pixel, lanes);
                    store_part(dx + w * a.dx.pixel, g, lanes);
                }
            });
        for (int64_t w = 0; w < W; w++) {
            partial[part * W + w] = sum_lanes(load(products + w * LANES));
            partial[(parts + part) * W + w] = sum_lanes(load(sums + w * LANES));
        }
    });
    join_parts(partial, parts, W, dgamma);
    if (dbeta) join_parts(partial + parts * W, parts, W, dbeta);
}

}  // namespace chainrule::CHAINRULE_ISA
