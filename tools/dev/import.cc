// SPDX-License-Identifier: Apache-2.0
// planish_dev import: prints the imported graph of a model.
#include <chrono>
#include <cstdio>
#include <map>

#include "import/onnx/importer.h"
#include "ir/text.h"
#include "verbs.h"

namespace planish::dev {
namespace {

void count_ops(const ir::Graph& graph, std::map<std::string, int>& counts) {
  for (const auto& node : graph.nodes()) {
    ++counts[node->op()];
    for (const auto& [name, body] : node->subgraphs()) count_ops(*body, counts);
  }
}

int run_import(const std::vector<std::string>& arguments) {
  std::vector<std::string> models;
  bool only_counts = false;
  for (const std::string& a : arguments) {
    if (a == "--ops")
      only_counts = true;
    else
      models.push_back(a);
  }
  if (models.empty()) fail_usage("usage: planish_dev import [--ops] MODEL...");
  for (const std::string& model : models) {
    const auto start = std::chrono::steady_clock::now();
    const auto graph = onnx::import_file(model);
    const std::chrono::duration<double, std::milli> spent =
        std::chrono::steady_clock::now() - start;
    if (only_counts) {
      std::map<std::string, int> counts;
      count_ops(*graph, counts);
      std::printf("%s: %zu nodes in %.1f ms\n", model.c_str(), graph->total_node_count(),
                  spent.count());
      for (const auto& [op, n] : counts) std::printf("  %6d %s\n", n, op.c_str());
    } else {
      std::printf("%s", ir::print(*graph, {.bulk = false}).c_str());
    }
  }
  return 0;
}

const RegisterVerb kImport({"import", "prints the imported graph of a model, or counts its ops",
                            run_import});

}  // namespace
}  // namespace planish::dev
