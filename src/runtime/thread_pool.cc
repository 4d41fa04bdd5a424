// SPDX-License-Identifier: Apache-2.0
#include "runtime/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace planish {
namespace {

// How long a thread spins before it sleeps: longer than the gap between two loops of one inference,
// short enough not to matter when the process is idle.
constexpr std::chrono::microseconds kSpinTime{100};

// Set while a thread runs tasks: its own loops then run inline.
thread_local bool inside_loop = false;

// Counts the forks between the first process and this one.
std::atomic<uint32_t> fork_generation{0};

void watch_forks() {
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr,
                   [] { fork_generation.fetch_add(1, std::memory_order_relaxed); });
  });
}

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

void futex_wait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr,
          nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word, int count) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr,
          nullptr, 0);
}

// Spins until done() or until kSpinTime has passed; whether done() came true.
template <class Done>
bool spin_until(Done done) {
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_briefly();
    }
  } while (std::chrono::steady_clock::now() - begin < kSpinTime);
  return done();
}

}  // namespace

// The workers, and the one loop that they may be running.
//
// `epoch_` changes when a loop begins; workers wait for that. `gate_` is the loop's door: kOpen
// while it takes workers, kAwaited while the caller sleeps until the last has left, and the number
// inside. A worker that comes late finds the door shut and waits for the next change, so the caller
// never waits for a sleeper.
//
// Each slot has a share of the tasks, [first, last), of which `left` are not yet taken. Whoever
// wants one first lowers `left`; then the owner takes from the front, a thief from the back. Since
// the counter admits only as many as there are tasks, front and back never cross.
class ThreadPool::Crew {
 public:
  explicit Crew(int threads)
      : generation_(fork_generation.load(std::memory_order_relaxed)), shares_(threads) {
    hire(threads - 1);
  }

  ~Crew() {
    if (!belongs_here()) return;  // the threads of another process
    stop_.store(true, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(epoch_, INT_MAX);
    for (const pthread_t worker : workers_) pthread_join(worker, nullptr);
  }

  bool belongs_here() const {
    return generation_ == fork_generation.load(std::memory_order_relaxed);
  }

  // False, with nothing done, if there is nobody to share with.
  bool try_run(TaskRef body, int64_t tasks) {
    if (workers_.empty() || taken_.exchange(true, std::memory_order_acquire)) return false;
    body_ = body;
    deal(tasks);
    gate_.store(kOpen, std::memory_order_release);
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      futex_wake(epoch_, static_cast<int>(std::min<int64_t>(tasks - 1, INT_MAX)));
    }
    work(0);
    wait_for_workers();
    std::exception_ptr error;
    if (failed_.load(std::memory_order_relaxed)) {
      error = std::move(error_);
      error_ = nullptr;
      failed_.store(false, std::memory_order_relaxed);
    }
    taken_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(std::move(error));
    return true;
  }

 private:
  static constexpr uint32_t kOpen = 1u << 31;
  static constexpr uint32_t kAwaited = 1u << 30;
  static constexpr uint32_t kInside = kAwaited - 1;

  struct alignas(64) Share {
    std::atomic<int64_t> left{0};
    std::atomic<int64_t> first{0};
    std::atomic<int64_t> last{0};

    bool admit() {
      int64_t n = left.load(std::memory_order_relaxed);
      while (n > 0) {
        if (left.compare_exchange_weak(n, n - 1, std::memory_order_relaxed)) return true;
      }
      return false;
    }
  };

  struct Start {
    Crew* crew;
    int slot;
  };

