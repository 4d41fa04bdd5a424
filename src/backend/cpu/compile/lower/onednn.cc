// SPDX-License-Identifier: Apache-2.0
// oneDNN's primitives as tactics beside our own kernels.
#include <algorithm>

#include "backend/cpu/compile/conv_layer.h"
#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/runtime/onednn_library.h"
#include "base/str.h"

namespace planish::cpu {
namespace {

// Why oneDNN takes nothing at all; empty: it may.
std::string why_not(const LowerTarget& target) {
  if (target.disabled.count("onednn") != 0) return "the option disable_tactic leaves it out";
  if (target.isa != best_isa())
    return concat("it takes the newest instruction set of the processor, the engine is made for ",
                  isa_name(target.isa));
  std::string why;
  find_onednn(&why);
  return why;
}

std::optional<ref::StepChoice> lower_conv(const ir::Node& node, const LowerTarget& target) {
  const auto layer = conv_layer_of(node);
  if (!layer) return std::nullopt;
  if (std::string why = why_not(target); !why.empty()) return target.refuse(std::move(why));
  const Tensor& w = *layer->w;
  if (w.rank() > 4) return target.refuse("it is cut along the rows of images of two dimensions");
  const int64_t groups = layer->root->attributes().integer("group", 1);
  ref::StepChoice choice{.kernel = "onednn.conv",
                         .attributes = conv_attributes(*layer, w.dim(1) * groups, w.dim(0)),
                         .inputs = std::vector<ref::StepChoice::Input>{layer->x, w},
                         .tactic = "oneDNN's convolution, one for each band of rows"};
  build_epilogue(node, layer->root->input(2), choice);
  return choice;
}

std::optional<ref::StepChoice> lower_deconv(const ir::Node& node, const LowerTarget& target) {
  const auto layer = conv_layer_of(node);
  if (!layer) return std::nullopt;
  if (std::string why = why_not(target); !why.empty()) return target.refuse(std::move(why));
  const Attributes& a = layer->root->attributes();
  if (a.has("output_shape") || a.text("auto_pad", "NOTSET") != "NOTSET")
    return target.refuse("its pads follow from the sizes");
  const Tensor& w = *layer->w;
  if (w.rank() > 4) return target.refuse("it is cut along the rows of images of two dimensions");
  const int64_t groups = a.integer("group", 1);
  ref::StepChoice choice{.kernel = "onednn.deconv",
                         .attributes = conv_attributes(*layer, w.dim(0), w.dim(1) * groups),
                         .inputs = std::vector<ref::StepChoice::Input>{layer->x, w},
                         .tactic = "oneDNN's transposed convolution, one for each band of rows"};
  build_epilogue(node, layer->root->input(2), choice);
  return choice;
}

std::optional<ref::StepChoice> lower_matmul(const ir::Node& node, const LowerTarget& target) {
  const ir::Node* root = node.op() == "planish.Fused" ? fused_root(node) : &node;
  const ir::Value* a = root->input(0);
  const ir::Value* b = outer_value(node, root->input(1));
  if (!is_f32(a) || !is_f32(b) || !has_rank(a) || a->type().shape->size() < 2) return std::nullopt;
  if (std::string why = why_not(target); !why.empty()) return target.refuse(std::move(why));
  if (!b->is_constant() || b->constant().rank() != 2 || b->constant().count() == 0)
    return target.refuse("its second operand is not a constant matrix");
  ref::StepChoice choice{
      .kernel = "onednn.matmul",
      .attributes = Attributes(),
      .inputs = std::vector<ref::StepChoice::Input>{outer_value(node, a), b->constant()},
      .tactic = "oneDNN's product, one for each part of the rows or columns"};
  build_epilogue(node, nullptr, choice);
  return choice;
}

std::optional<ref::StepChoice> lower_mean(const ir::Node& node, const LowerTarget& target) {
  const ir::Value* x = node.input(0);
  if (!is_f32(x) || !has_rank(x)) return std::nullopt;
  if (std::string why = why_not(target); !why.empty()) return target.refuse(std::move(why));
  const Attributes& a = node.attributes();
  if (x->type().shape->size() > 4)
    return target.refuse("it is cut along the rows of images of two dimensions");
  if (a.integer("ceil_mode", 0) != 0 || a.text("auto_pad", "NOTSET") != "NOTSET")
    return target.refuse("its pads follow from the sizes");
  for (int64_t d : a.integers("dilations", {}))
    if (d != 1) return target.refuse("oneDNN's means count pads of dilated windows otherwise");
  const auto& kernel = a.integers("kernel_shape");
  const auto pads = a.integers("pads", std::vector<int64_t>(2 * kernel.size(), 0));
  for (size_t i = 0; i < pads.size(); ++i)
    if (pads[i] >= kernel[i % kernel.size()])
      return target.refuse("a window may lie in the pads alone");
  Attributes attributes = a;
  for (const char* name : {"ceil_mode", "auto_pad", "dilations"}) attributes.erase(name);
  attributes.set("op", std::string("AveragePool"));
  return ref::StepChoice{.kernel = "onednn.pool",
                         .attributes = std::move(attributes),
                         .inputs = std::vector<ref::StepChoice::Input>{x},
                         .tactic = "oneDNN's pooling, one for each band of rows"};
}

std::optional<ref::StepChoice> lower_max(const ir::Node& node, const LowerTarget& target) {
  if (!is_f32(node.input(0))) return std::nullopt;
  return target.refuse("oneDNN's max pooling turns NaN into the least float");
}

// The cost model takes our own kernels, which need no other library, unless a measurement says
// otherwise.
LoweringTraits traits(const char* name) { return {.name = name, .cost = 1.1, .rank = 1}; }

const RegisterLowering kConv("planish.ConvNhwc", lower_conv, traits("onednn.conv"));
const RegisterLowering kDeconv("planish.ConvTransposeNhwc", lower_deconv, traits("onednn.deconv"));
const RegisterLowering kMatmul("MatMul", lower_matmul, traits("onednn.matmul"));
const RegisterLowering kMean("planish.AveragePoolNhwc", lower_mean, traits("onednn.pool"));
const RegisterLowering kMax("planish.MaxPoolNhwc", lower_max, traits("onednn.pool"));

}  // namespace
}  // namespace planish::cpu
