// SPDX-License-Identifier: Apache-2.0
#include "backend/ref/compile/lower.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/str.h"
#include "plan/dim_text.h"
#include "plan/verify.h"
#include "planish/error.h"

namespace planish::ref {
namespace {

using plan::Storage;

// Ops that give other dims to the same elements.
bool is_view(const std::string& op) {
  static const std::set<std::string, std::less<>> kViews = {"Flatten", "Identity", "Reshape",
                                                            "Squeeze", "Unsqueeze"};
  return kViews.count(op) != 0;
}

// Values of enclosing graphs that a graph uses, in order of first use; constants are not captured.
class Captures {
 public:
  explicit Captures(const ir::Graph& graph) : graph_(graph) { visit(graph); }
  const std::vector<const ir::Value*>& values() const { return values_; }

 private:
  void add(const ir::Value* value) {
    if (value == nullptr || value->is_constant() || graph_.encloses(value->graph())) return;
    if (seen_.insert(value).second) values_.push_back(value);
  }
  void visit(const ir::Graph& graph) {
    for (const auto& node : graph.nodes()) {
      for (const ir::Value* in : node->inputs()) add(in);
      for (const auto& [name, sub] : node->subgraphs()) visit(*sub);
    }
    for (const ir::Value* out : graph.outputs()) add(out);
  }

  const ir::Graph& graph_;
  std::vector<const ir::Value*> values_;
  std::set<const ir::Value*> seen_;  // for membership alone, so its order does not matter
};

// The plan's constants, each content once.
class Constants {
 public:
  explicit Constants(std::vector<plan::Constant>& out) : out_(out) {}

  int32_t add(const Tensor& tensor) {
    std::vector<int32_t>& same_hash = by_hash_[hash(tensor)];
    for (int32_t i : same_hash)
      if (equal(Attribute(sources_[static_cast<size_t>(i)]), Attribute(tensor))) return i;
    const auto index = static_cast<int32_t>(out_.size());
    out_.push_back(plan::make_constant(tensor));
    sources_.push_back(tensor);
    same_hash.push_back(index);
    return index;
  }

 private:
  static Hash128 hash(const Tensor& tensor) {
    Hasher hasher;
    hasher.add(tensor.dtype()).add(std::span<const int64_t>(tensor.dims()));
    if (tensor.dtype() == DType::kString)
      for (const std::string& s : tensor.string_values()) hasher.add(s);
    else
      hasher.update(tensor.data(), tensor.bytes());
    return hasher.digest128();
  }

  std::vector<plan::Constant>& out_;
  std::vector<Tensor> sources_;
  std::map<Hash128, std::vector<int32_t>> by_hash_;
};

struct Lowering {
  const ChooseStep& choose;
  plan::Plan& plan;
  Constants constants;
  std::map<std::string, DimRange> symbols;
  int next_symbol = 0;

  // Types as a plan holds them: expressions that are too large become symbols of their own.
  Type storable(Type type) {
    if (type.element) type.element = std::make_shared<const Type>(storable(*type.element));
    if (!type.shape) return type;
    for (Dim& d : *type.shape) {
      if (!plan::is_storable(d)) d = Dim::symbol(concat("??", ++next_symbol));
      d.collect_symbols(symbols);
    }
    return type;
  }
};

// Lowers one graph into one program.
class ProgramLowering {
 public:
  ProgramLowering(Lowering& lowering, const ir::Graph& graph, const plan::SymbolSet& around)
      : lowering_(lowering), graph_(graph), around_(around) {}

  void run(size_t index, const std::vector<const ir::Value*>& captured) {
    program_.name = graph_.name();
    for (const ir::Value* in : graph_.inputs()) add_input(in);
    for (const ir::Value* in : captured) add_input(in);
    bound_ = plan::symbols_bound_by_inputs(program_, around_);
    seen_ = bound_;
    find_live_nodes();
    for (const auto& node : graph_.nodes())
      if (live_.count(node.get()) != 0) add_node(*node);
    for (const ir::Value* out : graph_.outputs()) program_.outputs.push_back(id(out));
    lowering_.plan.programs[index] = std::move(program_);
  }

