// SPDX-License-Identifier: Apache-2.0
// Ops whose axes were an attribute once and are an input now.
#pragma once

#include "import/onnx/op_importer.h"

namespace planish::onnx {

// Finishes the node with attribute `name` moved to input 1 (absent if the attribute is).
inline void finish_with_axes_input(NodeContext& c) {
  c.no_more_inputs_than(1);
  Attributes attributes = c.attributes();
  ir::Value* axes = nullptr;
  if (attributes.has("axes")) {
    axes = c.constant_i64s(attributes.integers("axes"), "axes");
    attributes.erase("axes");
  }
  c.finish(c.op(), {c.required(0), axes}, std::move(attributes));
}

}  // namespace planish::onnx
