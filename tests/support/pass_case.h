// SPDX-License-Identifier: Apache-2.0
// Tables of cases for passes: a graph in text before, a pass, a graph in text after. A twin on
// which the pass must not fire has no text after.
//
//   check_pass(reduce_strength, {
//       {"squares", R"(graph {
//          input %x : float32[n, 3]
//          const %two = float32[] {2.0}
//          %y = Pow(%x, %two)
//          output %y as "y"
//        })",
//        R"(graph { input %x : float32[n, 3] %y = Mul(%x, %x) output %y as "y" })"},
//   });
//
// Graphs are compared by structure from the outputs, so names and the order of nodes do not matter.
// Both graphs are run by the reference interpreter on seeded random inputs, with the symbolic
// dimensions bound twice, and must give the same values.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace planish::test {

using Bindings = std::map<std::string, int64_t>;

struct PassCase {
  std::string name;
  std::string before;
  std::string after = {};            // empty: the pass must leave the graph alone
  double tolerance = 1e-5;           // relative to the largest magnitude of the output
  std::vector<Bindings> sizes = {};  // of symbols; those not named get small sizes of their own
  bool runs = true;                  // false: too special to be run on random data
};

using PassFunction = bool (*)(ir::Graph&, passes::PassContext&);

// Types are inferred, the pass runs, dead nodes go. Also checks that the graph is well formed, that
// output types hold what they held before, and that a second run changes nothing.
void check_pass(PassFunction pass, std::initializer_list<PassCase> cases);

// Whether two graphs compute the same in the same way; else what differs.
std::string difference(const ir::Graph& a, const ir::Graph& b);

// Seeded random inputs of the graph's input types. Floats are normal, integers small and not
// negative.
std::vector<Datum> random_inputs(const ir::Graph& graph, const Bindings& bindings, uint64_t seed);
// Small sizes for the symbols of the graph's inputs, different in each round.
Bindings small_sizes(const ir::Graph& graph, int round);
// Runs both graphs on the same random inputs and compares every output.
void expect_same_results(const ir::Graph& a, const ir::Graph& b, const Bindings& bindings,
                         double tolerance, const std::string& what);

}  // namespace planish::test