 private:
  plan::Value& value(int32_t v) { return program_.values[static_cast<size_t>(v)]; }

  int32_t add_value(plan::Value value) {
    program_.values.push_back(std::move(value));
    return static_cast<int32_t>(program_.values.size()) - 1;
  }

  void add_input(const ir::Value* in) {
    const auto index = static_cast<int32_t>(program_.inputs.size());
    const int32_t v = add_value({.name = in->name(),
                                 .type = lowering_.storable(in->type()),
                                 .storage = Storage::kInput,
                                 .index = index});
    program_.inputs.push_back(v);
    ids_[in] = v;
  }

  int32_t add_constant(const std::string& name, const Tensor& tensor) {
    return add_value(
        {.name = name,
         .type = Type::tensor(tensor.dtype(), Shape(tensor.dims().begin(), tensor.dims().end())),
         .storage = Storage::kConstant,
         .index = lowering_.constants.add(tensor)});
  }

  int32_t id(const ir::Value* v) {
    if (v == nullptr) return -1;
    const auto it = ids_.find(v);
    if (it != ids_.end()) return it->second;
    if (!v->is_constant())
      throw Error(ErrorCode::kInternal,
                  concat("value ", v->name(), " is lowered before it is made"));
    return ids_[v] = add_constant(v->name(), v->constant());
  }

  bool is_known(const Type& type) const {
    return plan::has_known_dims(type, bound_) && dtype_bits(type.dtype) != 0 &&
           std::all_of(type.shape->begin(), type.shape->end(), plan::is_storable);
  }

  // A view whose output lies where its input does; the inputs that say how are not needed then.
  bool is_alias(const ir::Node& node) const {
    return is_view(node.op()) && node.output() != nullptr && node.input(0) != nullptr &&
           is_known(node.output()->type()) && is_known(node.input(0)->type());
  }

  // Nodes that an output depends on. Those that compute the shape of an alias are not among them.
  void find_live_nodes() {
    std::set<const ir::Value*> needed(graph_.outputs().begin(), graph_.outputs().end());
    for (auto it = graph_.nodes().rbegin(); it != graph_.nodes().rend(); ++it) {
      const ir::Node& node = **it;
      const auto& outputs = node.outputs();
      if (std::none_of(outputs.begin(), outputs.end(), [&](const ir::Value* out) {
            return out != nullptr && needed.count(out) != 0;
          }))
        continue;
      live_.insert(&node);
      if (is_alias(node)) {
        needed.insert(node.input(0));
        continue;
      }
      needed.insert(node.inputs().begin(), node.inputs().end());
      for (const auto& [name, graph] : node.subgraphs()) {
        const Captures captures(*graph);
        needed.insert(captures.values().begin(), captures.values().end());
      }
    }
  }

  void add_node(const ir::Node& node) {
    plan::Step step{.op = node.op(), .node = node.name()};
    std::optional<StepChoice> choice =
        lowering_.choose && is_choosable(node) ? lowering_.choose(node) : std::nullopt;
    if (choice) {
      take_choice(node, *choice, step);
    } else {
      step.kernel = is_view(node.op()) ? "alias" : "ref";
      step.attributes = node.attributes();
      // An alias needs no shape argument: what computes it may not have been lowered.
      if (is_alias(node))
        step.inputs.push_back(id(node.input(0)));
      else
        for (const ir::Value* in : node.inputs()) step.inputs.push_back(id(in));
    }
    if (!choice || choice->keep_subgraphs)
      for (const auto& [name, graph] : node.subgraphs()) add_subgraph(name, *graph, step);
    for (const ir::Value* out : node.outputs())
      step.outputs.push_back(out ? add_output(out, is_alias(node), step) : -1);
    program_.steps.push_back(std::move(step));
  }

