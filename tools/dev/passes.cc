// SPDX-License-Identifier: Apache-2.0
// planish_dev passes: what the passes make of a model, and how long they take.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "backend/cpu/compile/pipeline.h"
#include "import/onnx/importer.h"
#include "ir/text.h"
#include "passes/pipelines.h"
#include "planish/error.h"
#include "verbs.h"

namespace planish::dev {
namespace {

struct Settings {
  bool cpu = false, graph = false, ops = false;
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
    else if (a.starts_with("--"))
      fail_usage("unknown option " + a);
    else
      s.models.push_back(a);
  }
  if (s.models.empty())
    fail_usage("usage: planish_dev passes [--cpu] [--graph] [--ops] MODEL.onnx ...");
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

void report(const std::string& path, const Settings& settings) {
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
  if (settings.ops) print_ops(*graph);
  if (settings.graph)
    std::printf("%s", ir::print(*graph, {.max_elements = 16, .bulk = false}).c_str());
}

int run(const std::vector<std::string>& arguments) {
  const Settings settings = parse(arguments);
  int failures = 0;
  for (const std::string& model : settings.models) {
    try {
      report(model, settings);
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
