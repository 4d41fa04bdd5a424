// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/quantization.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>

#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/compile/tape_builder.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::cpu {
namespace {

// Pointwise nodes of one body, as fuse-tails has it, and what quantisation adds.
constexpr size_t kMostNodes = 48;

bool is_byte(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() && v->type().has_rank() &&
         (v->type().dtype == DType::kU8 || v->type().dtype == DType::kI8);
}

bool is_scalar_constant(const ir::Value* v) {
  return v != nullptr && v->is_constant() && v->constant().count() == 1;
}

// A Quantize- or DequantizeLinear of 8 bits and float32 with one constant scale.
bool has_one_scale(const ir::Node* node) {
  return node != nullptr && is_scalar_constant(node->input(1)) && is_f32(node->input(1)) &&
         (node->input(2) == nullptr || is_scalar_constant(node->input(2))) &&
         node->attributes().integer("block_size", 0) == 0 &&
         node->attributes().integer("precision", 0) == 0;
}

const ir::Node* dequantize_of(const ir::Value* v) {
  const ir::Node* node = passes::producer_any_users(v, "DequantizeLinear");
  return node != nullptr && is_f32(v) && is_byte(node->input(0)) && has_one_scale(node) ? node
                                                                                        : nullptr;
}

// The DequantizeLinear of constant weights by one scale, or one along `axis`.
const ir::Node* dequantize_of_weights(const ir::Value* v, int64_t axis) {
  const ir::Node* node = passes::producer_any_users(v, "DequantizeLinear");
  if (node == nullptr || !is_f32(v) || !is_byte(node->input(0)) || !node->input(0)->is_constant() ||
      node->input(0)->constant().count() == 0)
    return nullptr;
  if (has_one_scale(node)) return node;
  const ir::Value* scale = node->input(1);
  const ir::Value* zero = node->input(2);
  if (!scale->is_constant() || !is_f32(scale) || scale->constant().rank() != 1 ||
      (zero != nullptr && !zero->is_constant()) || node->attributes().integer("block_size", 0) != 0)
    return nullptr;
  int64_t own = node->attributes().integer("axis", 1);
  own += own < 0 ? node->input(0)->constant().rank() : 0;
  return own == axis ? node : nullptr;
}

// The QuantizeLinear that is the value's only user.
ir::Node* quantize_behind(const ir::Value* v) {
  if (v->uses().size() != 1 || v->is_graph_output()) return nullptr;
  ir::Node* node = v->uses()[0].node;
  const bool fits = node != nullptr && v->uses()[0].graph == v->graph() &&
                    node->op() == "QuantizeLinear" && v->uses()[0].index == 0 &&
                    has_one_scale(node) && is_byte(node->output());
  return fits ? node : nullptr;
}

// The body of a new planish.Fused node, from values of the graph around it.
class BodyBuilder {
 public:
  BodyBuilder(ir::Graph& graph, const std::string& name, ir::Node* before)
      : fused_(graph.add_node("planish.Fused", {}, 1, {.name = name, .before = before})),
        body_(fused_->add_subgraph("body")) {}

  // The value of the body that stands for one outside.
  ir::Value* inside(ir::Value* outer) {
    if (outer == nullptr) return nullptr;
    const auto it = image_.find(outer);
    if (it != image_.end()) return it->second;
    if (is_scalar_constant(outer))
      return image_[outer] = body_->add_constant(outer->name(), outer->constant());
    fused_->set_input(static_cast<int>(fused_->inputs().size()), outer);
    return image_[outer] = body_->add_input(outer->name(), outer->type());
  }
  void set_image(const ir::Value* outer, ir::Value* inner) { image_[outer] = inner; }

  ir::Value* add(const std::string& op, std::vector<ir::Value*> inputs, Attributes attributes,
                 const Type& type) {
    ir::Node* node = body_->add_node(op, std::move(inputs), 1,
                                     {.name = "", .attributes = std::move(attributes)});
    node->output()->set_type(type);
    return node->output();
  }
  ir::Value* constant(float v) { return body_->add_constant("", Tensor::scalar_f32(v)); }

  // A node of the graph, with its inputs from outside or from the body; the first of them are
  // `given`.
  ir::Value* copy(const ir::Node& node, const std::vector<ir::Value*>& given = {}) {
    std::vector<ir::Value*> inputs = given;
    for (size_t i = given.size(); i < node.inputs().size(); ++i)
      inputs.push_back(inside(node.inputs()[i]));
    ir::Value* out = add(node.op(), std::move(inputs), node.attributes(), node.output()->type());
    fused_->add_origins(node.origins().empty() ? std::vector<std::string>{node.name()}
                                               : node.origins());
    return out;
  }
  // All of another body, whose inputs are those of `owner`; its result. The first inputs of `root`,
  // a node of that body, are `given`; other users of the same values are not.
  ir::Value* copy_body(const ir::Node& owner, const ir::Node* root = nullptr,
                       const std::vector<ir::Value*>& given = {}) {
    const ir::Graph& other = *owner.subgraph("body");
    std::map<const ir::Value*, ir::Value*> own;
    const auto image = [&](ir::Value* in) -> ir::Value* {
      if (in == nullptr) return nullptr;
      if (const auto it = own.find(in); it != own.end()) return it->second;
      return own[in] = in->is_constant() ? body_->add_constant(in->name(), in->constant())
                                         : inside(owner.input(in->output_index()));
    };
    for (const auto& node : other.nodes()) {
      std::vector<ir::Value*> inputs;
      if (node.get() == root) inputs = given;
      for (size_t i = inputs.size(); i < node->inputs().size(); ++i)
        inputs.push_back(image(node->inputs()[i]));
      own[node->output()] =
          add(node->op(), std::move(inputs), node->attributes(), node->output()->type());
    }
    fused_->add_origins(owner.origins());
    return own[other.outputs()[0]];
  }

