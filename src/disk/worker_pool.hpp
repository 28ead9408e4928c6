// A few threads that run jobs in the order they were submitted, several at a time.
#pragma once

#include "base/short_wait.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace softmetal::disk {

class WorkerPool {
 public:
    explicit WorkerPool(unsigned threads);
    /// Runs what has been submitted, then ends the threads.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    void submit(std::function<void()> job);

 private:
    void run();
    void wait_for_work(std::unique_lock<std::mutex>& lock);

    std::mutex mutex_;
    std::condition_variable work_;
    std::deque<std::function<void()>> jobs_;
    bool ending_ = false;
    std::atomic<bool> wanted_ = false;  // there are jobs, or it ends; changed under the lock
    bool one_looks_ = false;            // an idle thread does not sleep yet: the next job is its
    ShortWait short_wait_;
    u64 idle_since_ = 0;
    std::vector<std::jthread> threads_;
};

}  // namespace softmetal::disk
