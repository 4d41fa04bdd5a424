// SPDX-License-Identifier: Apache-2.0
// planish.ConvNhwc, planish.ConvIntegerNhwc, planish.ConvTransposeNhwc, planish.MaxPoolNhwc,
// planish.AveragePoolNhwc, planish.InstanceNormalizationNhwc, planish.GroupNormalizationNhwc: the
// ops of those names with their first input and output in N, spatial..., C order. Attributes,
// weights and bias are the base op's. The reference moves the channels, runs the base op and moves
// them back.
#include <numeric>

#include "base/str.h"
#include "ops/evaluate.h"
#include "ops/op.h"
#include "planish/error.h"

namespace planish {
namespace {

constexpr std::string_view kPrefix = "planish.";
constexpr std::string_view kSuffix = "Nhwc";

std::string base_name(std::string_view name) {
  return std::string(name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
}

Shape channels_first(const Shape& nhwc) {
  Shape out = nhwc;
  out.erase(out.end() - 1);
  out.insert(out.begin() + 1, nhwc.back());
  return out;
}

Shape channels_last(const Shape& nchw) {
  Shape out = nchw;
  out.erase(out.begin() + 1);
  out.push_back(nchw[1]);
  return out;
}

// The base op's shape rule over the moved type of input 0.
class BaseInfer final : public InferContext {
 public:
  BaseInfer(InferContext& outer, const OpDef& base) : outer_(outer), name_(base.name) {
    attributes_ = &outer.attributes();
    node_ = &outer.node();
    op_ = &name_;
    types_.resize(static_cast<size_t>(outer.input_count()));
    for (int i = 0; i < outer.input_count(); ++i) {
      Type& type = types_[static_cast<size_t>(i)];
      if (outer.has_input(i)) type = outer.input(i);
      if (i == 0 && type.has_rank()) type.shape = channels_first(*type.shape);
      inputs_.push_back(outer.has_input(i) ? &type : nullptr);
      constants_.push_back(i == 0 ? nullptr : outer.constant(i));
      contents_.push_back(nullptr);
    }
    wanted_ = {true};
    outputs_.resize(1);
    output_contents_.resize(1);
  }
  Dim fresh_dim() override { return outer_.fresh_dim(); }
  std::vector<Type> infer_subgraph(std::string_view, const std::vector<Type>&) override {
    return {};
  }
  const Type& result() const { return outputs_[0]; }

 private:
  InferContext& outer_;
  std::string name_;
  std::vector<Type> types_;
};

void infer_channels_last(InferContext& c) {
  if (c.has_rank(0))
    c.require(c.rank(0) >= 3, concat("expected a rank of 3 or more, got ", c.rank(0)));
  const OpDef& base = get_op(base_name(c.op()));
  BaseInfer rule(c, base);
  base.infer(rule);
  Type out = rule.result();
  if (out.has_rank()) out.shape = channels_last(*out.shape);
  c.set_output(0, std::move(out));
}

Tensor transposed(const Tensor& t, std::vector<int64_t> perm, KernelContext& c) {
  const Datum in(t);
  Datum out;
  const Datum* inputs[] = {&in};
  Datum* outputs[] = {&out};
  RunBudget unlimited({INT64_MAX, INT64_MAX, INT64_MAX});
  evaluate(get_op("Transpose"), c.node(), {{"perm", std::move(perm)}}, inputs, outputs, nullptr,
           unlimited);
  return out.tensor();
}

void run_channels_last(KernelContext& c) {
  const int rank = c.input(0).rank();
  std::vector<int64_t> to_first(static_cast<size_t>(rank)), to_last(to_first.size());
  std::iota(to_first.begin(), to_first.end(), -1);
  to_first[0] = 0;
  to_first[1] = rank - 1;
  std::iota(to_last.begin(), to_last.end(), 1);
  to_last[0] = 0;
  to_last.back() = 1;
  const Datum x(transposed(c.input(0), to_first, c));
  std::vector<const Datum*> inputs = {&x};
  for (int i = 1; i < c.input_count(); ++i)
    inputs.push_back(c.has_input(i) ? &c.datum(i) : nullptr);
  Datum y;
  Datum* outputs[] = {&y};
  RunBudget unlimited({INT64_MAX, INT64_MAX, INT64_MAX});
  evaluate(get_op(base_name(c.op())), c.node(), c.attributes(), inputs, outputs, nullptr,
           unlimited);
  c.set_output(0, Datum(transposed(y.tensor(), to_last, c)));
}

OpDef channels_last_def(const char* base, std::vector<AttributeSpec> attributes, Arity inputs,
                        double tolerance) {
  return {.name = concat(kPrefix, base, kSuffix),
          .attributes = std::move(attributes),
          .inputs = inputs,
          .outputs = {1, 1},
          .infer = infer_channels_last,
          .run = run_channels_last,
          .tolerance = {tolerance},
          .source = "Planish's own"};
}

const RegisterOp kConv(channels_last_def(
    "Conv",
    {optional("auto_pad", AttrKind::kString), optional("dilations", AttrKind::kInts),
     optional("group", AttrKind::kInt), optional("kernel_shape", AttrKind::kInts),
     optional("pads", AttrKind::kInts), optional("strides", AttrKind::kInts)},
    {2, 3}, 1e-5));
const RegisterOp kConvInteger(channels_last_def(
    "ConvInteger",
    {optional("auto_pad", AttrKind::kString), optional("dilations", AttrKind::kInts),
     optional("group", AttrKind::kInt), optional("kernel_shape", AttrKind::kInts),
     optional("pads", AttrKind::kInts), optional("strides", AttrKind::kInts)},
    {2, 4}, 0));
const RegisterOp kConvTranspose(channels_last_def(
    "ConvTranspose",
    {optional("auto_pad", AttrKind::kString), optional("dilations", AttrKind::kInts),
     optional("group", AttrKind::kInt), optional("kernel_shape", AttrKind::kInts),
     optional("output_padding", AttrKind::kInts), optional("output_shape", AttrKind::kInts),
     optional("pads", AttrKind::kInts), optional("strides", AttrKind::kInts)},
    {2, 3}, 1e-5));
const RegisterOp kMaxPool(channels_last_def(
    "MaxPool",
    {optional("auto_pad", AttrKind::kString), optional("ceil_mode", AttrKind::kInt),
     optional("dilations", AttrKind::kInts), required("kernel_shape", AttrKind::kInts),
     optional("pads", AttrKind::kInts), optional("storage_order", AttrKind::kInt),
     optional("strides", AttrKind::kInts)},
    {1, 1}, 0));
const RegisterOp kAveragePool(channels_last_def(
    "AveragePool",
    {optional("auto_pad", AttrKind::kString), optional("ceil_mode", AttrKind::kInt),
     optional("count_include_pad", AttrKind::kInt), optional("dilations", AttrKind::kInts),
     required("kernel_shape", AttrKind::kInts), optional("pads", AttrKind::kInts),
     optional("strides", AttrKind::kInts)},
    {1, 1}, 1e-6));
const RegisterOp kInstanceNorm(channels_last_def("InstanceNormalization",
                                                 {optional("epsilon", AttrKind::kFloat)}, {3, 3},
                                                 1e-5));
const RegisterOp kGroupNorm(channels_last_def("GroupNormalization",
                                              {optional("epsilon", AttrKind::kFloat),
                                               required("num_groups", AttrKind::kInt),
                                               optional("stash_type", AttrKind::kInt)},
                                              {3, 3}, 1e-5));

}  // namespace
}  // namespace planish
