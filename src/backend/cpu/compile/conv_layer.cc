// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/conv_layer.h"

#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {

std::optional<ConvLayer> conv_layer_of(const ir::Node& node) {
  const ir::Node* root = node.op() == "planish.Fused" ? fused_root(node) : &node;
  const ir::Value* x = outer_value(node, root->input(0));
  const ir::Value* w = outer_value(node, root->input(1));
  if (!is_f32(x) || !has_rank(x) || !w->is_constant() || w->constant().dtype() != DType::kF32)
    return std::nullopt;
  if (w->constant().rank() < 3 || w->constant().rank() > 5 || w->constant().count() == 0)
    return std::nullopt;
  return ConvLayer{root, x, &w->constant()};
}

Attributes conv_attributes(const ConvLayer& layer, int64_t in_channels, int64_t out_channels) {
  const Attributes& a = layer.root->attributes();
  const Dims& w = layer.w->dims();
  Attributes out{{"in_channels", in_channels},
                 {"out_channels", out_channels},
                 {"groups", a.integer("group", 1)},
                 {"kernel", std::vector<int64_t>(w.begin() + 2, w.end())}};
  for (const char* name : {"strides", "dilations", "pads", "auto_pad"})
    if (const Attribute* value = a.find(name)) out.set(name, *value);
  return out;
}

}  // namespace planish::cpu
