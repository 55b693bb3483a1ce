// Vectors of floats at the width of the instruction set this file is compiled for (CHAINRULE_ISA names it).
//
// GCC's and Clang's vector extensions serve every set from one source: AVX-512, AVX2, NEON, and plain code where there
// is none of them. With -ffp-contract=fast, a * b + c becomes one fused multiply-add where the machine has it.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#ifndef CHAINRULE_ISA
#error "compile with -DCHAINRULE_ISA=<namespace of the instruction set>"
#endif

namespace chainrule::CHAINRULE_ISA {

// LANES floats in a register; a tile has up to ROWS x VECTORS accumulators, which with one row of weights and a
// broadcast fill the register file (16 registers under AVX2, 32 under AVX-512 and NEON).
#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 8, VECTORS = 3;
#elif defined(__AVX2__)
constexpr int LANES = 8, ROWS = 6, VECTORS = 2;
#elif defined(__ARM_NEON)
constexpr int LANES = 4, ROWS = 8, VECTORS = 3;
#else
constexpr int LANES = 4, ROWS = 4, VECTORS = 2;
#endif

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));  // aligned(4): loads may be unaligned

static inline Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
static inline void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }
static inline Vector splat(float x) { return x - Vector{}; }

// -- bfloat16: the upper half of a float. Two of them share a word, the first in the lower half. ------------------------

typedef uint32_t Words __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

// Each float rounded to the nearest bfloat16, ties to even, in the upper half of its word; NaN stays NaN.
static inline Words rounded(Vector v) {
    const Words bits = reinterpret_cast<Words>(v);
    const Words near = (bits + (0x7fff + ((bits >> 16) & 1))) & 0xffff0000;
    return reinterpret_cast<Words>(v != v) ? bits | 0x00400000 : near;
}
static inline Vector paired(Vector first, Vector second) {
    return reinterpret_cast<Vector>((rounded(first) >> 16) | (rounded(second) & 0xffff0000));
}

// LANES words of the 2 · LANES floats at p, neighbours together.
template <int... I>
static inline Vector even_lanes(Vector a, Vector b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I)...);
}
template <int... I>
static inline Vector odd_lanes(Vector a, Vector b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I + 1)...);
}
static inline Vector paired_neighbours(const float* p) {
    constexpr auto lanes = std::make_integer_sequence<int, LANES>{};
    const Vector a = load(p), b = load(p + LANES);
    return paired(even_lanes(a, b, lanes), odd_lanes(a, b, lanes));
}

// sum + a₀ b₀ + a₁ b₁ of the pairs in each word: one instruction where there is one.
static inline Vector add_products(Vector sum, Vector a, Vector b) {
#if defined(__AVX512BF16__)
    return Vector(_mm512_dpbf16_ps(__m512(sum), __m512bh(__m512i(a)), __m512bh(__m512i(b))));
#else
    const Words p = reinterpret_cast<Words>(a), q = reinterpret_cast<Words>(b);
    sum += reinterpret_cast<Vector>(p << 16) * reinterpret_cast<Vector>(q << 16);
    return sum + reinterpret_cast<Vector>(p & 0xffff0000) * reinterpret_cast<Vector>(q & 0xffff0000);
#endif
}

// Rows become columns: LANES vectors of LANES floats, by exchanging blocks of 1, 2, 4, ... across the diagonal.
template <int step, int... I>
static inline Vector lower_block(Vector a, Vector b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I & step ? LANES + (I ^ step) : I)...);
}
template <int step, int... I>
static inline Vector upper_block(Vector a, Vector b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I & step ? LANES + I : I ^ step)...);
}
template <int step = 1>
static inline void transpose(Vector (&rows)[LANES]) {
    if constexpr (step < LANES) {
        constexpr auto lanes = std::make_integer_sequence<int, LANES>{};
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            if (i & step) continue;
            const Vector a = rows[i], b = rows[i + step];
            rows[i] = lower_block<step>(a, b, lanes);
            rows[i + step] = upper_block<step>(a, b, lanes);
        }
        transpose<step * 2>(rows);
    }
}

// A part of a vector, in pieces whose sizes the compiler knows: a call of memcpy takes longer than most loops around it.
static inline void copy_part(float* to, const float* from, int count) {
    if (LANES > 8 && (count & 8)) std::memcpy(to, from, 32), to += 8, from += 8;
    if (count & 4) std::memcpy(to, from, 16), to += 4, from += 4;
    if (count & 2) std::memcpy(to, from, 8), to += 2, from += 2;
    if (count & 1) *to = *from;
}

// v, of which the compiler does not know that it is what it was. GCC takes the memory that a variable ends in for the
// variable's home, and would keep the accumulators of a loop there.
static inline Vector in_register(Vector v) {
#if defined(__x86_64__)
    asm("" : "+v"(v));
#elif defined(__ARM_NEON)
    asm("" : "+w"(v));
#endif
    return v;
}

// The first `lanes` floats of v; a whole vector is one instruction.
static inline void store_part(float* p, Vector v, int lanes) {
    if (lanes == LANES) return store(p, v);
    float all[LANES];
    v = in_register(v);
    std::memcpy(all, &v, sizeof(all));
    copy_part(p, all, lanes);
}

static inline Vector load_part(const float* p, int lanes) {
    if (lanes == LANES) return load(p);
    float all[LANES] = {};
    copy_part(all, p, lanes);
    return load(all);
}

// As load_part, with a number of choice in the lanes that are left. p lies in the arena, where kernels may read beyond.
static inline Vector load_padded(const float* p, int lanes, float otherwise) {
    if (lanes == LANES) return load(p);
    typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
    Integers lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    return lane < lanes ? load(p) : splat(otherwise);
}

}  // namespace chainrule::CHAINRULE_ISA
