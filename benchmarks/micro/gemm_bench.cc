// SPDX-License-Identifier: Apache-2.0
// Matrix products of known networks: GFLOP/s and share of the machine's peak, on one and two
// threads.

#include <benchmark/benchmark.h>

#include <string>

#include "backend/cpu/kernels/gemm.h"
#include "micro/peak.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

struct Shape {
  const char* name;
  int64_t batch, m, n, k;
  bool packed;
  bool transposed = false;  // B's columns are contiguous
};

const Shape kShapes[] = {
    {"square_1024", 1, 1024, 1024, 1024, true},
    {"bert_qkv_s128", 1, 128, 2304, 768, true},
    {"bert_out_s128", 1, 128, 768, 768, true},
    {"bert_ffn_up_s128", 1, 128, 3072, 768, true},
    {"bert_ffn_down_s128", 1, 128, 768, 3072, true},
    {"bert_scores_s128", 12, 128, 128, 64, false, true},
    {"bert_values_s128", 12, 128, 64, 128, false},
    {"minilm_qkv_s32", 1, 32, 1152, 384, true},
    {"vit_ffn_s197", 1, 197, 3072, 768, true},
    {"llm_decode_4096", 1, 1, 4096, 4096, true},
    {"llm_decode_b4_4096", 1, 4, 4096, 4096, true},
    {"classifier_2048x1000", 1, 1, 1000, 2048, true},
    {"resnet_1x1_64_256", 1, 3136, 256, 64, true},
    {"resnet_1x1_256_64", 1, 3136, 64, 256, true},
    {"resnet_1x1_512_128", 1, 784, 128, 512, true},
    {"resnet_1x1_256_1024", 1, 196, 1024, 256, true},
    {"resnet_1x1_1024_256", 1, 196, 256, 1024, true},
    {"resnet_1x1_2048_512", 1, 49, 512, 2048, true},
    {"resnet_1x1_512_2048", 1, 49, 2048, 512, true},
    {"mobilenet_1x1_16_96", 1, 12544, 96, 16, true},
    {"mobilenet_1x1_144_24", 1, 3136, 24, 144, true},
    {"mobilenet_1x1_192_32", 1, 784, 32, 192, true},
    {"mobilenet_1x1_96_576", 1, 196, 576, 96, true},
    {"mobilenet_1x1_576_96", 1, 196, 96, 576, true},
    {"mobilenet_1x1_960_320", 1, 49, 320, 960, true},
};

void run_gemm(benchmark::State& state, const Shape& s, Isa isa, int threads) {
  ThreadPool pool(threads);
  const Floats a = make_floats(s.batch * s.m * s.k), c = make_floats(s.batch * s.m * s.n);
  const Floats b = make_floats(s.packed ? gemm_packed_floats(isa, s.k, s.n) : s.batch * s.k * s.n);
  const Floats bias = make_floats(s.n);
  Gemm g{.m = s.m, .n = s.n, .k = s.k, .batch = {1, s.batch}};
  g.a = a.get();
  g.a_row = s.k;
  g.a_batch[1] = s.m * s.k;
  g.b = b.get();
  g.b_packed = s.packed;
  g.b_row = s.transposed ? 1 : s.n;
  g.b_col = s.transposed ? s.k : 1;
  g.b_batch[1] = s.packed ? 0 : s.k * s.n;
  g.c = c.get();
  g.c_row = s.n;
  g.c_batch[1] = s.m * s.n;
  g.epilogue.bias = bias.get();
  g.epilogue.activation = Activation::clip;
  g.epilogue.q = 6.0f;
  const Floats scratch = make_floats(gemm_scratch_bytes(isa, g, threads) / 4);
  const double flops = 2.0 * static_cast<double>(s.batch * s.m * s.n) * static_cast<double>(s.k);
  Rate(isa, threads, flops).measure(state, [&] { gemm(isa, g, scratch.get(), pool); });
}

const int registered = [] {
  for (const Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    for (const int threads : {1, 2}) {
      for (const Shape& s : kShapes) {
        const std::string name =
            std::string("gemm/") + isa_name(isa) + "/t" + std::to_string(threads) + "/" + s.name;
        benchmark::RegisterBenchmark(
            name.c_str(),
            [&s, isa, threads](benchmark::State& state) { run_gemm(state, s, isa, threads); })
            ->MinTime(0.05)
            ->UseRealTime();
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace planish::cpu
