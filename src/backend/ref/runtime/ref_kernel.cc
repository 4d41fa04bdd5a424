// SPDX-License-Identifier: Apache-2.0
// The step kernels that every engine has:
//   ref    any op, by its portable kernel
//   alias  other dims over the same elements, for values whose size is known at run time only
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/str.h"
#include "ops/evaluate.h"
#include "planish/error.h"
#include "runtime/step_kernel.h"

namespace planish::ref {
namespace {

// An op's shape rule over known dims, and over the contents of those inputs that are constants.
class ShapeRule final : public InferContext {
 public:
  ShapeRule(const OpDef& op, const StepShapes& shapes) {
    attributes_ = &shapes.step().attributes;
    node_ = &shapes.step().node;
    op_ = &op.name;
    types_.reserve(static_cast<size_t>(shapes.input_count()));
    for (int i = 0; i < shapes.input_count(); ++i) {
      const KnownTensor& in = shapes.input(i);
      types_.push_back(Type::tensor(in.dtype, Shape(in.dims.begin(), in.dims.end())));
      inputs_.push_back(in.present() ? &types_.back() : nullptr);
      constants_.push_back(in.constant);
      contents_.push_back(nullptr);
    }
    for (int i = 0; i < shapes.output_count(); ++i) wanted_.push_back(shapes.output(i).present());
    outputs_.resize(wanted_.size());
    output_contents_.resize(wanted_.size());
    op.infer(*this);
  }

  Dim fresh_dim() override { return Dim::symbol(concat("?", ++fresh_)); }
  std::vector<Type> infer_subgraph(std::string_view, const std::vector<Type>&) override {
    return {};
  }

  bool gives(int i, DType dtype, std::span<const int64_t> dims) const {
    const Type& type = outputs_[static_cast<size_t>(i)];
    return type.is_static() && type.dtype == dtype &&
           std::ranges::equal(*constant_dims(*type.shape), dims);
  }
  // Undefined if the rule leaves something open.
  const Type& output(int i) const { return outputs_[static_cast<size_t>(i)]; }

 private:
  std::vector<Type> types_;
  int fresh_ = 0;
};

// The shape rule has been run for these shapes, and its answer does not depend on data.
struct Proven final : StepState {};

class Subprograms final : public SubgraphRunner {
 public:
  explicit Subprograms(StepContext& context) : context_(context) {}
  bool has(std::string_view name) const override { return context_.find_subprogram(name) >= 0; }
  std::vector<Datum> run(std::string_view name, std::vector<Datum> inputs) override {
    const int index = context_.find_subprogram(name);
    if (index < 0) throw Error(ErrorCode::kInvalidPlan, concat("there is no subprogram ", name));
    return context_.run_subprogram(index, std::move(inputs));
  }
  std::vector<Type> output_types(std::string_view name) const override {
    const int index = context_.find_subprogram(name);
    return index < 0 ? std::vector<Type>() : context_.subprogram_types(index);
  }

 private:
  StepContext& context_;
};

// Remembers where outputs were placed: a kernel may put a tensor of its own into a slot.
class Placed {
 public:
  explicit Placed(StepContext& context) : context_(context) {
    for (Datum* out : context.outputs()) {
      const auto* t = out == nullptr ? nullptr : std::get_if<Tensor>(&out->held);
      tensors_.push_back(t == nullptr || t->dtype() == DType::kString ? Tensor() : *t);
    }
  }

  // Moves what lies elsewhere to its place. Throws if it does not fit there.
  void restore() {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      Tensor& place = tensors_[i];
      if (!place.defined()) continue;
      Datum& slot = *context_.outputs()[i];
      const auto* made = std::get_if<Tensor>(&slot.held);
      if (made != nullptr && made->data() == place.data()) continue;
      const bool fits =
          made != nullptr && made->dtype() == place.dtype() && made->dims() == place.dims();
      const std::string got =
          made == nullptr ? "no tensor"
                          : concat(dtype_name(made->dtype()), " ", dims_to_string(made->dims()));
      if (fits && place.bytes() != 0) std::memcpy(place.data(), made->data(), place.bytes());
      const std::string expected =
          concat(dtype_name(place.dtype()), " ", dims_to_string(place.dims()));
      slot = std::move(place);
      if (!fits)
        throw Error(ErrorCode::kInvalidShape,
                    concat("output ", i, " was to be ", expected, ", got ", got));
    }
  }

