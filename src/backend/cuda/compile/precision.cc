// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/precision.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "backend/cuda/compile/expression_writer.h"
#include "base/str.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::cuda {
namespace {

// Ops that compute in float32 whatever they read and write, besides the pointwise ones. A number
// tells how many of the leading inputs are data; the others keep their types.
const std::map<std::string, int, std::less<>>& narrow_ops() {
  static const std::map<std::string, int, std::less<>> kOps = {
      {"Attention", 4},
      {"Concat", INT32_MAX},
      {"DepthToSpace", 1},
      {"Expand", 1},
      {"Flatten", 1},
      {"Gather", 1},
      {"GroupNormalization", 3},
      {"Identity", 1},
      {"InstanceNormalization", 3},
      {"LayerNormalization", 3},
      {"LogSoftmax", 1},
      {"MatMul", 2},
      {"Pad", 3},
      {"RMSNormalization", 2},
      {"ReduceMax", 1},
      {"ReduceMean", 1},
      {"ReduceMin", 1},
      {"ReduceSum", 1},
      {"Reshape", 1},
      {"Resize", 1},
      {"Slice", 1},
      {"Softmax", 1},
      {"Split", 1},
      {"Squeeze", 1},
      {"Tile", 1},
      {"Transpose", 1},
      {"Unsqueeze", 1},
      {"planish.AveragePoolNhwc", 1},
      {"planish.ConvNhwc", 3},
      {"planish.ConvTransposeNhwc", 3},
      {"planish.MaxPoolNhwc", 1},
  };
  return kOps;
}

// Integers that the narrow types do not hold exactly: 257 would be 256, 70000 infinite.
bool is_wide_integer(const ir::Value* v) {
  return is_integer(v->type().dtype) && dtype_bits(v->type().dtype) > 8;
}

bool is_f32(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() && v->type().dtype == DType::kF32;
}

// Patterns of option `keep`: "fp32:PATTERN", several separated by commas.
std::vector<std::string> kept_patterns(const Options& options) {
  std::vector<std::string> patterns;
  for (const std::string& item : split_list(options.keep)) {
    const size_t colon = item.find(':');
    if (colon == std::string::npos || item.substr(0, colon) != "fp32")
      throw Error(ErrorCode::kInvalidArgument,
                  concat("option keep: expected fp32:PATTERN, got \"", item, "\""));
    patterns.push_back(item.substr(colon + 1));
  }
  return patterns;
}

class Narrower {
 public:
  Narrower(ir::Graph& graph, DType narrow, std::vector<std::string> kept)
      : graph_(graph), narrow_(narrow), kept_(std::move(kept)) {}

  void run() {
    std::vector<ir::Node*> nodes;
    for (const auto& node : graph_.nodes()) nodes.push_back(node.get());
    for (ir::Node* node : nodes) {
      const bool is_large = may_be_large(*node);
      if (may_narrow(*node) && !is_large)
        narrow(*node);
      else
        widen_inputs(*node);
      // A factor makes them small: sums of integers are scaled so.
      if (is_large && node->op() != "Mul" && node->op() != "Div")
        for (const ir::Value* out : node->outputs())
          if (is_f32(out)) large_.insert(out);
    }
    for (size_t i = 0; i < graph_.outputs().size(); ++i)
      if (narrowed_.count(graph_.outputs()[i]) != 0)
        graph_.set_output(static_cast<int>(i), wide(graph_.outputs()[i], nullptr));
    graph_.erase_unused_constants();
  }

 private:
  bool is_kept(const ir::Node& node) const {
    const auto matches = [&](const std::string& name) {
      return std::any_of(kept_.begin(), kept_.end(), [&](const std::string& pattern) {
        return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
      });
    };
    return matches(node.op()) || matches(node.name()) ||
           std::any_of(node.origins().begin(), node.origins().end(), matches);
  }

  bool may_narrow(const ir::Node& node) const {
    if (!node.subgraphs().empty() || is_kept(node)) return false;
    for (const ir::Value* out : node.outputs())
      if (out != nullptr && (!out->type().has_rank() || used_below(out))) return false;
    return is_pointwise(node) || narrow_ops().count(node.op()) != 0;
  }

