// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <thread>

#include "base/str.h"
#include "planish/error.h"
#include "unit/runtime/executor_support.h"

namespace planish {
namespace {

using test::check_against_interpreter;
using test::choose_kernel;
using test::engine_of;
using test::floats;
using test::integers;
using test::ramp;

template <class F>
Error error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kOk, "no error");
}

constexpr const char* kDiamond = R"(
graph "diamond" {
  input %x : float32[batch, 3]
  const %c = float32[3] {1.0, 2.0, 3.0}
  %a = Add(%x, %c)
  %b = Mul(%a, %a)
  %d = Sub(%b, %a)
  %e = Add(%d, %x)
  output %e as "e"
  output %b as "b"
})";

TEST(Executor, StaticAndSymbolicShapes) {
  EXPECT_EQ(
      check_against_interpreter(
          kDiamond, {{ramp({2, 3})}, {ramp({5, 3}, -0.5f)}, {ramp({0, 3})}, {ramp({2, 3}, 7)}}),
      "");
}

TEST(Executor, InPlaceKernelsGiveTheSameResults) {
  constexpr const char* kChain = R"(
graph "chain" {
  input %x : float32[n]
  %a = Add(%x, %x)
  %b = Add(%a, %a)
  %c = Add(%b, %a)
  %d = Add(%c, %x)
  %e = Add(%d, %d)
  output %e as "e"
})";
  EXPECT_EQ(check_against_interpreter(kChain, {{ramp({100})}, {ramp({0})}, {ramp({1000})}},
                                      choose_kernel("Add", "test.add")),
            "");
  const auto engine = engine_of(kChain, choose_kernel("Add", "test.add"));
  const MemoryReport report = engine->memory();
  ASSERT_EQ(report.arenas.size(), 1u);
  EXPECT_FALSE(report.arenas[0].bounded);  // n has no greatest value
}

TEST(Executor, ArenaTakesInPlacePairs) {
  constexpr const char* kChain = R"(
graph "chain" {
  input %x : float32[1024]
  %a = Add(%x, %x)
  %b = Add(%a, %a)
  %c = Add(%b, %b)
  %d = Add(%c, %c)
  output %d as "d"
})";
  // Without sharing two buffers are live at a time; with it one; and each step's scratch.
  EXPECT_EQ(engine_of(kChain)->memory().arenas[0].arena_bytes, 2u * 4096);
  const ArenaReport shared =
      engine_of(kChain, choose_kernel("Add", "test.add"))->memory().arenas[0];
  EXPECT_EQ(shared.arena_bytes, 2u * 4096);
  EXPECT_EQ(shared.lower_bound, 2u * 4096);
  EXPECT_TRUE(shared.bounded);
}

TEST(Executor, ViewsShareMemory) {
  constexpr const char* kViews = R"(
graph "views" {
  input %x : float32[n, 4]
  const %flat = int64[1] {-1}
  const %pairs = int64[2] {-1, 2}
  %a = Relu(%x)
  %b = Reshape(%a, %flat)
  %c = Reshape(%b, %pairs)
  %d = Neg(%c)
  %e = Reshape(%x, %flat)
  %f = Add(%e, %b)
  output %d as "d"
  output %c as "c"
  output %b as "b"
  output %e as "e"
  output %f as "f"
})";
  EXPECT_EQ(check_against_interpreter(kViews, {{ramp({2, 4})}, {ramp({3, 4}, -1)}, {ramp({0, 4})}}),
            "");
  const plan::Plan plan = test::lower_text(kViews);
  int aliases = 0;
  for (const plan::Value& v : plan.main().values) aliases += v.storage == plan::Storage::kAlias;
  EXPECT_EQ(aliases, 3);
}

TEST(Executor, ShapeArithmeticOfAliasesIsNotRun) {
  constexpr const char* kText = R"(
graph "dead" {
  input %x : float32[n, 4]
  const %two = int64[1] {2}
  const %rest = int64[1] {-1}
  %s = Concat(%two, %rest) {axis=0}
  %y = Reshape(%x, %s)
  %z = Neg(%y)
  output %z as "z"
})";
  const plan::Plan plan = test::lower_text(kText);
  EXPECT_EQ(plan.main().steps.size(), 2u);
  EXPECT_EQ(check_against_interpreter(kText, {{ramp({2, 4})}}), "");
}

