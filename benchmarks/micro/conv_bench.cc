// SPDX-License-Identifier: Apache-2.0
// Convolutions of known networks, batch 1: GFLOP/s and share of the machine's peak, on one and two
// threads.

#include <benchmark/benchmark.h>

#include <limits>
#include <string>

#include "backend/cpu/kernels/conv.h"
#include "micro/peak.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

struct Shape {
  const char* name;
  int64_t in_channels, out_channels, size, kernel, stride, groups;
  bool planar;
};

const Shape kShapes[] = {
    {"resnet_first_7x7", 3, 64, 224, 7, 2, 1, true},
    {"mobilenet_first_3x3", 3, 32, 224, 3, 2, 1, true},
    {"resnet_3x3_64", 64, 64, 56, 3, 1, 1, false},
    {"resnet_3x3_128", 128, 128, 28, 3, 1, 1, false},
    {"resnet_3x3_128_s2", 128, 128, 56, 3, 2, 1, false},
    {"resnet_3x3_256", 256, 256, 14, 3, 1, 1, false},
    {"resnet_3x3_512", 512, 512, 7, 3, 1, 1, false},
    {"resnet_1x1_256_512_s2", 256, 512, 56, 1, 2, 1, false},
    {"yolo_3x3_16", 16, 32, 160, 3, 2, 1, false},
    {"yolo_3x3_32", 32, 32, 80, 3, 1, 1, false},
    {"densenet_3x3_128_32", 128, 32, 28, 3, 1, 1, false},
    {"vgg_3x3_64_112", 64, 128, 112, 3, 1, 1, false},
    {"resnext_3x3_g32", 128, 128, 56, 3, 1, 32, false},
};

void run_conv(benchmark::State& state, const Shape& s, Isa isa, int threads) {
  ThreadPool pool(threads);
  Conv c;
  c.in_channels = s.in_channels;
  c.out_channels = s.out_channels;
  c.groups = s.groups;
  for (const int i : {1, 2}) {
    c.in[i] = s.size;
    c.kernel[i] = s.kernel;
    c.stride[i] = s.stride;
    c.pad[i] = s.kernel / 2;
    c.out[i] = (s.size - 1) / s.stride + 1;
  }
  c.x_planar = s.planar;
  c.x_pixel = c.in_channels;
  c.y_pixel = c.out_channels;
  const int64_t pixels = c.out[1] * c.out[2];
  const Floats x = make_floats(s.size * s.size * c.in_channels), bias = make_floats(c.out_channels);
  const Floats y = make_floats(pixels * c.out_channels);
  const Floats weights = make_floats(conv_packed_floats(isa, c));
  c.x = x.get();
  c.y = y.get();
  c.weights = weights.get();
  c.epilogue.bias = bias.get();
  c.epilogue.activation = Activation::clip;
  c.epilogue.q = std::numeric_limits<float>::infinity();
  const Floats scratch = make_floats(conv_scratch_bytes(isa, c, threads) / 4);
  const double flops = 2.0 * static_cast<double>(pixels * c.out_channels) *
                       static_cast<double>(s.kernel * s.kernel * c.in_channels / c.groups);
  Rate(isa, threads, flops).measure(state, [&] { conv(isa, c, scratch.get(), pool); });
}

const int registered = [] {
  for (const Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (const int threads : {1, 2}) {
      for (const Shape& s : kShapes) {
        const std::string name =
            std::string("conv/") + isa_name(isa) + "/t" + std::to_string(threads) + "/" + s.name;
        benchmark::RegisterBenchmark(
            name.c_str(),
            [&s, isa, threads](benchmark::State& state) { run_conv(state, s, isa, threads); })
            ->MinTime(0.05)
            ->UseRealTime();
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace planish::cpu
