#include "disk/worker_pool.hpp"

#include <array>
#include <chrono>
#include <gtest/gtest.h>

namespace softmetal::disk {
namespace {

using namespace std::chrono_literals;

TEST(WorkerPool, RunsAllBeforeItEnds) {
    std::atomic<int> done = 0;
    {
        WorkerPool pool(3);
        for (int n = 0; n < 1000; n++) pool.submit([&] { done++; });
    }
    EXPECT_EQ(done, 1000);
}

/// One after the other, at intervals at which threads sleep, look, or do either.
TEST(WorkerPool, EveryJobIsRunWhateverTheIdleThreadsDo) {
    WorkerPool pool(2);
    std::atomic<int> done = 0;
    for (const auto pause : {0us, 10us, 45us, 60us, 300us, 10us, 0us})
        for (int n = 0; n < 300; n++) {
            const int before = done;
            pool.submit([&] { done++, done.notify_one(); });
            done.wait(before);
            if (pause > 0us) std::this_thread::sleep_for(pause);
        }
    EXPECT_EQ(done, 7 * 300);
}

/// A job that waits for another one must not keep it from being run.
TEST(WorkerPool, JobsRunBesideEachOther) {
    struct Pair {
        std::atomic<bool> first = false, second = false;
    };
    std::array<Pair, 300> pairs;
    WorkerPool pool(2);
    for (Pair& p : pairs) {
        pool.submit([&p] { p.second.wait(false), p.first = true, p.first.notify_one(); });
        pool.submit([&p] { p.second = true, p.second.notify_one(); });
        p.first.wait(false);
    }
}

}  // namespace
}  // namespace softmetal::disk
