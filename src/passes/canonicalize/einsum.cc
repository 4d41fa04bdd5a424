// SPDX-License-Identifier: Apache-2.0
// Einsum as the ops that it is made of: sums, transposes, and one matrix product or elementwise
// product.
#include <algorithm>
#include <map>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"

namespace planish::passes {
namespace {

// Labels of axes: characters; the axes of an ellipsis, counted from its last one, from kEllipsis
// up.
using Labels = std::vector<int>;
constexpr int kEllipsis = 256;

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// The labels of one term; those of an ellipsis are filled in for a tensor of `rank` dims.
std::optional<Labels> read_term(std::string_view text, size_t rank) {
  Labels out;
  const auto letters = static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return c != ' ' && c != '.'; }));
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text[i] != '.') {
      out.push_back(text[i]);
      continue;
    }
    if (text.substr(i, 3) != "..." || letters > rank) return std::nullopt;
    for (size_t k = rank - letters; k-- > 0;) out.push_back(kEllipsis + static_cast<int>(k));
    i += 2;
  }
  return out;
}

struct Equation {
  std::vector<Labels> inputs;
  Labels output;
};

std::optional<Equation> read_equation(const ir::Node& node) {
  const std::string text = node.attributes().text("equation");
  const size_t arrow = text.find("->");
  std::string_view left = std::string_view(text).substr(0, arrow);
  Equation e;
  size_t widest = 0;  // dims of the longest ellipsis
  for (const ir::Value* in : node.inputs()) {
    if (in == nullptr || !in->type().has_rank()) return std::nullopt;
    const size_t comma = left.find(',');
    const auto term = read_term(left.substr(0, comma), in->type().shape->size());
    if (!term || term->size() != in->type().shape->size()) return std::nullopt;
    for (size_t i = 0; i < term->size(); ++i) {
      if (std::count(term->begin(), term->end(), (*term)[i]) != 1)
        return std::nullopt;  // a diagonal
      if ((*term)[i] >= kEllipsis)
        widest = std::max(widest, static_cast<size_t>((*term)[i] - kEllipsis) + 1);
    }
    e.inputs.push_back(*term);
    left = comma == std::string_view::npos ? std::string_view() : left.substr(comma + 1);
  }
  if (arrow != std::string::npos) {
    const std::string_view right = std::string_view(text).substr(arrow + 2);
    const auto letters = static_cast<size_t>(
        std::count_if(right.begin(), right.end(), [](char c) { return c != ' ' && c != '.'; }));
    const auto term = read_term(right, letters + widest);
    if (!term) return std::nullopt;
    e.output = *term;
    return e;
  }
  std::map<int, int> times;
  for (const Labels& term : e.inputs)
    for (int label : term) ++times[label];
  for (size_t k = widest; k-- > 0;) e.output.push_back(kEllipsis + static_cast<int>(k));
  for (const auto& [label, count] : times)
    if (count == 1 && label < kEllipsis) e.output.push_back(label);
  return e;
}

// An operand on its way: a value and the labels of its axes.
struct Operand {
  ir::Value* value;
  Labels labels;

  const Dim& dim(int label) const {
    const auto at = std::find(labels.begin(), labels.end(), label) - labels.begin();
    return (*value->type().shape)[static_cast<size_t>(at)];
  }
};

void sum_over(Patch& patch, Operand& x, const Labels& gone) {
  std::vector<int64_t> axes;
  Labels left;
  for (size_t i = 0; i < x.labels.size(); ++i) {
    if (has(gone, x.labels[i]))
      axes.push_back(static_cast<int64_t>(i));
    else
      left.push_back(x.labels[i]);
  }
  if (axes.empty()) return;
  x.value = patch.add("ReduceSum", {x.value, patch.constant(axes)}, {{"keepdims", int64_t{0}}});
  x.labels = left;
}

// Axes in the order of `wanted`, which names the same labels.
void turn_to(Patch& patch, Operand& x, const Labels& wanted) {
  if (x.labels == wanted) return;
  std::vector<int64_t> perm;
  for (int label : wanted)
    perm.push_back(std::find(x.labels.begin(), x.labels.end(), label) - x.labels.begin());
  x.value = patch.add("Transpose", {x.value}, {{"perm", perm}});
  x.labels = wanted;
}

// Axes as in `wanted`, those that x has not as dims of size 1.
void spread_to(Patch& patch, Operand& x, const Labels& wanted) {
  Labels own;
  std::vector<int64_t> missing;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (has(x.labels, wanted[i]))
      own.push_back(wanted[i]);
    else
      missing.push_back(static_cast<int64_t>(i));
  }
  turn_to(patch, x, own);
  if (!missing.empty()) x.value = patch.add("Unsqueeze", {x.value, patch.constant(missing)});
  x.labels = wanted;
}

Labels select(const Labels& from, const auto& test) {
  Labels out;
  std::copy_if(from.begin(), from.end(), std::back_inserter(out), test);
  return out;
}

