// SPDX-License-Identifier: Apache-2.0
// ConstantOfShape: a tensor of a given shape filled with one value.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

const Tensor* fill_value(const Attributes& attributes) {
  return attributes.has("value") ? &attributes.tensor("value") : nullptr;
}

void infer_constant_of_shape(InferContext& c) {
  check_tensor(c, 0, is_i64, "int64");
  check_rank(c, 0, 1);
  const Tensor* value = fill_value(c.attributes());
  if (value != nullptr && value->count() != 1)
    c.fail(concat("value: expected one element, got ", value->count()), ErrorCode::kInvalidModel);
  const DType dtype = value ? value->dtype() : DType::kF32;
  auto wish = c.contents(0);
  if (!wish) {
    const auto length = known_length(c, 0);
    if (!length || *length > 1024) return set_tensor(c, 0, dtype, std::nullopt);
    wish.emplace(static_cast<size_t>(*length));
  }
  Shape out;
  for (const auto& item : *wish) {
    if (item) check_size(c, *item, "a dimension of the shape");
    out.push_back(item && item->range().min >= 0 ? *item : c.fresh_dim());
  }
  const auto count = out.size() <= 1 ? product(out).constant() : std::nullopt;
  if (count && *count <= 1024 && is_integer(dtype))
    c.set_contents(0, Contents(static_cast<size_t>(*count), Dim(element<int64_t>(*value, 0))));
  set_tensor(c, 0, dtype, std::move(out));
}

void run_constant_of_shape(KernelContext& c) {
  Tensor& result = c.output(0);
  require_dims(c, result, load<int64_t>(c.input(0)));
  const Tensor* value = fill_value(c.attributes());
  if (value == nullptr) return fill_zero(result);
  const Tensor one = spread(*value);
  fill_spread(result, [&](Tensor& out) { fill_run(out, 0, out.count(), one, 0); });
}

const RegisterOp kConstantOfShape(
    {.name = "ConstantOfShape",
     .attributes = {optional("value", AttrKind::kTensor)},
     .infer = infer_constant_of_shape,
     .run = run_constant_of_shape,
     .source = "https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html"});

}  // namespace
}  // namespace planish
