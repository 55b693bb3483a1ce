// Elementary functions of vectors, a few units in the last place from the exact values. NaN stays NaN.
#pragma once
#include <cmath>

#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

typedef int32_t Integers __attribute__((vector_size(4 * LANES)));

static inline Vector magnitude(Vector x) { return (Vector)((Integers)x & 0x7FFFFFFF); }
static inline Vector at_most(Vector x, float limit) { return x > limit ? splat(limit) : x; }

// exp r − 1 for |r| <= ln 2 / 2, or a little more.
static inline Vector exponential_fraction(Vector r) {
    Vector p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return p * (r * r) + r;
}

// exp x = 2ⁿ exp r with n = round(x / ln 2). Adding 1.5 · 2²³ rounds.
struct ReducedExponent {
    // `rest` is added to x after the rounding: an exponent of more digits than one float has.
    explicit ReducedExponent(Vector x, Vector rest = Vector{}) {
        Vector bounded = x > -87.0f ? x : splat(-87.0f);  // NaN too: it comes back in exponential()
        bounded = bounded < 88.7f ? bounded : splat(88.7f);
        const Vector shifted = bounded * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
        number = (Integers)shifted - 0x4B400000;
        r = (bounded - n * 0.693359375f) + (n * 2.12194440e-4f + rest);
    }
    Integers number;
    Vector r;
};

// x · 2ⁿ in two steps, as 2¹²⁸ is no float and its root's square is.
static inline Vector scale_by_power_of_two(Vector x, Integers n) {
    const Integers half = n >> 1, rest = n - half;
    return x * (Vector)((half + 127) << 23) * (Vector)((rest + 127) << 23);
}

// exp(x + rest), 0 where x is below −87 (where floats lose digits).
static inline Vector exponential(Vector x, Vector rest = Vector{}) {
    const ReducedExponent e(x, rest);
    const Vector y = scale_by_power_of_two(exponential_fraction(e.r) + 1.0f, e.number);
    const Vector bounded = x < -87.0f ? Vector{} : x > 88.7f ? splat(INFINITY) : y;
    return x == x ? bounded : x;
}

// exp x − 1 for x <= 0, relatively accurate near 0.
static inline Vector exponential_minus_one(Vector x) {
    const ReducedExponent e(x);
    const Vector small = exponential_fraction(e.r), large = scale_by_power_of_two(small + 1.0f, e.number) - 1.0f;
    const Vector y = e.number == 0 ? small : large;
    return x == x ? y : x;
}

// log x for x in [1, 2]: with s = (x − 1)/(x + 1), 2 (s + s³/3 + s⁵/5 + …).
static inline Vector logarithm_to_two(Vector x) {
    const Vector s = (x - 1.0f) / (x + 1.0f), q = s * s;
    return 2.0f * s *
           (1.0f + q * (0.33333333f + q * (0.2f + q * (0.14285715f + q * (0.11111111f + q * 0.090909094f)))));
}

// log(1 + e) for e in [0, 1], relatively accurate near 0: the last term gives back what rounding 1 + e lost.
static inline Vector logarithm_of_one_plus(Vector e) {
    const Vector u = 1.0f + e;
    return logarithm_to_two(u) + (e - (u - 1.0f)) / u;
}

static inline Vector hyperbolic_tangent(Vector x) {
    const Vector z = magnitude(x), e = exponential(-2.0f * z), large = (1.0f - e) / (1.0f + e), s = x * x;
    // Near 0 the quotient loses digits; there the series serves.
    const Vector small =
        z * (1.0f + s * (-0.33333333f + s * (0.13333333f + s * (-0.053968254f + s * 0.021869489f))));
    const Vector y = z < 0.25f ? small : large;
    return x < 0.0f ? -y : y;
}

// σ(x) and σ(−x), each relatively accurate.
struct Sigmoids {
    explicit Sigmoids(Vector x) {
        const Vector e = exponential(-magnitude(x)), likely = 1.0f / (1.0f + e), unlikely = e * likely;
        of = x < 0.0f ? unlikely : likely;
        opposite = x < 0.0f ? likely : unlikely;
    }
    Vector of, opposite;
};