Labels joined(std::initializer_list<Labels> parts) {
  Labels out;
  for (const Labels& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// The shape argument that keeps `batch` leading axes and joins each of the groups after them into
// one; nothing if more than one of the joined sizes is unknown.
std::optional<std::vector<int64_t>> joining_shape(const Operand& x, size_t batch,
                                                  std::initializer_list<Labels> groups) {
  std::vector<int64_t> shape(batch, 0);
  int unknown = 0;
  for (const Labels& group : groups) {
    Dim size = 1;
    for (int label : group) size = size * x.dim(label);
    // 0 would copy a dim.
    if (size == Dim(0)) return std::nullopt;
    unknown += size.is_constant() ? 0 : 1;
    shape.push_back(size.is_constant() ? size.value() : -1);
  }
  return unknown > 1 ? std::nullopt : std::optional(shape);
}

// x as [batch.., first, second], each of the two groups one axis.
bool make_matrix(Patch& patch, Operand& x, const Labels& batch, const Labels& first,
                 const Labels& second) {
  turn_to(patch, x, joined({batch, first, second}));
  if (first.size() == 1 && second.size() == 1) return true;
  const auto shape = joining_shape(x, batch.size(), {first, second});
  if (!shape) return false;
  x.value = patch.add("Reshape", {x.value, patch.constant(*shape)});
  return true;
}

// The product [batch.., m, n] with its groups taken apart again.
bool take_apart(Patch& patch, ir::Value*& y, const Operand& a, const Operand& b,
                const Labels& batch, const Labels& m, const Labels& n) {
  if (m.size() == 1 && n.size() == 1) return true;
  std::vector<int64_t> shape(batch.size(), 0);
  int unknown = 0;
  for (const Labels* group : {&m, &n})
    for (int label : *group) {
      const Dim& size = (group == &m ? a : b).dim(label);
      if (size == Dim(0)) return false;
      unknown += size.is_constant() ? 0 : 1;
      shape.push_back(size.is_constant() ? size.value() : -1);
    }
  if (unknown > 1) return false;
  y = patch.add("Reshape", {y, patch.constant(shape)});
  return true;
}

// The product of two operands, summed over `summed`; nothing if it cannot be said with constant
// shapes.
std::optional<Operand> product(Patch& patch, Operand a, Operand b, const Labels& output) {
  const auto in_a = [&](int l) { return has(a.labels, l); };
  const auto in_b = [&](int l) { return has(b.labels, l); };
  const auto kept = [&](int l) { return has(output, l); };
  sum_over(patch, a, select(a.labels, [&](int l) { return !kept(l) && !in_b(l); }));
  sum_over(patch, b, select(b.labels, [&](int l) { return !kept(l) && !in_a(l); }));
  const Labels shared = select(a.labels, [&](int l) { return !kept(l); });
  if (shared.empty()) {
    spread_to(patch, a, output);
    spread_to(patch, b, output);
    return Operand{patch.add("Mul", {a.value, b.value}), output};
  }
  // A sum goes over equal sizes.
  for (int label : shared)
    if (!(a.dim(label) == b.dim(label))) return std::nullopt;
  const Labels batch = select(output, [&](int l) { return in_a(l) && in_b(l); });
  const Labels m = select(output, [&](int l) { return in_a(l) && !in_b(l); });
  const Labels n = select(output, [&](int l) { return !in_a(l) && in_b(l); });
  if (batch.empty() && !m.empty() && shared.size() == 1 && n.size() == 1) {
    turn_to(patch, a, joined({m, shared}));
    turn_to(patch, b, joined({shared, n}));
    return Operand{patch.add("MatMul", {a.value, b.value}), joined({m, n})};
  }
  const Operand whole_a = a, whole_b = b;
  if (!make_matrix(patch, a, batch, m, shared) || !make_matrix(patch, b, batch, shared, n))
    return std::nullopt;
  Operand y{patch.add("MatMul", {a.value, b.value}), joined({batch, m, n})};
  if (!take_apart(patch, y.value, whole_a, whole_b, batch, m, n)) return std::nullopt;
  return y;
}

// Einsum(a, b) = Transpose(MatMul(Transpose(a), Transpose(b))), or a Mul where nothing is summed;
// Einsum(a) = Transpose(ReduceSum(a)); of more operands, from left to right
bool split_equation(ir::Node& node, Patch& patch) {
  if (node.output() == nullptr || !node.output()->type().has_rank()) return false;
  if (!is_float(node.output()->type().dtype)) return false;
  const auto e = read_equation(node);
  if (!e || e->inputs.empty()) return false;
  Operand y{node.input(0), e->inputs[0]};
  for (size_t i = 1; i < e->inputs.size(); ++i) {
    // What the result or a later operand still needs.
    const Labels& next = e->inputs[i];
    auto is_needed = [&](int label) {
      if (has(e->output, label)) return true;
      return std::any_of(e->inputs.begin() + static_cast<std::ptrdiff_t>(i) + 1, e->inputs.end(),
                         [label](const Labels& later) { return has(later, label); });
    };
    Labels output = select(y.labels, is_needed);
    for (int label : next)
      if (!has(output, label) && is_needed(label)) output.push_back(label);
    if (i + 1 == e->inputs.size()) output = e->output;
    const auto both = product(patch, y, {node.input(static_cast<int>(i)), next}, output);
    if (!both) return false;
    y = *both;
  }
  sum_over(patch, y, select(y.labels, [&](int l) { return !has(e->output, l); }));
  turn_to(patch, y, e->output);
  if (y.value == node.input(0) && !same_shape(y.value, node.output())) return false;
  patch.replace(node.output(), y.value);
  return true;
}

constexpr Rule kRules[] = {{"split-einsum", "Einsum", split_equation}};

}  // namespace

bool split_einsum(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
