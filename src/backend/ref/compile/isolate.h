// SPDX-License-Identifier: Apache-2.0
// One node of a network on its own, at the sizes that it mostly has: what tuners measure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "tensor/tensor.h"

namespace planish::ref {

// The shapes that a network is used with most: dims by the name of an input.
using UsualShapes = std::map<std::string, Dims>;

// Dims of a node's inputs, parallel to them; empty for constants and absent ones.
using NodeDims = std::vector<Dims>;

// What the symbols of a graph usually are.
class UsualSizes {
 public:
  // What `shapes` says of the graph's inputs, else a guess within the symbol's range.
  UsualSizes(const ir::Graph& graph, const UsualShapes& shapes);

  // nullopt: a symbol is not known before run time.
  std::optional<int64_t> of(const Dim& dim) const;
  // nullopt: a size is not known or below 1.
  std::optional<NodeDims> of_inputs(const ir::Node& node) const;

 private:
  std::map<std::string, int64_t> symbols_;
};

// A graph of that node alone: its inputs with these dims, its constants as they are, values and
// nodes named by position. What the node means and nothing else: its text is a problem's key. Null
// if the shape rule objects: of symbols that are equal only at run time, each has a usual value of
// its own.
std::unique_ptr<ir::Graph> isolate(const ir::Node& node, const NodeDims& dims);

}  // namespace planish::ref
