// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/trial.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cuda/compile/module_builder.h"
#include "backend/cuda/compile/placement.h"
#include "backend/ref/compile/lower.h"
#include "base/str.h"
#include "passes/infer.h"
#include "passes/pass.h"
#include "planish/error.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "tensor/elements.h"

namespace planish::cuda {
namespace {

constexpr size_t kMostCopies = 8;
constexpr size_t kCopiedWeights = 24 << 20;    // in all
constexpr size_t kMostCopiedBytes = 64 << 20;  // of inputs and outputs: larger ones leave the cache
constexpr int kRunsOfAReading = 10;
constexpr int64_t kCompared = 1 << 18;  // elements at each end of an output

// Differences between orders of summation, relative to the largest magnitude.
double tolerance_of(DType type) {
  return type == DType::kF32 ? 1e-3 : type == DType::kBF16 ? 8e-2 : 2e-2;
}

// Numbers from -1 to 1 (whole ones: 0 and 1), the same on every machine.
Tensor test_data(DType type, const Dims& dims) {
  constexpr int64_t kTable = 8191;  // a table is as good as fresh numbers, and fast to copy
  Tensor t(type, dims);
  const int64_t count = std::min(kTable, t.count());
  std::vector<double> numbers(static_cast<size_t>(count));
  uint64_t state = 0x9e3779b97f4a7c15;
  for (double& v : numbers) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const auto high = static_cast<int64_t>(state >> 40);
    v = is_float(type) ? static_cast<double>(high - (1 << 23)) / (1 << 23)
                       : static_cast<double>(high % 2);
  }
  Tensor table(type, {count});
  store<double>(table, numbers);
  for (size_t at = 0; at < t.bytes(); at += table.bytes())
    std::memcpy(t.data() + at, table.data(), std::min(table.bytes(), t.bytes() - at));
  return t;
}

// Device memory of one tensor.
Tensor on_device(const Bench& bench, DType type, const Dims& dims) {
  const size_t bytes = dtype_bytes(type, element_count(dims));
  std::byte* memory = bench.device->allocate(std::max<size_t>(bytes, 1));
  return {type, dims, memory, bytes,
          std::shared_ptr<const void>(
              memory, [device = bench.device, memory](const void*) { device->release(memory); })};
}

Tensor other_content(const Tensor& constant, int copy) {
  Tensor t = constant.clone();
  const size_t step = t.count() > 0 ? t.bytes() / static_cast<size_t>(t.count()) : 0;
  if (step > 0 && t.count() > copy)
    std::memcpy(t.data(), constant.data() + static_cast<size_t>(copy) * step, step);
  return t;
}

// The graph's node `copies` times, with weights that differ.
std::unique_ptr<ir::Graph> repeat(const ir::Graph& graph, int copies) {
  auto out = std::make_unique<ir::Graph>();
  out->copy_from(graph);
  const ir::Node& node = *out->nodes().front();
  for (int copy = 1; copy < copies; ++copy) {
    std::vector<ir::Value*> inputs;
    for (ir::Value* in : node.inputs())
      inputs.push_back(in != nullptr && in->is_constant()
                           ? out->add_constant("", other_content(in->constant(), copy))
                           : in);
    ir::NodeOptions options{.name = concat("copy", copy), .attributes = node.attributes()};
    for (const ir::Value* v : node.outputs()) options.wanted.push_back(v != nullptr);
    ir::Node* fresh = out->add_node(node.op(), inputs, static_cast<int>(node.outputs().size()),
                                    std::move(options));
    for (const auto& [name, body] : node.subgraphs()) fresh->add_subgraph(name)->copy_from(*body);
    passes::try_infer_node(*fresh, passes::Known::kIgnore);
    for (ir::Value* v : fresh->outputs())
      if (v != nullptr) out->add_output(v, concat("copy", copy, ":", v->name()));
  }
  return out;
}

class DeviceRunner final : public tuner::Runnable {
 public:
  DeviceRunner(const ir::Graph& graph, const std::string& tactic, const Bench& bench,
               std::shared_ptr<Lowering::Packed> packed, std::vector<Datum> inputs,
               std::vector<Tensor> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {
    Lowering lowering = bench.lowering;
    lowering.wanted = tactic;
    lowering.packed = std::move(packed);
    lowering.sources.clear();
    plan::Plan plan;
    describe_target(lowering, bench.compiler, plan);
    bool is_found = true;
    ref::lower(
        graph,
        [&](const ir::Node& node) {
          auto choice = lower_node(node, lowering);
          is_found = is_found && choice && lowering.taken == tactic;
          return choice;
        },
        plan);
    if (!is_found) throw Error(ErrorCode::kUnsupported, "it does not take the node on its own");
    place_values(plan);
    build_modules(lowering, bench.compiler, bench.options, {}, plan);
    engine_ = Engine::create(std::move(plan), EngineOptions::from(bench.options));
    context_ = engine_->create_context();
    for (size_t i = 0; i < outputs_.size(); ++i)
      context_->set_output(static_cast<int>(i), {outputs_[i].data(), outputs_[i].bytes()});
    context_->set_stream(bench.stream.get(), false);
  }

  void run() override { context_->run(inputs_); }
  const Tensor& output() const { return outputs_.front(); }

 private:
  std::vector<Datum> inputs_;
  std::vector<Tensor> outputs_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Context> context_;
};

std::string difference(const Tensor& actual, const Tensor& expected) {
  const auto a = load<double>(actual), e = load<double>(expected);
  double scale = std::numeric_limits<double>::min();
  for (double v : e) scale = std::max(scale, std::isfinite(v) ? std::fabs(v) : 0);
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(a[i] - e[i]) <= tolerance_of(expected.dtype()) * scale))
      return concat("it gives ", a[i], " where others give ", e[i]);
  return {};
}

