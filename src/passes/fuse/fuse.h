// SPDX-License-Identifier: Apache-2.0
// Gathers nodes into planish.Fused nodes: chains and trees of pointwise ops, with at most one root
// (a convolution, a matrix product, ...) whose result they consume.
//
//   %c = Conv(%x, %w)                  %y = planish.Fused(%x, %w, %r) body=graph {
//   %a = Add(%c, %r)         ->          %c = Conv(..) %a = Add(..) %y = Relu(..)
//   %y = Relu(%a)                      }
//
// A node joins the group of its users if all users of its result are in that one group and the
// result has the group's shape, so nothing is computed twice and nothing but the group's last
// result is stored. Scalar constants go into the body, everything else becomes an input.
#pragma once

#include "ir/graph.h"

namespace planish::passes {

// What a backend can take into one kernel.
struct FusePolicy {
  bool (*is_root)(const ir::Node&);    // may stand at the bottom of a group
  bool (*is_member)(const ir::Node&);  // pointwise, of types that the backend computes
  int max_inputs;                      // of one fused node
  int max_nodes;
  // A root joins only a group whose result has its type: the tail is computed in place.
  bool keeps_root_type = false;
  // Roots of the groups that no other root wants; null: none.
  bool (*is_light_root)(const ir::Node&) = nullptr;
};

bool fuse(ir::Graph& graph, const FusePolicy& policy);

}  // namespace planish::passes