  // Will all sizes be known when the step runs?
  bool is_choosable(const ir::Node& node) const {
    return std::all_of(node.outputs().begin(), node.outputs().end(), [&](const ir::Value* out) {
      return out == nullptr ||
             (plan::has_known_dims(out->type(), seen_) && dtype_bits(out->type().dtype) != 0 &&
              std::all_of(out->type().shape->begin(), out->type().shape->end(), plan::is_storable));
    });
  }

  void take_choice(const ir::Node& node, StepChoice& choice, plan::Step& step) {
    step.kernel = std::move(choice.kernel);
    step.attributes = choice.attributes ? std::move(*choice.attributes) : node.attributes();
    step.tactic = std::move(choice.tactic);
    if (!choice.inputs) {
      for (const ir::Value* in : node.inputs()) step.inputs.push_back(id(in));
      return;
    }
    for (const StepChoice::Input& in : *choice.inputs) {
      if (const auto* tensor = std::get_if<Tensor>(&in))
        step.inputs.push_back(add_constant(concat(node.name(), ":", step.inputs.size()), *tensor));
      else
        step.inputs.push_back(id(std::get<const ir::Value*>(in)));
    }
  }

  void add_subgraph(const std::string& name, const ir::Graph& graph, plan::Step& step) {
    const Captures captures(graph);
    plan::Subprogram sub{.name = name,
                         .program = static_cast<int32_t>(lowering_.plan.programs.size())};
    for (const ir::Value* v : captures.values()) sub.captured.push_back(id(v));
    lowering_.plan.programs.emplace_back();
    ProgramLowering(lowering_, graph, bound_)
        .run(static_cast<size_t>(sub.program), captures.values());
    step.subprograms.push_back(std::move(sub));
  }

  int32_t add_output(const ir::Value* out, bool is_alias, const plan::Step& step) {
    plan::Value made{.name = out->name(), .type = lowering_.storable(out->type())};
    made.storage = is_known(made.type) ? Storage::kPlanned : Storage::kDynamic;
    if (is_alias) make_alias(step.inputs[0], made);
    if (made.type.has_rank())
      for (const Dim& d : *made.type.shape)
        if (d.is_symbol()) seen_.insert(d.symbol_name());
    return ids_[out] = add_value(std::move(made));
  }

  void make_alias(int32_t v, plan::Value& made) {
    const plan::Value& source = value(v);
    const bool is_chain = source.storage == Storage::kAlias;
    made.storage = Storage::kAlias;
    made.index = is_chain ? source.index : v;
    made.offset = is_chain ? source.offset : Dim(0);
  }

  Lowering& lowering_;
  const ir::Graph& graph_;
  const plan::SymbolSet& around_;
  plan::Program program_;
  plan::SymbolSet bound_;
  plan::SymbolSet seen_;  // bound by now: by inputs, or by the sizes of what was made
  std::set<const ir::Node*> live_;
  std::unordered_map<const ir::Value*, int32_t> ids_;
};

}  // namespace

void lower(const ir::Graph& graph, const ChooseStep& choose, plan::Plan& plan) {
  plan.constants.clear();
  plan.programs.assign(1, {});
  Lowering lowering{
      .choose = choose, .plan = plan, .constants = Constants(plan.constants), .symbols = {}};
  ProgramLowering(lowering, graph, {}).run(0, {});
  plan.symbols.clear();
  for (const auto& [name, range] : lowering.symbols) plan.symbols.push_back({name, range});
  plan.inputs.clear();
  plan.outputs.clear();
  const plan::Program& main = plan.main();
  for (size_t i = 0; i < main.inputs.size(); ++i)
    plan.inputs.push_back(
        {graph.inputs()[i]->name(), main.values[static_cast<size_t>(main.inputs[i])].type});
  for (size_t i = 0; i < main.outputs.size(); ++i)
    plan.outputs.push_back({graph.output_name(static_cast<int>(i)),
                            main.values[static_cast<size_t>(main.outputs[i])].type});
  if (plan.metadata.empty()) plan.metadata = graph.metadata();
  try {
    plan::verify(plan);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInternal, concat("lowering made a wrong plan: ", error.what()));
  }
}

}  // namespace planish::ref
