// The Python module: programs are built operation by operation, and run without the interpreter lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <unistd.h>

#include <chrono>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace chainrule {

namespace {

using Floats = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyFloats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr std::chrono::milliseconds PATIENCE{100};

const KernelTable& find_table(const std::string& isa) {
    for (const KernelTable* table : available_tables())
        if (table->isa == isa) return *table;
    throw std::invalid_argument("isa must be one this machine can run, got " + isa);
}

// Threads are shared by all programs that ask for as many: idle ones would add up. They do not survive a fork: there a
// program made before works on alone, one made after gets threads of its own, and what was copied is never destroyed.
std::shared_ptr<Pool> shared_pool(int threads) {
    static std::map<std::pair<pid_t, int>, std::weak_ptr<Pool>> pools;
    const pid_t process = getpid();
    auto pool = pools[{process, threads}].lock();
    if (!pool) {
        pool = std::shared_ptr<Pool>(new Pool(threads), [process](Pool* made) {
            if (getpid() == process) delete made;
        });
        pools[{process, threads}] = pool;
    }
    return pool;
}

// Kernels read their arguments as a struct: one too few or too many would shift all that follow.
void check_count(const KernelEntry& entry, int64_t count) {
    int64_t expected = 0;
    bool open = false;
    std::istringstream words(entry.signature);
    for (std::string word; words >> word;) {
        if (word.back() == '*') open = true;
        else expected += word.ends_with(":view") ? int64_t(sizeof(View) / sizeof(int64_t)) : 1;
    }
    if (open ? count < expected : count != expected)
        throw std::invalid_argument(std::string(entry.name) + " takes " + std::to_string(expected) +
                                    (open ? " arguments or more, got " : " arguments, got ") + std::to_string(count));
}

class Program {
   public:
    Program(const std::string& isa, int threads) : table_(&find_table(isa)), pool_(shared_pool(threads)) {
        scratch_.resize(size_t(threads) + 1);
    }

    void add(const std::string& phase, const std::string& name, std::vector<int64_t> arguments) {
        for (int i = 0; i < table_->count; i++) {
            if (name == table_->entries[i].name) {
                check_count(table_->entries[i], int64_t(arguments.size()));
                phases_[phase].push_back(Op{table_->entries[i].kernel, name, std::move(arguments)});
                return;
            }
        }
        throw std::invalid_argument("no kernel is called " + name);
    }

    void bind(int space, Floats memory) {
        if (space < 0 || space >= MAX_SPACES) throw std::invalid_argument("space is out of range");
        spaces_[size_t(space)] = memory;
    }

    void set_rule(const std::vector<std::tuple<int64_t, std::vector<double>, std::vector<int>>>& parts) {
        rule_.clear();
        for (const auto& [transform, numbers, slots] : parts) {
            RulePart part{static_cast<Transform>(transform), {0, 0, 0}, {-1, -1}};
            for (size_t i = 0; i < numbers.size() && i < 3; i++) part.numbers[i] = numbers[i];
            for (size_t i = 0; i < slots.size() && i < 2; i++) part.slots[i] = slots[i];
            rule_.push_back(part);
        }
    }

    // Take the time of every operation from now on, or stop; seconds(phase) are the sums so far.
    void set_timed(bool timed) {
        timed_ = timed;
        for (auto& [phase, ops] : phases_)
            for (Op& op : ops) op.seconds = 0;
    }
    std::vector<double> seconds(const std::string& phase) {
        std::vector<double> sums;
        for (const Op& op : phases_[phase]) sums.push_back(op.seconds);
        return sums;
    }

    double seconds_of(const std::string& phase) {
        Context context;
        context.pool = pool_.get();
        context.scratch = &scratch_;
        const auto start = std::chrono::steady_clock::now();
        execute(phases_[phase], context);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }

    void set_callback(nb::object callback) { callback_ = std::move(callback); }

    // Run the named phases in order on one batch; returns (status, loss).
    std::tuple<int, double> run(const std::vector<std::string>& phases, int64_t n, AnyFloats X,
                                std::optional<Rows> rows, std::optional<Rows> labels, std::optional<AnyFloats> targets,
                                uint64_t seed, int64_t step, double factor) {
        Context context = make_context(X, labels, targets, seed);
        context.n = n;
        context.rows = rows ? rows->data() : nullptr;
        context.step = step;
        context.factor = factor;
        std::vector<std::vector<Op>*> parts;
        for (const auto& phase : phases) parts.push_back(&phases_[phase]);
        {
            nb::gil_scoped_release unlocked;
            std::lock_guard<std::mutex> alone(mutex_);
            for (auto* ops : parts) execute(*ops, context);
        }
        if (error_) rethrow();
        return {context.status, context.loss};
    }

