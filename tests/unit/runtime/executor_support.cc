// SPDX-License-Identifier: Apache-2.0
#include "unit/runtime/executor_support.h"

#include <cstring>

#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "ir/text.h"
#include "ops/op.h"
#include "passes/infer.h"
#include "runtime/step_kernel.h"

namespace planish::test {
namespace {

// ---- ops with subgraphs and with containers, small enough to see through ---------------------

void infer_branch(InferContext& c) {
  std::vector<Type> then_types = c.infer_subgraph("then_branch", {});
  const std::vector<Type> else_types = c.infer_subgraph("else_branch", {});
  for (size_t i = 0; i < then_types.size(); ++i)
    c.set_output(static_cast<int>(i),
                 join_types(then_types[i], else_types[i], [&c] { return c.fresh_dim(); }));
}

void run_branch(KernelContext& c) {
  const bool yes = c.input(0).data()[0] != std::byte{0};
  std::vector<Datum> out = c.run_subgraph(yes ? "then_branch" : "else_branch", {});
  for (int i = 0; i < c.output_count(); ++i)
    if (c.wants_output(i)) c.set_output(i, std::move(out[static_cast<size_t>(i)]));
}

// x, n -> body(body(... x)), n times.
void infer_repeat(InferContext& c) {
  Type type = c.input(0);
  if (type.shape)
    for (Dim& d : *type.shape) d = c.fresh_dim();
  c.infer_subgraph("body", {type});
  if (type.shape)
    for (Dim& d : *type.shape) d = c.fresh_dim();
  c.set_output(0, type);
}

void run_repeat(KernelContext& c) {
  Datum x = c.datum(0);
  for (int64_t n = *c.input(1).as<int64_t>(); n > 0; --n) {
    c.budget().spend_iterations(1, c.node());
    x = c.run_subgraph("body", {x})[0];
  }
  c.set_output(0, std::move(x));
}

void infer_pack(InferContext& c) { c.set_output(0, Type::sequence(Type::tensor(c.dtype(0)))); }
void run_pack(KernelContext& c) {
  Sequence items;
  for (int i = 0; i < c.input_count(); ++i) items.push_back(c.datum(i));
  c.set_output(0, Datum::sequence(std::move(items)));
}

void infer_pick(InferContext& c) {
  const Type& type = c.input(0);
  c.set_output(0, type.element ? *type.element : Type::tensor(DType::kF32));
}
void run_pick(KernelContext& c) {
  c.set_output(0, c.datum(0).items().at(static_cast<size_t>(*c.input(1).as<int64_t>())));
}

const RegisterOp kBranch({.name = "test.Branch",
                          .subgraphs = {"then_branch", "else_branch"},
                          .inputs = {1, 1},
                          .outputs = {1, 4},
                          .infer = infer_branch,
                          .run = run_branch});
const RegisterOp kRepeat({.name = "test.Repeat",
                          .subgraphs = {"body"},
                          .inputs = {2, 2},
                          .outputs = {1, 1},
                          .infer = infer_repeat,
                          .run = run_repeat});
const RegisterOp kPack({.name = "test.Pack",
                        .inputs = {1, kAnyNumber},
                        .outputs = {1, 1},
                        .infer = infer_pack,
                        .run = run_pack});
const RegisterOp kPick({.name = "test.Pick",
                        .inputs = {2, 2},
                        .outputs = {1, 1},
                        .infer = infer_pick,
                        .run = run_pick});

// ---- a kernel that needs its outputs placed, works in place and takes scratch memory ----------

struct AddState final : StepState {
  int64_t count = 0;
};

class InPlaceAdd final : public StepKernel {
 public:
  explicit InPlaceAdd(const StepInfo& info) {
    info.require(info.input_count() == 2 && info.output_count() == 1,
                 "expected 2 inputs and 1 output");
    info.require(
        info.input_type(0).dtype == DType::kF32 && info.output_type(0).dtype == DType::kF32,
        "expected float32");
  }
  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& out = shapes.output(0);
    shapes.require(out.same_type(shapes.input(0)) && out.same_type(shapes.input(1)),
                   "the shapes differ");
    auto state = std::make_unique<AddState>();
    state->count = out.count();
    return {.scratch_bytes = static_cast<size_t>(out.count()) * sizeof(float),
            .state = std::move(state)};
  }
  void run(StepContext& c) const override {
    const int64_t n = static_cast<AddState*>(c.state())->count;
    auto* sums = reinterpret_cast<float*>(c.scratch().data());
    const auto* a = c.input(0).as<float>();
    const auto* b = c.input(1).as<float>();
    for (int64_t i = 0; i < n; ++i) sums[i] = a[i] + b[i];
    if (n != 0) std::memcpy(c.output(0).data(), sums, static_cast<size_t>(n) * sizeof(float));
  }
  bool may_overwrite(int, int) const override { return true; }
};

const RegisterStepKernel kInPlaceAdd("test.add", make_step_kernel<InPlaceAdd>);

}  // namespace

