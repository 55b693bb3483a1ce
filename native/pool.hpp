// Threads that wait for work: `run(parts, body)` calls body(part, thread) once for every part and returns when all are
// done. Which thread runs a part is left to chance, so a part must write only what is its own; then results do not
// depend on the number of threads.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace chainrule {

class Pool {
   public:
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int size() const { return size_; }

    template <typename Body>
    void run(int64_t parts, const Body& body) {
        if (parts <= 0) return;
        if (size_ == 1 || parts == 1) {
            for (int64_t part = 0; part < parts; part++) body(part, 0);
            return;
        }
        run_all(parts, [](const void* b, int64_t part, int thread) { (*static_cast<const Body*>(b))(part, thread); },
                &body);
    }

   private:
    using Call = void (*)(const void*, int64_t, int);
    struct alignas(64) Range {
        std::atomic<int64_t> next{0};
        int64_t end = 0;
    };

    void run_all(int64_t parts, Call call, const void* body);
    void work(int thread);
    void take_parts(int thread);

    int size_;
    std::mutex caller_;  // one at a time
    Call call_ = nullptr;
    const void* body_ = nullptr;
    std::unique_ptr<Range[]> ranges_;
    alignas(64) std::atomic<uint64_t> round_{0};  // goes up by one for each piece of work
    // A helper that comes late finds a round closed and is not waited for: another program may hold its core.
    std::atomic<bool> open_{false};
    alignas(64) std::atomic<int> active_{0};  // helpers that look at the current round
    std::atomic<int> sleeping_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::thread> helpers_;
};

}  // namespace chainrule
