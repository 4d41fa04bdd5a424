// SPDX-License-Identifier: Apache-2.0
#include "passes/rewrite.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/str.h"
#include "ops/control_flow.h"
#include "ops/op.h"
#include "passes/infer.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::passes {

ir::Value* Patch::add(const std::string& op, std::vector<ir::Value*> inputs,
                      Attributes attributes) {
  return add_node(op, std::move(inputs), 1, std::move(attributes))->output();
}

ir::Node* Patch::add_node(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                          Attributes attributes) {
  ir::Node* node = add_node_with_body(op, std::move(inputs), outputs, std::move(attributes));
  infer(node);
  return node;
}

ir::Node* Patch::add_node_with_body(const std::string& op, std::vector<ir::Value*> inputs,
                                    int outputs, Attributes attributes) {
  ir::Node* node = root_.graph()->add_node(op, std::move(inputs), outputs,
                                           {.name = concat(root_.name(), "/", op),
                                            .attributes = std::move(attributes),
                                            .before = &root_});
  nodes_.push_back(node);
  return node;
}

void Patch::infer(ir::Node* node) { infer_node(*node); }

ir::Value* Patch::constant(Tensor tensor) {
  return root_.graph()->add_constant("", std::move(tensor));
}

namespace {

// What a replacement must share with the value that it replaces.
void check_replacement(std::string_view rule, const ir::Value* from, const ir::Value* to) {
  const Type& a = from->type();
  const Type& b = to->type();
  bool fits = a.kind == b.kind || a.kind == Type::Kind::kUnknown;
  if (fits && a.is_tensor()) {
    fits = a.dtype == b.dtype || a.dtype == DType::kUndefined;
    if (a.shape && b.shape) {
      fits &= a.shape->size() == b.shape->size();
      for (size_t i = 0; fits && i < a.shape->size(); ++i)
        fits = !Dim::differs((*a.shape)[i], (*b.shape)[i]);
    }
  }
  if (!fits)
    throw Error(ErrorCode::kInternal, concat("rule ", rule, " replaces %", from->name(),
                                             " of type ", a.to_string(), " by ", b.to_string()));
}

// Collects the names of the model's nodes that `node` stands for.
std::vector<std::string> origins_of(const ir::Node& node) {
  return node.origins().empty() ? std::vector<std::string>{node.name()} : node.origins();
}

// Erases node `id` of `graph` and then its producers, as far as they are there and useless.
void erase_useless(ir::Graph& graph, int id, std::vector<std::string>& origins) {
  std::vector<int> stack = {id};
  while (!stack.empty()) {
    ir::Node* next = graph.find_node(stack.back());
    stack.pop_back();
    if (next == nullptr) continue;
    const bool used = std::any_of(next->outputs().begin(), next->outputs().end(),
                                  [](ir::Value* v) { return v != nullptr && !v->uses().empty(); });
    if (used || !get_op(next->op()).is_pure) continue;
    for (std::string& name : origins_of(*next))
      if (std::find(origins.begin(), origins.end(), name) == origins.end())
        origins.push_back(std::move(name));
    for (ir::Value* in : next->inputs())
      if (in != nullptr && in->producer() != nullptr && in->graph() == &graph)
        stack.push_back(in->producer()->id());
    graph.erase(next);
  }
}

}  // namespace

namespace {

bool is_made_up(const Dim& d) { return d.is_symbol() && d.symbol_name().starts_with('?'); }

// What is known of `from` holds for `to`, which takes its place: constant dims win, then the dims
// that the users of `from` were inferred with.
void keep_knowledge(const ir::Value* from, ir::Value* to, bool is_new) {
  if (from->contents() && !to->contents() && !to->is_constant()) to->set_contents(from->contents());
  if (!from->type().has_rank() || to->is_constant()) return;
  if (!to->type().has_rank()) return to->set_type(from->type());
  Type merged = to->type();
  for (size_t i = 0; i < merged.shape->size(); ++i) {
    Dim& d = (*merged.shape)[i];
    const Dim& known = (*from->type().shape)[i];
    if (known.is_constant() || is_made_up(d) || (is_new && !d.is_constant() && !is_made_up(known)))
      d = known;
  }
  to->set_type(std::move(merged));
}

// The axes that `name` ends with, "y~0231": as many as `rank`, else none.
std::vector<int64_t> axes_of_name(const std::string& name, size_t rank) {
  if (name.size() <= rank || name[name.size() - rank - 1] != '~') return {};
  std::vector<int64_t> axes;
  for (size_t i = name.size() - rank; i < name.size(); ++i) axes.push_back(name[i] - '0');
  std::vector<int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < rank; ++i)
    if (sorted[i] != static_cast<int64_t>(i)) return {};
  return axes;
}