  // What sums of products of integers become, and what is computed of it before it is scaled.
  bool may_be_large(const ir::Node& node) const {
    if (node.op() == "Cast") {
      const ir::Node* producer = node.input(0)->producer();
      return producer != nullptr &&
             (producer->op() == "MatMulInteger" || producer->op() == "ConvInteger");
    }
    return std::any_of(node.inputs().begin(), node.inputs().end(),
                       [&](const ir::Value* in) { return large_.count(in) != 0; });
  }

  // Subgraphs keep their types.
  bool used_below(const ir::Value* v) const {
    return std::any_of(v->uses().begin(), v->uses().end(),
                       [&](const ir::Use& use) { return use.graph != &graph_; });
  }

  static int data_inputs(const ir::Node& node) {
    const auto it = narrow_ops().find(node.op());
    return it == narrow_ops().end() ? INT32_MAX : it->second;
  }

  void narrow(ir::Node& node) {
    const bool is_cast = node.op() == "Cast";
    if (is_cast && is_wide_integer(node.input(0))) return;
    bool has_narrow_data = is_cast;
    for (int i = 0; i < static_cast<int>(node.inputs().size()); ++i) {
      ir::Value* in = node.input(i);
      if (i >= data_inputs(node)) {
        if (narrowed_.count(in) != 0) node.set_input(i, wide(in, &node));
        continue;
      }
      if (is_f32(in) && !is_cast) node.set_input(i, narrow_twin(in, node));
      has_narrow_data |= in != nullptr && node.input(i)->type().dtype == narrow_;
    }
    if (!has_narrow_data) return;
    for (ir::Value* out : node.outputs()) {
      if (!is_f32(out)) continue;
      Type type = out->type();
      type.dtype = narrow_;
      out->set_type(type);
      narrowed_.insert(out);
      if (is_cast) node.attributes().set("to", static_cast<int64_t>(narrow_));
    }
  }

  void widen_inputs(ir::Node& node) {
    for (int i = 0; i < static_cast<int>(node.inputs().size()); ++i)
      if (narrowed_.count(node.input(i)) != 0) node.set_input(i, wide(node.input(i), &node));
  }

  ir::Value* cast(ir::Value* v, DType to, ir::Node* before) {
    ir::Node* node = graph_.add_node(
        "Cast", {v}, 1, {.attributes = {{"to", static_cast<int64_t>(to)}}, .before = before});
    Type type = v->type();
    type.dtype = to;
    node->output()->set_type(type);
    return node->output();
  }

  ir::Value* narrow_twin(ir::Value* v, ir::Node& before) {
    const auto found = twins_.find(v);
    if (found != twins_.end()) return found->second;
    ir::Value* twin = v->is_constant()
                          ? graph_.add_constant(v->name(), narrow_constant(v->constant()))
                          : cast(v, narrow_, &before);
    return twins_[v] = twin;
  }

  // Finite numbers stay finite: a mask of -1e9 that meets a factor of 0 must not become NaN.
  Tensor narrow_constant(const Tensor& wide) const {
    std::vector<float> values = load<float>(wide);
    constexpr float kLargestHalf = 65504;
    if (narrow_ == DType::kF16)
      for (float& v : values)
        if (std::isfinite(v)) v = std::clamp(v, -kLargestHalf, kLargestHalf);
    Tensor out(narrow_, wide.dims());
    store<float>(out, 0, out.count(), values.data());
    return out;
  }

  ir::Value* wide(ir::Value* v, ir::Node* before) {
    ir::Value*& twin = wide_[v];
    if (twin == nullptr) twin = cast(v, DType::kF32, before);
    return twin;
  }

  ir::Graph& graph_;
  DType narrow_;
  std::vector<std::string> kept_;
  std::set<const ir::Value*> narrowed_;
  std::set<const ir::Value*> large_;  // that the narrow type may not hold
  std::map<const ir::Value*, ir::Value*> twins_;
  std::map<const ir::Value*, ir::Value*> wide_;
};

}  // namespace

void set_precision(ir::Graph& graph, const Options& options) {
  if (options.precision == "fp16") Narrower(graph, DType::kF16, kept_patterns(options)).run();
  if (options.precision == "bf16") Narrower(graph, DType::kBF16, kept_patterns(options)).run();
}

}  // namespace planish::cuda
