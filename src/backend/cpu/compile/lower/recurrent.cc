// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/runtime/recurrent_geometry.h"

namespace planish::cpu {
namespace {

using Inputs = std::vector<ref::StepChoice::Input>;

const Tensor* float_constant(const ir::Value* v) {
  return v != nullptr && v->is_constant() && v->constant().dtype() == DType::kF32 ? &v->constant()
                                                                                  : nullptr;
}

// Whether the activations are `defaults`, once or for each direction.
bool has_default_activations(const ir::Node& node, const std::vector<std::string>& defaults) {
  std::vector<std::string> names =
      node.attributes().texts("activations", std::vector<std::string>());
  for (std::string& name : names)
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] != defaults[i % defaults.size()]) return false;
  return true;
}

std::vector<std::string> default_activations(const ir::Node& node) {
  if (node.op() == "LSTM") return {"sigmoid", "tanh", "tanh"};
  if (node.op() == "GRU") return {"sigmoid", "tanh"};
  return {"tanh"};
}

// The layer's attributes, or nothing if the kernel has not what the node asks for.
std::optional<Attributes> layer_attributes(const ir::Node& node) {
  const Attributes& a = node.attributes();
  const bool relu =
      node.op() == "RNN" && has_default_activations(node, {"relu"}) && a.has("activations");
  if (!relu && !has_default_activations(node, default_activations(node))) return std::nullopt;
  const double clip = std::max(a.real("clip", 0), 0.0);
  if (node.op() == "RNN" && clip != 0) return std::nullopt;
  const Tensor* w = float_constant(node.input(1));
  const Tensor* r = float_constant(node.input(2));
  if (w == nullptr || r == nullptr || w->rank() != 3 || r->rank() != 3 || r->count() == 0)
    return std::nullopt;
  for (int i : {3, 7})
    if (node.input(i) != nullptr && float_constant(node.input(i)) == nullptr) return std::nullopt;
  const std::string direction = a.text("direction", "forward");
  return Attributes{{"inputs", w->dim(2)},
                    {"hidden", r->dim(2)},
                    {"directions", int64_t{direction == "bidirectional" ? 2 : 1}},
                    {"reversed", int64_t{direction == "reverse"}},
                    {"batch_first", a.integer("layout", 0)},
                    {"clip", clip},
                    {"input_forget", a.integer("input_forget", 0)},
                    {"linear", a.integer("linear_before_reset", 0)},
                    {"relu", int64_t{relu}}};
}

Tensor packed(int64_t each, const Recurrent& layer, const Tensor& weights,
              void (*pack)(Isa, const Recurrent&, const float*, float*), Isa isa) {
  Tensor out(DType::kF32, {layer.directions * each});
  const int64_t step = weights.count() / layer.directions;
  for (int d = 0; d < layer.directions; ++d)
    pack(isa, layer, weights.as<float>() + d * step, out.as<float>() + d * each);
  return out;
}

// The two halves of ONNX's bias, [directions, 2 * gates * hidden]: what is added to the inputs'
// product, and what must be added to the state's.
struct Biases {
  Tensor input, state;
};

Biases biases(const Recurrent& layer, const Tensor& both) {
  const int64_t n = recurrent_gates(layer.kind) * layer.hidden;
  Biases out{Tensor(DType::kF32, {layer.directions, n}),
             Tensor(DType::kF32, {layer.directions, n})};
  const bool linear = layer.kind == RecurrentKind::kGruLinear;
  for (int64_t i = 0; i < layer.directions * n; ++i) {
    const float w = both.as<float>()[i / n * 2 * n + i % n];
    const float r = both.as<float>()[i / n * 2 * n + n + i % n];
    const bool apart = linear && i % n >= 2 * layer.hidden;
    out.input.as<float>()[i] = apart ? w : w + r;
    out.state.as<float>()[i] = apart ? r : 0;
  }
  return out;
}

std::optional<ref::StepChoice> lower_recurrent(const ir::Node& node, const LowerTarget& target) {
  if (!is_f32(node.input(0)) || !has_rank(node.input(0))) return std::nullopt;
  auto attributes = layer_attributes(node);
  if (!attributes) return std::nullopt;
  const Recurrent layer = recurrent_geometry(node.op(), *attributes);
  const Tensor& w = node.input(1)->constant();
  const Tensor& r = node.input(2)->constant();
  Inputs inputs = {node.input(0),
                   packed(recurrent_packed_inputs(target.isa, layer), layer, w,
                          recurrent_pack_inputs, target.isa),
                   packed(recurrent_packed_state(target.isa, layer), layer, r, recurrent_pack_state,
                          target.isa)};
  const ir::Value* none = nullptr;
  if (const Tensor* both = float_constant(node.input(3))) {
    Biases b = biases(layer, *both);
    inputs.emplace_back(std::move(b.input));
    if (layer.kind == RecurrentKind::kGruLinear)
      inputs.emplace_back(std::move(b.state));
    else
      inputs.emplace_back(none);
  } else {
    inputs.insert(inputs.end(), 2, none);
  }
  for (int i = 4; i < 8; ++i) inputs.emplace_back(static_cast<const ir::Value*>(node.input(i)));
  std::string kernel = "cpu." + node.op();
  std::transform(kernel.begin(), kernel.end(), kernel.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ref::StepChoice{.kernel = kernel,
                         .attributes = std::move(attributes),
                         .inputs = std::move(inputs),
                         .tactic = "inputs' product at once, then a walk over time"};
}

const RegisterLowering kRecurrent[] = {
    {"LSTM", lower_recurrent}, {"GRU", lower_recurrent}, {"RNN", lower_recurrent}};

}  // namespace
}  // namespace planish::cpu
