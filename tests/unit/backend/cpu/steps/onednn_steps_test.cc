// SPDX-License-Identifier: Apache-2.0
// oneDNN's steps beside the reference, and what they do to threads and processes.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "backend/cpu/runtime/onednn_library.h"
#include "base/str.h"
#include "compiler/builder.h"
#include "ir/text.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "unit/backend/cpu/step_case_support.h"

namespace planish::test {
namespace {

constexpr const char* kOwnTactics = "cpu.conv,cpu.depthwise,cpu.deconv,cpu.gemm,cpu.pool";

StepCase onednn_case(std::string name, std::string graph, std::vector<std::string> kernels,
                     std::vector<std::vector<Dims>> runs = {}) {
  return {.name = std::move(name),
          .graph = std::move(graph),
          .kernels = std::move(kernels),
          .runs = std::move(runs),
          .disable_tactic = kOwnTactics,
          .best_isa_only = true};
}

std::string conv_graph(const std::string& x, const Dims& w, const std::string& attributes,
                       const std::string& tail = "%z = Identity(%y)",
                       const std::string& op = "Conv", int64_t outputs = 0) {
  if (outputs == 0) outputs = op == "ConvTranspose" ? w[1] : w[0];
  return concat("input %x : float32[", x, "]\n", random_constant("w", DType::kF32, w),
                random_constant("b", DType::kF32, {outputs}),
                "const %low = float32[] {-0.5}\nconst %high = float32[] {0.75}\n%y = ", op,
                "(%x, %w, %b) {", attributes, "}\n", tail, "\noutput %z");
}

StepCase conv_case(const std::string& name, const std::string& x, const Dims& w,
                   const std::string& attributes, const std::string& tail = "%z = Identity(%y)",
                   std::vector<std::vector<Dims>> runs = {}) {
  return onednn_case(name, conv_graph(x, w, attributes, tail), {"onednn.conv"}, std::move(runs));
}

// For tails that use %x: x has the layout of the pixels, so that nothing keeps the tail apart.
StepCase nhwc_case(const std::string& name, const std::string& x, const Dims& w,
                   const std::string& attributes, const std::string& tail) {
  return onednn_case(name, conv_graph(x, w, attributes, tail, "planish.ConvNhwc"), {"onednn.conv"});
}

StepCase deconv_case(const std::string& name, const std::string& x, const Dims& w,
                     const std::string& attributes, int64_t outputs = 0,
                     std::vector<std::vector<Dims>> runs = {}) {
  return onednn_case(name,
                     conv_graph(x, w, attributes, "%z = Identity(%y)", "ConvTranspose", outputs),
                     {"onednn.deconv"}, std::move(runs));
}

StepCase matmul_case(const std::string& name, const std::string& a, const Dims& w,
                     const std::string& tail = "%z = Identity(%y)",
                     std::vector<std::vector<Dims>> runs = {}) {
  return onednn_case(name,
                     concat("input %x : float32[", a, "]\n", random_constant("w", DType::kF32, w),
                            random_constant("b", DType::kF32, {w[1]}), "%y = MatMul(%x, %w)\n",
                            tail, "\noutput %z"),
                     {"onednn.matmul"}, std::move(runs));
}

StepCase pool_case(const std::string& name, const std::string& x, const std::string& attributes) {
  return onednn_case(
      name,
      concat("input %x : float32[", x, "]\n", "%z = AveragePool(%x) {", attributes, "}\noutput %z"),
      {"onednn.pool"});
}

StepCase special(StepCase c) {
  c.name += "_special";
  c.values = Values::kSpecial;
  return c;
}

const std::string kSame = "pads=[1, 1, 1, 1]";
const std::string kTail = "%s = Sigmoid(%y)\n%t = Mul(%s, %high)\n%u = Add(%t, %x)\n%z = Abs(%u)";

std::vector<StepCase> all_cases() {
  std::vector<StepCase> cases = {
      conv_case("plain", "2, 3, 9, 11", {5, 3, 3, 3}, kSame),
      conv_case("one_by_one", "2, 7, 5, 3", {9, 7, 1, 1}, "group=1"),
      conv_case("one_by_one_strided", "2, 7, 5, 6", {9, 7, 1, 1}, "strides=[2, 2]"),
      conv_case("strided", "1, 4, 10, 9", {6, 4, 3, 3}, kSame + ", strides=[2, 2]"),
      conv_case("dilated", "1, 4, 12, 9", {6, 4, 3, 2}, "dilations=[2, 3]"),
      conv_case("uneven_pads", "1, 4, 6, 5", {6, 4, 3, 4}, "pads=[0, 2, 1, 3]"),
      conv_case("pads_beyond_windows", "1, 4, 3, 3", {6, 4, 2, 2}, "pads=[5, 4, 6, 3]"),
      conv_case("same_upper", "1, 4, 7, 6", {6, 4, 3, 4}, "auto_pad=\"SAME_UPPER\""),
      conv_case("rest_of_the_stride", "1, 4, 9, 10", {6, 4, 2, 3}, "strides=[3, 4]"),
      conv_case("grouped", "1, 8, 6, 5", {12, 4, 3, 3}, kSame + ", group=2"),
      conv_case("depthwise", "1, 16, 9, 7", {16, 1, 3, 3}, kSame + ", group=16"),
      conv_case("one_dimension", "2, 6, 50", {7, 6, 5}, "pads=[2, 2], strides=[2]"),
      conv_case("relu", "1, 16, 20, 20", {32, 16, 3, 3}, kSame, "%z = Relu(%y)"),
      conv_case("clip", "1, 5, 6, 7", {9, 5, 3, 3}, kSame, "%z = Clip(%y, %low, %high)"),
      nhwc_case("residual", "1, 6, 7, 5", {5, 5, 3, 3}, kSame, "%r = Add(%y, %x)\n%z = Relu(%r)"),
      nhwc_case("residual_last", "1, 6, 7, 5", {5, 5, 3, 3}, kSame,
                "%r = Relu(%y)\n%z = Add(%r, %x)"),
      nhwc_case("residual_last_and_tail", "1, 6, 7, 5", {5, 5, 3, 3}, kSame, kTail),
      conv_case("wide", "1, 24, 40, 40", {160, 24, 3, 3}, kSame, "%z = Relu(%y)"),
      conv_case("sizes_at_run_time", "n, 4, h, w", {6, 4, 3, 3}, kSame + ", strides=[2, 1]",
                "%z = Relu(%y)",
                {{{1, 4, 9, 8}}, {{3, 4, 1, 1}}, {{2, 4, 30, 17}}, {{0, 4, 9, 8}}}),
      deconv_case("deconv", "1, 4, 5, 6", {4, 3, 3, 3}, kSame),
      deconv_case("deconv_strided", "2, 4, 5, 6", {4, 3, 3, 3}, kSame + ", strides=[2, 2]"),
      deconv_case("deconv_two_by_two", "1, 8, 9, 7", {8, 6, 2, 2}, "strides=[2, 2]"),
      deconv_case("deconv_output_padding", "1, 4, 5, 6", {4, 3, 3, 3},
                  kSame + ", strides=[2, 2], output_padding=[1, 1]"),
      deconv_case("deconv_dilated", "1, 4, 5, 6", {4, 3, 3, 2}, "dilations=[2, 2]"),
      deconv_case("deconv_gaps", "1, 4, 9, 6", {4, 3, 2, 2}, "strides=[3, 3]"),
      deconv_case("deconv_grouped", "1, 4, 5, 6", {4, 3, 3, 3}, "group=2, strides=[2, 1]", 6),
      deconv_case("deconv_one_dimension", "1, 4, 30", {4, 3, 4}, "strides=[2], pads=[1, 1]"),
      deconv_case("deconv_sizes_at_run_time", "n, 4, h, w", {4, 3, 2, 2}, "strides=[2, 2]", 3,
                  {{{1, 4, 9, 8}}, {{3, 4, 1, 1}}, {{2, 4, 20, 17}}}),
      matmul_case("matmul", "40, 30", {30, 50}),
      matmul_case("matmul_bias", "3, 40, 30", {30, 50}, "%z = Add(%y, %b)"),
      matmul_case("matmul_few_rows", "1, 300", {300, 400}, "%s = Add(%y, %b)\n%z = Relu(%s)"),
      matmul_case("matmul_many_rows", "2, 301, 33", {33, 130}, "%s = Add(%y, %b)\n%z = Gelu(%s)"),
      matmul_case("matmul_residual", "2, 50, 64", {64, 64}, "%s = Add(%y, %x)\n%z = Tanh(%s)"),
      matmul_case("matmul_sizes_at_run_time", "n, m, 20", {20, 30}, "%z = Add(%y, %b)",
                  {{{1, 1, 20}}, {{3, 70, 20}}, {{0, 4, 20}}}),
      // More is cut off than a window is wide: outer rows and columns of x reach nothing.
      deconv_case("deconv_cut", "1, 4, 9, 8", {4, 6, 1, 1}, "strides=[2, 2], pads=[2, 4, 2, 3]"),
      pool_case("mean", "1, 6, 9, 7", "kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]"),
      pool_case("mean_with_pads", "2, 6, 9, 7",
                "kernel_shape=[3, 2], pads=[1, 1, 1, 1], count_include_pad=1"),
      // Work enough for several bands.
      deconv_case("deconv_wide", "2, 24, 40, 30", {24, 32, 3, 3},
                  "strides=[2, 2], pads=[1, 1, 1, 1]"),
      pool_case("mean_wide", "1, 64, 90, 80", "kernel_shape=[7, 7], pads=[3, 3, 3, 3]"),
      pool_case("mean_one_dimension", "2, 6, 30", "kernel_shape=[4], strides=[3]")};
  for (const auto& [name, tail] :
       {std::pair("deconv_residual", "%s = Add(%y, %r)\n%z = Relu(%s)"),
        std::pair("deconv_tape", "%s = Exp(%y)\n%t = Mul(%s, %r)\n%z = Softplus(%t)")})
    cases.push_back(onednn_case(name, deconv_graph(tail), {"onednn.deconv"}));
  for (const char* name : {"plain", "relu", "clip", "residual", "residual_last", "one_by_one",
                           "matmul_few_rows", "matmul_many_rows", "deconv_strided", "mean"})
    for (size_t i = 0; i < cases.size(); ++i)
      if (cases[i].name == name) cases.push_back(special(cases[i]));
  return cases;
}

class OnednnSteps : public ::testing::TestWithParam<StepCase> {
 protected:
  void SetUp() override {
    if (cpu::find_onednn() == nullptr) GTEST_SKIP() << "this build has no oneDNN";
  }
};

TEST_P(OnednnSteps, AgreeWithTheReference) { check_steps(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, OnednnSteps, ::testing::ValuesIn(all_cases()), step_case_name);

std::shared_ptr<Engine> conv_engine(int threads) {
  BuildRequest request;
  request.options.disable_tactic = "cpu.conv";
  const std::string graph =
      concat("graph \"g\" {\n", conv_graph("1, 16, 64, 64", {32, 16, 3, 3}, kSame, "%z = Relu(%y)"),
             "\n}");
  return Engine::create(build_graph(ir::parse(graph), request), {.threads = threads});
}

std::vector<Datum> ones() {
  Tensor x(DType::kF32, {1, 16, 64, 64});
  std::fill_n(x.as<float>(), x.count(), 1.0F);
  return {x};
}

int threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

TEST(OnednnThreads, ManyCallersMakeNoTeamsOfTheirOwn) {
  if (cpu::find_onednn() == nullptr) GTEST_SKIP() << "this build has no oneDNN";
  constexpr int kCallers = 8, kThreads = 2;
  const auto engine = conv_engine(kThreads);
  const std::vector<Datum> expected = engine->create_context()->run(ones());
  // This thread's context has made the pool's worker by now.
  const int before = threads_of_this_process();
  std::atomic<int> running{0}, most{0}, wrong{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i)
    callers.emplace_back([&] {
      const auto context = engine->create_context();
      ++running;
      while (running < kCallers) std::this_thread::yield();
      for (int round = 0; round < 20; ++round) {
        const auto out = context->run(ones());
        if (std::memcmp(out[0].tensor().data(), expected[0].tensor().data(),
                        expected[0].tensor().bytes()) != 0)
          ++wrong;
        const int now = threads_of_this_process();
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
      }
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(most, before + kCallers);
}

TEST(OnednnThreads, AForkedChildRuns) {
  if (cpu::find_onednn() == nullptr) GTEST_SKIP() << "this build has no oneDNN";
  const auto engine = conv_engine(2);
  const auto context = engine->create_context();
  const std::vector<Datum> expected = context->run(ones());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);  // instead of hanging
    const auto same = context->run(ones());
    const auto fresh = engine->create_context()->run(ones());
    const size_t bytes = expected[0].tensor().bytes();
    const bool right =
        std::memcmp(same[0].tensor().data(), expected[0].tensor().data(), bytes) == 0 &&
        std::memcmp(fresh[0].tensor().data(), expected[0].tensor().data(), bytes) == 0;
    _exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace planish::test
