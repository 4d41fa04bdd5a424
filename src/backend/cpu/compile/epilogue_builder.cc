// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/epilogue_builder.h"

#include <algorithm>
#include <limits>
#include <set>

#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/compile/tape_builder.h"
#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/runtime/step_epilogue.h"
#include "backend/cpu/runtime/tape_text.h"
#include "passes/rewrite.h"

namespace planish::cpu {
namespace {

struct Activated {
  Activation kind;
  float p = 0, q = 0;
};

// The bounds of a Clip, if they are constants.
std::optional<Activated> clip_bounds(const ir::Node& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double low = -kInfinity, high = kInfinity;
  if (node.input(1) != nullptr && !passes::splat_value(node.input(1), &low)) return std::nullopt;
  if (node.input(2) != nullptr && !passes::splat_value(node.input(2), &high)) return std::nullopt;
  return Activated{Activation::clip, static_cast<float>(low), static_cast<float>(high)};
}

// A unary node as an activation of the kernels.
std::optional<Activated> as_activation(const ir::Node& node) {
  const Attributes& a = node.attributes();
  auto real = [&](const char* name, double fallback) {
    return static_cast<float>(a.real(name, fallback));
  };
  if (node.op() == "Relu")
    return Activated{Activation::clip, 0, std::numeric_limits<float>::infinity()};
  if (node.op() == "Clip") return clip_bounds(node);
  if (node.op() == "LeakyRelu") return Activated{Activation::leaky_relu, real("alpha", 0.01)};
  if (node.op() == "Sigmoid") return Activated{Activation::sigmoid};
  if (node.op() == "Tanh") return Activated{Activation::tanh};
  if (node.op() == "HardSwish") return Activated{Activation::hard_swish};
  if (node.op() == "HardSigmoid")
    return Activated{Activation::hard_sigmoid, real("alpha", 0.2), real("beta", 0.5)};
  if (node.op() == "Elu") return Activated{Activation::elu, real("alpha", 1)};
  if (node.op() == "Swish") return Activated{Activation::silu, real("alpha", 1)};
  if (node.op() == "Gelu")
    return Activated{a.text("approximate", "none") == "tanh" ? Activation::gelu_tanh
                                                             : Activation::gelu_erf};
  return std::nullopt;
}

class Builder {
 public:
  Builder(const ir::Node& node, ref::StepChoice& choice) : node_(node), choice_(choice) {}

  void run(const ir::Value* bias) {
    if (bias != nullptr) set("bias", bias);
    const ir::Node* root = fused_root(node_);
    if (root == nullptr) return;
    current_ = root->output();
    while (!is_last() && take_next()) {
    }
    if (!is_last()) build_tape();
  }

 private:
  const ir::Graph& body() const { return *node_.subgraph("body"); }
  // The tail's result: the body's, or what is quantised behind it.
  const ir::Value* end() const {
    const ir::Value* result = body().outputs()[0];
    const ir::Node* last = result->producer();
    return last != nullptr && last->op() == "QuantizeLinear" ? last->input(0) : result;
  }
  bool is_last() const { return end() == current_; }

  int64_t position(const ir::Value* inner) {
    const ir::Value* v = outer_value(node_, inner);
    auto& inputs = *choice_.inputs;
    for (size_t i = 2; i < inputs.size(); ++i)
      if (const auto* other = std::get_if<const ir::Value*>(&inputs[i]);
          other != nullptr && *other == v)
        return static_cast<int64_t>(i);
    inputs.emplace_back(v);
    return static_cast<int64_t>(inputs.size()) - 1;
  }
  void set(const char* name, const ir::Value* inner) {
    choice_.attributes->set(name, position(inner));
    if (std::string_view(name) == "bias") has_bias_ = true;
  }

  // The only user of the current value, if there is one.
  const ir::Node* next() const {
    return current_->uses().size() == 1 ? current_->uses()[0].node : nullptr;
  }

  // A vector along the columns: [n], [1, n], ...
  bool is_column_vector(const ir::Value* v) const {
    if (!is_f32(v) || !has_rank(v) || v->type().shape->empty()) return false;
    const Shape& shape = *v->type().shape;
    const Shape& out = *current_->type().shape;
    return shape.back() == out.back() && !(shape.back() == Dim(1)) &&
           std::all_of(shape.begin(), shape.end() - 1, [](const Dim& d) { return d == Dim(1); });
  }