 private:
  StepContext& context_;
  std::vector<Tensor> tensors_;
};

const OpDef& checked_op(const StepInfo& info) {
  const OpDef* op = find_op(info.step().op);
  if (op == nullptr) info.fail(concat("there is no op ", info.step().op));
  std::vector<std::string> subgraphs;
  for (const plan::Subprogram& sub : info.step().subprograms) subgraphs.push_back(sub.name);
  try {
    check_node(*op, info.step().node, info.attributes(), subgraphs, info.input_count(),
               info.output_count());
  } catch (const Error& error) {
    info.fail(error.what());
  }
  return *op;
}

class RefKernel final : public StepKernel {
 public:
  explicit RefKernel(const StepInfo& info) : op_(checked_op(info)) {}

  StepBinding bind(const StepShapes& shapes) const override {
    if (!op_.subgraphs.empty() || !op_.optional_subgraphs.empty()) return {};
    // Rules look at the contents of integers, if only to check them; floats they leave alone.
    for (int i = 0; i < shapes.input_count(); ++i) {
      const KnownTensor& in = shapes.input(i);
      // Strings, sequences and what else lies in no arena are seen when the step runs.
      if (!in.present() && shapes.step().inputs[static_cast<size_t>(i)] >= 0) return {};
      if (in.present() && in.constant == nullptr && !is_float(in.dtype)) return {};
    }
    const ShapeRule rule(op_, shapes);
    for (int i = 0; i < shapes.output_count(); ++i) {
      const KnownTensor& out = shapes.output(i);
      if (out.present() && !rule.gives(i, out.dtype, out.dims)) return {};
    }
    return {.state = std::make_unique<Proven>()};
  }

  void run(StepContext& context) const override {
    Placed placed(context);
    Subprograms subprograms(context);
    const plan::Step& step = context.step();
    const auto compute = context.state() != nullptr ? run_kernel : evaluate;
    compute(op_, step.node, step.attributes, context.inputs(), context.outputs(), &subprograms,
            context.budget());
    placed.restore();
  }

  bool makes_outputs() const override { return true; }

 private:
  const OpDef& op_;
};

// The op's shape rule gives the dims; no element is touched.
class AliasKernel final : public StepKernel {
 public:
  explicit AliasKernel(const StepInfo& info) : op_(checked_op(info)) {
    info.require(info.output_count() == 1 && info.has_input(0) && info.wants_output(0),
                 "an alias has one output and an input");
  }

  void run(StepContext& context) const override {
    if (!context.datum(0).is_tensor()) {
      context.output_datum(0) = context.datum(0);
      return;
    }
    Placed placed(context);
    const Tensor& in = context.input(0);
    Dims dims = dims_of_output(context);
    if (element_count(dims) != in.count())
      throw Error(ErrorCode::kInvalidPlan,
                  concat(dims_to_string(in.dims()), " cannot be taken for ", dims_to_string(dims)));
    context.output_datum(0) = in.reshaped(std::move(dims));
    placed.restore();
  }

  bool makes_outputs() const override { return true; }

 private:
  Dims dims_of_output(const StepContext& context) const {
    std::vector<KnownTensor> inputs;
    for (const Datum* datum : context.inputs()) {
      const auto* t = datum == nullptr ? nullptr : std::get_if<Tensor>(&datum->held);
      inputs.emplace_back();
      if (t != nullptr) inputs.back() = {.dtype = t->dtype(), .dims = t->dims(), .constant = t};
    }
    const KnownTensor output{.dtype = context.input(0).dtype()};
    const ShapeRule rule(op_, StepShapes(context.step(), inputs, {&output, 1}, 1));
    const Type& type = rule.output(0);
    if (!type.is_static() || type.dtype != context.input(0).dtype())
      throw Error(ErrorCode::kInvalidPlan, concat(op_.name, " is no alias"));
    return *constant_dims(*type.shape);
  }

  const OpDef& op_;
};

const RegisterStepKernel kRef("ref", make_step_kernel<RefKernel>);
const RegisterStepKernel kAlias("alias", make_step_kernel<AliasKernel>);
const RegisterBackend kBackend({.name = "ref"});

}  // namespace
}  // namespace planish::ref
