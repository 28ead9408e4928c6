// A few threads that run jobs in the order they were submitted, several at a time.
#pragma once

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

    std::mutex mutex_;
    std::condition_variable work_;
    std::deque<std::function<void()>> jobs_;
    bool ending_ = false;
    std::vector<std::jthread> threads_;
};

}  // namespace softmetal::disk
