// SPDX-License-Identifier: Apache-2.0
// Cast, CastLike: the elements converted to another type.
#include "base/str.h"
#include "ops/convert.h"
#include "ops/shape_rules.h"
#include "tensor/elements.h"

namespace planish {
namespace {

// Shape arithmetic survives a cast between integers that are wide enough for dims.
void cast_contents(InferContext& c, DType from, DType to) {
  if (dtype_bits(to) < 32 || !is_integer(to)) return;
  if (const Tensor* t = c.constant(0); t != nullptr && is_float(from)) {
    if (t->rank() > 1 || t->count() > 1024) return;
    Contents contents;
    for (int64_t v : load<int64_t>(*t)) contents.emplace_back(Dim(v));
    c.set_contents(0, std::move(contents));
    return;
  }
  if (!is_integer(from) && from != DType::kBool) return;
  auto contents = c.contents(0);
  if (!contents) return;
  for (auto& item : *contents) {
    if (!item || !item->is_constant()) continue;
    const int64_t v = item->value();
    const bool fits =
        to == DType::kI64 || (to == DType::kI32 && v >= INT32_MIN && v <= INT32_MAX) ||
        (to == DType::kU64 && v >= 0) || (to == DType::kU32 && v >= 0 && v <= UINT32_MAX);
    if (!fits) item.reset();
  }
  c.set_contents(0, std::move(*contents));
}

void infer_to(InferContext& c, DType to) {
  const DType from = check_tensor(c, 0);
  if ((is_complex(from) && !is_complex(to)) || (is_complex(to) && from == DType::kString))
    c.fail(concat("no conversion from ", dtype_name(from), " to ", dtype_name(to)),
           ErrorCode::kInvalidType);
  const std::string rounding = c.attributes().text("round_mode", "up");
  if (rounding != "up" && rounding != "down" && rounding != "nearest")
    c.fail(concat("round_mode: expected up, down or nearest, got \"", rounding, "\""),
           ErrorCode::kInvalidModel);
  set_tensor(c, 0, to, c.input(0).shape);
  cast_contents(c, from, to);
}

void infer_cast(InferContext& c) { infer_to(c, dtype_attribute(c, "to", DType::kUndefined)); }

void infer_cast_like(InferContext& c) {
  check_tensor(c, 0);
  const DType to = check_tensor(c, 1);
  if (to == DType::kUndefined)
    set_tensor(c, 0, to, c.input(0).shape);
  else
    infer_to(c, to);
}

void run_cast(KernelContext& c) {
  const std::string rounding = c.attributes().text("round_mode", "up");
  CastOptions options;
  options.saturate = flag(c.attributes(), "saturate", true);
  options.rounding = rounding == "down"      ? ScaleRounding::kDown
                     : rounding == "nearest" ? ScaleRounding::kNearest
                                             : ScaleRounding::kUp;
  convert_elements(c, c.input(0), c.output(0), options);
}

const RegisterOp kCast({.name = "Cast",
                        .attributes = {required("to", AttrKind::kInt),
                                       optional("saturate", AttrKind::kInt),
                                       optional("round_mode", AttrKind::kString)},
                        .infer = infer_cast,
                        .run = run_cast,
                        .source = "https://onnx.ai/onnx/operators/onnx__Cast.html"});
const RegisterOp kCastLike({.name = "CastLike",
                            .attributes = {optional("saturate", AttrKind::kInt),
                                           optional("round_mode", AttrKind::kString)},
                            .inputs = {2, 2},
                            .infer = infer_cast_like,
                            .run = run_cast,
                            .source = "https://onnx.ai/onnx/operators/onnx__CastLike.html"});

}  // namespace
}  // namespace planish