TEST(Executor, OutputsAreFreshAndDistinct) {
  constexpr const char* kPass = R"(
graph "pass" {
  input %x : float32[2]
  const %c = float32[2] {5.0, 6.0}
  %y = Identity(%x)
  %z = Relu(%x)
  output %x as "x1"
  output %y as "y"
  output %z as "z1"
  output %z as "z2"
  output %c as "c"
})";
  EXPECT_EQ(check_against_interpreter(kPass, {{floats({2}, {1, -2})}}), "");
  const auto context = engine_of(kPass)->create_context();
  const Datum x = floats({2}, {1, -2});
  std::vector<Datum> first = context->run({&x, 1});
  for (Datum& d : first) std::get<Tensor>(d.held).as<float>()[0] = 77;  // the caller's to change
  EXPECT_EQ(x.tensor().as<float>()[0], 1);
  const std::vector<Datum> second = context->run({&x, 1});
  const float expected[] = {1, 1, 1, 1, 5};
  for (size_t i = 0; i < second.size(); ++i)
    EXPECT_EQ(second[i].tensor().as<float>()[0], expected[i]);
  for (size_t i = 0; i < first.size(); ++i)
    for (size_t k = 0; k < i; ++k) EXPECT_NE(first[i].tensor().data(), first[k].tensor().data());
}

TEST(Executor, SizesThatDependOnData) {
  constexpr const char* kText = R"(
graph "data" {
  input %x : float32[n]
  %i = NonZero(%x)
  %t = Transpose(%i) {perm=[1, 0]}
  %g = GatherND(%x, %t)
  %y = Neg(%g)
  %w = Add(%y, %g)
  output %w as "w"
  output %i as "i"
})";
  EXPECT_EQ(check_against_interpreter(
                kText, {{floats({4}, {0, 1, 0, 3})}, {floats({2}, {0, 0})}, {ramp({100})}}),
            "");
  // A kernel that wants its outputs placed gets them as soon as the size is known.
  EXPECT_EQ(check_against_interpreter(
                kText, {{floats({4}, {0, 1, 0, 3})}, {floats({4}, {0, 0, 0, 1})}, {ramp({100})}},
                choose_kernel("Add", "test.add")),
            "");
}

constexpr const char* kBranch = R"(
graph "branch" {
  input %c : bool[]
  input %x : float32[n, 2]
  %a = Relu(%x)
  %y = test.Branch(%c) then_branch=graph {
    %t = Neg(%a)
    output %t as "t"
  } else_branch=graph {
    output %a as "a"
  }
  %z = Add(%y, %x)
  output %z as "z"
  output %y as "y"
})";

Datum flag(bool value) {
  Tensor t(DType::kBool, {});
  t.data()[0] = std::byte{value};
  return t;
}

TEST(Executor, BranchesRunOneSide) {
  EXPECT_EQ(check_against_interpreter(kBranch, {{flag(true), ramp({2, 2})},
                                                {flag(false), ramp({2, 2}, -1)},
                                                {flag(true), ramp({3, 2})}}),
            "");
  const auto context = engine_of(kBranch)->create_context();
  int in_branches = 0;
  context->set_observer([&](const StepEvent& e) { in_branches += e.program != 0; });
  context->run(std::array{flag(false), ramp({2, 2})});
  EXPECT_EQ(in_branches, 0);
  context->run(std::array{flag(true), ramp({2, 2})});
  EXPECT_EQ(in_branches, 1);
}

constexpr const char* kLoop = R"(
graph "loop" {
  input %x : float32[n]
  input %k : int64[]
  const %one = float32[1] {1.0}
  %b = Relu(%x)
  %y = test.Repeat(%x, %k) body=graph {
    input %s : float32[m]
    %t = Add(%s, %one)
    %u = Concat(%t, %b) {axis=0}
    %v = Neg(%u)
    output %v as "v"
  }
  %z = Neg(%y)
  output %z as "z"
  output %b as "b"
})";

