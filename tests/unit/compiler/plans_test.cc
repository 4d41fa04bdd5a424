// SPDX-License-Identifier: Apache-2.0
// Plans of small networks of several kinds: damaged, made twice, loaded and saved again, made for
// another processor.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

#include "backend/cpu/kernels/isa.h"
#include "compiler/embedded_graph.h"
#include "plan/reader.h"
#include "plan/writer.h"
#include "support/pass_case.h"
#include "unit/compiler/compiler_support.h"
#include "unit/plan/plan_support.h"

namespace planish::test {
namespace {

using Bytes = std::vector<std::byte>;

struct Network {
  const char* name;
  const char* text;
};

const Network kNetworks[] = {
    {"convolutions",
     R"(graph { input %x : float32[n, 3, h, w] const %k = float32[8, 3, 3, 3] splat 0.125
      const %b = float32[8] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0} const %d = float32[8, 1, 3, 3] splat 0.5
      %c = Conv(%x, %k, %b) {pads=[1, 1, 1, 1]} %r = Relu(%c)
      %e = Conv(%r, %d) {group=8, strides=[2, 2], pads=[1, 1, 1, 1]} %p = GlobalAveragePool(%e)
      output %p as "y" })"},
    {"attention", R"(graph { input %x : float32[n, t, 16] const %w = float32[16, 16] splat 0.0625
      const %r = float32[] {0.25} %q = MatMul(%x, %w) %k = Transpose(%q) {perm=[0, 2, 1]} %s = MatMul(%q, %k)
      %m = Mul(%s, %r) %p = Softmax(%m) {axis=-1} %y = MatMul(%p, %q) output %y as "y" })"},
    {"recurrent", R"(graph { input %x : float32[t, 2, 5] const %w = float32[1, 12, 5] splat 0.1
      const %r = float32[1, 12, 3] splat 0.2 %y, %h, %c = LSTM(%x, %w, %r) {hidden_size=3} output %y as "y" output %c as "c" })"},
    {"control flow",
     R"(graph { input %x : float32[n] input %go : bool[] const %count = int64[] {100} const %t = bool[] {1}
      %a = If(%go) then_branch=graph { %b = Neg(%x) output %b as "r" } else_branch=graph { output %x as "r" }
      %z, %s = Loop(%count, %t, %a) body=graph { input %i : int64[] input %c : bool[] input %v : float32[n]
        %u = Tanh(%v) output %c as "c" output %u as "u" output %u as "s" } output %z as "y" output %s as "s" })"},
    {"sizes from data",
     R"(graph { input %x : float32[n] const %zero = float32[] {0.0} const %names = string[2] {"a", "b"}
      %g = Greater(%x, %zero) %i = NonZero(%g) %q = SequenceConstruct(%x, %x) output %i as "i" output %q as "q"
      output %names as "names" })"},
};

plan::Plan read(const Bytes& bytes) { return plan::read_plan(std::span<const std::byte>(bytes)); }

TEST(Plans, DamageIsRefused) {
  std::mt19937 random(7);
  for (const Network& network : kNetworks) {
    BuildRequest request = cpu_request();
    request.options.embed_graph = true;
    const Bytes bytes = plan::write_plan(build_text(network.text, request));
    for (int i = 0; i < 300; ++i) {
      Bytes bad = bytes;
      const size_t at = random() % bytes.size();
      if (i % 3 == 0)
        bad.resize(at);
      else
        bad[at] ^= static_cast<std::byte>(1 + random() % 255);
      ASSERT_EQ(error_of([&] { read(bad); }).code(), ErrorCode::kInvalidPlan)
          << network.name << (i % 3 == 0 ? ", cut at " : ", edited at ") << at;
    }
  }
}

// Fifty bytes of text that ask for 16 GiB.
TEST(Plans, GraphsWithEndlessConstantsAreRefused) {
  plan::Plan plan = build_text(kNetworks[0].text);
  const std::string text = "graph { const %w = float32[4294967296] splat 0.5 output %w as \"y\" }";
  const auto kept = std::make_shared<const std::string>(text);
  plan.sections.push_back({"graph", {std::as_bytes(std::span(kept->data(), kept->size())), kept}});
  EXPECT_EQ(error_of([&] { embedded_graph(plan); }).code(), ErrorCode::kBudgetExceeded);
}

TEST(Plans, TwoBuildsGiveTheSameBytes) {
  for (const Network& network : kNetworks) {
    BuildRequest request = cpu_request();
    request.options.embed_graph = true;
    const Bytes first = plan::write_plan(build_text(network.text, request));
    EXPECT_EQ(plan::write_plan(build_text(network.text, request)), first) << network.name;
    EXPECT_EQ(plan::write_plan(read(first)), first) << network.name;
  }
}

TEST(Plans, LoadedAndSavedAgainTheyAreTheSame) {
  const TempFolder folder;
  for (const Network& network : kNetworks) {
    const std::string p = folder.at("p.plan"), q = folder.at("q.plan");
    plan::save_plan(build_text(network.text), p);
    for (const bool map : {true, false}) {
      plan::save_plan(Engine::load(p, {.threads = 1}, map)->plan(), q);
      EXPECT_EQ(bytes_of(q), bytes_of(p)) << network.name;
    }
  }
}

void expect_same_bits(const std::vector<Datum>& a, const std::vector<Datum>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].is_tensor()) {
      ASSERT_TRUE(equal(Attribute(a[i].tensor()), Attribute(b[i].tensor())));
    }
}

TEST(Plans, HundredRunsOfEightContextsGiveTheSameBits) {
  for (const Network& network : kNetworks) {
    const auto graph = ir::parse(network.text);
    const auto inputs = random_inputs(*graph, {{"n", 3}, {"h", 9}, {"w", 7}, {"t", 5}}, 3);
    const auto engine = Engine::create(build_text(network.text), {.threads = 2});
    const auto expected = engine->create_context()->run(inputs);
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&] {
        const auto context = engine->create_context();
        for (int i = 0; i < 100; ++i) expect_same_bits(context->run(inputs), expected);
      });
    for (std::thread& t : threads) t.join();
  }
}

TEST(Plans, ForAnotherProcessorAreRefusedWithWhatToDo) {
  if (!cpu::isa_supported(cpu::Isa::avx2)) GTEST_SKIP() << "no AVX2 here";
  const plan::Plan plan = build_text(kNetworks[0].text, cpu_request("avx2"));
  EXPECT_EQ(plan.target.isa, "avx2");
  EngineOptions options{.threads = 1};
  options.isa = "plain";
  const Error error = error_of([&] { Engine::create(plan, options); });
  EXPECT_EQ(error.code(), ErrorCode::kVersionMismatch);
  EXPECT_NE(std::string(error.what()).find("avx2"), std::string::npos) << error.what();
  EXPECT_NE(error.hint().find("isa=plain"), std::string::npos) << error.hint();
  // What needs no vectors runs anywhere.
  Engine::create(build_text(kNetworks[0].text, cpu_request("plain")), options)->create_context();
}

}  // namespace
}  // namespace planish::test
