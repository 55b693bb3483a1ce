// Update rules: a chain of element-wise transforms over blocks that stay in the first-level cache.
#pragma once
#include <algorithm>
#include <cmath>

#include "program.hpp"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t RULE_BLOCK = 512;

// Adam's numbers at one step: the corrections of both means are applied to ε and to the result.
struct RuleMoments {
    RuleMoments(const RulePart& part, int64_t step) {
        const double t = double(step) + 1, *numbers = part.numbers.data();
        const double c1 = 1 - std::pow(numbers[0], t), c2 = 1 - std::pow(numbers[1], t);
        beta1 = float(numbers[0]), beta2 = float(numbers[1]);
        rest1 = float(1 - numbers[0]), rest2 = float(1 - numbers[1]);
        epsilon = float(numbers[2] * std::sqrt(c2)), scale = float(std::sqrt(c2) / c1);
    }
    float beta1, beta2, rest1, rest2, epsilon, scale;
};

// The three rules most networks are trained with, each in one loop; false where `rule` is another.
static inline bool apply_common_rule(Context& context, float* __restrict w, int64_t offset, const float* __restrict g,
                                     int64_t n) {
    const std::vector<RulePart>& rule = *context.rule;
    const auto is = [&](size_t i, Transform transform) { return i < rule.size() && rule[i].transform == transform; };
    if (rule.size() == 1 && is(0, Transform::SCALE)) {
        const float rate = float(-rule[0].numbers[0] * context.factor);
        for (int64_t i = 0; i < n; i++) w[i] += rate * g[i];
        return true;
    }
    if (rule.size() == 2 && is(0, Transform::SCALE) && is(1, Transform::VELOCITY)) {
        const float rate = float(-rule[0].numbers[0] * context.factor), momentum = float(rule[1].numbers[0]);
        float* __restrict s = context.spaces[rule[1].slots[0]] + offset;
        for (int64_t i = 0; i < n; i++) {
            s[i] = momentum * s[i] + rate * g[i];
            w[i] += s[i];
        }
        return true;
    }
    if (rule.size() == 2 && is(0, Transform::MOMENTS) && is(1, Transform::SCALE)) {
        const RuleMoments m(rule[0], context.step);
        const float scale = float(-rule[1].numbers[0] * context.factor) * m.scale;
        float* __restrict s = context.spaces[rule[0].slots[0]] + offset;
        float* __restrict r = context.spaces[rule[0].slots[1]] + offset;
        for (int64_t i = 0; i < n; i++) {
            s[i] = s[i] * m.beta1 + g[i] * m.rest1;
            r[i] = g[i] * g[i] * m.rest2 + r[i] * m.beta2;
            w[i] += s[i] / (std::sqrt(r[i]) + m.epsilon) * scale;
        }
        return true;
    }
    return false;
}

// w ← w + rule(u) for `size` numbers at `w`; u holds the gradient and is overwritten. Each transform is one loop, as in
// optim/*.py.
static inline void apply_rule(Context& context, Address w_at, float* gradient, int64_t size, bool decay) {
    const Address start = w_at & ((Address(1) << SPACE_BITS) - 1);
    if (apply_common_rule(context, context.at(w_at), start, gradient, size)) return;
    for (int64_t first = 0; first < size; first += RULE_BLOCK) {
        const int64_t n = std::min(RULE_BLOCK, size - first);
        float* __restrict w = context.at(w_at) + first;
        float* u = gradient + first;
        for (const RulePart& part : *context.rule) {
            const double *numbers = part.numbers.data();
            const float a = float(numbers[0]), b = float(numbers[1]);
            float* __restrict s = part.slots[0] < 0 ? nullptr : context.spaces[part.slots[0]] + start + first;
            float* __restrict r = part.slots[1] < 0 ? nullptr : context.spaces[part.slots[1]] + start + first;
            float* __restrict v = u;
            switch (part.transform) {
                case Transform::SCALE: {
                    const float rate = float(-numbers[0] * context.factor);
                    for (int64_t i = 0; i < n; i++) v[i] *= rate;
                    break;
                }
                case Transform::VELOCITY:
                    for (int64_t i = 0; i < n; i++) v[i] = s[i] = a * s[i] + v[i];
                    break;
                case Transform::NESTEROV:
                    for (int64_t i = 0; i < n; i++) {
                        s[i] = a * s[i] + v[i];
                        v[i] = a * s[i] + v[i];
                    }
                    break;
                case Transform::MOMENTS: {
                    const RuleMoments m(part, context.step);
                    for (int64_t i = 0; i < n; i++) {
                        s[i] = s[i] * m.beta1 + v[i] * m.rest1;
                        r[i] = v[i] * v[i] * m.rest2 + r[i] * m.beta2;
                        v[i] = s[i] / (std::sqrt(r[i]) + m.epsilon) * m.scale;
                    }
                    break;
                }
                case Transform::SUM_OF_SQUARES:
                    for (int64_t i = 0; i < n; i++) {
                        s[i] = s[i] + v[i] * v[i];
                        v[i] = v[i] / (std::sqrt(s[i]) + a);
                    }
                    break;
                case Transform::RMS: {
                    const float d = float(1 - numbers[0]);
                    for (int64_t i = 0; i < n; i++) {
                        s[i] = a * s[i] + d * (v[i] * v[i]);
                        v[i] = v[i] / (std::sqrt(s[i]) + b);
                    }
                    break;
                }
                case Transform::MATCH_UNITS: {
                    const float d = float(1 - numbers[0]);
                    for (int64_t i = 0; i < n; i++) {
                        s[i] = a * s[i] + d * (v[i] * v[i]);
                        v[i] = v[i] * std::sqrt(r[i] + b) / std::sqrt(s[i] + b);
                        r[i] = a * r[i] + d * (v[i] * v[i]);
                    }
                    break;
                }
                case Transform::SIGN_OF_MEAN: {
                    const float d = float(1 - numbers[0]), e = float(1 - numbers[1]);
                    for (int64_t i = 0; i < n; i++) {
                        const float mean = a * s[i] + d * v[i];
                        s[i] = b * s[i] + e * v[i];
                        v[i] = mean > 0 ? 1.0f : mean < 0 ? -1.0f : 0.0f;
                    }
                    break;
                }
                case Transform::L2:
                    if (decay)
                        for (int64_t i = 0; i < n; i++) v[i] += a * w[i];
                    break;
                case Transform::DECAY: {
                    const float pull = float(numbers[1] * context.factor * numbers[0]);
                    if (decay)
                        for (int64_t i = 0; i < n; i++) v[i] -= pull * w[i];
                    break;
                }
                case Transform::CLIP_VALUE:
                    for (int64_t i = 0; i < n; i++) v[i] = std::min(std::max(v[i], -a), a);
                    break;
            }
        }
        for (int64_t i = 0; i < n; i++) w[i] += u[i];
    }
}

}  // namespace chainrule::CHAINRULE_ISA