TEST(Executor, LoopsWhoseShapesGrow) {
  EXPECT_EQ(check_against_interpreter(kLoop, {{ramp({3}), integers({}, {4})},
                                              {ramp({3}), integers({}, {0})},
                                              {ramp({1}), integers({}, {30})},
                                              {ramp({3}), integers({}, {2})}}),
            "");
}

TEST(Executor, LoopsStopAtTheBudget) {
  constexpr const char* kText = R"(
graph "forever" {
  input %x : float32[n]
  input %k : int64[]
  %y = test.Repeat(%x, %k) body=graph {
    input %s : float32[m]
    %t = Neg(%s)
    output %t as "t"
  }
  output %y as "y"
})";
  const auto context = engine_of(kText)->create_context();
  context->set_limits({.loop_iterations = 100});
  const Error error = error_of([&] {
    context->run(std::array{ramp({2}), integers({}, {INT64_MAX})});
  });
  EXPECT_EQ(error.code(), ErrorCode::kBudgetExceeded);
  EXPECT_FALSE(error.node().empty());
  EXPECT_NE(error.hint().find("max_loop_iterations"), std::string::npos);
  // The context stays usable, and the budget is of one run.
  for (int i = 0; i < 3; ++i) context->run(std::array{ramp({2}), integers({}, {60})});
}

TEST(Executor, NestedSubprogramsCaptureFromFarOut) {
  constexpr const char* kText = R"(
graph "nest" {
  input %x : float32[n]
  input %k : int64[]
  input %c : bool[]
  %far = Relu(%x)
  %y = test.Repeat(%x, %k) body=graph {
    input %s : float32[m]
    %b = test.Branch(%c) then_branch=graph {
      %p = Add(%far, %s)
      output %p as "p"
    } else_branch=graph {
      output %far as "far"
    }
    output %b as "b"
  }
  output %y as "y"
})";
  EXPECT_EQ(check_against_interpreter(kText, {{ramp({3}), integers({}, {3}), flag(true)},
                                              {ramp({2}, -1), integers({}, {5}), flag(false)},
                                              {ramp({2}), integers({}, {0}), flag(true)}}),
            "");
}

// Sequences must not hold on to memory of the arena, which is used again.
TEST(Executor, SequencesOwnTheirItems) {
  constexpr const char* kText = R"(
graph "pack" {
  input %x : float32[n]
  input %i : int64[]
  const %c = float32[2] {1.0, 2.0}
  %a = Neg(%x)
  %s = test.Pack(%a, %x, %c)
  %b = Neg(%a)
  %d = Add(%b, %b)
  %e = Neg(%d)
  %p = test.Pick(%s, %i)
  output %p as "p"
  output %s as "s"
  output %e as "e"
})";
  EXPECT_EQ(check_against_interpreter(kText, {{ramp({3}), integers({}, {0})},
                                              {ramp({3}), integers({}, {1})},
                                              {ramp({4}), integers({}, {2})}}),
            "");
  const auto context = engine_of(kText)->create_context();
  Datum x = ramp({3});
  const std::vector<Datum> out = context->run(std::array{x, integers({}, {1})});
  std::get<Tensor>(x.held).as<float>()[1] = 99;
  EXPECT_EQ(out[0].tensor().as<float>()[1], 1);
  EXPECT_EQ(out[1].items()[1].tensor().as<float>()[1], 1);
}

