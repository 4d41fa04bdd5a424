// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/trial.h"
#include "base/str.h"
#include "passes/infer.h"
#include "planish/error.h"

namespace planish::cpu {
namespace {

// The reference does about a thousand million multiplications a second.
constexpr double kCheckWork = 4e6;

const ir::Node& root_of(const ir::Node& node) {
  const ir::Node* root = node.op() == "planish.Fused" ? fused_root(node) : &node;
  return root == nullptr ? node : *root;
}

double elements(const ir::Value* v) {
  double count = 1;
  if (v == nullptr || !v->type().has_rank()) return 0;
  for (const Dim& d : *v->type().shape) count *= static_cast<double>(d.constant().value_or(1));
  return count;
}

int64_t dim_at(const ir::Value* v, int from_end) {
  const Shape& shape = *v->type().shape;
  return shape[shape.size() - static_cast<size_t>(from_end)].constant().value_or(1);
}

double root_work(const ir::Node& root) {
  const double out = elements(root.output());
  const std::string& op = root.op();
  if (op == "MatMul") return out * static_cast<double>(dim_at(root.input(0), 1));
  if (op == "planish.ConvNhwc" || op == "planish.ConvTransposeNhwc") {
    // Weights are [out, in / groups, kernel...], those of a transposed convolution [in, out /
    // groups, kernel...]: each of the first dim's channels meets all of the rest.
    const ir::Value* w = root.input(1);
    const int rank = static_cast<int>(w->type().shape->size());
    const double each = elements(w) / static_cast<double>(std::max<int64_t>(1, dim_at(w, rank)));
    return (op == "planish.ConvNhwc" ? out : elements(root.input(0))) * each;
  }
  double window = 1;
  for (int64_t k : root.attributes().integers("kernel_shape", {})) window *= static_cast<double>(k);
  return out * window;
}

// Which input of the node is the given one of its root; -1: none of them (a constant of the body).
int outer_input(const ir::Node& node, const ir::Value* inner) {
  const ir::Value* outer = outer_value(node, inner);
  for (size_t i = 0; i < node.inputs().size(); ++i)
    if (node.inputs()[i] == outer) return static_cast<int>(i);
  return -1;
}

// The dims of a root's output, its first input having `x`; nullopt if the rule objects or nothing
// is left.
std::optional<Dims> root_output(const ir::Node& node, const NodeDims& dims, const Dims& x) {
  const ir::Node& root = root_of(node);
  ir::Graph graph;
  std::vector<ir::Value*> inputs;
  for (size_t i = 0; i < root.inputs().size(); ++i) {
    const ir::Value* in = root.inputs()[i];
    if (in == nullptr) {
      inputs.push_back(nullptr);
      continue;
    }
    const ir::Value* outer = outer_value(node, in);
    if (outer->is_constant()) {
      inputs.push_back(graph.add_constant("", outer->constant()));
      continue;
    }
    const int at = outer_input(node, in);
    if (at < 0) return std::nullopt;
    const Dims& d = i == 0 ? x : dims[static_cast<size_t>(at)];
    inputs.push_back(
        graph.add_input("", Type::tensor(outer->type().dtype, Shape(d.begin(), d.end()))));
  }
  ir::Node* copy = graph.add_node(root.op(), inputs, 1, {.attributes = root.attributes()});
  if (!passes::try_infer_node(*copy, passes::Known::kIgnore)) return std::nullopt;
  auto out = constant_dims(*copy->output()->type().shape);
  if (!out || std::any_of(out->begin(), out->end(), [](int64_t d) { return d < 1; }))
    return std::nullopt;
  return out;
}

// The axes of a root's first input that may be cut, and how many of its last stay.
std::pair<size_t, size_t> cuttable_axes(const ir::Node& node, const ir::Node& root, size_t rank) {
  if (root.op() != "MatMul") return {0, rank - 1};
  const ir::Value* b = outer_value(node, root.input(1));
  const bool one_b = b->is_constant() && b->constant().rank() == 2;
  return {one_b ? 0 : rank - 2, rank - 1};
}

// Dims of an operand of the tail beside a smaller output; nullopt: it does not go along.
std::optional<Dims> follow(const Dims& operand, const Dims& old_out, const Dims& new_out) {
  Dims out = operand;
  if (operand.size() > old_out.size()) return std::nullopt;
  const size_t lead = old_out.size() - operand.size();
  for (size_t i = 0; i < out.size(); ++i) {
    if (operand[i] == 1) continue;
    if (operand[i] != old_out[lead + i]) return std::nullopt;
    out[i] = new_out[lead + i];
  }
  return out;
}

}  // namespace

double work_of(const ir::Node& node) { return root_work(root_of(node)); }

double bytes_of(const ir::Node& node) {
  double bytes = 0;
  for (const auto* list : {&node.inputs(), &node.outputs()})
    for (const ir::Value* v : *list)
      if (v != nullptr) bytes += elements(v) * dtype_bits(v->type().dtype) / 8;
  return bytes;
}

NodeDims shrink(const ir::Node& node, const NodeDims& dims) {
  const ir::Node& root = root_of(node);
  const int at = outer_input(node, root.input(0));
  if (at < 0 || dims[static_cast<size_t>(at)].size() < 2) return dims;
  const Dims& full = dims[static_cast<size_t>(at)];
  const auto full_out = root_output(node, dims, full);
  if (!full_out) return dims;
  const double full_work = work_of(node);
  // The product is in proportion to the output, nearly.
  const auto work_at = [&](const Dims& out) {
    return full_work * static_cast<double>(element_count(out)) /
           static_cast<double>(element_count(*full_out));
  };
  Dims x = full, out = *full_out;
  const auto [first, last] = cuttable_axes(node, root, full.size());
  std::vector<bool> is_fixed(full.size(), true);
  for (size_t i = first; i < last; ++i) is_fixed[i] = false;
  while (work_at(out) > kCheckWork) {
    size_t axis = full.size();
    for (size_t i = first; i < last; ++i)
      if (!is_fixed[i] && x[i] > 1 && (axis == full.size() || x[i] > x[axis])) axis = i;
    if (axis == full.size()) break;
    Dims smaller = x;
    smaller[axis] = x[axis] / 2;
    const auto smaller_out = root_output(node, dims, smaller);
    if (smaller_out && smaller_out->size() == out.size()) {
      x = smaller;
      out = *smaller_out;
    } else {
      is_fixed[axis] = true;
    }
  }
  NodeDims result = dims;
  const int b = root.input(1) == nullptr ? -1 : outer_input(node, root.input(1));
  for (size_t i = 0; i < dims.size(); ++i) {
    if (node.inputs()[i] == nullptr || node.inputs()[i]->is_constant()) continue;
    if (static_cast<int>(i) == at) {
      result[i] = x;
    } else if (static_cast<int>(i) != b) {
      const auto followed = follow(dims[i], *full_out, out);
      if (!followed) return dims;
      result[i] = *followed;
    }
  }
  return result;
}

}  // namespace planish::cpu
