// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "backend/cpu/compile/trial.h"
#include "backend/cpu/runtime/onednn_library.h"
#include "base/str.h"
#include "compiler/builder.h"
#include "ir/text.h"
#include "passes/infer.h"
#include "plan/writer.h"
#include "tuner/timing_cache.h"
#include "unit/backend/cpu/step_case_support.h"
#include "unit/plan/plan_support.h"

namespace planish::test {
namespace {

using testing::HasSubstr;

std::string network() {
  std::string text = concat("graph \"net\" {\ninput %x : float32[n, 16, h, w]\n",
                            random_constant("w", DType::kF32, {16, 16, 3, 3}),
                            random_constant("b", DType::kF32, {16}));
  const char* previous = "x";
  for (const char* next : {"r", "s", "t"}) {
    text += concat("%c", next, " = Conv(%", previous, ", %w, %b) {pads=[1, 1, 1, 1]}\n%", next,
                   " = Relu(%c", next, ")\n");
    previous = next;
  }
  return text + "%p = MaxPool(%t) {kernel_shape=[2, 2]}\noutput %p\n}";
}

plan::Plan build_network(int level, const std::string& cache) {
  BuildRequest request;
  request.options.level = level;
  request.options.timing_cache = cache;
  request.options.threads = 2;
  request.profiles.push_back({{"x", {{1, 16, 8, 8}, {1, 16, 96, 96}, {2, 16, 128, 128}}}});
  return build_graph(ir::parse(network()), request);
}

TEST(Tuning, AColdAndAWarmBuildGiveTheSameBytes) {
  for (int level : {0, 1, 3, 5}) {
    const TempFolder folder;
    const std::string cache = folder.at("cache");
    const auto cold = plan::write_plan(build_network(level, cache));
    // Without rivals there is nothing to choose and nothing to keep.
    const bool is_kept = cpu::find_onednn() != nullptr;
    ASSERT_EQ(std::filesystem::exists(cache), is_kept);
    const auto text = is_kept ? bytes_of(cache) : std::vector<std::byte>();
    const auto warm = plan::write_plan(build_network(level, cache));
    EXPECT_EQ(cold, warm) << "level " << level;
    if (!is_kept) continue;
    EXPECT_EQ(bytes_of(cache), text) << "level " << level;
    // Three equal convolutions are one problem, though each has a name of its own.
    const tuner::TimingCache written(cache);
    ASSERT_EQ(written.choices().size(), 1U);
    const std::string& key = written.choices().begin()->first;
    EXPECT_THAT(key,
                testing::ContainsRegex("oneDNN 3\\.[0-9.]+ [0-9a-f]{40}, steps [0-9a-f]{32}\n"));
  }
}

// Which tactic is the fastest may differ; that builds at once disturb nothing may not.
TEST(Tuning, BuildsInThreadsShareACache) {
  const TempFolder folder;
  const std::string cache = folder.at("cache");
  std::atomic<int> built = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      build_network(1, cache);
      ++built;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(built, 4);
  EXPECT_EQ(tuner::TimingCache(cache).choices().size(), cpu::find_onednn() != nullptr ? 1U : 0U);
}

TEST(Tuning, ThePlanSaysWhatWasChosenAndWhatRefused) {
  if (cpu::find_onednn() == nullptr) GTEST_SKIP() << "this build has no oneDNN";
  const plan::Plan plan = build_network(5, "");
  int convolutions = 0, refusals = 0;
  for (const plan::Record& record : plan.report) {
    if (record.kind != "tactic") continue;
    EXPECT_FALSE(record.fields.at("reason").empty());
    if (record.fields.at("tactic") == "cpu.pool") {
      EXPECT_THAT(record.fields.at("refused onednn.pool"), HasSubstr("NaN"));
      ++refusals;
    } else {
      EXPECT_THAT(record.fields.at("reason"), HasSubstr("the fastest of 2"));
      ++convolutions;
    }
  }
  EXPECT_EQ(convolutions, 3);
  EXPECT_EQ(refusals, 1);
}

TEST(Tuning, AFileThatIsNoCacheStopsTheBuildAndStays) {
  const TempFolder folder;
  const std::string path = folder.at("model.onnx");
  put_bytes(path, std::vector<std::byte>(100, std::byte{7}));
  EXPECT_EQ(error_of([&] { build_network(0, path); }).code(), ErrorCode::kFileError);
  EXPECT_EQ(bytes_of(path), std::vector<std::byte>(100, std::byte{7}));
}

const ir::Node& only_node(const ir::Graph& graph) { return *graph.nodes().front(); }

// The symbols are equal at run time only: nothing can be measured, and nothing is to be refused.
TEST(Tuning, UsualSizesThatDoNotFitEachOther) {
  BuildRequest request;
  request.options.level = 5;
  request.profiles = {{{"x", {{1, 1}, {3, 4}, {8, 8}}}, {"y", {{1, 1}, {5, 2}, {8, 8}}}}};
  const plan::Plan plan =
      build_graph(ir::parse("graph { input %x : float32[a, b] input %y : float32[c, d] "
                            "%z = MatMul(%x, %y) output %z as \"z\" }"),
                  request);
  EXPECT_EQ(plan.programs[0].steps.size(), 1U);
}

TEST(Isolate, ForgetsNames) {
  const auto parse = [](const std::string& x, const std::string& y) {
    auto graph = ir::parse(concat("graph \"", x, "\" { input %", x, " : float32[n, k] input %", y,
                                  " : float32[k, 8]\n%o", x, " = MatMul(%", x, ", %", y, ") \"", y,
                                  "\"\noutput %o", x, " }"));
    passes::infer_types(*graph, passes::Known::kIgnore);
    return graph;
  };
  const cpu::NodeDims dims = {{4, 6}, {6, 8}};
  const auto a = parse("a", "b"), b = parse("v0", "node");
  const std::string text = ir::print(*cpu::isolate(only_node(*a), dims));
  EXPECT_EQ(text, ir::print(*cpu::isolate(only_node(*b), dims)));
  EXPECT_THAT(text, HasSubstr("float32[4, 6]"));
  EXPECT_NE(text, ir::print(*cpu::isolate(only_node(*a), {{5, 6}, {6, 8}})));
}

TEST(Isolate, IsNullWhereTheShapeRuleObjects) {
  auto graph = ir::parse(
      "graph { input %x : float32[n, k] input %y : float32[m, 8] %z = MatMul(%x, %y) output %z }");
  passes::infer_types(*graph, passes::Known::kIgnore);
  EXPECT_NE(cpu::isolate(only_node(*graph), {{4, 6}, {6, 8}}), nullptr);
  EXPECT_EQ(cpu::isolate(only_node(*graph), {{4, 6}, {5, 8}}), nullptr);
}

TEST(Shrink, LeavesOutRowsWithWhatGoesAlong) {
  auto graph = ir::parse(R"(graph "g" {
    input %x : float32[n, h, w, 64]
    input %r : float32[n, h, w, 128]
    const %k = float32[128, 64, 3, 3] splat 0.5
    %z = planish.Fused(%x, %r) body=graph {
      input %a : float32[n, h, w, 64]
      input %b : float32[n, h, w, 128]
      const %k2 = float32[128, 64, 3, 3] splat 0.5
      %y = planish.ConvNhwc(%a, %k2) {pads=[1, 1, 1, 1]}
      %s = Add(%y, %b)
      output %s
    }
    output %z
  })");
  passes::infer_types(*graph, passes::Known::kIgnore);
  const ir::Node& node = only_node(*graph);
  const cpu::NodeDims full = {{1, 56, 56, 64}, {1, 56, 56, 128}};
  const auto isolated = cpu::isolate(node, full);
  const cpu::NodeDims small = cpu::shrink(only_node(*isolated), full);
  ASSERT_EQ(small.size(), 2U);
  EXPECT_EQ(small[0].back(), 64);
  EXPECT_EQ(small[1].back(), 128);
  EXPECT_LT(element_count(small[0]) * 16, element_count(full[0]));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(small[0][i], small[1][i]);
  EXPECT_LT(cpu::work_of(only_node(*cpu::isolate(node, small))), 5e6);
}

// The command in a folder of its own, whose libraries lack oneDNN's.
TEST(Onednn, APlanThatNeedsItSaysSoWhereItIsMissing) {
  namespace fs = std::filesystem;
  if (cpu::find_onednn() == nullptr) GTEST_SKIP() << "this build has no oneDNN";
  if (!fs::exists(PLANISH_CLI)) GTEST_SKIP() << "this build has no command";
  BuildRequest request;
  request.options.disable_tactic = "cpu.conv";
  const TempFolder folder;
  plan::save_plan(build_graph(ir::parse(network()), request), folder.at("net.plan"));
  fs::create_directory(folder.at("bin"));
  fs::create_directory(folder.at("lib"));
  fs::copy_file(PLANISH_CLI, folder.at("bin/planish"));
  const fs::path libraries = fs::path(PLANISH_CLI).parent_path().parent_path() / "lib";
  for (const auto& entry : fs::directory_iterator(libraries))
    if (entry.path().filename().string().find("onednn") == std::string::npos)
      fs::create_symlink(entry.path(), folder.at("lib/" + entry.path().filename().string()));
  const std::string command = concat(folder.at("bin/planish"), " bench ", folder.at("net.plan"),
                                     " --shape x=1x16x8x8 --seconds 0.01 --warm-up 0 2>&1");
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  EXPECT_NE(pclose(pipe), 0);
  EXPECT_THAT(output, HasSubstr("libplanish_onednn.so"));
  EXPECT_THAT(output, HasSubstr("disable_tactic=onednn"));
}

}  // namespace
}  // namespace planish::test
