// SPDX-License-Identifier: Apache-2.0
#include "random_check.h"

#include <algorithm>
#include <cmath>

#include "apart.h"
#include "backend/cpu/kernels/isa.h"
#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "compiler/builder.h"
#include "ir/text.h"
#include "ops/op.h"
#include "passes/infer.h"
#include "passes/pass.h"
#include "plan/reader.h"
#include "plan/writer.h"
#include "planish/error.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "tensor/elements.h"

namespace planish::dev {
namespace {

// Perturbed runs of each model, and of one whose outputs differ before it is called wrong: where
// two values are nearly the same, a choice between them (ArgMax, Hardmax, TopK) may hold in a few
// runs.
constexpr size_t kPerturbedRuns = 3, kMorePerturbedRuns = 24;
constexpr ApartLimits kLimits = {.cpu_seconds = 20, .wall_seconds = 300};

double rounding_of(DType type) {
  if (type == DType::kF16) return 2e-3;
  if (type == DType::kBF16) return 1.6e-2;
  return 4e-6;
}

// Each result of an op that rounds is moved a little, each element by another factor.
void perturb(ir::Graph& graph, int round) {
  std::vector<ir::Node*> nodes;
  for (const auto& node : graph.nodes()) nodes.push_back(node.get());
  for (ir::Node* node : nodes)
    for (const auto& [name, body] : node->subgraphs()) perturb(*body, round);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const OpDef& op = get_op(nodes[i]->op());
    if (op.is_pointwise && op.tolerance.relative == 0) continue;
    if (op.tolerance.relative == 0 && nodes[i]->subgraphs().empty()) continue;
    ir::Node* next = i + 1 < nodes.size() ? nodes[i + 1] : nullptr;
    for (ir::Value* v : nodes[i]->outputs()) {
      if (v == nullptr || !v->type().is_tensor() || !is_float(v->type().dtype)) continue;
      const DType type = v->type().dtype;
      const std::vector<ir::Use> uses = v->uses();
      const auto add = [&](const char* name, std::vector<ir::Value*> inputs,
                           Attributes attributes = {}) {
        ir::Node* node = graph.add_node(
            name, std::move(inputs), 1,
            {.name = {}, .attributes = std::move(attributes), .wanted = {}, .before = next});
        passes::infer_node(*node, passes::Known::kIgnore);
        return node->output();
      };
      const double reach = rounding_of(type);
      ir::Value* factor =
          add("RandomUniformLike", {v},
              {{"low", 1 - reach},
               {"high", 1 + reach},
               {"seed", static_cast<double>(1000 * round + static_cast<int>(i) + 1)}});
      ir::Value* moved = add("Where", {add("IsInf", {v}), v, add("Mul", {v, factor})});
      for (const ir::Use& use : uses)
        if (use.node != nullptr)
          use.node->set_input(use.index, moved);
        else
          use.graph->set_output(use.index, moved);
    }
  }
}

// Empty if an input cannot have these sizes.
std::vector<Datum> random_inputs(const ir::Graph& graph, const Sizes& sizes, uint64_t seed) {
  Random random(seed);
  std::vector<Datum> out;
  for (const ir::Value* in : graph.inputs()) {
    const auto dims = concrete_dims(in->type(), sizes);
    if (!dims) return {};
    out.emplace_back(random_tensor(random, in->type().dtype, *dims));
  }
  return out;
}

using Outputs = std::vector<Datum>;

// Results of the interpreter, and those of perturbed runs.
struct Expected {
  Outputs exact;
  std::vector<Outputs> moved;
  std::string error;  // why there are none
};

Outputs interpret(const ir::Graph& graph, const std::vector<Datum>& inputs) {
  RunBudget budget;
  return ref::interpret(graph, inputs, budget);
}

// Whether the dims of output i are the same in every perturbed run.
bool size_is_certain(const Expected& expected, size_t i) {
  return std::all_of(expected.moved.begin(), expected.moved.end(), [&](const Outputs& run) {
    return run[i].tensor().dims() == expected.exact[i].tensor().dims();
  });
}

// What differs in output i; empty if nothing that matters.
std::string tensor_difference(const Tensor& got, const Expected& expected, size_t i) {
  const Tensor& exact = expected.exact[i].tensor();
  std::vector<std::vector<double>> moved;
  for (const Outputs& run : expected.moved) moved.push_back(load<double>(run[i].tensor()));
  // A loop of no iterations does not know the sizes of what it gathers.
  if (got.count() == 0 && exact.count() == 0 && got.rank() == exact.rank()) return {};
  if (got.dtype() != exact.dtype() || got.dims() != exact.dims())
    return concat("expected ", dtype_name(exact.dtype()), " ", dims_to_string(exact.dims()),
                  ", got ", dtype_name(got.dtype()), " ", dims_to_string(got.dims()));
  const std::vector<double> x = load<double>(exact), y = load<double>(got);
  double greatest = 0;
  for (double v : x)
    if (std::isfinite(v)) greatest = std::max(greatest, std::fabs(v));
  const double rounding = is_float(exact.dtype()) ? 4 * rounding_of(exact.dtype()) * greatest : 0;
  for (size_t e = 0; e < x.size(); ++e) {
    if (x[e] == y[e] || (std::isnan(x[e]) && std::isnan(y[e]))) continue;
    double spread = 0;
    bool is_wild = false;
    for (const auto& run : moved) {
      is_wild |= !std::isfinite(run[e]) || !std::isfinite(x[e])
                     ? !(run[e] == x[e] || (std::isnan(run[e]) && std::isnan(x[e])))
                     : false;
      spread = std::max(spread, std::fabs(run[e] - x[e]));
    }
    if (is_wild || std::fabs(x[e] - y[e]) <= rounding + 20 * spread) continue;
    return concat("element ", e, " of ", x.size(), ": expected ", x[e], ", got ", y[e], " (spread ",
                  spread, ", greatest ", greatest, ")");
  }
  return {};
}

Options random_options(Random& random) {
  static const std::vector<std::string> kIsas = [] {
    std::vector<std::string> isas = {"auto", "auto"};
    for (const cpu::Isa isa : cpu::kAllIsas)
      if (cpu::isa_supported(isa)) isas.emplace_back(cpu::isa_name(isa));
    return isas;
  }();
  Options options;
  options.device = "cpu";
  options.level = 0;
  options.threads = random.chance(50) ? 1 : 3;
  options.isa = random.of(kIsas);
  options.reference = random.chance(5);
  return options;
}

bool same_bits(const Outputs& a, const Outputs& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(Attribute(a[i].tensor()), Attribute(b[i].tensor()))) return false;
  return true;
}

