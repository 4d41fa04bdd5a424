// SPDX-License-Identifier: Apache-2.0
// Layer normalisations with a residual in front, and the one without a mean, which ONNX calls
// RMSNormalization since opset 23.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_layer_normalization {
namespace {

constexpr char kNoStatistics[] = "the statistics of training";

void import_simplified(NodeContext& c) {
  Attributes attributes;
  attributes.set("axis", c.attributes().integer("axis", -1));
  attributes.set("epsilon", c.attributes().real("epsilon", 1e-5f));
  if (c.attributes().has("stash_type"))
    attributes.set("stash_type", c.attributes().integer("stash_type"));
  c.set_output(0,
               c.emit("RMSNormalization", {c.required(0), c.required(1)}, std::move(attributes)));
  c.drop_output(1, kNoStatistics);
}

void import_layer(NodeContext& c) { c.finish("LayerNormalization", c.inputs(), c.attributes()); }

// Outputs: result, mean, inverse deviation, sum.
ir::Value* import_sum(NodeContext& c, int bias) {
  ir::Value* sum = c.emit("Add", {c.required(0), c.required(1)});
  if (c.input(bias) != nullptr) sum = c.emit("Add", {sum, c.input(bias)});
  c.drop_output(1, kNoStatistics);
  c.drop_output(2, kNoStatistics);
  c.set_output(3, sum);
  return sum;
}

void import_skip(NodeContext& c) {
  ir::Value* sum = import_sum(c, 4);
  const double epsilon = c.attributes().real("epsilon", 1e-12f);
  c.set_output(0, c.emit("LayerNormalization", {sum, c.required(2), c.input(3)},
                         {{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
}

void import_skip_simplified(NodeContext& c) {
  ir::Value* sum = import_sum(c, 3);
  const double epsilon = c.attributes().real("epsilon", 1e-12f);
  c.set_output(0, c.emit("RMSNormalization", {sum, c.required(2)},
                         {{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
}

const RegisterImporter kLayer("LayerNormalization", import_layer, kMicrosoft);
const RegisterImporter kSimplified("SimplifiedLayerNormalization", import_simplified, kMicrosoft);
// Written without a domain by some tools, though ONNX does not define it.
const RegisterImporter kSimplifiedPlain("SimplifiedLayerNormalization", import_simplified);
const RegisterImporter kSkip("SkipLayerNormalization", import_skip, kMicrosoft);
const RegisterImporter kSkipSimplified("SkipSimplifiedLayerNormalization", import_skip_simplified,
                                       kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_layer_normalization