  bool is_residual(const ir::Value* v) const {
    return is_f32(v) && v->producer() == nullptr && passes::same_shape(v, current_);
  }

  // Takes one node into the kernel's own epilogue.
  bool take_next() {
    if (const ir::Node* mul = silu(); mul != nullptr && stage_ == 0) {
      activate({Activation::silu, 1, 0});
      current_ = mul->output();
      return true;
    }
    const ir::Node* node = next();
    if (node == nullptr) return false;
    if (node->op() == "Add") {
      const ir::Value* other = node->input(node->input(0) == current_ ? 1 : 0);
      if (other == current_ || other->producer() != nullptr) return false;
      if (!has_bias_ && !has_residual_ && stage_ == 0 && is_column_vector(other)) {
        set("bias", other);
      } else if (!has_residual_ && is_residual(other) && !other->is_constant()) {
        set("residual", other);
        choice_.attributes->set("residual_last", int64_t{stage_ != 0});
        has_residual_ = true;
        if (stage_ != 0) stage_ = 2;
      } else {
        return false;
      }
      current_ = node->output();
      return true;
    }
    if (stage_ != 0 || node->input(0) != current_) return false;
    const auto activation = as_activation(*node);
    if (!activation) return false;
    activate(*activation);
    current_ = node->output();
    return true;
  }

  void activate(const Activated& a) {
    choice_.attributes->set("activation", std::string(activation_name(a.kind)));
    choice_.attributes->set("p", static_cast<double>(a.p));
    choice_.attributes->set("q", static_cast<double>(a.q));
    stage_ = 1;
  }

  // x * Sigmoid(x): the Mul, if the current value is such an x and nothing else uses it.
  const ir::Node* silu() const {
    if (current_->uses().size() != 2) return nullptr;
    for (int i = 0; i < 2; ++i) {
      const ir::Node* sigmoid = current_->uses()[static_cast<size_t>(i)].node;
      const ir::Node* mul = current_->uses()[static_cast<size_t>(1 - i)].node;
      if (sigmoid == nullptr || mul == nullptr || sigmoid->op() != "Sigmoid" || mul->op() != "Mul")
        continue;
      if (sigmoid->output()->uses().size() == 1 && sigmoid->output()->uses()[0].node == mul)
        return mul;
    }
    return nullptr;
  }

  // Everything between the current value and the body's output becomes the tape.
  void build_tape() {
    std::set<const ir::Node*> left;
    std::vector<const ir::Value*> stack = {end()};
    while (!stack.empty()) {
      const ir::Value* v = stack.back();
      stack.pop_back();
      if (v == nullptr || v == current_ || v->producer() == nullptr) continue;
      if (!left.insert(v->producer()).second) continue;
      stack.insert(stack.end(), v->producer()->inputs().begin(), v->producer()->inputs().end());
    }
    TapeBuilder tape;
    tape.add_input(current_);
    for (const auto& node : body().nodes())
      if (left.count(node.get()) != 0) tape.add(*node);
    std::vector<int64_t> tail;
    const PointwiseTape finished = tape.take({end()});
    for (size_t i = 1; i < tape.inputs().size(); ++i) tail.push_back(position(tape.inputs()[i]));
    write_tape(finished, *choice_.attributes);
    choice_.attributes->set("tail", tail);
  }

  const ir::Node& node_;
  ref::StepChoice& choice_;
  const ir::Value* current_ = nullptr;
  bool has_bias_ = false;
  bool has_residual_ = false;
  int stage_ = 0;  // 0 before the activation, 1 after it, 2 after a residual behind it
};

}  // namespace

const ir::Value* outer_value(const ir::Node& node, const ir::Value* inner) {
  const ir::Graph* body = node.subgraph("body");
  if (body == nullptr || inner->kind() != ir::Value::Kind::kInput || inner->graph() != body)
    return inner;
  return node.input(inner->output_index());
}

void build_epilogue(const ir::Node& node, const ir::Value* bias, ref::StepChoice& choice) {
  Builder(node, choice).run(bias);
}

}  // namespace planish::cpu
