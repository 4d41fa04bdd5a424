// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/trial.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/ref/compile/interpreter.h"
#include "backend/ref/compile/lower.h"
#include "base/str.h"
#include "planish/error.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "tensor/elements.h"

namespace planish::cpu {
namespace {

// Of the largest magnitude. Orders of summation differ by less, a wrong kernel by more.
constexpr double kTolerance = 1e-4;

// Numbers from -1 to 1, the same on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  float number() {
    return static_cast<float>(static_cast<int64_t>(next() >> 40) - (1 << 23)) / (1 << 23);
  }

 private:
  uint64_t state_;
};

Tensor random_tensor(const Type& type, uint64_t seed) {
  Tensor t(type.dtype, *constant_dims(*type.shape));
  Random random(seed);
  if (type.dtype == DType::kF32) {
    float* out = t.as<float>();
    // A table is as good as fresh numbers, and fast for large tensors.
    constexpr int64_t kTable = 8191;
    for (int64_t i = 0; i < t.count(); ++i) out[i] = i < kTable ? random.number() : out[i - kTable];
    return t;
  }
  std::vector<double> numbers(static_cast<size_t>(t.count()));
  for (double& v : numbers)
    v = is_float(type.dtype) ? random.number() : static_cast<double>(random.next() % 2);
  store<double>(t, numbers);
  return t;
}

// A few NaNs, infinities and negative zeros: what a tactic must not swallow.
void plant_specials(Tensor& t) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kSpecials[] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity,
                                 -0.0F};
  if (t.dtype() != DType::kF32 || t.count() == 0) return;
  Random random(99);
  for (float special : kSpecials)
    t.as<float>()[random.next() % static_cast<uint64_t>(t.count())] = special;
}

std::string difference(const Tensor& actual, const Tensor& expected, const char* data) {
  if (actual.dtype() != expected.dtype() || actual.dims() != expected.dims())
    return "its output has another type or shape";
  const auto a = load<double>(actual), e = load<double>(expected);
  double scale = std::numeric_limits<double>::min();
  for (double v : e)
    if (std::isfinite(v)) scale = std::max(scale, std::fabs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i]))) continue;
    if (std::fabs(a[i] - e[i]) <= kTolerance * scale) continue;
    return concat("on ", data, " it gives ", a[i], " where ", e[i], " is right");
  }
  return {};
}

// An engine of the one node, with memory for its outputs.
class NodeRunner final : public tuner::Runnable {
 public:
  NodeRunner(const ir::Graph& graph, const std::string& tactic, const LowerTarget& target,
             const std::shared_ptr<ThreadPool>& pool) {
    plan::Plan plan;
    plan.target = {.backend = "cpu", .isa = isa_name(target.isa), .properties = {}};
    ref::lower(
        graph,
        [&](const ir::Node& node) {
          auto step = lower_as(node, target, tactic);
          is_found_ |= step.has_value();
          return step;
        },
        plan);
    if (!is_found_) throw Error(ErrorCode::kUnsupported, "it does not take the node on its own");
    engine_ = Engine::create(std::move(plan), {.threads = pool->threads(), .pool = pool});
    context_ = engine_->create_context();
    for (size_t i = 0; i < engine_->outputs().size(); ++i) {
      const Type& type = engine_->outputs()[i].type;
      outputs_.emplace_back(type.dtype, *constant_dims(*type.shape));
      context_->set_output(static_cast<int>(i), {outputs_[i].data(), outputs_[i].bytes()},
                           outputs_[i].owner());
    }
  }

  void set_inputs(std::vector<Datum> inputs) { inputs_ = std::move(inputs); }
  void run() override { context_->run(inputs_); }
  const std::vector<Tensor>& outputs() const { return outputs_; }

 private:
  bool is_found_ = false;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Context> context_;
  std::vector<Datum> inputs_;
  std::vector<Tensor> outputs_;
};

