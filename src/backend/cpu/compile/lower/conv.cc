// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/conv.h"

#include "backend/cpu/compile/conv_layer.h"
#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/kernels/depthwise.h"
#include "backend/cpu/runtime/conv_geometry.h"

namespace planish::cpu {
namespace {

constexpr const char* kProductTactic = "implicit matrix product, channels last";

ref::StepChoice conv_step(const char* kernel, const char* tactic, Attributes attributes,
                          const ir::Value* x, Tensor packed) {
  return {.kernel = kernel,
          .attributes = std::move(attributes),
          .inputs = std::vector<ref::StepChoice::Input>{x, std::move(packed)},
          .tactic = tactic};
}

std::optional<ref::StepChoice> lower_conv(const ir::Node& node, const LowerTarget& target) {
  const auto layer = conv_layer_of(node);
  if (!layer) return std::nullopt;
  const int64_t groups = layer->root->attributes().integer("group", 1);
  Attributes attributes = conv_attributes(*layer, layer->w->dim(1) * groups, layer->w->dim(0));
  const Conv c = conv_geometry(attributes, layer->w->dim(1) * groups, layer->w->dim(0));
  const bool depthwise = is_depthwise(c);
  Tensor packed(DType::kF32,
                {depthwise ? depthwise_packed_floats(c) : conv_packed_floats(target.isa, c)});
  if (target.packs && depthwise)
    depthwise_pack(c, layer->w->as<float>(), packed.as<float>());
  else if (target.packs)
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
  const auto layer = conv_layer_of(node);
  if (!layer) return std::nullopt;
  // output_shape moves the pads; few models have it, the portable kernel knows it.
  const Attributes& a = layer->root->attributes();
  if (a.has("output_shape") || a.text("auto_pad", "NOTSET") != "NOTSET") return std::nullopt;
  const int64_t groups = a.integer("group", 1);
  Attributes attributes = conv_attributes(*layer, layer->w->dim(0), layer->w->dim(1) * groups);
  Conv c = conv_geometry(attributes, layer->w->dim(0), layer->w->dim(1) * groups);
  set_pads(c, attributes.integers("pads", {}));
  if (!has_few_phases(c)) return std::nullopt;
  Tensor packed(DType::kF32, {deconv_packed_floats(target.isa, c)});
  if (target.packs) deconv_pack(target.isa, c, layer->w->as<float>(), packed.as<float>());
  ref::StepChoice choice =
      conv_step("cpu.deconv", kProductTactic, std::move(attributes), layer->x, std::move(packed));
  build_epilogue(node, layer->root->input(2), choice);
  return choice;
}

const RegisterLowering kConv("planish.ConvNhwc", lower_conv);
const RegisterLowering kDeconv("planish.ConvTransposeNhwc", lower_deconv);

}  // namespace
}  // namespace planish::cpu