// Whether a value inside has a dim that is negative at these sizes: a window that is larger than
// what it slides over. The shape rules of the interpreter make it 0, where an engine refuses.
bool has_negative_dim(const ir::Graph& graph, const Sizes& sizes) {
  const auto lookup = [&](const std::string& name) -> std::optional<int64_t> {
    const auto it = sizes.find(name);
    return it == sizes.end() ? std::nullopt : std::optional<int64_t>(it->second);
  };
  for (const auto& node : graph.nodes()) {
    for (const ir::Value* v : node->outputs()) {
      if (v == nullptr || !v->type().has_rank()) continue;
      for (const Dim& d : *v->type().shape)
        if (d.evaluate(lookup).value_or(0) < 0) return true;
    }
    for (const auto& [name, body] : node->subgraphs())
      if (has_negative_dim(*body, sizes)) return true;
  }
  return false;
}

std::unique_ptr<ir::Graph> copy_of(const ir::Graph& graph) {
  auto copy = ir::parse(ir::print(graph));
  passes::infer_types(*copy, passes::Known::kIgnore);
  return copy;
}

// Perturbed forms of a graph, made when they are asked for.
class PerturbedGraphs {
 public:
  explicit PerturbedGraphs(const ir::Graph& graph) : graph_(graph) {}

  const ir::Graph& at(size_t round) {
    while (graphs_.size() <= round) {
      graphs_.push_back(copy_of(graph_));
      perturb(*graphs_.back(), static_cast<int>(graphs_.size()) - 1);
    }
    return *graphs_[round];
  }

 private:
  const ir::Graph& graph_;
  std::vector<std::unique_ptr<ir::Graph>> graphs_;
};

// Runs perturbed graphs until there are `count` results.
void expect_moved(PerturbedGraphs& perturbed, const std::vector<Datum>& inputs, size_t count,
                  Expected& expected) {
  for (size_t round = expected.moved.size(); round < count; ++round)
    expected.moved.push_back(interpret(perturbed.at(round), inputs));
}

