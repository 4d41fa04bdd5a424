// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/conv.h"

#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/kernels/depthwise.h"
#include "backend/cpu/runtime/conv_geometry.h"

namespace planish::cpu {
namespace {

constexpr const char* kProductTactic = "implicit matrix product, channels last";

struct Layer {
  const ir::Node* root;
  const ir::Value* x;  // of the outer graph
  const Tensor* w;
};

std::optional<Layer> layer_of(const ir::Node& node) {
  const ir::Node* root = node.op() == "planish.Fused" ? fused_root(node) : &node;
  const ir::Value* x = outer_value(node, root->input(0));
  const ir::Value* w = outer_value(node, root->input(1));
  if (!is_f32(x) || !has_rank(x) || !w->is_constant() || w->constant().dtype() != DType::kF32)
    return std::nullopt;
  if (w->constant().rank() < 3 || w->constant().rank() > 5 || w->constant().count() == 0)
    return std::nullopt;
  return Layer{root, x, &w->constant()};
}

Attributes geometry(const Layer& layer, int64_t in_channels, int64_t out_channels) {
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

ref::StepChoice conv_step(const char* kernel, const char* tactic, Attributes attributes,
                          const ir::Value* x, Tensor packed) {
  return {.kernel = kernel,
          .attributes = std::move(attributes),
          .inputs = std::vector<ref::StepChoice::Input>{x, std::move(packed)},
          .tactic = tactic};
}

std::optional<ref::StepChoice> lower_conv(const ir::Node& node, const LowerTarget& target) {
  const auto layer = layer_of(node);
  if (!layer) return std::nullopt;
  const int64_t groups = layer->root->attributes().integer("group", 1);
  Attributes attributes = geometry(*layer, layer->w->dim(1) * groups, layer->w->dim(0));
  const Conv c = conv_geometry(attributes, layer->w->dim(1) * groups, layer->w->dim(0));
  const bool depthwise = is_depthwise(c);
  Tensor packed(DType::kF32,
                {depthwise ? depthwise_packed_floats(c) : conv_packed_floats(target.isa, c)});
  if (depthwise)
    depthwise_pack(c, layer->w->as<float>(), packed.as<float>());
  else
    conv_pack(target.isa, c, layer->w->as<float>(), packed.as<float>());
  ref::StepChoice choice =
      depthwise
          ? conv_step("cpu.depthwise", "strips of pixels in registers, vectorised over channels",
                      std::move(attributes), layer->x, std::move(packed))
          : conv_step("cpu.conv", kProductTactic, std::move(attributes), layer->x,
                      std::move(packed));
  build_epilogue(node, layer->root->input(2), choice);
  return choice;
}

std::optional<ref::StepChoice> lower_deconv(const ir::Node& node, const LowerTarget& target) {
  const auto layer = layer_of(node);
  // output_shape moves the pads; few models have it, the portable kernel knows it.
  if (!layer || node.attributes().has("output_shape") ||
      node.attributes().text("auto_pad", "NOTSET") != "NOTSET")
    return std::nullopt;
  const int64_t groups = node.attributes().integer("group", 1);
  Attributes attributes = geometry(*layer, layer->w->dim(0), layer->w->dim(1) * groups);
  Conv c = conv_geometry(attributes, layer->w->dim(0), layer->w->dim(1) * groups);
  set_pads(c, attributes.integers("pads", {}));
  if (!has_few_phases(c)) return std::nullopt;
  Tensor packed(DType::kF32, {deconv_packed_floats(target.isa, c)});
  deconv_pack(target.isa, c, layer->w->as<float>(), packed.as<float>());
  ref::StepChoice choice =
      conv_step("cpu.deconv", kProductTactic, std::move(attributes), layer->x, std::move(packed));
  build_epilogue(node, layer->root->input(2), choice);
  return choice;
}

const RegisterLowering kConv("planish.ConvNhwc", lower_conv);
const RegisterLowering kDeconv("planish.ConvTransposeNhwc", lower_deconv);

}  // namespace
}  // namespace planish::cpu
