// SPDX-License-Identifier: Apache-2.0
// Resize, and Upsample, which it replaced. Before opset 11 both mapped coordinates by division
// alone and took the floor of nearest ones.
#include "base/str.h"
#include "import/onnx/op_importer.h"
#include "tensor/elements.h"

namespace planish::onnx {
namespace {

std::string plain_mode(NodeContext& c) {
  const std::string mode = c.attributes().text("mode", "nearest");
  if (mode == "bilinear" || mode == "trilinear") return "linear";
  if (mode != "nearest" && mode != "linear")
    c.fail(concat("mode \"", mode, "\": expected nearest or linear"));
  return mode;
}

void finish_by_division(NodeContext& c, ir::Value* scales) {
  c.finish("Resize", {c.required(0), nullptr, scales},
           {{"mode", plain_mode(c)},
            {"coordinate_transformation_mode", std::string("asymmetric")},
            {"nearest_mode", std::string("floor")}});
}

ir::Value* scales_of(NodeContext& c, const std::vector<double>& values) {
  Tensor scales(DType::kF32, {static_cast<int64_t>(values.size())});
  store<double>(scales, values);
  return c.constant_of(std::move(scales), "scales");
}

bool is_empty(const ir::Value* value) {
  const Tensor* tensor = NodeContext::constant(value);
  return tensor != nullptr && tensor->count() == 0;
}

void import_resize(NodeContext& c) {
  if (c.opset() < 11) {
    c.no_more_inputs_than(2);
    finish_by_division(c, c.required(1));
    return;
  }
  // roi and scales could not be left out in opset 11: they were empty instead.
  std::vector<ir::Value*> inputs = c.inputs();
  for (ir::Value*& input : inputs)
    if (is_empty(input)) input = nullptr;
  c.finish("Resize", std::move(inputs), c.attributes());
}

void import_upsample(NodeContext& c) {
  const Attributes& a = c.attributes();
  if (c.opset() >= 9)
    finish_by_division(c, c.required(1));
  else if (a.has("scales"))
    finish_by_division(c, scales_of(c, a.reals("scales")));
  else
    finish_by_division(c, scales_of(c, {1, 1, a.real("height_scale"), a.real("width_scale")}));
}

const RegisterImporter kResize("Resize", import_resize);
const RegisterImporter kUpsample("Upsample", import_upsample);

}  // namespace
}  // namespace planish::onnx