    // Many steps over a resident set, one batch after another of `rows`, cut at `ends`; stops at the first step that
    // is not done, and after PATIENCE seconds, so that the caller may be interrupted. Returns how many were done, the
    // status of the last, and writes their losses.
    std::tuple<int64_t, int> train(const std::vector<std::string>& phases, AnyFloats X, Rows rows, Rows ends,
                                   std::optional<Rows> labels, std::optional<AnyFloats> targets, uint64_t seed,
                                   int64_t first_step, nb::ndarray<const double, nb::ndim<1>, nb::c_contig> factors,
                                   nb::ndarray<double, nb::ndim<1>, nb::c_contig> losses) {
        Context context = make_context(X, labels, targets, seed);
        std::vector<std::vector<Op>*> parts;
        for (const auto& phase : phases) parts.push_back(&phases_[phase]);
        int64_t done = 0;
        {
            nb::gil_scoped_release unlocked;
            std::lock_guard<std::mutex> alone(mutex_);
            const int64_t* row = rows.data();
            int64_t start = 0;
            using Clock = std::chrono::steady_clock;
            const auto until = Clock::now() + PATIENCE;
            for (; done < int64_t(ends.size()) && (done == 0 || Clock::now() < until); done++) {
                context.rows = row + start;
                context.n = ends.data()[done] - start;
                start = ends.data()[done];
                context.step = first_step + done;
                context.factor = factors.data()[done];
                context.loss = 0;
                for (auto* ops : parts) execute(*ops, context);
                if (context.status != OK) break;
                losses.data()[done] = context.loss;
            }
        }
        if (error_) rethrow();
        return {done, context.status};
    }

   private:
    Context make_context(AnyFloats& X, std::optional<Rows>& labels, std::optional<AnyFloats>& targets, uint64_t seed) {
        Context context;
        context.pool = pool_.get();
        for (size_t i = 0; i < MAX_SPACES; i++) context.spaces[i] = spaces_[i].is_valid() ? spaces_[i].data() : nullptr;
        context.scratch = &scratch_;
        context.rule = &rule_;
        context.X = X.data();
        context.labels = labels ? labels->data() : nullptr;
        context.targets = targets ? targets->data() : nullptr;
        context.seed = seed;
        context.callback = [this, &context](int64_t index) {
            nb::gil_scoped_acquire locked;
            try {
                return nb::cast<int>(callback_(index, context.n, context.step));
            } catch (...) {
                error_ = std::current_exception();
                return int(FAILED);
            }
        };
        return context;
    }

    void execute(std::vector<Op>& ops, Context& context) const {
        using Clock = std::chrono::steady_clock;
        for (Op& op : ops) {
            if (context.status != OK) return;
            const auto start = timed_ ? Clock::now() : Clock::time_point{};
            op.kernel(op.arguments.data(), int64_t(op.arguments.size()), context);
            if (timed_) op.seconds += std::chrono::duration<double>(Clock::now() - start).count();
        }
    }

    void rethrow() {
        auto error = error_;
        error_ = nullptr;
        std::rethrow_exception(error);
    }

    const KernelTable* table_;
    std::shared_ptr<Pool> pool_;
    std::map<std::string, std::vector<Op>> phases_;
    std::array<Floats, MAX_SPACES> spaces_;
    std::vector<RulePart> rule_;
    std::vector<std::vector<float>> scratch_;
    nb::object callback_;
    bool timed_ = false;
    std::mutex mutex_;  // the memory serves one run at a time
    std::exception_ptr error_;
};

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Kernels of the native engine. Programs are built by chainrule.engines.native; nothing here checks them.";
    m.def("instruction_sets", [] {
        std::vector<std::string> names;
        for (const KernelTable* table : available_tables()) names.emplace_back(table->isa);
        return names;
    });
    m.def("signatures", [] {
        const KernelTable* table = available_tables().front();
        nb::dict signatures;
        for (int i = 0; i < table->count; i++) signatures[table->entries[i].name] = table->entries[i].signature;
        return signatures;
    });
    m.def("tile", [](const std::string& isa) {
        const KernelTable& table = find_table(isa);
        return std::make_tuple(table.lanes, table.rows, table.vectors);
    });
    m.def(
        "peak",
        [](const std::string& isa, int threads) {
            // The best of some tries, so that what else runs on the machine counts little.
            const KernelTable& table = find_table(isa);
            const int64_t rounds = 200000;
            Program program(isa, threads);
            program.add("run", "multiply_add", {rounds});
            double best = 1e9;
            for (int i = 0; i < 10; i++) best = std::min(best, program.seconds_of("run"));
            return 2.0 * 8 * table.lanes * table.rows * table.vectors * double(rounds) * threads / best / 1e9;
        },
        "isa"_a, "threads"_a, "GFLOP/s of fused multiply-adds in single precision.");
    m.attr("SPACE_BITS") = SPACE_BITS;
    m.attr("MOST_PARTS") = MOST_PARTS;
    nb::class_<Program>(m, "Program")
        .def(nb::init<const std::string&, int>(), "isa"_a, "threads"_a)
        .def("add", &Program::add, "phase"_a, "name"_a, "arguments"_a)
        .def("bind", &Program::bind, "space"_a, "memory"_a)
        .def("set_rule", &Program::set_rule, "parts"_a)
        .def("set_timed", &Program::set_timed, "timed"_a)
        .def("seconds", &Program::seconds, "phase"_a)
        .def("set_callback", &Program::set_callback, "callback"_a)
        .def("run", &Program::run, "phases"_a, "n"_a, "X"_a, "rows"_a.none(), "labels"_a.none(), "targets"_a.none(),
             "seed"_a, "step"_a, "factor"_a)
        .def("train", &Program::train, "phases"_a, "X"_a, "rows"_a, "ends"_a, "labels"_a.none(), "targets"_a.none(),
             "seed"_a, "first_step"_a, "factors"_a, "losses"_a);
}

}  // namespace chainrule
