// SPDX-License-Identifier: Apache-2.0
#include "passes/precision/widen.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "ops/op.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

bool is_half(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() &&
         (v->type().dtype == DType::kF16 || v->type().dtype == DType::kBF16);
}

// Ops that move elements of any type; halves are half as many bytes to move.
constexpr std::string_view kMovements[] = {
    "Concat",       "DepthToSpace", "Expand",  "Flatten", "Gather",    "Reshape",   "Slice",
    "SpaceToDepth", "Split",        "Squeeze", "Tile",    "Transpose", "Unsqueeze",
};

// Ops besides the pointwise ones that mean the same for every float type.
constexpr std::string_view kWidened[] = {
    "ArgMax",
    "ArgMin",
    "Attention",
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "ConvTranspose",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GroupNormalization",
    "GRU",
    "InstanceNormalization",
    "LayerNormalization",
    "LogSoftmax",
    "LSTM",
    "MatMul",
    "MaxPool",
    "Pad",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Resize",
    "RMSNormalization",
    "RNN",
    "Softmax",
};

template <size_t n>
bool is_among(const ir::Node& node, const std::string_view (&ops)[n]) {
  return std::find(std::begin(ops), std::end(ops), node.op()) != std::end(ops);
}

class Widener {
 public:
  explicit Widener(ir::Graph& graph) : graph_(graph) {}

  bool run() {
    std::vector<ir::Node*> nodes;
    for (const auto& node : graph_.nodes()) nodes.push_back(node.get());
    bool changed = false;
    for (size_t i = 0; i < nodes.size(); ++i)
      changed |= visit(*nodes[i], i + 1 < nodes.size() ? nodes[i + 1] : nullptr);
    return changed;
  }

 private:
  bool visit(ir::Node& node, ir::Node* next) {
    if (node.op() == "Cast") return skip_rounding(node);
    if (!is_widened(node)) return false;
    bool changed = false;
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      if (!is_half(node.inputs()[i])) continue;
      node.set_input(static_cast<int>(i), wide(node.inputs()[i], node));
      changed = true;
    }
    for (ir::Value* out : node.outputs()) {
      if (!is_half(out)) continue;
      narrow_users(out, next);
      changed = true;
    }
    return changed;
  }

  bool is_widened(const ir::Node& node) const {
    if (!node.subgraphs().empty() || node.op() == "Cast") return false;
    if (is_among(node, kMovements)) {
      // What is float32 already need not be rounded before it moves.
      return std::any_of(node.inputs().begin(), node.inputs().end(),
                         [&](const ir::Value* in) { return rounded_.count(in) != 0; });
    }
    return is_among(node, kWidened) || get_op(node.op()).is_pointwise;
  }

  // A Cast to float32 of what was float32 all along.
  bool skip_rounding(ir::Node& cast) {
    const auto it = wide_.find(cast.input(0));
    if (it == wide_.end() || cast.output()->type().dtype != DType::kF32) return false;
    graph_.replace_uses(cast.output(), it->second);
    return true;
  }

  ir::Value* cast(ir::Value* v, DType to, ir::Node* before) {
    Type type = v->type();
    type.dtype = to;
    ir::Node* node = graph_.add_node(
        "Cast", {v}, 1,
        {.name = "", .attributes = {{"to", static_cast<int64_t>(to)}}, .before = before});
    node->output()->set_type(type);
    return node->output();
  }

  ir::Value* wide(ir::Value* v, ir::Node& user) {
    ir::Value*& made = wide_[v];
    if (made != nullptr) return made;
    if (!v->is_constant()) return made = cast(v, DType::kF32, &user);
    Tensor t(DType::kF32, v->constant().dims());
    store<float>(t, load<float>(v->constant()));
    return made = graph_.add_constant(v->name(), std::move(t));
  }

  // The result stays float32; whoever used it gets it narrowed.
  void narrow_users(ir::Value* out, ir::Node* next) {
    const DType narrow = out->type().dtype;
    Type type = out->type();
    type.dtype = DType::kF32;
    out->set_type(type);
    ir::Value* rounded = cast(out, narrow, next);
    ir::Node* made = rounded->producer();
    graph_.replace_uses(out, rounded);
    made->set_input(0, out);
    wide_[rounded] = out;
    rounded_.insert(rounded);
  }

  ir::Graph& graph_;
  std::map<const ir::Value*, ir::Value*> wide_;  // float32 twins; looked up only
  std::set<const ir::Value*> rounded_;           // whose twins were computed; looked up only
};

}  // namespace

bool widen_halves(ir::Graph& graph, PassContext& context) {
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) { changed |= Widener(g).run(); });
  if (changed) {
    erase_dead_nodes(graph, context);
    for_each_graph(graph, [](ir::Graph& g) { g.erase_unused_constants(); });
  }
  return changed;
}

}  // namespace planish::passes
