// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/evaluate.h"
#include "ops/op.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/quantize/quantize.h"
#include "passes/rewrite.h"
#include "planish/error.h"

namespace planish::passes {
namespace {

// A result larger than this is folded only if it is not much larger than what it is made from.
constexpr int64_t kAlwaysFoldBytes = int64_t{1} << 20;
constexpr int64_t kGrowth = 8;  // int4 weights to float32
// Work that folding one node may take beyond its output's size.
constexpr int64_t kFoldWork = int64_t{1} << 26;

int64_t constant_bytes(const Tensor& t) {
  if (t.dtype() != DType::kString) return static_cast<int64_t>(t.bytes());
  int64_t bytes = 0;
  for (const std::string& s : t.string_values()) bytes += static_cast<int64_t>(s.size()) + 32;
  return bytes;
}

// Weights in another order: backends pack them, so that the product reads nothing else.
bool turns_weights(const ir::Node& node) {
  if (node.op() != "Transpose" || node.output()->uses().empty()) return false;
  const auto& uses = node.output()->uses();
  return std::all_of(uses.begin(), uses.end(), [](const ir::Use& use) {
    return use.node != nullptr && use.node->op() == "MatMul" && use.index == 1;
  });
}

class Folder {
 public:
  explicit Folder(PassContext& context) : context_(context) {}

  bool fold(ir::Node& node) {
    const OpDef& op = get_op(node.op());
    if (!op.is_pure || !node.subgraphs().empty() || node.inputs().empty()) return false;
    if (context_.keep_quantized_weights && is_quantized_weight(node)) return false;
    int64_t input_bytes = 0;
    std::vector<Datum> inputs;
    for (const ir::Value* in : node.inputs()) {
      if (in != nullptr && !in->is_constant()) return false;
      if (in != nullptr) input_bytes += constant_bytes(in->constant());
      inputs.emplace_back(in != nullptr ? Datum(in->constant()) : Datum());
    }
    const int64_t limit =
        turns_weights(node) ? std::max(context_.fold_bytes, input_bytes)
                            : std::min(context_.fold_bytes,
                                       std::max(kAlwaysFoldBytes, saturating_growth(input_bytes)));
    if (!fits(node, limit)) return false;
    std::vector<Datum> results;
    if (!evaluate_node(op, node, inputs, limit, results)) return false;
    ir::Graph& g = *node.graph();
    for (size_t i = 0; i < results.size(); ++i) {
      ir::Value* out = node.outputs()[i];
      if (out == nullptr) continue;
      if (!results[i].is_tensor()) return false;
      spent_ += constant_bytes(results[i].tensor());
    }
    if (spent_ > context_.fold_total_bytes) return false;
    for (size_t i = 0; i < results.size(); ++i)
      if (ir::Value* out = node.outputs()[i])
        g.replace_uses(out, g.add_constant(out->name(), results[i].tensor()));
    g.erase(&node);
    return true;
  }

 private:
  static int64_t saturating_growth(int64_t bytes) {
    return bytes > INT64_MAX / kGrowth ? INT64_MAX : bytes * kGrowth;
  }

  static bool fits(const ir::Node& node, int64_t limit) {
    for (const ir::Value* out : node.outputs()) {
      if (out == nullptr) continue;
      if (!out->type().is_tensor()) return false;
      if (!out->type().is_static()) continue;  // data-dependent: the run's budget bounds it
      Dim count = product(*out->type().shape);
      if (count.value() > limit * 8 / std::max(1, dtype_bits(out->type().dtype))) return false;
    }
    return true;
  }

  // False if the op refuses: whatever is wrong is reported when, and if, the node runs.
  static bool evaluate_node(const OpDef& op, const ir::Node& node, const std::vector<Datum>& inputs,
                            int64_t limit, std::vector<Datum>& results) {
    std::vector<const Datum*> in;
    for (size_t i = 0; i < inputs.size(); ++i)
      in.push_back(node.inputs()[i] ? &inputs[i] : nullptr);
    results.resize(node.outputs().size());
    std::vector<Datum*> out;
    for (size_t i = 0; i < results.size(); ++i)
      out.push_back(node.outputs()[i] ? &results[i] : nullptr);
    RunBudget budget({.loop_iterations = 1 << 10, .value_bytes = limit, .scalar_work = kFoldWork});
    try {
      evaluate(op, node.name(), node.attributes(), in, out, nullptr, budget);
    } catch (const Error&) {
      return false;
    }
    return true;
  }

  PassContext& context_;
  int64_t spent_ = 0;
};

std::vector<ir::Node*> snapshot(ir::Graph& g) {
  std::vector<ir::Node*> nodes;
  for (const auto& node : g.nodes()) nodes.push_back(node.get());
  return nodes;
}

}  // namespace

bool fold_constants(ir::Graph& graph, PassContext& context) {
  Folder folder(context);
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) {
    for (ir::Node* node : snapshot(g)) {
      if (context.check_cancelled) context.check_cancelled();
      changed |= folder.fold(*node);
    }
    g.erase_unused_constants();
  });
  return changed;
}

}  // namespace planish::passes
