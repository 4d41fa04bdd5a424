// SPDX-License-Identifier: Apache-2.0
// BatchNormalization: training outputs and attributes changed in opsets 6, 7, 9 and 14. Before
// opset 9, spatial = 0 gave every element of a sample its own statistics.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_per_element(NodeContext& c) {
  ir::Value* epsilon =
      c.constant_like(c.attributes().real("epsilon", 1e-5f), c.required(4), "epsilon");
  ir::Value* deviation = c.emit("Sqrt", {c.emit("Add", {c.required(4), epsilon})});
  ir::Value* centred = c.emit("Sub", {c.required(0), c.required(3)});
  ir::Value* scaled = c.emit("Mul", {c.emit("Div", {centred, deviation}), c.required(1)});
  c.set_output(0, c.emit("Add", {scaled, c.required(2)}));
}

void import_batch_normalization(NodeContext& c) {
  if (c.opset() >= 14) {
    c.finish();
    return;
  }
  const Attributes& a = c.attributes();
  if (c.opset() < 9 && a.integer("spatial", 1) == 0) {
    import_per_element(c);
  } else {
    Attributes attributes;
    for (const char* name : {"epsilon", "momentum"})
      if (a.has(name)) attributes.set(name, a.real(name));
    c.set_output(0, c.emit("BatchNormalization", c.inputs(), std::move(attributes)));
  }
  for (int i = 1; i < c.output_count(); ++i)
    c.drop_output(i,
                  "before opset 14 the statistics of BatchNormalization are made in training only");
}

const RegisterImporter kBatchNormalization("BatchNormalization", import_batch_normalization);

}  // namespace
}  // namespace planish::onnx
