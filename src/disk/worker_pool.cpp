#include "disk/worker_pool.hpp"

#include "host/monotonic_time.hpp"
#include "host/thread_role.hpp"

namespace softmetal::disk {

WorkerPool::WorkerPool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

WorkerPool::~WorkerPool() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        wanted_ = true;
    }
    work_.notify_all();
}

void WorkerPool::submit(std::function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
        wanted_ = true;
        if (one_looks_ && jobs_.size() == 1) return;
    }
    work_.notify_one();
}

/// Of the idle threads one looks for the next job for a while, if that pays; the others sleep.
void WorkerPool::wait_for_work(std::unique_lock<std::mutex>& lock) {
    idle_since_ = host::monotonic_nanoseconds();
    if (!one_looks_ && short_wait_.worth_looking()) {
        one_looks_ = true;
        lock.unlock();
        const bool came = short_wait_.look(host::monotonic_nanoseconds,
                                           [this] { return wanted_.load(std::memory_order_relaxed); });
        lock.lock();
        one_looks_ = false;
        if (came) return;
    }
    work_.wait(lock, [this] { return wanted_.load(); });
    if (!one_looks_) short_wait_.slept(host::monotonic_nanoseconds() - idle_since_);
}

void WorkerPool::run() {
    host::enter_thread_role(host::ThreadRole::block_store);
    std::unique_lock lock(mutex_);
    for (;;) {
        while (!wanted_) wait_for_work(lock);
        if (jobs_.empty()) return;
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        wanted_ = ending_ || !jobs_.empty();
        lock.unlock();
        job();
        job = nullptr;  // what it holds dies outside the lock
        lock.lock();
    }
}

}  // namespace softmetal::disk
