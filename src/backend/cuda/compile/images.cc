// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/images.h"

#include <algorithm>
#include <map>

#include "backend/cuda/compile/lowering.h"

namespace planish::cuda {
namespace {

ir::Node* only_producer(const ir::Value* v, const char* op) {
  ir::Node* node = v != nullptr ? v->producer() : nullptr;
  const bool is_ours = node != nullptr && node->op() == op && v->uses().size() == 1 &&
                       v->uses()[0].node != nullptr && node->graph() == v->graph();
  return is_ours ? node : nullptr;
}

bool moves_channels_last(const ir::Node& node) {
  const auto perm = node.attributes().integers("perm", {});
  return perm == std::vector<int64_t>{0, 2, 3, 1} && node.input(0)->type().has_rank();
}

// The nodes before the convolution that it can take over, from the image on.
std::vector<ir::Node*> prologue_of(const ir::Node& node) {
  const ir::Node& root = root_of(node);
  if (root.op() != "planish.ConvNhwc" || !is_real(root.input(0))) return {};
  const Dim& channels = shape_of(root.input(0)).back();
  if (!channels.is_constant() || channels.value() > kFewChannels ||
      root.attributes().integer("group", 1) != 1)
    return {};
  const ir::Value* x = outer_value(node, root.input(0));
  ir::Node* transpose = only_producer(x, "Transpose");
  if (transpose == nullptr || !moves_channels_last(*transpose)) return {};
  std::vector<ir::Node*> out{transpose};
  ir::Node* cast = only_producer(transpose->input(0), "Cast");
  if (cast != nullptr && is_real(cast->input(0))) out.insert(out.begin(), cast);
  return out;
}

ir::Node* copy_into(ir::Graph& body, const ir::Node& node,
                    std::map<const ir::Value*, ir::Value*>& image) {
  std::vector<ir::Value*> inputs;
  for (ir::Value* in : node.inputs()) {
    if (in != nullptr && image.count(in) == 0)
      image[in] = body.add_constant(in->name(), in->constant());
    inputs.push_back(in == nullptr ? nullptr : image[in]);
  }
  ir::Node* copy =
      body.add_node(node.op(), inputs, 1, {.name = node.name(), .attributes = node.attributes()});
  copy->output()->set_type(node.output()->type());
  image[node.output()] = copy->output();
  return copy;
}

void absorb(ir::Graph& graph, ir::Node& node, const std::vector<ir::Node*>& prologue) {
  const ir::Value* x = prologue.back()->output();
  std::vector<ir::Value*> inputs{prologue.front()->input(0)};
  for (ir::Value* in : node.inputs())
    if (in != nullptr && in != x && std::find(inputs.begin(), inputs.end(), in) == inputs.end())
      inputs.push_back(in);
  ir::Node* fused =
      graph.add_node("planish.Fused", inputs, 1, {.name = node.name(), .before = &node});
  ir::Graph* body = fused->add_subgraph("body");
  std::map<const ir::Value*, ir::Value*> image;
  for (ir::Value* in : inputs) image[in] = body->add_input(in->name(), in->type());
  for (const ir::Node* before : prologue) copy_into(*body, *before, image);
  const ir::Graph* old = node.subgraph("body");
  if (old != nullptr) {
    for (size_t i = 0; i < old->inputs().size(); ++i)
      image[old->inputs()[i]] = image[node.input(static_cast<int>(i))];
    for (const auto& inner : old->nodes()) copy_into(*body, *inner, image);
    body->add_output(image[old->outputs()[0]], "y");
  } else {
    body->add_output(copy_into(*body, node, image)->output(), "y");
  }
  fused->output()->set_type(node.output()->type());
  fused->add_origins(node.origins().empty() ? std::vector<std::string>{node.name()}
                                            : node.origins());
  graph.replace_uses(node.output(), fused->output());
  const std::string node_name = node.name(), value_name = node.output()->name();
  graph.erase(&node);
  graph.rename(fused, node_name);
  graph.rename(fused->output(), value_name);
  for (auto it = prologue.rbegin(); it != prologue.rend(); ++it) graph.erase(*it);
}

}  // namespace

bool take_images_as_they_are(ir::Graph& graph, passes::PassContext&) {
  std::vector<ir::Node*> nodes;
  for (const auto& node : graph.nodes()) nodes.push_back(node.get());
  bool changed = false;
  for (ir::Node* node : nodes) {
    const bool is_conv = node->op() == "planish.ConvNhwc" || node->op() == "planish.Fused";
    if (!is_conv || node->outputs().size() != 1) continue;
    const std::vector<ir::Node*> prologue = prologue_of(*node);
    if (prologue.empty()) continue;
    absorb(graph, *node, prologue);
    changed = true;
  }
  if (changed) graph.erase_unused_constants();
  return changed;
}

}  // namespace planish::cuda