TEST(Executor, InputErrorsNameTheInput) {
  const auto context = engine_of(kDiamond)->create_context();
  const auto run = [&](std::vector<Datum> inputs) {
    return error_of([&] { context->run(inputs); });
  };
  const Error rank = run({ramp({3})});
  EXPECT_EQ(rank.code(), ErrorCode::kInvalidShape);
  EXPECT_NE(std::string(rank.what()).find("\"x\""), std::string::npos) << rank.what();
  const Error dim = run({ramp({2, 4})});
  EXPECT_EQ(dim.code(), ErrorCode::kInvalidShape);
  EXPECT_NE(std::string(dim.what()).find("dimension 1 is 4, expected 3"), std::string::npos)
      << dim.what();
  EXPECT_EQ(run({integers({2, 3}, {1, 2, 3, 4, 5, 6})}).code(), ErrorCode::kInvalidType);
  EXPECT_EQ(run({Datum()}).code(), ErrorCode::kInvalidType);
  EXPECT_EQ(run({}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run({ramp({2, 3})}).code(), ErrorCode::kOk);
}

TEST(Executor, SymbolsMustAgree) {
  const auto context = engine_of(R"(
graph "two" {
  input %x : float32[n]
  input %y : float32[n]
  %z = Add(%x, %y)
  output %z as "z"
})")
                           ->create_context();
  const Error error = error_of([&] { context->run(std::array{ramp({3}), ramp({1})}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidShape);
  EXPECT_NE(std::string(error.what()).find("\"y\""), std::string::npos) << error.what();
  EXPECT_EQ(error_of([&] {
              context->run(std::array{ramp({3}), ramp({3})});
            }).code(),
            ErrorCode::kOk);
}

TEST(Executor, ProfilesBoundShapes) {
  plan::Plan plan = test::lower_text(kDiamond);
  plan.profiles = {{.name = "small", .inputs = {{{1, 3}, {2, 3}, {4, 3}}}},
                   {.name = "large", .inputs = {{{8, 3}, {8, 3}, {16, 3}}}}};
  const auto engine = test::make_engine(std::move(plan));
  const auto run = [&](const Context& c, int64_t n) {
    return error_of([&] { const_cast<Context&>(c).run(std::array{ramp({n, 3})}); });
  };
  const auto any = engine->create_context();
  const auto large = engine->create_context({.profile = 1});
  EXPECT_EQ(run(*any, 4).code(), ErrorCode::kOk);
  EXPECT_EQ(run(*any, 16).code(), ErrorCode::kOk);
  EXPECT_EQ(run(*any, 5).code(), ErrorCode::kInvalidShape);
  const Error error = run(*large, 4);
  EXPECT_EQ(error.code(), ErrorCode::kInvalidShape);
  EXPECT_NE(std::string(error.what()).find("8 to 16 in profile 1"), std::string::npos)
      << error.what();
  EXPECT_FALSE(error.hint().empty());
  const MemoryReport memory = engine->memory();
  ASSERT_EQ(memory.arenas.size(), 2u);
  EXPECT_GT(memory.arenas[1].arena_bytes, memory.arenas[0].arena_bytes);
  EXPECT_TRUE(memory.arenas[1].bounded);
  EXPECT_EQ(error_of([&] { engine->create_context({.profile = 2}); }).code(),
            ErrorCode::kInvalidArgument);
}

TEST(Executor, CallersMemory) {
  const auto engine = engine_of(kDiamond);
  const auto context = engine->create_context();
  const Datum x = ramp({2, 3});
  const std::vector<Datum> expected = context->run({&x, 1});
  alignas(64) std::array<float, 8> e{};
  alignas(64) std::array<float, 6> b{};
  context->set_output(0, std::as_writable_bytes(std::span(e)));
  context->set_output(1, std::as_writable_bytes(std::span(b)));
  std::vector<Datum> got = context->run({&x, 1});
  EXPECT_EQ(test::difference(got, expected), "");
  EXPECT_EQ(got[0].tensor().data(), reinterpret_cast<std::byte*>(e.data()));
  const Error error = error_of([&] { context->run(std::array{ramp({3, 3})}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidShape);
  context->set_output(0, std::as_writable_bytes(std::span(b)));
  EXPECT_EQ(error_of([&] { context->run({&x, 1}); }).code(), ErrorCode::kInvalidArgument);
  context->set_output(0, {});
  context->set_output(1, {});
  EXPECT_EQ(test::difference(context->run({&x, 1}), expected), "");
}

TEST(Executor, OutputMayBeTheMemoryOfAnInput) {
  const auto context = engine_of(kDiamond)->create_context();
  Datum x = ramp({2, 3});
  const std::vector<Datum> expected = context->run({&x, 1});
  Tensor& t = std::get<Tensor>(x.held);
  context->set_output(1, {t.data(), t.bytes()}, t.owner());
  EXPECT_EQ(test::difference(context->run({&x, 1}), expected), "");
  EXPECT_EQ(test::difference(x, expected[1]), "");
}

TEST(Executor, AllocatorAndScratch) {
  const auto engine = engine_of(kDiamond);
  const auto context = engine->create_context();
  const Datum x = ramp({2, 3});
  const std::vector<Datum> expected = context->run({&x, 1});
  std::vector<std::shared_ptr<std::byte>> blocks;
  context->set_allocator([&](int, size_t bytes) {
    blocks.push_back(allocate_bytes(bytes));
    return blocks.back().get();
  });
  alignas(64) std::array<std::byte, 4096> scratch;
  context->set_scratch(scratch);
  EXPECT_EQ(test::difference(context->run({&x, 1}), expected), "");
  EXPECT_EQ(blocks.size(), 2u);
  context->set_allocator([](int, size_t) { return nullptr; });
  EXPECT_EQ(error_of([&] { context->run({&x, 1}); }).code(), ErrorCode::kOutOfMemory);
  context->set_allocator({});
  const Error error = error_of([&] { context->run(std::array{ramp({1000, 3})}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(test::difference(context->run({&x, 1}), expected), "");
}

TEST(Executor, UnalignedInputs) {
  const auto context = engine_of(kDiamond)->create_context();
  const Datum x = ramp({2, 3});
  const std::vector<Datum> expected = context->run({&x, 1});
  std::array<std::byte, 32> raw;
  std::memcpy(raw.data() + 1, x.tensor().data(), 24);
  const Datum unaligned = Tensor(DType::kF32, {2, 3}, raw.data() + 1, 24, nullptr);
  EXPECT_EQ(test::difference(context->run({&unaligned, 1}), expected), "");
}

TEST(Executor, ManyContextsOnManyThreads) {
  const auto engine = test::make_engine(test::lower_text(kLoop), 2);
  const auto reference = engine->create_context();
  const std::vector<Datum> inputs = {ramp({5}), integers({}, {20})};
  const std::vector<Datum> expected = reference->run(inputs);
  std::vector<std::thread> threads;
  std::array<std::string, 6> problems;
  for (size_t t = 0; t < problems.size(); ++t)
    threads.emplace_back([&, t] {
      const auto context = engine->create_context();
      for (int i = 0; i < 50 && problems[t].empty(); ++i)
        problems[t] = test::difference(context->run(inputs), expected);
    });
  for (std::thread& t : threads) t.join();
  for (const std::string& p : problems) EXPECT_EQ(p, "");
}

TEST(Executor, ErrorsNameTheNodeAndLeaveTheContextUsable) {
  const auto context = engine_of(R"(
graph "g" {
  input %x : float32[4]
  input %i : int64[1]
  %a = Neg(%x)
  %y = Gather(%a, %i) {axis=0} : float32[1] "pick"
  output %y as "y"
})")
                           ->create_context();
  const Error error = error_of([&] { context->run(std::array{ramp({4}), integers({1}, {9})}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidValue);
  EXPECT_EQ(error.node(), "pick");
  EXPECT_EQ(context->run(std::array{ramp({4}), integers({1}, {2})})[0].tensor().as<float>()[0], -2);
}

TEST(Executor, SplatConstantsAreKeptSmall) {
  const std::string text = R"(
graph "splat" {
  input %x : float32[100, 100]
  const %c = float32[100, 100] splat 0.5
  %y = Add(%x, %c)
  output %y as "y"
})";
  const plan::Plan plan = test::lower_text(text);
  ASSERT_EQ(plan.constants.size(), 1u);
  EXPECT_TRUE(plan.constants[0].is_splat);
  EXPECT_EQ(plan::weight_bytes(plan), 4u);
  EXPECT_EQ(check_against_interpreter(text, {{ramp({100, 100})}}), "");
}

TEST(Executor, UnknownKernelsAndBackendsAreRefused) {
  plan::Plan plan = test::lower_text(kDiamond);
  plan.programs[0].steps[0].kernel = "cpu.from_the_future";
  EXPECT_EQ(error_of([&] { test::make_engine(plan); }).code(), ErrorCode::kVersionMismatch);
  plan = test::lower_text(kDiamond);
  plan.target.backend = "quantum";
  EXPECT_EQ(error_of([&] { test::make_engine(plan); }).code(), ErrorCode::kVersionMismatch);
}

}  // namespace
}  // namespace planish
