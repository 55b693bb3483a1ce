// Philox4x32-10: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. As arrays.py.
#pragma once
#include <array>
#include <cstdint>

namespace chainrule {

constexpr uint32_t PHILOX_W0 = 0x9E3779B9, PHILOX_W1 = 0xBB67AE85;

inline void philox_round(uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3, uint32_t k0, uint32_t k1) {
    const uint64_t p0 = uint64_t(0xD2511F53) * c0, p1 = uint64_t(0xCD9E8D57) * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
}

inline void philox4x32(uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3, uint64_t key) {
    uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
    for (int round = 0; round < 10; round++) {
        philox_round(c0, c1, c2, c3, k0, k1);
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
}

// A key for one purpose: as derive_key in arrays.py.
inline uint64_t derive_key(uint64_t seed, uint32_t stream, uint64_t step, uint32_t layer) {
    uint32_t c0 = uint32_t(step), c1 = uint32_t(step >> 32), c2 = layer, c3 = stream;
    philox4x32(c0, c1, c2, c3, seed);
    return uint64_t(c0) | uint64_t(c1) << 32;
}

}  // namespace chainrule
