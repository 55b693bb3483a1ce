// Which of the compiled instruction sets this machine can run.
#include "program.hpp"

namespace chainrule {

#define DECLARE(isa) \
    namespace isa {  \
    const KernelTable& table(); \
    }
DECLARE(plain)
#ifdef CHAINRULE_HAS_X86
DECLARE(avx2)
DECLARE(avx512)
DECLARE(avx512_bf16)
#endif

std::vector<const KernelTable*> available_tables() {
    std::vector<const KernelTable*> tables;
#ifdef CHAINRULE_HAS_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
        if (__builtin_cpu_supports("avx512bf16")) tables.push_back(&avx512_bf16::table());
        tables.push_back(&avx512::table());
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2::table());
#endif
    tables.push_back(&plain::table());
    return tables;
}

}  // namespace chainrule
