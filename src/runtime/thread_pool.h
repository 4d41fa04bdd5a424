// SPDX-License-Identifier: Apache-2.0
#pragma once

// A pool of threads for short parallel loops.
//
// ThreadPool(n) is the caller's thread and n - 1 workers. A worker that has just worked spins for a
// moment, so that the next loop reaches it in about a microsecond, then sleeps on a futex and costs
// nothing.
//
// Loops of a pool run one at a time: a caller that finds the workers taken by another caller runs
// its loop alone, as does a loop started inside a loop. So at most (callers + workers) threads ever
// compute. A child of fork() has no workers; they are made anew at its first loop.

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace planish {

class ThreadPool {
 public:
  // threads < 1 is taken as 1. Workers that the system refuses to create are done without.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(task) or body(task, slot) once for each task in [0, tasks), in no order, and returns
  // when all have returned. slot is in [0, threads()), and no two tasks that run at once in this
  // loop share it: an index for scratch memory. Neighbouring tasks tend to run on one thread, and
  // the same tasks on the same thread in the next loop of as many tasks. The first exception is
  // thrown here, after which tasks not yet begun are dropped. Allocates nothing.
  template <class Body>
  void parallel_for(int64_t tasks, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    const auto call = [](void* self, int64_t task, int slot) {
      Plain& run_task = *static_cast<Plain*>(self);
      if constexpr (std::is_invocable_v<Plain&, int64_t, int>) {
        run_task(task, slot);
      } else {
        run_task(task);
      }
    };
    run({call, const_cast<void*>(static_cast<const void*>(std::addressof(body)))}, tasks);
  }

 private:
  // A body without its type.
  struct TaskRef {
    void (*call)(void* self, int64_t task, int slot);
    void* self;
  };
  class Crew;

  void run(TaskRef body, int64_t tasks);
  Crew* crew_of_this_process();

  const int threads_;
  std::atomic<Crew*> crew_;
};

}  // namespace planish
