// SPDX-License-Identifier: Apache-2.0
// Depthwise convolutions and poolings of known networks, batch 1, on one and two threads. They are
// bound by memory: beside the share of the peak stands the time.

#include <benchmark/benchmark.h>

#include <string>

#include "backend/cpu/kernels/depthwise.h"
#include "backend/cpu/kernels/pool.h"
#include "micro/peak.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

struct Shape {
  const char* name;
  int64_t channels, size, kernel, stride;
};

const Shape kDepthwise[] = {
    {"mobilenet_32_112", 32, 112, 3, 1},        {"mobilenet_96_112_s2", 96, 112, 3, 2},
    {"mobilenet_144_56", 144, 56, 3, 1},        {"mobilenet_384_14", 384, 14, 3, 1},
    {"mobilenet_960_7", 960, 7, 3, 1},          {"efficientnet_672_14_5x5", 672, 14, 5, 1},
    {"efficientnet_240_28_5x5", 240, 28, 5, 1}, {"convnext_96_56_7x7", 96, 56, 7, 1},
};

const Shape kPools[] = {{"resnet_max_64_112", 64, 112, 3, 2}, {"global_2048_7", 2048, 7, 7, 7}};

void run_depthwise(benchmark::State& state, const Shape& s, Isa isa, int threads) {
  ThreadPool pool(threads);
  Conv c;
  c.in_channels = c.out_channels = c.groups = s.channels;
  for (const int i : {1, 2}) {
    c.in[i] = s.size;
    c.kernel[i] = s.kernel;
    c.stride[i] = s.stride;
    c.pad[i] = s.kernel / 2;
    c.out[i] = (s.size - 1) / s.stride + 1;
  }
  c.x_pixel = c.y_pixel = s.channels;
  const int64_t out = c.out[1] * c.out[2] * s.channels;
  const Floats x = make_floats(s.size * s.size * s.channels), y = make_floats(out);
  const Floats weights = make_floats(depthwise_packed_floats(c)), bias = make_floats(s.channels);
  c.x = x.get();
  c.y = y.get();
  c.weights = weights.get();
  c.epilogue.bias = bias.get();
  c.epilogue.activation = Activation::clip;
  c.epilogue.q = 6.0f;
  const Floats scratch = make_floats(depthwise_scratch_bytes(c, threads) / 4);
  const double flops = 2.0 * static_cast<double>(out * s.kernel * s.kernel);
  Rate(isa, threads, flops).measure(state, [&] { depthwise(isa, c, scratch.get(), pool); });
}

void run_pool(benchmark::State& state, const Shape& s, Isa isa, int threads) {
  ThreadPool pool(threads);
  Pool p;
  p.channels = p.x_pixel = p.y_pixel = s.channels;
  for (const int i : {1, 2}) {
    p.in[i] = s.size;
    p.kernel[i] = s.kernel;
    p.stride[i] = s.stride;
    p.pad[i] = p.pad_end[i] = s.kernel == s.size ? 0 : s.kernel / 2;
    p.out[i] = (s.size + 2 * p.pad[i] - s.kernel) / s.stride + 1;
  }
  const int64_t out = p.out[1] * p.out[2] * s.channels;
  const Floats x = make_floats(s.size * s.size * s.channels), y = make_floats(out);
  p.x = x.get();
  p.y = y.get();
  const double flops = static_cast<double>(out * s.kernel * s.kernel);
  Rate(isa, threads, flops).measure(state, [&] {
    if (s.kernel == s.size) {
      average_pool(isa, p, false, pool);
    } else {
      max_pool(isa, p, pool);
    }
  });
}

void add(const char* kind, const Shape& s, Isa isa, int threads,
         void (*run)(benchmark::State&, const Shape&, Isa, int)) {
  const std::string name =
      std::string(kind) + "/" + isa_name(isa) + "/t" + std::to_string(threads) + "/" + s.name;
  benchmark::RegisterBenchmark(
      name.c_str(),
      [&s, isa, threads, run](benchmark::State& state) { run(state, s, isa, threads); })
      ->MinTime(0.05)
      ->UseRealTime();
}

const int registered = [] {
  for (const Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (const int threads : {1, 2}) {
      for (const Shape& s : kDepthwise) add("depthwise", s, isa, threads, &run_depthwise);
      for (const Shape& s : kPools) add("pool", s, isa, threads, &run_pool);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace planish::cpu