Expected expect(const ir::Graph& graph, PerturbedGraphs& perturbed,
                const std::vector<Datum>& inputs) {
  Expected expected;
  try {
    expected.exact = interpret(graph, inputs);
    expect_moved(perturbed, inputs, kPerturbedRuns, expected);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kInternal) throw Error(e.code(), concat("interpreter: ", e.what()));
    expected.error = concat(e.code_name(), ": ", e.what());
  }
  return expected;
}

CheckResult not_compared(const char* why) { return {{}, {}, {why}}; }

CheckResult check_outputs(const ir::Graph& graph, const Outputs& got, const Expected& expected) {
  CheckResult result;
  for (size_t i = 0; i < got.size(); ++i) {
    if (!size_is_certain(expected, i)) {
      result.not_compared = {"sizes that hang on rounding"};
      continue;
    }
    const std::string found = tensor_difference(got[i].tensor(), expected, i);
    if (!found.empty())
      return {"wrong output",
              concat("output ", i, " (", graph.output_name(static_cast<int>(i)), "): ", found),
              {}};
  }
  return result;
}

CheckResult check_run(Context& context, const ir::Graph& graph, PerturbedGraphs& perturbed,
                      const Sizes& sizes, uint64_t seed) {
  const std::vector<Datum> inputs = random_inputs(graph, sizes, seed);
  if (inputs.size() != graph.inputs().size()) return not_compared("sizes that inputs cannot have");
  Expected expected = expect(graph, perturbed, inputs);
  Outputs got, again;
  try {
    got = context.run(inputs);
    again = context.run(inputs);
  } catch (const Error& e) {
    const std::string what = concat(e.code_name(), ": ", e.what());
    if (e.code() == ErrorCode::kInternal) return {"internal", what, {}};
    if (!expected.error.empty()) return not_compared("both refuse");
    if (e.code() == ErrorCode::kInvalidShape && has_negative_dim(graph, sizes))
      return not_compared("windows larger than what they slide over");
    return {"refused", what, {}};
  }
  if (!same_bits(got, again)) return {"other bits", "a second run gives other bits", {}};
  // A node that fails may have been dead, or fail only where rounding has been moved.
  if (!expected.error.empty()) return not_compared("the interpreter refuses");
  CheckResult result = check_outputs(graph, got, expected);
  if (result.kind.empty()) return result;
  expect_moved(perturbed, inputs, kPerturbedRuns + kMorePerturbedRuns, expected);
  return check_outputs(graph, got, expected);
}

// Whether the interpreter can run the graph at any of the sizes.
bool can_run(const ir::Graph& graph, const std::vector<Sizes>& sizes, uint64_t seed) {
  for (size_t run = 0; run < sizes.size(); ++run) {
    const std::vector<Datum> inputs = random_inputs(graph, sizes[run], seed + run);
    if (inputs.size() != graph.inputs().size()) continue;
    try {
      interpret(graph, inputs);
      return true;
    } catch (const Error&) {
      continue;
    }
  }
  return false;
}

}  // namespace

CheckResult check_graph(const ir::Graph& graph, const std::vector<Sizes>& sizes, uint64_t seed) {
  Random random(seed ^ 0x9E3779B97F4A7C15U);
  PerturbedGraphs perturbed(graph);
  BuildRequest request;
  request.options = random_options(random);
  const auto original = copy_of(graph);
  std::unique_ptr<Context> context;
  try {
    const auto bytes = plan::write_plan(build_graph(copy_of(graph), request));
    EngineOptions options{.threads = static_cast<int>(request.options.threads)};
    options.isa = request.options.isa;
    options.poison = true;
    context = Engine::create(plan::read_plan(std::span<const std::byte>(bytes)), options)
                  ->create_context();
  } catch (const Error& e) {
    const std::string what = concat(e.code_name(), ": ", e.what());
    if (e.code() == ErrorCode::kInternal) return {"internal", what, {}};
    if (can_run(*original, sizes, seed)) return {"build refused", what, {}};
    return {{}, {}, std::vector<std::string>(sizes.size(), "both refuse")};
  }
  CheckResult all;
  for (size_t run = 0; run < sizes.size(); ++run) {
    CheckResult result = check_run(*context, *original, perturbed, sizes[run], seed + run);
    all.not_compared.insert(all.not_compared.end(), result.not_compared.begin(),
                            result.not_compared.end());
    if (result.kind.empty()) continue;
    all.kind = result.kind;
    all.detail = concat(result.detail, " [run ", run, ", isa=", request.options.isa,
                        ", threads=", request.options.threads,
                        request.options.reference ? ", reference" : "", "]");
    return all;
  }
  return all;
}

