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

// Operands that are still to be multiplied.
class Terms {
 public:
  Terms(const ir::Node& node, const Equation& e) : output_(e.output) {
    for (size_t i = 0; i < e.inputs.size(); ++i)
      terms_.push_back({node.input(static_cast<int>(i)), e.inputs[i]});
  }

  // The product of all; nothing if one cannot be said with constant shapes.
  std::optional<Operand> multiply(Patch& patch) {
    while (terms_.size() > 1) {
      const auto [i, j] = cheapest();
      const auto both =
          product(patch, terms_[i], terms_[j], terms_.size() == 2 ? output_ : labels_behind(i, j));
      if (!both) return std::nullopt;
      terms_[i] = *both;
      terms_.erase(terms_.begin() + static_cast<std::ptrdiff_t>(j));
    }
    return terms_[0];
  }

 private:
  // Whether the result, or an operand besides i and j, has the label.
  bool is_needed(int label, size_t i, size_t j) const {
    if (has(output_, label)) return true;
    for (size_t k = 0; k < terms_.size(); ++k)
      if (k != i && k != j && has(terms_[k].labels, label)) return true;
    return false;
  }

  Labels labels_behind(size_t i, size_t j) const {
    const auto needed = [&](int label) { return is_needed(label, i, j); };
    const Labels& first = terms_[i].labels;
    return joined({select(first, needed), select(terms_[j].labels, [&](int label) {
                     return !has(first, label) && needed(label);
                   })});
  }

  // Multiplications of i and j, after what each has alone is summed.
  double cost(size_t i, size_t j) const {
    constexpr double kUsualSize = 64;  // where it is known only at run time
    double cost = 1;
    for (const auto& [own, other] : {std::pair(i, j), std::pair(j, i)})
      for (int label : terms_[own].labels) {
        const bool is_shared = has(terms_[other].labels, label);
        if (is_shared ? own == j : !is_needed(label, i, j)) continue;
        const Dim& size = terms_[own].dim(label);
        cost *= size.is_constant() ? static_cast<double>(std::max<int64_t>(1, size.value()))
                                   : kUsualSize;
      }
    return cost;
  }

  // The leftmost of the cheapest pairs; of many operands, neighbours.
  std::pair<size_t, size_t> cheapest() const {
    constexpr size_t kMost = 32;
    std::pair<size_t, size_t> best{0, 1};
    if (terms_.size() > kMost) return best;
    double least = cost(0, 1);
    for (size_t i = 0; i < terms_.size(); ++i)
      for (size_t j = i + 1; j < terms_.size(); ++j)
        if (const double c = cost(i, j); c < least) {
          least = c;
          best = {i, j};
        }
    return best;
  }

  Labels output_;
  std::vector<Operand> terms_;
};

// Einsum(a, b) = Transpose(MatMul(Transpose(a), Transpose(b))), or a Mul where nothing is summed;
// Einsum(a) = Transpose(ReduceSum(a)); of more operands, the cheapest two at a time
bool split_equation(ir::Node& node, Patch& patch) {
  if (node.output() == nullptr || !node.output()->type().has_rank()) return false;
  if (!is_float(node.output()->type().dtype)) return false;
  const auto e = read_equation(node);
  if (!e || e->inputs.empty()) return false;
  auto y = Terms(node, *e).multiply(patch);
  if (!y) return false;
  sum_over(patch, *y, select(y->labels, [&](int l) { return !has(e->output, l); }));
  turn_to(patch, *y, e->output);
  if (y->value == node.input(0) && !same_shape(y->value, node.output())) return false;
  patch.replace(node.output(), y->value);
  return true;
}

constexpr Rule kRules[] = {{"split-einsum", "Einsum", split_equation}};

}  // namespace

bool split_einsum(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
