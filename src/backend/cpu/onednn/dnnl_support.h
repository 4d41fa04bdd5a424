// SPDX-License-Identifier: Apache-2.0
// What the steps of oneDNN share.
//
// This build of oneDNN computes on OpenMP threads, a team for each calling thread, which would
// ignore the limit that an engine has, and hangs in a child of fork(). So every call is made with
// one OpenMP thread, and a step splits its problem over the engine's pool.
#pragma once

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

inline constexpr size_t kLine = 64;
inline size_t whole_lines(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

// Parts to split work of so many multiplications into: several a thread, unless it is not worth it.
int64_t wanted_tasks(double multiplications, int threads);

}  // namespace planish::cpu::onednn
