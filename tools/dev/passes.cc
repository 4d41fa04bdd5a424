// SPDX-License-Identifier: Apache-2.0
// planish_dev passes: what the passes make of a model, and how long they take.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "backend/cpu/compile/pipeline.h"
#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "compare.h"
#include "import/onnx/importer.h"
#include "ir/text.h"
#include "passes/infer.h"
#include "passes/pipelines.h"
#include "planish/error.h"
#include "random_generator.h"
#include "tensor/elements.h"
#include "verbs.h"

namespace planish::dev {
namespace {

struct Settings {
  bool cpu = false, graph = false, ops = false, check = false;
  Sizes sizes;  // of symbols, for --check
  std::vector<std::string> models;
};

Settings parse(const std::vector<std::string>& arguments) {
  Settings s;
  for (const std::string& a : arguments) {
    if (a == "--cpu")
      s.cpu = true;
    else if (a == "--graph")
      s.graph = true;
    else if (a == "--ops")
      s.ops = true;
    else if (a == "--check")
      s.check = true;
    else if (a.starts_with("--size=") && a.rfind('=') > 6)
      s.sizes[a.substr(7, a.rfind('=') - 7)] = std::stoll(a.substr(a.rfind('=') + 1));
    else if (a.starts_with("--"))
      fail_usage("unknown option " + a);
    else
      s.models.push_back(a);
  }
  if (s.models.empty())
    fail_usage(
        "usage: planish_dev passes [--cpu] [--graph] [--ops] [--check [--size=SYMBOL=N]] "
        "MODEL.onnx ...");
  return s;
}

struct PassStatistics {
  int runs = 0, changes = 0;
  double seconds = 0;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print_ops(const ir::Graph& graph) {
  std::map<std::string, int> counts;
  for (const auto& node : graph.nodes()) ++counts[node->op()];
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto& [op, count] : counts) sorted.emplace_back(-count, op);
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [count, op] : sorted) std::printf("  %5d %s\n", -count, op.c_str());
}

// Random inputs; integers are 0 or 1, which are indices into most things. A symbol that no option
// gives a size is 2.
std::vector<Datum> random_inputs(const ir::Graph& graph, Sizes sizes) {
  Random random(1);
  std::vector<Datum> out;
  for (const ir::Value* in : graph.inputs()) {
    const Type& type = in->type();
    std::map<std::string, DimRange> symbols;
    if (type.has_rank())
      for (const Dim& d : *type.shape) d.collect_symbols(symbols);
    for (const auto& [name, range] : symbols) sizes.emplace(name, 2);
    const auto dims = concrete_dims(type, sizes);
    if (!dims || type.dtype == DType::kString)
      throw Error(ErrorCode::kUnsupported, concat("cannot make up input ", in->name()));
    if (is_float(type.dtype)) {
      out.emplace_back(random_tensor(random, type.dtype, *dims));
    } else {
      Tensor t(type.dtype, *dims);
      store(t, load<double>(random_tensor(random, DType::kBool, *dims)));
      out.emplace_back(std::move(t));
    }
  }
  return out;
}

double greatest_magnitude(const Datum& d) {
  double greatest = 0;
  if (d.is_tensor() && is_float(d.tensor().dtype()))
    for (double v : load<double>(d.tensor()))
      if (std::isfinite(v)) greatest = std::max(greatest, std::fabs(v));
  return greatest;
}

// Runs the imported graph and the changed one with the reference, and prints whether their outputs
// agree. False if one does not.
bool compare(const ir::Graph& imported, const ir::Graph& changed, const Sizes& sizes) {
  const std::vector<Datum> inputs = random_inputs(imported, sizes);
  RunBudget budget, second;
  const auto expected = ref::interpret(imported, inputs, budget);
  const auto got = ref::interpret(changed, inputs, second);
  bool is_same = true;
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string found =
        difference(expected[i], got[i],
                   {.relative = 1e-3, .absolute = 1e-5 * greatest_magnitude(expected[i])});
    std::printf("  output %s: %s\n", imported.output_name(static_cast<int>(i)).c_str(),
                found.empty() ? "agrees" : found.c_str());
    is_same &= found.empty();
  }
  return is_same;
}

// False if a check fails.
bool report(const std::string& path, const Settings& settings) {
  const auto graph = onnx::import_file(path);
  const size_t before = graph->total_node_count();
  std::map<std::string, PassStatistics> passes;
  passes::PassContext context;
  passes::PipelineOptions options;
  options.timer = [&](const passes::Pass& pass, bool changed, double seconds) {
    PassStatistics& p = passes[pass.name];
    ++p.runs;
    p.changes += changed ? 1 : 0;
    p.seconds += seconds;
  };
  auto start = std::chrono::steady_clock::now();
  passes::canonicalize(*graph, context, options);
  const double canonical = seconds_since(start);
  std::printf("%s\n  %zu nodes, canonical %zu in %.3f s", path.c_str(), before,
              graph->total_node_count(), canonical);
  if (settings.cpu) {
    start = std::chrono::steady_clock::now();
    cpu::optimize(*graph, context, options);
    std::printf(", for the CPU %zu in %.3f s", graph->node_count(), seconds_since(start));
  }
  std::printf("\n");
  for (const auto& [name, p] : passes)
    if (p.changes > 0 || p.seconds > 0.001)
      std::printf("  %-26s %2d of %2d rounds, %8.1f ms\n", name.c_str(), p.changes, p.runs,
                  p.seconds * 1e3);
  for (const auto& [rule, count] : context.fired)
    std::printf("  %5lld %s\n", static_cast<long long>(count), rule.c_str());
  bool is_good = true;
  if (settings.check) {
    const auto imported = onnx::import_file(path);
    passes::infer_types(*imported, passes::Known::kIgnore);
    is_good = compare(*imported, *graph, settings.sizes);
  }
  if (settings.ops) print_ops(*graph);
  if (settings.graph)
    std::printf("%s", ir::print(*graph, {.max_elements = 16, .bulk = false}).c_str());
  return is_good;
}

int run(const std::vector<std::string>& arguments) {
  const Settings settings = parse(arguments);
  int failures = 0;
  for (const std::string& model : settings.models) {
    try {
      failures += report(model, settings) ? 0 : 1;
    } catch (const Error& e) {
      std::printf("%s\n  %s: %s\n", model.c_str(), e.code_name(), e.what());
      ++failures;
    }
  }
  return failures == 0 ? 0 : 1;
}

const RegisterVerb kPasses({"passes", "nodes before and after the passes, rules that fired, time",
                            run});

}  // namespace
}  // namespace planish::dev
