// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/str.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/infer.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

// Where each symbol can be read: the first axis of a graph input that is that symbol.
struct Source {
  ir::Value* input;
  int axis;
};
using Sources = std::map<std::string, Source>;

Sources find_sources(const ir::Graph& outermost) {
  Sources out;
  for (ir::Value* in : outermost.inputs()) {
    if (!in->type().has_rank()) continue;
    const Shape& shape = *in->type().shape;
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i].is_symbol())
        out.try_emplace(shape[i].symbol_name(), Source{in, static_cast<int>(i)});
  }
  return out;
}

bool is_bound(const Dim& d, const Sources& sources) {
  std::map<std::string, DimRange> symbols;
  d.collect_symbols(symbols);
  return std::all_of(symbols.begin(), symbols.end(),
                     [&](const auto& item) { return sources.count(item.first) != 0; });
}

// Whether the integers of `v` are known as expressions over the dimensions of the graph's inputs.
bool is_resolved(const ir::Value* v, const Sources& sources) {
  if (v == nullptr || !v->contents() || !v->type().is_static()) return false;
  if (v->type().dtype != DType::kI64 && v->type().dtype != DType::kI32) return false;
  if (static_cast<int64_t>(v->contents()->size()) != product(*v->type().shape).value())
    return false;
  return std::all_of(v->contents()->begin(), v->contents()->end(),
                     [&](const auto& item) { return item && is_bound(*item, sources); });
}

class Resolver {
 public:
  explicit Resolver(Sources sources) : sources_(std::move(sources)) {}

  bool resolve(ir::Graph& g) {
    bool changed = false;
    std::vector<ir::Node*> nodes;
    for (const auto& node : g.nodes()) nodes.push_back(node.get());
    for (ir::Node* node : nodes) {
      // A node whose own result is resolved dies with its users.
      const bool dies =
          !node->outputs().empty() &&
          std::all_of(node->outputs().begin(), node->outputs().end(), [&](ir::Value* out) {
            return out == nullptr || (is_resolved(out, sources_) && !out->is_graph_output());
          });
      if (dies && node->op() != "planish.Dims") continue;
      for (size_t i = 0; i < node->inputs().size(); ++i)
        if (ir::Value* better = replacement(g, node, node->inputs()[i])) {
          node->set_input(static_cast<int>(i), better);
          changed = true;
        }
    }
    for (size_t i = 0; i < g.outputs().size(); ++i)
      if (ir::Value* better = replacement(g, nullptr, g.outputs()[i])) {
        g.set_output(static_cast<int>(i), better);
        changed = true;
      }
    return changed;
  }

 private:
  // What `user` should read instead of `v`; null: nothing better is known.
  ir::Value* replacement(ir::Graph& g, ir::Node* user, ir::Value* v) {
    if (v == nullptr || v->producer() == nullptr || !is_resolved(v, sources_)) return nullptr;
    const bool is_constant = std::all_of(v->contents()->begin(), v->contents()->end(),
                                         [](const auto& item) { return item->is_constant(); });
    if (is_constant) {
      Tensor t(v->type().dtype, *constant_dims(*v->type().shape));
      std::vector<int64_t> values;
      for (const auto& item : *v->contents()) values.push_back(item->value());
      store(t, values);
      return g.add_constant("", std::move(t));
    }
    if (v->producer()->op() == "planish.Dims") return nullptr;
    return dims_node(g, user, v);
  }

  ir::Value* dims_node(ir::Graph& g, ir::Node* user, ir::Value* v) {
    std::map<std::string, DimRange> symbols;
    std::vector<std::string> dims;
    for (const auto& item : *v->contents()) {
      item->collect_symbols(symbols);
      dims.push_back(item->to_string());
    }
    std::vector<std::string> names;
    std::vector<int64_t> where;
    std::vector<ir::Value*> inputs;
    for (const auto& [name, range] : symbols) {
      const Source& source = sources_.at(name);
      auto it = std::find(inputs.begin(), inputs.end(), source.input);
      if (it == inputs.end()) it = inputs.insert(inputs.end(), source.input);
      names.push_back(name);
      where.push_back(it - inputs.begin());
      where.push_back(source.axis);
    }
    ir::Node* node =
        g.add_node("planish.Dims", inputs, 1,
                   {.name = v->producer()->name() + ".dims",
                    .attributes = {{"symbols", names},
                                   {"sources", where},
                                   {"dims", dims},
                                   {"scalar", static_cast<int64_t>(v->type().shape->empty())},
                                   {"dtype", static_cast<int64_t>(v->type().dtype)}},
                    .before = user});
    infer_node(*node);
    return node->output();
  }

