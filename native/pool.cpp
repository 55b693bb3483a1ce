#include "pool.hpp"

namespace chainrule {

namespace {

// About 0.1 ms: longer than the gap between two kernels or two steps, shorter than anybody notices.
constexpr int SPINS = 4000;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

Pool::Pool(int threads) : size_(threads < 1 ? 1 : threads), ranges_(new Range[size_]) {
    for (int i = 1; i < size_; i++) helpers_.emplace_back([this, i] { work(i); });
}

Pool::~Pool() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    for (auto& helper : helpers_) helper.join();
}

void Pool::run_all(int64_t parts, Call call, const void* body) {
    std::lock_guard<std::mutex> alone(caller_);
    call_ = call;
    body_ = body;
    // Each thread starts on a range of its own, the same from step to step, so that data stay in its cache.
    for (int i = 0; i < size_; i++) {
        ranges_[i].end = parts * (i + 1) / size_;
        ranges_[i].next.store(parts * i / size_, std::memory_order_relaxed);
    }
    open_.store(true);
    round_.fetch_add(1);
    if (sleeping_.load() > 0) {
        std::lock_guard<std::mutex> lock(mutex_);  // a helper is either before its check of round_ or in wait()
        wake_.notify_all();
    }
    take_parts(0);
    open_.store(false);
    for (int spins = 0; active_.load() > 0; spins++) {
        if (spins < SPINS) relax();
        else std::this_thread::yield();
    }
}

void Pool::take_parts(int thread) {
    for (int i = 0; i < size_; i++) {  // its own range first, then what others have left
        Range& range = ranges_[(thread + i) % size_];
        for (;;) {
            int64_t part = range.next.fetch_add(1, std::memory_order_relaxed);
            if (part >= range.end) break;
            call_(body_, part, thread);
        }
    }
}

void Pool::work(int thread) {
    uint64_t seen = 0;
    for (;;) {
        for (int spins = 0; round_.load(std::memory_order_acquire) == seen && !stop_; spins++) {
            if (spins < SPINS) {
                relax();
                continue;
            }
            std::unique_lock<std::mutex> lock(mutex_);
            sleeping_.fetch_add(1);
            wake_.wait(lock, [&] { return round_.load() != seen || stop_; });
            sleeping_.fetch_sub(1);
        }
        if (stop_) return;
        seen = round_.load();
        active_.fetch_add(1);  // before the look at open_: then run_all either waits for us or has closed the round
        if (open_.load()) take_parts(thread);
        active_.fetch_sub(1);
    }
}

}  // namespace chainrule