CheckResult check_apart(const ir::Graph& graph, const std::vector<Sizes>& sizes, uint64_t seed) {
  const auto work = [&] {
    CheckResult result;
    try {
      result = check_graph(graph, sizes, seed);
    } catch (const Error& e) {
      result = {e.code_name(), e.what(), {}};
    } catch (const std::exception& e) {
      result = {"exception", e.what(), {}};
    }
    std::string text = concat(result.kind, '\0', result.detail.substr(0, 4000), '\0');
    for (const std::string& why : result.not_compared) text += concat(why, '\0');
    return text;
  };
  const Apart::Ending ending = Apart(work, kLimits).wait();
  if (!ending.fault.empty()) return {ending.fault, ending.detail, {}};
  std::vector<std::string> parts;
  for (size_t at = 0, end; (end = ending.text.find('\0', at)) != std::string::npos; at = end + 1)
    parts.push_back(ending.text.substr(at, end - at));
  if (parts.size() < 2) return {"crash", "ended without a result", {}};
  return {parts[0], parts[1], {parts.begin() + 2, parts.end()}};
}

namespace {

// `graph` without what no output needs, inputs included. Null if nothing is left.
std::unique_ptr<ir::Graph> tidied(std::unique_ptr<ir::Graph> graph) {
  passes::PassContext context;
  passes::erase_dead_nodes(*graph, context);
  for (int i = static_cast<int>(graph->inputs().size()) - 1; i >= 0; --i)
    if (graph->inputs()[static_cast<size_t>(i)]->uses().empty()) graph->remove_input(i);
  return graph->outputs().empty() ? nullptr : std::move(graph);
}

// Candidate `which` of the ways to make the graph smaller; null beyond the last, or if it is none.
std::unique_ptr<ir::Graph> smaller(const ir::Graph& graph, size_t which) {
  auto copy = copy_of(graph);
  if (which < copy->outputs().size()) {
    if (copy->outputs().size() == 1) return nullptr;
    ir::Value* kept = copy->outputs()[which];
    const std::string name = copy->output_name(static_cast<int>(which));
    copy->clear_outputs();
    copy->add_output(kept, name);
    return tidied(std::move(copy));
  }
  which -= copy->outputs().size();
  auto at = copy->nodes().begin();
  std::advance(at, static_cast<std::ptrdiff_t>(which / 2));
  ir::Node& node = **at;
  if (which % 2 == 0) {
    // The node's results become inputs of the graph.
    for (ir::Value* v : node.outputs()) {
      if (v == nullptr || v->uses().empty()) continue;
      if (!v->type().has_rank() || v->is_graph_output()) return nullptr;
      for (const Dim& d : *v->type().shape)
        if (!d.is_constant() && !(d.is_symbol() && d.symbol_name()[0] != '?')) return nullptr;
      copy->replace_uses(v, copy->add_input(v->name(), v->type()));
    }
    return tidied(std::move(copy));
  }
  // One of its inputs takes the place of the result.
  for (ir::Value* in : node.inputs())
    if (in != nullptr && !in->is_constant() && node.output() != nullptr &&
        in->type() == node.output()->type()) {
      copy->replace_uses(node.output(), in);
      return tidied(std::move(copy));
    }
  return nullptr;
}

}  // namespace

std::unique_ptr<ir::Graph> shrink(const ir::Graph& graph, const std::vector<Sizes>& sizes,
                                  uint64_t seed, const std::string& kind) {
  std::unique_ptr<ir::Graph> best = copy_of(graph);
  for (bool again = true; again;) {
    again = false;
    const size_t candidates = best->outputs().size() + 2 * best->node_count();
    for (size_t i = candidates; i-- > 0 && !again;) {
      std::unique_ptr<ir::Graph> candidate;
      try {
        candidate = smaller(*best, i);
      } catch (const Error&) {
        continue;
      }
      if (candidate == nullptr || check_apart(*candidate, sizes, seed).kind != kind) continue;
      best = std::move(candidate);
      again = true;
    }
  }
  return best;
}

}  // namespace planish::dev
