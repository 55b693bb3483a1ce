// The loss and its gradient in one pass over the scores, the checks before an update, and the update.
#include "../functions.hpp"
#include "../images.hpp"
#include "../kernels.hpp"
#include "../rule.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct SoftmaxCrossEntropy {
    View scores, d;
    int64_t smoothing;
};
struct L2Loss {
    Address at;
    int64_t size, reg;
};
struct L2Gradient {
    Address at, g;
    int64_t size, reg;
};
struct Range {
    Address at;
    int64_t size, decay;
};
struct Products {
    View x, d;
};

// With the norm of the gradient below this no update rule comes near the end of single precision (3e38).
constexpr double HARMLESS = 1e12;

}  // namespace

void softmax_cross_entropy(const int64_t* arguments, int64_t count, Context& context) {
    const auto& a = *reinterpret_cast<const SoftmaxCrossEntropy*>(arguments);
    const int64_t* weights = arguments + sizeof(SoftmaxCrossEntropy) / 8;
    const bool weighted = count > int64_t(sizeof(SoftmaxCrossEntropy) / 8);
    const float* scores = context.at(a.scores.at);
    float* d = context.at(a.d.at);
    const int64_t C = a.scores.c, n = context.n;
    const double smoothing = as_real(a.smoothing);
    if (!context.targets) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t label = context.labels[context.rows ? context.rows[i] : i];
            if (label < 0 || label >= C) {
                context.status = BAD_LABEL;
                return;
            }
        }
    }
    const bool plain = !context.targets && smoothing == 0 && !weighted;
    const int64_t parts = part_count(n, 1 + 256 / C);
    std::array<double, MOST_PARTS> losses{};
    context.pool->run(parts, [&](int64_t part, int thread) {
        float* t = context.workspace(thread, C);
        double loss = 0;
        for (int64_t i = n * part / parts; i < n * (part + 1) / parts; i++) {
            const float* s = scores + i * a.scores.image;
            float* out = d + i * a.d.image;
            const int64_t row = context.rows ? context.rows[i] : i;
            Vector most = splat(-INFINITY), sums{};
            over_vectors(C, [&](int64_t c, int lanes) { most = maximum(load_padded(s + c, lanes, -INFINITY), most); });
            const float highest = highest_lane(most);
            over_vectors(C, [&](int64_t c, int lanes) {
                const Vector e = exponential(load_padded(s + c, lanes, -INFINITY) - highest);
                sums += e;
                store_part(out + c, e, lanes);
            });
            const float total = sum_lanes(sums), log_total = std::log(total), share = 1 / float(n);
            if (plain) {  // one target is 1, the others 0
                const int64_t label = context.labels[row];
                const float probability = out[label] / total;
                loss -= double(s[label] - highest - log_total);
                over_vectors(C, [&](int64_t c, int lanes) {
                    store_part(out + c, load_part(out + c, lanes) / total * share, lanes);
                });
                out[label] = (probability - 1) * share;
            } else {
                float given = 0;
                for (int64_t c = 0; c < C; c++) {
                    double target =
                        context.targets ? double(context.targets[row * C + c]) : double(context.labels[row] == c);
                    if (smoothing != 0) target = (1 - smoothing) * target + smoothing / double(C);
                    if (weighted) target *= as_real(weights[c]);
                    given += t[c] = float(target);
                }
                for (int64_t c = 0; c < C; c++) {
                    // 0 · log 0 is 0: a class masked by a score of −∞ costs nothing
                    if (t[c] > 0) loss -= double(t[c]) * double(s[c] - highest - log_total);
                    out[c] = (out[c] / total * given - t[c]) * share;
                }
            }
            if (!(total < 1e30f)) loss = NAN;
        }
        losses[part] = loss;
    });
    double loss = 0;
    for (int64_t part = 0; part < parts; part++) loss += losses[part];
    context.loss = loss / double(n);
    if (!std::isfinite(context.loss)) context.status = DIVERGED;
}