  Sources sources_;
};

// A Reshape's constant shape argument for `out`, if there is one: constants as they are, a dim that
// the input has at the same axis as 0, one other as -1.
std::optional<std::vector<int64_t>> reshape_argument(const Shape& in, const Shape& out) {
  std::vector<int64_t> argument;
  bool has_zero = false, has_inferred = false;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].is_constant()) {
      has_zero |= out[i].value() == 0;
      argument.push_back(out[i].value());
    } else if (i < in.size() && in[i] == out[i]) {
      argument.push_back(0);
    } else if (!has_inferred) {
      has_inferred = true;
      argument.push_back(-1);
    } else {
      return std::nullopt;
    }
  }
  if (has_zero && (has_inferred || std::count(argument.begin(), argument.end(), 0) !=
                                       std::count_if(out.begin(), out.end(), [](const Dim& d) {
                                         return d.is_constant() && d.value() == 0;
                                       })))
    return std::nullopt;
  // -1 is taken from the element counts, which must be equal for a reason that is proven.
  if (has_inferred && !(product(in) == product(out))) return std::nullopt;
  return argument;
}

bool is_reshape_like(const std::string& op) {
  return op == "Reshape" || op == "Squeeze" || op == "Unsqueeze" || op == "Flatten";
}

// Reshape(x, shape) = Reshape(x, constant); Reshape(Reshape(x)) = Reshape(x); Reshape(x, shape of
// x) = x
bool canonical_reshape(ir::Node& node, Patch& patch) {
  ir::Value* x = node.input(0);
  ir::Value* y = node.output();
  if (x == nullptr || y == nullptr || !x->type().has_rank() || !y->type().has_rank()) return false;
  const Shape& out = *y->type().shape;
  std::optional<std::vector<int64_t>> argument;
  ir::Value* base = nullptr;
  // From as far below as a constant can still say the shape.
  for (ir::Value* v = x;; v = v->producer()->input(0)) {
    if (!v->type().has_rank()) break;
    if (*v->type().shape == out) {
      patch.replace(y, v);
      return true;
    }
    if (auto found = reshape_argument(*v->type().shape, out)) {
      argument = std::move(found);
      base = v;
    }
    if (v->producer() == nullptr || !is_reshape_like(v->producer()->op())) break;
  }
  if (base == nullptr) return false;
  const bool allow_zero = std::any_of(
      out.begin(), out.end(), [](const Dim& d) { return d.is_constant() && d.value() == 0; });
  if (node.op() == "Reshape" && base == x && constant_integers(node.input(1)) == argument &&
      (node.attributes().integer("allowzero", 0) != 0) == allow_zero)
    return false;
  Attributes attributes;
  if (allow_zero) attributes.set("allowzero", int64_t{1});
  ir::Value* made = patch.add("Reshape", {base, patch.constant(*argument)}, std::move(attributes));
  made->set_type(y->type());
  patch.replace(y, made);
  return true;
}

constexpr Rule kReshapeRules[] = {
    {"canonical-reshape", "Reshape", canonical_reshape},
    {"canonical-squeeze", "Squeeze", canonical_reshape},
    {"canonical-unsqueeze", "Unsqueeze", canonical_reshape},
    {"canonical-flatten", "Flatten", canonical_reshape},
};

}  // namespace

bool resolve_contents(ir::Graph& graph, PassContext& context) {
  Resolver resolver(find_sources(graph));
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) { changed |= resolver.resolve(g); });
  if (changed) erase_dead_nodes(graph, context);
  return changed;
}

bool canonicalize_reshapes(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kReshapeRules, context);
}

}  // namespace planish::passes