// The name of v, where Transpose(v) {perm} is called `name`.
std::string untransposed_name(const std::string& name, const std::vector<int64_t>& perm) {
  const size_t rank = perm.size();
  const std::vector<int64_t> known = axes_of_name(name, rank);
  std::string base = known.empty() ? name : name.substr(0, name.size() - rank - 1), axes(rank, '0');
  bool is_same = true;
  for (size_t i = 0; i < rank; ++i) {
    const auto at = static_cast<size_t>(perm[i]);
    const int64_t axis = known.empty() ? static_cast<int64_t>(i) : known[i];
    axes[at] = static_cast<char>('0' + axis);
    is_same &= static_cast<size_t>(axis) == at;
  }
  return is_same ? base : base + '~' + axes;
}

// If `made` is a new node's result transposed, that result is the named value in another order of
// axes, and its name says so: "y~0231" is Transpose(y) {perm=[0, 2, 3, 1]}.
void name_transposed(ir::Graph& graph, const ir::Value* made, const std::vector<ir::Node*>& nodes) {
  const ir::Node& transpose = *made->producer();
  if (transpose.op() != "Transpose" || !transpose.attributes().has("perm")) return;
  const std::vector<int64_t>& perm = transpose.attributes().integers("perm");
  ir::Value* source = transpose.input(0);
  constexpr size_t kMaxRank = 10;  // an axis is one digit
  if (perm.size() > kMaxRank || source->producer() == nullptr ||
      std::find(nodes.begin(), nodes.end(), source->producer()) == nodes.end())
    return;
  graph.rename(source, untransposed_name(made->name(), perm));
}

}  // namespace

void Patch::apply(std::string_view rule) {
  ir::Graph& graph = *root_.graph();
  std::vector<int> useless = {root_.id()};
  const std::string name = root_.name();
  const int root = root_.id();
  ir::Node* heir = nullptr;  // the new node that takes the root's name
  std::string value_name;
  for (auto& [from, to] : replacements_) {
    check_replacement(rule, from, to);
    const bool is_new = std::find(nodes_.begin(), nodes_.end(), to->producer()) != nodes_.end();
    keep_knowledge(from, to, is_new);
    if (is_new && heir == nullptr && from->producer() == &root_ && to->output_index() == 0) {
      heir = to->producer();
      value_name = from->name();
    }
    if (from->producer() != nullptr && from->graph() == &graph)
      useless.push_back(from->producer()->id());
    graph.replace_uses(from, to);
  }
  std::vector<std::string> origins;
  for (int id : useless) erase_useless(graph, id, origins);
  for (ir::Node* node : nodes_) node->add_origins(origins);
  if (heir != nullptr && graph.find_node(root) == nullptr) {
    graph.rename(heir, name);
    graph.rename(heir->output(), value_name);
    name_transposed(graph, heir->output(), nodes_);
  }
  nodes_.clear();
}

void Patch::abandon() {
  for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) (*it)->graph()->erase(*it);
  nodes_.clear();
}