  void finish(ir::Value* result, ir::Value* replaced) {
    body_->add_output(result, "y");
    fused_->output()->set_type(result->type());
    ir::Graph& graph = *replaced->graph();
    graph.replace_uses(replaced, fused_->output());
    const std::string name = replaced->name();
    graph.rename(replaced, "");
    graph.rename(fused_->output(), name);
  }

 private:
  ir::Node* fused_;
  ir::Graph* body_;
  std::map<const ir::Value*, ir::Value*> image_;
};

// (Cast(q) - zero) * scale
ir::Value* spell_out_dequantize(BodyBuilder& body, const ir::Node& node) {
  const Type& type = node.output()->type();
  ir::Value* v = body.add("Cast", {body.inside(node.input(0))},
                          {{"to", static_cast<int64_t>(DType::kF32)}}, type);
  if (node.input(2) != nullptr) {
    const auto zero = element<float>(node.input(2)->constant(), 0);
    if (zero != 0) v = body.add("Sub", {v, body.constant(zero)}, {}, type);
  }
  return body.add("Mul", {v, body.inside(node.input(1))}, {}, type);
}

// Cast(Clip(Round(x / scale) + zero)), where Round gives NaN: the zero point
ir::Value* spell_out_quantize(BodyBuilder& body, ir::Value* x, const ir::Node& node) {
  const Type type = x->type();
  const DType bytes = node.output()->type().dtype;
  const bool is_signed = bytes == DType::kI8;
  ir::Value* v = body.add("Div", {x, body.inside(node.input(1))}, {}, type);
  v = body.add("Round", {v}, {}, type);
  Type truth = type;
  truth.dtype = DType::kBool;
  ir::Value* is_nan = body.add("IsNaN", {v}, {}, truth);
  v = body.add("Where", {is_nan, body.constant(0), v}, {}, type);
  if (node.input(2) != nullptr) {
    const auto zero = element<float>(node.input(2)->constant(), 0);
    if (zero != 0) v = body.add("Add", {v, body.constant(zero)}, {}, type);
  }
  v = body.add("Clip",
               {v, body.constant(is_signed ? -128 : 0), body.constant(is_signed ? 127 : 255)}, {},
               type);
  return body.add("Cast", {v}, {{"to", static_cast<int64_t>(bytes)}}, node.output()->type());
}

// The product that a node is, or that it has at its root.
const ir::Node* product_of(const ir::Node& node) {
  const ir::Node* root = node.op() == "planish.Fused" ? fused_root(node) : &node;
  if (root == nullptr || (root->op() != "planish.ConvNhwc" && root->op() != "MatMul"))
    return nullptr;
  return root;
}

// Whether sums of products stay within 32 bits, whatever the data: its bytes are at most 255 from
// their zero point.
bool has_safe_sums(const ir::Node& weights, bool is_conv) {
  const Tensor& w = weights.input(0)->constant();
  const ir::Value* zero = weights.input(2);
  constexpr int64_t kFarthest = 255;
  const int64_t n = w.dim(is_conv ? 0 : 1), k = w.count() / n;
  if (k <= INT32_MAX / (kFarthest * kFarthest)) return true;
  const std::vector<int64_t> numbers = load<int64_t>(w);
  std::vector<int64_t> zeros(static_cast<size_t>(n), 0);
  if (zero != nullptr) zeros = load<int64_t>(zero->constant());
  if (zeros.size() == 1) zeros.resize(static_cast<size_t>(n), zeros[0]);
  if (zeros.size() != static_cast<size_t>(n)) return false;
  for (int64_t o = 0; o < n; ++o) {
    int64_t sum = 0;
    for (int64_t i = 0; i < k; ++i)
      sum += std::abs(numbers[static_cast<size_t>(is_conv ? o * k + i : i * n + o)] -
                      zeros[static_cast<size_t>(o)]);
    if (sum > INT32_MAX / kFarthest) return false;
  }
  return true;
}

struct Factors {
  const ir::Node *x, *w;
};

std::optional<Factors> quantized_factors(const ir::Node& node, const ir::Node& root) {
  const bool is_conv = root.op() == "planish.ConvNhwc";
  const ir::Node* x = dequantize_of(outer_value(node, root.input(0)));
  const ir::Node* w = dequantize_of_weights(outer_value(node, root.input(1)), is_conv ? 0 : 1);
  if (x == nullptr || w == nullptr) return std::nullopt;
  const Tensor& weights = w->input(0)->constant();
  if (is_conv) {
    if (root.attributes().integer("group", 1) != 1 || weights.rank() < 3 || weights.rank() > 5)
      return std::nullopt;
    const ir::Value* bias = root.input(2) == nullptr ? nullptr : outer_value(node, root.input(2));
    if (bias != nullptr && (!is_f32(bias) || !bias->is_constant())) return std::nullopt;
  } else if (weights.rank() != 2 || x->input(0)->type().shape->size() < 2) {
    return std::nullopt;
  }
  if (!has_safe_sums(*w, is_conv)) return std::nullopt;
  return Factors{x, w};
}

bool absorb_into_product(ir::Graph& graph, ir::Node& node) {
  const ir::Node* root = product_of(node);
  if (root == nullptr) return false;
  const auto factors = quantized_factors(node, *root);
  if (!factors) return false;
  ir::Node* quantize = quantize_behind(node.output());
  BodyBuilder body(graph, node.name(), quantize != nullptr ? quantize : &node);
  // For the root alone: the tail cannot dequantise, it sees the float value.
  const std::vector<ir::Value*> given = {body.copy(*factors->x), body.copy(*factors->w)};
  ir::Value* result =
      node.op() == "planish.Fused" ? body.copy_body(node, root, given) : body.copy(node, given);
  if (quantize != nullptr) {
    body.set_image(node.output(), result);
    result = body.copy(*quantize);
  }
  body.finish(result, quantize != nullptr ? quantize->output() : node.output());
  if (quantize != nullptr) graph.erase(quantize);
  graph.erase(&node);
  return true;
}

bool absorb_into_pointwise(ir::Graph& graph, ir::Node& node) {
  const bool is_tree = node.op() == "planish.Fused" && fused_root(node) == nullptr;
  if (!is_tree && !is_tape_node(node)) return false;
  if (node.output() == nullptr || !is_f32(node.output())) return false;
  const size_t nodes = is_tree ? node.subgraph("body")->nodes().size() : 1;
  std::vector<std::pair<ir::Value*, const ir::Node*>> found;
  for (ir::Value* in : node.inputs())
    if (const ir::Node* back = in == nullptr ? nullptr : dequantize_of(in))
      found.emplace_back(in, back);
  ir::Node* quantize = quantize_behind(node.output());
  if (found.empty() && quantize == nullptr) return false;
  if (nodes + 3 * found.size() + 7 > kMostNodes) return false;
  BodyBuilder body(graph, node.name(), quantize != nullptr ? quantize : &node);
  for (const auto& [value, back] : found) body.set_image(value, spell_out_dequantize(body, *back));
  ir::Value* result = is_tree ? body.copy_body(node) : body.copy(node);
  if (quantize != nullptr) result = spell_out_quantize(body, result, *quantize);
  body.finish(result, quantize != nullptr ? quantize->output() : node.output());
  if (quantize != nullptr) graph.erase(quantize);
  graph.erase(&node);
  return true;
}

const Tensor* constant_of(const ir::Node& node, const ir::Value* inner) {
  const ir::Value* v = inner == nullptr ? nullptr : outer_value(node, inner);
  return v != nullptr && v->is_constant() ? &v->constant() : nullptr;
}

}  // namespace

