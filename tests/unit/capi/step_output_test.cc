// SPDX-License-Identifier: Apache-2.0
// Outputs of steps, through the C interface.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>

#include "plan/writer.h"
#include "planish/planish_c.h"
#include "unit/backend/cuda/engine_support.h"
#include "unit/compiler/compiler_support.h"

namespace planish::test {
namespace {

constexpr int kFloat = 1;

struct Value {
  planish_value* handle = nullptr;
  Value() = default;
  Value(Value&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  Value& operator=(Value&&) = delete;
  ~Value() { planish_value_release(handle); }

  std::vector<float> numbers() const {
    std::vector<float> out(planish_tensor_bytes(handle) / sizeof(float));
    std::memcpy(out.data(), planish_tensor_data(handle), out.size() * sizeof(float));
    return out;
  }
};

Value floats(const std::vector<int64_t>& dims, const std::vector<float>& numbers) {
  Value out;
  planish_tensor_allocate(kFloat, static_cast<int>(dims.size()), dims.data(), &out.handle);
  std::memcpy(planish_tensor_data(out.handle), numbers.data(), numbers.size() * sizeof(float));
  return out;
}

// An engine with one input, and a context of it.
class Network {
 public:
  explicit Network(const plan::Plan& plan) {
    const auto bytes = plan::write_plan(plan);
    EXPECT_EQ(planish_engine_load_bytes(bytes.data(), bytes.size(), nullptr, &engine_), 0)
        << planish_error_message();
    EXPECT_EQ(planish_context_create(engine_, 0, &context_), 0) << planish_error_message();
  }
  Network(const std::string& text, const BuildRequest& request)
      : Network(build_text(text, request)) {}
  ~Network() {
    planish_context_release(context_);
    planish_engine_release(engine_);
  }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  planish_context* context() const { return context_; }

  // Calls `look` after every step of one run.
  using Look = std::function<void(int step, const std::string& op)>;
  void run(const Value& x, const Look& look) {
    planish_context_set_step_callback(
        context_,
        [](int step, const char*, const char* op, const char*, double, double, void* user) {
          (*static_cast<const Look*>(user))(step, op);
        },
        const_cast<Look*>(&look));
    EXPECT_EQ(planish_context_set_input(context_, 0, x.handle), 0);
    EXPECT_EQ(planish_context_run(context_), 0) << planish_error_message();
    planish_context_set_step_callback(context_, nullptr, nullptr);
  }
  Value step_output(int k) const {
    Value out;
    EXPECT_EQ(planish_context_step_output(context_, k, &out.handle), 0) << planish_error_message();
    return out;
  }

 private:
  planish_engine* engine_ = nullptr;
  planish_context* context_ = nullptr;
};

BuildRequest reference_request() {
  BuildRequest request = cpu_request();
  request.options.reference = true;
  return request;
}

TEST(StepOutput, IsACopyOfTheWholeResult) {
  Network network(R"(graph { input %x : float32[n, 2] %a = Neg(%x) %b = Abs(%a)
    output %b as "y" })",
                  reference_request());
  for (const std::vector<float>& x : {std::vector<float>{1, -2}, {3, 4, -5, 6}}) {
    const auto rows = static_cast<int64_t>(x.size() / 2);
    std::vector<Value> kept;
    network.run(floats({rows, 2}, x), [&](int step, const std::string& op) {
      EXPECT_EQ(op, step == 0 ? "Neg" : "Abs");
      EXPECT_EQ(planish_context_step_program(network.context()), 0);
      kept.push_back(network.step_output(0));
    });
    ASSERT_EQ(kept.size(), 2u);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(kept[0].numbers()[i], -x[i]);
      EXPECT_EQ(kept[1].numbers()[i], std::fabs(x[i]));
    }
    ASSERT_EQ(planish_tensor_rank(kept[0].handle), 2);
    EXPECT_EQ(planish_tensor_dims(kept[0].handle)[0], rows);
  }
}

TEST(StepOutput, TellsUnwantedOnesAndBodiesOfControlFlow) {
  Network network(R"(graph { input %x : float32[4] const %k = int64[1] {2}
    const %two = int64[] {2} const %go = bool[] {1} _, %i = TopK(%x, %k)
    %s = Loop(%two, %go, %x) body=graph { input %n : int64[] input %c : bool[] input %v : float32[4]
      %w = Neg(%v) output %c as "c" output %w as "w" } output %i as "i" output %s as "s" })",
                  reference_request());
  std::vector<std::string> seen;
  network.run(floats({4}, {1, 4, 2, 3}), [&](int, const std::string& op) {
    const bool is_body = planish_context_step_program(network.context()) != 0;
    const bool is_none = planish_value_kind(network.step_output(0).handle) == PLANISH_NONE;
    seen.push_back(op + (is_body ? " in a body" : "") + (is_none ? ": none" : ""));
    planish_value* value = nullptr;
    EXPECT_EQ(planish_context_step_output(network.context(), 2, &value), 1);
  });
  EXPECT_THAT(seen, testing::ElementsAre("TopK: none", "Neg in a body", "Neg in a body", "Loop"));
}

TEST(StepOutput, IsRefusedOutsideOfACallback) {
  Network network("graph { input %x : float32[2] %y = Neg(%x) output %y as \"y\" }", cpu_request());
  planish_value* value = nullptr;
  EXPECT_EQ(planish_context_step_program(network.context()), -1);
  EXPECT_EQ(planish_context_step_output(network.context(), 0, &value), 1);
  network.run(floats({2}, {1, 2}), [](int, const std::string&) {});
  EXPECT_EQ(planish_context_step_output(network.context(), 0, &value), 1);
  EXPECT_THAT(planish_error_message(), testing::HasSubstr("inside a step callback only"));
  EXPECT_EQ(value, nullptr);
}

#ifndef PLANISH_SANITIZED
TEST(StepOutput, ComesFromDeviceMemoryToo) {
  const cuda::EmulatedGpu gpu;
  Network network(build_for_gpu(R"(graph { input %x : float32[n, 2] %a = Neg(%x)
    %b = ReduceSum(%a) {keepdims=0} output %b as "y" })",
                                gpu));
  std::vector<std::vector<float>> seen;
  network.run(floats({2, 2}, {1, -2, 3, 4}), [&](int, const std::string&) {
    const Value value = network.step_output(0);
    if (planish_value_kind(value.handle) == PLANISH_TENSOR) seen.push_back(value.numbers());
  });
  EXPECT_EQ(seen.back(), (std::vector<float>{-6}));
}
#endif

}  // namespace
}  // namespace planish::test