  void hire(int count) {
    workers_.reserve(count);
    starts_.reserve(count);
    // Signals are the application's: its own threads shall take them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < count; ++i) {
      starts_.push_back({this, i + 1});
      pthread_t worker;
      if (pthread_create(&worker, nullptr, &Crew::enter, &starts_.back()) != 0) break;
      workers_.push_back(worker);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  static void* enter(void* start) {
    const Start& s = *static_cast<Start*>(start);
    inside_loop = true;
    s.crew->serve(s.slot);
    return nullptr;
  }

  void serve(int slot) {
    uint32_t seen = 0;
    while (true) {
      seen = wait_for_change(seen);
      if (stop_.load(std::memory_order_relaxed)) return;
      uint32_t gate = gate_.load(std::memory_order_relaxed);
      bool in = false;
      while ((gate & kOpen) != 0 && !in) {
        in = gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
      }
      if (!in) continue;
      work(slot);
      const uint32_t before = gate_.fetch_sub(1, std::memory_order_acq_rel);
      if ((before & kAwaited) != 0 && (before & kInside) == 1) futex_wake(gate_, 1);
    }
  }

  uint32_t wait_for_change(uint32_t seen) {
    const auto changed = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(changed)) {
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      while (epoch_.load(std::memory_order_seq_cst) == seen) futex_wait(epoch_, seen);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    return epoch_.load(std::memory_order_acquire);
  }

  void wait_for_workers() {
    gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
    const auto empty = [&] { return (gate_.load(std::memory_order_acquire) & kInside) == 0; };
    if (spin_until(empty)) return;
    uint32_t gate = gate_.fetch_or(kAwaited, std::memory_order_acq_rel) | kAwaited;
    while ((gate & kInside) != 0) {
      futex_wait(gate_, gate);
      gate = gate_.load(std::memory_order_acquire);
    }
  }

  void deal(int64_t tasks) {
    const int64_t n = static_cast<int64_t>(workers_.size()) + 1;
    shares_dealt_ = n;
    const int64_t each = tasks / n, more = tasks % n;
    int64_t first = 0;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t count = each + (i < more ? 1 : 0);
      shares_[i].first.store(first, std::memory_order_relaxed);
      first += count;
      shares_[i].last.store(first, std::memory_order_relaxed);
      shares_[i].left.store(count, std::memory_order_relaxed);
    }
  }

  void work(int slot) {
    inside_loop = true;
    const int n = static_cast<int>(shares_dealt_);
    try {
      while (!failed_.load(std::memory_order_relaxed) && shares_[slot].admit()) {
        call(shares_[slot].first.fetch_add(1, std::memory_order_relaxed), slot);
      }
      for (int i = 1; i < n; ++i) {
        Share& other = shares_[(slot + i) % n];
        while (!failed_.load(std::memory_order_relaxed) && other.admit()) {
          call(other.last.fetch_sub(1, std::memory_order_relaxed) - 1, slot);
        }
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(error_mutex_);
      if (!failed_.load(std::memory_order_relaxed)) {
        error_ = std::current_exception();
        failed_.store(true, std::memory_order_relaxed);
      }
    }
    if (slot == 0) inside_loop = false;
  }

  void call(int64_t task, int slot) const { body_.call(body_.self, task, slot); }

  const uint32_t generation_;
  std::vector<Share> shares_;
  std::vector<pthread_t> workers_;
  std::vector<Start> starts_;
  int64_t shares_dealt_ = 0;

  alignas(64) std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<uint32_t> gate_{0};
  alignas(64) std::atomic<bool> taken_{false};
  TaskRef body_{};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

ThreadPool::ThreadPool(int threads) : threads_(std::max(threads, 1)), crew_(nullptr) {
  watch_forks();
  if (threads_ > 1) crew_.store(new Crew(threads_), std::memory_order_release);
}

ThreadPool::~ThreadPool() { delete crew_.load(std::memory_order_acquire); }

ThreadPool::Crew* ThreadPool::crew_of_this_process() {
  Crew* crew = crew_.load(std::memory_order_acquire);
  if (crew->belongs_here()) return crew;
  // The old crew is left as it is: its state may have been copied in the middle of a change.
  Crew* fresh = new Crew(threads_);
  if (crew_.compare_exchange_strong(crew, fresh, std::memory_order_acq_rel)) return fresh;
  delete fresh;
  return crew;
}

void ThreadPool::run(TaskRef body, int64_t tasks) {
  if (tasks > 1 && threads_ > 1 && !inside_loop && crew_of_this_process()->try_run(body, tasks)) {
    return;
  }
  for (int64_t task = 0; task < tasks; ++task) body.call(body.self, task, 0);
}

}  // namespace planish