bool absorb_quantization(ir::Graph& graph, passes::PassContext& context) {
  bool changed = false;
  passes::for_each_graph(graph, [&](ir::Graph& g) {
    if (g.owner() != nullptr && g.owner()->op() == "planish.Fused") return;
    std::vector<int> ids;
    for (const auto& node : g.nodes()) ids.push_back(node->id());
    for (int id : ids)
      if (ir::Node* node = g.find_node(id)) changed |= absorb_into_product(g, *node);
    for (int id : ids)
      if (ir::Node* node = g.find_node(id)) changed |= absorb_into_pointwise(g, *node);
  });
  if (changed) passes::erase_dead_nodes(graph, context);
  return changed;
}

std::optional<QuantizedProduct> quantized_product(const ir::Node& node) {
  if (node.op() != "planish.Fused") return std::nullopt;
  QuantizedProduct p;
  p.root = product_of(node);
  if (p.root == nullptr) return std::nullopt;
  const ir::Node* x = p.root->input(0)->producer();
  const ir::Node* w = p.root->input(1)->producer();
  if (x == nullptr || w == nullptr || x->op() != "DequantizeLinear" ||
      w->op() != "DequantizeLinear")
    return std::nullopt;
  p.x = outer_value(node, x->input(0));
  p.x_scale = constant_of(node, x->input(1));
  p.x_zero = x->input(2);
  p.w = constant_of(node, w->input(0));
  p.w_scale = constant_of(node, w->input(1));
  p.w_zero = constant_of(node, w->input(2));
  if (p.x_scale == nullptr || p.w == nullptr || p.w_scale == nullptr) return std::nullopt;
  const ir::Node* last = node.subgraph("body")->outputs()[0]->producer();
  if (last != nullptr && last->op() == "QuantizeLinear") p.quantize = last;
  return p;
}

}  // namespace planish::cpu
