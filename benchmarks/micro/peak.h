// SPDX-License-Identifier: Apache-2.0
#pragma once

// The machine's peak rate of f32 multiply-adds on one core, and helpers to report a kernel's share
// of it.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "backend/cpu/kernels/isa.h"

namespace planish::cpu {

// Runs `steps` rounds of independent multiply-adds in registers; the floating-point operations
// done.
using PeakLoop = double (*)(int64_t steps);

__attribute__((target("avx512f"))) inline double peak_avx512(int64_t steps) {
  using V = float __attribute__((vector_size(64)));
  V x[12] = {}, y = {};
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (V& v : x) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(v) : "v"(y));
  }
  return static_cast<double>(steps) * 12 * 16 * 2;
}

__attribute__((target("avx2,fma"))) inline double peak_avx2(int64_t steps) {
  using V = float __attribute__((vector_size(32)));
  V x[12] = {}, y = {};
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (V& v : x) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(v) : "x"(y));
  }
  return static_cast<double>(steps) * 12 * 8 * 2;
}

inline double peak_plain(int64_t steps) {
  using V = float __attribute__((vector_size(16)));
  V x[12] = {}, y = {}, product;
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 12
    for (V& v : x) {
      asm volatile("movaps %2, %1\n mulps %2, %1\n addps %1, %0"
                   : "+x"(v), "=&x"(product)
                   : "x"(y));
    }
  }
  return static_cast<double>(steps) * 12 * 4 * 2;
}

// GFLOP/s of one core; measured once.
inline double peak_gflops(Isa isa) {
  static double known[3] = {};
  double& best = known[static_cast<int>(isa)];
  if (best > 0) return best;
  const PeakLoop loop = isa == Isa::avx512 ? peak_avx512
                        : isa == Isa::avx2 ? peak_avx2
                                           : peak_plain;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    const double flops = loop(200000);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    best = std::max(best, flops / time.count() * 1e-9);
  }
  return best;
}

// Adds GFLOP/s of the fastest iteration seen, and its share of the peak of `threads` cores.
class Rate {
 public:
  Rate(Isa isa, int threads, double flops) : isa_(isa), threads_(threads), flops_(flops) {}

  template <class Run>
  void measure(benchmark::State& state, Run run) {
    double best = 1e9;
    for (auto _ : state) {
      const auto begin = std::chrono::steady_clock::now();
      run();
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
      best = std::min(best, time.count());
    }
    const double gflops = flops_ / best * 1e-9;
    state.counters["us"] = best * 1e6;
    state.counters["GFLOPs"] = gflops;
    state.counters["share"] = gflops / (peak_gflops(isa_) * threads_);
  }

 private:
  Isa isa_;
  int threads_;
  double flops_;
};

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Floats = std::unique_ptr<float[], Free>;

inline Floats make_floats(int64_t count, float value = 0.01f) {
  const size_t bytes = (static_cast<size_t>(std::max<int64_t>(count, 1)) * 4 + 63) / 64 * 64;
  Floats floats(static_cast<float*>(std::aligned_alloc(64, bytes)));
  std::fill_n(floats.get(), bytes / 4, value);
  return floats;
}

}  // namespace planish::cpu