// loss += ½ λ ‖w‖²
void l2_loss(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const L2Loss*>(arguments);
    const float* w = context.at(a.at);
    const int64_t parts = part_count(a.size, 16384);
    std::array<double, MOST_PARTS> sums{};
    in_parts(context, a.size, 16384, [&](int64_t first, int64_t last, int64_t part, int) {
        double total = 0;
        for (int64_t i = first; i < last;) {  // in floats for a while, then in doubles
            Vector sum{};
            const int64_t end = std::min(last, i + 512);
            for (; i + LANES <= end; i += LANES) sum += load(w + i) * load(w + i);
            total += double(sum_lanes(sum));
            for (; i < end; i++) total += double(w[i]) * double(w[i]);
        }
        sums[part] = total;
    });
    for (int64_t part = 0; part < parts; part++) context.loss += 0.5 * as_real(a.reg) * sums[part];
    if (!std::isfinite(context.loss)) context.status = DIVERGED;
}

// g += λ w
void l2_gradient(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const L2Gradient*>(arguments);
    const float *w = context.at(a.at), reg = float(as_real(a.reg));
    float* g = context.at(a.g);
    in_parts(context, a.size, 16384, [&](int64_t first, int64_t last, int64_t, int) {
        for (int64_t i = first; i < last; i++) g[i] += reg * w[i];
    });
}

// Leaves the step to the careful path, which names what is not finite, unless the gradient is finite and of usual size.
void check_gradient(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Range*>(arguments);
    const float* g = context.at(a.at);
    const int64_t parts = part_count(a.size, 16384);
    std::array<float, MOST_PARTS> squares{};
    in_parts(context, a.size, 16384, [&](int64_t first, int64_t last, int64_t part, int) {
        Vector sums[4] = {};
        float rest = 0;
        int64_t i = first;
        for (; i + 4 * LANES <= last; i += 4 * LANES)
            for (int v = 0; v < 4; v++) sums[v] += load(g + i + v * LANES) * load(g + i + v * LANES);
        for (; i < last; i++) rest += g[i] * g[i];
        squares[part] = rest + sum_lanes(sums[0] + sums[1] + (sums[2] + sums[3]));
    });
    for (int64_t part = 0; part < parts; part++)
        if (!(squares[part] < HARMLESS * HARMLESS / MOST_PARTS)) context.status = CAREFUL;
}

// The same for the gradient xᵀ d, before it is made: no entry exceeds n · max |x| · max |d|.
void check_products(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Products*>(arguments);
    double bound = double(context.n) * std::sqrt(double(a.x.c) * double(a.d.c));
    for (const View* v : {&a.x, &a.d}) {
        const float* at = context.at(v->at);
        const int64_t parts = part_count(context.n, 1 + 16384 / v->c);
        std::array<float, MOST_PARTS> largest{};
        in_parts(context, context.n, 1 + 16384 / v->c, [&](int64_t first, int64_t last, int64_t part, int) {
            Vector most{}, wrong{};
            for (int64_t n = first; n < last; n++)
                over_vectors(v->c, [&](int64_t c, int lanes) {
                    const Vector x = load_part(at + n * v->image + c, lanes);
                    most = maximum(most, x < 0.0f ? -x : x);
                    wrong += x - x;  // NaN where x is NaN or infinite; comparisons above would lose it
                });
            float own = sum_lanes(wrong);
            for (int i = 0; i < LANES; i++) own = own == 0 || own > 0 ? std::max(own, most[i]) : own;
            largest[part] = own;
        });
        float most = 0;
        for (int64_t part = 0; part < parts; part++)
            most = largest[part] == largest[part] ? std::max(most, largest[part]) : INFINITY;
        bound *= double(most);
    }
    if (!(bound < HARMLESS)) context.status = CAREFUL;
}

void update(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Range*>(arguments);
    const Address start = a.at & ((Address(1) << SPACE_BITS) - 1);
    in_parts(context, a.size, 4096, [&](int64_t first, int64_t last, int64_t, int thread) {
        const float* g = context.spaces[GRADIENTS] + start;
        float* u = context.workspace(thread, RULE_BLOCK);
        for (int64_t i = first; i < last; i += RULE_BLOCK) {  // a copy: users may look at the gradient after the step
            const int64_t size = std::min(RULE_BLOCK, last - i);
            std::copy(g + i, g + i + size, u);
            apply_rule(context, a.at + i, u, size, a.decay);
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