std::unique_ptr<ir::Graph> parse_graph(const std::string& text) {
  auto graph = ir::parse(text);
  passes::infer_types(*graph, passes::Known::kIgnore);
  return graph;
}

plan::Plan lower_text(const std::string& text, const ref::ChooseStep& choose) {
  plan::Plan plan;
  plan.made_by = "0.0.0";
  plan.target.backend = "ref";
  ref::lower(*parse_graph(text), choose, plan);
  return plan;
}

std::shared_ptr<Engine> make_engine(plan::Plan plan, int threads) {
  return Engine::create(std::move(plan), {.threads = threads, .poison = true});
}

std::shared_ptr<Engine> engine_of(const std::string& text, const ref::ChooseStep& choose) {
  return make_engine(lower_text(text, choose));
}

Datum floats(Dims dims, std::vector<float> values) {
  return Tensor::of<float>(DType::kF32, std::move(dims), values);
}

Datum ramp(Dims dims, float step) {
  Tensor t(DType::kF32, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) t.as<float>()[i] = static_cast<float>(i) * step;
  return t;
}

Datum integers(Dims dims, std::vector<int64_t> values) {
  return Tensor::of<int64_t>(DType::kI64, std::move(dims), values);
}

std::string difference(const Datum& a, const Datum& b) {
  if (a.held.index() != b.held.index()) return "different kinds";
  if (a.is_sequence()) {
    if (a.items().size() != b.items().size()) return "sequences of different length";
    for (size_t i = 0; i < a.items().size(); ++i)
      if (const std::string d = difference(a.items()[i], b.items()[i]); !d.empty())
        return concat("item ", i, ": ", d);
    return "";
  }
  if (!a.is_tensor()) return "";
  const Tensor& x = a.tensor();
  const Tensor& y = b.tensor();
  if (x.dtype() != y.dtype() || x.dims() != y.dims())
    return concat(dtype_name(x.dtype()), " ", dims_to_string(x.dims()), " and ",
                  dtype_name(y.dtype()), " ", dims_to_string(y.dims()));
  if (x.dtype() == DType::kString)
    return x.string_values() == y.string_values() ? "" : "strings differ";
  return x.bytes() == 0 || std::memcmp(x.data(), y.data(), x.bytes()) == 0 ? ""
                                                                           : "the contents differ";
}

std::string difference(const std::vector<Datum>& a, const std::vector<Datum>& b) {
  if (a.size() != b.size()) return "different numbers of outputs";
  for (size_t i = 0; i < a.size(); ++i)
    if (const std::string d = difference(a[i], b[i]); !d.empty())
      return concat("output ", i, ": ", d);
  return "";
}

std::string check_against_interpreter(const std::string& text,
                                      const std::vector<std::vector<Datum>>& runs,
                                      const ref::ChooseStep& choose) {
  const auto graph = parse_graph(text);
  const auto context = engine_of(text, choose)->create_context();
  // The second round finds everything laid out, and memory dirty.
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < runs.size(); ++i) {
      RunBudget budget;
      const std::vector<Datum> expected = ref::interpret(*graph, runs[i], budget);
      const std::string d = difference(context->run(runs[i]), expected);
      if (!d.empty()) return concat("round ", round, ", run ", i, ": ", d);
    }
  return "";
}

ref::ChooseStep choose_kernel(const std::string& op, const std::string& kernel) {
  return [op, kernel](const ir::Node& node) -> std::optional<ref::StepChoice> {
    if (node.op() != op) return std::nullopt;
    return ref::StepChoice{.kernel = kernel};
  };
}

}  // namespace planish::test
