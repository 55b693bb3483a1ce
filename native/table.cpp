// The table of one instruction set's kernels; compiled once for each.
#include "kernels.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

#define CHAINRULE_TEXT(x) #x
#define CHAINRULE_NAME(x) CHAINRULE_TEXT(x)

const KernelTable& table() {
    static const KernelEntry entries[] = {
#define K(name, signature) {#name, signature, &name},
        CHAINRULE_KERNELS(K)
#undef K
    };
    static const KernelTable made{CHAINRULE_NAME(CHAINRULE_ISA), LANES, ROWS, VECTORS, entries,
                                  int(sizeof(entries) / sizeof(entries[0]))};
    return made;
}

}  // namespace chainrule::CHAINRULE_ISA
