// SPDX-License-Identifier: Apache-2.0
// Types of values on demand, for the few importers of old opsets that need a rank.
#pragma once

#include <unordered_set>

#include "ir/graph.h"

namespace planish::onnx {

class LazyTypes {
 public:
  // Runs the shape rules of the nodes before `value` that have not run yet, as far as it has no
  // shape. What a rule refuses stays unknown: shape inference will say so.
  const Type& of(ir::Value* value);

 private:
  std::unordered_set<const ir::Node*> done_;
};

}  // namespace planish::onnx
