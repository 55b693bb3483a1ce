// Losses other than softmax cross-entropy, each with its gradient in one pass over the scores.
#include "../functions.hpp"
#include "../images.hpp"
#include "../kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

namespace {

struct Loss {
    View scores, d;
    int64_t margin;  // where the signature has it
};

// The mean over `count` numbers of the sums that body(first, last, thread) returns for parts of `items` items.
template <typename Body>
void mean_of_parts(Context& context, int64_t items, int64_t least, double count, const Body& body) {
    const int64_t parts = part_count(items, least);
    std::array<double, MOST_PARTS> sums{};
    in_parts(context, items, least, [&](int64_t first, int64_t last, int64_t part, int thread) {
        sums[part] = body(first, last, thread);
    });
    double total = 0;
    for (int64_t part = 0; part < parts; part++) total += sums[part];
    context.loss = total / count;
    if (!std::isfinite(context.loss)) context.status = DIVERGED;
}

int64_t row_of(const Context& context, int64_t i) { return context.rows ? context.rows[i] : i; }

// One score a row and a label that is positive or not: term(t, s) gives loss and derivative for t = ±1.
template <typename Term>
void binary(const Loss& a, Context& context, const Term& term) {
    const float* scores = context.at(a.scores.at);
    float* d = context.at(a.d.at);
    const int64_t n = context.n;
    mean_of_parts(context, n, 1024, double(n), [&](int64_t first, int64_t last, int) {
        double sum = 0;
        for (int64_t i = first; i < last; i += LANES) {
            const int lanes = int(std::min<int64_t>(LANES, last - i));
            Vector t{}, s{};
            for (int j = 0; j < lanes; j++) {
                t[j] = context.labels[row_of(context, i + j)] > 0 ? 1.0f : -1.0f;
                s[j] = scores[(i + j) * a.scores.image];
            }
            Vector loss, slope;
            term(t, s, loss, slope);
            for (int j = 0; j < lanes; j++) {
                sum += double(loss[j]);
                d[(i + j) * a.d.image] = slope[j] / float(n);
            }
        }
        return sum;
    });
}

}  // namespace

// max(0, margin − t s)
void binary_hinge(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Loss*>(arguments);
    const auto margin = float(as_real(a.margin));
    binary(a, context, [&](Vector t, Vector s, Vector& loss, Vector& slope) {
        loss = positive(margin - t * s);
        slope = loss > 0.0f ? -t : Vector{};
    });
}

// log(1 + exp(−t s))
void logistic(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Loss*>(arguments);
    binary(a, context, [&](Vector t, Vector s, Vector& loss, Vector& slope) {
        const Vector z = t * s;
        loss = positive(-z) + logarithm_of_one_plus(exponential(-magnitude(z)));
        slope = -t * Sigmoids(z).opposite;
    });
}

// Σ over the other classes of max(0, s_j − s_y + margin)
void multi_class_hinge(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Loss*>(arguments);
    const float* scores = context.at(a.scores.at);
    float* d = context.at(a.d.at);
    const int64_t C = a.scores.c, n = context.n;
    const auto margin = float(as_real(a.margin));
    for (int64_t i = 0; i < n; i++) {
        const int64_t label = context.labels[row_of(context, i)];
        if (label < 0 || label >= C) {
            context.status = BAD_LABEL;
            return;
        }
    }
    mean_of_parts(context, n, 1 + 4096 / C, double(n), [&](int64_t first, int64_t last, int) {
        double sum = 0;
        for (int64_t i = first; i < last; i++) {
            const float* s = scores + i * a.scores.image;
            float* out = d + i * a.d.image;
            const int64_t label = context.labels[row_of(context, i)];
            Vector slacks{}, count{};
            over_vectors(C, [&](int64_t c, int lanes) {
                // Lanes without a class, and the right one, have no slack.
                Vector slack = positive(load_padded(s + c, lanes, -INFINITY) - s[label] + margin);
                if (c <= label && label < c + LANES) slack[label - c] = 0;
                if (lanes < LANES)
                    for (int j = lanes; j < LANES; j++) slack[j] = 0;
                const Vector violated = slack > 0.0f ? splat(1.0f) : Vector{};
                slacks += slack;
                count += violated;
                store_part(out + c, violated / float(n), lanes);
            });
            sum += double(sum_lanes(slacks));
            out[label] = -sum_lanes(count) / float(n);
        }
        return sum;
    });
}

// (s − y)² with y in the shape of the scores, channels first.
void squared_error(const int64_t* arguments, int64_t, Context& context) {
    const auto& a = *reinterpret_cast<const Loss*>(arguments);
    const View& v = a.scores;
    const float* scores = context.at(v.at);
    float* d = context.at(a.d.at);
    const int64_t line = v.w * v.c, size = v.h * line;
    const double count = double(context.n * size);
    mean_of_parts(context, context.n * v.h, 1 + 4096 / line, count, [&](int64_t first, int64_t last, int thread) {
        float* room = context.workspace(thread, line);
        const auto factor = float(2 / count);
        double sum = 0;
        for (int64_t l = first; l < last; l++) {
            const int64_t n = l / v.h;
            const float* target = context.targets + row_of(context, n) * size + (l - n * v.h) * v.w;
            if (v.h * v.w > 1) {  // a line of pixels, channels last
                transpose_matrix(target, v.h * v.w, room, v.c, v.c, v.w);
                target = room;
            }
            Vector squares{};
            for (int64_t w = 0; w < v.w; w++) {
                const float* s = scores + line_offset(v, l) + w * v.pixel;
                float* out = d + line_offset(a.d, l) + w * a.d.pixel;
                over_vectors(v.c, [&](int64_t c, int lanes) {
                    const Vector e = load_part(s + c, lanes) - load_part(target + w * v.c + c, lanes);
                    squares += e * e;
                    store_part(out + c, e * factor, lanes);
                });
            }
            sum += double(sum_lanes(squares));
        }
        return sum;
    });
}

}  // namespace chainrule::CHAINRULE_ISA