// The normal distribution: Φ(x) = ½ erfc(−x/√2), relatively accurate in both tails, and its density.
//
// (1 + 2z) exp(z²) erfc z is a polynomial in (z − K)/(z + K): Shepherd & Laframboise, Mathematics of Computation 36,
// 1981, with the coefficients of arrays.py. x² is made of two parts, as its rounding would be magnified by exp.
struct Normal {
    explicit Normal(Vector x) {
        constexpr float K = 2.5f;
        constexpr float COEFFICIENTS[] = {
            -6.190753097048105e-05f, -6.391786604416434e-05f, 0.0005757346293414969f, 0.00046333752059866723f,
            -0.004350492340489629f,  0.000946759630325494f,   0.03275205256865231f,   -0.10297053835625594f,
            0.157630994361539f,      -0.0990242416580846f,    -0.12235680075158781f,  1.2648381802377981f,
        };
        const Vector z = at_most(magnitude(x), 20.0f);  // where the density is 0 already
        const Vector head = (Vector)((Integers)z & ~0xFFF);  // so few digits that its square is exact
        const Vector e = exponential(-0.5f * head * head, -0.5f * (z - head) * (z + head));
        const Vector w = z * 0.70710678f, t = (w - K) / (w + K);
        Vector p = splat(COEFFICIENTS[0]);
        for (int i = 1; i < 12; i++) p = p * t + COEFFICIENTS[i];
        const Vector tail = 0.5f * e * p / (2.0f * w + 1.0f);
        distribution = x < 0.0f ? tail : 1.0f - tail;
        density = e * 0.39894228f;
    }
    Vector distribution, density;
};

// s^exponent for s >= 0. With s = 2ᵉ m, the product of the exponent's first 15 bits and e is exact, so that no digits are
// lost where s is far from one.
struct Power {
    explicit Power(double exponent)
        : constant(exponent == 0), whole(float(exponent)), first(float(std::nearbyint(exponent * 4096) / 4096)),
          second(float(exponent - double(first))), at_zero(exponent > 0 ? 0.0f : INFINITY),
          at_infinity(exponent > 0 ? INFINITY : 0.0f) {}

    Vector operator()(Vector s) const {
        if (constant) return splat(1.0f);
        const auto tiny = s < 1.17549435e-38f;
        const Integers bits = (Integers)(tiny ? s * 8388608.0f : s);
        // The bits of √½ taken off, what is left above the fraction is e, and m lies in [√½, √2).
        const Integers shifted = (bits - 0x3F3504F3) & ~0x7FFFFF;
        const Vector m = (Vector)(bits - shifted);
        const Vector e = __builtin_convertvector(shifted >> 23, Vector) - (tiny ? splat(23.0f) : Vector{});
        const Vector v = (m - 1.0f) / (m + 1.0f), q = v * v;
        const Vector log2_m =
            v * (2.8853901f + q * (0.96179669f + q * (0.57707802f + q * (0.41219858f + q * 0.32059890f))));
        const Vector head = first * e, rest = second * e + whole * log2_m, exact = head + rest;
        Vector n = exact > -127.0f ? exact : splat(-127.0f);
        n = (at_most(n, 129.0f) + 12582912.0f) - 12582912.0f;
        const Vector r = (head - n) + rest;  // 2ʳ is left
        const Vector y = scale_by_power_of_two(exponential_fraction(r * 0.69314718f) + 1.0f,
                                               __builtin_convertvector(n, Integers));
        const Vector bounded = exact > 129.0f ? splat(INFINITY) : exact < -127.0f ? Vector{} : y;
        const Vector finite = s == 0.0f ? splat(at_zero) : s == INFINITY ? splat(at_infinity) : bounded;
        return s == s ? finite : s;
    }

    bool constant;
    float whole, first, second, at_zero, at_infinity;
};

}  // namespace chainrule::CHAINRULE_ISA
