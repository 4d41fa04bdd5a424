// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml LabelEncoder: opset 1 mapped between strings and their positions in one list.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_label_encoder(NodeContext& c) {
  if (c.opset() >= 2) {
    c.finish();
    return;
  }
  const auto& classes = c.attributes().texts("classes_strings");
  std::vector<int64_t> positions;
  for (size_t i = 0; i < classes.size(); ++i) positions.push_back(static_cast<int64_t>(i));
  Attributes attributes;
  for (const char* name : {"default_int64", "default_string"})
    if (const Attribute* value = c.attributes().find(name)) attributes.set(name, *value);
  const DType type = c.dtype(c.required(0));
  if (type == DType::kString) {
    attributes.set("keys_strings", classes);
    attributes.set("values_int64s", positions);
  } else if (type == DType::kI64) {
    attributes.set("keys_int64s", positions);
    attributes.set("values_strings", classes);
  } else {
    c.unsupported("opset 1 of LabelEncoder needs an input that is known to be strings or int64");
  }
  c.finish(c.op_name(), c.inputs(), std::move(attributes));
}

const RegisterImporter kLabelEncoder("LabelEncoder", import_label_encoder, "ai.onnx.ml");

}  // namespace
}  // namespace planish::onnx
