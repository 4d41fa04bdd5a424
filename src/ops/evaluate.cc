// SPDX-License-Identifier: Apache-2.0
#include "ops/evaluate.h"

#include "base/str.h"
#include "planish/error.h"

namespace planish {

Type type_of(const Datum& datum) {
  if (datum.is_tensor()) {
    const Tensor& t = datum.tensor();
    return Type::tensor(t.dtype(), Shape(t.dims().begin(), t.dims().end()));
  }
  if (datum.is_sequence()) {
    const Sequence& items = datum.items();
    if (items.empty()) return {.kind = Type::Kind::kSequence};
    Type element = type_of(items[0]);
    for (const Datum& item : items)
      if (!(type_of(item) == element)) element.shape.reset();
    return Type::sequence(std::move(element));
  }
  if (const auto* map = std::get_if<std::shared_ptr<const MapDatum>>(&datum.held))
    return Type::map((*map)->keys.dtype(), (*map)->values.dtype());
  return {.kind = Type::Kind::kOptional};
}

void check_inputs_present(const OpDef& op, const InferContext& c) {
  if (op.inputs.max != kAnyNumber || !op.subgraphs.empty() || !op.optional_subgraphs.empty())
    return;
  for (int i = 0; i < c.input_count(); ++i)
    if (!c.has_input(i)) c.fail(concat("input ", i, " is absent"), ErrorCode::kInvalidModel);
}

namespace {

// The shape rule over concrete data: every input is a constant.
class ConcreteInfer final : public InferContext {
 public:
  ConcreteInfer(const OpDef& op, const std::string& node, const Attributes& attributes,
                std::span<const Datum* const> inputs, std::span<Datum* const> outputs) {
    attributes_ = &attributes;
    node_ = &node;
    op_ = &op.name;
    types_.reserve(inputs.size());
    for (const Datum* datum : inputs) types_.push_back(datum ? type_of(*datum) : Type{});
    for (size_t i = 0; i < inputs.size(); ++i) {
      inputs_.push_back(inputs[i] ? &types_[i] : nullptr);
      constants_.push_back(inputs[i] && inputs[i]->is_tensor() ? &inputs[i]->tensor() : nullptr);
      contents_.push_back(nullptr);
    }
    for (const Datum* out : outputs) wanted_.push_back(out != nullptr);
    outputs_.resize(outputs.size());
    output_contents_.resize(outputs.size());
  }

  Dim fresh_dim() override { return Dim::symbol(concat("?", ++fresh_)); }
  std::vector<Type> infer_subgraph(std::string_view, const std::vector<Type>&) override {
    return {};
  }
  const Type& output(size_t i) const { return outputs_[i]; }

 private:
  std::vector<Type> types_;
  int fresh_ = 0;
};

class Run final : public KernelContext {
 public:
  Run(const OpDef& op, const std::string& node, const Attributes& attributes,
      std::span<const Datum* const> inputs, std::span<Datum* const> outputs, SubgraphRunner* runner,
      RunBudget& budget)
      : runner_(runner) {
    attributes_ = &attributes;
    node_ = &node;
    op_ = &op.name;
    inputs_.assign(inputs.begin(), inputs.end());
    outputs_.assign(outputs.begin(), outputs.end());
    budget_ = &budget;
  }
  std::vector<Datum> run_subgraph(std::string_view name, std::vector<Datum> inputs) override {
    if (runner_ == nullptr) fail("subgraphs cannot run here", ErrorCode::kInternal);
    return runner_->run(name, std::move(inputs));
  }
  bool has_subgraph(std::string_view name) const override {
    return runner_ != nullptr && runner_->has(name);
  }
  std::vector<Type> subgraph_types(std::string_view name) const override {
    return runner_ != nullptr ? runner_->output_types(name) : std::vector<Type>{};
  }

 private:
  SubgraphRunner* runner_;
};

bool holds(const Datum& datum, DType type, const Dims& dims) {
  const auto* t = std::get_if<Tensor>(&datum.held);
  return t != nullptr && t->dtype() == type && t->dims() == dims;
}

}  // namespace

void run_kernel(const OpDef& op, const std::string& node, const Attributes& attributes,
                std::span<const Datum* const> inputs, std::span<Datum* const> outputs,
                SubgraphRunner* runner, RunBudget& budget) {
  Run context(op, node, attributes, inputs, outputs, runner, budget);
  op.run(context);
}

void evaluate(const OpDef& op, const std::string& node, const Attributes& attributes,
              std::span<const Datum* const> inputs, std::span<Datum* const> outputs,
              SubgraphRunner* runner, RunBudget& budget) {
  ConcreteInfer rule(op, node, attributes, inputs, outputs);
  check_inputs_present(op, rule);
  op.infer(rule);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Type& type = rule.output(i);
    if (outputs[i] == nullptr || !type.is_static()) continue;
    Dims dims = *constant_dims(*type.shape);
    if (holds(*outputs[i], type.dtype, dims)) continue;
    const auto bytes =
        static_cast<int64_t>(dtype_bytes(type.dtype, element_count(dims)) & INT64_MAX);
    budget.check_value_bytes(bytes, node);
    *outputs[i] = Tensor(type.dtype, std::move(dims));
  }
  run_kernel(op, node, attributes, inputs, outputs, runner, budget);
}

}  // namespace planish
