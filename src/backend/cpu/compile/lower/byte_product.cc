// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/byte_product.h"

#include <algorithm>

#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/compile/quantization.h"
#include "backend/cpu/runtime/conv_geometry.h"
#include "tensor/elements.h"

namespace planish::cpu {
namespace {

// 8-bit weights of a convolution [o, c, kernel...] or of a matrix product [k, n].
struct Weights {
  const Tensor& tensor;
  const Tensor* zero;  // of one element, or one an output channel; null: 0
  bool is_matrix;

  int64_t out_channels() const { return tensor.dim(is_matrix ? 1 : 0); }
  int64_t in_channels() const { return tensor.dim(is_matrix ? 0 : 1); }
};

bool is_byte_constant(const ir::Value* v) {
  return v != nullptr && v->is_constant() && v->constant().count() > 0 &&
         (v->constant().dtype() == DType::kU8 || v->constant().dtype() == DType::kI8);
}

Attributes geometry(const ir::Node& root, const Weights& w) {
  const Dims& dims = w.tensor.dims();
  Attributes out{{"in_channels", w.in_channels()}, {"out_channels", w.out_channels()}};
  if (w.is_matrix) {
    out.set("matrix", int64_t{1});
    out.set("kernel", std::vector<int64_t>{1});
    return out;
  }
  out.set("kernel", std::vector<int64_t>(dims.begin() + 2, dims.end()));
  for (const char* name : {"strides", "dilations", "pads", "auto_pad"})
    if (const Attribute* value = root.attributes().find(name)) out.set(name, *value);
  return out;
}

// Weights less their zero points, [out_channels, in_channels, taps].
std::vector<int16_t> shifted(const Weights& w) {
  const std::vector<int64_t> all = load<int64_t>(w.tensor);
  std::vector<int64_t> zeros(1, 0);
  if (w.zero != nullptr) zeros = load<int64_t>(*w.zero);
  const int64_t n = w.out_channels(), k = w.tensor.count() / n;
  std::vector<int16_t> out(all.size());
  for (int64_t o = 0; o < n; ++o) {
    const int64_t zero = zeros[zeros.size() == 1 ? 0 : static_cast<size_t>(o)];
    for (int64_t i = 0; i < k; ++i) {
      const auto from = static_cast<size_t>(w.is_matrix ? i * n + o : o * k + i);
      out[static_cast<size_t>(o * k + i)] = static_cast<int16_t>(all[from] - zero);
    }
  }
  return out;
}

// The step's attributes and its inputs up to the zero point of x.
ref::StepChoice product_step(const ir::Node& root, const Weights& w, const ir::Value* x,
                             const ir::Value* x_zero, const LowerTarget& target) {
  Attributes attributes = geometry(root, w);
  const Conv conv = conv_geometry(attributes, w.in_channels(), w.out_channels());
  const std::vector<int16_t> numbers = shifted(w);
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  const ByteFormat format = choose_byte_format(target.isa, *least >= -128 && *most <= 127);
  Tensor packed(DType::kU8, {byte_packed_size(target.isa, format, conv)});
  if (target.packs) byte_pack(target.isa, format, conv, numbers.data(), packed.data());
  const bool bytes = format == ByteFormat::bytes;
  attributes.set("format", std::string(bytes ? "bytes" : "pairs"));
  std::vector<ref::StepChoice::Input> inputs = {x, std::move(packed)};
  if (bytes) {
    Tensor sums(DType::kI32, {w.out_channels()});
    const auto k = static_cast<int64_t>(numbers.size()) / w.out_channels();
    for (int64_t o = 0; o < w.out_channels(); ++o) {
      int32_t sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += numbers[static_cast<size_t>(o * k + i)];
      sums.as<int32_t>()[o] = sum;
    }
    inputs.emplace_back(std::move(sums));
  } else {
    inputs.emplace_back(static_cast<const ir::Value*>(nullptr));
  }
  inputs.emplace_back(x_zero);
  return {.kernel = "cpu.byte_product",
          .attributes = std::move(attributes),
          .inputs = std::move(inputs),
          .tactic = bytes ? "exact sums of bytes, weights packed when built"
                          : "exact sums of 16-bit pairs, weights packed when built"};
}

std::optional<ref::StepChoice> lower_quantized(const ir::Node& node, const LowerTarget& target) {
  const auto p = quantized_product(node);
  if (!p) return std::nullopt;
  const Weights w{*p->w, p->w_zero, p->root->op() == "MatMul"};
  const int64_t n = w.out_channels();
  if (p->w_scale->count() != 1 && p->w_scale->count() != n) return std::nullopt;
  if (p->w_zero != nullptr && p->w_zero->count() != 1 && p->w_zero->count() != n)
    return std::nullopt;
  ref::StepChoice choice = product_step(*p->root, w, p->x, nullptr, target);
  if (p->x_zero != nullptr)
    choice.inputs->back() = p->x_zero->is_constant() ? ref::StepChoice::Input(p->x_zero->constant())
                                                     : outer_value(node, p->x_zero);
  Tensor scale(DType::kF32, {n});
  const auto x_scale = element<float>(*p->x_scale, 0);
  for (int64_t i = 0; i < n; ++i)
    scale.as<float>()[i] = x_scale * element<float>(*p->w_scale, p->w_scale->count() == 1 ? 0 : i);
  choice.inputs->emplace_back(std::move(scale));
  build_epilogue(node, p->root->input(2), choice);
  if (p->quantize != nullptr) {
    choice.attributes->set("y_scale", element<double>(p->quantize->input(1)->constant(), 0));
    const ir::Value* zero = p->quantize->input(2);
    choice.attributes->set("y_zero",
                           zero == nullptr ? int64_t{0} : element<int64_t>(zero->constant(), 0));
  }
  return choice;
}

// MatMulInteger and ConvIntegerNhwc: the sums themselves; the zero point of x may come from data.
std::optional<ref::StepChoice> lower_integers(const ir::Node& node, const LowerTarget& target) {
  const bool is_matrix = node.op() == "MatMulInteger";
  const ir::Value* x = node.input(0);
  const ir::Value* x_zero = node.input(2);
  const ir::Value* w_zero = node.input(3);
  if (!has_rank(x) || !is_byte_constant(node.input(1))) return std::nullopt;
  const Tensor& weights = node.input(1)->constant();
  if (is_matrix
          ? weights.rank() != 2 || x->type().shape->size() < 2
          : weights.rank() < 3 || weights.rank() > 5 || node.attributes().integer("group", 1) != 1)
    return std::nullopt;
  if (x_zero != nullptr && !(has_rank(x_zero) && product(*x_zero->type().shape) == Dim(1)))
    return std::nullopt;
  const Weights w{weights, w_zero == nullptr ? nullptr : &w_zero->constant(), is_matrix};
  if (w_zero != nullptr &&
      (!is_byte_constant(w_zero) ||
       (w.zero->count() != 1 && (w.zero->rank() != 1 || w.zero->count() != w.out_channels()))))
    return std::nullopt;
  return product_step(node, w, x, x_zero, target);
}

const RegisterLowering kQuantized("quantized product", lower_quantized);
const RegisterLowering kIntegers[] = {{"MatMulInteger", lower_integers},
                                      {"planish.ConvIntegerNhwc", lower_integers}};

}  // namespace
}  // namespace planish::cpu
