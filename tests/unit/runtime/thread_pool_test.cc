// SPDX-License-Identifier: Apache-2.0
#include "runtime/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace planish {
namespace {

TEST(ThreadPool, RunsEachTaskOnce) {
  for (const int threads : {-3, 1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const int64_t tasks : {0, 1, 2, 3, 7, 64, 1001}) {
      std::vector<std::atomic<int>> runs(tasks);
      pool.parallel_for(tasks, [&](int64_t task) { runs[task].fetch_add(1); });
      for (const auto& n : runs) ASSERT_EQ(n.load(), 1) << threads << " threads, " << tasks;
    }
  }
}

TEST(ThreadPool, ManyShortLoopsLoseNothing) {
  ThreadPool pool(4);
  for (int loop = 0; loop < 20000; ++loop) {
    std::atomic<int64_t> sum{0};
    // Long enough for the others to come in before the caller has done everything alone.
    pool.parallel_for(5, [&](int64_t task) {
      for (volatile int i = 0; i < 200;) {
        i = i + 1;
      }
      sum.fetch_add(task + 1, std::memory_order_relaxed);
    });
    ASSERT_EQ(sum.load(), 15);
  }
}

TEST(ThreadPool, WritesAreVisibleToTheCaller) {
  ThreadPool pool(3);
  std::vector<int> plain(300);
  for (int loop = 1; loop <= 200; ++loop) {
    pool.parallel_for(300, [&](int64_t task) { plain[task] += loop; });
  }
  for (const int value : plain) ASSERT_EQ(value, 200 * 201 / 2);
}

TEST(ThreadPool, SlotsAreNotSharedByTasksThatRunAtOnce) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> busy(4);
  std::atomic<bool> clash{false};
  pool.parallel_for(2000, [&](int64_t, int slot) {
    ASSERT_GE(slot, 0);
    ASSERT_LT(slot, 4);
    if (busy[slot].fetch_add(1) != 0) clash = true;
    busy[slot].fetch_sub(1);
  });
  EXPECT_FALSE(clash);
}

TEST(ThreadPool, NestedLoopRunsInline) {
  ThreadPool pool(4);
  std::atomic<int> inner{0}, elsewhere{0};
  pool.parallel_for(8, [&](int64_t) {
    const auto outer = std::this_thread::get_id();
    pool.parallel_for(16, [&](int64_t) {
      ++inner;
      if (std::this_thread::get_id() != outer) ++elsewhere;
    });
  });
  EXPECT_EQ(inner, 8 * 16);
  EXPECT_EQ(elsewhere, 0);
}

TEST(ThreadPool, ExceptionReachesTheCallerAndThePoolLives) {
  ThreadPool pool(3);
  for (int loop = 0; loop < 100; ++loop) {
    EXPECT_THROW(pool.parallel_for(50,
                                   [&](int64_t task) {
                                     if (task % 17 == loop % 17) throw std::runtime_error("task");
                                   }),
                 std::runtime_error);
    std::atomic<int> runs{0};
    pool.parallel_for(50, [&](int64_t) { ++runs; });
    ASSERT_EQ(runs, 50);
  }
}

TEST(ThreadPool, CallersAtOnceNeverExceedCallersAndWorkers) {
  constexpr int kCallers = 6, kThreads = 3;
  ThreadPool pool(kThreads);
  std::atomic<int> running{0}, most{0};
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&] {
      for (int loop = 0; loop < 300; ++loop) {
        pool.parallel_for(7, [&](int64_t) {
          const int now = running.fetch_add(1) + 1;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          total.fetch_add(1);
          running.fetch_sub(1);
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(total, kCallers * 300 * 7);
  EXPECT_LE(most, kCallers + kThreads - 1);
}

TEST(ThreadPool, LongTasksAreTakenFromASlowNeighbour) {
  ThreadPool pool(2);
  std::atomic<int> runs{0};
  pool.parallel_for(10, [&](int64_t task) {
    // The first task of the first share holds its owner until all others are done.
    if (task == 0) {
      while (runs.load() < 9) std::this_thread::yield();
    }
    ++runs;
  });
  EXPECT_EQ(runs, 10);
}

double process_cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

TEST(ThreadPool, IdlePoolBurnsNoTime) {
  ThreadPool pool(4);
  pool.parallel_for(100, [](int64_t) {});
  usleep(20000);
  const double before = process_cpu_seconds();
  usleep(200000);
  EXPECT_LT(process_cpu_seconds() - before, 0.02);
  std::atomic<int> runs{0};
  pool.parallel_for(100, [&](int64_t) { ++runs; });
  EXPECT_EQ(runs, 100);
}

TEST(ThreadPool, ForkedChildRunsLoops) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer ends a child that starts threads";
#endif
  ThreadPool pool(3);
  std::atomic<int> runs{0};
  pool.parallel_for(64, [&](int64_t) { ++runs; });
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    int bad = 0;
    for (int loop = 0; loop < 50; ++loop) {
      std::atomic<int> n{0};
      pool.parallel_for(64, [&](int64_t) { ++n; });
      bad += n == 64 ? 0 : 1;
    }
    _exit(bad == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  pool.parallel_for(64, [&](int64_t) { ++runs; });
  EXPECT_EQ(runs, 128);
}

}  // namespace
}  // namespace planish
