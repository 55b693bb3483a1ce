// Update rules: a chain of element-wise transforms over blocks that stay in the first-level cache.
#pragma once
#include <algorithm>
#include <cmath>

#include "program.hpp"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t RULE_BLOCK = 512;

// w ← w + rule(u) for `size` numbers at `w`; u holds the gradient and is overwritten. Each transform is one loop, as in
// optim/*.py.
static inline void apply_rule(Context& context, Address w_at, float* gradient, int64_t size, bool decay) {
    const Address start = w_at & ((Address(1) << SPACE_BITS) - 1);
    const double t = double(context.step) + 1;
    for (int64_t first = 0; first < size; first += RULE_BLOCK) {
        const int64_t n = std::min(RULE_BLOCK, size - first);
        float* __restrict w = context.at(w_at) + first;
        float* u = gradient + first;
        for (const RulePart& part : *context.rule) {
            const double *numbers = part.numbers.data();
            const float a = float(numbers[0]), b = float(numbers[1]), c = float(numbers[2]);
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
                    const double c1 = 1 - std::pow(numbers[0], t), c2 = 1 - std::pow(numbers[1], t);
                    const float d = float(1 - numbers[0]), e = float(1 - numbers[1]);
                    const float eps = float(numbers[2] * std::sqrt(c2)), scale = float(std::sqrt(c2) / c1);
                    for (int64_t i = 0; i < n; i++) {
                        s[i] = s[i] * a + v[i] * d;
                        r[i] = v[i] * v[i] * e + r[i] * b;
                        v[i] = s[i] / (std::sqrt(r[i]) + eps) * scale;
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
            (void)c;
        }
        for (int64_t i = 0; i < n; i++) w[i] += u[i];
    }
}

}  // namespace chainrule::CHAINRULE_ISA
