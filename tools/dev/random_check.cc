// SPDX-License-Identifier: Apache-2.0
#include "random_check.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

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

constexpr int kPerturbedRuns = 3;
constexpr unsigned kCpuSeconds = 20, kWallSeconds = 300;

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
      ir::Value* factor = add("RandomUniformLike", {v},
                              {{"low", 1 - reach},
                               {"high", 1 + reach},
                               {"seed", static_cast<double>(100 * round + 1)}});
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
};

Outputs interpret(const ir::Graph& graph, const std::vector<Datum>& inputs) {
  RunBudget budget;
  return ref::interpret(graph, inputs, budget);
}

// What differs in output i; empty if nothing that matters.
std::string tensor_difference(const Tensor& got, const Expected& expected, size_t i) {
  const Tensor& exact = expected.exact[i].tensor();
  std::vector<std::vector<double>> moved;
  for (const Outputs& run : expected.moved) {
    const Tensor& t = run[i].tensor();
    if (t.dims() != exact.dims()) return {};  // the size itself hangs on rounding
    moved.push_back(load<double>(t));
  }
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
  static const std::vector<std::string> kIsas = {"auto", "auto", "plain", "avx2", "avx512"};
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

CheckResult check_run(Context& context, const ir::Graph& graph,
                      const std::vector<std::unique_ptr<ir::Graph>>& moved, const Sizes& sizes,
                      uint64_t seed) {
  const std::vector<Datum> inputs = random_inputs(graph, sizes, seed);
  if (inputs.size() != graph.inputs().size()) return {};
  Expected expected;
  std::string error;
  try {
    expected.exact = interpret(graph, inputs);
    for (const auto& other : moved) expected.moved.push_back(interpret(*other, inputs));
  } catch (const Error& e) {
    error = concat(e.code_name(), ": ", e.what());
    if (e.code() == ErrorCode::kInternal) return {"internal", "interpreter: " + error};
  }
  Outputs got, again;
  try {
    got = context.run(inputs);
    again = context.run(inputs);
  } catch (const Error& e) {
    const std::string what = concat(e.code_name(), ": ", e.what());
    if (e.code() == ErrorCode::kInternal) return {"internal", what};
    // Windows over nothing: the interpreter clamps where an expression does not.
    const bool is_negative =
        what.find("dimension") != std::string::npos && what.find(" is -") != std::string::npos;
    return error.empty() && !is_negative ? CheckResult{"refused", what} : CheckResult{};
  }
  // A node that fails may have been dead.
  if (!error.empty()) return {};
  if (!same_bits(got, again)) return {"other bits", "a second run gives other bits"};
  for (size_t i = 0; i < got.size(); ++i) {
    const std::string found = tensor_difference(got[i].tensor(), expected, i);
    if (!found.empty())
      return {"wrong output",
              concat("output ", i, " (", graph.output_name(static_cast<int>(i)), "): ", found)};
  }
  return {};
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

std::unique_ptr<ir::Graph> copy_of(const ir::Graph& graph) {
  auto copy = ir::parse(ir::print(graph));
  passes::infer_types(*copy, passes::Known::kIgnore);
  return copy;
}

}  // namespace

CheckResult check_graph(const ir::Graph& graph, const std::vector<Sizes>& sizes, uint64_t seed) {
  Random random(seed ^ 0x9E3779B97F4A7C15U);
  std::vector<std::unique_ptr<ir::Graph>> moved;
  for (int round = 0; round < kPerturbedRuns; ++round) {
    moved.push_back(copy_of(graph));
    perturb(*moved.back(), round);
  }
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
    if (e.code() == ErrorCode::kInternal) return {"internal", what};
    return can_run(*original, sizes, seed) ? CheckResult{"build refused", what} : CheckResult{};
  }
  for (size_t run = 0; run < sizes.size(); ++run) {
    CheckResult result = check_run(*context, *original, moved, sizes[run], seed + run);
    if (result.kind.empty()) continue;
    result.detail +=
        concat(" [run ", run, ", isa=", request.options.isa, ", threads=", request.options.threads,
               request.options.reference ? ", reference" : "", "]");
    return result;
  }
  return {};
}

CheckResult check_apart(const ir::Graph& graph, const std::vector<Sizes>& sizes, uint64_t seed) {
  int ends[2];
  if (pipe(ends) != 0) throw Error(ErrorCode::kInternal, std::strerror(errno));
  const pid_t child = fork();
  if (child < 0) throw Error(ErrorCode::kInternal, std::strerror(errno));
  if (child == 0) {
    close(ends[0]);
    const rlimit limit{kCpuSeconds, kCpuSeconds};
    setrlimit(RLIMIT_CPU, &limit);
    alarm(kWallSeconds);
    CheckResult result;
    try {
      result = check_graph(graph, sizes, seed);
    } catch (const std::exception& e) {
      result = {"exception", e.what()};
    }
    const std::string text = concat(result.kind, '\0', result.detail.substr(0, 4000));
    if (write(ends[1], text.data(), text.size()) < 0) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const bool is_late = signal == SIGALRM || signal == SIGXCPU || signal == SIGKILL;
    return {is_late ? "time" : "crash", strsignal(signal)};
  }
  const size_t cut = text.find('\0');
  if (cut == std::string::npos) return {"crash", "ended without a result"};
  return {text.substr(0, cut), text.substr(cut + 1)};
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
