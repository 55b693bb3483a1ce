// What a plan compiles to: a flat list of kernel calls over numbered memory spaces, and the state one run has.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pool.hpp"

namespace chainrule {

// A place in memory: the space's number in the top bits, the distance in floats from its start below; negative: none.
using Address = int64_t;
constexpr int SPACE_BITS = 44;
constexpr int MAX_SPACES = 16;
constexpr int64_t MOST_PARTS = 64;  // that a sum is cut into
enum Space { ARENA = 0, PARAMS = 1, GRADIENTS = 2, BUFFERS = 3, SLOTS = 4 };  // slots: one space each, from 4 on

// A batch of images, channels last: element (n, h, w, c) is at + n·image + h·row + w·pixel + c. Rows of features are
// images of one pixel. A view may lie inside a larger buffer with a border of zeros, or be some channels of it.
struct View {
    Address at;
    int64_t h, w, c, pixel, row, image;
};

// One element-wise part of an update rule.
enum class Transform : int64_t {
    SCALE, VELOCITY, NESTEROV, MOMENTS, SUM_OF_SQUARES, RMS, MATCH_UNITS, SIGN_OF_MEAN, L2, DECAY, CLIP_VALUE
};
struct RulePart {
    Transform transform;
    std::array<double, 3> numbers;
    std::array<int, 2> slots;  // numbers of memory spaces, or -1
};

enum Status : int { OK = 0, DIVERGED = 1, CAREFUL = 2, BAD_LABEL = 3, FAILED = 4 };

constexpr int64_t LINE = 16;  // floats in a cache line
inline float* align(float* p) {
    return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(p) + 4 * LINE - 1) & ~uintptr_t(4 * LINE - 1));
}

// What the kernels of one run share.
struct Context {
    Pool* pool = nullptr;
    std::array<float*, MAX_SPACES> spaces{};
    std::vector<std::vector<float>>* scratch = nullptr;  // one for each thread
    const std::vector<RulePart>* rule = nullptr;
    std::function<int(int64_t)> callback;

    int64_t n = 0;               // rows in this batch
    const float* X = nullptr;    // the set the batch comes from
    const int64_t* rows = nullptr;  // which of its rows, or none for the first n
    const int64_t* labels = nullptr;
    const float* targets = nullptr;  // (n, C) instead of labels
    uint64_t seed = 0;           // of the network
    int64_t step = 0;            // 0-based, keys the noise
    double factor = 1;           // of the learning rate
    double loss = 0;
    int status = OK;

    float* at(Address a) const {
        return a < 0 ? nullptr : spaces[a >> SPACE_BITS] + (a & ((int64_t(1) << SPACE_BITS) - 1));
    }
    // Memory for one thread, as long as its part runs.
    float* workspace(int thread, int64_t floats) const {
        auto& own = (*scratch)[thread];
        if (int64_t(own.size()) < floats + LINE) own.resize(floats + LINE);
        return align(own.data());
    }
};

using Kernel = void (*)(const int64_t* arguments, int64_t count, Context& context);

// The kernels of one instruction set. `signature` lists an operation's arguments: "x:view W rate:real taps*".
struct KernelEntry {
    const char* name;
    const char* signature;
    Kernel kernel;
};
struct KernelTable {
    const char* isa;
    int lanes, rows, vectors;
    const KernelEntry* entries;
    int count;
};

struct Op {
    Kernel kernel;
    std::string name;
    std::vector<int64_t> arguments;
    double seconds = 0;  // spent in it while times are taken
};

inline double as_real(int64_t bits) {
    double value;
    static_assert(sizeof(value) == sizeof(bits));
    __builtin_memcpy(&value, &bits, sizeof(value));
    return value;
}

// The instruction sets this build has and this machine can run, the best first.
std::vector<const KernelTable*> available_tables();

}  // namespace chainrule
