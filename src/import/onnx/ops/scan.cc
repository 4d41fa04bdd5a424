// SPDX-License-Identifier: Apache-2.0
// Scan: opset 8 had a batch axis before the sequence axis, and optional lengths.
#include "base/str.h"
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

// A Scan over the batch, whose body is the Scan over the sequence of one sample.
void import_batched(NodeContext& c) {
  if (c.input(0) != nullptr) c.unsupported("sequence_lens of opset 8");
  const int64_t scanned = c.attributes().integer("num_scan_inputs");
  const std::vector<ir::Value*> inputs(c.inputs().begin() + std::min(1, c.input_count()),
                                       c.inputs().end());
  const auto count = static_cast<int64_t>(inputs.size());
  c.require(scanned >= 1 && scanned <= count, "num_scan_inputs is outside of the number of inputs");

  ir::Node* outer =
      c.emit_control("Scan", inputs, c.output_count(), {{"num_scan_inputs", count}}, {"body"});
  ir::Graph* sample = outer->add_subgraph("body");
  std::vector<ir::Value*> arguments;
  for (int64_t i = 0; i < count; ++i) {
    const DType type = c.dtype(inputs[static_cast<size_t>(i)]);
    arguments.push_back(sample->add_input(concat(c.name(), "/sample", i), Type::tensor(type)));
  }
  Attributes attributes{{"num_scan_inputs", scanned}};
  if (c.attributes().has("directions"))
    attributes.set("scan_input_directions", c.attributes().integers("directions"));
  ir::Node* inner = sample->add_node(
      "Scan", arguments, c.output_count(),
      {.name = concat(c.name(), "/sequence"), .attributes = std::move(attributes)});
  c.import_subgraph("body", inner);
  for (int i = 0; i < c.output_count(); ++i) {
    sample->add_output(inner->output(i), inner->output(i)->name());
    c.set_output(i, outer->output(i));
  }
}

void import_scan(NodeContext& c) {
  if (c.opset() < 9)
    import_batched(c);
  else
    c.finish();
}

const RegisterImporter kScan("Scan", import_scan);

}  // namespace
}  // namespace planish::onnx
