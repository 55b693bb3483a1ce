// Vectors of floats at the width of the instruction set this file is compiled for (CHAINRULE_ISA names it).
//
// GCC's and Clang's vector extensions serve every set from one source: AVX-512, AVX2, NEON, and plain code where there
// is none of them. With -ffp-contract=fast, a * b + c becomes one fused multiply-add where the machine has it.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

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

// The first `lanes` floats of v; a whole vector is one instruction.
static inline void store_part(float* p, Vector v, int lanes) {
    if (lanes == LANES) store(p, v);
    else std::memcpy(p, &v, 4 * lanes);
}

static inline Vector load_part(const float* p, int lanes) {
    if (lanes == LANES) return load(p);
    Vector v{};
    std::memcpy(&v, p, 4 * lanes);
    return v;
}

}  // namespace chainrule::CHAINRULE_ISA
