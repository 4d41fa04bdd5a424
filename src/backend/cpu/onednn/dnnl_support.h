// SPDX-License-Identifier: Apache-2.0
// What the steps of oneDNN share.
//
// This build of oneDNN computes on OpenMP threads, a team for each calling thread, which would
// ignore the limit that an engine has, and hangs in a child of fork(). So every call is made with
// one OpenMP thread, and a step splits its problem over the engine's pool.
#pragma once

#include <algorithm>
#include <cstdint>
#include <dnnl.hpp>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/step_kernel.h"
#include "tensor/tensor.h"

namespace planish::cpu::onednn {

const dnnl::engine& cpu_engine();

// While it lives, the calling thread's OpenMP regions have one thread. The thread may be a user's,
// whose own setting comes back.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// Calls f with one OpenMP thread. oneDNN's errors become planish::Error, kOutOfMemory or kInternal.
template <class F>
decltype(auto) guarded(F&& f);
[[noreturn]] void rethrow(const dnnl::error& error);

template <class F>
decltype(auto) guarded(F&& f) {
  const OneThread one;
  try {
    return f();
  } catch (const dnnl::error& error) {
    rethrow(error);
  }
}

// Primitives leave scratch memory to the caller.
dnnl::primitive_attr plain_attributes();

// A constant in the layouts that primitives ask for, each made once, whoever asks.
class PackedWeights {
 public:
  explicit PackedWeights(const Tensor& weights) : weights_(weights) {}
  // The part that begins `first` floats into the tensor and has the layout `plain` there.
  dnnl::memory get(const dnnl::memory::desc& plain, int64_t first,
                   const dnnl::memory::desc& packed) const;

 private:
  struct Form {
    int64_t first;
    dnnl::memory::desc desc;
    dnnl::memory memory;
  };
  const Tensor& weights_;
  mutable std::mutex mutex_;
  mutable std::vector<Form> forms_;
};

// A primitive with arguments of its own for each thread, so that threads may run it at once.
class Call {
 public:
  using Arguments = std::unordered_map<int, dnnl::memory>;
  // `fixed` is the same for all: weights. Others (by argument) get their memory with each run.
  Call(dnnl::primitive primitive, const std::vector<std::pair<int, dnnl::memory::desc>>& moving,
       const Arguments& fixed, const dnnl::memory::desc& scratch, int threads);

  size_t scratch_bytes() const { return scratch_bytes_; }
  // The caller holds a OneThread.
  void run(int slot, std::initializer_list<std::pair<int, const void*>> data,
           std::byte* scratch) const;

 private:
  dnnl::primitive primitive_;
  size_t scratch_bytes_;
  std::vector<Arguments> slots_;
};

// The parts that a problem is split into, those that are alike with one call.
template <class Part>
class CallSet {
 public:
  struct Item {
    Part part;
    size_t call;
  };

  // `is_like(a, b)`: a call of one part is a call of the other.
  template <class IsLike, class Make>
  void add(const Part& part, const IsLike& is_like, const Make& make) {
    const auto same = std::find_if(items_.begin(), items_.end(),
                                   [&](const Item& other) { return is_like(other.part, part); });
    const size_t call = same == items_.end() ? calls_.size() : same->call;
    if (same == items_.end()) {
      calls_.push_back(make(part));
      constexpr size_t kLine = 64;
      const size_t bytes = (calls_.back().scratch_bytes() + kLine - 1) / kLine * kLine;
      scratch_bytes_ = std::max(scratch_bytes_, bytes);
    }
    items_.push_back({part, call});
  }

  int64_t size() const { return static_cast<int64_t>(items_.size()); }
  const Part& part(int64_t i) const { return items_[static_cast<size_t>(i)].part; }
  // Of one thread.
  size_t scratch_bytes() const { return scratch_bytes_; }
  // `scratch` holds that of every thread. The caller holds a OneThread.
  void run(int64_t i, int slot, std::initializer_list<std::pair<int, const void*>> data,
           std::byte* scratch) const {
    calls_[items_[static_cast<size_t>(i)].call].run(
        slot, data, scratch + static_cast<size_t>(slot) * scratch_bytes_);
  }

 private:
  std::vector<Call> calls_;
  std::vector<Item> items_;
  size_t scratch_bytes_ = 0;
};

// oneDNN's kernels count rows, taps and pads in 32 bits, and the elements of what a call sees.
// Throws kInvalidShape for a number beyond.
void require_counted(const StepShapes& shapes, std::initializer_list<int64_t> numbers);

// Parts to split work of so many multiplications into: several a thread, unless it is not worth it.
int64_t wanted_tasks(double multiplications, int threads);

}  // namespace planish::cpu::onednn