class DeviceTrial final : public tuner::Trial {
 public:
  DeviceTrial(const std::shared_ptr<const ir::Graph>& isolated, std::vector<std::string> tactics,
              const Bench& bench)
      : tactics_(std::move(tactics)), bench_(bench) {
    bench_.device->make_current();
    size_t bytes = 0;
    for (const ir::Value* v : isolated->inputs())
      bytes += dtype_bytes(v->type().dtype, element_count(*constant_dims(*v->type().shape)));
    size_t weights = 1;
    for (const ir::Value* v : isolated->constants()) weights += v->constant().bytes();
    const size_t copies = std::clamp<size_t>(kCopiedWeights / weights, 2, kMostCopies);
    graph_ = repeat(*isolated, bytes > kMostCopiedBytes ? 1 : static_cast<int>(copies));
    for (const ir::Value* in : graph_->inputs()) {
      const Tensor data = test_data(in->type().dtype, *constant_dims(*in->type().shape));
      Tensor memory = on_device(bench_, data.dtype(), data.dims());
      bench_.device->copy(memory.data(), data.data(), data.bytes(), stream());
      bench_.device->synchronize(stream());
      inputs_.emplace_back(std::move(memory));
    }
    for (const ir::Value* out : graph_->outputs())
      outputs_.push_back(on_device(bench_, out->type().dtype, *constant_dims(*out->type().shape)));
  }

  std::unique_ptr<tuner::Runnable> prepare(size_t tactic) override {
    return std::make_unique<DeviceRunner>(*graph_, tactics_[tactic], bench_, packed_, inputs_,
                                          outputs_);
  }

  // Against the first tactic that ran: all come from the same templates, which the block emulator
  // compares with the reference.
  std::string check(size_t, tuner::Runnable& runnable) override {
    Tensor memory = static_cast<DeviceRunner&>(runnable).output();
    bench_.device->fill(memory.data(), 0xff, memory.bytes(), stream());
    runnable.run();
    // Both ends of a large output.
    const int64_t part = std::min(memory.count(), kCompared);
    const size_t bytes = dtype_bytes(memory.dtype(), part);
    Tensor got(memory.dtype(), {2, part});
    bench_.device->copy(got.data(), memory.data(), bytes, stream());
    bench_.device->copy(got.data() + bytes, memory.data() + (memory.bytes() - bytes), bytes,
                        stream());
    bench_.device->synchronize(stream());
    if (agreed_) return difference(got, *agreed_);
    agreed_ = std::move(got);
    return {};
  }

 private:
  StreamHandle stream() const { return reinterpret_cast<StreamHandle>(bench_.stream.get()); }

  std::vector<std::string> tactics_;
  const Bench& bench_;
  std::unique_ptr<ir::Graph> graph_;
  std::vector<Datum> inputs_;
  std::vector<Tensor> outputs_;
  std::shared_ptr<Lowering::Packed> packed_ = std::make_shared<Lowering::Packed>();
  std::optional<Tensor> agreed_;
};

}  // namespace

void describe_target(const Lowering& lowering, const KernelCompiler& compiler, plan::Plan& plan) {
  std::vector<std::string> names;
  for (const Target& t : lowering.targets) names.push_back(t.name());
  plan.target.backend = "cuda";
  plan.target.isa = "plain";
  plan.target.properties = {{"targets", join(names, ",")},
                            {"least_driver", std::to_string(compiler.least_driver())},
                            {"toolkit", compiler.version()}};
}

std::unique_ptr<tuner::Trial> open_trial(std::shared_ptr<const ir::Graph> isolated,
                                         std::vector<std::string> tactics, const Bench& bench) {
  return std::make_unique<DeviceTrial>(isolated, std::move(tactics), bench);
}

double DeviceClock::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double DeviceClock::time(tuner::Runnable& runnable) {
  const auto stream = reinterpret_cast<StreamHandle>(bench_.stream.get());
  const double start = now();
  for (int i = 0; i < kRunsOfAReading; ++i) runnable.run();
  bench_.device->synchronize(stream);
  return (now() - start) / kRunsOfAReading;
}

}  // namespace planish::cuda