// A graph, data for it, and what comes out.
struct Sample {
  const char* name;
  std::vector<Datum> inputs;
  std::vector<Datum> expected;  // empty until asked for
};

std::vector<Datum> random_inputs(const ir::Graph& graph) {
  std::vector<Datum> inputs;
  for (const ir::Value* in : graph.inputs())
    inputs.emplace_back(random_tensor(in->type(), inputs.size() + 1));
  return inputs;
}

std::shared_ptr<const ir::Graph> shrunk(const std::shared_ptr<const ir::Graph>& full,
                                        const NodeDims& dims) {
  const ir::Node& node = *full->nodes().front();
  const NodeDims small = shrink(node, dims);
  std::shared_ptr<const ir::Graph> graph = small == dims ? nullptr : isolate(node, small);
  return graph == nullptr ? full : graph;
}

class NodeTrial final : public tuner::Trial {
 public:
  NodeTrial(std::shared_ptr<const ir::Graph> isolated, const NodeDims& dims,
            std::vector<std::string> tactics, const LowerTarget& target,
            std::shared_ptr<ThreadPool> pool)
      : tactics_(std::move(tactics)),
        target_(target),
        pool_(std::move(pool)),
        graph_(std::move(isolated)),
        small_(shrunk(graph_, dims)),
        inputs_(random_inputs(*graph_)) {
    samples_.push_back({.name = "random data", .inputs = random_inputs(*small_), .expected = {}});
    samples_.push_back(
        {.name = "NaNs and infinities", .inputs = random_inputs(*small_), .expected = {}});
    if (!samples_[1].inputs.empty() && samples_[1].inputs[0].is_tensor())
      plant_specials(std::get<Tensor>(samples_[1].inputs[0].held));
  }

  std::unique_ptr<tuner::Runnable> prepare(size_t tactic) override {
    auto runner = std::make_unique<NodeRunner>(*graph_, tactics_[tactic], target_, pool_);
    runner->set_inputs(inputs_);
    return runner;
  }

  // With the reference at small sizes, and at full size with the first tactic that was right there.
  std::string check(size_t tactic, tuner::Runnable& runnable) override {
    NodeRunner small(*small_, tactics_[tactic], target_, pool_);
    for (Sample& sample : samples_) {
      if (sample.expected.empty()) {
        RunBudget budget;
        sample.expected = ref::interpret(*small_, sample.inputs, budget);
      }
      small.set_inputs(sample.inputs);
      small.run();
      for (size_t i = 0; i < sample.expected.size(); ++i)
        if (std::string what =
                difference(small.outputs()[i], sample.expected[i].tensor(), sample.name);
            !what.empty())
          return what;
    }
    auto& full = static_cast<NodeRunner&>(runnable);
    full.run();
    if (agreed_.empty()) {
      for (const Tensor& t : full.outputs()) agreed_.push_back(t.clone());
      return {};
    }
    for (size_t i = 0; i < agreed_.size(); ++i)
      if (std::string what = difference(full.outputs()[i], agreed_[i], "data of full size");
          !what.empty())
        return what;
    return {};
  }

 private:
  std::vector<std::string> tactics_;
  LowerTarget target_;
  std::shared_ptr<ThreadPool> pool_;
  std::shared_ptr<const ir::Graph> graph_;
  std::shared_ptr<const ir::Graph> small_;
  std::vector<Datum> inputs_;
  std::vector<Sample> samples_;
  std::vector<Tensor> agreed_;
};

}  // namespace

std::unique_ptr<tuner::Trial> open_trial(std::shared_ptr<const ir::Graph> isolated,
                                         const NodeDims& dims, std::vector<std::string> tactics,
                                         const LowerTarget& target,
                                         std::shared_ptr<ThreadPool> pool) {
  return std::make_unique<NodeTrial>(std::move(isolated), dims, std::move(tactics), target,
                                     std::move(pool));
}

}  // namespace planish::cpu