namespace {

bool is_in_branch(const ir::Graph& g) {
  for (const ir::Node* owner = g.owner(); owner != nullptr; owner = owner->graph()->owner())
    if (owner->op() == "If") return true;
  return false;
}

bool apply_rules_once(ir::Graph& g, const std::multimap<std::string_view, const Rule*>& by_op,
                      const std::vector<const Rule*>& any, PassContext& context) {
  bool changed = false;
  std::vector<int> ids;
  for (const auto& node : g.nodes()) ids.push_back(node->id());
  for (int id : ids) {
    ir::Node* node = g.find_node(id);
    if (node == nullptr) continue;
    auto attempt = [&](const Rule& rule) {
      Patch patch(*node);
      bool fired = false;
      try {
        fired = rule.apply(*node, patch);
      } catch (const Error& error) {
        patch.abandon();
        // The nodes of a branch that never runs may contradict one another.
        if (!is_in_branch(g) || !is_contradiction(error)) throw;
      } catch (...) {
        patch.abandon();
        throw;
      }
      if (!fired) {
        patch.abandon();
        return false;
      }
      patch.apply(rule.name);
      ++context.fired[rule.name];
      return true;
    };
    bool fired = false;
    const auto [first, last] = by_op.equal_range(node->op());
    for (auto it = first; it != last && !fired; ++it) fired = attempt(*it->second);
    for (size_t i = 0; i < any.size() && !fired; ++i) fired = attempt(*any[i]);
    if (!fired) continue;
    changed = true;
    if (context.check_cancelled) context.check_cancelled();
  }
  return changed;
}

}  // namespace

bool apply_rules(ir::Graph& graph, std::span<const Rule> rules, PassContext& context) {
  std::multimap<std::string_view, const Rule*> by_op;
  std::vector<const Rule*> any;
  for (const Rule& rule : rules) {
    if (rule.op != nullptr)
      by_op.emplace(rule.op, &rule);
    else
      any.push_back(&rule);
  }
  constexpr int kMaxRounds = 8;
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) {
    for (int round = 0; round < kMaxRounds; ++round) {
      if (!apply_rules_once(g, by_op, any, context)) break;
      changed = true;
    }
    g.erase_unused_constants();
  });
  return changed;
}

bool splat_value(const ir::Value* value, double* out) {
  if (value == nullptr || !value->is_constant()) return false;
  const Tensor& t = value->constant();
  if (t.count() == 0 || (!is_float(t.dtype()) && !is_integer(t.dtype()))) return false;
  const double first = element<double>(t, 0);
  if (std::isnan(first)) return false;
  constexpr int64_t kChunk = 256;
  double chunk[kChunk];
  for (int64_t i = 0; i < t.count(); i += kChunk) {
    const int64_t n = std::min(kChunk, t.count() - i);
    load<double>(t, i, n, chunk);
    for (int64_t k = 0; k < n; ++k)
      if (!(chunk[k] == first)) return false;
  }
  *out = first;
  return true;
}

bool is_splat(const ir::Value* value, double wanted) {
  double v = 0;
  return splat_value(value, &v) && v == wanted;
}

ir::Node* producer_any_users(const ir::Value* value, std::string_view op) {
  if (value == nullptr || value->producer() == nullptr || value->producer()->op() != op)
    return nullptr;
  return value->producer();
}

bool has_one_use(const ir::Value* value) { return value->uses().size() == 1; }

ir::Node* producer(const ir::Value* value, std::string_view op) {
  ir::Node* p = producer_any_users(value, op);
  return p != nullptr && has_one_use(value) && value->uses()[0].graph == value->graph() ? p
                                                                                        : nullptr;
}

std::optional<std::vector<int64_t>> constant_integers(const ir::Value* value) {
  if (value == nullptr || !value->is_constant() || !is_integer(value->constant().dtype()))
    return std::nullopt;
  return load<int64_t>(value->constant());
}

bool is_false(const ir::Value* value) {
  return value->is_constant() && value->constant().count() == 1 &&
         dtype_class(value->constant().dtype()) != DTypeClass::kString &&
         element<double>(value->constant(), 0) == 0;
}

bool is_empty(const ir::Value* value) {
  return value->is_constant() && value->constant().count() == 0;
}

bool same_shape(const ir::Value* a, const ir::Value* b) {
  return a->type().has_rank() && b->type().has_rank() && *a->type().shape == *b->type().shape;
}

}  // namespace planish::passes
